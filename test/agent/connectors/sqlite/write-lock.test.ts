// A write before another program's lock: it waits without stopping its process, and can be called off meanwhile.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import { SqliteWriteSource } from "#agent/connectors/sqlite/write-source.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError, ConnectorError } from "#common/runtime/errors.ts";

let dir: string;
let other: Database.Database;
let source: SqliteWriteSource;

function sourceOf(busyTimeoutMs: number): SqliteWriteSource {
  const file = join(dir, "plant.db");
  const settings = sqliteDefinition.parseConfig({
    file,
    busy_timeout_ms: busyTimeoutMs,
    write: { allow: true },
  });
  if (!settings.ok) throw new ConfigError("sqlite", settings.issues);
  return new SqliteWriteSource(settings.value, systemClock);
}

function insert(into: SqliteWriteSource, value: string, signal: AbortSignal): Promise<string> {
  return into.writeTransaction(signal, async (session) => {
    await session.execute({ text: "INSERT INTO T VALUES (?)", parameters: [value] });
    return { isKept: true, value };
  });
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-lock-"));
  other = new Database(join(dir, "plant.db"));
  other.exec("CREATE TABLE T (V TEXT)");
  source = sourceOf(60_000);
});

afterEach(() => {
  source.close();
  other.close();
  rmSync(dir, { recursive: true });
});

const written = (): unknown[] => other.prepare("SELECT V FROM T").pluck().all();

test("it waits for the lock while the process goes on, and is done when it is free", async () => {
  other.exec("BEGIN IMMEDIATE");
  // A wait inside SQLite would keep this timer from ever letting the lock go.
  setTimeout(() => other.exec("COMMIT"), 50);
  await expect(insert(source, "a", new AbortController().signal)).resolves.toBe("a");
  expect(written()).toEqual(["a"]);
});

test("called off while it waits, it writes nothing, and the next one is done", async () => {
  const caller = new AbortController();
  other.exec("BEGIN IMMEDIATE");
  const waiting = insert(source, "a", caller.signal);
  setTimeout(() => caller.abort(new TypeError("called off")), 50);
  await expect(waiting).rejects.toThrow("called off");
  other.exec("COMMIT");
  await insert(source, "b", new AbortController().signal);
  expect(written()).toEqual(["b"]);
});

test("a lock that is never let go is said, with what to do", async () => {
  const impatient = sourceOf(30);
  other.exec("BEGIN IMMEDIATE");
  const failure = await insert(impatient, "a", new AbortController().signal).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ConnectorError);
  expect(String(failure)).toContain("raise busy_timeout_ms");
  other.exec("COMMIT");
  impatient.close();
  expect(written()).toEqual([]);
});
