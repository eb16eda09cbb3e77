// Which file of a room's folder is current, whatever instant the process died at, and what a new epoch takes over.
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LOST_BATCH_ID, type NewBatch, type RoomStore } from "#agent/core/room/room-store.ts";
import { BatchReader } from "#agent/outbox/batch-reader.ts";
import { MAX_QUARANTINED_FILES } from "#agent/outbox/file-retirement.ts";
import { RoomFiles } from "#agent/outbox/room-files.ts";
import { metaRow } from "#agent/outbox/room-rows.ts";
import type { SqliteRoomStore } from "#agent/outbox/sqlite-room-store.ts";
import { StorageCorruptError } from "#agent/core/room/storage-errors.ts";
import { MAX_TAKEN_OVER_EPOCHS } from "#common/contract/limits.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { silentLogger } from "#common/runtime/logger.ts";

let root: string;
let dir: string;
let nextId: number;
let released: string[];
let open: RoomFiles[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "millrace-files-"));
  dir = join(root, "room");
  nextId = 1;
  released = [];
  open = [];
});
afterEach(() => {
  for (const files of open) files.close();
  rmSync(root, { recursive: true });
});

const newId = (): string => (nextId++ * 0x1357).toString(16).padStart(16, "0");
const body = (text: string): NewBatch => ({
  id: newId(),
  kind: "records",
  entries: 1,
  blob: Buffer.from(text),
});
const bodies = (store: RoomStore): string[] =>
  store.read(1, 1e9).map(({ blob }) => Buffer.from(blob).toString());
const databases = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith(".db"));

function roomFiles(
  folder: string,
  releaseFile: (file: string) => Promise<void> = () => Promise.resolve(),
): RoomFiles {
  const files = new RoomFiles({
    dir: folder,
    newId,
    beginBatch: ({ saved, lost }) => body(`gap corruption, ${saved} saved, ${lost} lost`),
    emptyBatch: () => body(""),
    releaseFile: (file) => {
      released.push(file);
      return releaseFile(file);
    },
    logger: silentLogger,
  });
  open.push(files);
  return files;
}

async function filledRoom(files: RoomFiles): Promise<SqliteRoomStore> {
  const { store } = await files.open();
  store.commit({
    batches: ["a", "b", "c", "d"].map((text) => body(text)),
    known: [{ entity: "vendor", records: [{ key: "k", hash: "", version: "1", seen: 1 }] }],
    cursors: [{ slot: "vendor/incremental", cursor: { at: 1 } }],
  });
  store.trim(2, 2);
  return store;
}

