// The write transaction of the memory store.
import { MillraceError } from "#common/runtime/errors.ts";
import type {
  ConnectionRow,
  IngestTx,
  NewEvent,
  NewRecord,
  NewSample,
  RecordState,
} from "../../core/store.ts";
import { keyOf, type MemorySample, type MemoryTables } from "./memory-tables.ts";

export function memoryIngestTx(tables: MemoryTables): IngestTx {
  return { ...streamsOf(tables), ...recordsOf(tables), ...feedOf(tables), ...notesOf(tables) };
}

type Part<Names extends keyof IngestTx> = Pick<IngestTx, Names>;

function streamsOf(
  tables: MemoryTables,
): Part<
  | "pause"
  | "isCurrentSession"
  | "stream"
  | "putStream"
  | "hasSeenEpoch"
  | "revisions"
  | "connection"
  | "setConnectionStatus"
> {
  const { agents, streams, epochs, numbers, connections } = tables;
  return {
    pause: async () => false,
    async isCurrentSession(agentId, session) {
      const agent = agents.get(agentId);
      if (agent === undefined || agent.revokedAtMs !== undefined) return false;
      return agent.session === session && agent.quarantinedAtMs === undefined;
    },
    stream: async (connectionId) =>
      connections.get(connectionId)?.disconnectedAtMs === undefined ? streams.get(connectionId) : undefined,
    async putStream(stream) {
      existing(tables, stream.connectionId);
      streams.set(stream.connectionId, stream);
      epochs.set(keyOf(stream.connectionId, stream.epoch), true);
    },
    hasSeenEpoch: async (connectionId, epoch) => epochs.has(keyOf(connectionId, epoch)),
    async revisions(count, nowMs) {
      const first = Math.max((numbers.get("last_revision") ?? 0) + 1, Math.floor(nowMs * 1000));
      numbers.set("last_revision", first + count - 1);
      return first;
    },
    connection: async (connectionId) => connections.get(connectionId),
    async setConnectionStatus(connectionId, status, atMs) {
      const row = existing(tables, connectionId);
      const connectedAtMs = row.connectedAtMs ?? (status.state === "pending" ? undefined : atMs);
      const { state, reason, advice } = status;
      connections.set(connectionId, { ...row, state, reason, advice, statusAtMs: atMs, connectedAtMs });
    },
  };
}

function recordsOf(
  tables: MemoryTables,
): Part<
  | "recordStates"
  | "putRecords"
  | "confirmRecords"
  | "deleteRecords"
  | "unconfirmed"
  | "countPresent"
  | "countUnconfirmed"
> {
  const { records, versions } = tables;
  const put = (next: NewRecord): void => {
    const before = records.get(next.id);
    if (before !== undefined) versions.set(String(next.revision), before);
    records.set(next.id, next);
  };
  const present = (connectionId: string, entity: string, belowEpochNo: number): string[] => {
    const ids: string[] = [];
    for (const record of records.values()) {
      if (record.connectionId !== connectionId || record.entity !== entity) continue;
      if (record.presence === "present" && record.epochNo < belowEpochNo) ids.push(record.id);
    }
    return ids;
  };
  return {
    async recordStates(connectionId, ids) {
      const states = new Map<string, RecordState>();
      for (const id of ids) {
        const record = records.get(id);
        if (record?.connectionId !== connectionId) continue;
        const { hash, presence, incarnation, createdAtMs, epochNo } = record;
        states.set(id, { id, hash, presence, incarnation, createdAtMs, epochNo });
      }
      return states;
    },
    async putRecords(rows) {
      for (const row of rows) {
        existing(tables, row.connectionId);
        put(row);
      }
    },
    async confirmRecords(ids, epochNo) {
      for (const id of ids) {
        const record = records.get(id);
        if (record !== undefined) records.set(id, { ...record, epochNo });
      }
    },
    async deleteRecords(deletes) {
      for (const { id, revision, presence, reason, origin, atMs, epochNo, readAtMs } of deletes) {
        const record = records.get(id);
        if (record?.presence !== "present") continue;
        const gone = { revision, presence, deleteReason: reason, origin, epochNo, readAtMs };
        put({ ...record, ...gone, updatedAtMs: atMs, deletedAtMs: atMs });
      }
    },
    unconfirmed: async (connectionId, entity, epochNo, limit) =>
      present(connectionId, entity, epochNo).sort().slice(0, limit),
    countPresent: async (connectionId, entity) =>
      present(connectionId, entity, Number.POSITIVE_INFINITY).length,
    countUnconfirmed: async (connectionId, entity, epochNo) => present(connectionId, entity, epochNo).length,
  };
}

