// Values and binds through the real driver: what the server is asked, what it is given, and what comes out.
import { afterEach, expect, test } from "vitest";
import { oracleDefinition } from "#agent/connectors/oracle/definition.ts";
import { MAX_LONG_TEXT } from "#agent/connectors/oracle/type-map.ts";
import type { Connector, Pass, SourceKey, SourceRow } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { DbType, DbValue } from "#test/support/sql-engine/session.ts";
import { rowsOf, type ScriptedDatabase } from "#test/support/tns/scripted-database.ts";
import { CREDENTIALS, startTns } from "#test/support/tns/tns-fixture.ts";

const never = new AbortController().signal;
const TEXT: DbType = { kind: "varchar", length: 128 };
const NUMBER: DbType = { kind: "number" };
const opened: Connector[] = [];

afterEach(async () => {
  for (const connector of opened.splice(0)) await connector[Symbol.asyncDispose]();
});

interface Column {
  readonly name: string;
  /** As in ALL_TAB_COLUMNS. */
  readonly type: string;
  /** As the server describes the select expression. */
  readonly sent: DbType;
  readonly value: DbValue;
}

/** A server with one table, which answers every SELECT from it with the one row that there is. */
async function openTable(
  columns: readonly Column[],
  names: readonly string[] = ["*"],
): Promise<{ connector: Connector; database: ScriptedDatabase }> {
  const { server, database } = await startTns();
  const nothing = rowsOf({ X: TEXT }, []);
  database
    .on(/^(?:ALTER SESSION|SET TRANSACTION)/, () => ({ sets: [], rowsAffected: 0 }))
    .on(/^SELECT USER/, () => rowsOf({ U: TEXT }, [["READER"]]))
    .on(/GET_SYSTEM_CHANGE_NUMBER/, () => rowsOf({ N: NUMBER }, [["4711"]]))
    .on(/FROM V\$DATABASE|FROM ALL_USERS/, () => rowsOf({ D: TEXT }, [["1"]]))
    .on(/FROM ALL_TABLES/, () =>
      rowsOf({ O: TEXT, T: TEXT, D: TEXT, I: TEXT }, [["READER", "THING", "DISABLED", null]]),
    )
    .on(/FROM ALL_TAB_COLUMNS/, () =>
      rowsOf(
        { O: TEXT, T: TEXT, C: TEXT, D: TEXT, P: NUMBER, S: NUMBER, N: TEXT, L: TEXT },
        columns.map(({ name, type }) => ["READER", "THING", name, type, null, null, "N", null]),
      ),
    )
    .on(/FROM ALL_/, () => nothing)
    .on(/WHERE 1 = 0/, () => nothing)
    .on(/FROM "READER"\."THING"/, () =>
      rowsOf(Object.fromEntries(columns.map(({ name, sent }) => [name, sent])), [
        columns.map(({ value }) => value),
      ]),
    );
  const parsed = oracleDefinition.parseConfig({
    host: "127.0.0.1",
    port: server.port,
    service_name: "plant.example",
    ...CREDENTIALS,
  });
  if (!parsed.ok) throw new Error("settings must parse");
  const plan: EntityPlan = {
    entity: "thing",
    table: { name: "thing" },
    key: [columns[0]!.name],
    columns: names,
    filters: [],
    change: { kind: "full_scan" },
    children: [],
  };
  const context = { connection: "test", plans: [plan], timeZone: "UTC", clock: systemClock };
  const connector = oracleDefinition.create(parsed.value, { ...context, logger: silentLogger, dataDir: "" });
  opened.push(connector);
  await connector.open(never);
  return { connector, database };
}

async function read(connector: Connector, pass: Pass, keys: readonly SourceKey[] = []): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  const request = { entity: "thing", pass, after: undefined, keys, maxRows: 10, signal: never };
  for await (const batch of connector.read(request)) rows.push(...batch.rows);
  return rows;
}

const ID: Column = {
  name: "ID",
  type: "NUMBER",
  sent: { kind: "number", precision: 9, scale: 0 },
  value: "7",
};

