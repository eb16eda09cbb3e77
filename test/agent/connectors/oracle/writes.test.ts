// Oracle's own in writes: how values are bound, what the server's refusals mean, and how procedures are called.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { ProcedurePlan, WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import type { BoundParameter } from "#test/support/sql-engine/session.ts";
import { OraclePlant } from "#test/support/oracle-plant.ts";

const never = new AbortController().signal;
const COLUMNS = ["kind", "day", "at", "moment", "note"];

const CLOSE: ProcedurePlan = {
  operation: "close",
  form: "procedure",
  procedure: { name: "wo_api.close" },
  isNamed: true,
  slots: [{ name: "p_num" }, { name: "p_when", cast: "DATE" }],
  outputs: ["o_code"],
};
const PLAN: EntityPlan = {
  entity: "work_order",
  table: { name: "wo" },
  key: ["num"],
  columns: ["num", ...COLUMNS],
  filters: [],
  change: { kind: "full_scan" },
  children: [],
  writes: [{ operation: "update", form: "update", slots: COLUMNS.map((name) => ({ name })) }, CLOSE],
};

let plant: OraclePlant;
let connector: Connector;
let called: readonly BoundParameter[];

beforeEach(async () => {
  plant = await OraclePlant.start();
  await plant.sql(
    `CREATE TABLE wo (num VARCHAR2(10) NOT NULL PRIMARY KEY, kind CHAR(5), day DATE, at TIMESTAMP(3),
       moment TIMESTAMP(3) WITH TIME ZONE, note NVARCHAR2(20));
     INSERT INTO wo (num) VALUES ('1');`,
  );
  plant.database.defineProcedure("wo_api.close", ({ parameters }) => {
    called = parameters;
    const value = { type: { kind: "number" }, value: "0" } as const;
    return { sets: [], rowsAffected: 0, outputs: new Map([["O_CODE", value]]) };
  });
  plant.allowWrites();
  connector = await open();
});
afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  await plant[Symbol.asyncDispose]();
});

async function open(plan = PLAN): Promise<Connector> {
  const settings = { write: { allow: true }, lock_timeout_ms: 1000 };
  const opened = plant.connector([plan], { settings });
  await opened.open(never);
  return opened;
}

let commands = 0;
function write(
  values: WriteRequest["values"],
  operation = "update",
  key: readonly string[] = ["1"],
): Promise<WriteOutcome> {
  commands += 1;
  const command = { commandId: `c-${commands}`, entity: "work_order", dryRun: false, signal: never };
  return connector.write!({ ...command, operation, key, values });
}

test("padded, national, date and zoned columns take what a pack writes, with a T or a blank", async () => {
  const values = {
    kind: "ab",
    day: "2024-02-29",
    at: "2024-02-29T10:00:00.125",
    moment: "2024-02-29T10:00:00Z",
    note: "漢字",
  };
  expect(await write(values)).toMatchObject({
    status: "applied",
    row: {
      columns: {
        kind: "ab   ",
        day: "2024-02-29 00:00:00",
        at: "2024-02-29 10:00:00.125",
        moment: "2024-02-29 10:00:00.000+00:00",
        note: "漢字",
      },
    },
  });
});

test.each([
  [
    20_001,
    'the period is closed\nORA-06512: at "PLANT.WO_TR", line 3',
    "REFUSED",
    "the period is closed (ORA-20001)",
  ],
  [12_899, "value too large for column", "VALUE", "value too large"],
  [2291, "integrity constraint (PLANT.FK) violated - parent key not found", "CONSTRAINT", "parent key"],
])("ORA-%i is a refusal", async (number, text, code, message) => {
  plant.server.faults.fail(number, text, { statement: /^UPDATE/ });
  const outcome = await write({ kind: "x" });
  expect(outcome).toMatchObject({ status: "rejected", code, message: expect.stringContaining(message) });
  expect(JSON.stringify(outcome)).not.toContain("ORA-06512");
  expect(await write({ kind: "y" })).toMatchObject({ status: "applied" });
});

test("a commit that a deferred constraint turns into a rollback is a refusal, not an unknown outcome", async () => {
  const text = "transaction rolled back\nORA-02291: integrity constraint (PLANT.FK) violated";
  plant.server.faults.fail(2091, text, { call: "commit" });
  const outcome = await write({ kind: "x" });
  expect(outcome).toMatchObject({ status: "rejected", code: "CONSTRAINT" });
  expect(outcome).toMatchObject({ message: expect.stringContaining("PLANT.FK") });
});

test("a row that another program holds is waited for as long as the settings say", async () => {
  const held = await plant.hold("UPDATE wo SET kind = 'held' WHERE num = '1'");
  await expect(write({ kind: "x" })).rejects.toMatchObject({ kind: "unavailable", serverNumber: 30_006 });
  await held.release();
  expect(await write({ kind: "x" })).toMatchObject({ status: "applied" });
});

