// Parameters as the driver sends them, and as the database then gets them.
import { TYPES } from "tedious";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BoundParameter, DbType, DbValue } from "#test/support/sql-engine/session.ts";
import { DriverClient, type DriverParameter } from "./driver-client.ts";
import { PlantedDatabase } from "./planted-database.ts";
import { startTdsServer, type TdsServer } from "./server.ts";

type Case = readonly [
  name: string,
  sent: Omit<DriverParameter, "name">,
  type: Partial<DbType>,
  value: DbValue,
  /** As an output parameter, read back by the driver. */
  back?: unknown,
];

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

async function got(sent: Omit<DriverParameter, "name">): Promise<BoundParameter | undefined> {
  let parameters: readonly BoundParameter[] = [];
  database.plant("SELECT @p", (given) => {
    parameters = given;
    return { sets: [], rowsAffected: 0 };
  });
  await client.query("SELECT @p", [{ name: "p", ...sent }]);
  expect(parameters).toHaveLength(1);
  return parameters[0];
}

const at = (text: string): Date => new Date(`${text}Z`);
const long = "Prüf 歯車 😀 ".repeat(2000);
const guid = "6F9619FF-8B86-D011-B42D-00C04FC964FF";

const CASES: readonly Case[] = [
  ["bit", { type: TYPES.Bit, value: true }, { kind: "bit" }, true],
  ["tinyint", { type: TYPES.TinyInt, value: 255 }, { kind: "int", bits: 8 }, 255],
  ["smallint", { type: TYPES.SmallInt, value: -5 }, { kind: "int", bits: 16 }, -5],
  ["int", { type: TYPES.Int, value: -70_000 }, { kind: "int", bits: 32 }, -70_000],
  [
    "bigint",
    { type: TYPES.BigInt, value: "9223372036854775807" },
    { kind: "int", bits: 64 },
    9_223_372_036_854_775_807n,
    "9223372036854775807",
  ],
  ["float", { type: TYPES.Float, value: 0.1 }, { kind: "float", bits: 64 }, 0.1],
  ["real", { type: TYPES.Real, value: 0.5 }, { kind: "float", bits: 32 }, 0.5],
  ["money", { type: TYPES.Money, value: -12.25 }, { kind: "money", bits: 64 }, "-12.2500", -12.25],
  ["smallmoney", { type: TYPES.SmallMoney, value: 12.5 }, { kind: "money", bits: 32 }, "12.5000", 12.5],
  [
    "decimal, 9 digits",
    { type: TYPES.Decimal, value: -123.45, options: { precision: 9, scale: 2 } },
    { kind: "decimal", precision: 9, scale: 2 },
    "-123.45",
    -123.45,
  ],
  [
    "decimal, 38 digits",
    { type: TYPES.Decimal, value: 5.5, options: { precision: 38, scale: 4 } },
    { kind: "decimal", precision: 38, scale: 4 },
    "5.5000",
    5.5,
  ],
  [
    "numeric",
    { type: TYPES.Numeric, value: 7, options: { precision: 18, scale: 0 } },
    { kind: "decimal", precision: 18, scale: 0 },
    "7",
    7,
  ],
  ["nvarchar", { type: TYPES.NVarChar, value: "Прüf 😀" }, { kind: "nvarchar" }, "Прüf 😀"],
  ["nvarchar, empty", { type: TYPES.NVarChar, value: "" }, { kind: "nvarchar" }, ""],
  ["nvarchar(max)", { type: TYPES.NVarChar, value: long }, { kind: "nvarchar", length: "max" }, long],
  ["nchar", { type: TYPES.NChar, value: "äb", options: { length: 2 } }, { kind: "nchar", length: 2 }, "äb"],
  ["varchar", { type: TYPES.VarChar, value: "Prüf €" }, { kind: "varchar" }, "Prüf €"],
  [
    "varchar(max)",
    { type: TYPES.VarChar, value: "ü".repeat(9000) },
    { kind: "varchar", length: "max" },
    "ü".repeat(9000),
  ],
  ["char", { type: TYPES.Char, value: "äb", options: { length: 2 } }, { kind: "char" }, "äb"],
  [
    "varbinary",
    { type: TYPES.VarBinary, value: Buffer.of(1, 2, 3) },
    { kind: "varbinary" },
    Uint8Array.of(1, 2, 3),
    Buffer.of(1, 2, 3),
  ],
  [
    "varbinary(max)",
    { type: TYPES.VarBinary, value: Buffer.alloc(9000, 7) },
    { kind: "varbinary", length: "max" },
    new Uint8Array(9000).fill(7),
    Buffer.alloc(9000, 7),
  ],
  [
    "binary",
    { type: TYPES.Binary, value: Buffer.of(9, 8) },
    { kind: "binary" },
    Uint8Array.of(9, 8),
    Buffer.of(9, 8),
  ],
  [
    "uniqueidentifier",
    { type: TYPES.UniqueIdentifier, value: guid.toLowerCase() },
    { kind: "uniqueidentifier" },
    guid,
  ],
  [
    "date",
    { type: TYPES.Date, value: at("2026-05-04T00:00:00") },
    { kind: "date" },
    "2026-05-04",
    at("2026-05-04T00:00:00"),
  ],
  [
    "time",
    { type: TYPES.Time, value: at("1970-01-01T10:00:00.123") },
    { kind: "time", scale: 7 },
    "10:00:00.1230000",
    at("1970-01-01T10:00:00.123"),
  ],
  [
    "datetime",
    { type: TYPES.DateTime, value: at("2026-05-04T10:00:00.997") },
    { kind: "datetime" },
    "2026-05-04 10:00:00.997",
    at("2026-05-04T10:00:00.997"),
  ],
  [
    "smalldatetime",
    { type: TYPES.SmallDateTime, value: at("2026-05-04T10:07:00") },
    { kind: "smalldatetime" },
    "2026-05-04 10:07:00",
    at("2026-05-04T10:07:00"),
  ],
  [
    "datetime2",
    { type: TYPES.DateTime2, value: at("2026-05-04T10:00:00.123") },
    { kind: "datetime2", scale: 7 },
    "2026-05-04 10:00:00.1230000",
    at("2026-05-04T10:00:00.123"),
  ],
  [
    "datetime2(3)",
    { type: TYPES.DateTime2, value: at("2026-05-04T10:00:00.123"), options: { scale: 3 } },
    { kind: "datetime2", scale: 3 },
    "2026-05-04 10:00:00.123",
    at("2026-05-04T10:00:00.123"),
  ],
];

