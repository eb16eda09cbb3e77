// The postgres connector passes the suite, on a real server.
import { afterAll, beforeAll, expect, test } from "vitest";
import { postgresDefinition } from "#agent/connectors/postgres/definition.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { startCommitCutter } from "#test/support/commit-cutter.ts";
import { startPostgres, type TestPostgres } from "#test/support/postgres.ts";
import { type ConnectorHarness, orderPlan, orderTables, Replica, type SourceUnderTest } from "./harness.ts";
import { describeConnector } from "./suite.ts";

const READER = "plant_reader";
const READER_PASSWORD = "reads-only";

let server: TestPostgres;

beforeAll(async () => {
  server = await startPostgres();
  const admin = await server.connect();
  await admin.query(`CREATE USER ${READER} PASSWORD '${READER_PASSWORD}'`);
  await admin.end();
});

afterAll(() => server[Symbol.asyncDispose]());

/** Gives (code, message); refuses the state NO after it has written it. */
const SET_STATUS = `
  CREATE FUNCTION set_status(site text, num text, state text, OUT code text, OUT message text) AS $$
  BEGIN
    UPDATE po SET status = state, stamp = stamp + 1 WHERE po.site = set_status.site AND ponum = num;
    IF state = 'NO' THEN code := '7'; message := 'NO is not allowed'; ELSE code := '0'; message := 'done'; END IF;
  END $$ LANGUAGE plpgsql SECURITY DEFINER;`;

