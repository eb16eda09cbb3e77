// The postgres connector on a real server: what the conformance suite does not ask of every source.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { postgresDefinition } from "#agent/connectors/postgres/definition.ts";
import type { Connector, Cursor, Pass, SourceRow } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { ConnectorError } from "#common/runtime/errors.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import { startPostgres, type TestPostgres } from "#test/support/postgres.ts";

const never = new AbortController().signal;
const authority = new CertificateAuthority();
const stranger = new CertificateAuthority();

const plan: EntityPlan = {
  entity: "asset",
  table: { name: "asset" },
  key: ["id"],
  columns: ["id", "name", "changed"],
  filters: [],
  change: { kind: "timestamp", column: "changed", format: "utc", overlapMs: 1000 },
  children: [],
};

let server: TestPostgres;
let database: string;
let admin: pg.Client;
let dir: string;
const opened: Connector[] = [];

function connect(plans: readonly EntityPlan[] = [plan], settings: Record<string, unknown> = {}): Connector {
  const { host, port, user, password } = server;
  const base = { host, port, user, password, database, tls: { mode: "disable" } };
  const parsed = postgresDefinition.parseConfig({ ...base, ...settings });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  const context = {
    connection: "test",
    plans,
    timeZone: "UTC",
    clock: systemClock,
    logger: silentLogger,
    dataDir: dir,
  };
  const connector = postgresDefinition.create(parsed.value, context);
  opened.push(connector);
  return connector;
}

async function read(
  connector: Connector,
  pass: Pass,
  after?: Cursor,
): Promise<{ rows: SourceRow[]; cursor: Cursor }> {
  const rows: SourceRow[] = [];
  let cursor = after;
  for await (const batch of connector.read({ entity: "asset", pass, after, maxRows: 100, signal: never })) {
    rows.push(...batch.rows);
    cursor = batch.cursor;
  }
  return { rows, cursor: cursor ?? {} };
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "millrace-tls-"));
  const { certificatePem, privateKeyPem } = authority.issue({ commonName: "plant", hosts: ["127.0.0.1"] });
  server = await startPostgres({ tls: { key: privateKeyPem, certificate: certificatePem } });
  writeFileSync(join(dir, "ca.pem"), authority.certificatePem);
  writeFileSync(join(dir, "stranger.pem"), stranger.certificatePem);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(async () => {
  database = await server.createDatabase();
  admin = await server.connect(database);
  await admin.query(`
    CREATE TABLE asset (id int PRIMARY KEY, name text, changed timestamptz DEFAULT now());
    CREATE INDEX ON asset (changed);
    INSERT INTO asset SELECT n, 'pump ' || n, now() - interval '1 day' FROM generate_series(1, 20) n`);
});

afterEach(async () => {
  for (const connector of opened.splice(0)) await connector[Symbol.asyncDispose]();
  await admin.end();
});

