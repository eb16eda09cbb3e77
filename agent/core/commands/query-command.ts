// A named query of the plant's own file: parameters checked and bound, rows bounded, the statement never told.
import type { QueryAnswer, QueryBody } from "#common/contract/commands.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { OpenSource } from "../room/open-source.ts";
import type { QueryRequest, QueryValue } from "../source/query.ts";
import { CommandFailed } from "./command-failure.ts";
import { namedQuery, type NamedQuery, type PlantPolicy, type QueryParameter } from "./plant-policy.ts";

const MAX_TEXT_CHARS = 4_000;
const DECIMAL = /^-?\d{1,38}(\.\d{1,38})?$/;
const INTEGER = /^-?\d{1,18}$/;

/** @throws CommandFailed, ConnectorError */
export async function runQuery(
  source: OpenSource,
  body: QueryBody,
  policy: PlantPolicy,
  signal: AbortSignal,
): Promise<QueryAnswer> {
  const query = namedQuery(policy, body.query);
  if (query === undefined)
    throw new CommandFailed("NOT_ALLOWED", `the plant's file names no query ${body.query} (allow.queries)`);
  const parameters = boundParameters(query, body.parameters);
  const { connector, load } = source;
  if (connector.query === undefined)
    throw new CommandFailed("UNKNOWN_COMMAND", "this kind of source takes no queries");
  const ask = connector.query.bind(connector);
  const request: QueryRequest = { statement: query.statement, parameters, maxRows: query.maxRows, signal };
  const result = await load.once(
    signal,
    () => ask(request),
    ({ rows }) => rows.length,
  );
  if (result === undefined)
    throw new ConnectorError("unavailable", "the query was called off before it began");
  return {
    columns: [...result.columns],
    rows: result.rows.map((row) => [...row]),
    is_truncated: result.isTruncated,
  };
}

function boundParameters(
  { parameters }: NamedQuery,
  given: Readonly<Record<string, unknown>>,
): QueryRequest["parameters"] {
  const names = Object.keys(parameters);
  const errors = Object.keys(given)
    .filter((name) => !Object.hasOwn(parameters, name))
    .map((name) => ({
      field: name,
      detail: `is no parameter of this query${didYouMean(name, names) || `; these are: ${names.join(", ") || "none"}`}`,
    }));
  const bound = Object.entries(parameters).map(([name, parameter]) => {
    const value = Object.hasOwn(given, name) ? (given[name] ?? null) : null;
    const problem = problemOf(parameter, value);
    if (problem !== undefined) errors.push({ field: name, detail: problem });
    return { name, value: value as QueryValue };
  });
  if (errors.length === 0) return bound;
  const detail = errors.map((error) => `${error.field} ${error.detail}`).join("; ");
  throw new CommandFailed("INVALID_VALUES", detail, { errors });
}

function problemOf({ type, isRequired }: QueryParameter, value: unknown): string | undefined {
  if (value === null) return isRequired ? "is required" : undefined;
  switch (type) {
    case "text":
      if (typeof value === "string" && value.length <= MAX_TEXT_CHARS) return undefined;
      return `expected text of at most ${MAX_TEXT_CHARS} characters`;
    case "boolean":
      return typeof value === "boolean" ? undefined : "expected true or false";
    case "integer":
      if (Number.isSafeInteger(value) || (typeof value === "string" && INTEGER.test(value))) return undefined;
      return "expected a whole number";
    default:
      return typeof value === "string" && DECIMAL.test(value)
        ? undefined
        : 'expected a decimal as text, such as "12.50"';
  }
}
