// What does not fit a schema, in words for the people who wrote it: one issue for each wrong place, names with the nearest known one.
import type { TSchema } from "typebox";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { ProblemIssue } from "#relay/core/problem.ts";

/** As TypeBox gives it. */
interface SchemaError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

interface Params {
  readonly additionalProperties?: readonly string[];
  readonly requiredProperties?: readonly string[];
  readonly allowedValue?: unknown;
  readonly allowedValues?: readonly unknown[];
  readonly type?: unknown;
  readonly limit?: number;
}

interface Node {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly examples?: readonly unknown[];
  readonly pattern?: string;
}

/** More issues than this are not listed. */
const MAX_ISSUES = 20;
const MAX_NAME = 100;

/** `root`: where pointers begin, `#` for a body, `#/query` for a query. */
export function issuesOf(
  schema: TSchema,
  errors: readonly SchemaError[],
  value: unknown,
  root: string,
): ProblemIssue[] {
  const issues = errors.flatMap((error): readonly ProblemIssue[] => {
    const pointer = `${root}${error.instancePath}`;
    const params = error.params as Params;
    switch (error.keyword) {
      // An unknown name is reported once, by the keyword that its object has.
      case "boolean":
        return [];
      case "additionalProperties": {
        const known = Object.keys(nodeAt(schema, error.schemaPath).properties ?? {});
        return (params.additionalProperties ?? []).map((name) => unknownName(pointer, root, name, known));
      }
      case "required":
        return (params.requiredProperties ?? []).map((name) => ({
          pointer: `${pointer}/${name}`,
          detail: "is missing",
        }));
      default:
        return [
          {
            pointer,
            detail: alternatives(errors, error) ?? words(schema, error, valueAt(value, error.instancePath)),
          },
        ];
    }
  });
  return distinct(issues);
}

/**
 * Of text: some of these values, separated by commas. A word that no record can have would find nothing, for ever, and nobody
 * would know why.
 */
export function listPattern(values: readonly string[]): string {
  const any = values.join("|");
  return `^(${any})(, *(${any}))*$`;
}

/** Where one of several would fit, all of them: `must be one of a, b or null`. */
function alternatives(errors: readonly SchemaError[], { instancePath }: SchemaError): string | undefined {
  const here = errors.filter((error) => error.instancePath === instancePath);
  const isChoice = here.some(
    ({ keyword, schemaPath }) => keyword === "anyOf" || /\/anyOf\/\d+/.test(schemaPath),
  );
  if (!isChoice) return undefined;
  const values = here.flatMap(({ keyword, params }) =>
    keyword === "const" ? [shown((params as Params).allowedValue)] : [],
  );
  const types = here.flatMap(({ keyword, params }) => (keyword === "type" ? [typeWord(params)] : []));
  const list = values.length > 1 ? [`one of ${values.join(", ")}`] : values;
  return list.length + types.length === 0
    ? undefined
    : `must be ${[...list, ...new Set(types)].join(" or ")}`;
}

function words(schema: TSchema, error: SchemaError, value: unknown): string {
  const params = error.params as Params;
  switch (error.keyword) {
    case "type":
      return `must be ${typeWord(params)}`;
    case "enum":
      return `must be one of ${(params.allowedValues ?? []).map(shown).join(", ")}`;
    case "const":
      return `must be ${shown(params.allowedValue)}`;
    case "minimum":
      return `must be at least ${params.limit}`;
    case "maximum":
      return `must be at most ${params.limit}`;
    case "minLength":
      return params.limit === 1 ? "must not be empty" : `must have at least ${params.limit} characters`;
    case "maxLength":
      return `must have at most ${params.limit} characters`;
    case "minItems":
      return params.limit === 1 ? "must not be empty" : `must have at least ${params.limit} items`;
    case "maxItems":
      return `must have at most ${params.limit} items`;
    case "pattern":
      return patternWords(nodeAt(schema, error.schemaPath), value) ?? error.message;
    default:
      return error.message;
  }
}

/** A pattern says nothing to most readers; its values or its examples do. */
function patternWords({ pattern = "", examples = [] }: Node, value: unknown): string | undefined {
  const [, list] = /^\^\(([\w|]+)\)\(, \*\(\1\)\)\*\$$/.exec(pattern) ?? [];
  if (list !== undefined) return unknownValue(String(value), list.split("|"));
  if (examples.length === 0) return undefined;
  return `is not of the right form; such as ${examples.slice(0, 4).map(shown).join(" or ")}`;
}

function unknownValue(text: string, known: readonly string[]): string {
  const value = text.split(",").find((part) => !known.includes(part.trim())) ?? text;
  const hint = didYouMean(value.toLowerCase(), known) || `; possible: ${known.join(", ")}`;
  return `knows no ${JSON.stringify(value.slice(0, MAX_NAME))}${hint}`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  object: "a JSON object",
  array: "a list",
};

function typeWord({ type }: Params): string {
  const names = [type].flat().map(String);
  return names.map((name) => TYPE_WORDS[name] ?? name).join(" or ");
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function unknownName(pointer: string, root: string, name: string, known: readonly string[]): ProblemIssue {
  const what = root === "#/query" ? "is not a parameter of this address" : "is not a known member";
  const list = known.length === 0 ? "; it takes none" : `; known: ${known.join(", ")}`;
  const hint = didYouMean(name, known);
  return { pointer: `${pointer}/${name.slice(0, MAX_NAME)}`, detail: `${what}${hint === "" ? list : hint}` };
}

/** The part of the schema that an error is about. */
function nodeAt(schema: TSchema, schemaPath: string): Node {
  const node = valueAt(schema, schemaPath.slice(1));
  return typeof node === "object" && node !== null ? node : {};
}

/** By a JSON pointer. */
function valueAt(root: unknown, pointer: string): unknown {
  let value = root;
  for (const part of pointer.split("/").slice(1)) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return value;
}

/** The first of each place; what is said of a whole object comes after what is said of its members. */
function distinct(issues: readonly ProblemIssue[]): ProblemIssue[] {
  const seen = new Map(issues.map((issue) => [`${issue.pointer} ${issue.detail}`, issue]));
  return [...seen.values()].slice(0, MAX_ISSUES);
}
