// Any sequence of writes of rows leaves what a simple model of them says: known keys changed, new ones counted, named ones gone.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { ChildWrite } from "#agent/core/source/write.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";

const PLAN: EntityPlan = {
  entity: "purchase_order",
  table: { name: "PO" },
  key: ["NUM"],
  columns: ["NUM"],
  filters: [],
  change: { kind: "full_scan" },
  children: [
    {
      name: "lines",
      table: { name: "LINE" },
      on: [{ child: "NUM", parent: "NUM" }],
      columns: ["POS", "ITEM"],
      orderBy: ["POS"],
      filters: [{ column: "STATE", op: "=", value: "A" }],
    },
  ],
  writes: [
    {
      operation: "update",
      form: "update",
      slots: [],
      children: [
        {
          child: "lines",
          slots: ["POS", "ITEM", "STATE"].map((name) => ({ name })),
          key: ["POS"],
          number: { column: "POS", step: 10 },
          required: ["ITEM"],
          removal: "set",
          maxRows: 10,
        },
      ],
    },
  ],
};

/** One row of a request: its number if it has one, and what becomes of it. */
type Step = readonly [pos: number | undefined, item: string, isRemoved: boolean];

const steps: fc.Arbitrary<Step[]> = fc.uniqueArray(
  fc.tuple(
    fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
    fc.constantFrom("a", "b", "c"),
    fc.boolean(),
  ),
  { maxLength: 6, minLength: 1, selector: ([pos]) => pos ?? Symbol("new") },
);

let directory: string;
let database: Database.Database;
let connector: Connector;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "millrace-rows-"));
  const file = join(directory, "plant.db");
  database = new Database(file);
  database.exec(`CREATE TABLE PO (NUM TEXT PRIMARY KEY);
    CREATE TABLE LINE (NUM TEXT, POS INTEGER, ITEM TEXT NOT NULL, STATE TEXT NOT NULL, PRIMARY KEY (NUM, POS));
    INSERT INTO PO VALUES ('1'), ('2'); INSERT INTO LINE VALUES ('2', 5, 'other', 'A');`);
  const settings = sqliteDefinition.parseConfig({ file, write: { allow: true } });
  if (!settings.ok) throw new Error("settings must parse");
  const context = { connection: "test", plans: [PLAN], timeZone: "UTC", clock: systemClock };
  connector = sqliteDefinition.create(settings.value, {
    ...context,
    logger: silentLogger,
    dataDir: directory,
  });
  await connector.open(new AbortController().signal);
});
afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  database.close();
  rmSync(directory, { recursive: true });
});

function rowOf([pos, item, isRemoved]: Step): ChildWrite {
  if (isRemoved && pos !== undefined) return { values: { POS: pos, STATE: "X" }, isRemoved: true };
  return { values: { ...(pos === undefined ? {} : { POS: pos }), ITEM: item }, initial: { STATE: "A" } };
}

/** Position → item; a removed position is null: it stays taken. */
function apply(model: Map<number, string | null>, request: readonly Step[]): boolean {
  let last = Math.max(0, ...model.keys(), ...request.map(([pos]) => pos ?? 0));
  for (const [pos, item, isRemoved] of request) {
    if (pos === undefined) {
      last += 10;
      model.set(last, item);
    } else if (!isRemoved) {
      // A row that was set aside is not seen any more, and its key is still taken.
      if (model.get(pos) === null) return false;
      model.set(pos, item);
    } else if (model.has(pos)) model.set(pos, null);
  }
  return true;
}

test("whatever the rows and their order", async () => {
  let commands = 0;
  const run = async (requests: readonly Step[][]): Promise<void> => {
    database.exec("DELETE FROM LINE WHERE NUM = '1'");
    let model = new Map<number, string | null>();
    for (const request of requests) {
      const next = new Map(model);
      const isTaken = apply(next, request);
      commands += 1;
      const outcome = await connector.write!({
        commandId: `c-${commands}`,
        entity: "purchase_order",
        operation: "update",
        key: ["1"],
        values: {},
        children: { lines: request.map(rowOf) },
        dryRun: false,
        signal: new AbortController().signal,
      });
      expect(outcome.status).toBe(isTaken ? "applied" : "rejected");
      if (isTaken) model = next;
      const wanted = [...model].filter(([, item]) => item !== null).toSorted(([a], [b]) => a - b);
      const found = database.prepare(
        "SELECT POS, ITEM FROM LINE WHERE NUM = '1' AND STATE = 'A' ORDER BY POS",
      );
      expect(found.raw().all()).toEqual(wanted);
    }
    expect(database.prepare("SELECT * FROM LINE WHERE NUM = '2'").raw().all()).toEqual([
      ["2", 5, "other", "A"],
    ]);
  };
  await fc.assert(fc.asyncProperty(fc.array(steps, { maxLength: 5 }), run), { numRuns: 60 });
});
