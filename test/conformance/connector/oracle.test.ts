// The oracle connector passes the suite through the real driver on our own server, with as few rights as it needs and with more.
import { describe } from "vitest";
import { OraclePlant, type OraclePlantOptions } from "#test/support/oracle-plant.ts";
import type { ConnectorHarness, SourceUnderTest } from "./harness.ts";
import { describeChanges } from "./changes-suite.ts";
import { setStatus } from "./set-status.ts";
import { describeConnector } from "./suite.ts";

async function createSource(options: OraclePlantOptions, isLogged: boolean): Promise<SourceUnderTest> {
  const plant = await OraclePlant.start(options);
  plant.database.defineProcedure("set_status", setStatus("plant.po"));
  return {
    sql: async (statements) => {
      await plant.sql(statements);
      if (!isLogged) return;
      for (const [, table] of statements.matchAll(/CREATE TABLE (po|poline)\b/g)) {
        await plant.sql(`CREATE MATERIALIZED VIEW LOG ON ${table!} WITH PRIMARY KEY`);
      }
    },
    rows: (query) => plant.rows(query),
    connector: (plans, { wrongPassword = false, write, ...more } = {}) => {
      if (write !== undefined) plant.allowWrites();
      const settings = {
        ...(wrongPassword ? { password: "guessed" } : {}),
        ...(write && { write: { allow: true, command_log: write.commandLog } }),
      };
      return plant.connector(plans, { ...more, settings });
    },
    hold: (statements) => plant.hold(statements),
    loseCommit: (when) => {
      const fault =
        when === "before" ? ({ kind: "drop" } as const) : ({ kind: "cut", afterBytes: 0 } as const);
      plant.server.faults.plan(fault, { call: "commit" });
    },
    gone: () => plant.gone(),
    back: () => plant.back(),
    revoke: (table) => plant.revoke(table),
    block: async (table) => {
      plant.database.faults.slow(new RegExp(`FROM "PLANT"\\."${table.toUpperCase()}"`), 600_000, 1000);
      return {
        isWaitedFor: async () => plant.database.faults.waiting > 0,
        release: async () => plant.database.faults.release(),
      };
    },
    [Symbol.asyncDispose]: () => plant[Symbol.asyncDispose](),
  };
}

function harness(
  name: string,
  options: OraclePlantOptions,
  { isLogged = false, hasFeed = false, canWrite = false } = {},
): ConnectorHarness {
  return {
    name,
    hasFeed,
    types: {
      integer: "NUMBER(9)",
      bigint: "NUMBER(19)",
      text: "VARCHAR2(30)",
      quantity: "NUMBER(15,2)",
      timestamp: "TIMESTAMP(3)",
      localTimestamp: "DATE",
      date: "VARCHAR2(10)",
    },
    exactCases: [
      { name: "64-bit", type: "NUMBER(19)", literal: "9223372036854775807", expected: "9223372036854775807" },
      { name: "integer", type: "NUMBER(9)", literal: "42", expected: 42 },
      {
        name: "38 digits",
        type: "NUMBER",
        literal: "1234567890123456789012345678.9012345678",
        expected: "1234567890123456789012345678.9012345678",
      },
      { name: "negative", type: "NUMBER(38)", literal: `-${"9".repeat(38)}`, expected: `-${"9".repeat(38)}` },
      { name: "trailing zeros", type: "NUMBER(12,4)", literal: "12.5", expected: "12.5" },
      { name: "small", type: "NUMBER", literal: "0.00000025", expected: "0.00000025" },
      { name: "double", type: "BINARY_DOUBLE", literal: "0.1", expected: 0.1 },
      { name: "unicode", type: "VARCHAR2(60)", literal: "'Größe 漢字 🏭'", expected: "Größe 漢字 🏭" },
      { name: "national", type: "NVARCHAR2(60)", literal: "N'Größe 漢字 🏭'", expected: "Größe 漢字 🏭" },
      { name: "empty is null", type: "VARCHAR2(5)", literal: "''", expected: null },
      { name: "padded", type: "CHAR(5)", literal: "'ab'", expected: "ab   " },
      { name: "date", type: "DATE", literal: "DATE '2024-06-01'", expected: "2024-06-01 00:00:00" },
      {
        name: "nanoseconds",
        type: "TIMESTAMP(9)",
        literal: "TIMESTAMP '2024-06-01 10:00:00.123456789'",
        expected: "2024-06-01 10:00:00.123456789",
      },
      {
        name: "with its offset",
        type: "TIMESTAMP(3) WITH TIME ZONE",
        literal: "TIMESTAMP '2024-06-01 10:00:00.123 +02:00'",
        expected: "2024-06-01 10:00:00.123+02:00",
      },
      {
        name: "local zone",
        type: "TIMESTAMP(3) WITH LOCAL TIME ZONE",
        literal: "TIMESTAMP '2024-06-01 10:00:00.123 +02:00'",
        expected: "2024-06-01 08:00:00.123Z",
      },
      { name: "float", type: "BINARY_FLOAT", literal: "0.1", expected: Math.fround(0.1) },
      { name: "padded national", type: "NCHAR(3)", literal: "N'漢'", expected: "漢  " },
      { name: "text of old", type: "LONG", literal: "'old 🏭'", expected: "old 🏭" },
      {
        name: "bytes of old",
        type: "LONG RAW",
        literal: "HEXTORAW('00FF')",
        expected: new Uint8Array([0, 255]),
      },
      { name: "long text", type: "CLOB", literal: "'long 🏭'", expected: "long 🏭" },
      { name: "long national text", type: "NCLOB", literal: "N'long 漢字'", expected: "long 漢字" },
      {
        name: "bytes",
        type: "RAW(10)",
        literal: "HEXTORAW('00FF10')",
        expected: new Uint8Array([0, 255, 16]),
      },
      {
        name: "long bytes",
        type: "BLOB",
        literal: "HEXTORAW('00FF10')",
        expected: new Uint8Array([0, 255, 16]),
      },
    ],
    keyCases: [
      {
        type: "VARCHAR2(30)",
        same: [],
        different: [
          ["abc", "ABC"],
          ["abc", "abc "],
          ["e", "é"],
        ],
      },
      { type: "NVARCHAR2(30)", same: [], different: [["漢", "字"]] },
      { type: "CHAR(6)", same: [["abc", "abc  "]], different: [["abc", "ABC"]] },
      {
        type: "NUMBER(19)",
        same: [["7", "7"]],
        different: [["9007199254740992", "9007199254740993"]],
      },
      { type: "RAW(16)", same: [["0AFF", "0AFF"]], different: [["0AFF", "0AFE"]] },
    ],
    hasPasswords: true,
    isQuietAtOnce: true,
    tableName: (table) => `"PLANT"."${table.toUpperCase()}"`,
    ...(canWrite
      ? { writes: { grants: "", procedure: "", longText: "VARCHAR2(4000)", isServer: true } }
      : {}),
    create: () => createSource(options, isLogged),
  };
}

const FLASHBACK = { rights: ["scn", "flashback"] } as const;

describeConnector(harness("oracle", {}, { canWrite: true }));
describeConnector(harness("oracle with FLASHBACK", FLASHBACK));
describe("connector oracle by versions", () => {
  const options = { ...FLASHBACK, settings: { changes: "flashback" } };
  describeChanges(harness("oracle by versions", options, { hasFeed: true }));
});
describeConnector(harness("oracle with materialized view logs", {}, { isLogged: true, hasFeed: true }));