describe("row versions", () => {
  test("frozen rows are old, and changed ones new, after VACUUM FREEZE", async () => {
    const connector = connect();
    await connector.open(never);
    const { cursor } = await read(connector, "incremental");
    await admin.query("VACUUM FREEZE asset");
    await admin.query("UPDATE asset SET name = 'x', changed = now() WHERE id = 7");
    await admin.query("VACUUM FREEZE asset");
    const changed = await read(connector, "incremental", cursor);
    expect(changed.rows.map((row) => row.key)).toEqual([["7"]]);
    expect((await read(connector, "incremental", changed.cursor)).rows).toEqual([]);
  });

  test("a transaction counter that went back is a restored source; so are too many transactions", async () => {
    const connector = connect();
    await connector.open(never);
    const { cursor } = await read(connector, "incremental");
    const [slot, state] = Object.entries(cursor).find(([name]) => name.startsWith("own"))! as [
      string,
      Cursor,
    ];
    const ahead = String(BigInt(state["horizon"] as string) + 1_000_000n);
    const behind = String(BigInt(state["horizon"] as string) - 2n ** 31n);
    for (const horizon of [ahead, behind]) {
      const moved = { ...cursor, [slot]: { ...state, horizon } };
      await expect(read(connector, "incremental", moved)).rejects.toMatchObject({ kind: "cursor_lost" });
    }
  });

  test("an unrelated long transaction does not hold changes back", async () => {
    const connector = connect();
    await connector.open(never);
    const { cursor } = await read(connector, "incremental");
    const idler = await server.connect(database);
    await idler.query("CREATE TABLE other (n int); BEGIN; INSERT INTO other VALUES (1)");
    await admin.query("INSERT INTO asset VALUES (99, 'new')");
    const first = await read(connector, "incremental", cursor);
    expect(first.rows.map((row) => row.key)).toEqual([["99"]]);
    await idler.query("COMMIT");
    await idler.end();
    const second = await read(connector, "incremental", first.cursor);
    expect((await read(connector, "incremental", second.cursor)).rows).toEqual([]);
  });

  test("a view has none: the overlap of the pack holds", async () => {
    await admin.query("CREATE VIEW asset_view AS SELECT * FROM asset");
    const connector = connect([{ ...plan, table: { name: "asset_view" } }]);
    await connector.open(never);
    expect(connector.strategies()[0]).toMatchObject({
      reason: expect.stringContaining("a view has no row versions"),
      advice: expect.stringContaining("No index"),
    });
    const { cursor } = await read(connector, "incremental");
    await admin.query("INSERT INTO asset VALUES (99, 'new')");
    expect((await read(connector, "incremental", cursor)).rows.map((row) => row.key)).toContainEqual(["99"]);
    expect((await read(connector, "snapshot")).rows).toHaveLength(21);
  });

  test("a partitioned table is followed across its partitions", async () => {
    await admin.query(`
      CREATE TABLE part (id int, name text, changed timestamptz, PRIMARY KEY (id)) PARTITION BY HASH (id);
      CREATE TABLE part0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE part1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1)`);
    const connector = connect([{ ...plan, table: { schema: "public", name: "part" } }]);
    await connector.open(never);
    const { cursor } = await read(connector, "incremental");
    await admin.query("INSERT INTO part SELECT n, 'p', now() FROM generate_series(1, 6) n");
    const { rows, cursor: next } = await read(connector, "incremental", cursor);
    expect(rows).toHaveLength(6);
    expect((await read(connector, "incremental", next)).rows).toEqual([]);
  });
});

describe("failures", () => {
  test("rights: every missing GRANT at once, ready to be run", async () => {
    await admin.query(
      `CREATE USER ${database} PASSWORD 'x'; CREATE SCHEMA plant; CREATE TABLE plant.po (id int PRIMARY KEY)`,
    );
    const po = {
      ...plan,
      entity: "po",
      table: { schema: "plant", name: "po" },
      columns: ["id"],
      change: { kind: "full_scan" },
    } as const;
    const connector = connect([plan, po], { user: database, password: "x" });
    const opening = connector.open(never);
    await expect(opening).rejects.toMatchObject({ kind: "misconfigured" });
    const grants = [
      `GRANT USAGE ON SCHEMA "plant" TO "${database}";`,
      `GRANT SELECT ON public.asset TO "${database}";`,
      `GRANT SELECT ON plant.po TO "${database}";`,
    ];
    for (const grant of grants) {
      await expect(opening).rejects.toThrow(grant);
      await admin.query(grant);
    }
    await connector.open(never);
    expect((await read(connector, "snapshot")).rows).toHaveLength(20);
    await connector[Symbol.asyncDispose]();
    await admin.query(`DROP OWNED BY ${database}; DROP USER ${database}`);
  });

  test("a backend that is terminated is unavailable, and the next read has a new connection", async () => {
    const connector = connect();
    await connector.open(never);
    await read(connector, "incremental");
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace'",
    );
    // Whether the broken connection was noticed before the read or by it: the next one is new.
    const outcomes = await Promise.allSettled([
      read(connector, "incremental"),
      read(connector, "incremental"),
    ]);
    const kinds = outcomes.map((outcome) =>
      outcome.status === "rejected" ? (outcome.reason as ConnectorError).kind : "read",
    );
    expect(["unavailable", "read"]).toEqual(expect.arrayContaining(kinds));
    expect((await read(connector, "keys")).rows).toHaveLength(20);
  });

  test("no such database, no such host, a statement that takes too long, a value that cannot be read", async () => {
    await expect(connect([plan], { database: "nowhere" }).open(never)).rejects.toMatchObject({
      kind: "misconfigured",
    });
    await expect(connect([plan], { port: 1 }).open(never)).rejects.toMatchObject({ kind: "unavailable" });
    await admin.query(`
      CREATE VIEW slow AS SELECT id, name, changed, pg_sleep(5)::text AS nap FROM asset;
      CREATE VIEW broken AS SELECT id, name, changed, 1 / (id - 3) AS ratio FROM asset`);
    const slow = connect(
      [{ ...plan, table: { name: "slow" }, columns: ["id", "nap"], change: { kind: "full_scan" } }],
      {
        statement_timeout_ms: 200,
      },
    );
    await slow.open(never);
    await expect(read(slow, "snapshot")).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("statement_timeout_ms"),
    });
    const broken = connect([
      { ...plan, table: { name: "broken" }, columns: ["id", "ratio"], change: { kind: "full_scan" } },
    ]);
    await broken.open(never);
    const { rows } = await read(broken, "snapshot");
    expect(rows).toHaveLength(20);
    expect(rows.filter((row) => row.unreadable !== undefined)).toMatchObject([
      { key: ["3"], unreadable: expect.stringContaining("division by zero") },
    ]);
  });

  describe("a server that accepts and says nothing", () => {
    let silent: Server;
    const sockets: Socket[] = [];

    beforeEach(async () => {
      silent = createServer((socket) => void sockets.push(socket.on("error", () => {})));
      silent.listen(0, "127.0.0.1");
      await once(silent, "listening");
    });

    afterEach(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });

    test("is given up after the connect timeout, and at once on abort", async () => {
      const { port } = silent.address() as { port: number };
      await expect(connect([plan], { port, connect_timeout_ms: 200 }).open(never)).rejects.toMatchObject({
        kind: "unavailable",
      });
      const control = new AbortController();
      const opening = connect([plan], { port, connect_timeout_ms: 100_000 }).open(control.signal);
      control.abort();
      await expect(opening).rejects.toMatchObject({ kind: "unavailable" });
    });
  });
});

