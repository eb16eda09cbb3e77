// Operations: how a write stands, those there are, and calling one off.
import { Type } from "typebox";
import { invalidRequest } from "#relay/core/administration.ts";
import { encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { OPERATION_STATES, type OperationState } from "#relay/core/operations/operation.ts";
import type { OperationQuery } from "#relay/core/operations/operation-store.ts";
import { unknownOperation } from "#relay/core/operations/operations.ts";
import { revisionAt } from "#relay/core/revisions.ts";
import { narrowedScope, readScope, requireEntity } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT } from "./paging.ts";
import { answers, ConnectionParameter, CursorParameter, Id, Limit, listOf, ok, ref } from "./schemas.ts";
import { operationBody } from "./write-answer.ts";

const Created = Type.Optional(
  Type.String({
    maxLength: 40,
    description: "A date (its UTC midnight) or a timestamp with its zone; exclusive",
    examples: ["2026-03-02"],
  }),
);

const ListQuery = Type.Object(
  {
    limit: Limit,
    cursor: CursorParameter,
    state: Type.Optional(
      Type.String({
        maxLength: 300,
        description: `Only these states, separated by commas: ${OPERATION_STATES.join(", ")}`,
        examples: ["held,waiting_window"],
      }),
    ),
    created_after: Created,
    created_before: Created,
    connection_id: ConnectionParameter,
  },
  { additionalProperties: false },
);

const Params = Type.Object({ id: Id });
const NoQuery = Type.Object({}, { additionalProperties: false });

export function addOperationRoutes(app: HttpServer, deps: HttpDeps): void {
  addList(app, deps);
  addGet(app, deps);
  addCancel(app, deps);
}

function addList(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "listOperations",
    tags: ["Operations"],
    summary: "List writes",
    description: "Newest first. Kept for 30 days after their end.",
    querystring: ListQuery,
    response: answers(
      { 200: ok("A page of operations", listOf(ref("Operation"), "A page of operations")) },
      [400, 401, 403, 404, 410, 429, 503],
    ),
  };
  app.get("/v1/operations", {
    schema,
    config: { access: "read" },
    handler: async (request, reply) => {
      const { query } = request;
      const scope = await narrowedScope(deps.store.directory, readScope(request), query.connection_id);
      const { state, created_after: after, created_before: before, limit = DEFAULT_LIMIT } = query;
      const print = ["operations", scope.workspaceId, scope.connectionIds?.join(), state, after, before];
      const context = await cursorContext(deps.store, fingerprint(print));
      const afterId = cursorPosition(query.cursor, "page", context);
      const found = await deps.store.operations.list(scope, {
        ...statesOf(state),
        ...bound("createdAfterMs", "created_after", after),
        ...bound("createdBeforeMs", "created_before", before),
        ...(afterId === undefined ? {} : { afterId }),
        limit: limit + 1,
      });
      const rows = found.slice(0, limit);
      const last = rows.at(-1);
      const more = found.length > limit && last !== undefined;
      reply.header("cache-control", "no-store");
      return {
        data: rows.map(operationBody),
        next_cursor: more ? encodeCursor({ kind: "page", position: last.id, ...context }) : null,
      };
    },
  });
}

function addGet(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "getOperation",
    tags: ["Operations"],
    summary: "Get one write",
    description:
      "Until `is_finished`, its state says what it waits for. A `succeeded` one has `result`, every other end has `error`.",
    params: Params,
    querystring: NoQuery,
    response: answers({ 200: ok("The operation", ref("Operation")) }, [400, 401, 403, 404, 429, 503]),
  };
  app.get("/v1/operations/:id", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request, reply) => {
      const row = await deps.store.operations.get(readScope(request), request.params.id);
      if (row === undefined) throw unknownOperation(request.params.id);
      requireEntity(request, row.entity);
      reply.header("cache-control", "no-store");
      return operationBody(row);
    },
  });
}

function addCancel(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "cancelOperation",
    tags: ["Operations"],
    summary: "Call a write off",
    description:
      "What was not sent is over at once. Otherwise the plant is told, and its word counts: what has begun to be written goes on. Answers how it stands after at most two seconds.",
    params: Params,
    querystring: NoQuery,
    response: answers({ 200: ok("As it is now", ref("Operation")) }, [400, 401, 403, 404, 409, 429, 503]),
  };
  app.post("/v1/operations/:id/cancel", {
    schema,
    config: { access: "write", narrowsEntities: true },
    handler: async (request, reply) => {
      const scope = readScope(request);
      const row = await deps.store.operations.get(scope, request.params.id);
      if (row !== undefined) requireEntity(request, row.entity);
      const cancelled = await deps.operations.cancel(scope, request.params.id, request.signal);
      reply.header("cache-control", "no-store");
      return operationBody(cancelled);
    },
  });
}

function statesOf(text: string | undefined): Pick<OperationQuery, "states"> {
  if (text === undefined) return {};
  const states = text.split(",").map((state) => state.trim());
  if (states.every(isState)) return { states };
  const detail = `must be some of ${OPERATION_STATES.join(", ")}, separated by commas`;
  throw invalidRequest("The request is not valid", [{ pointer: "#/query/state", detail }]);
}

function isState(state: string): state is OperationState {
  return (OPERATION_STATES as readonly string[]).includes(state);
}

function bound(
  name: "createdAfterMs" | "createdBeforeMs",
  parameter: string,
  text: string | undefined,
): OperationQuery | object {
  if (text === undefined) return {};
  const revision = revisionAt(text);
  if (revision !== undefined) return { [name]: revision / 1000 };
  const detail = "must be a date (2026-03-02) or a timestamp with a zone (2026-03-02T08:15:00Z)";
  throw invalidRequest("The request is not valid", [{ pointer: `#/query/${parameter}`, detail }]);
}
