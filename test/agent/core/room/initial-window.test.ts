// The initial window: old documents are left out, changes never; an edge that stays; smaller and larger windows; the guard.
import { describe, expect, test } from "vitest";
import { entityWindow, WINDOW_SLOT, windowInEffect } from "#agent/core/room/initial-window.ts";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { datedPack, entriesOf, RunnerRig, shortOf, TestTable, testPack } from "./harness.ts";

const DAY_MS = 86_400_000;
const TODAY_MS = Math.floor(new FakeClock().nowMs() / DAY_MS) * DAY_MS;

/** Keys by age in days. */
function dated(ages: Readonly<Record<string, number>>): TestTable {
  const table = new TestTable();
  for (const [key, age] of Object.entries(ages)) {
    table.set(key);
    table.dates.set(key, TODAY_MS - age * DAY_MS);
  }
  return table;
}

/** So many documents, one for each day back from today: `d000`, `d001`, … */
function daily(count: number): TestTable {
  const name = (age: number): string => `d${String(age).padStart(3, "0")}`;
  return dated(Object.fromEntries(Array.from({ length: count }, (_, age) => [name(age), age])));
}

class Windows {
  readonly store = new MemoryRoomStore("00000000000000e1");
  readonly table: TestTable;

  constructor(table: TestTable) {
    this.table = table;
  }

  /** A room with this window, from its start until the next one: what it told in its first passes, and what `then` brings. */
  async run(
    initialWindowDays: number | undefined,
    then: (rig: RunnerRig) => Promise<void> = async () => {},
    pack: CompiledPack = datedPack(),
  ): Promise<readonly string[]> {
    const from = entriesOf(this.store).length;
    const { table, store } = this;
    await using rig = new RunnerRig(table, { store, pack, settings: { initialWindowDays } });
    await rig.advance(5_000);
    await then(rig);
    return entriesOf(store).slice(from).map(shortOf);
  }

  /** The room comes to grief after so many pages. */
  stopAfter(pages: number): void {
    let left = pages;
    this.table.onPage = () => {
      left -= 1;
      if (left < 0) throw new TypeError("the room ends here");
    };
  }

  get presences(): readonly string[] {
    return entriesOf(this.store).flatMap((entry) =>
      entry.op === "delete" ? [`${shortOf(entry)} ${entry.presence}`] : [],
    );
  }
}

const SNAPSHOT = (...within: readonly string[]): readonly string[] => [
  "mark snapshot_begin",
  ...within,
  "mark snapshot_end ok",
];

describe("the edge", () => {
  test("is the day so long before it was first seen, whatever day it is now, until another is set", () => {
    const store = new MemoryRoomStore("00000000000000e1");
    const fromMs = TODAY_MS - 30 * DAY_MS;
    expect(windowInEffect(store, 30, TODAY_MS + 5_000)).toEqual({ days: 30, fromMs });
    expect(windowInEffect(store, 30, TODAY_MS + 9 * DAY_MS)).toEqual({ days: 30, fromMs });
    expect(windowInEffect(store, 60, TODAY_MS + 10 * DAY_MS)).toEqual({
      days: 60,
      fromMs: TODAY_MS - 50 * DAY_MS,
    });
    expect(windowInEffect(store, undefined, TODAY_MS)).toBeUndefined();
    expect(store.cursor(WINDOW_SLOT)).toBeUndefined();
  });

  test("says in words what it leaves out, and concerns documents only", () => {
    const window = { days: 30, fromMs: Date.UTC(2026, 9, 23) };
    const [{ plan }] = testPack().entities as [CompiledPack["entities"][number]];
    expect(entityWindow(plan, window)).toBeUndefined();
    const openWhen = [{ column: "S", op: "=", value: "OPEN" }] as const;
    const documentDate = { column: "ORDERED", format: "local", openWhen } as const;
    expect(entityWindow({ ...plan, documentDate }, undefined)).toBeUndefined();
    expect(entityWindow({ ...plan, documentDate }, window)?.words).toBe(
      "Documents from 2026-10-23 on by ORDERED and older ones that are still open (initial_window_days: 30).",
    );
  });
});

describe("a window", () => {
  test("leaves old documents out of the first reading; its marks and the report say so", async () => {
    const windows = new Windows(dated({ a: 0, b: 30, c: 31, d: 400 }));
    const told = await windows.run(30, async (rig) => {
      const [entity] = rig.status?.entities ?? [];
      expect(entity?.reason).toMatch(/^Documents from \d{4}-\d\d-\d\d on by D \(initial_window_days: 30\)\./);
    });
    expect(told).toEqual(SNAPSHOT("upsert a", "upsert b"));
    expect(entriesOf(windows.store).at(-1)).toMatchObject({ documents_from_ms: TODAY_MS - 30 * DAY_MS });
  });

  test("master data is read whole, and its marks say nothing", async () => {
    const windows = new Windows(dated({ a: 0, b: 400 }));
    expect(await windows.run(30, undefined, testPack())).toEqual(SNAPSHOT("upsert a", "upsert b"));
    expect(entriesOf(windows.store).at(-1)).not.toHaveProperty("documents_from_ms");
  });

  test("a change of an older document is told; comparisons neither bring others nor lose this one", async () => {
    const windows = new Windows(dated({ a: 0, c: 50, d: 60 }));
    await windows.run(30);
    windows.table.set("c", "news");
    const told = await windows.run(30, (rig) => rig.advance(300_000));
    expect(told.filter((short) => !short.startsWith("mark sync"))).toEqual(["upsert c"]);
    windows.table.rows.delete("c");
    windows.table.rows.delete("d");
    const later = await windows.run(30, (rig) => rig.advance(100_000));
    expect(later).toContain("delete c");
    expect(windows.presences).toEqual(["delete c deleted"]);
  });

  test("of an entity without a change marker, older documents are followed where they are known", async () => {
    const windows = new Windows(dated({ a: 0, b: 30, c: 50 }));
    const { table } = windows;
    table.strategy = { ...table.strategy, strategy: "full_scan" };
    expect(await windows.run(30)).toEqual(SNAPSHOT("upsert a", "upsert b"));
    table.slip("c", "unknown and outside");
    table.dates.set("b", TODAY_MS - 90 * DAY_MS);
    expect(await windows.run(30)).toEqual([]);
    table.slip("b", "known and outside");
    expect(await windows.run(30)).toEqual(["upsert b", "mark sync ok"]);
    table.rows.delete("b");
    expect(await windows.run(30)).toEqual(["delete b", "mark sync ok"]);
    expect(windows.presences).toEqual(["delete b deleted"]);
  });

  test("days pass and nothing leaves", async () => {
    const windows = new Windows(dated({ a: 0, b: 30 }));
    await windows.run(30);
    const told = await windows.run(30, (rig) => rig.advance(20 * DAY_MS, DAY_MS / 4));
    expect(told.filter((short) => !short.startsWith("mark sync"))).toEqual([]);
  });
});

