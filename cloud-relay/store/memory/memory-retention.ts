// Removes old events, samples and runs from the memory store, in steps like the real one's.
import type { MemoryTables } from "./memory-tables.ts";

/** Rows of one kind that one step removes at most. */
const PRUNE_ROWS = 5_000;

/** True when there is more to do. */
export function pruneTables(
  tables: MemoryTables,
  before: { readonly eventsMs: number; readonly samplesMs: number; readonly versionsMs?: number },
): boolean {
  const moreEvents = pruneEvents(tables, before.eventsMs * 1000);
  const moreSamples = pruneSamples(tables, before.samplesMs * 1000);
  if (before.versionsMs !== undefined) pruneVersions(tables, before.versionsMs * 1000);
  pruneRuns(tables, before.eventsMs);
  return moreEvents || moreSamples;
}

function pruneEvents({ events, numbers }: MemoryTables, before: number): boolean {
  const old = [...events.committed.values()]
    .filter(({ position }) => position < before)
    .sort((a, b) => a.position - b.position)
    .slice(0, PRUNE_ROWS);
  for (const { position, workspaceId } of old) {
    events.delete(String(position));
    numbers.set(`trimmed ${workspaceId}`, position);
  }
  return old.length === PRUNE_ROWS;
}

function pruneVersions({ versions }: MemoryTables, before: number): void {
  for (const [until] of versions.committed) if (Number(until) < before) versions.delete(until);
}

function pruneSamples({ samples }: MemoryTables, before: number): boolean {
  const old = [...samples.committed].filter(([, { atMicros }]) => atMicros < before).slice(0, PRUNE_ROWS);
  for (const [key] of old) samples.delete(key);
  return old.length === PRUNE_ROWS;
}

/** The newest run of every entity stays. */
function pruneRuns({ runs }: MemoryTables, beforeMs: number): void {
  const newestFirst = [...runs.committed].sort(
    ([, a], [, b]) => b.run.started_ms - a.run.started_ms || b.no - a.no,
  );
  const seen = new Set<string>();
  for (const [key, { run }] of newestFirst) {
    const entity = `${run.connectionId} ${run.entity}`;
    const isNewest = !seen.has(entity);
    seen.add(entity);
    if (!isNewest && (run.ended_ms ?? run.started_ms) < beforeMs) runs.delete(key);
  }
}
