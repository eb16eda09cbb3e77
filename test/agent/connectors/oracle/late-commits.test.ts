// Commit order is not timestamp order: whatever transactions last, every strategy ends with what the source holds. The same
// property without change numbers, or with one that is taken too late, must fail, or it would prove nothing.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OracleConnection } from "#agent/connectors/oracle/connection.ts";
import { ORACLE_DIALECT } from "#agent/connectors/oracle/dialect.ts";
import { openSource } from "#agent/connectors/oracle/open-source.ts";
import { committedAfter } from "#agent/connectors/oracle/scn.ts";
import type { Connector, Cursor, ReadRequest, SourceBatch } from "#agent/core/source/connector.ts";
import type { ChangeStrategy, EntityPlan } from "#agent/core/source/plan.ts";
import type { SqlSource } from "#agent/core/sql/sql-source.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { OraclePlant, type OraclePlantOptions } from "#test/support/oracle-plant.ts";
import type { WriterTransaction } from "#test/support/sql-engine/writer-transaction.ts";

const WRITERS = 4;
const KEYS_PER_WRITER = 3;
const never = new AbortController().signal;
const TIMESTAMP: ChangeStrategy = { kind: "timestamp", column: "changed", format: "utc", overlapMs: 0 };
const TABLE = `CREATE TABLE workorder (id NUMBER(9) PRIMARY KEY, title VARCHAR2(30), changed TIMESTAMP(3));
  CREATE INDEX workorder_changed ON workorder (changed);`;
/** With a change number for each row: neighbours hide no mistake. */
const FINE_TABLE = TABLE.replace("TIMESTAMP(3));", "TIMESTAMP(3)) ROWDEPENDENCIES;");

function planOf(change: ChangeStrategy): EntityPlan {
  return {
    entity: "work_order",
    table: { name: "workorder" },
    key: ["id"],
    columns: ["id", "title", "changed"],
    filters: [],
    change,
    children: [],
  };
}

type Step =
  | { readonly op: "write" | "remove"; readonly writer: number; readonly key: number }
  | { readonly op: "commit" | "rollback"; readonly writer: number }
  | { readonly op: "poll" };

function stepsOf(hasDeletes: boolean): fc.Arbitrary<Step[]> {
  const writer = fc.nat({ max: WRITERS - 1 });
  const key = fc.nat({ max: KEYS_PER_WRITER - 1 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 5, arbitrary: fc.record({ op: fc.constant("write" as const), writer, key }) },
    { weight: hasDeletes ? 2 : 0, arbitrary: fc.record({ op: fc.constant("remove" as const), writer, key }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("commit" as const), writer }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("rollback" as const), writer }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("poll" as const) }) },
  );
  return fc.array(step, { minLength: 4, maxLength: 30 });
}

interface Reading {
  read(request: ReadRequest): AsyncIterable<SourceBatch>;
}

interface Outcome {
  readonly read: unknown;
  readonly source: unknown;
  readonly idle: number;
}

