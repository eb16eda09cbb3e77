// Commit order is not timestamp order: whatever transactions last, the strategy must end with what the source holds.
// The same property against the plain `ts > last` must fail, or it would prove nothing.
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCatalogue } from "#agent/connectors/postgres/catalogue.ts";
import { PostgresConnection, POSTGRES_DIALECT } from "#agent/connectors/postgres/connection.ts";
import { postgresDefinition, type PostgresSettings } from "#agent/connectors/postgres/definition.ts";
import type { Cursor, ReadRequest, SourceBatch } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { SqlSource } from "#agent/core/sql/sql-source.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import { shapeEntities } from "#agent/core/sql/table-shape.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { startPostgres, type TestPostgres } from "#test/support/postgres.ts";

const WRITERS = 4;
const KEYS_PER_WRITER = 3;
const never = new AbortController().signal;

const plan: EntityPlan = {
  entity: "work_order",
  table: { name: "workorder" },
  key: ["id"],
  columns: ["id", "title", "changed"],
  filters: [],
  change: { kind: "timestamp", column: "changed", format: "utc", overlapMs: 0 },
  children: [],
};

type Step =
  | { readonly op: "write"; readonly writer: number; readonly key: number }
  | { readonly op: "commit" | "rollback"; readonly writer: number }
  | { readonly op: "poll" };

const writer = fc.nat({ max: WRITERS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant("write" as const),
      writer,
      key: fc.nat({ max: KEYS_PER_WRITER - 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("commit" as const), writer }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("rollback" as const), writer }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("poll" as const) }) },
);

interface Reading {
  read(request: ReadRequest): AsyncIterable<SourceBatch>;
}

let server: TestPostgres;
let settings: PostgresSettings;
let writers: pg.Client[];

beforeAll(async () => {
  server = await startPostgres();
  const database = await server.createDatabase();
  const { host, port, user, password } = server;
  const parsed = postgresDefinition.parseConfig({
    host,
    port,
    user,
    password,
    database,
    tls: { mode: "disable" },
  });
  if (!parsed.ok) throw new Error("settings must parse");
  settings = parsed.value;
  writers = await Promise.all(Array.from({ length: WRITERS }, () => server.connect(database)));
  await writers[0]!.query("CREATE TABLE workorder (id int PRIMARY KEY, title text, changed timestamptz)");
  await writers[0]!.query("CREATE INDEX ON workorder (changed)");
});

afterAll(async () => {
  await Promise.all(writers.map((client) => client.end()));
  await server[Symbol.asyncDispose]();
});

/** Plays the steps, polling in between; two clock seconds pass with each step. Returns what was read and what is there. */
async function play(
  steps: readonly Step[],
  reading: Reading,
): Promise<{ read: unknown; source: unknown; idle: number }> {
  await writers[0]!.query("TRUNCATE workorder");
  const startMs = Date.now() - 86_400_000;
  const seen = new Map<string, unknown>();
  const isOpen = Array.from({ length: WRITERS }, () => false);
  let cursor: Cursor | undefined;
  const poll = async (): Promise<number> => {
    let rows = 0;
    for await (const batch of reading.read({
      entity: plan.entity,
      pass: "incremental",
      after: cursor,
      maxRows: 2,
      signal: never,
    })) {
      for (const row of batch.rows) seen.set(row.key[0]!, row.columns["title"]);
      rows += batch.rows.length;
      cursor = JSON.parse(JSON.stringify(batch.cursor)) as Cursor;
    }
    return rows;
  };
  await poll();
  for (const [index, current] of steps.entries()) {
    if (current.op === "poll") {
      await poll();
      continue;
    }
    const client = writers[current.writer]!;
    if (current.op === "write") {
      if (!isOpen[current.writer]) await client.query("BEGIN");
      isOpen[current.writer] = true;
      await client.query(
        `INSERT INTO workorder VALUES ($1, $2, to_timestamp($3::float8 / 1000))
         ON CONFLICT (id) DO UPDATE SET title = excluded.title, changed = excluded.changed`,
        [current.writer * 10 + current.key, `step ${index}`, startMs + index * 2000],
      );
    } else if (isOpen[current.writer]) {
      await client.query(current.op);
      isOpen[current.writer] = false;
    }
  }
  for (const [index, client] of writers.entries()) if (isOpen[index]) await client.query("COMMIT");
  await poll();
  const { rows } = await writers[0]!.query<{ id: number; title: string }>(
    "SELECT id, title FROM workorder ORDER BY id",
  );
  return {
    read: [...seen].map(([id, title]) => ({ id: Number(id), title })).sort((a, b) => a.id - b.id),
    source: rows,
    idle: await poll(),
  };
}

function property(reading: Reading): fc.IAsyncProperty<[Step[]]> {
  return fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
    const { read, source } = await play(steps, reading);
    expect(read).toEqual(source);
  });
}

describe("timestamp with row versions", () => {
  test("ends with what the source holds, and idle polls give nothing", async () => {
    await using connector = postgresDefinition.create(settings, {
      connection: "test",
      plans: [plan],
      timeZone: "UTC",
      clock: systemClock,
      logger: silentLogger,
      dataDir: "",
    });
    await connector.open(never);
    await fc.assert(property(connector), { numRuns: 60 });
    const late: Step[] = [
      { op: "write", writer: 0, key: 0 },
      { op: "write", writer: 1, key: 0 },
      { op: "commit", writer: 1 },
      { op: "poll" },
      { op: "commit", writer: 0 },
    ];
    const { read, source, idle } = await play(late, connector);
    expect(read).toEqual(source);
    expect(idle).toBe(0);
  });
});

/** The strategy of sources without row versions, over the same server. */
async function plainReader(connection: PostgresConnection, overlapMs: number): Promise<TableReader> {
  const change = { kind: "timestamp", column: "changed", format: "utc", overlapMs } as const;
  const plans = [{ ...plan, change }];
  const catalogue = await connection.transaction(never, (session) => readCatalogue(session, plans, settings));
  const source: SqlSource = {
    dialect: POSTGRES_DIALECT,
    transaction: (_lane, signal, work) => connection.transaction(signal, work),
  };
  const shapes = shapeEntities(plans, catalogue);
  return new TableReader({ source, shapes, clock: systemClock, timeZone: "UTC" });
}

describe("without row versions", () => {
  test("a plain `ts > last` loses commits: the same property finds them", async () => {
    await using connection = new PostgresConnection(settings, systemClock);
    const outcome = await fc.check(property(await plainReader(connection, 0)), {
      numRuns: 60,
      endOnFailure: true,
    });
    expect(outcome.failed).toBe(true);
    expect(String(outcome.errorInstance)).toContain("to deeply equal");
  });

  test("an overlap as long as the transactions holds, at the price of reading again", async () => {
    await using connection = new PostgresConnection(settings, systemClock);
    const outcome = await fc.check(property(await plainReader(connection, 600_000)), { numRuns: 30 });
    expect(outcome.errorInstance).toBeNull();
    expect(outcome.failed).toBe(false);
  });
});
