// Connections: which source systems there are, and how each of them is.
import { Type, type Static } from "typebox";
import { fingerprint } from "#relay/core/cursors.ts";
import { Problem } from "#relay/core/problem.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { ConnectionRow, Scope } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, pageOf } from "./paging.ts";
import {
  answers,
  CursorParameter,
  Id,
  Instant,
  Limit,
  listOf,
  NullableInstant,
  nullable,
  ok,
  ref,
} from "./schemas.ts";

export const ConnectionSchema = Type.Object(
  {
    id: Type.String({ format: "uuid" }),
    workspace_id: Type.String(),
    kind: Type.String({
      description: "agent: served from a plant; sandbox: sample data in the relay. More may be added.",
      examples: ["agent"],
    }),
    name: Type.String({
      description: "Unique in the workspace; the agent's configuration binds by it",
      examples: ["maximo"],
    }),
    customer: nullable(Type.String({ description: "Whose plant it is" })),
    environment: Type.String({ examples: ["production"] }),
    labels: Type.Record(Type.String(), Type.String()),
    metadata: Type.Record(Type.String(), Type.String(), {
      description: "Your own notes; the relay makes nothing of them",
    }),
    when_offline: Type.String({
      description: "Stored reads while the plant is away: serve, or refuse with 503",
      examples: ["serve"],
    }),
    system: nullable(Type.String({ description: "What the source is, as its connector says" })),
    status: Type.String({
      description:
        "One of: pending, synchronizing, online, offline, degraded, reauthorization_required, paused. More may be added.",
      examples: ["online"],
    }),
    status_reason: nullable(Type.String()),
    status_advice: nullable(Type.String({ description: "What to do about it" })),
    status_changed_at: Instant,
    agent_id: nullable(Type.String()),
    backlog: nullable(
      Type.Object(
        { batches: nullable(Type.Number()), bytes: nullable(Type.Number()) },
        { description: "What the agent still holds for this connection, as it last said" },
      ),
    ),
    load: nullable(
      Type.Object(
        { rows_per_second: Type.Number(), statements_per_second: Type.Number() },
        { description: "What the source was asked on average over the last minute, as the agent last said" },
      ),
    ),
    created_at: Instant,
    connected_at: NullableInstant,
    disconnected_at: nullable(
      Type.String({
        format: "date-time",
        description: "Since then its tokens are dead and its agent is refused; what it held can be read",
      }),
    ),
    last_sync_at: NullableInstant,
  },
  { $id: "Connection", description: "One source system at one plant, served by one agent" },
);

const Query = Type.Object({ limit: Limit, cursor: CursorParameter }, { additionalProperties: false });

export function connectionView(row: ConnectionRow): Static<typeof ConnectionSchema> {
  return {
    id: row.id,
    workspace_id: row.workspaceId,
    kind: row.kind,
    name: row.name,
    customer: row.customer ?? null,
    environment: row.environment,
    labels: { ...row.labels },
    metadata: { ...row.metadata },
    when_offline: row.whenOffline,
    system: row.system ?? null,
    status: row.state,
    status_reason: row.reason ?? null,
    status_advice: row.advice ?? null,
    status_changed_at: instantOf(row.statusAtMs),
    agent_id: row.agentId ?? null,
    backlog:
      row.report === undefined
        ? null
        : { batches: row.report.backlog_batches ?? null, bytes: row.report.backlog_bytes ?? null },
    load:
      row.report?.load === undefined
        ? null
        : {
            rows_per_second: row.report.load.rows_per_s,
            statements_per_second: row.report.load.statements_per_s,
          },
    created_at: instantOf(row.createdAtMs),
    connected_at: nullableInstant(row.connectedAtMs),
    disconnected_at: nullableInstant(row.disconnectedAtMs),
    last_sync_at: nullableInstant(row.lastSyncAtMs),
  };
}

export function nullableInstant(ms: number | undefined): string | null {
  return ms === undefined ? null : instantOf(ms);
}

export function addConnectionRoutes(app: HttpServer, deps: HttpDeps): void {
  const list = {
    operationId: "listConnections",
    tags: ["Connections"],
    summary: "List connections",
    description: "In order of creation. A connection's token sees its own connection only.",
    querystring: Query,
    response: answers(
      { 200: ok("A page of connections", listOf(ref("Connection"), "A page of connections")) },
      [400, 401, 403, 410],
    ),
  };
  app.get("/v1/connections", {
    schema: list,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const scope = readScope(request);
      const all = await deps.store.directory.connections(scope);
      const context = await cursorContext(deps.store, fingerprint(["connections", scope.workspaceId]));
      const { rows, nextCursor } = pageOf(all, (row) => row.id, request.query, context);
      return { data: rows.map(connectionView), next_cursor: nextCursor };
    },
  });

  const get = {
    operationId: "getConnection",
    tags: ["Connections"],
    summary: "Get one connection",
    description: "With its status, the reason for it and what to do about it.",
    params: Type.Object({ id: Id }),
    querystring: Type.Object({}, { additionalProperties: false }),
    response: answers({ 200: ok("Connection", ref("Connection")) }, [400, 401, 403, 404]),
  };
  app.get("/v1/connections/:id", {
    schema: get,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      return connectionView(await connectionInScope(deps, readScope(request), request.params.id));
    },
  });
}

/** @throws Problem NOT_FOUND also for one that the scope does not hold */
export async function connectionInScope(
  { store }: Pick<HttpDeps, "store">,
  scope: Scope,
  id: string,
): Promise<ConnectionRow> {
  const row = await store.directory.connection(scope, id);
  if (row !== undefined) return row;
  throw new Problem(
    "NOT_FOUND",
    `There is no connection ${id} that this token may see. GET /v1/connections lists them.`,
  );
}
