// The request log for who administers a workspace: search by request id, connection, status, and page back in time.
import { Type, type Static } from "typebox";
import { invalidRequest } from "#relay/core/administration.ts";
import { cursorRevision, encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { Problem, type ProblemIssue } from "#relay/core/problem.ts";
import type { StoredRequest } from "#relay/core/requests/request-store.ts";
import { instantOf, revisionAt } from "#relay/core/revisions.ts";
import { administeredWorkspace } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT } from "./paging.ts";
import { answers, CursorParameter, Id, Instant, Limit, listOf, nullable, ok, ref } from "./schemas.ts";

const Text = nullable(Type.String());

export const RequestSchema = Type.Object(
  {
    id: Type.String({ description: "As in X-Request-Id, and in `request_id` of a problem" }),
    at: Instant,
    connection_id: Text,
    token_id: Type.String(),
    method: Type.String({ examples: ["PATCH"] }),
    route: Type.String({ examples: ["/v1/work-orders/{id}"] }),
    url: Type.String({ description: "As asked; secrets in it are left out" }),
    status: Type.Integer({ minimum: 100, maximum: 599 }),
    code: nullable(Type.String({ description: "Of the problem" })),
    duration_ms: Type.Number(),
    sent_bytes: Type.Integer({ minimum: 0 }),
    remote_address: Type.String(),
    user_agent: Text,
    traceparent: nullable(Type.String({ description: "W3C Trace Context, as it came" })),
    request_body: nullable(
      Type.String({ description: "JSON, at most 16 KiB, without secrets; of writes and refusals" }),
    ),
    answer_body: nullable(Type.String({ description: "As `request_body`" })),
  },
  { $id: "LoggedRequest", description: "One request to the API, as it was answered" },
);

const When = Type.Optional(Type.String({ maxLength: 40, description: "Date (UTC midnight) or timestamp" }));
const Query = Type.Object(
  {
    workspace_id: Type.Optional(
      Type.String({
        maxLength: 100,
        description: "Needed with an admin token; a workspace token has its own",
      }),
    ),
    id: Type.Optional(Type.String({ maxLength: 100, description: "Only this request id" })),
    connection_id: Type.Optional(Type.String({ maxLength: 100, description: "Only this connection" })),
    method: Type.Optional(Type.String({ maxLength: 10, description: "Such as PATCH" })),
    status: Type.Optional(Type.Integer({ minimum: 100, maximum: 599, description: "Only this status" })),
    code: Type.Optional(Type.String({ maxLength: 100, description: "Only this problem" })),
    path: Type.Optional(Type.String({ maxLength: 500, description: "How the address begins" })),
    after: When,
    before: When,
    limit: Limit,
    cursor: CursorParameter,
  },
  { additionalProperties: false },
);
type Query = Static<typeof Query>;

export function addRequestRoutes(app: HttpServer, deps: HttpDeps): void {
  const { store, requestLog } = deps;
  const list = {
    operationId: "listRequests",
    tags: ["Administration"],
    summary: "Search the request log",
    description:
      "Newest first. Writes and refusals are all there, reads that went well up to 200 a second; event streams, exports and probes are not. Held for some days (`keep_requests`).",
    querystring: Query,
    response: answers(
      { 200: ok("A page of requests", listOf(ref("LoggedRequest"), "A page of requests")) },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get("/admin/v1/requests", {
    schema: list,
    config: { access: "admin" },
    handler: async (request) => {
      const { query } = request;
      const workspaceId = administeredWorkspace(request, query.workspace_id);
      const context = await cursorContext(store, fingerprintOf(workspaceId, query));
      const position = cursorPosition(query.cursor, "page", context);
      const limit = query.limit ?? DEFAULT_LIMIT;
      await requestLog.flush();
      const rows = await store.requests.list(
        { workspaceId },
        {
          id: query.id,
          connectionId: query.connection_id,
          method: query.method?.toUpperCase(),
          status: query.status,
          code: query.code,
          path: query.path,
          ...instants(query),
          olderThan: position === undefined ? undefined : cursorRevision(position),
          limit: limit + 1,
        },
      );
      const last = rows[limit - 1];
      const more = rows.length > limit && last !== undefined;
      return {
        data: rows.slice(0, limit).map(requestView),
        next_cursor: more ? encodeCursor({ kind: "page", position: String(last.place), ...context }) : null,
      };
    },
  });

  const get = {
    operationId: "getRequest",
    tags: ["Administration"],
    summary: "Get one logged request",
    description: "By the request id that its answer carried.",
    params: Type.Object({ id: Id }),
    querystring: Type.Object(
      { workspace_id: Query.properties.workspace_id },
      { additionalProperties: false },
    ),
    response: answers({ 200: ok("Request", ref("LoggedRequest")) }, [400, 401, 403, 404]),
  };
  app.get("/admin/v1/requests/:id", {
    schema: get,
    config: { access: "admin" },
    handler: async (request) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      await requestLog.flush();
      const { id } = request.params;
      const [row] = await store.requests.list({ workspaceId }, { id, limit: 1 });
      if (row !== undefined) return requestView(row);
      throw new Problem(
        "NOT_FOUND",
        `There is no request ${id} in the log: it is older than the log holds, or of another workspace.`,
      );
    },
  });
}

function instants({ after, before }: Query): { readonly afterMs?: number; readonly beforeMs?: number } {
  const errors: ProblemIssue[] = [];
  const ms = (name: string, text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const revision = revisionAt(text);
    if (revision !== undefined) return Math.floor(revision / 1_000);
    errors.push({ pointer: `#/query/${name}`, detail: "must be a date or a timestamp with its zone" });
    return undefined;
  };
  const [afterMs, beforeMs] = [ms("after", after), ms("before", before)];
  if (errors.length > 0) throw invalidRequest("The request is not valid", errors);
  return { ...(afterMs === undefined ? {} : { afterMs }), ...(beforeMs === undefined ? {} : { beforeMs }) };
}

function fingerprintOf(workspaceId: string, query: Query): string {
  const { id, connection_id: connectionId, method, status, code, path, after, before } = query;
  return fingerprint(["requests", workspaceId, id, connectionId, method, status, code, path, after, before]);
}

function requestView(row: StoredRequest): Static<typeof RequestSchema> {
  return {
    id: row.id,
    at: instantOf(row.atMs),
    connection_id: row.connectionId ?? null,
    token_id: row.tokenId,
    method: row.method,
    route: row.route,
    url: row.url,
    status: row.status,
    code: row.code ?? null,
    duration_ms: Math.round(row.durationMs * 1_000) / 1_000,
    sent_bytes: row.sentBytes,
    remote_address: row.remoteAddress,
    user_agent: row.userAgent ?? null,
    traceparent: row.traceparent ?? null,
    request_body: row.requestBody ?? null,
    answer_body: row.answerBody ?? null,
  };
}
