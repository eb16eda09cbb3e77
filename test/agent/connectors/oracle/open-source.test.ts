// What a plant engineer is told when a pack does not fit what the user can see.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { OraclePlant } from "#test/support/oracle-plant.ts";

const never = new AbortController().signal;
const PLAN: EntityPlan = {
  entity: "work_order",
  table: { name: "wo" },
  key: ["ID"],
  columns: ["ID"],
  filters: [],
  change: { kind: "timestamp", column: "CHANGED", format: "local", overlapMs: 0 },
  children: [],
};

let plant: OraclePlant;
beforeEach(async () => {
  plant = await OraclePlant.start();
  await plant.sql("CREATE TABLE wo (id NUMBER(9) PRIMARY KEY, changed DATE)");
});
afterEach(async () => {
  await plant[Symbol.asyncDispose]();
});

async function told(plans: readonly EntityPlan[], settings: Record<string, unknown> = {}): Promise<string> {
  await using connector = plant.connector(plans, { settings });
  return await connector.open(never).then(() => "open", messageOf);
}

test("a table of another schema is named with it, and no grant is asked for", async () => {
  const message = await told([PLAN], { schema: "MAXIMO" });
  expect(message).toContain("set schema to the right one, or name it in the pack: PLANT.WO");
  expect(message).not.toContain("GRANT");
});

test("tables that cannot be seen are asked for; if that is all of them, the pack is doubted", async () => {
  const other = { ...PLAN, entity: "vendor", table: { name: "companies" } };
  const some = await told([PLAN, other]);
  expect(some).toContain('GRANT SELECT ON "PLANT"."COMPANIES" TO "READER";');
  expect(some).not.toContain("is it the right pack");
  expect(await told([other])).toContain("None of the pack's tables can be seen: is it the right pack");
});

test("a table that is seen and may not be read is asked for", async () => {
  plant.database.rights.deny("READER", "SELECT", "PLANT.WO");
  plant.database.rights.grant("READER", "UPDATE", "PLANT.WO");
  expect(await told([PLAN])).toMatch(
    /may not read a table that the pack needs\. Have an administrator run: GRANT SELECT ON "PLANT"\."WO" TO "READER";/,
  );
});

test("one table under two names is read for what both plans do with it", async () => {
  await plant.sql(
    "CREATE TABLE tool (id NUMBER(9) PRIMARY KEY, tag RAW(4)); INSERT INTO tool VALUES (1, HEXTORAW('0AFF'))",
  );
  const names = { owner: "PUBLIC", name: "TAGGED", tableOwner: "PLANT", tableName: "TOOL" };
  plant.database.synonyms.push(names);
  const plain = { ...PLAN, change: { kind: "full_scan" } } as const;
  const plans: readonly EntityPlan[] = [
    { ...plain, entity: "asset", table: { name: "tool" } },
    { ...plain, entity: "location", table: { name: "tagged" }, key: ["TAG"], columns: ["TAG"] },
  ];
  await using connector = plant.connector(plans);
  await connector.open(never);
  const request = { entity: "location", pass: "point", after: undefined, maxRows: 5, signal: never } as const;
  const found: unknown[] = [];
  for await (const { rows } of connector.read({ ...request, keys: [["0AFF"]] })) found.push(...rows);
  expect(found).toEqual([{ op: "upsert", key: ["0AFF"], columns: { TAG: "0AFF" } }]);
});

async function clockAdvice(timeZone: string): Promise<string | undefined> {
  const clock = new FakeClock(Date.UTC(2026, 0, 15));
  await using connector = plant.connector([PLAN], { timeZone, clock });
  await connector.open(never);
  return /The database server's clock runs at .*? now/.exec(connector.strategies()[0]?.advice ?? "")?.[0];
}

test.each([
  ["America/Chicago", "UTC-06:00"],
  ["Asia/Kolkata", "UTC+05:30"],
])("%s is another zone than the server's", async (timeZone, offset) => {
  expect(await clockAdvice(timeZone)).toBe(
    `The database server's clock runs at UTC+00:00, and time_zone ${timeZone} is at ${offset} now`,
  );
});

test.each(["UTC", "Europe/London"])("%s agrees with the server's in winter", async (timeZone) => {
  expect(await clockAdvice(timeZone)).toBeUndefined();
});
