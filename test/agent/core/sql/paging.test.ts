// Keyset paging on real SQLite: whatever the keys, row values and their expansion give every row once, in order.
import Database from "better-sqlite3";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SQLITE_DIALECT } from "#agent/connectors/sqlite/connection.ts";
import type { SqlDialect, SqlParameter, TableFacts } from "#agent/core/sql/dialect.ts";
import { keyColumns, pointRead, snapshotPage } from "#agent/core/sql/statements.ts";
import { facts, shapeOf } from "./dialects.ts";

const table: TableFacts = {
  table: { name: "t" },
  columns: ["a", "b", "c"].map((name) => facts(name, { nullable: true })),
  indexLeads: [],
  hasHorizon: false,
};
const shape = shapeOf(
  {
    entity: "t",
    table: { name: "t" },
    key: ["a", "b", "c"],
    columns: ["a", "b", "c"],
    filters: [],
    change: { kind: "full_scan" },
    children: [],
  },
  table,
);

const EXPANDED: SqlDialect = { ...SQLITE_DIALECT, hasRowValues: false, keyList: "or" };
const part = fc.constantFrom(null, "", "a", "A", "b", "é", "z ");

test.each([
  ["row values", SQLITE_DIALECT],
  ["OR and AND", EXPANDED],
])("%s", (_name, dialect) => {
  const database = new Database(":memory:");
  database.exec(
    "CREATE TABLE t (a TEXT COLLATE NOCASE, b TEXT, c TEXT COLLATE RTRIM, PRIMARY KEY (a, b, c))",
  );
  const insert = database.prepare("INSERT OR IGNORE INTO t VALUES (?, ?, ?)");
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(part, part, part), { maxLength: 25, selector: String }),
      fc.integer({ min: 1, max: 4 }),
      (rows, size) => {
        database.exec("DELETE FROM t");
        for (const row of rows) insert.run(...row);
        // Rows equal to another but for nulls are the table's own doing: SQLite lets them stand twice.
        database.exec("DELETE FROM t WHERE rowid NOT IN (SELECT min(rowid) FROM t GROUP BY a, b, c)");
        const expected = database
          .prepare("SELECT a, b, c FROM t ORDER BY a, b, c")
          .raw()
          .all() as SqlParameter[][];
        const read: SqlParameter[][] = [];
        let after: SqlParameter[] | undefined;
        for (;;) {
          const { text, parameters } = snapshotPage(dialect, shape, { after, maxRows: size });
          const page = database
            .prepare(text)
            .raw()
            .all(...parameters) as SqlParameter[][];
          read.push(...page);
          after = page.at(-1);
          if (page.length < size || after === undefined) break;
        }
        expect(read).toEqual(expected);
        if (expected.length === 0) return;
        const { text, parameters } = pointRead(dialect, shape, keyColumns(shape), expected);
        expect(
          database
            .prepare(text)
            .raw()
            .all(...parameters),
        ).toHaveLength(expected.length);
      },
    ),
    { numRuns: 300 },
  );
});