describe("RoomFiles", () => {
  it("creates the first file, and resumes it", async () => {
    const files = roomFiles(dir);
    const first = await files.open();
    expect(first.reason).toBe("created");
    first.store.commit({ batches: [body("a")] });
    files.close();
    const again = await roomFiles(dir).open();
    expect(again.reason).toBe("resumed");
    expect(again.store.position()).toMatchObject({ epoch: first.store.position().epoch, nextSeq: 2 });
  });

  it("takes what was not acknowledged into a new epoch under the same ids, with nothing known and no cursor", async () => {
    const files = roomFiles(dir);
    const old = await filledRoom(files);
    const { epoch } = old.position();
    const oldIds = old.read(3, 1e9).map(({ id }) => id);
    const next = await files.startEpoch(old, body("gap"), "relay_rewound");
    expect(next.reason).toBe("relay_rewound");
    expect(bodies(next.store)).toEqual(["c", "d", "gap"]);
    expect(next.store.position()).toMatchObject({ firstSeq: 1, nextSeq: 4, ackedSeq: 0, tailId: "" });
    expect(next.store.position().epoch).not.toBe(epoch);
    expect(next.store.meta).toMatchObject({ life: 2 });
    expect(next.store.position().takenOver).toEqual([{ epoch, firstSeq: 3 }]);
    expect(
      next.store
        .read(1, 1e9)
        .map(({ id }) => id)
        .slice(0, 2),
    ).toEqual(oldIds);
    expect(next.store.cursor("vendor/incremental")).toBeUndefined();
    expect(next.store.countKnown("vendor")).toBe(0);
    expect(databases(dir)).toEqual([`${next.store.position().epoch}.db`]);
    expect(released).toEqual([join(dir, `${epoch}.db`)]);
  });

  it("finds one valid current file at whatever instant a new epoch was cut off", async () => {
    const instants: string[] = [];
    const keep = (name: string): void => {
      const copy = join(root, `instant-${instants.length}-${name}`);
      cpSync(dir, copy, { recursive: true });
      instants.push(copy);
    };
    const files = roomFiles(dir, () => Promise.resolve(keep("renamed")));
    const old = await filledRoom(files);
    const oldEpoch = old.position().epoch;
    keep("before");
    const next = await files.startEpoch(old, body("gap"), "reset");
    const newEpoch = next.store.position().epoch;
    files.close();
    keep("after");
    const [before = "", renamed = "", after = ""] = instants;
    // Half written; head file renamed, database not yet; the old file's parts gone one by one.
    const variants: readonly (readonly [from: string, epoch: string, change: (folder: string) => void])[] = [
      [before, oldEpoch, () => {}],
      [before, oldEpoch, (folder) => writeFileSync(join(folder, `${newEpoch}.new.db`), "SQLite format 3")],
      [before, oldEpoch, (folder) => writeFileSync(join(folder, `${newEpoch}.new.db-wal`), "x")],
      [before, oldEpoch, (folder) => writeFileSync(join(folder, `${newEpoch}.head`), "x")],
      [renamed, newEpoch, () => {}],
      [renamed, newEpoch, (folder) => rmSync(join(folder, `${oldEpoch}.db-wal`), { force: true })],
      [renamed, newEpoch, (folder) => rmSync(join(folder, `${oldEpoch}.head`))],
      [renamed, newEpoch, (folder) => rmSync(join(folder, `${oldEpoch}.db`))],
      [after, newEpoch, () => {}],
    ];
    for (const [index, [from, epoch, change]] of variants.entries()) {
      const folder = join(root, `variant-${index}`);
      cpSync(from, folder, { recursive: true });
      change(folder);
      const found = await roomFiles(folder).open();
      expect(found.reason, `variant ${index}`).toBe("resumed");
      expect(found.store.position().epoch, `variant ${index}`).toBe(epoch);
      expect(bodies(found.store), `variant ${index}`).toEqual(expect.arrayContaining(["c", "d"]));
      expect(databases(folder), `variant ${index}`).toEqual([`${epoch}.db`]);
      const strangers = readdirSync(folder).filter((name) => !name.startsWith(epoch));
      expect(strangers, `variant ${index}`).toEqual([]);
    }
  });

  it("puts a damaged file that a repair had already replaced into quarantine, not away", async () => {
    const files = roomFiles(dir, () => Promise.resolve());
    const store = await filledRoom(files);
    const damaged = `${store.position().epoch}.db`;
    files.close();
    writeFileSync(join(dir, damaged), "not a database");
    const repaired = await files.open();
    expect(repaired.reason).toBe("corruption");
    files.close();
    // As if the process had died between the new file's name and the old one's move.
    renameSync(join(dir, "quarantine", damaged), join(dir, damaged));
    const again = await roomFiles(dir).open();
    expect(again.reason).toBe("resumed");
    expect(databases(join(dir, "quarantine"))).toEqual([damaged]);
    expect(databases(dir)).toEqual([`${again.store.position().epoch}.db`]);
  });

  it("repairs while running, and keeps only the newest damaged files", async () => {
    const files = roomFiles(dir);
    let store = await filledRoom(files);
    for (let round = 0; round < MAX_QUARANTINED_FILES + 2; round += 1) {
      const cause = new StorageCorruptError("row 3 does not match its checksum");
      const repaired = await files.salvage(store, cause);
      expect(repaired.reason).toBe("corruption");
      store = repaired.store;
      expect(bodies(store).slice(0, 2)).toEqual(["c", "d"]);
    }
    expect(bodies(store).at(-1)).toBe("gap corruption, 5 saved, 0 lost");
    expect(databases(join(dir, "quarantine"))).toHaveLength(MAX_QUARANTINED_FILES);
    expect(databases(dir)).toHaveLength(1);
  });

  it("notices an older copy of the file under its newer head", async () => {
    const files = roomFiles(dir);
    const store = await filledRoom(files);
    const name = `${store.position().epoch}.db`;
    files.close();
    const copy = join(root, "older.db");
    cpSync(join(dir, name), copy);
    const again = await files.open();
    again.store.commit({ batches: [body("e")] });
    files.close();
    cpSync(copy, join(dir, name));
    const restored = await files.open();
    expect(restored.reason).toBe("corruption");
    // The relay may have applied the lost one: its place stays.
    expect(bodies(restored.store)).toEqual(["c", "d", "", "gap corruption, 2 saved, 1 lost"]);
    expect(restored.store.idAt(3)).toBe(LOST_BATCH_ID);
  });

  it("names every epoch that the relay may stand in, until it has acknowledged something", async () => {
    const files = roomFiles(dir);
    let store = await filledRoom(files);
    const epochs = [store.position().epoch];
    const named = (): readonly (readonly [string, number])[] =>
      store.position().takenOver.map(({ epoch, firstSeq }) => [epoch, firstSeq]);
    for (let round = 1; round <= MAX_TAKEN_OVER_EPOCHS + 1; round += 1) {
      const cause = new StorageCorruptError("row 3 does not match its checksum");
      store = (
        round % 2 === 0
          ? await files.salvage(store, cause)
          : await files.startEpoch(store, body("gap"), "reset")
      ).store;
      const expected = epochs.map((epoch, index) => [epoch, index === 0 ? 3 : 1] as const).toReversed();
      expect(named()).toEqual(expected.slice(0, MAX_TAKEN_OVER_EPOCHS));
      epochs.push(store.position().epoch);
    }
    files.close();
    const again = await roomFiles(dir).open();
    expect(again.store.position().takenOver).toHaveLength(MAX_TAKEN_OVER_EPOCHS);
    using reader = BatchReader.open(again.store.file);
    expect(reader.position().takenOver).toEqual(again.store.position().takenOver);
  });

  it("knows what a file continued even when its meta row is damaged", async () => {
    const files = roomFiles(dir);
    const first = await filledRoom(files);
    const { epoch } = first.position();
    const second = await files.startEpoch(first, body("gap"), "reset");
    const { file } = second.store;
    files.close();
    const db = new Database(file);
    db.prepare("UPDATE meta SET crc = crc + 1").run();
    db.close();
    const repaired = await files.open();
    expect(repaired.reason).toBe("corruption");
    expect(repaired.store.position().takenOver).toEqual([
      { epoch: basename(file, ".db"), firstSeq: 1 },
      { epoch, firstSeq: 3 },
    ]);
  });

  it("opens without a head file, and with one that a power loss tore", async () => {
    const files = roomFiles(dir);
    const store = await filledRoom(files);
    const head = join(dir, `${store.position().epoch}.head`);
    files.close();
    writeFileSync(head, Buffer.alloc(32));
    expect((await files.open()).reason).toBe("resumed");
    files.close();
    rmSync(head);
    expect((await files.open()).reason).toBe("resumed");
  });

  it("refuses a file that only a newer Millrace can read, and leaves it alone", async () => {
    const files = roomFiles(dir);
    const { store } = await files.open();
    const { file, meta } = store;
    files.close();
    const db = new Database(file);
    const newer = metaRow({ ...meta, minReader: 99 });
    db.prepare("UPDATE meta SET min_reader = 99, crc = ?").run(newer.at(-1));
    db.close();
    await expect(files.open()).rejects.toThrow(/needs a Millrace that reads format 99/);
    await expect(files.open()).rejects.not.toBeInstanceOf(StorageCorruptError);
    expect(databases(dir)).toHaveLength(1);
  });

  it("refuses to replace a store that is not its own", async () => {
    const files = roomFiles(dir);
    const { store } = await files.open();
    files.close();
    await expect(files.startEpoch(store, body("gap"), "reset")).rejects.toThrow(MillraceError);
  });
});

