// The sql-server connector passes the suite over our own server: by the pack's markers with and without snapshots, by change
// tracking and by CDC.
import { ADMINISTRATOR, type SqlServerOptions } from "#test/support/sql-engine/sql-server.ts";
import { startCommitCutter } from "#test/support/commit-cutter.ts";
import { DatabaseError } from "#test/support/sql-engine/session.ts";
import { type Plant, startPlant } from "#test/agent/connectors/sql-server/plant.ts";
import type { ConnectorHarness, SourceUnderTest } from "./harness.ts";
import { setStatus } from "./set-status.ts";
import { describeConnector } from "./suite.ts";

const never = new AbortController().signal;

const SET_STATUS = ["site", "num", "state", "code", "message"].map((name) => ({
  name,
  type: { kind: "nvarchar", length: 30 } as const,
  isOutput: name === "code" || name === "message",
}));

type Feed = "none" | "change_tracking" | "cdc";

async function createSource(feed: Feed, options: SqlServerOptions): Promise<SourceUnderTest> {
  const plant = await startPlant(options);
  plant.database.defineProcedure("set_status", setStatus("po"), SET_STATUS);
  const wire = await startCommitCutter(plant.server.port, Buffer.from("COMMIT TRANSACTION", "utf16le"));
  return {
    sql: async (statements) => {
      const before = new Set(plant.database.storage.tables);
      await plant.sql(statements).catch(asSuite);
      for (const table of plant.database.storage.tables)
        if (!before.has(table) && table.schema === "dbo") follow(plant, feed, table.name);
    },
    rows: (query) => plant.rows(query),
    connector: (plans, { clock, timeZone = "UTC", wrongPassword = false, write } = {}) => {
      const { user } = plant.settings().login;
      for (const right of write === undefined ? [] : ["INSERT", "UPDATE", "DELETE", "EXECUTE"])
        plant.database.rights.grant(user, right);
      return plant.connector(plans, {
        ...(clock === undefined ? {} : { clock }),
        timeZone,
        settings: {
          ...(wrongPassword ? { password: "guessed" } : {}),
          ...(write && { port: wire.port, write: { allow: true, command_log: write.commandLog } }),
        },
      });
    },
    gone: async () => {
      await plant.server.refuse();
      plant.server.killAll();
    },
    back: () => plant.server.admit(),
    revoke: async (table) => plant.revoke(table),
    block: async (table) => {
      const blocker = plant.database.begin();
      blocker.lockTable(table);
      return {
        isWaitedFor: async () => plant.database.waitingSessions > 0,
        release: async () => blocker.rollback(),
      };
    },
    hold: async (statements) => {
      const holder = plant.database.logIn({
        ...ADMINISTRATOR,
        database: plant.database.name,
        applicationName: "plant",
        isReadOnlyIntent: false,
      });
      await holder.execute(`BEGIN TRANSACTION; ${statements}`, [], never);
      return {
        isWaitedFor: async () => plant.database.waitingSessions > 0,
        release: async () => {
          await holder.execute("COMMIT TRANSACTION", [], never);
          holder.close();
        },
      };
    },
    loseCommit: (when) => wire.cutNextCommit(when),
    [Symbol.asyncDispose]: async () => {
      await wire[Symbol.asyncDispose]();
      await plant[Symbol.asyncDispose]();
    },
  };
}

function follow(plant: Plant, feed: Feed, table: string): void {
  const hasKey = plant.database.storage.table(table).primaryKey !== undefined;
  if (feed === "change_tracking" && hasKey) plant.track(table);
  else if (feed === "cdc") plant.capture(table);
}

/** SQL Server speaks of duplicate keys. */
function asSuite(error: unknown): never {
  const isDuplicate = error instanceof DatabaseError && [2601, 2627].includes(error.number);
  throw isDuplicate ? new Error(`not unique: ${error.message}`) : error;
}

