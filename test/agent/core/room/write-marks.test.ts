// A change names its write in both orders: read before the write's answer, and after it.
import { describe, expect, test } from "vitest";
import { WriteMarks } from "#agent/core/room/write-marks.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { entriesOf, hashOf, RunnerRig, TestTable } from "./harness.ts";

const CAUSE = { command_id: "op_1", idempotency_key: "k" };
const RECORD = JSON.stringify({ remote_id: "a", name: "new" });
const NEVER = new AbortController().signal;

function marksAt(clock = new FakeClock()): WriteMarks {
  return new WriteMarks({ clock, hash: hashOf });
}

function keys(...list: readonly string[]): () => readonly string[] {
  return () => list.map((key) => JSON.stringify([key]));
}

describe("what a write left", () => {
  test("is known again, as often as it comes; another state is not, and ends it", () => {
    const marks = marksAt();
    marks.begin("vendor", '["a"]', CAUSE)({ key: '["a"]', record: RECORD });
    expect(marks.causeOf("vendor", '["b"]', RECORD)).toBeUndefined();
    expect(marks.causeOf("asset", '["a"]', RECORD)).toBeUndefined();
    expect(marks.causeOf("vendor", '["a"]', RECORD)).toEqual(CAUSE);
    expect(marks.causeOf("vendor", '["a"]', RECORD)).toEqual(CAUSE);
    expect(marks.causeOf("vendor", '["a"]', "{}")).toBeUndefined();
    expect(marks.causeOf("vendor", '["a"]', RECORD)).toBeUndefined();
  });

  test("may be nothing: a record that is gone", () => {
    const marks = marksAt();
    marks.begin("vendor", '["a"]', CAUSE)({ key: '["a"]', record: undefined });
    expect(marks.causeOf("vendor", '["a"]', undefined)).toEqual(CAUSE);
  });

  test("is nothing where the write failed", () => {
    const marks = marksAt();
    marks.begin("vendor", '["a"]', CAUSE)(undefined);
    expect(marks.causeOf("vendor", '["a"]', RECORD)).toBeUndefined();
  });
});

describe("rows that are read meanwhile", () => {
  test("wait for a write of theirs, and for one that makes a record; not for others'", async () => {
    const marks = marksAt();
    expect(marks.settled("vendor", keys("a"), NEVER)).toBeUndefined();
    const end = marks.begin("vendor", '["a"]', CAUSE);
    expect(marks.settled("vendor", keys("b"), NEVER)).toBeUndefined();
    expect(marks.settled("asset", keys("a"), NEVER)).toBeUndefined();
    const waiting = marks.settled("vendor", keys("b", "a"), NEVER);
    expect(waiting).toBeInstanceOf(Promise);
    end(undefined);
    await waiting;
    expect(marks.settled("vendor", keys("a"), NEVER)).toBeUndefined();
    const made = marks.begin("vendor", undefined, CAUSE);
    expect(marks.settled("vendor", keys(), NEVER)).toBeUndefined();
    const forNew = marks.settled("vendor", keys("c"), NEVER);
    expect(forNew).toBeInstanceOf(Promise);
    made({ key: '["c"]', record: RECORD });
    await forNew;
  });

  test("do not wait for ever, and not when the session ends", async () => {
    const clock = new FakeClock();
    const marks = marksAt(clock);
    marks.begin("vendor", '["a"]', CAUSE);
    let isOver = false;
    const bounded = marks.settled("vendor", keys("a"), NEVER)?.then(() => (isOver = true));
    clock.advance(1_900);
    await Promise.resolve();
    expect(isOver).toBe(false);
    clock.advance(100);
    await bounded;
    const session = new AbortController();
    const cut = marks.settled("vendor", keys("a"), session.signal);
    session.abort();
    await expect(cut).resolves.toBeUndefined();
  });
});

describe("the stream", () => {
  function tellingRig(table: TestTable): { readonly rig: RunnerRig; readonly marks: WriteMarks } {
    let made: WriteMarks | undefined;
    const rig = new RunnerRig(table, { marks: (clock) => (made = marksAt(clock)) });
    return { rig, marks: made! };
  }

  test.each(["before", "after"])("brings a change %s its write's answer", async (order) => {
    const table = new TestTable();
    table.set("a", "old");
    const { rig, marks } = tellingRig(table);
    await using running = rig;
    await running.until("the snapshot", () => running.shorts.includes("mark snapshot_end ok"));
    const end = marks.begin("vendor", '["a"]', CAUSE);
    table.set("a", "new");
    // Read before, it is kept back until the write tells what it has left.
    if (order === "before") await running.advance(1_500);
    expect(running.shorts).not.toContain("mark sync ok");
    end({ key: '["a"]', record: RECORD });
    await running.until("the change", () => running.shorts.includes("mark sync ok"));
    expect(entriesOf(running.store).at(-2)).toMatchObject({ op: "upsert", cause: CAUSE });
    table.set("a", "by hand");
    await running.until(
      "the other change",
      () => running.shorts.filter((one) => one === "upsert a").length === 3,
    );
    expect(entriesOf(running.store).findLast(({ op }) => op === "upsert")).not.toHaveProperty("cause");
  });
});
