// SQLite's own check on real files: beside a writer, on a damaged one, and on what is no database.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { checkIntegrity } from "#agent/outbox/integrity-check.ts";
import { SqliteRoomStore } from "#agent/outbox/sqlite-room-store.ts";

const PAGE_BYTES = 4096;

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-check-"));
  file = join(dir, "00000000000000e1.db");
});
afterEach(() => rmSync(dir, { recursive: true }));

function filled(): SqliteRoomStore {
  const store = SqliteRoomStore.create(file, {
    epoch: "00000000000000e1",
    takenOver: [],
    reason: "created",
    life: 1,
  });
  const records = Array.from({ length: 3_000 }, (_, n) => ({
    key: `["${n}"]`,
    hash: "",
    version: "1",
    seen: 1,
  }));
  store.commit({ known: [{ entity: "vendor", records }] });
  return store;
}

it("finds nothing wrong with a file that its room has open, and the room writes on", async () => {
  using store = filled();
  const check = checkIntegrity(file);
  store.commit({ cursors: [{ slot: "a", cursor: { at: 1 } }] });
  expect(await check).toBe("ok");
  store.commit({ cursors: [{ slot: "a", cursor: { at: 2 } }] });
  expect(store.maintain(true)).toBe(false);
  expect(store.wal.bytes()).toBe(0);
});

it("says what is wrong with a damaged one", async () => {
  filled().close();
  const bytes = readFileSync(file);
  // An inner or leaf page of known records, in the middle of the file.
  const page = Math.floor(bytes.length / PAGE_BYTES / 2) * PAGE_BYTES;
  bytes.fill(0xff, page, page + 64);
  writeFileSync(file, bytes);
  expect(await checkIntegrity(file)).toMatch(/Tree|malformed/);
  writeFileSync(file, "not a database at all, but long enough to be looked at".repeat(100));
  expect(await checkIntegrity(file)).toContain("not a database");
});

it("does not take a file that cannot be opened for a damaged one", async () => {
  await expect(checkIntegrity(join(dir, "missing.db"))).rejects.toThrow("missing.db");
});