async function createSource(): Promise<SourceUnderTest> {
  const database = await server.createDatabase();
  const wire = await startCommitCutter(server.port);
  let writer = await server.connect(database);
  await writer.query(`
    CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
    CREATE TYPE mood AS ENUM ('running', 'down');
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${READER}`);
  const isWaitedFor = async (): Promise<boolean> => {
    const { rows } = await writer.query(
      "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    return rows.length > 0;
  };
  return {
    sql: async (statements) => void (await writer.query(statements)),
    rows: async (query) => {
      const { rows } = await writer.query<(string | number | null)[]>({ text: query, rowMode: "array" });
      return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
    },
    connector: (plans, { clock = systemClock, timeZone = "UTC", wrongPassword = false, write } = {}) => {
      const parsed = postgresDefinition.parseConfig({
        host: server.host,
        port: write === undefined ? server.port : wire.port,
        database,
        user: READER,
        password: wrongPassword ? "guessed" : READER_PASSWORD,
        tls: { mode: "disable" },
        max_transaction_minutes: 0,
        ...(write && { write: { allow: true, command_log: write.commandLog } }),
      });
      if (!parsed.ok) throw new Error("settings must parse");
      const context = { connection: "test", plans, timeZone, clock, logger: silentLogger, dataDir: "" };
      return postgresDefinition.create(parsed.value, context);
    },
    gone: () => server.stop(),
    back: async () => {
      await server.start();
      writer = await server.connect(database);
    },
    revoke: async (table) => void (await writer.query(`REVOKE SELECT ON ${table} FROM ${READER}`)),
    block: async (table) => {
      const blocker = await server.connect(database);
      await blocker.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      return { isWaitedFor, release: () => blocker.end() };
    },
    hold: async (statements) => {
      const holder = await server.connect(database);
      await holder.query(`BEGIN; ${statements}`);
      return {
        isWaitedFor,
        release: async () => {
          await holder.query("COMMIT");
          await holder.end();
        },
      };
    },
    loseCommit: (when) => wire.cutNextCommit(when),
    [Symbol.asyncDispose]: async () => {
      await writer.end();
      await wire[Symbol.asyncDispose]();
    },
  };
}

const harness: ConnectorHarness = {
  name: "postgres",
  writes: {
    grants: `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${READER};`,
    procedure: SET_STATUS,
    longText: "text",
    isServer: true,
    reference:
      "CREATE TABLE receipt (site text, ponum text, FOREIGN KEY (site, ponum) REFERENCES po (site, ponum));" +
      "INSERT INTO receipt VALUES ('S1', 'PO-1');",
  },
  types: {
    integer: "int",
    bigint: "bigint",
    text: "varchar(30)",
    quantity: "numeric(15,2)",
    timestamp: "timestamptz",
    localTimestamp: "timestamp",
    date: "date",
  },
  exactCases: [
    { name: "64-bit", type: "bigint", literal: "9223372036854775807", expected: "9223372036854775807" },
    { name: "integer", type: "int", literal: "42", expected: 42 },
    {
      name: "38 digits",
      type: "numeric(38,10)",
      literal: "1234567890123456789012345678.9012345678",
      expected: "1234567890123456789012345678.9012345678",
    },
    { name: "trailing zeros", type: "numeric(12,4)", literal: "12.5", expected: "12.5000" },
    { name: "not a number", type: "numeric", literal: "'NaN'", expected: "NaN" },
    { name: "double", type: "float8", literal: "0.1", expected: 0.1 },
    { name: "infinite double", type: "float8", literal: "'-Infinity'", expected: "-Infinity" },
    { name: "unicode", type: "text", literal: "'Größe 漢字 🏭'", expected: "Größe 漢字 🏭" },
    {
      name: "timestamptz",
      type: "timestamptz",
      literal: "'2024-06-01 10:00:00.123456+02'",
      expected: "2024-06-01T08:00:00.123456Z",
    },
    { name: "endless timestamptz", type: "timestamptz", literal: "'infinity'", expected: "infinity" },
    {
      name: "timestamp",
      type: "timestamp",
      literal: "'2024-06-01 10:00:00.000001'",
      expected: "2024-06-01T10:00:00.000001",
    },
    { name: "date", type: "date", literal: "'2024-06-01'", expected: "2024-06-01" },
    { name: "date before Christ", type: "date", literal: "'0044-03-15 BC'", expected: "0044-03-15 BC" },
    { name: "boolean", type: "boolean", literal: "true", expected: true },
    { name: "bytes", type: "bytea", literal: "'\\x00ff10'", expected: new Uint8Array([0, 255, 16]) },
    { name: "json", type: "jsonb", literal: `'{"a": 1.10}'`, expected: '{"a": 1.10}' },
    { name: "array", type: "text[]", literal: "ARRAY['a', 'b c']", expected: '{a,"b c"}' },
    { name: "enum", type: "mood", literal: "'down'", expected: "down" },
    { name: "padded", type: "char(5)", literal: "'ab'", expected: "ab   " },
    {
      name: "uuid",
      type: "uuid",
      literal: "'0191e0a2-0000-7000-8000-000000000001'",
      expected: "0191e0a2-0000-7000-8000-000000000001",
    },
  ],
  keyCases: [
    {
      type: "text",
      same: [],
      different: [
        ["abc", "ABC"],
        ["abc", "abc "],
        ["e", "é"],
      ],
    },
    { type: "char(6)", same: [["abc", "abc  "]], different: [["abc", "ABC"]] },
    {
      type: "text COLLATE loose",
      same: [
        ["abc", "ABC"],
        ["cafe", "Café"],
      ],
      different: [["abc", "abd"]],
    },
    { type: "bigint", same: [["7", "7"]], different: [["9007199254740992", "9007199254740993"]] },
    {
      type: "timestamptz",
      same: [],
      different: [["2024-01-01T00:00:00.000001Z", "2024-01-01T00:00:00.000002Z"]],
    },
  ],
  hasPasswords: true,
  isQuietAtOnce: true,
  create: createSource,
};

describeConnector(harness);

test("a row that the server fails to convert is told alone; all others are read", async () => {
  await using source = await createSource();
  await source.sql(orderTables({ ...harness.types, quantity: "text" }));
  await source.sql(`
    ALTER TABLE po RENAME TO po_text;
    CREATE VIEW po AS SELECT site, ponum, status, total::numeric AS total, changed, stamp FROM po_text;
    INSERT INTO po_text SELECT 'A', 'PO-' || n, 'NEW', CASE n WHEN 7 THEN '12,50' ELSE '12.50' END, now(), n
      FROM generate_series(1, 12) AS n;`);
  await using connector = source.connector([orderPlan("counter")]);
  await connector.open(new AbortController().signal);
  const rows = await new Replica(connector, "purchase_order").pass("snapshot");
  expect(rows).toHaveLength(12);
  expect(rows.filter((row) => row.unreadable !== undefined)).toMatchObject([
    { key: ["A", "PO-7"], columns: {}, unreadable: expect.stringContaining("12,50") as string },
  ]);
});