const NAMED = CASES.map(
  ([name, sent, type, value, back = value]) => [name, sent, type, value, back] as const,
);

describe("a parameter", () => {
  it.each(NAMED)("%s", async (_name, sent, type, value) => {
    const parameter = await got(sent);
    expect(parameter?.name).toBe("p");
    expect(parameter?.type).toMatchObject(type);
    expect(parameter?.value).toEqual(value);
  });

  it.each(NAMED)("%s, null", async (_name, { type, options }, { kind }) => {
    const parameter = await got({ type, value: null, ...(options === undefined ? {} : { options }) });
    expect(parameter?.value).toBeNull();
    expect(parameter?.type.kind).toBe(kind);
  });

  it.each(NAMED)("%s, as an output", async (_name, sent, _type, _value, back) => {
    database.plant("EXEC echo", { sets: [], rowsAffected: 0 });
    const { outputs } = await client.call("echo", [{ name: "p", ...sent, isOutput: true }]);
    expect(outputs.get("p")).toEqual(back);
  });
});

it.each([TYPES.NVarChar, TYPES.VarChar, TYPES.VarBinary])("a null of a type without limit", async (type) => {
  const parameter = await got({ type, value: null, options: { length: 8001 } });
  expect(parameter).toMatchObject({ value: null, type: { length: "max" } });
});

it.each([0, 3, 7])("a datetimeoffset(%i) with the offset of the driver's own zone", async (scale) => {
  const sent = { type: TYPES.DateTimeOffset, value: at("2026-05-04T10:00:00"), options: { scale } };
  const parameter = await got(sent);
  expect(parameter?.type).toEqual({ kind: "datetimeoffset", scale });
  const [date, time, offset] = String(parameter?.value).split(" ");
  expect(at(`${date}T${time}`).getTime() - offsetMs(offset ?? "")).toBe(sent.value.getTime());
  const { outputs } = await client.call("echo", [{ name: "p", ...sent, isOutput: true }]);
  expect(outputs.get("p")).toEqual(sent.value);
  expect((await got({ ...sent, value: null }))?.value).toBeNull();
});

describe("what the driver itself does to a parameter", () => {
  it("a decimal without precision and scale loses its fraction", async () => {
    expect((await got({ type: TYPES.Decimal, value: 12.75 }))?.value).toBe("13");
  });

  it("money may lose a ten-thousandth", async () => {
    expect((await got({ type: TYPES.Money, value: 12.3456 }))?.value).toBe("12.3455");
  });

  it("a decimal of more than 15 digits is another number", async () => {
    const sent = { type: TYPES.Decimal, value: "12345678901234567.89", options: { precision: 38, scale: 2 } };
    expect((await got(sent))?.value).not.toBe("12345678901234567.89");
  });

  it("exact numbers go as text", async () => {
    const digits = "12345678901234567890123456789012345.678";
    expect((await got({ type: TYPES.NVarChar, value: digits }))?.value).toBe(digits);
  });
});

it("a parameter of a type that is not taken is told to the client", async () => {
  const table = { name: "t", schema: "dbo", columns: [{ name: "a", type: TYPES.Int }], rows: [[1]] };
  await expect(got({ type: TYPES.TVP, value: table })).rejects.toThrow(/type 0xf3 are not taken/);
});

function offsetMs(offset: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? [];
  return (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === "-" ? -1 : 1);
}
