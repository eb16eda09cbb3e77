// Agents: the daemons at the plants, and whether they are connected.
import { Type, type Static } from "typebox";
import { fingerprint } from "#relay/core/cursors.ts";
import { Problem } from "#relay/core/problem.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { AgentRow, Directory } from "#relay/core/directory.ts";
import type { Scope } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import { nullableInstant } from "./connection-routes.ts";
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

export const AgentSchema = Type.Object(
  {
    id: Type.String(),
    workspace_id: Type.String(),
    name: Type.String({ examples: ["plant-1"] }),
    status: Type.String({
      description: "One of: online, offline, quarantined, revoked. More may be added.",
      examples: ["online"],
    }),
    version: nullable(Type.String({ examples: ["0.1.0"] })),
    platform: nullable(Type.String({ examples: ["linux x64"] })),
    connection_ids: Type.Array(Type.String(), { description: "Those that this token may see" }),
    public_key: Type.String({ description: "Raw Ed25519 public key, base64url" }),
    created_at: Instant,
    connected_at: NullableInstant,
    last_seen_at: NullableInstant,
    quarantined_at: NullableInstant,
    revoked_at: NullableInstant,
  },
  { $id: "Agent", description: "One installed daemon with its own key" },
);

const Query = Type.Object({ limit: Limit, cursor: CursorParameter }, { additionalProperties: false });

export function agentView(row: AgentRow, connectionIds: readonly string[]): Static<typeof AgentSchema> {
  return {
    id: row.id,
    workspace_id: row.workspaceId,
    name: row.name,
    status: statusOf(row),
    version: row.version ?? null,
    platform: row.platform ?? null,
    connection_ids: [...connectionIds],
    public_key: row.publicKey,
    created_at: instantOf(row.createdAtMs),
    connected_at: nullableInstant(row.connectedAtMs),
    last_seen_at: nullableInstant(row.lastSeenAtMs),
    quarantined_at: nullableInstant(row.quarantinedAtMs),
    revoked_at: nullableInstant(row.revokedAtMs),
  };
}

/** A connection's token sees only the agent that serves it. */
export async function visibleAgents(
  directory: Directory,
  scope: Scope,
): Promise<readonly Static<typeof AgentSchema>[]> {
  const connections = await directory.connections(scope);
  const served = Map.groupBy(connections, (connection) => connection.agentId);
  const agents = await directory.agents({ workspaceId: scope.workspaceId });
  return agents
    .filter((agent) => scope.connectionIds === undefined || served.has(agent.id))
    .map((agent) =>
      agentView(
        agent,
        (served.get(agent.id) ?? []).map(({ id }) => id),
      ),
    );
}

export function addAgentRoutes(app: HttpServer, deps: HttpDeps): void {
  const list = {
    operationId: "listAgents",
    tags: ["Agents"],
    summary: "List agents",
    description: "A connection's token sees only the agent that serves it.",
    querystring: Query,
    response: answers(
      { 200: ok("A page of agents", listOf(ref("Agent"), "A page of agents")) },
      [400, 401, 403, 410],
    ),
  };
  app.get("/v1/agents", {
    schema: list,
    config: { access: "read" },
    handler: async (request) => {
      const scope = readScope(request);
      const all = await visibleAgents(deps.store.directory, scope);
      const context = await cursorContext(deps.store, fingerprint(["agents", scope.workspaceId]));
      const { rows, nextCursor } = pageOf(all, (row) => row.id, request.query, context);
      return { data: rows, next_cursor: nextCursor };
    },
  });

  const get = {
    operationId: "getAgent",
    tags: ["Agents"],
    summary: "Get one agent",
    description: "With its status and the connections it serves.",
    params: Type.Object({ id: Id }),
    querystring: Type.Object({}, { additionalProperties: false }),
    response: answers({ 200: ok("Agent", ref("Agent")) }, [400, 401, 403, 404]),
  };
  app.get("/v1/agents/:id", {
    schema: get,
    config: { access: "read" },
    handler: async (request) => {
      const agents = await visibleAgents(deps.store.directory, readScope(request));
      const agent = agents.find(({ id }) => id === request.params.id);
      if (agent !== undefined) return agent;
      throw new Problem("NOT_FOUND", `There is no agent ${request.params.id} that this token may see.`);
    },
  });
}

function statusOf(row: AgentRow): string {
  if (row.revokedAtMs !== undefined) return "revoked";
  if (row.quarantinedAtMs !== undefined) return "quarantined";
  return row.isOnline ? "online" : "offline";
}
