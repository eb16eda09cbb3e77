// A limited connection on a real database: pages keep to the allowance, statements are counted, and everything arrives.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { entriesOf, RunnerRig, TestTable, testPack } from "#test/agent/core/room/harness.ts";

const ORDERS = 150;
const LINES = 4;
const ROWS_PER_SECOND = 100;

const plan: EntityPlan = {
  entity: "vendor",
  table: { name: "PO" },
  key: ["K"],
  columns: ["K", "T"],
  filters: [],
  change: { kind: "counter", column: "N" },
  children: [
    {
      name: "lines",
      table: { name: "POLINE" },
      on: [{ child: "K", parent: "K" }],
      columns: ["LINE", "ITEM"],
      orderBy: ["LINE"],
      filters: [],
    },
  ],
};

let dir: string;
let writer: Database.Database;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-load-"));
  writer = new Database(join(dir, "plant.db"));
  writer.pragma("journal_mode = WAL");
  writer.exec(`
    CREATE TABLE PO (K TEXT PRIMARY KEY, T TEXT, N INTEGER);
    CREATE INDEX PO_N ON PO (N);
    CREATE TABLE POLINE (K TEXT, LINE INTEGER, ITEM TEXT, PRIMARY KEY (K, LINE));
  `);
  const order = writer.prepare("INSERT INTO PO VALUES (?, ?, ?)");
  const line = writer.prepare("INSERT INTO POLINE VALUES (?, ?, ?)");
  for (let n = 1; n <= ORDERS; n += 1) {
    order.run(`k${n}`, `order ${n}`, n);
    for (let at = 1; at <= LINES; at += 1) line.run(`k${n}`, at, "bolt");
  }
});

afterEach(() => {
  writer.close();
  rmSync(dir, { recursive: true });
});

function pack(): CompiledPack {
  const made = testPack();
  return { ...made, entities: made.entities.map((entity) => Object.assign({}, entity, { plan })) };
}

function connect(clock: Clock): Connector {
  const parsed = sqliteDefinition.parseConfig({ file: join(dir, "plant.db") });
  if (!parsed.ok) throw new TypeError("settings must parse");
  return sqliteDefinition.create(parsed.value, {
    connection: "test",
    plans: [plan],
    timeZone: "Europe/Berlin",
    clock,
    logger: silentLogger,
    dataDir: dir,
  });
}

function records(rig: RunnerRig, text = ""): number {
  return entriesOf(rig.store).filter((entry) => entry.record?.includes(text) === true).length;
}

test("an order with its lines is as many rows as it has, second by second, and none is left out", async () => {
  const load = { rowsPerSecond: ROWS_PER_SECOND, statements: 1, fullPasses: ["22:00-05:00"] };
  await using rig = new RunnerRig(new TestTable(), {
    settings: { load, timeZone: "Europe/Berlin" },
    pack: pack(),
    connect,
  });
  const perSecond: number[] = [];
  for (let before = -1; records(rig) < ORDERS; before = records(rig)) {
    if (before >= 0) perSecond.push((records(rig) - before) * (1 + LINES));
    expect(perSecond.length).toBeLessThan(20);
    await rig.advance(1_000, 100);
  }
  // Whole pages, so one second may hold a page more and the next one less.
  expect(Math.max(...perSecond)).toBeLessThanOrEqual(2 * ROWS_PER_SECOND);
  expect(rig.clock.monotonicMs()).toBeGreaterThanOrEqual(6_000);
  expect(rig.clock.monotonicMs()).toBeLessThanOrEqual(10_000);
  const { load: said } = rig.runner.report();
  expect(said?.rows_per_s).toBeGreaterThan(60);
  // Each page is one statement for the orders and one for their lines.
  expect(said?.statements_per_s).toBeGreaterThan(1);

  // The rig's clock began at one in the morning in Berlin: within the window.
  await rig.advance(4 * 3_600_000, 60_000);
  writer.prepare("UPDATE PO SET T = 'slipped' WHERE K = 'k7'").run();
  writer.prepare("UPDATE PO SET T = 'changed', N = 1000 WHERE K = 'k8'").run();
  await rig.advance(600_000, 1_000);
  expect([records(rig, "slipped"), records(rig, "changed")]).toEqual([0, 1]);
  expect(rig.runner.report().entities?.[0]?.waits).toBe(
    "the comparison waits for its window until 22:00 Europe/Berlin",
  );
  await rig.advance(17 * 3_600_000, 60_000);
  expect(records(rig, "slipped")).toBe(1);
});
