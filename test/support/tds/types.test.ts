// Every type as the driver reads it from the server: exactly, and where the driver itself rounds, how.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DbType, DbValue } from "#test/support/sql-engine/session.ts";
import { collationOf } from "./collations.ts";
import { DriverClient } from "./driver-client.ts";
import { decimalBytes, timeBytes } from "./exact-values.ts";
import { PlantedDatabase, rowOf } from "./planted-database.ts";
import { startTdsServer, type TdsServer } from "./server.ts";

type Case = readonly [type: DbType, value: DbValue, read: unknown];
type NamedCase = readonly [name: string, ...Case];

let database: PlantedDatabase;
let server: TdsServer;
let client: DriverClient;

beforeAll(async () => {
  database = new PlantedDatabase();
  server = await startTdsServer({ database });
  client = await DriverClient.connect({ port: server.port });
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
});

async function read(type: DbType, value: DbValue, isNullable: boolean): Promise<unknown> {
  database.plant("SELECT c FROM t", rowOf(["c", type, value, isNullable]));
  const { rows } = await client.query("SELECT c FROM t");
  return rows[0]?.[0];
}

const int = (bits: 8 | 16 | 32 | 64): DbType => ({ kind: "int", bits });
const decimal = (precision: number, scale: number): DbType => ({ kind: "decimal", precision, scale });
const varchar = (collation: string): DbType => ({ kind: "varchar", length: 100, collation });
const utc = (text: string): Date => new Date(`${text}Z`);
const long = "Zahnrad ⚙ 歯車 😀 ".repeat(3000);
const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index % 251);

