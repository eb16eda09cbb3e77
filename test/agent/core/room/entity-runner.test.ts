// One entity over time: first reading, polls, reconciliation, deletes with their guard, lost cursors, slices.
import { describe, expect, test } from "vitest";
import { ConnectorError } from "#common/runtime/errors.ts";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import { MASS_DELETE_FROM } from "#agent/core/room/full-pass.ts";
import { entriesOf, RunnerRig, shortOf, TestTable, testPack } from "./harness.ts";

function table(rows: number): TestTable {
  const made = new TestTable();
  made.fill(rows);
  return made;
}

/** What was told after the first reading. */
async function afterSnapshot(rig: RunnerRig): Promise<() => readonly string[]> {
  await rig.until("the snapshot", () => rig.shorts.includes("mark snapshot_end ok"));
  const from = rig.shorts.length;
  return () => rig.shorts.slice(from);
}

describe("snapshot", () => {
  test("every row once, between its marks, with its counts", async () => {
    await using rig = new RunnerRig(table(7));
    await afterSnapshot(rig);
    expect(rig.shorts.at(0)).toBe("mark snapshot_begin");
    expect(rig.shorts.slice(1, -1).map((short) => short.slice(0, 8))).toEqual(
      Array.from({ length: 7 }, () => "upsert k"),
    );
    expect(entriesOf(rig.store).at(-1)).toMatchObject({ read: 7, changed: 7, deleted: 0, rejected: 0 });
    expect(entriesOf(rig.store)[1]).toMatchObject({ origin: "snapshot" });
  });

  test("what changes while it is read is told by the polls that follow", async () => {
    const source = table(9);
    let isFirst = true;
    source.onPage = ({ pass, after }) => {
      if (pass !== "snapshot" || after === undefined || !isFirst) return;
      isFirst = false;
      source.set("k0000", "changed behind its back");
    };
    await using rig = new RunnerRig(source);
    await rig.advance(2_000);
    const end = rig.shorts.indexOf("mark snapshot_end ok");
    expect(rig.shorts.slice(end + 1)).toEqual(["upsert k0000", "mark sync ok"]);
  });

  test("goes on where a stopped room left off", async () => {
    const source = table(9);
    const store = new MemoryRoomStore("00000000000000e1");
    let pages = 0;
    source.onPage = () => {
      pages += 1;
      if (pages === 3) throw new ConnectorError("unavailable", "the line broke");
    };
    await using first = new RunnerRig(source, { store });
    await first.settle();
    await first[Symbol.asyncDispose]();
    expect(first.shorts).toHaveLength(7);
    await using second = new RunnerRig(source, { store });
    await afterSnapshot(second);
    const keys = second.shorts.filter((short) => short.startsWith("upsert"));
    expect(keys).toHaveLength(9);
    expect(new Set(keys).size).toBe(9);
  });

  test("another mapping reads everything again, and what comes out the same is not told", async () => {
    const source = table(4);
    const store = new MemoryRoomStore("00000000000000e1");
    await using first = new RunnerRig(source, { store });
    await afterSnapshot(first);
    await first[Symbol.asyncDispose]();
    const from = entriesOf(store).length;
    source.slip("k0002", "another text");
    await using second = new RunnerRig(source, { store, pack: testPack("00000000000000bb") });
    await second.until("the second reading", () =>
      second.shorts.slice(from).includes("mark snapshot_end ok"),
    );
    expect(second.shorts.slice(from)).toEqual([
      "mark snapshot_begin",
      "upsert k0002",
      "mark snapshot_end ok",
    ]);
    expect(entriesOf(store)[from + 1]).toMatchObject({ origin: "remap" });
  });
});

describe("polls", () => {
  test("tell what changed, and only then that they ran", async () => {
    await using rig = new RunnerRig(table(3));
    const later = await afterSnapshot(rig);
    await rig.advance(5_000);
    expect(later()).toEqual([]);
    rig.table.set("k0001", "new");
    rig.table.set("new");
    await rig.advance(2_000);
    expect(later()).toEqual(["upsert k0001", "upsert new", "mark sync ok"]);
    expect(entriesOf(rig.store).at(-1)).toMatchObject({ pass: "incremental", read: 2, changed: 2 });
  });

  test("come at their interval", async () => {
    await using rig = new RunnerRig(table(3));
    await afterSnapshot(rig);
    const from = rig.table.asked.filter((what) => what === "incremental").length;
    await rig.advance(10_000);
    const polls = rig.table.asked.filter((what) => what === "incremental").length - from;
    expect(polls).toBeGreaterThanOrEqual(9);
    expect(polls).toBeLessThanOrEqual(11);
  });

  test("a wall clock that steps back stops neither polls nor reconciliation", async () => {
    await using rig = new RunnerRig(table(3));
    const later = await afterSnapshot(rig);
    rig.clock.stepWallClock(-86_400_000);
    rig.table.set("k0001", "new");
    rig.table.rows.delete("k0002");
    await rig.advance(70_000);
    expect(later()).toEqual(expect.arrayContaining(["upsert k0001", "delete k0002"]));
  });
});

