// Every type of Oracle's goes through the real thin driver exactly, in both directions.
import fc from "fast-check";
import oracledb from "oracledb";
import { describe, expect, it } from "vitest";
import type { DbType, DbValue } from "../sql-engine/session.ts";
import { decodeNumber, encodeNumber } from "./oracle-number.ts";
import { decodeTimestampTz, encodeTimestampTz } from "./oracle-time.ts";
import { changed, rowsOf } from "./scripted-database.ts";
import { failureOf, startTns } from "./tns-fixture.ts";

const asText = { fetchTypeHandler: () => ({ type: oracledb.STRING }) };

/** Reads one column of these values; every row comes in a round trip of its own and in one with all others. */
async function read(
  type: DbType,
  values: readonly DbValue[],
  options: oracledb.ExecuteOptions = {},
  timeZone = "+00:00",
): Promise<unknown[]> {
  const { database, server, connect } = await startTns({ timeZone });
  database.on(/^SELECT/, () =>
    rowsOf(
      { V: type },
      values.map((value) => [value]),
    ),
  );
  const connection = await connect();
  const one = await connection.execute("SELECT V FROM T", [], {
    ...options,
    fetchArraySize: 1,
    prefetchRows: 1,
  });
  const all = await connection.execute("SELECT V FROM T", [], options);
  expect(server.troubles).toEqual([]);
  expect(one.rows).toEqual(all.rows);
  return (all.rows ?? []).map((row) => (row as unknown[])[0]);
}

/** What the engine is given for a bound value. */
async function bound(
  value: unknown,
  timeZone = "+00:00",
): Promise<{ type: DbType; value: DbValue } | undefined> {
  const { database, connect } = await startTns({ timeZone });
  database.on(/^UPDATE/, () => changed(1));
  const connection = await connect();
  await connection.execute("UPDATE T SET V = :v", { v: value as oracledb.BindParameter });
  return database.statements[0]?.parameters[0];
}

describe("NUMBER", () => {
  const texts = [
    "0",
    "1",
    "-1",
    "10",
    "100",
    "-100",
    "99999999999999999999999999999999999999",
    "-99999999999999999999999999999999999999",
    "12345678901234567890.123456",
    "9007199254740993",
    "100000000000000.01",
    "-123456.7890123",
    `1${"0".repeat(125)}`,
    `-9${"0".repeat(125)}`,
  ];

  it("keeps 38 digits, large powers and negatives as text", async () => {
    expect(await read({ kind: "number" }, [...texts, null], asText)).toEqual([...texts, null]);
  });

  it("comes without a zero before the point, as the driver writes it", async () => {
    const small = ["0.5", "-0.5", "0.01", "0.001", "-0.000000000000000000000000000000000001234"];
    expect(await read({ kind: "number" }, small, asText)).toEqual(
      small.map((text) => text.replace("0.", ".")),
    );
  });

  it("is a JavaScript number where nobody asks for text, with what that loses", async () => {
    expect(await read({ kind: "number" }, ["9007199254740993"])).toEqual([9007199254740992]);
  });

  it("takes whole numbers of the engine as they are", async () => {
    expect(await read({ kind: "int", bits: 64 }, [-9223372036854775808n, 7], asText)).toEqual([
      "-9223372036854775808",
      "7",
    ]);
  });

  it("is bound exactly", async () => {
    for (const value of [0, 1, -1, 0.1, -0.25, 1e21, -1.5e-7, 123456.789])
      expect(Number((await bound(value))?.value)).toBe(value);
    expect(await bound(-0.25)).toEqual({ name: "V", type: { kind: "number" }, value: "-0.25" });
  });

  it("reads back whatever was written, for any number it holds", () => {
    const digits = fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n });
    fc.assert(
      fc.property(digits, fc.integer({ min: 0, max: 38 }), (whole, scale) => {
        const sign = whole < 0n ? "-" : "";
        const padded = String(whole)
          .replace("-", "")
          .padStart(scale + 1, "0");
        const point = padded.length - scale;
        const fraction = padded.slice(point).replace(/0+$/, "");
        const text = `${padded.slice(0, point)}${fraction === "" ? "" : `.${fraction}`}`;
        const plain = text === "0" ? "0" : sign + text;
        expect(decodeNumber(encodeNumber(plain))).toBe(plain);
      }),
    );
  });

  it("ends negatives with a mark, unless all twenty pairs of digits are there", () => {
    expect([...encodeNumber("-1")]).toEqual([0x3e, 100, 102]);
    expect(encodeNumber(`-${"1234567891".repeat(4)}`)).toHaveLength(21);
    expect(decodeNumber(encodeNumber(`-${"1234567891".repeat(4)}`))).toBe(`-${"1234567891".repeat(4)}`);
  });

  it("refuses what it cannot hold", () => {
    expect(() => encodeNumber("1".repeat(41))).toThrow(/cannot hold/);
    expect(() => encodeNumber("1e126")).toThrow(/cannot hold/);
    expect(() => encodeNumber("twelve")).toThrow(/no number/);
  });
});

