// Fills a sandbox: describes it, reads its whole imagined plant as a snapshot, and says that it is online.
import type { DeleteEntry, Entry } from "#common/contract/entry.ts";
import { ENTITY_NAMES, type Entity } from "#common/contract/model/entities.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import { setStatus } from "../agents/connection-status.ts";
import { newId } from "../identifiers.ts";
import type { ConnectionRow } from "../store.ts";
import { ARCHIVED_VENDOR, DELETED_VENDOR } from "./known-keys.ts";
import { keyOf, type PlantSeed, type SampleRecord } from "./plant-book.ts";
import { samplePlant, type SamplePlant } from "./sample-plant.ts";
import { cutOf, HISTORY_MS, samplesBetween } from "./sample-telemetry.ts";
import { describeSandbox } from "./sandbox-description.ts";
import { SYSTEM, sourceRecord } from "./sandbox-product.ts";
import {
  beginEpoch,
  markEntry,
  sendEntries,
  sendSamples,
  upsertEntry,
  type StreamDeps,
} from "./sandbox-stream.ts";

export const ENVIRONMENT = "sandbox";

/** Resolves with the number of records when the sandbox is online; `told` is called when events have come. */
export async function fillSandbox(
  deps: StreamDeps,
  connection: ConnectionRow,
  told: (events: number) => void,
): Promise<number> {
  const { store } = deps.ingest;
  const plant = samplePlant(seedOf(deps, connection));
  await store.directory.putDescription(describeSandbox(connection.id, plant.records));
  told(await report(deps, connection, "synchronizing"));
  await beginEpoch(deps, connection);
  const at_ms = deps.ingest.nowMs();
  const epoch: Entry = { header: { op: "epoch", reason: "sandbox", at_ms } };
  told(await sendEntries(deps, connection, [epoch]));
  const run = newId("cmd", at_ms, deps.entropy.randomBytes).replace("cmd_", "run_");
  const leaving = await leavingOf(deps, connection);
  const records = plant.records.filter(
    ({ entity, number }) => entity !== "vendor" || !LEAVING.has(number) || leaving.includes(number),
  );
  for (const entity of ENTITY_NAMES) {
    const own = records.filter((record) => record.entity === entity);
    told(await sendEntries(deps, connection, snapshot(deps, run, entity, own)));
  }
  told(
    await sendEntries(
      deps,
      connection,
      leaving.map((number) => deleteEntry(number, at_ms)),
    ),
  );
  told(await sendTelemetry(deps, connection, plant));
  told(await report(deps, connection, "online"));
  return records.length;
}

/** Vendors that are deleted or put away as soon as they have been read: what is gone can be looked at, and its events. */
const LEAVING: ReadonlyMap<string, DeleteEntry["presence"]> = new Map([
  [DELETED_VENDOR, "deleted"],
  [ARCHIVED_VENDOR, "archived"],
]);

/** Those that have not left before: they do not come back when the sandbox is filled again. */
async function leavingOf(deps: StreamDeps, connection: ConnectionRow): Promise<readonly string[]> {
  const { reader } = deps.ingest.store;
  const { id: connectionId, workspaceId } = connection;
  const states = [...LEAVING.keys()].map(async (number) => {
    const id = deps.ingest.recordId(connectionId, "vendor", keyOf(number));
    const stored = await reader.getRecord({ workspaceId }, "vendor", id, false);
    return { number, hasLeft: stored?.deletedAtMs !== undefined };
  });
  return (await Promise.all(states)).filter(({ hasLeft }) => !hasLeft).map(({ number }) => number);
}

function deleteEntry(number: string, read_ms: number): Entry {
  const presence = LEAVING.get(number) ?? "deleted";
  const how = { presence, reason: "tombstone", origin: "change" } as const;
  return { header: { op: "delete", entity: "vendor", key: keyOf(number), ...how, read_ms } };
}

export function seedOf({ ingest }: StreamDeps, { id, createdAtMs }: ConnectionRow): PlantSeed {
  return { connectionId: id, atMs: createdAtMs, recordId: ingest.recordId };
}

/** Whether it may be shown as anything but disconnected. */
export async function isConnected(
  { ingest }: StreamDeps,
  { id, workspaceId }: ConnectionRow,
): Promise<boolean> {
  const row = await ingest.store.directory.connection({ workspaceId }, id);
  return row !== undefined && row.disconnectedAtMs === undefined;
}

/** What an agent would say; returns the number of events. */
export async function report(
  deps: StreamDeps,
  connection: ConnectionRow,
  status: ConnectionReport["status"],
  words: { readonly reason?: string; readonly advice?: string } = {},
): Promise<number> {
  if (!(await isConnected(deps, connection))) return 0;
  const { ingest } = deps;
  const { id } = connection;
  const nowMs = ingest.nowMs();
  const state = status === "synchronizing" ? "snapshot" : "idle";
  await ingest.store.directory.putReport(
    {
      type: "connection_report",
      connection_id: id,
      status,
      ...words,
      system: SYSTEM,
      backlog_batches: 0,
      backlog_bytes: 0,
      entities: ENTITY_NAMES.map((entity) => ({ entity, strategy: "sandbox", state })),
    },
    nowMs,
  );
  const { reason, advice } = words;
  return setStatus(ingest.store, id, { state: status, reason, advice }, nowMs);
}

function snapshot(
  deps: StreamDeps,
  run: string,
  entity: Entity,
  records: readonly SampleRecord[],
): readonly Entry[] {
  const startedMs = deps.ingest.nowMs();
  const begun = { run, entity, pass: "snapshot", started_ms: startedMs } as const;
  const counts = { read: records.length, changed: records.length, deleted: 0, rejected: 0 };
  return [
    markEntry({ mark: "snapshot_begin", ...begun }),
    ...records.map((record) => upsertEntry(deps, sourceRecord(record), "snapshot", startedMs)),
    markEntry({ mark: "snapshot_end", ...begun, ended_ms: deps.ingest.nowMs(), outcome: "ok", ...counts }),
  ];
}

async function sendTelemetry(
  deps: StreamDeps,
  connection: ConnectionRow,
  { points }: SamplePlant,
): Promise<number> {
  const nowMs = deps.ingest.nowMs();
  const { createdAtMs } = connection;
  const cut = cutOf(createdAtMs);
  const detail = "the line to the machines was cut";
  const gap: Entry = {
    header: {
      op: "gap",
      reason: "reconnect",
      entity: "telemetry_point",
      from_ms: cut.fromMs,
      to_ms: cut.toMs,
      detail,
    },
  };
  const keys = points.map(({ number }) => keyOf(number));
  // A sandbox that is filled again after months gets the last day only.
  const fromMs = Math.max(createdAtMs, nowMs - HISTORY_MS) - HISTORY_MS;
  const samples = samplesBetween(points, fromMs, nowMs, cut);
  return (await sendEntries(deps, connection, [gap])) + (await sendSamples(deps, connection, keys, samples));
}
