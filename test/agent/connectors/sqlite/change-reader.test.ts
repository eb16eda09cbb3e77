// The sqlite connector on real files: what the conformance suite does not ask of every source.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { Connector, Cursor, Pass, SourceRow } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";

const never = new AbortController().signal;
let dir: string;
let file: string;
let writer: Database.Database;
let connector: Connector;

const plan: EntityPlan = {
  entity: "vendor",
  table: { name: "COMPANIES" },
  key: ["ORGID", "COMPANY"],
  columns: ["ORGID", "COMPANY", "NAME", "ROWSTAMP"],
  filters: [],
  change: { kind: "counter", column: "ROWSTAMP" },
  children: [],
  versionColumn: "ROWSTAMP",
};

function connect(plans: readonly EntityPlan[], databaseFile = file): Connector {
  const parsed = sqliteDefinition.parseConfig({ file: databaseFile, busy_timeout_ms: 50 });
  if (!parsed.ok) throw new Error("settings must parse");
  return sqliteDefinition.create(parsed.value, {
    connection: "test",
    plans,
    timeZone: "Europe/Berlin",
    clock: systemClock,
    logger: silentLogger,
    dataDir: dir,
  });
}

async function read(entity: string, pass: Pass, after?: Cursor, maxRows = 3) {
  const rows: SourceRow[] = [];
  let cursor = after;
  for await (const batch of connector.read({ entity, pass, after, maxRows, signal: never })) {
    rows.push(...batch.rows);
    cursor = batch.cursor;
  }
  return { rows, cursor: cursor! };
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-sqlite-"));
  file = join(dir, "plant.db");
  writer = new Database(file);
  writer.pragma("journal_mode = WAL");
  writer.exec(`
    CREATE TABLE COMPANIES (ORGID TEXT COLLATE NOCASE, COMPANY TEXT COLLATE RTRIM, NAME TEXT, BALANCE DECIMAL(12,2),
      ROWSTAMP INTEGER, PRIMARY KEY (ORGID, COMPANY));
    CREATE INDEX COMPANIES_STAMP ON COMPANIES (ROWSTAMP);
  `);
  connector = connect([plan]);
});

afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  writer.close();
  rmSync(dir, { recursive: true, force: true });
});

const insert = (org: string, company: string, stamp: number): void => {
  writer.prepare("INSERT INTO COMPANIES VALUES (?, ?, ?, ?, ?)").run(org, company, company, 12.5, stamp);
};

test("names every missing table and column of all plans at once, with the nearest names", async () => {
  connector = connect([
    { ...plan, columns: ["ORGID", "COMPNAY", "NAME"] },
    { ...plan, entity: "asset", table: { name: "COMPANYS" } },
  ]);
  await expect(connector.open(never)).rejects.toMatchObject({
    kind: "misconfigured",
    message: expect.stringMatching(
      /2 problems[\s\S]*COMPANIES\.COMPNAY \(did you mean "COMPANY"\?\)[\s\S]*no table COMPANYS \(did you mean "COMPANIES"\?\)/,
    ),
  });
});

test("key rules come from the declared collations", async () => {
  await connector.open(never);
  expect(connector.keyRules("vendor")).toEqual([
    {
      ignoreCase: true,
      isAsciiCase: true,
      ignoreAccents: false,
      ignoreTrailingBlanks: false,
      emptyIsNull: false,
    },
    { ignoreCase: false, ignoreAccents: false, ignoreTrailingBlanks: true, emptyIsNull: false },
  ]);
});

test("pages a snapshot in the collation's own order, through nulls, and resumes from each cursor", async () => {
  for (const [at, org] of ["b", "A", "a2", "B2", "c"].entries()) insert(org, `x${at}`, at);
  writer.exec(
    "INSERT INTO COMPANIES VALUES (NULL, 'n1', 'n', 1, 9), (NULL, 'n2', 'n', 1, 9), ('a2', NULL, 'n', 1, 9)",
  );
  await connector.open(never);
  const whole = await read("vendor", "snapshot", undefined, 2);
  expect(whole.rows.map((row) => row.key[0])).toEqual([null, null, "A", "a2", "a2", "b", "B2", "c"]);
  const cursors: Cursor[] = [];
  for await (const batch of connector.read({
    entity: "vendor",
    pass: "snapshot",
    after: undefined,
    maxRows: 1,
    signal: never,
  })) {
    cursors.push(batch.cursor);
  }
  expect(cursors).toHaveLength(8);
  for (const [index, cursor] of cursors.entries()) {
    const rest = await read("vendor", "snapshot", JSON.parse(JSON.stringify(cursor)) as Cursor);
    expect(rest.rows).toEqual(whole.rows.slice(index + 1));
  }
});