test("a missing right names the GRANT", async () => {
  plant.database.rights.deny("READER", "UPDATE", "PLANT.WO");
  const refused = write({ kind: "x" });
  await expect(refused).rejects.toMatchObject({ kind: "misconfigured" });
  await expect(refused).rejects.toThrow('GRANT UPDATE ON "PLANT"."WO" TO "READER";');
});

test("a package's procedure is called by named arguments, its OUT argument is the output", async () => {
  expect(await write({ p_num: "1", p_when: "2024-02-29T10:00:00" }, "close")).toMatchObject({
    status: "applied",
    outputs: { o_code: "0" },
    row: { key: ["1"] },
  });
  const given = called.map(({ name, value }) => [name, value]);
  expect(given).toEqual([
    ["P_NUM", "1"],
    ["P_WHEN", "2024-02-29 10:00:00"],
    ["O_CODE", null],
  ]);
});

test("a procedure that this user cannot call is told on opening, with its GRANT", async () => {
  const away = { ...CLOSE, procedure: { name: "wo_api.reopen" } };
  const opening = open({ ...PLAN, writes: [away] });
  await expect(opening).rejects.toMatchObject({ kind: "misconfigured" });
  await expect(opening).rejects.toThrow('GRANT EXECUTE ON "PLANT"."WO_API" TO "READER";');
});

test("a new record takes its number from a sequence", async () => {
  plant.database.sequences.set("WO_SEQ", 41n);
  await connector[Symbol.asyncDispose]();
  const next = {
    column: "num",
    prefix: "W",
    digits: 5,
    from: "sequence",
    sequence: { name: "wo_seq" },
  } as const;
  const slots = ["num", "note"].map((name) => ({ name }));
  connector = await open({ ...PLAN, writes: [{ operation: "create", form: "insert", slots, next: [next] }] });
  const command = { commandId: "c-new", entity: "work_order", dryRun: false, signal: never };
  const values = { note: "new" };
  const outcome = await connector.write!({ ...command, operation: "create", key: undefined, values });
  expect(outcome).toMatchObject({ status: "applied", row: { key: ["W00042"], columns: { note: "new" } } });
});

test("rows of a child take a padded key from their parent", async () => {
  await connector[Symbol.asyncDispose]();
  await plant.sql(
    `CREATE TABLE job (code CHAR(5) NOT NULL PRIMARY KEY, note VARCHAR2(20));
     CREATE TABLE step (code CHAR(5) NOT NULL, pos NUMBER(5) NOT NULL, note VARCHAR2(20), PRIMARY KEY (code, pos));
     INSERT INTO job (code) VALUES ('ab');`,
  );
  const rows = {
    child: "steps",
    key: ["pos"],
    number: { column: "pos", step: 10 },
    required: [],
    maxRows: 9,
  };
  const slots = ["pos", "note"].map((name) => ({ name }));
  connector = await open({
    entity: "work_order",
    table: { name: "job" },
    key: ["code"],
    columns: ["code", "note"],
    filters: [],
    change: { kind: "full_scan" },
    children: [
      {
        name: "steps",
        table: { name: "step" },
        on: [{ child: "code", parent: "code" }],
        columns: ["pos", "note"],
        orderBy: ["pos"],
        filters: [],
      },
    ],
    writes: [{ operation: "update", form: "update", slots: [], children: [{ ...rows, slots }] }],
  });
  const command = { commandId: "c-rows", entity: "work_order", operation: "update", dryRun: false };
  const children = { steps: [{ values: { note: "drain" } }, { values: { note: "fill" } }] };
  const outcome = await connector.write!({ ...command, key: ["ab"], values: {}, children, signal: never });
  expect(outcome).toMatchObject({
    status: "applied",
    row: { children: { steps: [{ note: "drain" }, { note: "fill" }] } },
  });
  expect(await plant.rows("SELECT pos, note FROM step ORDER BY pos")).toEqual([
    ["10", "drain"],
    ["20", "fill"],
  ]);
});

test("a right that a removal lacks is named", async () => {
  await connector[Symbol.asyncDispose]();
  const remove = { operation: "delete", form: "delete", slots: [], children: [] } as const;
  connector = await open({ ...PLAN, writes: [remove] });
  plant.database.rights.deny("READER", "DELETE", "PLANT.WO");
  await expect(write({}, "delete")).rejects.toMatchObject({ kind: "misconfigured" });
  await expect(write({}, "delete")).rejects.toThrow('GRANT DELETE ON "PLANT"."WO" TO "READER";');
});