const EXACT: readonly Case[] = [
  [{ kind: "bit" }, true, true],
  [{ kind: "bit" }, false, false],
  [int(8), 255, 255],
  [int(16), -32_768, -32_768],
  [int(32), -2_147_483_648, -2_147_483_648],
  [int(64), 9_223_372_036_854_775_807n, "9223372036854775807"],
  [int(64), -9_223_372_036_854_775_808n, "-9223372036854775808"],
  [{ kind: "float", bits: 64 }, 0.1, 0.1],
  [{ kind: "float", bits: 32 }, 0.5, 0.5],
  [decimal(9, 2), "-1234567.89", -1_234_567.89],
  [decimal(18, 0), "123456789012345", 123_456_789_012_345],
  [decimal(28, 4), "12345.6789", 12_345.6789],
  [decimal(38, 10), "-0.0000000001", -1e-10],
  [{ kind: "money", bits: 64 }, "-1234.5678", -1234.5678],
  [{ kind: "money", bits: 32 }, "214748.3647", 214_748.3647],
  [{ kind: "date" }, "0001-01-01", new Date(-62_135_596_800_000)],
  [{ kind: "date" }, "9999-12-31", utc("9999-12-31T00:00:00")],
  [{ kind: "time", scale: 0 }, "23:59:59", utc("1970-01-01T23:59:59")],
  [{ kind: "time", scale: 3 }, "10:00:00.123", utc("1970-01-01T10:00:00.123")],
  [{ kind: "datetime2", scale: 0 }, "2026-05-04 10:00:00", utc("2026-05-04T10:00:00")],
  [{ kind: "datetime2", scale: 3 }, "2026-05-04 10:00:00.001", utc("2026-05-04T10:00:00.001")],
  [{ kind: "datetime" }, "2026-05-04 10:00:00.003", utc("2026-05-04T10:00:00.003")],
  [{ kind: "datetime" }, "1753-01-01 00:00:00.007", utc("1753-01-01T00:00:00.007")],
  [{ kind: "datetime" }, "9999-12-31 23:59:59.997", utc("9999-12-31T23:59:59.997")],
  [{ kind: "smalldatetime" }, "2079-06-06 23:59:00", utc("2079-06-06T23:59:00")],
  [
    { kind: "uniqueidentifier" },
    "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    "6F9619FF-8B86-D011-B42D-00C04FC964FF",
  ],
  [{ kind: "nvarchar", length: 100 }, "Kölner Straße 😀", "Kölner Straße 😀"],
  [{ kind: "nvarchar", length: 100 }, "", ""],
  [{ kind: "nvarchar", length: "max" }, long, long],
  [{ kind: "nvarchar", length: "max" }, "", ""],
  [{ kind: "nchar", length: 5 }, "äb", "äb   "],
  [{ kind: "char", length: 5 }, "äb", "äb   "],
  [varchar("SQL_Latin1_General_CP1_CI_AS"), "Prüfstück 5 €", "Prüfstück 5 €"],
  [varchar("SQL_Latin1_General_CP850_CI_AS"), "Prüfstück ½ Größe ØÁÊ¦─█", "Prüfstück ½ Größe ØÁÊ¦─█"],
  [varchar("sql_latin1_general_cp437_ci_as"), "Prüfstück ¢ αΣ∞ ╝", "Prüfstück ¢ αΣ∞ ╝"],
  [varchar("Latin1_General_BIN2"), "œuvre", "œuvre"],
  [varchar("Latin1_General_100_CI_AS_SC_UTF8"), "Насос 歯車 😀", "Насос 歯車 😀"],
  [varchar("Cyrillic_General_CI_AS"), "Насос №3", "Насос №3"],
  [varchar("Japanese_CI_AS"), "歯車ポンプ ｱ", "歯車ポンプ ｱ"],
  [varchar("Chinese_PRC_CI_AS"), "水泵", "水泵"],
  [varchar("Korean_Wansung_CI_AS"), "펌프", "펌프"],
  [varchar("Chinese_Taiwan_Stroke_CI_AS"), "齒輪", "齒輪"],
  [varchar("Polish_CI_AS"), "Łożysko", "Łożysko"],
  [varchar("Greek_CI_AS"), "Αντλία", "Αντλία"],
  [varchar("Turkish_CI_AS"), "dişli ığ", "dişli ığ"],
  [{ kind: "varchar", length: "max" }, "ü".repeat(20_000), "ü".repeat(20_000)],
  [{ kind: "varbinary", length: 10 }, Uint8Array.of(1, 2, 255), Buffer.of(1, 2, 255)],
  [{ kind: "varbinary", length: "max" }, bytes, Buffer.from(bytes)],
  [{ kind: "binary", length: 4 }, Uint8Array.of(1, 2), Buffer.of(1, 2, 0, 0)],
  [{ kind: "rowversion" }, 2001n, Buffer.of(0, 0, 0, 0, 0, 0, 7, 0xd1)],
  [{ kind: "rowversion" }, Uint8Array.of(0, 0, 0, 0, 0, 0, 7, 0xd1), Buffer.of(0, 0, 0, 0, 0, 0, 7, 0xd1)],
  [{ kind: "xml" }, "<Teil nr='5'>ü</Teil>", "<Teil nr='5'>ü</Teil>"],
  [{ kind: "clob" }, "alter Text ü", "alter Text ü"],
  [{ kind: "nclob" }, "Насос", "Насос"],
  [{ kind: "blob" }, Uint8Array.of(9, 8), Buffer.of(9, 8)],
];

/** Test names: bigints are no JSON, and long values no names. */
function nameOf(type: DbType, value: DbValue): string {
  const shown = value instanceof Uint8Array ? `${value.length} bytes` : String(value).slice(0, 40);
  return `${JSON.stringify(type)} ${shown}`;
}

const named = (cases: readonly Case[]): readonly NamedCase[] =>
  cases.map(([type, value, read]) => [nameOf(type, value), type, value, read]);

