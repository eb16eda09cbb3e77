// How fast the relay's store takes changes, beside bare better-sqlite3 doing the same writes in the same run.
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { recordId } from "#common/contract/record-id.ts";
import { newConnectionRow } from "#relay/core/connections/new-connection.ts";
import type { NewEvent, NewRecord, Store } from "#relay/core/store.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import type { BenchRow } from "./bench-row.ts";

interface Change {
  readonly id: string;
  readonly key: string;
  readonly text: string;
  readonly hash: string;
}

const BATCH = 500;
const RECORDS = 50_000;
const CONNECTIONS = 200;
/** Each record is inserted once and then updated this often. */
const UPDATE_ROUNDS = 3;
const CONNECTION = "01900000-0000-7000-8000-000000000001";
const EPOCH = "0123456789abcdef";
const NOW_MS = 1_748_736_000_000;

/** Runs for about ten seconds. The two take turns, so that a busy machine is equally busy for both. */
export async function benchRelayStore(): Promise<readonly BenchRow[]> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-bench-store-"));
  const bare = bareWriter(join(directory, "bare.db"));
  const store = await openSqliteStore({ path: join(directory, "relay.db") });
  try {
    await createConnections(store);
    const batches = changeBatches();
    const rounds: Record<"bare" | "store", number[]> = { bare: [], store: [] };
    let seq = 0;
    for (let round = 0; round <= UPDATE_ROUNDS; round += 1) {
      rounds.bare.push(await changeRate(batches, async (batch) => bare.write(batch)));
      rounds.store.push(await changeRate(batches, (batch) => ingest(store, batch, (seq += 1))));
    }
    return [...ratios(ratesOf(rounds.bare), ratesOf(rounds.store)), ...(await readRates(store))];
  } finally {
    bare.close();
    await store[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  }
}

async function changeRate(
  batches: readonly (readonly Change[])[],
  write: (batch: readonly Change[]) => Promise<void>,
): Promise<number> {
  const startedMs = performance.now();
  for (const batch of batches) await write(batch);
  return rate(startedMs, RECORDS);
}

/** The first round inserts, the others update: their median. */
function ratesOf(rounds: readonly number[]): Rates {
  const updates = rounds.slice(1).sort((a, b) => a - b);
  return { insert: rounds[0] ?? 0, update: updates[Math.floor(updates.length / 2)] ?? 0 };
}

interface Rates {
  readonly insert: number;
  readonly update: number;
}

function ratios(bare: Rates, store: Rates): BenchRow[] {
  return (["insert", "update"] as const).flatMap((kind) => [
    row(
      `relay store: ${kind}`,
      store[kind],
      "changes/s",
      `${BATCH} a batch, synchronous=FULL, with states, feed and stream`,
    ),
    row(
      `bare better-sqlite3: ${kind}`,
      bare[kind],
      "changes/s",
      "upsert by id and feed insert with the same indexes and durability; no states, fencing or stream",
    ),
    row(`relay store / bare: ${kind}`, (100 * store[kind]) / bare[kind], "%", ""),
  ]);
}

/** A batch is one connection's; keys come in random order, as hashes do. */
function changeBatches(): Change[][] {
  const changes = Array.from({ length: RECORDS }, (_, index): Change => {
    const key = JSON.stringify([`WO-${String(index).padStart(8, "0")}`]);
    const text = JSON.stringify({
      remote_id: `WO-${index}`,
      remote_key: { WONUM: `WO-${index}` },
      number: `WO-${index}`,
      title: "Replace the bearing of the conveyor's drive motor",
      status: "in_progress",
      priority: "high",
      asset: { remote_id: `ASSET-${index % 997}` },
      estimated_hours: "4.50",
      scheduled_start: "2025-06-01T06:00:00Z",
      custom_fields: { crew: "B", cost_centre: "4711" },
      source: { system: "maximo", table: "WORKORDER" },
    });
    const hash = createHash("sha256").update(text).digest("base64url").slice(0, 22);
    return { id: recordId(CONNECTION, "work_order", key), key, text, hash };
  });
  const batches: Change[][] = [];
  for (let at = 0; at < changes.length; at += BATCH) batches.push(changes.slice(at, at + BATCH));
  return batches;
}