describe("texts", () => {
  it("come in the database's and in the national character set", async () => {
    const texts = ["Pumpe", "Ünïcode", "漢字", "😀 emoji", " ", "x".repeat(1_000), null];
    for (const kind of ["varchar", "nvarchar"] as const)
      expect(await read({ kind, length: 1_000 }, texts)).toEqual(texts);
    expect(await read({ kind: "char", length: 4 }, ["ab  "])).toEqual(["ab  "]);
    expect(await read({ kind: "nchar", length: 4 }, ["ä   "])).toEqual(["ä   "]);
  });

  it("are null where they are empty, which Oracle does not tell apart", async () => {
    expect(await read({ kind: "varchar", length: 5 }, ["", "a"])).toEqual([null, "a"]);
    expect((await bound(""))?.value).toBeNull();
  });

  it("are bound as they are, also those of more than 32 KiB", async () => {
    for (const text of ["plain", "😀 漢字", "y".repeat(4_001), "z".repeat(100_000)])
      expect((await bound(text))?.value).toBe(text);
    const national = await bound({ type: oracledb.DB_TYPE_NVARCHAR, val: "漢字 😀" });
    expect(national).toMatchObject({ type: { kind: "nvarchar" }, value: "漢字 😀" });
  });

  it("keep long binds apart from short ones, whatever their order", async () => {
    const { database, connect } = await startTns();
    database.on(/^INSERT/, () => changed(1));
    const connection = await connect();
    const long = "n".repeat(20_000);
    await connection.execute("INSERT INTO T VALUES (:1, :2, :3, :4)", [long, "short", long, 5]);
    expect(database.statements[0]?.parameters.map(({ value }) => value)).toEqual([long, "short", long, "5"]);
  });

  it("may have 32 KiB where the database says so", async () => {
    const { database, connect } = await startTns({ maxStringSize: 32767 });
    const long = "w".repeat(32_767);
    database.on(/^SELECT/, () =>
      rowsOf({ V: { kind: "varchar", length: 32_767 } }, [[long], [null], [long]]),
    );
    const connection = await connect();
    expect((await connection.execute("SELECT V FROM T")).rows).toEqual([[long], [null], [long]]);
  });

  it("of the national set cannot be read where that is UTF-8", async () => {
    const { database, connect } = await startTns({ nationalCharset: "UTF8" });
    database.on(/^SELECT/, () => rowsOf({ V: { kind: "nvarchar", length: 5 } }, [["a"]]));
    const connection = await connect();
    expect((await failureOf(connection.execute("SELECT V FROM T"))).message).toContain("NJS-100");
  });
});

