// The statements as text, for the dialects that exist and for those that come.
import { describe, expect, test } from "vitest";
import { SQLITE_DIALECT } from "#agent/connectors/sqlite/connection.ts";
import type { EntityPlan, TimestampFormat } from "#agent/core/source/plan.ts";
import type { TableFacts } from "#agent/core/sql/dialect.ts";
import {
  changedPage,
  changedParentsPage,
  childrenOf,
  highestMarker,
  keyColumns,
  keysPage,
  newestRows,
  pointRead,
  snapshotPage,
} from "#agent/core/sql/statements.ts";
import { facts, ORACLE, shapeOf, SQL_SERVER } from "./dialects.ts";

const po: TableFacts = {
  table: { schema: "dbo", name: "PO" },
  columns: [
    facts("SITEID"),
    facts("PONUM"),
    facts("STATUS", { nullable: true }),
    facts("TOTAL", { select: "CONVERT(varchar(50), [TOTAL])" }),
    facts("ROWSTAMP", {
      select: "CONVERT(varchar(18), [ROWSTAMP], 1)",
      parameter: (placeholder) => `CONVERT(binary(8), ${placeholder}, 1)`,
    }),
  ],
  indexLeads: [],
  hasHorizon: false,
};
const poline: TableFacts = {
  ...po,
  table: { schema: "dbo", name: "POLINE" },
  columns: [facts("SITEID"), facts("PONUM"), facts("LINE"), facts("ROWSTAMP")],
};

const plan: EntityPlan = {
  entity: "purchase_order",
  table: { schema: "dbo", name: "PO" },
  key: ["SITEID", "PONUM"],
  columns: ["PONUM", "SITEID", "TOTAL"],
  filters: [
    { column: "STATUS", op: "<>", value: "HIST" },
    { column: "SITEID", op: "in", value: ["A", "B"] },
  ],
  change: { kind: "counter", column: "ROWSTAMP" },
  children: [
    {
      name: "lines",
      table: { schema: "dbo", name: "POLINE" },
      on: [
        { child: "SITEID", parent: "SITEID" },
        { child: "PONUM", parent: "PONUM" },
      ],
      columns: ["LINE"],
      orderBy: ["LINE"],
      filters: [],
      change: { kind: "counter", column: "ROWSTAMP" },
    },
  ],
};

const shape = shapeOf(plan, po, poline);
const whole = { from: undefined, below: undefined, after: undefined, extra: undefined };

describe("SQL Server", () => {
  test("a snapshot page: TOP, expanded comparison bounded by its first column, exact select expressions", () => {
    expect(snapshotPage(SQL_SERVER, shape, { after: ["A", "7"], maxRows: 500 })).toEqual({
      text:
        "SELECT TOP (500) [PONUM], [SITEID], CONVERT(varchar(50), [TOTAL]), CONVERT(varchar(18), [ROWSTAMP], 1)" +
        " FROM [dbo].[PO] WHERE ([STATUS] <> @p1 OR [STATUS] IS NULL) AND ([SITEID] IN (@p2, @p3))" +
        " AND [SITEID] >= @p4 AND ([SITEID] > @p5 OR ([SITEID] = @p6 AND ([PONUM] > @p7)))" +
        " ORDER BY [SITEID], [PONUM]",
      parameters: ["HIST", "A", "B", "A", "A", "A", "7"],
    });
  });

  test("a poll's page stays below the ceiling, and converts what it compares", () => {
    const bare = shapeOf({ ...plan, filters: [] }, po, poline);
    const range = { ...whole, from: { value: "0x0A", isOpen: true }, below: "0x0F" };
    expect(changedPage(SQL_SERVER, bare, range, 10)).toEqual({
      text:
        "SELECT TOP (10) [PONUM], [SITEID], CONVERT(varchar(50), [TOTAL]), CONVERT(varchar(18), [ROWSTAMP], 1)" +
        " FROM [dbo].[PO] WHERE [ROWSTAMP] > CONVERT(binary(8), @p1, 1) AND [ROWSTAMP] < CONVERT(binary(8), @p2, 1)" +
        " ORDER BY [ROWSTAMP], [SITEID], [PONUM]",
      parameters: ["0x0A", "0x0F"],
    });
    expect(changedPage(SQL_SERVER, bare, { ...range, after: ["0x0B", "A", "7"] }, 10).text).toContain(
      "[ROWSTAMP] >= CONVERT(binary(8), @p1, 1) AND ([ROWSTAMP] > CONVERT(binary(8), @p2, 1) OR" +
        " ([ROWSTAMP] = CONVERT(binary(8), @p3, 1) AND ([SITEID] > @p4 OR ([SITEID] = @p5 AND ([PONUM] > @p6)))))",
    );
    expect(newestRows(SQL_SERVER, bare, 8).text).toContain(
      "WHERE [ROWSTAMP] IS NOT NULL ORDER BY [ROWSTAMP] DESC",
    );
    expect(highestMarker(SQL_SERVER, bare, "0x0F").text).toContain("TOP (1)");
  });
});