describe("TLS", () => {
  test("verifies by default: a known authority passes, an unknown one and a wrong name do not", async () => {
    const tls = { mode: "verify-full", ca_file: join(dir, "ca.pem") };
    await connect([plan], { tls }).open(never);
    const { rows } = await admin.query(
      "SELECT 1 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND a.application_name = 'millrace'",
    );
    expect(rows).toHaveLength(1);
    const unknown = connect([plan], { tls: { ca_file: join(dir, "stranger.pem") } });
    await expect(unknown.open(never)).rejects.toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("tls.ca_file"),
    });
    await expect(connect([plan], { tls, host: "localhost" }).open(never)).rejects.toMatchObject({
      kind: "misconfigured",
    });
    await expect(connect([plan], { tls: {} }).open(never)).rejects.toMatchObject({ kind: "misconfigured" });
    await expect(
      connect([plan], { tls: { ca_file: join(dir, "none.pem") } }).open(never),
    ).rejects.toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("none.pem"),
    });
  });
});

test("settings: every problem at once", () => {
  const parsed = postgresDefinition.parseConfig({
    hots: "x",
    port: 0,
    database: "d",
    user: "u",
    tls: { mode: "prefer" },
  });
  expect(parsed).toEqual({
    ok: false,
    issues: [
      { path: "host", message: "missing: name or address of the database server" },
      { path: "port", message: "expected a whole number from 1 to 65535, got 0" },
      { path: "tls.mode", message: 'expected one of verify-full, disable, got "prefer"' },
      { path: "hots", message: 'unknown setting (did you mean "host"?)' },
    ],
  });
});

test("looks around: schemas, tables, columns, as far as the user may see", async () => {
  await admin.query("CREATE SCHEMA other; CREATE VIEW other.pumps AS SELECT id FROM asset");
  const connector = connect([]);
  await connector.open(never);
  const names = async (...path: string[]): Promise<readonly string[]> =>
    (await connector.browse!(path, never)).map(({ name, kind }) => `${kind} ${name}`);
  expect(await names()).toEqual(["schema other", "schema public"]);
  expect(await names("public")).toEqual(["table asset"]);
  expect(await names("other", "pumps")).toEqual(["column id"]);
  expect(await connector.browse!(["public", "asset"], never)).toMatchObject([
    { path: ["public", "asset", "id"], detail: { type: "integer", nullable: false } },
    { name: "name", detail: { type: "text", nullable: true } },
    { name: "changed" },
  ]);
});
