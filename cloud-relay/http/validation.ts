// Checks queries, paths and bodies against their TypeBox schemas and says every problem at once, with the nearest name.
import { Compile } from "typebox/compile";
import type { TSchema } from "typebox";
import type { FastifySchemaCompiler } from "fastify";
import { invalidRequest } from "#relay/core/administration.ts";
import { Problem, type ProblemIssue } from "#relay/core/problem.ts";
import { issuesOf } from "./schema-issues.ts";

type Properties = Readonly<Record<string, { readonly type?: unknown }>>;
type Validation = true | { value: unknown } | { error: Error };

const ROOTS: Readonly<Record<string, string>> = {
  querystring: "#/query",
  params: "#/path",
  headers: "#/header",
};

export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  const properties: Properties = (schema as { properties?: Properties }).properties ?? {};
  const coerced = httpPart === "querystring" ? Object.entries(properties).filter(isCoerced) : [];
  const root = ROOTS[httpPart ?? "body"] ?? "#";
  return (input: unknown): Validation => {
    const value = coerced.length === 0 ? input : coerceQuery(input, coerced);
    // With headers given back as a value, Fastify would copy all of them whenever one is looked at.
    if (validator.Check(value)) return value === input ? true : { value };
    if (value === undefined || value === null) return { error: missingBody() };
    const errors = validator.Errors(value);
    const issues = issuesOf(schema, errors, value, root).map(
      (issue) => repeated(issue, root, value) ?? issue,
    );
    return { error: invalidRequest("The request is not valid", issues) };
  };
};

type Property = readonly [name: string, schema: { readonly type?: unknown }];

function isCoerced([, { type }]: Property): boolean {
  return type === "integer" || type === "number" || type === "boolean";
}

/** Queries are text: numbers and booleans become what the schema wants, where they can. */
function coerceQuery(input: unknown, coerced: readonly Property[]): unknown {
  const query = input as Readonly<Record<string, unknown>>;
  const result: Record<string, unknown> = { ...query };
  for (const [name, { type }] of coerced) {
    const text = query[name];
    if (typeof text === "string") result[name] = coerce(text, type);
  }
  return result;
}

function coerce(text: string, type: unknown): unknown {
  if (type === "integer" || type === "number") {
    return /^-?\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
  }
  if (type !== "boolean") return text;
  if (text === "true" || text === "1" || text === "") return true;
  return text === "false" || text === "0" ? false : text;
}

function missingBody(): Error {
  return new Problem(
    "INVALID_REQUEST",
    "The request has no body. Send a JSON object with `Content-Type: application/json`; {} where nothing needs to be said.",
    { errors: [{ pointer: "#", detail: "is missing" }] },
  );
}

/** A parameter that came twice is a list. */
function repeated({ pointer }: ProblemIssue, root: string, value: unknown): ProblemIssue | undefined {
  if (root !== "#/query" || !Array.isArray(valueAt(value, pointer.slice(root.length)))) return undefined;
  return { pointer, detail: "is given more than once; give it once" };
}

function valueAt(value: unknown, path: string): unknown {
  const name = path.split("/")[1];
  return name === undefined ? value : (value as Record<string, unknown>)[name];
}
