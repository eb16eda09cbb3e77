// What a plant's file allows, held against the pack: names that allow nothing are told, with the nearest match.
import { expect, test } from "vitest";
import { allowIssues } from "#agent/core/commands/allow-issues.ts";
import type { PlantPolicy, WriteRule } from "#agent/core/commands/plant-policy.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { POLICY } from "./desk-rig.ts";

const APPLY: WriteRule = { mode: "apply", windows: [] };

function issuesOf(pack: string, writes: PlantPolicy["writes"], isWritable = true): readonly string[] {
  const loaded = loadPack(pack);
  if (!loaded.ok) throw new TypeError(`no pack ${pack}`);
  const issues = allowIssues(loaded.pack, { ...POLICY, writes }, isWritable);
  return issues.map(({ path, message }) => `${path}: ${message}`);
}

test("names that the pack has are good", () => {
  expect(issuesOf("demo-cmms", { work_order: { update: APPLY, change_status: APPLY } })).toEqual([]);
});

test.each([
  [
    "an entity",
    { work_ordre: { update: APPLY } },
    /^writes.work_ordre: .*does not map work_ordre.*work_order/,
  ],
  ["an operation", { work_order: { updat: APPLY } }, /^writes.work_order.updat: .*"update"/],
  ["an entity that is only read", { inventory_item: { update: APPLY } }, /writes nothing of inventory_item/],
])("%s that it has not is named, with the nearest match", (_what, writes, wanted) => {
  const issues = issuesOf("demo-cmms", writes);
  expect(issues).toHaveLength(1);
  expect(issues[0]).toMatch(wanted);
});

test("a connector that may not write is told, but not for what is refused anyway", () => {
  const refused: WriteRule = { mode: "refuse", windows: [] };
  expect(issuesOf("demo-cmms", { work_order: { update: APPLY, create: refused } }, false)).toEqual([
    expect.stringContaining("writes.work_order.update: has no effect"),
  ]);
});
