// Rows that a source cannot give out: they alone are told as unreadable, in every pass, and all others are read.
import Database from "better-sqlite3";
import { beforeEach, describe, expect, test } from "vitest";
import { SQLITE_DIALECT } from "#agent/connectors/sqlite/connection.ts";
import type { ReadRequest, SourceRow } from "#agent/core/source/connector.ts";
import type { SqlRow } from "#agent/core/sql/dialect.ts";
import type { SqlSource } from "#agent/core/sql/sql-source.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { facts, shapeOf } from "./dialects.ts";

const ROWS = 50;

/** The source converts `v` whenever it gives it out, and fails at some. */
const converted = { select: 'to_number("v")', nullable: true };
const on = [{ child: "k", parent: "k" }];
const shape = shapeOf(
  {
    entity: "item",
    table: { name: "t" },
    key: ["k"],
    columns: ["k", "s", "v"],
    filters: [],
    change: { kind: "counter", column: "s" },
    children: [{ name: "lines", table: { name: "c" }, on, columns: ["v"], orderBy: ["v"], filters: [] }],
    versionColumn: "s",
  },
  {
    table: { name: "t" },
    columns: [facts("k"), facts("s"), facts("v", converted)],
    indexLeads: ["s"],
    hasHorizon: false,
  },
  {
    table: { name: "c" },
    columns: [facts("k"), facts("v", converted)],
    indexLeads: ["k"],
    hasHorizon: false,
  },
);

class Source implements SqlSource {
  readonly dialect = SQLITE_DIALECT;
  readonly database = new Database(":memory:");
  transactions = 0;

  constructor() {
    this.database.function("to_number", (value) => {
      if (value === "x") throw new TypeError('"x" is no number');
      return value;
    });
    this.database.exec(
      "CREATE TABLE t (k TEXT PRIMARY KEY, s INTEGER, v TEXT); CREATE TABLE c (k TEXT, v TEXT)",
    );
    for (let n = 1; n <= ROWS; n += 1) {
      this.database.prepare("INSERT INTO t VALUES (?, ?, '1')").run(keyOf(n), n);
      this.database.prepare("INSERT INTO c VALUES (?, '2')").run(keyOf(n));
    }
  }

  async transaction<T>(
    _lane: string,
    _signal: AbortSignal,
    work: Parameters<SqlSource["transaction"]>[2],
  ): Promise<T> {
    this.transactions += 1;
    const query = (statement: { text: string; parameters: readonly unknown[] }): readonly SqlRow[] => {
      try {
        return this.database
          .prepare(statement.text)
          .raw()
          .all(...statement.parameters) as SqlRow[];
      } catch (error) {
        throw new ConnectorError("bad_data", messageOf(error));
      }
    };
    return (await work({ query })) as T;
  }
}

const keyOf = (n: number): string => `k${String(n).padStart(2, "0")}`;

let source: Source;
let reader: TableReader;
beforeEach(() => {
  source = new Source();
  reader = new TableReader({ source, shapes: [shape], clock: new FakeClock(), timeZone: "UTC" });
});

async function read(request: Partial<ReadRequest>): Promise<readonly SourceRow[]> {
  const rows: SourceRow[] = [];
  const { signal } = new AbortController();
  const whole = {
    entity: "item",
    pass: "snapshot",
    after: undefined,
    maxRows: 20,
    signal,
    ...request,
  } as const;
  for await (const batch of reader.read(whole)) rows.push(...batch.rows);
  return rows;
}

const bad = (rows: readonly SourceRow[]): readonly unknown[] =>
  rows.filter((row) => row.unreadable !== undefined).map((row) => row.key[0]);

describe("a row that the source cannot give out", () => {
  test("is told in a snapshot with its key and the source's reason; every other row is read, once and in order", async () => {
    source.database.exec("UPDATE t SET v = 'x' WHERE k IN ('k07', 'k20', 'k41')");
    const rows = await read({});
    expect(rows.map((row) => row.key[0])).toEqual(Array.from({ length: ROWS }, (_, n) => keyOf(n + 1)));
    expect(rows.filter((row) => row.unreadable !== undefined)).toEqual(
      ["k07", "k20", "k41"].map((key) => ({
        op: "upsert",
        key: [key],
        columns: {},
        unreadable: '"x" is no number',
      })),
    );
    expect(rows[7]).toEqual({
      op: "upsert",
      key: ["k08"],
      version: "8",
      columns: { k: "k08", s: 8, v: "1" },
      children: { lines: [{ v: "2" }] },
    });
    // Three pages; looking for a few of twenty takes a few halvings each.
    expect(source.transactions).toBeLessThan(50);
  });

  test("is told when its marker moves, and those that changed with it are read", async () => {
    const { signal } = new AbortController();
    let after: ReadRequest["after"];
    const request = { entity: "item", pass: "incremental", maxRows: 20, signal } as const;
    for await (const { cursor } of reader.read({ ...request, after })) after = cursor;
    source.database.exec(
      "UPDATE t SET s = 100 + s, v = CASE k WHEN 'k03' THEN 'x' ELSE '5' END WHERE k < 'k06'",
    );
    const rows = await read({ pass: "incremental", after });
    expect(rows.map((row) => row.key[0])).toEqual(["k01", "k02", "k03", "k04", "k05"]);
    expect(bad(rows)).toEqual(["k03"]);
  });

  test("does not stop a poll that looks whether the newest rows still stand", async () => {
    let after: ReadRequest["after"];
    const { signal } = new AbortController();
    const request = { entity: "item", pass: "incremental", maxRows: 20, signal } as const;
    for await (const { cursor } of reader.read({ ...request, after })) after = cursor;
    source.database.exec("UPDATE t SET v = 'x' WHERE k = 'k50'");
    source.database.exec("UPDATE t SET s = 100, v = '5' WHERE k = 'k03'");
    reader = new TableReader({ source, shapes: [shape], clock: new FakeClock(), timeZone: "UTC" });
    const rows = await read({ pass: "incremental", after });
    expect(rows.map((row) => row.key[0])).toContain("k03");
  });

  test("is told when it is asked for by its key", async () => {
    source.database.exec("UPDATE t SET v = 'x' WHERE k = 'k03'");
    const rows = await read({ pass: "point", keys: [["k02"], ["k03"], ["k99"]] });
    expect(rows.map((row) => row.key[0])).toEqual(["k02", "k03"]);
    expect(bad(rows)).toEqual(["k03"]);
  });

  test("may be one of a child table: its parent is told", async () => {
    source.database.exec("UPDATE c SET v = 'x' WHERE k = 'k11'");
    const rows = await read({});
    expect(rows).toHaveLength(ROWS);
    expect(bad(rows)).toEqual(["k11"]);
  });

  test("is one of a few: otherwise it is the table that is wrong", async () => {
    source.database.exec("UPDATE t SET v = 'x'");
    await expect(read({ maxRows: 50 })).rejects.toMatchObject({ kind: "bad_data" });
  });
});