describe("BatchReader", () => {
  it("sees commits, trims and bodies as they become durable", async () => {
    const files = roomFiles(dir);
    const { store } = await files.open();
    const reader = BatchReader.open(store.file);
    const read = (from: number, maxBytes = 1e9): string[] =>
      reader.read(from, maxBytes).map(({ seq, blob }) => `${seq}${Buffer.from(blob).toString()}`);
    expect(reader.position()).toMatchObject({ firstSeq: 1, nextSeq: 1, tailId: "" });
    expect(read(1)).toEqual([]);
    store.commit({ batches: ["a", "b", "c"].map((text) => body(text)) });
    expect(read(1)).toEqual(["1a", "2b", "3c"]);
    expect(read(1, 2)).toEqual(["1a", "2b"]);
    expect(read(3, 0)).toEqual(["3c"]);
    const ids = reader.read(1, 1e9).map(({ id }) => id);
    store.trim(2, 3);
    store.commit({ batches: [body("d")] });
    expect(reader.position()).toMatchObject({ firstSeq: 3, nextSeq: 5, ackedSeq: 2, tailId: ids[1] });
    expect(read(1)).toEqual(["3c", "4d"]);
    expect([1, 2, 3, 9].map((seq) => reader.idAt(seq))).toEqual([undefined, ids[1], ids[2], undefined]);
    reader.close();
  });

  it("never holds the writer's checkpoint back between its calls", async () => {
    const files = roomFiles(dir);
    const { store } = await files.open();
    const reader = BatchReader.open(store.file);
    for (let round = 0; round < 50; round += 1) {
      store.commit({ batches: [body("x".repeat(20_000))] });
      expect(reader.read(round + 1, 1e6)).toHaveLength(1);
    }
    expect(store.wal.bytes()).toBeGreaterThan(1_000_000);
    store.maintain(true);
    expect(store.wal.bytes()).toBe(0);
    expect(reader.read(50, 1)).toHaveLength(1);
    reader.close();
  });
});

