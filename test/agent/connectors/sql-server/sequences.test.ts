// A new record of SQL Server takes its number from a sequence, and says so where that is not to be had.
import { expect, test } from "vitest";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { WriteOutcome } from "#agent/core/source/write.ts";
import { type Plant, READER, startPlant } from "./plant.ts";

const signal = new AbortController().signal;
const PLAN: EntityPlan = {
  entity: "work_order",
  table: { name: "wo" },
  key: ["num"],
  columns: ["num", "note"],
  filters: [],
  change: { kind: "full_scan" },
  children: [],
  writes: [
    {
      operation: "create",
      form: "insert",
      slots: [{ name: "num" }, { name: "note" }],
      next: [{ column: "num", prefix: "", digits: 0, from: "sequence", sequence: { name: "wo_seq" } }],
    },
  ],
};

async function create(plant: Plant): Promise<WriteOutcome> {
  await using connector = plant.connector([PLAN], { settings: { write: { allow: true } } });
  await connector.open(signal);
  const command = { commandId: "c-1", entity: "work_order", operation: "create", key: undefined };
  return await connector.write!({ ...command, values: { note: "new" }, dryRun: false, signal });
}

test("the next value is the record's key", async () => {
  await using plant = await startPlant();
  await plant.sql("CREATE TABLE wo (num bigint NOT NULL PRIMARY KEY, note nvarchar(20))");
  plant.database.rights.grant(READER.user, "INSERT", "dbo.wo");
  plant.database.sequences.set("dbo.wo_seq", 41n);
  expect(await create(plant)).toMatchObject({
    status: "applied",
    row: { key: ["42"], columns: { note: "new" } },
  });
  expect(await create(plant)).toMatchObject({ status: "applied", row: { key: ["43"] } });
});

test("without the sequence nothing is written, and the message names it", async () => {
  await using plant = await startPlant();
  await plant.sql("CREATE TABLE wo (num bigint NOT NULL PRIMARY KEY, note nvarchar(20))");
  plant.database.rights.grant(READER.user, "INSERT", "dbo.wo");
  await expect(create(plant)).rejects.toMatchObject({ kind: "misconfigured" });
  await expect(create(plant)).rejects.toThrow("dbo.wo_seq");
  expect(await plant.rows("SELECT count(*) FROM wo")).toEqual([["0"]]);
});
