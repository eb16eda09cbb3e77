// Named queries on a real PostgreSQL: exact types, and nothing that would write, however it is spelled.
import { afterAll, beforeAll, expect, test } from "vitest";
import { postgresDefinition } from "#agent/connectors/postgres/definition.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { QueryResult, QueryValue } from "#agent/core/source/query.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { startPostgres, type TestPostgres } from "#test/support/postgres.ts";

const signal = new AbortController().signal;
let server: TestPostgres;
let connector: Connector;

beforeAll(async () => {
  server = await startPostgres();
  const database = await server.createDatabase();
  const admin = await server.connect(database);
  await admin.query(
    "CREATE TABLE t (id int PRIMARY KEY, n numeric(30,5)); INSERT INTO t VALUES (1, 2.5); CREATE SEQUENCE s;",
  );
  await admin.query("CREATE ROLE asker LOGIN PASSWORD 'asks'; GRANT ALL ON t, s TO asker;");
  await admin.end();
  const place = { host: server.host, port: server.port, database, user: "asker", password: "asks" };
  const parsed = postgresDefinition.parseConfig({ ...place, tls: { mode: "disable" } });
  if (!parsed.ok) throw new Error("settings must parse");
  const context = { connection: "test", plans: [], timeZone: "UTC", clock: systemClock };
  connector = postgresDefinition.create(parsed.value, { ...context, logger: silentLogger, dataDir: "" });
  await connector.open(signal);
});
afterAll(async () => {
  await connector[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function query(statement: string, given: Readonly<Record<string, QueryValue>> = {}): Promise<QueryResult> {
  const parameters = Object.entries(given).map(([name, value]) => ({ name, value }));
  return connector.query!({ statement, parameters, maxRows: 1000, signal });
}

test("values are exact, parameters take the type of where they stand", async () => {
  const answer = await query(
    `SELECT n, id, :flag::boolean AS flag, timestamptz '2024-06-01 10:00+02' AS at, '\\x00ff10'::bytea AS raw, 'NaN'::float8 AS nan
     FROM t WHERE id = :id AND n > :least`,
    { flag: true, id: 1, least: "2.49999" },
  );
  expect(answer.columns).toEqual(["n", "id", "flag", "at", "raw", "nan"]);
  expect(answer.rows).toEqual([["2.50000", 1, true, "2024-06-01T08:00:00Z", "AP8Q", "NaN"]]);
  await expect(query("SELECT id FROM t WHERE id = :id", { id: "one" })).rejects.toMatchObject({
    kind: "bad_data",
  });
});

test("more rows than are fetched at a time come whole and in order", async () => {
  const { rows, isTruncated } = await query("SELECT g FROM generate_series(1, 950) AS g ORDER BY g");
  expect(isTruncated).toBe(false);
  expect(rows.map(([value]) => value)).toEqual(Array.from({ length: 950 }, (_, at) => at + 1));
});

test.each([
  "WITH gone AS (DELETE FROM t RETURNING id) SELECT id FROM gone",
  "SELECT nextval('s')",
  "SELECT id FROM t FOR UPDATE",
  "SELECT id INTO u FROM t",
])("is refused: %s", async (statement) => {
  await expect(query(statement)).rejects.toMatchObject({ name: "ConnectorError", kind: "misconfigured" });
  expect((await query("SELECT id FROM t")).rows).toEqual([[1]]);
});