describe("Oracle", () => {
  test("nulls come last and FETCH FIRST limits", () => {
    const columns = [facts("A", { nullable: true }), facts("B", { nullable: true })];
    const table = { table: { name: "T" }, columns, indexLeads: [], hasHorizon: false };
    const loose = shapeOf(
      {
        ...plan,
        table: { name: "T" },
        key: ["A", "B"],
        columns: ["A"],
        filters: [],
        change: { kind: "full_scan" },
        children: [],
      },
      table,
    );
    expect(keysPage(ORACLE, loose, { after: ["x", null], maxRows: 3 })).toEqual({
      text:
        'SELECT "A", "B" FROM "T" WHERE (("A" > :1 OR "A" IS NULL) OR ("A" = :2 AND (1 = 0)))' +
        ' ORDER BY "A", "B" FETCH FIRST 3 ROWS ONLY',
      parameters: ["x", "x"],
    });
  });
});

describe("documents of a window", () => {
  const fromMs = Date.UTC(2026, 9, 23);
  const dated = (documentDate: Partial<NonNullable<EntityPlan["documentDate"]>>): EntityPlan => ({
    ...plan,
    filters: [],
    children: [],
    documentDate: { column: "STATUS", format: "local", openWhen: [], ...documentDate },
  });

  test("dated from the day on, without a date, or open; every value bound, in both passes over everything", () => {
    const openWhen = [
      { column: "TOTAL", op: "<>", value: 0 },
      { column: "PONUM", op: "is_not_null" },
    ] as const;
    const windowed = shapeOf(dated({ openWhen }), po);
    const page = { after: undefined, maxRows: 5, documentsFromMs: fromMs };
    const where =
      " FROM [dbo].[PO] WHERE ([STATUS] >= @p1 OR [STATUS] < @p2 OR [STATUS] IS NULL" +
      " OR (([TOTAL] <> @p3 OR [TOTAL] IS NULL) AND [PONUM] IS NOT NULL)) ORDER BY [SITEID], [PONUM]";
    const parameters = ["2026-10-23", "1900-01-02", 0];
    const keys = keysPage(SQL_SERVER, windowed, page);
    expect(keys).toEqual({ text: `SELECT TOP (5) [SITEID], [PONUM]${where}`, parameters });
    const rows = snapshotPage(SQL_SERVER, windowed, page);
    expect(rows.text.slice(rows.text.indexOf(" FROM"))).toBe(where);
    expect(rows.parameters).toEqual(parameters);
  });

  test("dates in the writing of their column", () => {
    const bound = (format: TimestampFormat): unknown => {
      const page = { after: undefined, maxRows: 1, documentsFromMs: fromMs };
      return keysPage(ORACLE, shapeOf(dated({ format }), po), page).parameters;
    };
    expect(bound("utc")).toEqual(["2026-10-23", "1900-01-02"]);
    expect(bound("yyyymmdd")).toEqual(["20261023", "19000102"]);
    expect(bound("cyyddd")).toEqual([126_296, 2]);
    expect(bound("epoch_s")).toEqual([fromMs / 1000, 86_400]);
    expect(bound("epoch_ms")).toEqual([fromMs, 86_400_000]);
  });

  test("changes and point reads are not narrowed, nor is anything without a window or a date", () => {
    const windowed = shapeOf(dated({}), po);
    const none = { after: undefined, maxRows: 5 };
    expect(snapshotPage(ORACLE, windowed, none).text).not.toContain("WHERE");
    expect(pointRead(ORACLE, windowed, keyColumns(windowed), [["A", "1"]]).text).not.toContain('"STATUS"');
    const range = { ...whole, from: { value: 7, isOpen: true } };
    expect(changedPage(ORACLE, windowed, range, 5).text).not.toContain('"STATUS"');
    const master = shapeOf({ ...plan, filters: [], children: [] }, po);
    expect(snapshotPage(ORACLE, master, { ...none, documentsFromMs: fromMs }).text).not.toContain("WHERE");
  });

  test("a date that not every installation has narrows nothing where it is missing; a misspelt one is told", () => {
    const shape = shapeOf({ ...dated({ column: "GONE" }), optionalColumns: ["GONE"] }, po);
    expect(shape.documentDate).toBeUndefined();
    const openWhen = [{ column: "GONE", op: "is_null" }] as const;
    const closed = shapeOf({ ...dated({ openWhen }), optionalColumns: ["GONE"] }, po);
    expect(closed.documentDate).toMatchObject({ column: { name: "STATUS" }, openWhen: [] });
    expect(() => shapeOf(dated({ column: "STATSU" }), po)).toThrow(/no column dbo.PO.STATSU.*STATUS/);
  });
});

