// Commit order is neither timestamp order nor rowversion order: whatever transactions last, each strategy must end with what
// the source holds. The same property without the safe bound must fail, or it would prove nothing.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCatalogue } from "#agent/connectors/sql-server/catalogue.ts";
import { askOne, SQL_SERVER_DIALECT, SqlServerConnection } from "#agent/connectors/sql-server/connection.ts";
import { SchemaWatch } from "#agent/connectors/sql-server/schema-watch.ts";
import type { Cursor, ReadRequest, SourceBatch } from "#agent/core/source/connector.ts";
import type { ChangeStrategy, EntityPlan } from "#agent/core/source/plan.ts";
import type { SqlSource } from "#agent/core/sql/sql-source.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import { shapeEntities } from "#agent/core/sql/table-shape.ts";
import { systemClock } from "#common/runtime/clock.ts";
import type { WriterTransaction } from "#test/support/sql-engine/writer-transaction.ts";
import { type Plant, startPlant } from "./plant.ts";

const WRITERS = 4;
const KEYS_PER_WRITER = 3;
const never = new AbortController().signal;

type Step =
  | { readonly op: "write" | "delete"; readonly writer: number; readonly key: number }
  | { readonly op: "commit" | "rollback"; readonly writer: number }
  /** Poll; if there is a `committing` writer, it commits just before that statement of the reader. */
  | { readonly op: "poll"; readonly committing?: number | undefined; readonly before?: "page" | "bound" };

const STATEMENTS = {
  page: /^SELECT TOP \(2\)/,
  bound: /^SELECT CONVERT\(varchar\(18\), MIN_ACTIVE/,
} as const;

interface Reading {
  read(request: ReadRequest): AsyncIterable<SourceBatch>;
}

function stepOf(ops: readonly ("write" | "delete")[]): fc.Arbitrary<Step> {
  const writer = fc.nat({ max: WRITERS - 1 });
  const key = fc.nat({ max: KEYS_PER_WRITER - 1 });
  return fc.oneof(
    { weight: 5, arbitrary: fc.record({ op: fc.constantFrom(...ops), writer, key }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("commit" as const), writer }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("rollback" as const), writer }) },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constant("poll" as const),
        committing: fc.option(writer, { nil: undefined }),
        before: fc.constantFrom("page" as const, "bound" as const),
      }),
    },
  );
}

function planOf(table: string, change: ChangeStrategy): EntityPlan {
  return {
    entity: "work_order",
    table: { name: table },
    key: ["id"],
    columns: ["id", "title"],
    filters: [],
    change,
    children: [],
  };
}

const byRowversion = planOf("stamped", { kind: "counter", column: "stamp" });
const byTime = (overlapMs: number): EntityPlan =>
  planOf("timed", { kind: "timestamp", column: "changed", format: "utc", overlapMs });
const anyhow = (table: string): EntityPlan => planOf(table, { kind: "full_scan" });

let plant: Plant;

beforeAll(async () => {
  plant = await startPlant();
  for (const table of ["stamped", "timed", "tracked", "captured"]) {
    const stamp = table === "stamped" ? ", stamp rowversion" : "";
    await plant.sql(
      `CREATE TABLE ${table} (id int NOT NULL PRIMARY KEY, title nvarchar(20), changed datetime2(3)${stamp})`,
    );
  }
  plant.track("tracked");
  plant.capture("captured");
});

afterAll(() => plant[Symbol.asyncDispose]());

/** Plays the steps, polling in between; two seconds pass with each step. Gives what was read and what is there. */
async function play(
  steps: readonly Step[],
  table: string,
  reading: Reading,
): Promise<{ read: unknown; source: unknown; idle: number }> {
  plant.database.delete(table, {});
  const startMs = Date.now() - 86_400_000;
  const seen = new Map<string, unknown>();
  const open = new Map<number, WriterTransaction>();
  let cursor: Cursor | undefined;
  const poll = async (): Promise<number> => {
    let rows = 0;
    const request = {
      entity: "work_order",
      pass: "incremental",
      after: cursor,
      maxRows: 2,
      signal: never,
    } as const;
    for await (const batch of reading.read(request)) {
      for (const { op, key, columns } of batch.rows) {
        if (op === "delete") seen.delete(key[0]!);
        else seen.set(key[0]!, columns["title"]);
      }
      rows += batch.rows.length;
      cursor = JSON.parse(JSON.stringify(batch.cursor)) as Cursor;
    }
    return rows;
  };
  await poll();
  for (const [index, step] of steps.entries()) {
    if (step.op === "poll") {
      const committing = open.get(step.committing ?? -1);
      if (committing !== undefined) {
        open.delete(step.committing!);
        plant.database.faults.beforeNext(STATEMENTS[step.before ?? "page"], () => committing.commit());
      }
      await poll();
      // The reader did not ask for it this time.
      plant.database.faults.release();
      if (committing?.transaction.isOpen === true) committing.commit();
      continue;
    }
    const writing = open.get(step.writer) ?? plant.database.begin();
    open.set(step.writer, writing);
    if (!("key" in step)) {
      writing[step.op]();
      open.delete(step.writer);
      continue;
    }
    const id = step.writer * 10 + step.key;
    const changed = new Date(startMs + index * 2000).toISOString().replace("T", " ").slice(0, 23);
    const row = { title: `step ${index}`, changed };
    if (step.op === "delete") writing.delete(table, { id });
    else if (writing.update(table, { id }, row) === 0) writing.insert(table, { id, ...row });
  }
  for (const writing of open.values()) writing.commit();
  await poll();
  const rows = await plant.rows(`SELECT id, title FROM ${table} ORDER BY id`);
  const read = [...seen].toSorted(([one], [other]) => Number(one) - Number(other));
  return { read, source: rows, idle: await poll() };
}