describe("dates and times", () => {
  const utc = (text: string): Date => new Date(`${text}Z`);

  it("DATE and TIMESTAMP are wall-clock times", async () => {
    const at = new Date(2026, 4, 4, 10, 20, 30);
    expect(await read({ kind: "oracle_date" }, ["2026-05-04 10:20:30", null, "2026-05-04"])).toEqual([
      at,
      null,
      new Date(2026, 4, 4),
    ]);
    const stamps = ["2026-05-04 10:20:30.123456789", "1901-12-31 23:59:59", "9999-12-31 23:59:59.999999999"];
    expect(await read({ kind: "timestamp", scale: 9, zone: "none" }, stamps)).toEqual([
      new Date(2026, 4, 4, 10, 20, 30, 123),
      new Date(1901, 11, 31, 23, 59, 59),
      new Date(9999, 11, 31, 23, 59, 59, 999),
    ]);
  });

  it("TIMESTAMP WITH TIME ZONE is an instant", async () => {
    expect(
      await read({ kind: "timestamp", scale: 7, zone: "offset" }, [
        "2026-05-04 10:00:00.1234567 +02:00",
        "2026-05-04 10:00:00 -09:30",
        "2026-01-01 00:30:00.5 +14:00",
        null,
      ]),
    ).toEqual([
      utc("2026-05-04T08:00:00.123"),
      utc("2026-05-04T19:30:00"),
      utc("2025-12-31T10:30:00.500"),
      null,
    ]);
  });

  it("TIMESTAMP WITH LOCAL TIME ZONE is an instant, whatever the zone of the database", async () => {
    for (const zone of ["+00:00", "+05:30", "-03:30", "UTC"])
      expect(
        await read(
          { kind: "timestamp", scale: 6, zone: "local" },
          ["2026-05-04 10:00:00.5 +02:00"],
          {},
          zone,
        ),
      ).toEqual([utc("2026-05-04T08:00:00.500")]);
  });

  it("with the zone a region cannot be read by the driver", async () => {
    const reading = read(
      { kind: "timestamp", scale: 6, zone: "local" },
      ["2026-05-04 10:00:00 +02:00"],
      {},
      "Europe/Berlin",
    );
    expect((await failureOf(reading)).message).toMatch(/NJS-\d+.*Europe\/Berlin/s);
  });

  it("are bound to the last digit that the driver has", async () => {
    const value = utc("2026-05-04T08:00:00.123");
    const inDatabaseZone = { type: oracledb.DB_TYPE_TIMESTAMP_LTZ, val: value };
    expect(await bound(inDatabaseZone, "+05:30")).toMatchObject({
      type: { kind: "timestamp", zone: "local" },
      value: "2026-05-04 13:30:00.123000000 +05:30",
    });
    expect(await bound({ type: oracledb.DB_TYPE_TIMESTAMP_TZ, val: value })).toMatchObject({
      type: { kind: "timestamp", zone: "offset" },
      value: "2026-05-04 08:00:00.123000000 +00:00",
    });
    const local = new Date(2026, 4, 4, 10, 20, 30, 5);
    expect(await bound(local)).toMatchObject({ type: { kind: "timestamp", zone: "none" } });
    expect((await bound({ type: oracledb.DB_TYPE_TIMESTAMP, val: local }))?.value).toBe(
      "2026-05-04 10:20:30.005000000",
    );
    expect((await bound({ type: oracledb.DB_TYPE_DATE, val: local }))?.value).toBe("2026-05-04 10:20:30");
  });

  it("keep nanoseconds and offsets on the wire", () => {
    for (const text of ["2026-05-04 10:00:00.123456789 +02:00", "1999-12-31 23:59:59.000000001 -11:45"])
      expect(decodeTimestampTz(encodeTimestampTz(text))).toBe(text);
    expect(() => encodeTimestampTz("2026-05-04 10:00:00")).toThrow(/no offset/);
    expect(() => encodeTimestampTz("2026-02-30 10:00:00 +00:00")).toThrow(/calendar/);
  });
});

describe("bytes, floats and rowids", () => {
  it("RAW", async () => {
    const raws = [Buffer.from("00ff10", "hex"), Buffer.alloc(2_000, 7), null];
    expect(await read({ kind: "raw", length: 2_000 }, raws)).toEqual(raws);
    expect((await bound(Buffer.from("beef", "hex")))?.value).toEqual(Buffer.from("beef", "hex"));
  });

  it("BINARY_FLOAT and BINARY_DOUBLE", async () => {
    const doubles = [0, 1.5, -1.5, 0.1, -0.1, 1e300, -1e-300, Infinity, -Infinity];
    expect(await read({ kind: "float", bits: 64 }, [...doubles, null])).toEqual([...doubles, null]);
    expect(await read({ kind: "float", bits: 32 }, [0.5, -0.25, Math.fround(0.1)])).toEqual([
      0.5,
      -0.25,
      Math.fround(0.1),
    ]);
    expect(await bound({ type: oracledb.DB_TYPE_BINARY_DOUBLE, val: -0.1 })).toMatchObject({
      type: { kind: "float", bits: 64 },
      value: -0.1,
    });
  });

  it("ROWID", async () => {
    const rowids = ["AAAR3sAAEAAAACXAAA", "AAAR3sAAEAAAACXAAB", "AAB/+9AAFAAAQ//ACz"];
    expect(await read({ kind: "rowid" }, rowids)).toEqual(rowids);
  });
});