test("every type comes out exact, nulls included", async () => {
  const values: readonly (Column & { readonly expected: unknown })[] = [
    { ...ID, expected: 7 },
    {
      name: "BIG",
      type: "NUMBER",
      sent: { kind: "number", precision: 38, scale: 0 },
      value: `-${"9".repeat(38)}`,
      expected: `-${"9".repeat(38)}`,
    },
    {
      name: "MONEY",
      type: "NUMBER",
      sent: { kind: "number", precision: 15, scale: 2 },
      value: "0.5",
      expected: "0.5",
    },
    {
      name: "PLAIN",
      type: "NUMBER",
      sent: NUMBER,
      value: "12345678901234567890.123456",
      expected: "12345678901234567890.123456",
    },
    { name: "RATIO", type: "BINARY_DOUBLE", sent: { kind: "float", bits: 64 }, value: 0.1, expected: 0.1 },
    { name: "TITLE", type: "VARCHAR2", sent: TEXT, value: "Größe 漢字 🏭", expected: "Größe 漢字 🏭" },
    {
      name: "NATION",
      type: "NVARCHAR2",
      sent: { kind: "nvarchar", length: 60 },
      value: "漢字 🏭",
      expected: "漢字 🏭",
    },
    { name: "PADDED", type: "CHAR", sent: { kind: "char", length: 5 }, value: "ab   ", expected: "ab   " },
    { name: "NOTE", type: "CLOB", sent: { kind: "clob" }, value: "long 🏭", expected: "long 🏭" },
    {
      name: "PHOTO",
      type: "BLOB",
      sent: { kind: "blob" },
      value: new Uint8Array([0, 255]),
      expected: new Uint8Array([0, 255]),
    },
    {
      name: "BYTES",
      type: "RAW",
      sent: { kind: "raw", length: 4 },
      value: new Uint8Array([1, 2]),
      expected: new Uint8Array([1, 2]),
    },
    {
      name: "FACTOR",
      type: "BINARY_FLOAT",
      sent: { kind: "float", bits: 32 },
      value: 0.1,
      expected: Math.fround(0.1),
    },
    {
      name: "NO_NUMBER",
      type: "BINARY_DOUBLE",
      sent: { kind: "float", bits: 64 },
      value: Infinity,
      expected: "Infinity",
    },
    {
      name: "NATION_PADDED",
      type: "NCHAR",
      sent: { kind: "nchar", length: 4 },
      value: "漢  ",
      expected: "漢  ",
    },
    { name: "NATION_NOTE", type: "NCLOB", sent: { kind: "nclob" }, value: "漢 🏭", expected: "漢 🏭" },
    { name: "OLD_NOTE", type: "LONG", sent: { kind: "long" }, value: "old 🏭", expected: "old 🏭" },
    {
      name: "OLD_PHOTO",
      type: "LONG RAW",
      sent: { kind: "long_raw" },
      value: new Uint8Array([9]),
      expected: new Uint8Array([9]),
    },
    { name: "NO_OLD_NOTE", type: "LONG", sent: { kind: "long" }, value: null, expected: null },
    {
      name: "PLACE",
      type: "ROWID",
      sent: { kind: "rowid" },
      value: "AAAR3sAAEAAAACXAAA",
      expected: "AAAR3sAAEAAAACXAAA",
    },
    { name: "IS_OPEN", type: "BOOLEAN", sent: { kind: "bit" }, value: true, expected: true },
    { name: "IS_LATE", type: "BOOLEAN", sent: { kind: "bit" }, value: false, expected: false },
    { name: "IS_KNOWN", type: "BOOLEAN", sent: { kind: "bit" }, value: null, expected: null },
    { name: "NOTHING", type: "VARCHAR2", sent: TEXT, value: null, expected: null },
    { name: "NO_PHOTO", type: "BLOB", sent: { kind: "blob" }, value: null, expected: null },
  ];
  const { connector } = await openTable(values);
  const [row] = await read(connector, "snapshot");
  expect(row?.columns).toEqual(Object.fromEntries(values.map(({ name, expected }) => [name, expected])));
});

/** What the server is asked for, so that its own text is what comes out. */
test.each([
  ["DATE", `LTRIM(TO_CHAR("V", 'SYYYY-MM-DD HH24:MI:SS'))`],
  ["TIMESTAMP(9)", `LTRIM(TO_CHAR("V", 'SYYYY-MM-DD HH24:MI:SS.FF9'))`],
  ["TIMESTAMP(6) WITH TIME ZONE", `LTRIM(TO_CHAR("V", 'SYYYY-MM-DD HH24:MI:SS.FF6TZH:TZM'))`],
  [
    "TIMESTAMP(6) WITH LOCAL TIME ZONE",
    `LTRIM(TO_CHAR(SYS_EXTRACT_UTC("V"), 'SYYYY-MM-DD HH24:MI:SS.FF6"Z"'))`,
  ],
  ["INTERVAL YEAR(2) TO MONTH", `TO_CHAR("V")`],
  ["INTERVAL DAY(2) TO SECOND(6)", `TO_CHAR("V")`],
  ["XMLTYPE", `ELSE XMLSERIALIZE(CONTENT "V" AS CLOB) END`],
  ["JSON", `ELSE JSON_SERIALIZE("V" RETURNING CLOB) END`],
  ["NCLOB", `ELSE "V" END`],
  ["FLOAT", `"V"`],
  ["BINARY_FLOAT", `"V"`],
  ["UROWID", `"V"`],
  ["LONG", `"V"`],
] as const)("a %s is asked for as %s", async (type, expression) => {
  const { connector, database } = await openTable([ID, { name: "V", type, sent: TEXT, value: "as it is" }]);
  const [row] = await read(connector, "snapshot");
  expect(row?.columns).toEqual({ ID: 7, V: "as it is" });
  const asked = database.statements.find(({ text }) => text.includes('"V"'))?.text;
  expect(asked).toContain(`${expression} FROM`);
});