describe("reconciliation", () => {
  test("finds what was deleted, and what changed without its marker", async () => {
    await using rig = new RunnerRig(table(6));
    const later = await afterSnapshot(rig);
    rig.table.rows.delete("k0002");
    rig.table.slip("k0004", "slipped");
    await rig.advance(61_000);
    expect(later()).toEqual(["upsert k0004", "delete k0002", "mark sync ok"]);
    expect(entriesOf(rig.store).at(-1)).toMatchObject({ pass: "reconcile", read: 5, changed: 1, deleted: 1 });
  });

  test("a product may close what it takes out of its tables", async () => {
    const pack = testPack();
    const entities = pack.entities.map((entity) =>
      Object.assign({}, entity, { vanished: "closed_by_source" as const }),
    );
    await using rig = new RunnerRig(table(6), { pack: { ...pack, entities } });
    await afterSnapshot(rig);
    rig.table.rows.delete("k0002");
    await rig.advance(61_000);
    const gone = entriesOf(rig.store).filter(({ op }) => op === "delete");
    expect(gone).toMatchObject([{ presence: "closed_by_source", reason: "reconcile" }]);
  });

  test("large tables are compared by keys, and row by row once a day", async () => {
    await using rig = new RunnerRig(table(6), { settings: { fullReconcileRows: 3 } });
    const later = await afterSnapshot(rig);
    rig.table.rows.delete("k0002");
    rig.table.slip("k0004", "slipped");
    rig.table.rows.set("silent", { text: "inserted without a marker", version: 0 });
    await rig.advance(61_000);
    expect(later()).toEqual(["upsert silent", "delete k0002", "mark sync ok"]);
    expect(rig.table.asked).toContain("keys");
    await rig.advance(86_400_000, 30_000);
    expect(later()).toContain("upsert k0004");
  });

  test("a key that is there again when it is looked at is not deleted", async () => {
    const source = table(6);
    await using rig = new RunnerRig(source);
    const later = await afterSnapshot(rig);
    // Absent while the pass goes by, back before the point read.
    const row = source.rows.get("k0002");
    source.rows.delete("k0002");
    source.onPage = ({ pass, after }) => {
      if (pass === "snapshot" && after?.["key"] === "k0005" && row !== undefined)
        source.rows.set("k0002", row);
    };
    await rig.advance(61_000);
    expect(source.asked).toContain("point");
    expect(later()).toEqual(["mark sync ok"]);
  });

  test("a key that was rejected and goes is forgotten, and no record's delete", async () => {
    const source = table(3);
    source.set("x", "bad");
    await using rig = new RunnerRig(source);
    const later = await afterSnapshot(rig);
    source.rows.delete("x");
    await rig.advance(61_000);
    // Told, so that the relay's dead letter goes as well.
    expect(later()).toEqual(["delete x", "mark sync ok"]);
    expect(entriesOf(rig.store).at(-1)).toMatchObject({ deleted: 0 });
    expect(rig.store.countKnown("vendor")).toBe(3);
  });
});

describe("the mass-delete guard", () => {
  test("holds what is too much, says so, and goes on polling", async () => {
    await using rig = new RunnerRig(table(40));
    const later = await afterSnapshot(rig);
    for (let n = 0; n < 30; n += 1) rig.table.rows.delete(`k${String(n).padStart(4, "0")}`);
    await rig.advance(61_000);
    expect(later()).toEqual(["mark sync held"]);
    expect(entriesOf(rig.store).at(-1)).toMatchObject({
      outcome: "held",
      error: expect.stringContaining("30 of 40 records are absent") as string,
    });
    expect(rig.status?.status).toBe("degraded");
    expect(rig.status?.entities?.[0]).toMatchObject({ state: "held" });
    expect(rig.status?.reason).toContain("millrace-agent confirm-deletes");
    rig.table.set("k0035", "new");
    await rig.advance(2_000);
    expect(later()).toContain("upsert k0035");
    expect(rig.store.countKnown("vendor")).toBe(40);
  });

  test("an operator's word lets this one through, and the next is held again", async () => {
    await using rig = new RunnerRig(table(100));
    const later = await afterSnapshot(rig);
    for (let n = 0; n < 60; n += 1) rig.table.rows.delete(`k${String(n).padStart(4, "0")}`);
    await rig.advance(61_000);
    rig.runner.operate("confirm_deletes", "vendor");
    await rig.advance(2_000);
    expect(later().filter((short) => short.startsWith("delete"))).toHaveLength(60);
    expect(rig.status?.status).toBe("online");
    for (let n = 60; n < 90; n += 1) rig.table.rows.delete(`k${String(n).padStart(4, "0")}`);
    await rig.advance(61_000);
    expect(later().at(-1)).toBe("mark sync held");
    expect(rig.store.countKnown("vendor")).toBe(40);
  });

  test("rows that come back end it", async () => {
    const source = table(40);
    await using rig = new RunnerRig(source);
    await afterSnapshot(rig);
    const all = [...source.rows];
    source.rows.clear();
    await rig.advance(61_000);
    expect(rig.status?.entities?.[0]?.state).toBe("held");
    for (const [key, row] of all) source.rows.set(key, row);
    await rig.advance(61_000);
    expect(rig.status?.status).toBe("online");
  });

  test("few records go without being asked", async () => {
    await using rig = new RunnerRig(table(MASS_DELETE_FROM - 1));
    const later = await afterSnapshot(rig);
    rig.table.rows.clear();
    await rig.advance(61_000);
    expect(later().filter((short) => short.startsWith("delete"))).toHaveLength(MASS_DELETE_FROM - 1);
  });
});