describe("counter", () => {
  test("gives each change once, nothing when idle, and the version", async () => {
    insert("o", "1", 1);
    await connector.open(never);
    let { cursor, rows } = await read("vendor", "incremental");
    expect(rows).toEqual([]);
    for (let stamp = 2; stamp < 9; stamp += 1) insert("o", String(stamp), stamp);
    ({ cursor, rows } = await read("vendor", "incremental", cursor));
    expect(rows.map((row) => row.version)).toEqual(["2", "3", "4", "5", "6", "7", "8"]);
    ({ rows } = await read("vendor", "incremental", cursor));
    expect(rows).toEqual([]);
  });

  test("a deletion of the newest row is no restore; older contents in the same file are", async () => {
    for (let stamp = 1; stamp < 20; stamp += 1) insert("o", String(stamp), stamp);
    await connector.open(never);
    const { cursor } = await read("vendor", "incremental");
    writer.exec("DELETE FROM COMPANIES WHERE ROWSTAMP = 19");
    await expect(read("vendor", "incremental", cursor)).resolves.toMatchObject({ rows: [] });
    writer.exec("UPDATE COMPANIES SET ROWSTAMP = ROWSTAMP - 10 WHERE ROWSTAMP > 5");
    await expect(read("vendor", "incremental", cursor)).rejects.toMatchObject({ kind: "cursor_lost" });
  });
});

describe("failures", () => {
  test("a missing file, a file that is no database, an exclusive lock, a file replaced while open", async () => {
    await expect(connect([plan], join(dir, "none.db")).open(never)).rejects.toMatchObject({
      kind: "unavailable",
    });
    writeFileSync(join(dir, "text.db"), "this is not a database, but long enough to be looked at".repeat(40));
    await expect(connect([plan], join(dir, "text.db")).open(never)).rejects.toMatchObject({
      kind: "misconfigured",
    });
    writer.pragma("journal_mode = DELETE");
    await connector.open(never);
    writer.exec("BEGIN EXCLUSIVE");
    await expect(connect([plan]).open(never)).rejects.toMatchObject({ kind: "unavailable" });
    writer.exec("ROLLBACK");
    renameSync(file, join(dir, "old.db"));
    await expect(read("vendor", "keys")).rejects.toMatchObject({ kind: "unavailable" });
  });
});

test("settings: every problem at once", () => {
  expect(sqliteDefinition.parseConfig({ flie: "x", busy_timeout_ms: "1" })).toEqual({
    ok: false,
    issues: [
      { path: "file", message: "missing: path of the database file" },
      { path: "busy_timeout_ms", message: 'expected a whole number from 0 to 60000, got "1"' },
      { path: "flie", message: 'unknown setting (did you mean "file"?)' },
    ],
  });
});

test("a value that is no text, a negative exponent and a stray type do not end the pass", async () => {
  writer.exec(`
    INSERT INTO COMPANIES VALUES ('a', 'bad utf-8', CAST(x'ff41' AS TEXT), 1, 1);
    INSERT INTO COMPANIES VALUES ('a', 'text in a number', 'n', 'n/a', 2);
    INSERT INTO COMPANIES VALUES ('a', x'0102', 'bytes as key', 1e-9, 3);`);
  connector = connect([{ ...plan, columns: ["ORGID", "COMPANY", "NAME", "BALANCE", "ROWSTAMP"] }]);
  await connector.open(never);
  const { rows } = await read("vendor", "snapshot", undefined, 1);
  expect(rows.map((row) => row.columns["BALANCE"])).toEqual(["1", "n/a", "0.000000001"]);
  expect(rows[0]?.columns["NAME"]).toBe("\ufffdA");
  expect(rows[2]?.key).toEqual(["a", "\\x0102"]);
});

test("never writes: the handle refuses, and the file stays as it is", async () => {
  insert("a", "b", 1);
  await connector.open(never);
  const before = writer.pragma("data_version", { simple: true });
  await read("vendor", "snapshot");
  await read("vendor", "incremental");
  expect(writer.pragma("data_version", { simple: true })).toBe(before);
});

test("a poll is skipped while nothing was committed, and made when something was", async () => {
  connector = connect([{ ...plan, change: { kind: "full_scan" } }]);
  insert("a", "b", 1);
  await connector.open(never);
  let { cursor } = await read("vendor", "incremental");
  const counts: number[] = [];
  for (const write of [false, false, true, false]) {
    if (write) insert("c", "d", 2);
    const polled = await read("vendor", "incremental", cursor);
    counts.push(polled.rows.length);
    ({ cursor } = polled);
  }
  expect(counts).toEqual([1, 0, 2, 0]);
});