/** Plays the steps, polling in between; two clock seconds pass with each step. */
async function play(plant: OraclePlant, steps: readonly Step[], reading: Reading): Promise<Outcome> {
  await plant.sql("DELETE FROM workorder");
  const startMs = Date.now() - 86_400_000;
  const seen = new Map<string, unknown>();
  const open: (WriterTransaction | undefined)[] = [];
  let cursor: Cursor | undefined;
  const poll = async (): Promise<number> => {
    let rows = 0;
    const request = { entity: "work_order", pass: "incremental", maxRows: 2, signal: never } as const;
    for await (const batch of reading.read({ ...request, after: cursor })) {
      for (const row of batch.rows) {
        if (row.op === "delete") seen.delete(row.key[0]!);
        else seen.set(row.key[0]!, row.columns["title"]);
      }
      rows += batch.rows.length;
      cursor = JSON.parse(JSON.stringify(batch.cursor)) as Cursor;
    }
    return rows;
  };
  await poll();
  for (const [index, step] of steps.entries()) {
    if (step.op === "poll") {
      await poll();
      continue;
    }
    const transaction = open[step.writer];
    if (!("key" in step)) {
      transaction?.[step.op]();
      open[step.writer] = undefined;
      continue;
    }
    const writer = transaction ?? plant.database.begin();
    open[step.writer] = writer;
    const where = { ID: String(step.writer * 10 + step.key) };
    if (step.op === "remove") {
      writer.delete("WORKORDER", where);
      continue;
    }
    const changed = new Date(startMs + index * 2000).toISOString().slice(0, 23).replace("T", " ");
    const values = { TITLE: `step ${index}`, CHANGED: changed };
    if (writer.update("WORKORDER", where, values) === 0) writer.insert("WORKORDER", { ...where, ...values });
  }
  for (const transaction of open) transaction?.commit();
  await poll();
  const rows = await plant.rows("SELECT id, title FROM workorder ORDER BY id");
  return {
    read: [...seen].toSorted((left, right) => Number(left[0]) - Number(right[0])),
    source: rows,
    idle: await poll(),
  };
}

function property(plant: OraclePlant, reading: Reading, hasDeletes: boolean): fc.IAsyncProperty<[Step[]]> {
  return fc.asyncProperty(stepsOf(hasDeletes), async (steps) => {
    const { read, source } = await play(plant, steps, reading);
    expect(read).toEqual(source);
  });
}

const LATE: readonly Step[] = [
  { op: "write", writer: 0, key: 0 },
  { op: "write", writer: 1, key: 0 },
  { op: "commit", writer: 1 },
  { op: "poll" },
  { op: "commit", writer: 0 },
];

interface Variant {
  readonly name: string;
  readonly change: ChangeStrategy;
  readonly options: OraclePlantOptions;
  readonly strategy: RegExp;
  readonly hasDeletes: boolean;
  readonly table?: string;
  readonly more?: string;
  /** Change numbers are some seconds behind: what is new is read again for as long. */
  readonly isBehind?: boolean;
}

const MARKED = { settings: { max_transaction_minutes: 60 } };
const VARIANTS: readonly Variant[] = [
  {
    name: "a marker with change numbers of blocks",
    change: TIMESTAMP,
    options: MARKED,
    strategy: /^timestamp/,
    hasDeletes: false,
  },
  {
    name: "a marker with change numbers of rows",
    change: TIMESTAMP,
    options: MARKED,
    strategy: /^timestamp/,
    hasDeletes: false,
    table: FINE_TABLE,
  },
  {
    name: "change numbers alone",
    change: { kind: "full_scan" },
    options: {},
    strategy: /^rowscn/,
    hasDeletes: false,
  },
  {
    name: "change numbers that anybody may ask for",
    change: TIMESTAMP,
    options: { ...MARKED, rights: [] },
    strategy: /^timestamp/,
    hasDeletes: false,
    isBehind: true,
  },
  {
    name: "flashback versions",
    change: { kind: "full_scan" },
    options: { rights: ["scn", "flashback"] },
    strategy: /^flashback/,
    hasDeletes: true,
  },
  {
    name: "a materialized view log",
    change: TIMESTAMP,
    options: {},
    strategy: /^mview_log/,
    hasDeletes: true,
    more: "CREATE MATERIALIZED VIEW LOG ON workorder WITH PRIMARY KEY;",
  },
];

describe.each(VARIANTS)(
  "$name",
  ({ change, options, strategy, hasDeletes, table = TABLE, more = "", isBehind = false }) => {
    test("ends with what the source holds, and idle polls give nothing", async () => {
      await using plant = await OraclePlant.start(options);
      await plant.sql(table + more);
      await using connector: Connector = plant.connector([planOf(change)]);
      await connector.open(never);
      expect(connector.strategies()[0]?.strategy).toMatch(strategy);
      await fc.assert(property(plant, connector, hasDeletes), { numRuns: 40 });
      const { read, source, idle } = await play(plant, LATE, connector);
      expect(read).toEqual(source);
      expect(idle > 0).toBe(isBehind);
    });
  },
);