test.each(["BFILE", "SDO_GEOMETRY", "VECTOR", "ANYDATA"])(
  "a %s is refused with what to do where the pack names it, and left out where it does not",
  async (type) => {
    const columns = [ID, { name: "V", type, sent: TEXT, value: null }];
    const { connector } = await openTable(columns, ["ID"]);
    expect((await read(connector, "snapshot"))[0]?.columns["ID"]).toBe(7);
    await expect(openTable(columns, ["ID", "V"])).rejects.toThrow(
      new RegExp(`make a view that gives them as VARCHAR2 or CLOB:\\n {2}READER\\.THING\\.V is a ${type}$`),
    );
  },
);

test("a LOB that no record can hold arrives too long, and never whole", async () => {
  const photo = new Uint8Array(MAX_LONG_TEXT + 100_000).fill(7);
  const { connector, database } = await openTable([
    ID,
    { name: "PHOTO", type: "BLOB", sent: { kind: "blob" }, value: photo },
    { name: "NOTE", type: "CLOB", sent: { kind: "clob" }, value: "x" },
  ]);
  const [row] = await read(connector, "snapshot");
  expect((row!.columns["PHOTO"] as Uint8Array).length).toBe(MAX_LONG_TEXT + 1);
  expect(database.statements.at(-2)?.text).toContain(`SUBSTR("NOTE", 1, ${MAX_LONG_TEXT + 1})`);
});

test("a time zone of this machine changes nothing, because the server writes every date", async () => {
  const { connector, database } = await openTable([
    ID,
    { name: "MADE", type: "DATE", sent: TEXT, value: "2024-03-31 02:30:00" },
    { name: "SENT", type: "TIMESTAMP(3) WITH TIME ZONE", sent: TEXT, value: "2024-03-31 02:30:00.000+02:00" },
  ]);
  await read(connector, "snapshot");
  const asked = database.statements.find(({ text }) => text.includes("FETCH FIRST"))?.text ?? "";
  expect(asked).toContain(`TO_CHAR("MADE", 'SYYYY-MM-DD HH24:MI:SS')`);
  expect(asked).toContain(`TO_CHAR("SENT", 'SYYYY-MM-DD HH24:MI:SS.FF3TZH:TZM')`);
  expect(asked).not.toMatch(/, "(?:MADE|SENT)"[, ]/);
});

test.each([
  ["NUMBER", "12345678901234567890", "varchar", "TO_NUMBER(:1)"],
  ["VARCHAR2", "ä", "varchar", ":1"],
  ["NVARCHAR2", "漢", "nvarchar", ":n1"],
  ["CHAR", "ab", "varchar", "CAST(:1 AS CHAR(2000))"],
  ["NCHAR", "漢", "nvarchar", "CAST(:n1 AS NCHAR(1000))"],
  ["RAW", "0AFF", "varchar", "HEXTORAW(:1)"],
  ["DATE", "2024-03-31 02:30:00", "varchar", "TO_DATE(:1, 'SYYYY-MM-DD HH24:MI:SS')"],
  ["INTERVAL YEAR(2) TO MONTH", "+01-06", "varchar", "TO_YMINTERVAL(:1)"],
  ["INTERVAL DAY(2) TO SECOND(6)", "+01 02:03:04.5", "varchar", "TO_DSINTERVAL(:1)"],
  ["BINARY_DOUBLE", "0.1", "varchar", "TO_BINARY_DOUBLE(:1)"],
  ["BOOLEAN", "true", "varchar", "TO_BOOLEAN(:1)"],
  ["ROWID", "AAAR3sAAEAAAACXAAA", "varchar", ":1"],
  [
    "TIMESTAMP(6) WITH TIME ZONE",
    "2024-03-31 00:30:00.5Z",
    "varchar",
    "FROM_TZ(TO_TIMESTAMP(RTRIM(:1, 'Z'), 'SYYYY-MM-DD HH24:MI:SS.FF'), '+00:00')",
  ],
  ["TIMESTAMP(6)", "2024-03-31 02:30:00.5", "varchar", "TO_TIMESTAMP(:1, 'SYYYY-MM-DD HH24:MI:SS.FF')"],
] as const)("a %s key is bound as %s text of its kind", async (type, key, kind, expression) => {
  const { connector, database } = await openTable([{ name: "K", type, sent: TEXT, value: key }]);
  await read(connector, "point", [[key]]);
  const asked = database.statements.find(({ text }) => text.includes('"K" IN (') && text.includes("THING"));
  expect(asked?.text).toContain(`"K" IN (${expression})`);
  expect(asked?.parameters.map((bound) => [bound.type.kind, bound.value])).toEqual([[kind, key]]);
});