describe("SqliteRoomStore", () => {
  it("throws instead of handing out a row that changed behind its back, naming table and row", async () => {
    const files = roomFiles(dir);
    const store = await filledRoom(files);
    const { file } = store;
    const db = new Database(file);
    db.exec("UPDATE batches SET entries = 9 WHERE seq = 3");
    db.exec("UPDATE known_records SET version = '2'");
    db.exec("UPDATE cursors SET cursor = '{}'");
    db.close();
    expect(() => store.read(3, 1)).toThrow(/table batches, row 3: does not match/);
    expect(() => store.known("vendor", ["k"])).toThrow(/table known_records, entity 1, key k/);
    expect(() => store.cursor("vendor/incremental")).toThrow(StorageCorruptError);
    const reader = BatchReader.open(file);
    expect(() => reader.read(3, 1)).toThrow(StorageCorruptError);
    reader.close();
  });

  it("finds a damaged known record that nobody asks for, in its rounds", async () => {
    const files = roomFiles(dir);
    const { store } = await files.open();
    const records = Array.from({ length: 5000 }, (_, index) => ({
      key: `k${index.toString().padStart(5, "0")}`,
      hash: "",
      version: undefined,
      seen: 1,
    }));
    store.commit({ known: ["vendor", "asset"].map((entity) => ({ entity, records })) });
    const round = (): void => {
      for (let step = 0; step < 10; step += 1) store.maintain(false);
    };
    round();
    const db = new Database(store.file);
    db.exec("UPDATE known_records SET key = 'k04321x' WHERE entity = 2 AND key = 'k04321'");
    db.close();
    expect(round).toThrow(/table known_records, entity 2, key k04321x/);
  });

  it("gives the pages of replaced bodies back: a long outage of telemetry does not grow the file", async () => {
    const files = roomFiles(dir);
    const { store } = await files.open();
    const count = 200;
    // Each takes most of a page.
    store.commit({ batches: Array.from({ length: count }, () => body("x".repeat(3_000))) });
    const { outboxBytes, knownBytes } = store.usage();
    for (let seq = 1; seq <= count; seq += 1) {
      store.replace(seq, { kind: "records", entries: 0, blob: Buffer.from("-") });
    }
    while (store.maintain(true));
    const after = store.usage();
    expect(after.outboxBytes + after.knownBytes).toBeLessThan((outboxBytes + knownBytes) / 10);
    expect(bodies(store)).toEqual(Array.from({ length: count }, () => "-"));
  });

  it("gives space back in steps after a backlog has drained", async () => {
    const files = roomFiles(dir);
    const { store } = await files.open();
    const pageCount = (): number => {
      const db = new Database(store.file, { readonly: true });
      const count = Number(db.pragma("page_count", { simple: true }));
      db.close();
      return count;
    };
    for (let round = 0; round < 20; round += 1) {
      store.commit({ batches: Array.from({ length: 10 }, () => body("x".repeat(100_000))) });
    }
    const full = store.usage().outboxBytes;
    expect(full).toBeGreaterThan(20_000_000);
    const pages = pageCount();
    store.trim(200, 201);
    let steps = 0;
    while (store.maintain(true)) steps += 1;
    expect(steps).toBeGreaterThan(2);
    expect(pageCount()).toBeLessThan(pages / 2);
    expect(store.usage().outboxBytes).toBe(0);
    expect(store.usage().knownBytes).toBeLessThan(100_000);
  });
});
