// How a workspace is, in a few figures: what a dashboard shows first.
import { Type, type Static } from "typebox";
import type { RequestCounts } from "#relay/core/requests/request-store.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { ConnectionRow, Scope } from "#relay/core/store.ts";
import type { StoredEndpoint, EndpointStats } from "#relay/core/webhooks/webhook-store.ts";
import { readScope } from "./access.ts";
import { visibleAgents } from "./agent-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { answers, Instant, NullableInstant, ok, ref } from "./schemas.ts";

/** What counts as lately. */
const SINCE_MS = 24 * 3_600_000;

const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) });

export const OverviewSchema = Type.Object(
  {
    at: Instant,
    since: Type.String({ format: "date-time", description: "What is counted happened from then on" }),
    connections: Type.Object({
      total: count(),
      by_status: Type.Record(Type.String(), Type.Integer(), {
        description: "Of every status that a connection has; disconnected ones are left out",
        examples: [{ online: 11, offline: 1 }],
      }),
    }),
    agents: Type.Object({ total: count("Revoked ones are left out"), online: count() }),
    syncs: Type.Object({
      stalest_at: Type.Union([...NullableInstant.anyOf], {
        description: "When the connection that waits longest for a good sync had its last one",
      }),
      never: count("Connections that never had a good sync"),
    }),
    backlog: Type.Object(
      { connections: count("Those that have one"), batches: count(), bytes: count() },
      { description: "What agents still hold, as they last said" },
    ),
    webhooks: Type.Object({
      endpoints: count(),
      disabled: count(),
      failing: count("Those whose newest attempts failed"),
      pending: count("Deliveries"),
      oldest_pending_at: NullableInstant,
      delivered: count("Lately"),
      exhausted: count("Given up lately"),
      attempts: count("Lately"),
      failed_attempts: count("Lately"),
    }),
    requests: Type.Object({
      logged: count("Lately; of reads that go well, busy relays log a share"),
      client_errors: count("Answers 4xx, lately"),
      server_errors: count("Answers 5xx, lately"),
    }),
  },
  { $id: "Overview", description: "How a workspace is, in a few figures" },
);
type Overview = Static<typeof OverviewSchema>;

export function addOverviewRoutes(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "getOverview",
    tags: ["Overview"],
    summary: "How everything is",
    description:
      "Connections and agents by their status, how stale the stalest sync is, what waits at the plants, and how webhooks and requests went in the last 24 hours. Of what the token may see.",
    querystring: Type.Object({}, { additionalProperties: false }),
    response: answers({ 200: ok("The figures", ref("Overview")) }, [400, 401, 403]),
  };
  app.get("/v1/overview", {
    schema,
    config: { access: "read" },
    handler: (request) => overviewOf(deps, readScope(request)),
  });
}

async function overviewOf({ store, clock }: HttpDeps, scope: Scope): Promise<Overview> {
  const nowMs = clock.nowMs();
  const sinceMs = nowMs - SINCE_MS;
  const connections = (await store.directory.connections(scope)).filter(
    ({ disconnectedAtMs }) => disconnectedAtMs === undefined,
  );
  const agents = (await visibleAgents(store.directory, scope)).filter(({ status }) => status !== "revoked");
  return {
    at: instantOf(nowMs),
    since: instantOf(sinceMs),
    connections: { total: connections.length, by_status: byStatus(connections) },
    agents: { total: agents.length, online: agents.filter(({ status }) => status === "online").length },
    syncs: syncsOf(connections),
    backlog: backlogOf(connections),
    webhooks: webhooksOf(await store.webhooks.endpoints(scope), await store.webhooks.stats(scope, sinceMs)),
    requests: requestsOf(await store.requests.counts(scope, sinceMs)),
  };
}

function byStatus(connections: readonly ConnectionRow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of connections) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

function syncsOf(connections: readonly ConnectionRow[]): Overview["syncs"] {
  const ended = connections.flatMap(({ lastSyncAtMs }) => (lastSyncAtMs === undefined ? [] : [lastSyncAtMs]));
  return {
    stalest_at: ended.length === 0 ? null : instantOf(Math.min(...ended)),
    never: connections.length - ended.length,
  };
}

function backlogOf(connections: readonly ConnectionRow[]): Overview["backlog"] {
  const sum = { connections: 0, batches: 0, bytes: 0 };
  for (const { report } of connections) {
    const { backlog_batches: batches = 0, backlog_bytes: bytes = 0 } = report ?? {};
    if (batches > 0) sum.connections += 1;
    sum.batches += batches;
    sum.bytes += bytes;
  }
  return sum;
}

function webhooksOf(
  endpoints: readonly StoredEndpoint[],
  stats: readonly EndpointStats[],
): Overview["webhooks"] {
  const total = (of: (stat: EndpointStats) => number): number =>
    stats.reduce((sum, stat) => sum + of(stat), 0);
  const waiting = stats.flatMap(({ oldestPendingAtMs: atMs }) => (atMs === undefined ? [] : [atMs]));
  return {
    endpoints: endpoints.length,
    disabled: endpoints.filter(({ row }) => row.disabled !== undefined).length,
    failing: endpoints.filter(
      ({ row, health }) => row.disabled === undefined && health.consecutiveFailures > 0,
    ).length,
    pending: total(({ pending }) => pending),
    oldest_pending_at: waiting.length === 0 ? null : instantOf(Math.min(...waiting)),
    delivered: total(({ delivered }) => delivered),
    exhausted: total(({ exhausted }) => exhausted),
    attempts: total(({ attempts }) => attempts),
    failed_attempts: total(({ failedAttempts }) => failedAttempts),
  };
}

function requestsOf({ requests, clientErrors, serverErrors }: RequestCounts): Overview["requests"] {
  return { logged: requests, client_errors: clientErrors, server_errors: serverErrors };
}
