// The history of a connection's syncs: every pass over an entity with counts, duration and error rate.
import { Type, type Static } from "typebox";
import { encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { Problem } from "#relay/core/problem.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { ConnectionRow, Scope, SyncRun } from "#relay/core/store.ts";
import { readScope, requireEntity, visibleEntity } from "./access.ts";
import { connectionInScope, nullableInstant } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { requireKnownEntity } from "./known-entity.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT } from "./paging.ts";
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
import { Count } from "./sync-status-routes.ts";

export const SyncRunSchema = Type.Object(
  {
    connection_id: Type.String(),
    run: Type.String({ description: "Names it within the connection", examples: ["9f3c1a2b"] }),
    entity: Type.String({ examples: ["purchase_order"] }),
    pass: Type.String({ description: "snapshot, incremental or reconcile", examples: ["snapshot"] }),
    state: Type.String({
      description:
        "running, ok, failed, held (a mass delete waits for a decision), or abandoned: it never told its end. More may be added.",
      examples: ["ok"],
    }),
    started_at: Instant,
    ended_at: NullableInstant,
    duration_ms: nullable(Type.Number({ description: "So far, where it is still running" })),
    read: Count,
    changed: Count,
    deleted: Count,
    rejected: Count,
    error_rate: nullable(
      Type.Number({ description: "Rejected rows of those read, 0 to 1", examples: [0.002] }),
    ),
    rows_per_second: nullable(Type.Number({ examples: [1250] })),
    progress: nullable(
      Type.Object(
        { read: Count, total: Count },
        { description: "While it runs, as the agent last said; total where the source can say it" },
      ),
    ),
    error: nullable(Type.String()),
  },
  { $id: "SyncRun", description: "One pass over one entity of one connection" },
);

const Query = Type.Object(
  {
    limit: Limit,
    cursor: CursorParameter,
    entity: Type.Optional(
      Type.String({ maxLength: 100, description: "Only this one", examples: ["purchase_order"] }),
    ),
  },
  { additionalProperties: false },
);

export function addSyncRunRoutes(app: HttpServer, deps: HttpDeps): void {
  const list = {
    operationId: "listSyncs",
    tags: ["Sync"],
    summary: "The history of a connection's syncs",
    description: "Newest first. Kept as long as events are; of every entity the newest stays.",
    params: Type.Object({ id: Id }),
    querystring: Query,
    response: answers(
      { 200: ok("A page of syncs", listOf(ref("SyncRun"), "A page of syncs")) },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get("/v1/connections/:id/syncs", {
    schema: list,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const { query } = request;
      if (query.entity !== undefined) requireEntity(request, query.entity);
      const connection = await connectionInScope(deps, readScope(request), request.params.id);
      if (query.entity !== undefined) requireKnownEntity([connection], query.entity);
      const context = await cursorContext(deps.store, fingerprint(["syncs", connection.id, query.entity]));
      const limit = query.limit ?? DEFAULT_LIMIT;
      const before = runRef(cursorPosition(query.cursor, "page", context));
      const found = await deps.store.reader.syncRuns(
        scopeOf(connection),
        connection.id,
        query.entity,
        limit + 1,
        before,
      );
      const rows = found.slice(0, limit);
      const last = rows.at(-1);
      const more = last !== undefined && found.length > limit;
      const position = more ? JSON.stringify([last.entity, last.run]) : "";
      const shown = rows.filter(({ entity }) => visibleEntity(request, entity));
      return {
        data: await views(deps, connection, shown),
        next_cursor: more ? encodeCursor({ kind: "page", position, ...context }) : null,
      };
    },
  });

  const get = {
    operationId: "getSync",
    tags: ["Sync"],
    summary: "Get one sync",
    description: "With its progress while it runs.",
    params: Type.Object({
      id: Id,
      run: Type.String({ minLength: 1, maxLength: 100, description: "As the list names it" }),
    }),
    querystring: Type.Object({}, { additionalProperties: false }),
    response: answers({ 200: ok("The sync", ref("SyncRun")) }, [400, 401, 403, 404]),
  };
  app.get("/v1/connections/:id/syncs/:run", {
    schema: get,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const { id, run } = request.params;
      const connection = await connectionInScope(deps, readScope(request), id);
      const found = await deps.store.reader.syncRunsById(scopeOf(connection), connection.id, run);
      const [view] = await views(
        deps,
        connection,
        found.filter(({ entity }) => visibleEntity(request, entity)),
      );
      if (view !== undefined) return view;
      throw new Problem(
        "NOT_FOUND",
        `The connection has no sync ${run}; GET …/syncs lists those that are kept.`,
      );
    },
  });
}

/** @throws Problem INVALID_CURSOR by way of the cursor's own checks */
function runRef(position: string | undefined): Pick<SyncRun, "entity" | "run"> | undefined {
  if (position === undefined) return undefined;
  const [entity = "", run = ""] = JSON.parse(position) as string[];
  return { entity, run };
}

function scopeOf({ workspaceId, id }: ConnectionRow): Scope {
  return { workspaceId, connectionIds: [id] };
}

async function views(
  deps: HttpDeps,
  connection: ConnectionRow,
  runs: readonly SyncRun[],
): Promise<readonly Static<typeof SyncRunSchema>[]> {
  const nowMs = deps.clock.nowMs();
  const newest = new Map<string, string>();
  for (const { entity, ended_ms } of runs) {
    if (ended_ms !== undefined || newest.has(entity)) continue;
    const [latest] = await deps.store.reader.syncRuns(scopeOf(connection), connection.id, entity, 1);
    newest.set(entity, latest?.run ?? "");
  }
  return runs.map((run) => view(connection, run, newest.get(run.entity) === run.run, nowMs));
}

/** `isNewest`: of its entity; only that one can be running. */
function view(
  connection: ConnectionRow,
  run: SyncRun,
  isNewest: boolean,
  nowMs: number,
): Static<typeof SyncRunSchema> {
  const isRunning = run.ended_ms === undefined && isNewest;
  const endMs = run.ended_ms ?? (isRunning ? nowMs : undefined);
  const durationMs = endMs === undefined ? null : Math.max(0, endMs - run.started_ms);
  const report = connection.report?.entities?.find(({ entity }) => entity === run.entity);
  const read = run.read ?? (isRunning ? report?.read : undefined) ?? null;
  return {
    connection_id: connection.id,
    run: run.run,
    entity: run.entity,
    pass: run.pass,
    state: run.outcome ?? (isRunning ? "running" : "abandoned"),
    started_at: instantOf(run.started_ms),
    ended_at: nullableInstant(run.ended_ms),
    duration_ms: durationMs,
    read,
    changed: run.changed ?? null,
    deleted: run.deleted ?? null,
    rejected: run.rejected ?? null,
    error_rate: rate(run.rejected ?? 0, read),
    rows_per_second:
      durationMs === null || durationMs === 0 || read === null ? null : perSecond(read, durationMs),
    progress:
      isRunning && report?.read !== undefined ? { read: report.read, total: report.total ?? null } : null,
    error: run.error ?? null,
  };
}

function rate(rejected: number, read: number | null): number | null {
  if (read === null || read === 0) return null;
  return Math.round(Math.min(1, rejected / read) * 1e6) / 1e6;
}

function perSecond(read: number, durationMs: number): number {
  return Math.round((read * 1_000_000) / durationMs) / 1000;
}
