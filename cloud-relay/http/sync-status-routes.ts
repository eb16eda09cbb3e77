// Sync status: per connection and entity, what the agent last reported and how the last passes went.
import { Type, type Static } from "typebox";
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { fingerprint } from "#relay/core/cursors.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { ConnectionRow, Scope, SyncRun } from "#relay/core/store.ts";
import { narrowedScope, readScope, visibleEntity } from "./access.ts";
import { nullableInstant } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { requireKnownEntity } from "./known-entity.ts";
import { cursorContext, pageOf } from "./paging.ts";
import {
  answers,
  ConnectionParameter,
  CursorParameter,
  Instant,
  listOf,
  NullableInstant,
  nullable,
  ok,
  ref,
} from "./schemas.ts";

/** Runs of one connection and entity that are looked through for the last good one. */
const RUNS_READ = 50;
const RUNS_SHOWN = 10;

export const Count = nullable(Type.Integer({ minimum: 0 }));

const Run = Type.Object(
  {
    run: Type.String(),
    pass: Type.String({ description: "snapshot, incremental or reconcile", examples: ["snapshot"] }),
    outcome: nullable(
      Type.String({
        description: "ok, failed, or held (a mass delete waits for a decision); null while it runs",
        examples: ["ok"],
      }),
    ),
    started_at: Instant,
    ended_at: NullableInstant,
    duration_ms: nullable(Type.Number()),
    read: Count,
    changed: Count,
    deleted: Count,
    rejected: Count,
    error: nullable(Type.String()),
  },
  { description: "One pass over one entity" },
);

export const SyncStatusSchema = Type.Object(
  {
    connection_id: Type.String(),
    connection_name: Type.String(),
    connection_status: Type.String({ examples: ["online"] }),
    entity: Type.String({ examples: ["purchase_order"] }),
    state: Type.String({ description: "As the agent reports it; unknown until it does", examples: ["idle"] }),
    strategy: nullable(Type.String({ description: "How changes are found", examples: ["timestamp"] })),
    strategy_reason: nullable(Type.String({ description: "Why they are found so" })),
    strategy_advice: nullable(
      Type.String({ description: "What the source's administrator could allow to make it better" }),
    ),
    waits: nullable(
      Type.String({
        description: "What holds back the reading that is due: its window, or the plant's limit of rows",
      }),
    ),
    records: Type.Integer({ description: "Records present in the relay" }),
    progress: nullable(
      Type.Object(
        { read: Count, total: Count },
        { description: "Of the pass that runs, as the agent last said" },
      ),
    ),
    next_run_at: NullableInstant,
    error: nullable(Type.String({ description: "Why the entity cannot be read now" })),
    last_success_at: NullableInstant,
    last_run: nullable(Run),
    runs: Type.Array(Run, { description: "The newest passes, newest first" }),
  },
  { $id: "SyncStatus", description: "How the sync of one entity of one connection stands" },
);
export type SyncStatusView = Static<typeof SyncStatusSchema>;

const Query = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 200, description: "Connections per page; 50 if not given" }),
    ),
    cursor: CursorParameter,
    connection_id: ConnectionParameter,
    entity: Type.Optional(
      Type.String({ maxLength: 100, description: "Only this entity", examples: ["purchase_order"] }),
    ),
  },
  { additionalProperties: false },
);

export function addSyncStatusRoutes(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "listSyncStatus",
    tags: ["Sync"],
    summary: "Sync status per connection and entity",
    description: "One item for each entity that a connection reads or has read. `limit` counts connections.",
    querystring: Query,
    response: answers(
      { 200: ok("A page of sync status", listOf(ref("SyncStatus"), "A page of sync status")) },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get("/v1/sync-status", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const { query } = request;
      const scope = await narrowedScope(deps.store.directory, readScope(request), query.connection_id);
      const all = await deps.store.directory.connections(scope);
      if (query.entity !== undefined) requireKnownEntity(all, query.entity);
      const context = await cursorContext(
        deps.store,
        fingerprint(["sync-status", scope.workspaceId, query.connection_id, query.entity]),
      );
      const { rows, nextCursor } = pageOf(all, (row) => row.id, query, context);
      const data: SyncStatusView[] = [];
      for (const connection of rows)
        data.push(...(await syncStatusOf(deps, scope, connection, query.entity)));
      const seen = data.filter(({ entity }) => visibleEntity(request, entity));
      return { data: seen, next_cursor: nextCursor };
    },
  });
}

export async function syncStatusOf(
  deps: HttpDeps,
  scope: Scope,
  connection: ConnectionRow,
  only: string | undefined,
): Promise<readonly SyncStatusView[]> {
  const { reader } = deps.store;
  const own: Scope = { workspaceId: scope.workspaceId, connectionIds: [connection.id] };
  const reported = (connection.report?.entities ?? []).map(({ entity }) => entity);
  const names = new Set([...reported, ...ENTITY_NAMES]);
  const result: SyncStatusView[] = [];
  for (const entity of names) {
    if (only !== undefined && entity !== only) continue;
    const runs = await reader.syncRuns(own, connection.id, entity, RUNS_READ);
    if (runs.length === 0 && !reported.includes(entity)) continue;
    const records = await reader.countRecords(own, entity);
    result.push(view(connection, entity, runs, records));
  }
  return result;
}

function view(
  connection: ConnectionRow,
  entity: string,
  runs: readonly SyncRun[],
  records: number,
): SyncStatusView {
  const report = connection.report?.entities?.find((candidate) => candidate.entity === entity);
  const last = runs[0];
  const good = runs.find((run) => run.outcome === "ok");
  return {
    connection_id: connection.id,
    connection_name: connection.name,
    connection_status: connection.state,
    entity,
    state: report?.state ?? "unknown",
    strategy: report?.strategy ?? null,
    strategy_reason: report?.reason ?? null,
    strategy_advice: report?.advice ?? null,
    waits: report?.waits ?? null,
    records,
    progress: report?.read === undefined ? null : { read: report.read, total: report.total ?? null },
    next_run_at: nullableInstant(report?.next_run_ms),
    error: report?.error ?? (last?.outcome === "failed" ? (last.error ?? null) : null),
    last_success_at: nullableInstant(good?.ended_ms),
    last_run: last === undefined ? null : runView(last),
    runs: runs.slice(0, RUNS_SHOWN).map(runView),
  };
}

function runView(run: SyncRun): Static<typeof Run> {
  return {
    run: run.run,
    pass: run.pass,
    outcome: run.outcome ?? null,
    started_at: instantOf(run.started_ms),
    ended_at: nullableInstant(run.ended_ms),
    duration_ms: run.ended_ms === undefined ? null : run.ended_ms - run.started_ms,
    read: run.read ?? null,
    changed: run.changed ?? null,
    deleted: run.deleted ?? null,
    rejected: run.rejected ?? null,
    error: run.error ?? null,
  };
}