describe("lists of keys", () => {
  test("row values, VALUES and OR; keys with nulls apart", () => {
    const bare = shapeOf({ ...plan, filters: [], children: [] }, po);
    const keys = [
      ["A", "1"],
      ["B", "2"],
      ["C", null],
    ];
    const where = (text: string): string => text.slice(text.indexOf("WHERE"));
    expect(where(pointRead(SQLITE_DIALECT, bare, keyColumns(bare), keys).text)).toBe(
      'WHERE (("SITEID", "PONUM") IN (VALUES (?, ?), (?, ?)) OR ("SITEID" = ? AND "PONUM" IS NULL))',
    );
    expect(where(pointRead(SQL_SERVER, bare, keyColumns(bare), keys).text)).toBe(
      "WHERE (([SITEID] = @p1 AND [PONUM] = @p2) OR ([SITEID] = @p3 AND [PONUM] = @p4) OR ([SITEID] = @p5 AND [PONUM] IS NULL))",
    );
    expect(where(pointRead(ORACLE, bare, keyColumns(bare), keys.slice(0, 2)).text)).toBe(
      'WHERE (("SITEID", "PONUM") IN ((:1, :2), (:3, :4)))',
    );
  });

  test("children of a page and parents of changed children are one statement each", () => {
    const [child] = shape.children;
    expect(childrenOf(SQLITE_DIALECT, child!, [["A", "1"]]).text).toBe(
      'SELECT "LINE", "SITEID", "PONUM" FROM "dbo"."POLINE" WHERE (("SITEID", "PONUM") IN (VALUES (?, ?))) ORDER BY "LINE"',
    );
    expect(changedParentsPage(SQLITE_DIALECT, child!, { ...whole, after: [7, "A", "1"] }, 5)).toEqual({
      text:
        'SELECT "ROWSTAMP", "SITEID", "PONUM" FROM "dbo"."POLINE"' +
        ' WHERE ("ROWSTAMP", "SITEID", "PONUM") > (?, ?, ?) GROUP BY "ROWSTAMP", "SITEID", "PONUM"' +
        ' ORDER BY "ROWSTAMP", "SITEID", "PONUM" LIMIT 5',
      parameters: [7, "A", "1"],
    });
  });

  test("names cannot break out of their quotes", () => {
    const evil = 'x" OR 1=1 --';
    const table = { table: { name: evil }, columns: [facts(evil)], indexLeads: [], hasHorizon: false };
    const evilShape = shapeOf(
      {
        ...plan,
        table: { name: evil },
        key: [evil],
        columns: ["*"],
        filters: [],
        change: { kind: "full_scan" },
        children: [],
      },
      table,
    );
    expect(snapshotPage(SQLITE_DIALECT, evilShape, { after: undefined, maxRows: 1 }).text).toBe(
      'SELECT "x"" OR 1=1 --" FROM "x"" OR 1=1 --" ORDER BY "x"" OR 1=1 --" LIMIT 1',
    );
  });
});

describe("rows that are added up", () => {
  const added = (quantity: TableFacts["columns"][number]): string => {
    const ledger = { ...po, table: { name: "LEDGER" }, columns: [facts("ITEM"), facts("PLACE"), quantity] };
    const child = {
      name: "stock",
      table: { name: "LEDGER" },
      on: [{ child: "ITEM", parent: "PONUM" }],
      columns: ["PLACE", "QTY", "ITEM"],
      sums: ["QTY"],
      orderBy: ["PLACE"],
      filters: [],
    };
    const [stock] = shapeOf({ ...plan, children: [child] }, po, ledger).children;
    return childrenOf(SQL_SERVER, stock!, [["7"]]).text;
  };

  test("by the source, where it can do that exactly", () => {
    expect(added(facts("QTY", { sum: "CONVERT(varchar(50), SUM([QTY]))" }))).toBe(
      "SELECT [PLACE], CONVERT(varchar(50), SUM([QTY])), [ITEM] FROM [LEDGER] WHERE ([ITEM] IN (@p1))" +
        " GROUP BY [PLACE], [ITEM] ORDER BY [PLACE]",
    );
  });

  test("row by row otherwise", () => {
    expect(added(facts("QTY"))).toBe(
      "SELECT [PLACE], [QTY], [ITEM] FROM [LEDGER] WHERE ([ITEM] IN (@p1)) ORDER BY [PLACE]",
    );
  });
});