function ingest(store: Store, batch: readonly Change[], seq: number): Promise<void> {
  return store.ingest(async (tx) => {
    if (!(await tx.isCurrentSession("agent", 1))) throw new Error("fenced");
    const stream = await tx.stream(CONNECTION);
    const states = await tx.recordStates(
      CONNECTION,
      batch.map(({ id }) => id),
    );
    const first = await tx.revisions(batch.length, NOW_MS);
    const records: NewRecord[] = [];
    const events: NewEvent[] = [];
    for (const [index, { id, key, text, hash }] of batch.entries()) {
      const state = states.get(id);
      const revision = first + index;
      records.push({
        id,
        connectionId: CONNECTION,
        entity: "work_order",
        key,
        text,
        raw: undefined,
        hash,
        version: String(seq),
        revision,
        createdAtMs: state?.createdAtMs ?? NOW_MS,
        updatedAtMs: NOW_MS,
        deletedAtMs: undefined,
        presence: "present",
        deleteReason: undefined,
        incarnation: state?.incarnation ?? 1,
        origin: "change",
        mappingVersion: "00112233445566ff",
        epochNo: 1,
      });
      events.push({
        position: revision,
        id: `evt_${EPOCH}_${seq}_${index}`,
        type: state === undefined ? "work_order.created" : "work_order.updated",
        workspaceId: "ws",
        connectionId: CONNECTION,
        entity: "work_order",
        recordId: id,
        origin: "change",
        atMs: NOW_MS,
        data: "{}",
      });
    }
    await tx.putRecords(records);
    await tx.appendEvents(events);
    const ackedSeq = (stream?.ackedSeq ?? 0) + 1;
    await tx.putStream({ connectionId: CONNECTION, epoch: EPOCH, epochNo: 1, ackedSeq, ackedId: "00" });
  });
}

function bareWriter(path: string): { write(batch: readonly Change[]): void; close(): void } {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma("cache_size = -65536");
  db.pragma("wal_autocheckpoint = 4000");
  db.exec(`CREATE TABLE records (id TEXT NOT NULL UNIQUE, connection INTEGER, revision INTEGER NOT NULL, hash TEXT,
      version TEXT, key TEXT, text TEXT);
    CREATE INDEX records_order ON records (connection, revision);
    CREATE TABLE events (position INTEGER PRIMARY KEY, connection INTEGER, type TEXT, record_id TEXT, data TEXT);
    CREATE INDEX events_feed ON events (connection);`);
  const upsert = db.prepare(`INSERT INTO records VALUES (?, 1, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    revision = excluded.revision, hash = excluded.hash, version = excluded.version, text = excluded.text`);
  const append = db.prepare("INSERT INTO events VALUES (?, 1, ?, ?, ?)");
  let revision = NOW_MS * 1000;
  const write = db.transaction((batch: readonly Change[]) => {
    for (const { id, hash, key, text } of batch) {
      revision += 1;
      upsert.run(id, revision, hash, "1", key, text);
      append.run(revision, "work_order.updated", id, "{}");
    }
  });
  return { write, close: () => db.close() };
}

async function createConnections(store: Store): Promise<void> {
  const { directory } = store;
  await directory.createWorkspace({ id: "ws", name: "bench", createdAtMs: NOW_MS });
  for (let index = 1; index <= CONNECTIONS; index += 1) {
    await directory.createConnection(
      newConnectionRow({
        id: connectionId(index),
        workspaceId: "ws",
        name: `connection-${index}`,
        state: "online",
        createdAtMs: NOW_MS,
      }),
    );
  }
  await directory.createAgent({
    id: "agent",
    workspaceId: "ws",
    name: "bench",
    publicKey: randomBytes(32).toString("base64url"),
    createdAtMs: NOW_MS,
    revokedAtMs: undefined,
    quarantinedAtMs: undefined,
    session: 1,
    instanceId: undefined,
    version: undefined,
    platform: undefined,
    connectedAtMs: undefined,
    lastSeenAtMs: undefined,
    isOnline: true,
  });
}

