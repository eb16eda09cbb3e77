// Pass-through: queries that the plant's own file names, read only, with what they give back as it is.
import { Type } from "typebox";
import { queryAnswer } from "#common/contract/command-answers.ts";
import type { QueryDescription } from "#common/contract/description.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { problemOf } from "#relay/core/commands/command-problem.ts";
import { requireSource } from "#relay/core/connections/reachability.ts";
import { invalidValues, isObject, type Values } from "#relay/core/operations/write-check.ts";
import { valueProblem } from "#relay/core/operations/value-check.ts";
import { Problem, type ProblemIssue } from "#relay/core/problem.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { narrowedScope, readScope } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { answers, ConnectionParameter, nullable, ok, ref } from "./schemas.ts";
import { namedConnection } from "./write-desk.ts";
import { traceOf } from "./trace-context.ts";

/** A query's answer must have come by then; the plant has a limit of its own. */
const TIMEOUT_MS = 30_000;

export const QuerySchema = Type.Object(
  {
    connection_id: Type.String(),
    query: Type.String({ examples: ["open_orders_of_vendor"] }),
    description: nullable(Type.String()),
    parameters: Type.Array(
      Type.Object({
        name: Type.String({ examples: ["vendor"] }),
        type: Type.String({ examples: ["text"] }),
        required: Type.Boolean(),
      }),
    ),
  },
  { $id: "Query", description: "A query that a plant names" },
);

export const QueryResultSchema = Type.Object(
  {
    connection_id: Type.String(),
    query: Type.String(),
    columns: Type.Array(Type.String(), { maxItems: 1_000 }),
    rows: Type.Array(
      Type.Array(Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]), {
        maxItems: 1_000,
      }),
      { maxItems: 10_000, description: "In the order of the columns, as the source gives them" },
    ),
    is_truncated: Type.Boolean({ description: "The plant's limit of rows was reached" }),
  },
  { $id: "QueryResult", description: "What a query gave back; nothing of it is kept" },
);

const Body = Type.Object(
  {
    connection_id: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: "If the token sees several connections" }),
    ),
    parameters: Type.Optional(
      Type.Record(Type.String({ maxLength: 200 }), Type.Unknown(), { examples: [{ vendor: "V-1001" }] }),
    ),
  },
  { additionalProperties: false },
);

const Params = Type.Object({
  name: Type.String({
    minLength: 1,
    maxLength: 100,
    pattern: "^[A-Za-z][A-Za-z0-9_.-]*$",
    description: "As GET /v1/queries names it",
    examples: ["open_orders_of_vendor"],
  }),
});

export function addQueryRoutes(app: HttpServer, deps: HttpDeps): void {
  addList(app, deps);
  addRun(app, deps);
}

function addList(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "listQueries",
    tags: ["Queries"],
    summary: "List the queries that plants name",
    description:
      "Read only, each written at its plant, in the agent's own file. Their statements are seen only there.",
    querystring: Type.Object({ connection_id: ConnectionParameter }, { additionalProperties: false }),
    response: answers(
      { 200: ok("All of them", Type.Object({ data: Type.Array(ref("Query")) })) },
      [400, 401, 403, 404, 429, 503],
    ),
  };
  app.get("/v1/queries", {
    schema,
    config: { access: "read" },
    handler: async (request) => {
      const { directory } = deps.store;
      const scope = await narrowedScope(directory, readScope(request), request.query.connection_id);
      const connections = await directory.connections(scope);
      const data = connections.flatMap(({ id, description }) =>
        (description?.queries ?? []).map((query) => queryBody(id, query)),
      );
      return { data };
    },
  });
}

function addRun(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "runQuery",
    tags: ["Queries"],
    summary: "Run a query that the plant names",
    description:
      "Read only. The parameters are checked against what the plant says of the query; the plant bounds its rows and its time. Nothing of the answer is kept.",
    params: Params,
    querystring: Type.Object({}, { additionalProperties: false }),
    body: Body,
    response: answers(
      { 200: ok("Its rows", ref("QueryResult")) },
      [400, 401, 403, 404, 409, 413, 415, 422, 429, 501, 502, 503, 504],
      "command",
    ),
  };
  app.post("/v1/queries/:name", {
    schema,
    // It changes nothing; what may be asked is the plant's to say.
    config: { access: "read", load: "read" },
    handler: async (request, reply) => {
      const { connection_id: connectionId, parameters = {} } = request.body;
      const connection = await namedConnection(deps, readScope(request), connectionId, "#/connection_id");
      const query = describedQuery(connection, request.params.name);
      const given = isObject(parameters) ? parameters : {};
      const issues = parameterIssues(query, given);
      if (issues.length > 0) throw invalidValues(issues);
      requireSource(connection);
      const result = await deps.commands.ask({
        connection,
        kind: "query",
        body: { query: query.query, parameters: given },
        timeoutMs: TIMEOUT_MS,
        ...traceOf(request),
        signal: request.signal,
      });
      if (result.outcome !== "succeeded") throw problemOf(result, connection);
      const answer = queryAnswer(result.result);
      if (answer === undefined)
        throw new Problem("SOURCE_ERROR", "The agent answered with what is no table.");
      reply.header("cache-control", "no-store");
      return { connection_id: connection.id, query: query.query, ...answer };
    },
  });
}

/** @throws Problem NOT_FOUND */
function describedQuery({ description, name: plant }: ConnectionRow, name: string): QueryDescription {
  const queries = description?.queries ?? [];
  const found = queries.find(({ query }) => query === name);
  if (found !== undefined) return found;
  const names = queries.map(({ query }) => query);
  const hint = didYouMean(name, names) || `; it names ${names.join(", ") || "none"}`;
  throw new Problem("NOT_FOUND", `The plant of ${plant} names no query ${name}${hint}.`);
}

function parameterIssues({ parameters }: QueryDescription, given: Values): readonly ProblemIssue[] {
  const issues: ProblemIssue[] = [];
  const known = parameters.map(({ name }) => name);
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const hint = didYouMean(name, known) || `; it takes ${known.join(", ") || "none"}`;
    issues.push({ pointer: `#/parameters/${name.slice(0, 200)}`, detail: `is not a parameter${hint}` });
  }
  for (const parameter of parameters) {
    const { name, required } = parameter;
    const value = given[name];
    const isMissing = value === undefined && required;
    const detail = isMissing
      ? "is required"
      : value === undefined
        ? undefined
        : valueProblem(parameter, value);
    if (detail !== undefined) issues.push({ pointer: `#/parameters/${name}`, detail });
  }
  return issues;
}

function queryBody(connectionId: string, { query, description, parameters }: QueryDescription): object {
  return { connection_id: connectionId, query, description: description ?? null, parameters };
}