function property(
  table: string,
  reading: Reading,
  ops: readonly ("write" | "delete")[],
): fc.IAsyncProperty<[Step[]]> {
  return fc.asyncProperty(fc.array(stepOf(ops), { minLength: 4, maxLength: 24 }), async (steps) => {
    const { read, source } = await play(steps, table, reading);
    expect(read).toEqual(source);
  });
}

const late: readonly Step[] = [
  { op: "write", writer: 0, key: 0 },
  { op: "write", writer: 1, key: 0 },
  { op: "commit", writer: 1 },
  { op: "poll" },
  { op: "commit", writer: 0 },
];

describe("each strategy ends with what the source holds", () => {
  test.each<[string, EntityPlan, string, readonly ("write" | "delete")[]]>([
    ["rowversion", byRowversion, "counter stamp", ["write"]],
    ["a rowversion in place of a full scan", anyhow("stamped"), "counter stamp", ["write"]],
    ["change tracking", anyhow("tracked"), "change_tracking", ["write", "write", "delete"]],
    ["CDC", anyhow("captured"), "cdc dbo_captured", ["write", "write", "delete"]],
    ["a time with an overlap", byTime(600_000), "timestamp changed", ["write"]],
  ])("%s", async (_name, plan, strategy, ops) => {
    await using connector = plant.connector([plan]);
    await connector.open(never);
    expect(connector.strategies()).toMatchObject([{ strategy }]);
    await fc.assert(property(plan.table.name, connector, ops), { numRuns: 20 });
    const { read, source, idle } = await play(late, plan.table.name, connector);
    expect(read).toEqual(source);
    expect(plan.change.kind === "timestamp" ? 0 : idle).toBe(0);
  });
});

/** The same reader over the same server; `late`: with the bound, read after the snapshot was taken. */
async function unsafeReader(
  connection: SqlServerConnection,
  plan: EntityPlan,
  bound: "none" | "late",
): Promise<TableReader> {
  const catalogue = await connection.run(never, (session) => readCatalogue(session, [plan], "reader"));
  const watch = new SchemaWatch(catalogue, () => Promise.resolve(catalogue.fingerprint));
  const source: SqlSource = {
    dialect: SQL_SERVER_DIALECT,
    transaction: (_lane, signal, work) =>
      connection.transaction(signal, { isolation: "SNAPSHOT", watch }, async (session) => {
        if (bound === "late") await askOne(session, `SELECT TOP (1) id FROM ${plan.table.name}`);
        return await work(session);
      }),
    ...(bound === "none"
      ? {}
      : {
          counterCeiling: async (session) =>
            String((await askOne(session, "SELECT CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1)"))[0]),
        }),
  };
  const shapes = shapeEntities([plan], catalogue);
  return new TableReader({ source, shapes, clock: systemClock, timeZone: "UTC" });
}

describe("without the safe bound", () => {
  test.each<[string, EntityPlan, "none" | "late"]>([
    ["a rowversion read up to its highest value", byRowversion, "none"],
    ["a rowversion below a bound that is younger than the snapshot", byRowversion, "late"],
    ["a plain `ts > last`", byTime(0), "none"],
  ])("%s loses commits: the same property finds them", async (_name, plan, bound) => {
    await using connection = new SqlServerConnection(plant.settings(), systemClock);
    const reader = await unsafeReader(connection, plan, bound);
    const outcome = await fc.check(property(plan.table.name, reader, ["write"]), {
      numRuns: 200,
      endOnFailure: true,
    });
    expect(outcome.failed).toBe(true);
    expect(String(outcome.errorInstance)).toContain("to deeply equal");
  });
});