describe("large values", () => {
  const texts = ["short", "Ünï 漢 😀".repeat(5_000), null, "x".repeat(200_000)];
  const bytes = [Buffer.from("00ff", "hex"), Buffer.alloc(150_000, 3), null];

  it("LONG and LONG RAW, up to their end", async () => {
    expect(await read({ kind: "long" }, texts)).toEqual(texts);
    expect(await read({ kind: "long_raw" }, bytes)).toEqual(bytes);
  });

  it("CLOB, NCLOB and BLOB as strings and buffers", async () => {
    for (const kind of ["clob", "nclob"] as const) expect(await read({ kind }, texts, asText)).toEqual(texts);
    const asBuffer = { fetchTypeHandler: () => ({ type: oracledb.BUFFER }) };
    expect(await read({ kind: "blob" }, bytes, asBuffer)).toEqual(bytes);
  });

  it("LOBs by their locators, whole and in pieces", async () => {
    const { database, connect } = await startTns();
    const text = "Ünï 漢 😀".repeat(3_000);
    const data = Buffer.from(Array.from({ length: 40_000 }, (_, index) => index % 251));
    database.on(/^SELECT/, () =>
      rowsOf({ N: { kind: "number" }, C: { kind: "clob" }, B: { kind: "blob" } }, [
        ["1", text, data],
        ["1", null, data.subarray(0, 1)],
      ]),
    );
    const connection = await connect();
    const { rows } = await connection.execute<[number, oracledb.Lob, oracledb.Lob]>("SELECT N, C, B FROM T");
    const [first, second] = rows ?? [];
    expect(first?.[1].length).toBe(text.length);
    expect(await first?.[1].getData()).toBe(text);
    expect(await first?.[2].getData()).toEqual(data);
    expect(await first?.[2].getData(101, 5)).toEqual(data.subarray(100, 105));
    expect(second?.[1]).toBeNull();
    expect(await second?.[2].getData()).toEqual(data.subarray(0, 1));
    const pieces: Buffer[] = [];
    const [again] =
      (await connection.execute<[number, oracledb.Lob, oracledb.Lob]>("SELECT N, C, B FROM T")).rows ?? [];
    for await (const piece of again?.[2] ?? []) pieces.push(piece as Buffer);
    expect(Buffer.concat(pieces)).toEqual(data);
  });

  it("binds of more than 32 KiB to a block, as temporary LOBs that are freed", async () => {
    const { database, server, connect } = await startTns();
    const text = "long 漢 ".repeat(20_000);
    database.on(/^BEGIN/, (parameters) => ({
      ...changed(0),
      outputs: new Map([["R", { type: { kind: "clob" }, value: parameters.get("T") ?? null }]]),
    }));
    const connection = await connect();
    for (let round = 0; round < 3; round += 1) {
      const { outBinds } = await connection.execute<{ r: oracledb.Lob }>("BEGIN P(:t, :r); END;", {
        t: text,
        r: { dir: oracledb.BIND_OUT, type: oracledb.CLOB },
      });
      expect(await outBinds?.r.getData()).toBe(text);
      await outBinds?.r.close();
    }
    await connection.ping();
    // What the blocks gave back is not temporary.
    expect(server.connections[0]?.session?.openLobs).toBe(3);
    expect(database.statements[0]?.parameters.find(({ name }) => name === "T")).toMatchObject({
      type: { kind: "clob" },
      value: text,
    });
  });
});

describe("values that do not fit their type", () => {
  it("are an error that says so, and no wrong bytes", async () => {
    const { database, server, connect } = await startTns();
    database.on(/^SELECT/, () => rowsOf({ V: { kind: "oracle_date" } }, [["yesterday"]]));
    const connection = await connect();
    const failure = await failureOf(connection.execute("SELECT V FROM T"));
    expect(failure.errorNum).toBe(20_999);
    expect(failure.message).toContain('"yesterday" is no ISO date');
    expect(server.troubles).toHaveLength(1);
  });
});
