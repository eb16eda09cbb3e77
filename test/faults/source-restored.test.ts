// An older copy of the source's database is put in place: noticed, compared again, regressions and deletes pass on.
import { copyFileSync, rmSync } from "node:fs";
import { expect, test } from "vitest";
import {
  feedOf,
  feedProblems,
  gapReasons,
  Plant,
  plantStack,
  untilEqual,
} from "#test/support/plant-stack.ts";

test.concurrent("a restored source database: a gap says so, and the relay goes back with it", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  stack.startAgent();
  await untilEqual(stack, "plant", plant);
  plant.close();
  const copy = `${plant.file}.copy`;
  copyFileSync(plant.file, copy);
  plant.reopen();
  for (const kind of ["order_new", "order_new", "vendor_changed", "order_deleted", "work_new"] as const)
    plant.mutator.mutate(kind);
  plant.change(40);
  await untilEqual(stack, "plant", plant);
  const before = await feedOf(stack);

  plant.close();
  for (const end of ["", "-wal", "-shm"]) rmSync(`${plant.file}${end}`, { force: true });
  copyFileSync(copy, plant.file);
  plant.reopen();
  await untilEqual(stack, "plant", plant);
  const reasons = await gapReasons(stack, "plant");
  expect(reasons.length).toBeGreaterThan(0);
  expect(new Set(reasons).difference(new Set(["source_restored", "cursor_lost"]))).toEqual(new Set());
  const events = await feedOf(stack);
  expect(feedProblems(events)).toEqual([]);
  const told = events.slice(before.length);
  expect(told.map(({ type }) => type)).toEqual(
    expect.arrayContaining([
      "gap.recorded",
      "purchase_order.deleted",
      "purchase_order.created",
      "vendor.updated",
    ]),
  );
});

test.concurrent("a source that goes back in place, rows and counters together, is noticed by its rows", async () => {
  using plant = new Plant({ seed: 2 });
  await using stack = await plantStack({ plant });
  stack.startAgent();
  await untilEqual(stack, "plant", plant);
  plant.close();
  const copy = `${plant.file}.copy`;
  copyFileSync(plant.file, copy);
  plant.reopen();
  plant.change(40);
  await untilEqual(stack, "plant", plant);
  // SQLite's own restore writes the old pages into the file that stands there.
  await plant.restoreInPlace(copy);
  await untilEqual(stack, "plant", plant);
  expect(await gapReasons(stack, "plant")).toContain("cursor_lost");
  expect(feedProblems(await feedOf(stack))).toEqual([]);
});