/** The shared reader over the same server, with the safe bound taken away or spoilt. */
async function readerWith(
  plant: OraclePlant,
  horizon: SqlSource["horizon"],
): Promise<Reading & AsyncDisposable> {
  const settings = plant.settings({ max_transaction_minutes: 0 });
  const lane = new OracleConnection(settings, systemClock);
  const { shapes, choice } = await lane.transaction(never, (session) =>
    openSource(session, [planOf(TIMESTAMP)], settings, { timeZone: "UTC", nowMs: systemClock.nowMs() }),
  );
  lane.scnQuery = choice.scn?.query;
  const source: SqlSource = {
    dialect: ORACLE_DIALECT,
    transaction: (_lane, signal, work) => lane.transaction(signal, work),
    ...(horizon === undefined ? {} : { horizon }),
  };
  const reader = new TableReader({ source, shapes, clock: systemClock, timeZone: "UTC" });
  return {
    read: (request) => reader.read(request),
    [Symbol.asyncDispose]: () => lane[Symbol.asyncDispose](),
  };
}

describe("without the safe bound", () => {
  test("a plain `ts > last` loses commits: the same property finds them", async () => {
    await using plant = await OraclePlant.start();
    await plant.sql(TABLE);
    await using reading = await readerWith(plant, undefined);
    const outcome = await fc.check(property(plant, reading, false), { numRuns: 60, endOnFailure: true });
    expect(outcome.failed).toBe(true);
    expect(String(outcome.errorInstance)).toContain("to deeply equal");
  });

  test("a change number taken after the transaction began loses what commits in between", async () => {
    await using plant = await OraclePlant.start();
    await plant.sql(TABLE);
    const horizon: SqlSource["horizon"] = {
      read: async (session) => {
        // Somebody commits just now: too late for this transaction, and before the number that it then asks for.
        plant.database.update("WORKORDER", { ID: "1" }, { TITLE: "in between" });
        const text = "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL";
        const [row] = await session.query({ text, parameters: [] });
        return String(row?.[0]);
      },
      condition: committedAfter,
    };
    await using reading = await readerWith(plant, horizon);
    const steps: readonly Step[] = [
      { op: "write", writer: 0, key: 1 },
      { op: "commit", writer: 0 },
      { op: "poll" },
    ];
    const { read, source } = await play(plant, steps, reading);
    expect(read).not.toEqual(source);
  });

  test("the number that the connector takes before it begins does not, whenever somebody commits", async () => {
    await using plant = await OraclePlant.start(MARKED);
    await plant.sql(FINE_TABLE);
    await using connector = plant.connector([planOf(TIMESTAMP)]);
    await connector.open(never);
    const changed = new Date(Date.now() - 86_400_000).toISOString().slice(0, 23).replace("T", " ");
    const commitBefore = (statements: number): void => {
      if (statements === 0) return;
      plant.database.faults.beforeNext(/^SET TRANSACTION|CHANGE_NUMBER|SYSTIMESTAMP|"WORKORDER"/, () => {
        plant.database.insert("WORKORDER", { ID: String(100 + statements), TITLE: "late", CHANGED: changed });
        commitBefore(statements - 1);
      });
    };
    // From the first poll on: what was there before "now" is the snapshot's to read.
    plant.database.faults.beforeNext(/ORDER BY "CHANGED", "ID"/, () => commitBefore(12));
    const poll: Step = { op: "poll" };
    const { read, source } = await play(plant, [poll, poll, poll, poll, poll], connector);
    expect(source).toHaveLength(12);
    expect(read).toEqual(source);
  });
});
