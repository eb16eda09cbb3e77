// The sqlite connector passes the suite.
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { ConnectorHarness, SourceUnderTest } from "./harness.ts";
import { describeConnector } from "./suite.ts";

function createSource(): SourceUnderTest {
  const dir = mkdtempSync(join(tmpdir(), "millrace-conformance-"));
  const file = join(dir, "plant.db");
  const database = new Database(file);
  database.pragma("journal_mode = WAL");
  return {
    sql: async (statements) => void database.exec(statements),
    rows: async (query) => {
      const rows = database.prepare(query).raw().all() as (string | number | null)[][];
      return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
    },
    connector: (plans, { clock = systemClock, timeZone = "UTC", write } = {}) => {
      const allowed = write && { allow: true, command_log: write.commandLog };
      const parsed = sqliteDefinition.parseConfig({ file, write: allowed });
      if (!parsed.ok) throw new Error("settings must parse");
      const context = { connection: "test", plans, timeZone, clock, logger: silentLogger, dataDir: dir };
      return sqliteDefinition.create(parsed.value, context);
    },
    gone: async () => renameSync(file, `${file}.away`),
    back: async () => renameSync(`${file}.away`, file),
    [Symbol.asyncDispose]: async () => {
      database.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const harness: ConnectorHarness = {
  name: "sqlite",
  types: {
    integer: "INTEGER",
    bigint: "BIGINT",
    text: "VARCHAR(30)",
    quantity: "DECIMAL(15,2)",
    timestamp: "DATETIME",
    localTimestamp: "DATETIME",
    date: "DATE",
  },
  exactCases: [
    { name: "64-bit", type: "BIGINT", literal: "9223372036854775807", expected: "9223372036854775807" },
    { name: "beyond 2^53", type: "INTEGER", literal: "-9007199254740993", expected: "-9007199254740993" },
    { name: "integer", type: "INTEGER", literal: "42", expected: 42 },
    { name: "decimal", type: "DECIMAL(15,2)", literal: "12.5", expected: "12.5" },
    { name: "whole decimal", type: "NUMERIC", literal: "12", expected: "12" },
    { name: "small decimal", type: "DECIMAL(15,9)", literal: "0.00000025", expected: "0.00000025" },
    {
      name: "38 digits as text",
      type: "TEXT",
      literal: "'12345678901234567890123456789012345678'",
      expected: "12345678901234567890123456789012345678",
    },
    { name: "real", type: "REAL", literal: "0.1", expected: 0.1 },
    { name: "infinity", type: "REAL", literal: "9e999", expected: "Infinity" },
    { name: "unicode", type: "TEXT", literal: "'Größe 漢字 🏭'", expected: "Größe 漢字 🏭" },
    { name: "bytes", type: "BLOB", literal: "x'00ff10'", expected: new Uint8Array([0, 255, 16]) },
    {
      name: "microseconds",
      type: "DATETIME",
      literal: "'2024-01-01 10:00:00.123456'",
      expected: "2024-01-01 10:00:00.123456",
    },
    { name: "number in a text column", type: "TEXT", literal: "12", expected: "12" },
  ],
  keyCases: [
    {
      type: "TEXT",
      same: [],
      different: [
        ["abc", "ABC"],
        ["abc", "abc "],
        ["e", "é"],
      ],
    },
    {
      type: "TEXT COLLATE NOCASE",
      same: [["abc", "ABC"]],
      different: [
        ["é", "É"],
        ["abc", "abc "],
      ],
    },
    {
      type: "TEXT COLLATE RTRIM",
      same: [["abc", "abc  "]],
      different: [
        ["abc", "ABC"],
        ["abc", " abc"],
      ],
    },
    {
      type: "INTEGER",
      same: [["7", "7"]],
      different: [
        ["7", "70"],
        ["9007199254740992", "9007199254740993"],
      ],
    },
    { type: "", same: [["7", "7"]], different: [["7", "8"]] },
  ],
  hasPasswords: false,
  isQuietAtOnce: false,
  writes: {
    grants: "",
    longText: "TEXT",
    isServer: false,
    reference:
      "CREATE TABLE receipt (site TEXT, ponum TEXT, FOREIGN KEY (site, ponum) REFERENCES po (site, ponum));" +
      "INSERT INTO receipt VALUES ('S1', 'PO-1');",
  },
  create: async () => createSource(),
};

describeConnector(harness);