const VARIANTS: readonly Case[] = [
  [int(32), 7, 7],
  [int(64), 7n, "7"],
  [{ kind: "bit" }, true, true],
  [{ kind: "float", bits: 64 }, 2.5, 2.5],
  [{ kind: "money", bits: 64 }, "1.5000", 1.5],
  [decimal(10, 2), "-3.25", -3.25],
  [{ kind: "nvarchar", length: 50 }, "Насос", "Насос"],
  [{ kind: "varchar", length: 50 }, "pump", "pump"],
  [{ kind: "date" }, "2026-05-04", utc("2026-05-04T00:00:00")],
  [{ kind: "datetime" }, "2026-05-04 10:00:00.000", utc("2026-05-04T10:00:00")],
  [{ kind: "datetime2", scale: 3 }, "2026-05-04 10:00:00.123", utc("2026-05-04T10:00:00.123")],
  [
    { kind: "uniqueidentifier" },
    "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    "6F9619FF-8B86-D011-B42D-00C04FC964FF",
  ],
  [{ kind: "varbinary", length: 8 }, Uint8Array.of(5, 6), Buffer.of(5, 6)],
];

describe("a value that is not null", () => {
  it.each(named(EXACT))("%s", async (_name, type, value, expected) => {
    expect(await read(type, value, true)).toEqual(expected);
    expect(await read(type, value, false)).toEqual(expected);
  });

  it.each(named(VARIANTS))("in a sql_variant: %s", async (_name, base, value, expected) => {
    expect(await read({ kind: "sql_variant", base }, value, true)).toEqual(expected);
  });

  it("in a sql_variant of a type that the engine does not tell", async () => {
    expect(await read({ kind: "sql_variant" }, 7, true)).toBe(7);
    expect(await read({ kind: "sql_variant" }, 2.5, true)).toBe(2.5);
    expect(await read({ kind: "sql_variant" }, "ü", true)).toBe("ü");
    expect(await read({ kind: "sql_variant" }, true, true)).toBe(true);
  });
});

describe("null", () => {
  const types = [...EXACT.map(([type]) => type), { kind: "sql_variant" } as const];

  it.each(types)("%j", async (type) => {
    expect(await read(type, null, true)).toBeNull();
  });

  it("to a client of TDS 7.2, which knows no map of nulls", async () => {
    await using old = await startTdsServer({ database, maxTdsVersion: "7.2" });
    await using client = await DriverClient.connect({ port: old.port });
    const columns = types.map((type, index) => ({ name: `c${index}`, type, isNullable: true }));
    database.plant("SELECT * FROM t", {
      sets: [{ columns, rows: [columns.map(() => null)] }],
      rowsAffected: 0,
    });
    expect((await client.query("SELECT * FROM t")).rows).toEqual([columns.map(() => null)]);
  });

  it("in rows of many columns, among others", async () => {
    const columns = types.map((type, index) => ({ name: `c${index}`, type, isNullable: true }));
    const first = EXACT.map(([, value], index) => (index % 3 === 0 ? null : value));
    database.plant("SELECT * FROM t", {
      sets: [
        {
          columns,
          rows: [[...first, null], [...EXACT.map(([, value]) => value), 1], columns.map(() => null)],
        },
      ],
      rowsAffected: 0,
    });
    const { rows } = await client.query("SELECT * FROM t");
    expect(rows[0]).toEqual([...EXACT.map(([, , read], index) => (index % 3 === 0 ? null : read)), null]);
    expect(rows[1]).toEqual([...EXACT.map(([, , read]) => read), 1]);
    expect(rows[2]).toEqual(columns.map(() => null));
  });

  it(`in a column that may have none is the engine's mistake, and said`, async () => {
    await expect(read(int(32), null, false)).rejects.toThrow(/null for c, which is not nullable/);
  });
});

it("sizes are those of the protocol: decimals by precision, times by scale", () => {
  expect([1, 9, 10, 19, 20, 28, 29, 38].map(decimalBytes)).toEqual([4, 4, 8, 8, 12, 12, 16, 16]);
  expect([0, 1, 2, 3, 4, 5, 6, 7].map(timeBytes)).toEqual([3, 3, 3, 4, 4, 5, 5, 5]);
});

