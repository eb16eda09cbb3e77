// Opening a store's file: new, older, newer, somebody else's, damaged.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { StoreCorruptError } from "#relay/core/store.ts";
import { openConnections } from "#relay/store/sqlite/open-store.ts";
import { MIGRATIONS } from "#relay/store/sqlite/migrations.ts";
import * as h from "#test/conformance/relay-store/harness.ts";
import { openTemporary, openWithHandles, temporaryPath } from "./temporary-store.ts";

describe("openSqliteStore", () => {
  it("writes with WAL and synchronous=FULL, and reads by a connection that cannot write", () => {
    const { writer, reader } = openConnections({ path: temporaryPath() });
    expect(writer.pragma("journal_mode", { simple: true })).toBe("wal");
    expect(writer.pragma("synchronous", { simple: true })).toBe(2);
    expect(() => reader.exec("DELETE FROM records")).toThrow(/readonly/);
    reader.close();
    writer.close();
  });

  it("refuses where the disk cannot give WAL", async () => {
    await expect(openTemporary({ path: ":memory:" })).rejects.toThrow(/WAL and FULL.*local disk/);
  });

  it("refuses a SQLite file of something else and leaves it alone", async () => {
    const path = temporaryPath();
    const other = new Database(path);
    other.exec("CREATE TABLE theirs (a)");
    other.close();
    await expect(openTemporary({ path })).rejects.toThrow(/something else/);
    const again = new Database(path);
    expect(again.prepare("SELECT name FROM sqlite_schema").pluck().all()).toEqual(["theirs"]);
    again.close();
  });

  it("refuses a file that is no database", async () => {
    const path = temporaryPath();
    writeFileSync(path, "this is a text, and long enough to be looked at as a database header. ".repeat(20));
    await expect(openTemporary({ path })).rejects.toThrow(StoreCorruptError);
  });

  it("applies only the migrations that are due, and lets older code read what it still can", async () => {
    const path = temporaryPath();
    const { store } = await openWithHandles(path);
    await h.putRecords(store, ["a"]);
    await store[Symbol.asyncDispose]();
    const known = MIGRATIONS.length;
    const added = { sql: "ALTER TABLE agents ADD COLUMN note TEXT", minReader: known };
    const breaking = { sql: "ALTER TABLE agents RENAME COLUMN note TO remark", minReader: known + 2 };
    const newer = await openTemporary({ path, migrations: [...MIGRATIONS, added] });
    expect(await newer.reader.countRecords(h.ALL, "work_order")).toBe(1);
    await newer[Symbol.asyncDispose]();
    const older = await openTemporary({ path });
    expect(await older.reader.countRecords(h.ALL, "work_order")).toBe(1);
    await older[Symbol.asyncDispose]();
    const newest = await openTemporary({ path, migrations: [...MIGRATIONS, added, breaking] });
    await newest[Symbol.asyncDispose]();
    await expect(openTemporary({ path })).rejects.toThrow(
      `newer Millrace (schema ${known + 2}, readable from ${known + 2}; this one knows ${known})`,
    );
  });

  it("keeps nothing of a migration that fails", async () => {
    const path = temporaryPath();
    const bad = { sql: "CREATE TABLE half (a); CREATE TABLE half (a)", minReader: 1 };
    await expect(openTemporary({ path, migrations: [...MIGRATIONS, bad] })).rejects.toThrow(
      /half already exists/,
    );
    const store = await openTemporary({ path });
    await h.seed(store);
    await expect(h.putRecords(store, ["a"])).resolves.toHaveLength(1);
  });

  it("hands out greater revisions than ever before after an older copy was put back", async () => {
    const path = temporaryPath();
    const first = await openWithHandles(path);
    await h.putRecords(first.store, ["a"]);
    const generation = await first.store.generation();
    await first.store[Symbol.asyncDispose]();
    copyFileSync(path, `${path}.backup`);
    const second = await openTemporary({ path });
    const lost = (
      await h.putRecords(
        second,
        Array.from({ length: 500 }, (_, n) => `k${n}`),
        {},
        h.NOW_MS + 1,
      )
    ).at(-1);
    await second[Symbol.asyncDispose]();
    copyFileSync(`${path}.backup`, path);
    const restored = await openTemporary({ path });
    expect(await restored.reader.countRecords(h.ALL, "work_order")).toBe(1);
    const [next] = await h.putRecords(restored, ["a"], {}, h.NOW_MS + 60_000);
    expect(next).toBeGreaterThan(lost ?? Number.POSITIVE_INFINITY);
    expect(await restored.generation()).toBe(generation);
    expect(await restored.renewGeneration()).not.toBe(generation);
  });

  it("shares the file with the command line's process", async () => {
    const path = temporaryPath();
    const { store } = await openWithHandles(path);
    await h.putRecords(store, ["a"]);
    const commandLine = await openTemporary({ path });
    await commandLine.directory.createAgent(h.agentRow("agent"));
    await h.putRecords(commandLine, ["b"], { entity: "brand_new" });
    await h.putRecords(store, ["c"], { entity: "brand_new" });
    expect((await store.directory.agentById("agent"))?.id).toBe("agent");
    expect(await store.reader.countRecords(h.ALL, "brand_new")).toBe(2);
    const rows = await commandLine.reader.listRecords(h.ALL, { ...h.EVERY_RECORD, entity: "brand_new" });
    expect(rows.map(({ key }) => key)).toEqual(["b", "c"]);
  });
});

describe("a damaged file", () => {
  const PAGE = 4096;

  async function damaged(): Promise<string> {
    const path = temporaryPath();
    const { store } = await openWithHandles(path);
    const keys = Array.from({ length: 2_000 }, (_, n) => `k${n}`);
    await h.putRecords(store, keys, { text: JSON.stringify({ text: "x".repeat(300) }) });
    await store[Symbol.asyncDispose]();
    const bytes = readFileSync(path);
    // Schema and newest rows stay: the damage is met by the first statement that needs what lies between.
    bytes.fill(0xa5, 120 * PAGE, 140 * PAGE);
    writeFileSync(path, bytes);
    return path;
  }

  it("is found by the quick check at start", async () => {
    await expect(openTemporary({ path: await damaged(), quickCheck: true })).rejects.toThrow(
      /is damaged.*newest backup/,
    );
  });

  it("makes reads fail with what to do, and readiness from then on", async () => {
    const store = await openTemporary({ path: await damaged() });
    await store.check();
    const everything = store.reader.listRecords(h.ALL, { ...h.EVERY_RECORD, limit: 5_000 });
    await expect(everything).rejects.toThrow(StoreCorruptError);
    await expect(store.check()).rejects.toThrow(/is damaged.*newest backup/);
  });
});