function harness(name: string, feed: Feed, options: SqlServerOptions = {}): ConnectorHarness {
  return {
    name,
    types: {
      integer: "int",
      bigint: "bigint",
      text: "nvarchar(30)",
      quantity: "decimal(15,2)",
      timestamp: "datetimeoffset(3)",
      localTimestamp: "datetime2(0)",
      date: "date",
    },
    exactCases: [
      { name: "64-bit", type: "bigint", literal: "9223372036854775807", expected: "9223372036854775807" },
      { name: "integer", type: "int", literal: "42", expected: 42 },
      { name: "a byte", type: "tinyint", literal: "255", expected: 255 },
      { name: "boolean", type: "bit", literal: "1", expected: true },
      {
        name: "38 digits",
        type: "decimal(38,10)",
        literal: "1234567890123456789012345678.9012345678",
        expected: "1234567890123456789012345678.9012345678",
      },
      { name: "trailing zeros", type: "numeric(12,4)", literal: "12.5", expected: "12.5000" },
      { name: "money", type: "money", literal: "922337203685477.5807", expected: "922337203685477.5807" },
      { name: "small money", type: "smallmoney", literal: "-0.0001", expected: "-0.0001" },
      { name: "double", type: "float", literal: "0.1", expected: 0.1 },
      { name: "single", type: "real", literal: "0.5", expected: 0.5 },
      {
        name: "datetime2",
        type: "datetime2(7)",
        literal: "'2024-06-01T10:00:00.1234567'",
        expected: "2024-06-01T10:00:00.1234567",
      },
      {
        name: "datetime",
        type: "datetime",
        literal: "'2024-06-01T10:00:00.007'",
        expected: "2024-06-01T10:00:00.007",
      },
      { name: "sentinel datetime", type: "datetime", literal: "'17530101'", expected: "1753-01-01T00:00:00" },
      {
        name: "smalldatetime",
        type: "smalldatetime",
        literal: "'2024-06-01T10:05:00'",
        expected: "2024-06-01T10:05:00",
      },
      {
        name: "offset with 100 ns",
        type: "datetimeoffset(7)",
        literal: "'2024-06-01 10:00:00.1234567 +02:00'",
        expected: "2024-06-01T10:00:00.1234567+02:00",
      },
      { name: "date", type: "date", literal: "'2024-06-01'", expected: "2024-06-01" },
      { name: "first date", type: "date", literal: "'0001-01-01'", expected: "0001-01-01" },
      { name: "time", type: "time(7)", literal: "'23:59:59.9999999'", expected: "23:59:59.9999999" },
      {
        name: "uniqueidentifier",
        type: "uniqueidentifier",
        literal: "'0191e0a2-0000-7000-8000-00000000abcd'",
        expected: "0191E0A2-0000-7000-8000-00000000ABCD",
      },
      { name: "bytes", type: "varbinary(10)", literal: "0x00FF10", expected: new Uint8Array([0, 255, 16]) },
      { name: "padded bytes", type: "binary(4)", literal: "0x01", expected: new Uint8Array([1, 0, 0, 0]) },
      { name: "unicode", type: "nvarchar(max)", literal: "N'Größe 漢字 🏭'", expected: "Größe 漢字 🏭" },
      {
        name: "a code page of its own",
        type: "varchar(20) COLLATE Cyrillic_General_CI_AS",
        literal: "N'насос'",
        expected: "насос",
      },
      { name: "padded", type: "nchar(5)", literal: "N'ab'", expected: "ab   " },
      { name: "xml", type: "xml", literal: "N'<a>1</a>'", expected: "<a>1</a>" },
      {
        name: "variant of a decimal",
        type: "sql_variant",
        literal: "CAST(1.10 AS decimal(9,2))",
        expected: "1.10",
      },
      { name: "variant of a text", type: "sql_variant", literal: "N'Größe'", expected: "Größe" },
    ],
    keyCases: [
      {
        type: "nvarchar(20)",
        same: [
          ["abc", "ABC"],
          ["abc", "abc "],
        ],
        different: [["e", "é"]],
      },
      {
        type: "varchar(20) COLLATE Latin1_General_CI_AI",
        same: [["cafe", "Café"]],
        different: [["abc", "abd"]],
      },
      {
        type: "varchar(20) COLLATE Latin1_General_BIN2",
        same: [["abc", "abc  "]],
        different: [
          ["abc", "ABC"],
          ["e", "é"],
        ],
      },
      { type: "char(6)", same: [["abc", "ABC  "]], different: [["abc", "abd"]] },
      { type: "bigint", same: [["7", "7"]], different: [["9007199254740992", "9007199254740993"]] },
      {
        type: "uniqueidentifier",
        same: [["0191e0a2-0000-7000-8000-00000000abcd", "0191E0A2-0000-7000-8000-00000000ABCD"]],
        different: [["0191e0a2-0000-7000-8000-00000000abcd", "0191e0a2-0000-7000-8000-00000000abce"]],
      },
      {
        type: "datetime2(7)",
        same: [],
        different: [["2024-01-01T00:00:00.0000001", "2024-01-01T00:00:00.0000002"]],
      },
      {
        type: "decimal(38,4)",
        same: [],
        different: [["1234567890123456789012345678901234.0001", "1234567890123456789012345678901234.0002"]],
      },
    ],
    hasPasswords: true,
    isQuietAtOnce: feed !== "none",
    hasFeed: feed !== "none",
    ...(feed === "none"
      ? { writes: { grants: "", procedure: "", longText: "nvarchar(4000)", isServer: true } }
      : {}),
    create: () => createSource(feed, options),
  };
}

describeConnector(harness("sql-server", "none"));
describeConnector(
  harness("sql-server without snapshots", "none", { allowsSnapshot: false, readCommittedSnapshot: false }),
);
describeConnector(harness("sql-server with change tracking", "change_tracking"));
describeConnector(harness("sql-server with CDC", "cdc"));