/** Pages over the one big connection, and over a workspace whose 200 connections took turns. */
async function readRates(store: Store): Promise<BenchRow[]> {
  const { reader } = store;
  const scope = { workspaceId: "ws" };
  const one = { ...scope, connectionIds: [CONNECTION] };
  const query = (entity: string, afterRevision: number) =>
    ({
      entity,
      afterRevision,
      beforeRevision: undefined,
      includeDeleted: false,
      includeRaw: false,
      limit: 50,
    }) as const;
  const newest = await fillConnections(store);
  const ids = (await reader.listRecords(one, { ...query("work_order", 0), limit: 1_000 })).map(
    ({ id }) => id,
  );
  const measured = async (times: number, read: (index: number) => Promise<unknown>): Promise<number> => {
    const startedMs = performance.now();
    for (let index = 0; index < times; index += 1) await read(index);
    return rate(startedMs, times);
  };
  return [
    row(
      "read a record",
      await measured(20_000, (n) => reader.getRecord(one, "work_order", ids[n % 1_000] ?? "", false)),
      "reads/s",
      "",
    ),
    row(
      "list 50 of one connection",
      await measured(2_000, () => reader.listRecords(one, query("work_order", 0))),
      "pages/s",
      "",
    ),
    row(
      `list 50 of a workspace with ${CONNECTIONS} connections`,
      await measured(1_000, () => reader.listRecords(scope, query("vendor", 0))),
      "pages/s",
      "every row from another connection",
    ),
    row(
      `list the newest of ${CONNECTIONS} connections`,
      await measured(2_000, () => reader.listRecords(scope, query("vendor", newest - 5))),
      "pages/s",
      "",
    ),
    row(
      "feed: 100 events of a workspace",
      await measured(1_000, () => reader.listEvents(scope, 0, 100)),
      "pages/s",
      "",
    ),
    row(
      "feed: nothing new",
      await measured(5_000, () => reader.listEvents(scope, newest, 100)),
      "reads/s",
      "",
    ),
    row(
      "feed: a type that never came",
      await measured(5, () => reader.listEvents(scope, 0, 100, ["gap.recorded"])),
      "reads/s",
      "",
    ),
  ];
}

/** 50 vendors for each connection, turn by turn. Returns the newest revision. */
function fillConnections(store: Store): Promise<number> {
  return store.ingest(async (tx) => {
    const count = CONNECTIONS * 50;
    const first = await tx.revisions(count, NOW_MS);
    const records = Array.from({ length: count }, (_, index): NewRecord => {
      const owner = connectionId((index % CONNECTIONS) + 1);
      const key = `["V${index}"]`;
      return {
        id: recordId(owner, "vendor", key),
        connectionId: owner,
        entity: "vendor",
        key,
        text: '{"name":"Vendor"}',
        raw: undefined,
        hash: "AAAAAAAAAAAAAAAAAAAAAA",
        version: undefined,
        revision: first + index,
        createdAtMs: NOW_MS,
        updatedAtMs: NOW_MS,
        deletedAtMs: undefined,
        presence: "present",
        deleteReason: undefined,
        incarnation: 1,
        origin: "snapshot",
        mappingVersion: "00112233445566ff",
        epochNo: 1,
      };
    });
    await tx.putRecords(records);
    return first + count - 1;
  });
}

function connectionId(index: number): string {
  return `01900000-0000-7000-8000-${String(index).padStart(12, "0")}`;
}

function rate(startedMs: number, count: number): number {
  return (count * 1000) / (performance.now() - startedMs);
}

function row(name: string, value: number, unit: string, note: string): BenchRow {
  return { name, value: Math.round(value), unit, note };
}