it.each([
  ["SQL_Latin1_General_CP1_CI_AS", "0904d00034"],
  ["Latin1_General_CI_AS", "0904d00000"],
  ["Latin1_General_CS_AS_KS_WS", "0904000000"],
  ["Latin1_General_100_CI_AI", "0904f02000"],
  ["Latin1_General_100_CI_AS_SC_UTF8", "0904d02400"],
  ["Latin1_General_BIN", "0904000100"],
  ["Latin1_General_BIN2", "0904000200"],
  ["Cyrillic_General_CI_AS", "1904d00000"],
])("the bytes of %s", (name, hex) => {
  expect(collationOf(name).bytes.toString("hex")).toBe(hex);
});

describe("what the driver itself loses", () => {
  it("decimals become floats: digits behind the sixteenth are gone", async () => {
    expect(await read(decimal(38, 6), "12345678901234567890.123456", true)).toBe(12_345_678_901_234_570_000);
    expect(await read(decimal(19, 0), "9007199254740993", true)).toBe(9_007_199_254_740_992);
    expect(await read(decimal(38, 20), "500", true)).toBeCloseTo(500);
  });

  it("money too", async () => {
    expect(await read({ kind: "money", bits: 64 }, "922337203685477.5807", true)).toBe(922_337_203_685_477.6);
  });

  it("ten-millionths of a second are beside the date", async () => {
    const date = await read({ kind: "datetime2", scale: 7 }, "2026-05-04 10:00:00.1234567", true);
    expect(date).toEqual(utc("2026-05-04T10:00:00.123"));
    expect((date as { readonly nanosecondsDelta: number }).nanosecondsDelta).toBeCloseTo(0.000_456_7, 10);
  });

  it("the offset of a datetimeoffset is gone; the instant is right, over midnight as well", async () => {
    const type: DbType = { kind: "datetimeoffset", scale: 7 };
    expect(await read(type, "2026-05-04 10:00:00.1230000 +02:00", true)).toEqual(
      utc("2026-05-04T08:00:00.123"),
    );
    expect(await read(type, "2026-05-04 00:30:00.0000000 +05:30", true)).toEqual(utc("2026-05-03T19:00:00"));
    expect(await read(type, "2026-12-31 23:00:00.0000000 -08:00", true)).toEqual(utc("2027-01-01T07:00:00"));
  });

  it("a float of 32 bits shows the digits of its 64-bit neighbour", async () => {
    expect(await read({ kind: "float", bits: 32 }, 0.1, true)).toBe(Math.fround(0.1));
  });

  it("letters of a varchar in a sql_variant: it takes the collation from the wrong place", async () => {
    expect(await read({ kind: "sql_variant", base: { kind: "varchar", length: 50 } }, "Prüf", true)).not.toBe(
      "Prüf",
    );
  });

  it("what a code page does not have is a question mark, by the server", async () => {
    expect(await read(varchar("SQL_Latin1_General_CP1_CI_AS"), "Насос 5", true)).toBe("????? 5");
  });
});

describe("what the engine may not give", () => {
  const wrong: readonly (readonly [DbType, DbValue, RegExp])[] = [
    [decimal(5, 2), "1.234", /scale 2/],
    [decimal(5, 2), "1234.00", /decimal/],
    [decimal(5, 2), "abc", /"abc" for a decimal/],
    [{ kind: "date" }, "4.5.2026", /for a date/],
    [{ kind: "time", scale: 3 }, "10:00:00.1234", /scale 3/],
    [{ kind: "datetimeoffset", scale: 3 }, "2026-05-04 10:00:00", /datetimeoffset/],
    [{ kind: "uniqueidentifier" }, "6F96", /uniqueidentifier/],
    [{ kind: "nvarchar", length: 5 }, 5, /nvarchar/],
    [{ kind: "varbinary", length: 5 }, "x", /varbinary/],
    [varchar("Klingon_CI_AS"), "x", /Klingon_CI_AS is not known/],
    [{ kind: "rowid" }, "x", /no type rowid/],
  ];

  it.each(wrong)("%j %j is told to the client", async (type, value, message) => {
    await expect(read(type, value, true)).rejects.toThrow(message);
    database.plant("SELECT 1", rowOf(["one", int(32), 1]));
    expect((await client.query("SELECT 1")).rows).toEqual([[1]]);
  });
});
