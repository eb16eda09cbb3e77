// Checks queries, paths and bodies against their TypeBox schemas and says every problem at once, with the nearest name.
import { Compile } from "typebox/compile";
import type { TSchema } from "typebox";
import type { FastifySchemaCompiler } from "fastify";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { invalidRequest } from "#relay/core/administration.ts";
import type { ProblemIssue } from "#relay/core/problem.ts";

type Properties = Readonly<Record<string, { readonly type?: unknown }>>;
type Validation = true | { value: unknown } | { error: Error };

const ROOTS: Readonly<Record<string, string>> = {
  querystring: "#/query",
  params: "#/path",
  headers: "#/header",
};
/** More problems than this are not listed. */
const MAX_ISSUES = 20;

export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  const properties: Properties = (schema as { properties?: Properties }).properties ?? {};
  const coerced = httpPart === "querystring" ? Object.entries(properties).filter(isCoerced) : [];
  const root = ROOTS[httpPart ?? "body"] ?? "#";
  return (input: unknown): Validation => {
    const value = coerced.length === 0 ? input : coerceQuery(input, coerced);
    // With headers given back as a value, Fastify would copy all of them whenever one is looked at.
    if (validator.Check(value)) return value === input ? true : { value };
    const issues = validator.Errors(value).flatMap((error) => describe(error, root, value, properties));
    return { error: invalidRequest("The request is not valid", distinct(issues)) };
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

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

function describe(error: SchemaError, root: string, value: unknown, properties: Properties): ProblemIssue[] {
  const pointer = `${root}${error.instancePath}`;
  const params = error.params as {
    additionalProperties?: readonly string[];
    requiredProperties?: readonly string[];
  };
  const known = Object.keys(properties);
  if (error.keyword === "additionalProperties") {
    return (params.additionalProperties ?? []).map((name) => unknownName(pointer, root, name, known));
  }
  // An unknown name is reported once, by the keyword above.
  if (error.keyword === "boolean") return [];
  if (error.keyword === "required") {
    const names = params.requiredProperties ?? [];
    return names.map((name) => ({ pointer: `${pointer}/${name}`, detail: "is missing" }));
  }
  if (Array.isArray(valueAt(value, error.instancePath)) && root === "#/query") {
    return [{ pointer, detail: "is given more than once; give it once" }];
  }
  return [{ pointer, detail: error.message }];
}

function unknownName(pointer: string, root: string, name: string, known: readonly string[]): ProblemIssue {
  const what = root === "#/query" ? "is not a parameter of this address" : "is not a known member";
  const list = known.length === 0 ? "; it takes none" : `; known: ${known.join(", ")}`;
  const hint = didYouMean(name, known);
  return { pointer: `${pointer}/${name.slice(0, 100)}`, detail: `${what}${hint === "" ? list : hint}` };
}

function valueAt(value: unknown, path: string): unknown {
  const name = path.split("/")[1];
  return name === undefined ? value : (value as Record<string, unknown>)[name];
}

function distinct(issues: readonly ProblemIssue[]): ProblemIssue[] {
  const seen = new Map(issues.map((issue) => [`${issue.pointer} ${issue.detail}`, issue]));
  return [...seen.values()].slice(0, MAX_ISSUES);
}
