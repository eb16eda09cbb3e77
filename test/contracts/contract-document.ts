// The API's document as Specmatic is given it: requests whose random values can succeed, answers as they are.
import type { Document, OperationObject, Parameter, Schema } from "./contract-examples.ts";

/** It tries every combination of what is optional: 2^n requests. */
const MAX_OPTIONAL = 1;
/** Of the right type, and yet only some values can succeed: pages that are there, revisions that were, one or the other. */
const UNFIT = new Set(["page", "per_page", "revision", "queue_if_offline", "status"]);

/**
 * Of the optional query parameters at most MAX_OPTIONAL stay, of those that any value of their type suits; the next address has the
 * next ones. Optional headers go: a random If-Match never fits. Bodies have the members of their examples (`bodies`, by operation):
 * which others a source takes is not in the document but in its capabilities. All answers stay. Who may call is
 * another test's (isolation.test.ts): nothing of tokens stays.
 */
export function documentFor(document: Document, bodies: ReadonlyMap<string, object>): Document {
  const trimmed = Object.entries(document.paths).map(([path, operations], index) => {
    const entries = Object.entries(operations).map(([method, operation]) => {
      const { requestBody: _, security: __, ...rest } = operation;
      const body = bodies.get(operation.operationId);
      return [
        method,
        {
          ...rest,
          parameters: parametersOf(operation, index),
          ...(body !== undefined && { requestBody: requestBodyOf(document, operation, body) }),
        },
      ] as const;
    });
    return [path, Object.fromEntries(entries)] as const;
  });
  return { ...document, paths: Object.fromEntries(trimmed) as Document["paths"] };
}

function parametersOf({ parameters = [] }: OperationObject, turn: number): Parameter[] {
  const needed = parameters.filter(({ in: where, required }) => where === "path" || required === true);
  const fit = parameters.filter((one) => one.in === "query" && one.required !== true && suitsAny(one));
  const first = fit.length === 0 ? 0 : (turn * MAX_OPTIONAL) % fit.length;
  return [...needed, ...[...fit.slice(first), ...fit.slice(0, first)].slice(0, MAX_OPTIONAL)];
}

function suitsAny({ name, schema }: Parameter): boolean {
  if (UNFIT.has(name)) return false;
  return schema.enum !== undefined || schema.type === "integer" || schema.type === "boolean";
}

function requestBodyOf({ components }: Document, { requestBody }: OperationObject, example: object): object {
  const given = Object.values(requestBody?.content ?? {})[0]?.schema ?? {};
  const schema: Schema = components.schemas[given.$ref?.split("/").at(-1) ?? ""] ?? given;
  const members = Object.entries(example);
  const properties = members.map(([name, value]) => [name, narrowed(schema.properties?.[name], value)]);
  return {
    required: true,
    content: {
      "application/json": {
        schema: {
          type: "object",
          properties: Object.fromEntries(properties),
          required: members.map(([name]) => name),
        },
      },
    },
  };
}

/** What may be anything, or names what there is, is as the example has it. */
function narrowed(schema: Schema | undefined, value: unknown): object {
  if (Array.isArray(value)) {
    const isNames = value.every((item) => typeof item === "string");
    if (isNames) return { ...schema, items: { type: "string", enum: value } };
    const free = Object.entries(Object.assign({}, ...value) as object).filter(([, inner]) => isFree(inner));
    const inner = free.map(([name, member]) => [name, narrowed(undefined, member)]);
    const properties = { ...schema?.items?.properties, ...Object.fromEntries(inner) };
    return { ...schema, items: { ...schema?.items, properties } };
  }
  if (isFree(value) && schema?.properties === undefined) {
    const members = Object.entries(value);
    return {
      type: "object",
      properties: Object.fromEntries(members.map(([name, inner]) => [name, narrowed(undefined, inner)])),
      required: members.map(([name]) => name),
      additionalProperties: false,
    };
  }
  // Of a merge patch, null takes a member away.
  return schema ?? { type: typeof value === "number" ? ["integer", "null"] : typeof value };
}

/** An object whose members the document leaves open. */
function isFree(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
