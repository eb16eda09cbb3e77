// A connection whose plant limits what its source is asked: passes give way, polls do not, and it says what it waits for.
import { describe, expect, test } from "vitest";
import { ConnectorError } from "#common/runtime/errors.ts";
import { entriesOf, RunnerRig, TestTable, testPack } from "./harness.ts";

const HOUR_MS = 3_600_000;

function table(rows: number): TestTable {
  const made = new TestTable();
  made.fill(rows);
  return made;
}

async function online(rig: RunnerRig): Promise<void> {
  await rig.until("online", () => rig.status?.status === "online");
}

function entity(rig: RunnerRig): Readonly<Record<string, unknown>> {
  return { ...rig.runner.report().entities?.[0] };
}

function has(rig: RunnerRig, record: string): boolean {
  return entriesOf(rig.store).some((entry) => entry.record?.includes(`"${record}"`) === true);
}

describe("rows a second", () => {
  const settings = { load: { rowsPerSecond: 3 } };

  test("hold a pass back, and changes come as quickly as ever", async () => {
    const source = table(90);
    await using rig = new RunnerRig(source, { settings });
    await online(rig);
    expect(rig.clock.monotonicMs()).toBeGreaterThanOrEqual(28_000);
    expect(rig.clock.monotonicMs()).toBeLessThanOrEqual(31_000);
    await rig.until("the comparison", () => entity(rig)["state"] === "reconcile");
    await rig.advance(2_000);
    expect(entity(rig)).toMatchObject({ state: "reconcile", waits: "held to 3 rows/s" });
    source.set("k0050", "changed");
    await rig.advance(1_500);
    expect(entity(rig)["state"]).toBe("reconcile");
    expect(has(rig, "changed")).toBe(true);
    await rig.until("its end", () => entity(rig)["state"] === "polling");
    expect(entity(rig)["waits"]).toBeUndefined();
  });

  test("bound a flood of changes too, of which none is lost", async () => {
    const source = table(6);
    await using rig = new RunnerRig(source, {
      settings: { ...settings, reconcileMs: { "*": 24 * HOUR_MS } },
    });
    await online(rig);
    await rig.advance(5_000);
    for (let n = 0; n < 60; n += 1) source.set(`f${String(n).padStart(4, "0")}`);
    const from = rig.shorts.length;
    await rig.advance(10_000);
    const soFar = rig.shorts.length - from;
    expect(soFar).toBeGreaterThanOrEqual(24);
    expect(soFar).toBeLessThanOrEqual(36);
    expect(entity(rig)["waits"]).toBe("held to 3 rows/s");
    await rig.advance(15_000);
    expect(rig.shorts.slice(from).filter((short) => short.startsWith("upsert f"))).toHaveLength(60);
  });

  test("do not keep deletes from being found", async () => {
    const source = table(30);
    await using rig = new RunnerRig(source, { settings });
    await online(rig);
    for (let n = 0; n < 12; n += 1) source.rows.delete(`k${String(n).padStart(4, "0")}`);
    rig.runner.operate("sync", undefined);
    await rig.advance(30_000);
    expect(rig.shorts.filter((short) => short.startsWith("delete"))).toHaveLength(12);
  });

  test("what was asked is said", async () => {
    await using rig = new RunnerRig(table(90), { settings });
    await rig.advance(20_000);
    expect(rig.runner.report().load?.rows_per_s).toBeGreaterThan(2);
    expect(rig.runner.report().load?.rows_per_s).toBeLessThanOrEqual(3.2);
    expect(rig.runner.report().load?.statements_per_s).toBeGreaterThan(0);
  });
});

