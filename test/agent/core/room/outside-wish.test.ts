// What the relay may do with a connection: a pause of the plant's holds, passes can be called off, first readings cannot.
import { expect, test } from "vitest";
import { outsideWish, type WishRefusal } from "#agent/core/room/outside-wish.ts";
import { entriesOf, RunnerRig, TestTable } from "./harness.ts";

const NAMES = ["vendor"];

async function online(rows = 9): Promise<RunnerRig> {
  const table = new TestTable();
  table.fill(rows);
  const rig = new RunnerRig(table);
  await rig.until("online", () => rig.status?.status === "online");
  return rig;
}

test("a pause from outside is ended from outside, one of the plant only there; both survive", async () => {
  await using rig = await online();
  const wish = (action: "pause" | "resume"): WishRefusal | undefined =>
    outsideWish(rig.runner, { action }, NAMES);
  expect(wish("pause")).toBeUndefined();
  expect(rig.status).toMatchObject({ status: "paused", reason: "paused from outside" });
  await using again = new RunnerRig(rig.table, { store: rig.store });
  expect(again.runner.pausedBy).toBe("relay");
  expect(wish("resume")).toBeUndefined();
  expect(rig.runner.pausedBy).toBeUndefined();
  rig.runner.operate("pause", undefined);
  expect(wish("pause")).toBeUndefined();
  expect(wish("resume")).toMatchObject({
    code: "NOT_ALLOWED",
    detail: expect.stringContaining("somebody at the plant"),
  });
  expect(rig.status).toMatchObject({ status: "paused", reason: "paused at the plant" });
});

test("a comparison is called off, its end is told, and the next one comes by its schedule", async () => {
  await using rig = await online();
  const cancel = (): WishRefusal | undefined => outsideWish(rig.runner, { action: "cancel" }, NAMES);
  expect(cancel()).toMatchObject({ code: "NOTHING_UNDER_WAY" });
  const answers: (WishRefusal | undefined)[] = [];
  rig.table.onPage = (request) => {
    // In the middle of the pass, between two of its pages.
    if (answers.length === 0 && request.pass !== "incremental") answers.push(cancel());
  };
  expect(outsideWish(rig.runner, { action: "sync" }, NAMES)).toBeUndefined();
  await rig.until("the pass to end", () => rig.shorts.includes("mark sync failed"));
  expect(answers).toEqual([undefined]);
  rig.table.onPage = () => {};
  const before = rig.table.asked.length;
  await rig.advance(30_000);
  expect(rig.table.asked.slice(before)).not.toContain("snapshot");
  await rig.until("the next pass", () => rig.table.asked.slice(before).includes("snapshot"));
});

test("a pass that was asked for says by whose trace, whatever starts anew in between; the next one does not", async () => {
  const rig = await online();
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const before = entriesOf(rig.store).length;
  expect(outsideWish(rig.runner, { action: "resync" }, NAMES, traceparent)).toBeUndefined();
  await rig[Symbol.asyncDispose]();
  await using again = new RunnerRig(rig.table, { store: rig.store });
  const ends = () =>
    entriesOf(again.store)
      .slice(before)
      .filter((entry) => entry.op === "mark" && entry.mark !== "snapshot_begin");
  await again.until("the pass to end", () => ends().length === 1);
  expect(ends()).toMatchObject([{ mark: "snapshot_end", outcome: "ok", traceparent }]);
  expect(outsideWish(again.runner, { action: "sync" }, NAMES)).toBeUndefined();
  await again.until("the next pass to end", () => ends().length === 2);
  expect(ends()[1]).not.toHaveProperty("traceparent");
});

test("an entity that is not there is named with its nearest match", async () => {
  await using rig = await online();
  expect(outsideWish(rig.runner, { action: "sync", entity: "vendors" }, NAMES)?.detail).toMatch(
    /no vendors.*vendor/,
  );
});
