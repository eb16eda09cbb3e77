// How a connection is: whether its source answers, since when not, and what people at the plant do about it.
import { Type, type Static } from "typebox";
import { isSourceDown, reauthorizationOf } from "#relay/core/connections/reachability.ts";
import type { AgentRow } from "#relay/core/directory.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { readScope, visibleEntity } from "./access.ts";
import { connectionInScope, nullableInstant } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { answers, Id, Instant, NullableInstant, nullable, ok, ref } from "./schemas.ts";
import { syncStatusOf, type SyncStatusView } from "./sync-status-routes.ts";

const EntityHealth = Type.Object({
  entity: Type.String({ examples: ["purchase_order"] }),
  state: Type.String({ examples: ["idle"] }),
  last_success_at: NullableInstant,
  next_run_at: NullableInstant,
  error: nullable(Type.String()),
  waits: nullable(Type.String({ description: "What holds back the reading that is due" })),
});

export const HealthSchema = Type.Object(
  {
    connection_id: Type.String(),
    status: Type.String({ description: "As in Connection", examples: ["reauthorization_required"] }),
    since: Instant,
    reason: nullable(Type.String()),
    advice: nullable(Type.String({ description: "What to do about it" })),
    disconnected_at: NullableInstant,
    reauthorization: Type.Object(
      {
        required: Type.Boolean(),
        reason: nullable(Type.String({ examples: ["ORA-28001: the password has expired"] })),
        instructions: Type.Array(Type.String(), {
          description: "How to reconnect, step by step, for people at the plant",
        }),
      },
      { description: "Whether the source refuses the agent's login" },
    ),
    agent: nullable(
      Type.Object(
        { id: Type.String(), connected: Type.Boolean(), last_seen_at: NullableInstant },
        { description: "null: none serves it" },
      ),
    ),
    source: Type.Object({
      reachable: nullable(
        Type.Boolean({ description: "As the agent last said; null where that is not known" }),
      ),
    }),
    backlog: nullable(
      Type.Object(
        { batches: nullable(Type.Number()), bytes: nullable(Type.Number()) },
        { description: "Read at the plant and not delivered yet, as the agent last said" },
      ),
    ),
    freshness: Type.Object(
      {
        as_of: nullable(
          Type.String({
            format: "date-time",
            description:
              "What was known of the source at this time is in stored reads; null: nothing has come yet",
          }),
        ),
        when_offline: Type.String({ examples: ["serve"] }),
      },
      { description: "How current stored reads are" },
    ),
    entities: Type.Array(EntityHealth),
  },
  { $id: "Health", description: "How one connection is" },
);

export function addHealthRoutes(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "getConnectionHealth",
    tags: ["Connections"],
    summary: "How a connection is",
    description:
      "Whether it must be authorized anew and how, whether its source can be reached, and how current its records are. Changes are told in the feed: connection.online, connection.offline, connection.authentication_required.",
    params: Type.Object({ id: Id }),
    querystring: Type.Object({}, { additionalProperties: false }),
    response: answers({ 200: ok("Its health", ref("Health")) }, [400, 401, 403, 404]),
  };
  app.get("/v1/connections/:id/health", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const scope = readScope(request);
      const connection = await connectionInScope(deps, scope, request.params.id);
      const { agentId } = connection;
      const agent = agentId === undefined ? undefined : await deps.store.directory.agentById(agentId);
      const entities = await syncStatusOf(deps, scope, connection, undefined);
      return view(
        connection,
        agent,
        entities.filter(({ entity }) => visibleEntity(request, entity)),
        deps.clock.nowMs(),
      );
    },
  });
}

function view(
  connection: ConnectionRow,
  agent: AgentRow | undefined,
  entities: readonly SyncStatusView[],
  nowMs: number,
): Static<typeof HealthSchema> {
  const { required, reason, instructions } = reauthorizationOf(connection, connection.description?.connector);
  const { report } = connection;
  return {
    connection_id: connection.id,
    status: connection.state,
    since: instantOf(connection.statusAtMs),
    reason: connection.reason ?? null,
    advice: connection.advice ?? null,
    disconnected_at: nullableInstant(connection.disconnectedAtMs),
    reauthorization: { required, reason: reason ?? null, instructions: [...instructions] },
    agent:
      agent === undefined
        ? null
        : { id: agent.id, connected: agent.isOnline, last_seen_at: nullableInstant(agent.lastSeenAtMs) },
    source: { reachable: reachable(connection) },
    backlog:
      report === undefined
        ? null
        : { batches: report.backlog_batches ?? null, bytes: report.backlog_bytes ?? null },
    freshness: {
      as_of: nullableInstant(asOfMs(connection, nowMs)),
      when_offline: connection.whenOffline,
    },
    entities: entities.map(({ entity, state, last_success_at, next_run_at, error, waits }) => ({
      entity,
      state,
      last_success_at,
      next_run_at,
      error,
      waits,
    })),
  };
}

function reachable(connection: ConnectionRow): boolean | null {
  if (connection.disconnectedAtMs !== undefined) return null;
  if (isSourceDown(connection) || connection.state === "reauthorization_required") return false;
  const isServed = connection.state !== "offline" && connection.state !== "pending";
  return isServed ? true : null;
}

function asOfMs({ state, statusAtMs, connectedAtMs }: ConnectionRow, nowMs: number): number | undefined {
  if (connectedAtMs === undefined) return undefined;
  return state === "online" || state === "synchronizing" || state === "degraded" ? nowMs : statusAtMs;
}
