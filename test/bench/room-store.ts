// The room's store on disk beside a bare loop that does the same inserts without ids, checksums, cursors or counters.
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { KnownRecord, NewBatch } from "#agent/core/room/room-store.ts";
import { SqliteRoomStore } from "#agent/outbox/sqlite-room-store.ts";
import { batchCodec } from "#common/contract/batch.ts";
import type { BenchRow } from "./bench-row.ts";

const BATCH_CHANGES = 500;
const BATCHES = 240;
/** Keys come round again, as the rows of a plant do. */
const KEYS = 60_000;
const EPOCH = "00112233445566ff";

interface Prepared {
  readonly batch: NewBatch;
  readonly records: readonly KnownRecord[];
}

/** About six seconds. */
export function benchRoomStore(): readonly BenchRow[] {
  const dir = mkdtempSync(join(tmpdir(), "millrace-bench-"));
  try {
    const prepared = Array.from({ length: BATCHES }, (_, index) => prepare(index));
    const bare = timeBare(join(dir, "bare.db"), prepared);
    const file = join(dir, `${EPOCH}.db`);
    const store = timeStore(file, prepared);
    const lookups = timeLookups(file);
    const whole = timeWhole(join(dir, "1111111111111111.db"));
    const changes = BATCHES * BATCH_CHANGES;
    return [
      {
        name: "room store: commit",
        value: rate(changes, store),
        unit: "changes/s",
        note: `batches of ${BATCH_CHANGES}, synchronous FULL`,
      },
      {
        name: "room store: bare loop",
        value: rate(changes, bare),
        unit: "changes/s",
        note: "blob insert and known upsert alone",
      },
      {
        name: "room store: of the bare loop",
        value: Math.round((bare / store) * 100),
        unit: "%",
        note: "same inserts, same settings",
      },
      {
        name: "room store: encode and commit",
        value: rate(changes, whole),
        unit: "changes/s",
        note: "JSON, SHA-256, look-up, zstd, commit",
      },
      {
        name: "room store: look up known",
        value: rate(KEYS, lookups.lookup),
        unit: "keys/s",
        note: "500 keys a call",
      },
      {
        name: "room store: check at open",
        value: Math.round((lookups.bytes / lookups.open / 1e6) * 1000),
        unit: "MB/s",
        note: "quick_check and every checksum",
      },
    ];
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function prepare(index: number): Prepared {
  const records = Array.from({ length: BATCH_CHANGES }, (_, row): KnownRecord => {
    const number = index * BATCH_CHANGES + row;
    const hash = createHash("sha256").update(`${number}`).digest("base64url").slice(0, 21);
    return { key: keyOf(number), hash: `${hash}A`, version: `v${number}`, seen: 1 };
  });
  const blob = randomBytes(BATCH_CHANGES * 12);
  return {
    batch: { id: randomBytes(8).toString("hex"), kind: "records", entries: BATCH_CHANGES, blob },
    records,
  };
}

/** Scattered, so that upserts touch pages everywhere. */
function keyOf(number: number): string {
  return `["PO-${(Math.imul(number, 2_654_435_761) >>> 0) % KEYS}"]`;
}

function timeStore(file: string, prepared: readonly Prepared[]): number {
  using store = SqliteRoomStore.create(file, {
    epoch: EPOCH,
    takenOver: [],
    reason: "created",
    life: 1,
  });
  return timed(() => {
    for (const [at, { batch, records }] of prepared.entries()) {
      store.commit({
        batches: [batch],
        known: [{ entity: "purchase_order", records }],
        cursors: [{ slot: "purchase_order/incremental", cursor: { at } }],
      });
    }
  });
}

function timeBare(file: string, prepared: readonly Prepared[]): number {
  const db = new Database(file);
  try {
    db.pragma("page_size = 4096");
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.pragma("wal_autocheckpoint = 2000");
    db.exec("CREATE TABLE b (seq INTEGER PRIMARY KEY, blob BLOB)");
    db.exec(
      "CREATE TABLE k (entity INTEGER, key TEXT, hash TEXT, version TEXT, seen INTEGER, PRIMARY KEY (entity, key)) WITHOUT ROWID",
    );
    const insert = db.prepare("INSERT INTO b (blob) VALUES (?)");
    const upsert = db.prepare("INSERT OR REPLACE INTO k VALUES (1, ?, ?, ?, ?)");
    const write = db.transaction(({ batch, records }: Prepared) => {
      insert.run(batch.blob);
      for (const { key, hash, version, seen } of records) upsert.run(key, hash, version, seen);
    });
    return timed(() => {
      for (const one of prepared) write(one);
    });
  } finally {
    db.close();
  }
}

/** What a room does with a row after normalising it. */
function timeWhole(file: string): number {
  using store = SqliteRoomStore.create(file, {
    epoch: EPOCH,
    takenOver: [],
    reason: "created",
    life: 1,
  });
  return timed(() => {
    for (let index = 0; index < BATCHES; index += 1) {
      const rows = Array.from({ length: BATCH_CHANGES }, (_, row) => rowOf(index * BATCH_CHANGES + row));
      const known = store.known(
        "purchase_order",
        rows.map(({ key }) => key),
      );
      let text = "";
      const records = rows.map(({ key, record }, at): KnownRecord => {
        const json = JSON.stringify(record);
        const hash = createHash("sha256").update(json).digest().subarray(0, 16).toString("base64url");
        if (known[at]?.hash !== hash) text += `{"op":"upsert","key":${JSON.stringify(key)}}\n${json}\n`;
        return { key, hash, version: undefined, seen: 1 };
      });
      const header = {
        kind: "records",
        entries: BATCH_CHANGES,
        closedAtMs: 1,
        mappingVersion: "00",
      } as const;
      const blob = batchCodec.encode(header, text);
      const id = randomBytes(8).toString("hex");
      store.commit({
        batches: [{ id, kind: "records", entries: BATCH_CHANGES, blob }],
        known: [{ entity: "purchase_order", records }],
        cursors: [{ slot: "purchase_order/incremental", cursor: { index } }],
      });
    }
  });
}

function rowOf(number: number): {
  readonly key: string;
  readonly record: Readonly<Record<string, unknown>>;
} {
  const key = keyOf(number);
  const record = {
    key,
    status: "open",
    total: `${number}.00`,
    currency: "EUR",
    updated_at: "2026-01-01T00:00:00Z",
  };
  return { key, record };
}

function timeLookups(file: string): {
  readonly lookup: number;
  readonly open: number;
  readonly bytes: number;
} {
  let store: SqliteRoomStore | undefined;
  const open = timed(() => {
    store = SqliteRoomStore.open(file);
  });
  const { outboxBytes = 0, knownBytes = 0 } = store?.usage() ?? {};
  const lookup = timed(() => {
    for (let from = 0; from < KEYS; from += BATCH_CHANGES) {
      store?.known(
        "purchase_order",
        Array.from({ length: BATCH_CHANGES }, (_, row) => keyOf(from + row)),
      );
    }
  });
  store?.close();
  return { lookup, open, bytes: outboxBytes + knownBytes };
}

function timed(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

function rate(count: number, elapsedMs: number): number {
  return Math.round((count / elapsedMs) * 1000);
}
