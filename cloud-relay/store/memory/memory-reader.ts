// Reads of the memory store: what was committed, nothing else.
import type { Reader, Scope, StoredSample, TelemetryLast } from "../../core/store.ts";
import { isInScope } from "./memory-directory.ts";
import { inTime } from "./memory-ingest.ts";
import { memoryRecordReads, type Read } from "./memory-record-reads.ts";
import { keyOf, type MemorySample, type MemoryTables } from "./memory-tables.ts";

export function memoryReader(tables: MemoryTables, read: Read): Reader {
  return {
    ...memoryRecordReads(tables, read),
    ...feedOf(tables, read),
    ...samplesOf(tables, read),
    ...notesOf(tables, read),
  };
}

function feedOf(
  { events, connections, numbers }: MemoryTables,
  read: Read,
): Pick<Reader, "listEvents" | "feedBounds"> {
  return {
    listEvents: (scope, after, limit, types) =>
      read(() =>
        [...events.committed.values()]
          .filter(({ position, type }) => position > after && (types?.includes(type) ?? true))
          .filter(({ connectionId, workspaceId }) =>
            connectionId === undefined
              ? scope.connectionIds === undefined && workspaceId === scope.workspaceId
              : isInScope(scope, connections.committed.get(connectionId)),
          )
          .sort((a, b) => a.position - b.position)
          .slice(0, limit),
      ),
    feedBounds: (workspaceId) =>
      read(() => {
        const trimmedTo = numbers.committed.get(`trimmed ${workspaceId}`) ?? 0;
        return {
          oldest: trimmedTo === 0 ? 0 : trimmedTo + 1,
          newest: numbers.committed.get(`newest ${workspaceId}`) ?? 0,
        };
      }),
  };
}

function samplesOf(
  { samples, lastSamples }: MemoryTables,
  read: Read,
): Pick<Reader, "lastSamples" | "samples"> {
  return {
    lastSamples: (connectionId, pointKeys) =>
      read(() => {
        const found = new Map<string, TelemetryLast>();
        for (const pointKey of pointKeys) {
          const last = lastSamples.committed.get(keyOf(connectionId, pointKey));
          if (last !== undefined) found.set(pointKey, { pointKey, ...storedSample(last) });
        }
        return found;
      }),
    samples: (connectionId, pointKey, afterMs, beforeMs, limit) =>
      read(() =>
        [...samples.committed.values()]
          .filter((row) => row.connectionId === connectionId && row.pointKey === pointKey)
          .filter(({ atMicros }) => atMicros > Math.round(afterMs * 1000))
          .filter(({ atMicros }) => atMicros < Math.round(beforeMs * 1000))
          .sort(inTime)
          .slice(0, limit)
          .map(storedSample),
      ),
  };
}

function notesOf(
  { gaps, rejects, runs, connections }: MemoryTables,
  read: Read,
): Pick<Reader, "gaps" | "rejects" | "syncRuns" | "syncRunsById" | "syncRunAt"> {
  const isVisible = (scope: Scope, connectionId: string): boolean =>
    isInScope(scope, connections.committed.get(connectionId));
  return {
    gaps: (scope, { connectionId, entity, key, afterMs, limit }) =>
      read(() =>
        [...gaps.committed.values()]
          .filter((gap) => isVisible(scope, gap.connectionId) && gap.recordedAtMs > afterMs)
          .filter((gap) => connectionId === undefined || gap.connectionId === connectionId)
          .filter((gap) => entity === undefined || gap.entity === undefined || gap.entity === entity)
          .filter((gap) => key === undefined || gap.key === undefined || gap.key === key)
          .sort((a, b) => a.recordedAtMs - b.recordedAtMs)
          .slice(0, limit),
      ),
    rejects: (scope, connectionId, limit, entities) =>
      read(() =>
        [...rejects.committed.values()]
          .filter((reject) => reject.connectionId === connectionId && isVisible(scope, connectionId))
          .filter(({ entity }) => entities?.includes(entity) ?? true)
          .sort((a, b) => compare(a.entity, b.entity) || compare(a.key, b.key))
          .slice(0, limit),
      ),
    syncRuns: (scope, connectionId, entity, limit, before) =>
      read(() => {
        const all = [...runs.committed.values()]
          .filter(({ run }) => run.connectionId === connectionId && isVisible(scope, connectionId))
          .sort((a, b) => b.run.started_ms - a.run.started_ms || b.no - a.no)
          .map(({ run }) => run);
        const at = all.findIndex(({ entity: of, run }) => of === before?.entity && run === before.run);
        if (before !== undefined && at < 0) return [];
        return all
          .slice(before === undefined ? 0 : at + 1)
          .filter((run) => entity === undefined || run.entity === entity)
          .slice(0, limit);
      }),
    syncRunsById: (scope, connectionId, id) =>
      read(() =>
        [...runs.committed.values()]
          .map(({ run }) => run)
          .filter((run) => run.connectionId === connectionId && isVisible(scope, connectionId))
          .filter(({ run }) => run === id)
          .sort((a, b) => (a.entity < b.entity ? -1 : 1)),
      ),
    syncRunAt: (scope, connectionId, entity, atMs) =>
      read(
        () =>
          [...runs.committed.values()]
            .filter(({ run }) => run.connectionId === connectionId && isVisible(scope, connectionId))
            .filter(({ run }) => run.entity === entity && run.started_ms <= atMs)
            .filter(({ run }) => (run.ended_ms ?? atMs) >= atMs)
            .sort((a, b) => b.run.started_ms - a.run.started_ms || b.no - a.no)[0]?.run,
      ),
  };
}

/** By UTF-8 bytes, as SQLite compares. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function storedSample({ value, status, sourceMs, serverMs, backfilled }: MemorySample): StoredSample {
  return { value, status, sourceMs, serverMs, backfilled };
}