function feedOf(tables: MemoryTables): Part<"appendEvents" | "putSamples"> {
  const { events, samples, lastSamples, numbers, workspaces } = tables;
  const append = (event: NewEvent): void => {
    const { connectionId } = event;
    const workspaceId =
      connectionId === undefined ? event.workspaceId : existing(tables, connectionId).workspaceId;
    if (!workspaces.has(workspaceId)) throw unknown("workspace", workspaceId);
    const key = String(event.position);
    if (events.has(key)) throw new MillraceError(`the feed has an event at position ${key} already`);
    events.set(key, { ...event, workspaceId });
    const newest = `newest ${workspaceId}`;
    numbers.set(newest, Math.max(numbers.get(newest) ?? 0, event.position));
  };
  const put = (connectionId: string, sample: NewSample): void => {
    const row: MemorySample = { ...sample, connectionId, atMicros: microsOf(sample) };
    const { pointKey, sourceMs, serverMs, atMicros } = row;
    samples.set(keyOf(connectionId, pointKey, atMicros, serverMs ?? "", sourceMs ?? ""), row);
    const key = keyOf(connectionId, pointKey);
    const last = lastSamples.get(key);
    if (last === undefined || inTime(row, last) >= 0) lastSamples.set(key, row);
  };
  return {
    async appendEvents(rows) {
      for (const event of rows) append(event);
    },
    async putSamples(connectionId, rows) {
      existing(tables, connectionId);
      for (const sample of rows) put(connectionId, sample);
    },
  };
}

function notesOf(
  tables: MemoryTables,
): Part<"putGaps" | "putRejects" | "clearRejects" | "putSyncRuns" | "putUndecodable"> {
  const { gaps, rejects, runs, undecodable, connections } = tables;
  return {
    async putGaps(rows) {
      for (const gap of rows) {
        existing(tables, gap.connectionId);
        gaps.set(gap.id, gap);
      }
    },
    async putRejects(connectionId, rows) {
      existing(tables, connectionId);
      for (const reject of rows) {
        rejects.set(keyOf(connectionId, reject.entity, reject.key), { ...reject, connectionId });
      }
    },
    async clearRejects(connectionId, entity, keys) {
      for (const key of keys) rejects.delete(keyOf(connectionId, entity, key));
    },
    async putSyncRuns(rows) {
      for (const run of rows) {
        const row = existing(tables, run.connectionId);
        const key = keyOf(run.connectionId, run.entity, run.run);
        runs.set(key, { no: runs.get(key)?.no ?? [...runs.values()].length, run });
        if (run.outcome !== "ok" || run.ended_ms === undefined) continue;
        const lastSyncAtMs = Math.max(row.lastSyncAtMs ?? 0, run.ended_ms);
        connections.set(row.id, { ...row, lastSyncAtMs });
      }
    },
    async putUndecodable(connectionId, epoch, seq, blob, reason) {
      existing(tables, connectionId);
      undecodable.set(keyOf(connectionId, epoch, seq), { connectionId, epoch, seq, blob, reason });
    },
  };
}

/** Order on the time line; at the same source time, the later server time is the newer. */
export function inTime(a: MemorySample, b: MemorySample): number {
  const before = Number.NEGATIVE_INFINITY;
  const server =
    (a.serverMs ?? before) === (b.serverMs ?? before) ? 0 : (a.serverMs ?? before) - (b.serverMs ?? before);
  return a.atMicros - b.atMicros || server || Number(a.sourceMs !== null) - Number(b.sourceMs !== null);
}

function microsOf({ sourceMs, serverMs }: NewSample): number {
  return Math.round((sourceMs ?? serverMs ?? 0) * 1000);
}

function existing(tables: MemoryTables, connectionId: string): ConnectionRow {
  const row = tables.connections.get(connectionId);
  if (row === undefined) throw unknown("connection", connectionId);
  return row;
}

function unknown(what: string, id: string): MillraceError {
  return new MillraceError(`the relay's store has no ${what} ${id}; create it before writing to it`);
}