describe("lost cursors", () => {
  test("a gap says so, and everything is compared again", async () => {
    await using rig = new RunnerRig(table(4));
    const later = await afterSnapshot(rig);
    rig.table.slip("k0001", "older");
    rig.table.failures.set("incremental", new ConnectorError("cursor_lost", "the source was restored"));
    await rig.advance(3_000);
    expect(later()).toEqual([
      "gap cursor_lost",
      "mark snapshot_begin",
      "upsert k0001",
      "mark snapshot_end ok",
    ]);
    const gap = entriesOf(rig.store).find(({ op }) => op === "gap");
    expect(gap).toMatchObject({ entity: "vendor", detail: "the source was restored" });
    expect(gap).toHaveProperty("from_ms");
  });

  test("another source in its place is source_restored", async () => {
    await using rig = new RunnerRig(table(2));
    const later = await afterSnapshot(rig);
    rig.table.failures.set("incremental", new ConnectorError("unavailable", "gone for a moment"));
    rig.table.identity = "table-2";
    await rig.advance(10_000);
    expect(later()).toEqual(["gap source_restored", "mark snapshot_begin", "mark snapshot_end ok"]);
  });
});

describe("bad data", () => {
  test("a bad row is told, the rest goes on, and it heals", async () => {
    const source = table(3);
    source.set("x", "bad");
    await using rig = new RunnerRig(source);
    const later = await afterSnapshot(rig);
    expect(rig.shorts).toContain("reject x");
    expect(entriesOf(rig.store).at(-1)).toMatchObject({ read: 4, changed: 3, rejected: 1 });
    source.set("x", "good");
    await rig.advance(2_000);
    expect(later()).toEqual(["upsert x", "mark sync ok"]);
  });

  test("an entity that cannot be read waits and is tried again; its reason is shown", async () => {
    await using rig = new RunnerRig(table(3));
    const later = await afterSnapshot(rig);
    rig.table.failures.set("incremental", new ConnectorError("bad_data", "column N holds text"));
    await rig.advance(3_000);
    expect(rig.status).toMatchObject({ status: "degraded", reason: "vendor: column N holds text" });
    rig.table.set("k0001", "new");
    await rig.advance(12_000);
    expect(later()).toContain("upsert k0001");
    expect(rig.status?.status).toBe("online");
  });
});

describe("full scans", () => {
  test("every poll reads everything, tells changes as changes, and is silent when there are none", async () => {
    const source = table(5);
    source.strategy = { ...source.strategy, strategy: "full_scan" };
    await using rig = new RunnerRig(source);
    const later = await afterSnapshot(rig);
    await rig.advance(5_000);
    expect(later()).toEqual([]);
    source.slip("k0001", "new");
    source.rows.delete("k0002");
    await rig.advance(2_000);
    expect(later()).toEqual(["upsert k0001", "delete k0002", "mark sync ok"]);
    expect(entriesOf(rig.store).find((entry) => shortOf(entry) === "delete k0002")).toMatchObject({
      origin: "change",
    });
  });
});

test("a long reading gives way to others after its slice, and goes on", async () => {
  const source = table(60);
  await using rig = new RunnerRig(source);
  source.onPage = ({ pass }) => {
    // Each page costs 100 ms of the 250 that a slice has.
    if (pass === "snapshot") rig.clock.freeze(100);
  };
  await rig.until("the snapshot", () => rig.shorts.includes("mark snapshot_end ok"));
  const snapshots = source.asked.filter((what) => what === "snapshot").length;
  expect(snapshots).toBeGreaterThan(4);
  expect(rig.shorts.filter((short) => short.startsWith("upsert"))).toHaveLength(60);
});