describe("windows", () => {
  // The rig's clock begins at midnight.
  const settings = { load: { fullPasses: ["03:00-03:01"] } };

  test("comparisons wait for theirs, the first reading and changes do not", async () => {
    const source = table(9);
    await using rig = new RunnerRig(source, { settings });
    await online(rig);
    source.slip("k0001", "slipped");
    source.set("k0002", "changed");
    await rig.advance(2 * HOUR_MS, 60_000);
    expect(has(rig, "changed")).toBe(true);
    expect(has(rig, "slipped")).toBe(false);
    expect(rig.status?.status).toBe("online");
    expect(entity(rig)).toMatchObject({
      state: "polling",
      waits: "the comparison waits for its window until 03:00 UTC",
    });
    await rig.advance(HOUR_MS, 60_000);
    expect(has(rig, "slipped")).toBe(true);
    await rig.advance(120_000);
    source.slip("k0003", "slipped again");
    await rig.advance(HOUR_MS, 60_000);
    expect(has(rig, "slipped again")).toBe(false);
  });

  test("a comparison that its window is too short for pauses, and goes on in the next", async () => {
    const source = table(90);
    const load = { ...settings.load, rowsPerSecond: 1 };
    await using rig = new RunnerRig(source, { settings: { load } });
    await online(rig);
    source.slip("k0089", "slipped");
    await rig.advance(3 * HOUR_MS - rig.clock.monotonicMs(), 60_000);
    await rig.advance(90_000);
    const { read } = entity(rig);
    expect(read).toBeGreaterThan(50);
    expect(read).toBeLessThan(70);
    expect(entity(rig)).toMatchObject({
      state: "reconcile",
      waits: "the comparison waits for its window until 03:00 UTC",
    });
    await rig.advance(27 * HOUR_MS - rig.clock.monotonicMs(), 60_000);
    expect(has(rig, "slipped")).toBe(false);
    await rig.advance(60_000);
    expect(has(rig, "slipped")).toBe(true);
  });

  test("a new reading after a changed pack waits, while changes are followed, in the new mapping", async () => {
    const source = table(9);
    await using first = new RunnerRig(source, { settings });
    await online(first);
    await first[Symbol.asyncDispose]();
    source.asked.length = 0;
    const pack = testPack("00000000000000bb");
    await using rig = new RunnerRig(source, { settings, store: first.store, pack });
    await rig.advance(5_000);
    source.set("k0004", "changed");
    await rig.advance(5_000);
    expect(has(rig, "changed")).toBe(true);
    expect(source.asked).not.toContain("snapshot");
    expect(rig.status?.status).toBe("online");
    expect(entity(rig)["waits"]).toBe("the new reading of everything waits for its window until 03:00 UTC");
    await rig.advance(3 * HOUR_MS, 60_000);
    expect(source.asked.filter((what) => what === "snapshot").length).toBeGreaterThan(0);
    expect(rig.shorts.filter((short) => short === "mark snapshot_end ok")).toHaveLength(2);
  });

  test("after lost changes the gap is told and changes are followed from now on, until everything is read", async () => {
    const source = table(9);
    await using rig = new RunnerRig(source, { settings });
    await online(rig);
    source.failures.set("incremental", new ConnectorError("cursor_lost", "the log was purged"));
    await rig.advance(2_000);
    expect(rig.shorts).toContain("gap cursor_lost");
    source.slip("k0001", "missed");
    source.set("k0002", "followed");
    await rig.advance(3_000);
    expect([has(rig, "missed"), has(rig, "followed")]).toEqual([false, true]);
    await rig.advance(3 * HOUR_MS, 60_000);
    expect(has(rig, "missed")).toBe(true);
  });

  test.each(["sync", "resync"] as const)("what an operator asks for (%s) does not wait", async (wish) => {
    const source = table(30);
    await using rig = new RunnerRig(source, { settings: { load: { ...settings.load, rowsPerSecond: 5 } } });
    await online(rig);
    source.slip("k0029", "slipped");
    rig.runner.operate(wish, undefined);
    await rig.advance(20_000);
    expect(has(rig, "slipped")).toBe(true);
  });

  test("a table without a marker is read as often as it is polled", async () => {
    const source = table(3);
    source.strategy = { ...source.strategy, strategy: "full_scan" };
    await using rig = new RunnerRig(source, { settings });
    await online(rig);
    source.set("k0001", "changed");
    await rig.advance(3_000);
    expect(has(rig, "changed")).toBe(true);
  });
});
