// The reader over its own read-only connection: it never sees half a transaction and never waits for one.
import type Database from "better-sqlite3";
import type { RejectEntry } from "#common/contract/entry.ts";
import type { Reader, Scope, StoredGap, StoredSample, SyncRun } from "../../core/store.ts";
import { microsOf, millisOf, NO_TIME_US, sampleValue } from "./columns.ts";
import { EventReader } from "./event-reader.ts";
import { RecordFinder } from "./record-finder.ts";
import { VersionReader } from "./version-reader.ts";
import type { Names } from "./names.ts";
import type { RecordReader } from "./record-reader.ts";

interface SampleColumns {
  readonly atMicros: number;
  readonly serverMicros: number;
  readonly isSourced: number;
  readonly isBackfilled: number;
  readonly status: number;
  readonly value: number | string | null;
}

const SAMPLE = `s.at_us AS atMicros, s.server_us AS serverMicros, s.sourced AS isSourced,
  s.backfilled AS isBackfilled, s.status, s.value`;
const POINT = `FROM connections c JOIN points p USING (connection_no)`;
const IN_SCOPE = `FROM workspaces w JOIN connections c USING (workspace_no) JOIN TABLE_NAME n USING (connection_no)
  WHERE w.id = ? AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))
  AND (? IS NULL OR c.id = ?)`;

export function sqliteReader(db: Database.Database, records: RecordReader, names: Names): Reader {
  const events = new EventReader(db, names);
  const finder = new RecordFinder(db, names, records);
  const versions = new VersionReader(db, names, records.inSnapshot);
  return {
    listRecords: async (scope, query) => records.list(scope, query),
    listRevisions: async (scope, query) => records.revisions(scope, query),
    getRecord: async (scope, entity, id, includeRaw) => records.get(scope, entity, id, includeRaw),
    countRecords: async (scope, entity) => records.count(scope, entity),
    findRecords: async (scope, query, filter, scanRows) => finder.find(scope, query, filter, scanRows),
    countListed: async (scope, query) => finder.count(scope, query),
    revisionAtPlace: async (scope, query, place) => finder.place(scope, query, place),
    recordsByIds: async (scope, ids) => finder.byIds(scope, ids),
    versions: async (scope, entity, id, query) => versions.versions(scope, entity, id, query),
    versionAt: async (scope, entity, id, at) => versions.versionAt(scope, entity, id, at),
    listEvents: async (scope, after, limit, types) => events.list(scope, after, limit, types),
    feedBounds: async (workspaceId) => events.bounds(workspaceId),
    ...samplesOf(db),
    ...notesOf(db),
  };
}

function samplesOf(db: Database.Database): Pick<Reader, "lastSamples" | "samples"> {
  const last = db.prepare<[string, string], SampleColumns>(
    `SELECT ${SAMPLE} ${POINT} JOIN last_samples s USING (point_no) WHERE c.id = ? AND p.key = ?`,
  );
  const range = db.prepare<[string, string, number, number, number], SampleColumns>(
    `SELECT ${SAMPLE} ${POINT} JOIN samples s USING (point_no)
     WHERE c.id = ? AND p.key = ? AND s.at_us > ? AND s.at_us < ? ORDER BY s.at_us, s.server_us, s.sourced LIMIT ?`,
  );
  return {
    async lastSamples(connectionId, pointKeys) {
      const found = new Map();
      for (const pointKey of pointKeys) {
        const row = last.get(connectionId, pointKey);
        if (row !== undefined) found.set(pointKey, { pointKey, ...storedSample(row) });
      }
      return found;
    },
    samples: async (connectionId, pointKey, afterMs, beforeMs, limit) =>
      range.all(connectionId, pointKey, microsIn(afterMs), microsIn(beforeMs), limit).map(storedSample),
  };
}

function notesOf(
  db: Database.Database,
): Pick<Reader, "gaps" | "rejects" | "syncRuns" | "syncRunsById" | "syncRunAt"> {
  const select = (table: string, rest: string): Database.Statement<unknown[], string> =>
    db.prepare<unknown[], string>(`SELECT n.body ${IN_SCOPE.replace("TABLE_NAME", table)} ${rest}`).pluck();
  const gaps = select(
    "gaps",
    `AND n.recorded_ms > ? AND (? IS NULL OR n.entity IS NULL OR n.entity = ?)
     AND (? IS NULL OR n.key IS NULL OR n.key = ?) ORDER BY n.recorded_ms, n.gap_no LIMIT ?`,
  );
  const rejects = select(
    "rejects",
    "AND (? IS NULL OR n.entity IN (SELECT value FROM json_each(?))) ORDER BY n.entity, n.key LIMIT ?",
  );
  const runs = select(
    "sync_runs",
    `AND (? IS NULL OR n.entity = ?) AND (? IS NULL OR (n.started_ms, n.run_no) <
     (SELECT b.started_ms, b.run_no FROM sync_runs b WHERE b.connection_no = n.connection_no AND b.entity = ? AND b.run = ?))
     ORDER BY n.started_ms DESC, n.run_no DESC LIMIT ?`,
  );
  const runsById = select("sync_runs", "AND n.run = ? ORDER BY n.entity");
  const runAt = select(
    "sync_runs",
    `AND n.entity = ? AND n.started_ms <= ? AND coalesce(n.ended_ms, ?) >= ?
     ORDER BY n.started_ms DESC, n.run_no DESC LIMIT 1`,
  );
  return {
    async gaps(scope, { connectionId, entity = null, key = null, afterMs, limit }) {
      const where = [...inScope(scope, connectionId), afterMs, entity, entity, key, key];
      return gaps.all(...where, limit).map((body) => JSON.parse(body) as StoredGap);
    },
    async rejects(scope, connectionId, limit, entities) {
      const only = entities === undefined ? null : JSON.stringify(entities);
      return rejects
        .all(...inScope(scope, connectionId), only, only, limit)
        .map((body) => Object.assign(JSON.parse(body) as RejectEntry, { connectionId }));
    },
    async syncRuns(scope, connectionId, entity, limit, before) {
      const only = [entity ?? null, entity ?? null];
      const from = [before?.run ?? null, before?.entity ?? null, before?.run ?? null];
      const found = runs.all(...inScope(scope, connectionId), ...only, ...from, limit);
      return found.map((body) => JSON.parse(body) as SyncRun);
    },
    syncRunsById: async (scope, connectionId, run) =>
      runsById.all(...inScope(scope, connectionId), run).map((body) => JSON.parse(body) as SyncRun),
    async syncRunAt(scope, connectionId, entity, atMs) {
      const body = runAt.get(...inScope(scope, connectionId), entity, atMs, atMs, atMs);
      return body === undefined ? undefined : (JSON.parse(body) as SyncRun);
    },
  };
}

function inScope({ workspaceId, connectionIds }: Scope, connectionId: string | undefined): unknown[] {
  const ids = connectionIds === undefined ? null : JSON.stringify(connectionIds);
  return [workspaceId, ids, ids, connectionId ?? null, connectionId ?? null];
}

function storedSample(row: SampleColumns): StoredSample {
  return {
    value: sampleValue(row.value),
    status: row.status,
    sourceMs: row.isSourced === 1 ? millisOf(row.atMicros) : null,
    serverMs: row.serverMicros === NO_TIME_US ? null : millisOf(row.serverMicros),
    backfilled: row.isBackfilled === 1,
  };
}

/** Bounds of a range may be infinite. */
function microsIn(ms: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(Number.MIN_SAFE_INTEGER, microsOf(ms)));
}