describe("another window", () => {
  test("a larger one brings the rest and nothing twice, and all of it the rest of that", async () => {
    const windows = new Windows(daily(100));
    await windows.run(10);
    const more = await windows.run(20);
    expect(more).toEqual(SNAPSHOT(...Array.from({ length: 10 }, (_, at) => `upsert d0${at + 11}`)));
    const all = await windows.run(undefined);
    expect(all).toHaveLength(2 + 79);
    expect(new Set(entriesOf(windows.store).map(shortOf)).size).toBe(100 + 2);
    expect(windows.presences).toEqual([]);
  });

  test("a smaller one takes what is outside out of scope, without the guard, and only what is gone is deleted", async () => {
    const windows = new Windows(daily(100));
    await windows.run(undefined);
    windows.table.rows.delete("d050");
    const told = await windows.run(10);
    expect(told).toHaveLength(2 + 89);
    expect(windows.presences).toHaveLength(89);
    expect(windows.presences).toContain("delete d050 deleted");
    expect(windows.presences.filter((one) => one.endsWith(" out_of_scope"))).toHaveLength(88);
    expect(windows.store.countKnown("vendor")).toBe(11);
    expect(entriesOf(windows.store).at(-1)).toMatchObject({ outcome: "ok", changed: 88, deleted: 1 });
    windows.table.set("d070", "news");
    expect(await windows.run(10)).toEqual(["upsert d070", "mark sync ok"]);
  });

  test("what was out of scope comes back with a window that holds it", async () => {
    const windows = new Windows(dated({ a: 0, b: 20 }));
    await windows.run(undefined);
    expect(await windows.run(10)).toEqual(SNAPSHOT("delete b"));
    expect(await windows.run(30)).toEqual(SNAPSHOT("upsert b"));
  });

  test.each([undefined, 60])(
    "a larger one (%s) that was taken back while it was read leaves nothing behind",
    async (days) => {
      const windows = new Windows(daily(40));
      await windows.run(10);
      windows.stopAfter(7);
      await windows.run(days);
      expect(windows.store.countKnown("vendor")).toBe(21);
      windows.stopAfter(Infinity);
      await windows.run(10);
      expect(windows.presences.filter((one) => one.endsWith(" out_of_scope"))).toHaveLength(10);
      expect(windows.store.countKnown("vendor")).toBe(11);
    },
  );

  test("while one is just being read, it is read anew by the other, and what was read meanwhile is known", async () => {
    const windows = new Windows(daily(40));
    windows.stopAfter(7);
    await windows.run(undefined);
    expect(windows.store.countKnown("vendor")).toBe(21);
    windows.stopAfter(Infinity);
    const told = await windows.run(10);
    expect(told).toHaveLength(2 + 10);
    expect(windows.presences.filter((one) => one.endsWith(" out_of_scope"))).toHaveLength(10);
    expect(windows.store.countKnown("vendor")).toBe(11);
  });
});

describe("the mass-delete guard", () => {
  test("does not take many old documents that have changed for deleted ones", async () => {
    const windows = new Windows(daily(100));
    await windows.run(10);
    for (let age = 20; age < 80; age += 1) windows.table.set(`d0${age}`, "news");
    const told = await windows.run(10, (rig) => rig.advance(300_000));
    expect(told.filter((short) => short.startsWith("upsert"))).toHaveLength(60);
    expect(told).not.toContain("mark sync held");
    expect(windows.store.countKnown("vendor")).toBe(71);
  });

  test("holds when they are gone indeed, and lets go on the operator's word", async () => {
    const windows = new Windows(daily(100));
    await windows.run(60);
    for (let age = 5; age < 60; age += 1) windows.table.rows.delete(`d0${String(age).padStart(2, "0")}`);
    const told = await windows.run(60, (rig) => rig.advance(100_000));
    expect(told).toContain("mark sync held");
    expect(windows.presences).toEqual([]);
    await windows.run(60, async (rig) => {
      rig.runner.operate("confirm_deletes", undefined);
      await rig.advance(5_000);
    });
    expect(windows.presences).toHaveLength(55);
  });
});

test("changes that came while the room was stopped are told, also of older documents, when another mapping reads anew", async () => {
  const windows = new Windows(dated({ a: 0, c: 50 }));
  await windows.run(30);
  windows.table.set("c", "news");
  const told = await windows.run(30, undefined, datedPack("00000000000000bb"));
  expect(told).toContain("upsert c");
});
