// Procedures of SQL Server: typed arguments by name, OUTPUT parameters, the RETURN status, and how they say no.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { ProcedurePlan, WriteOutcome } from "#agent/core/source/write.ts";
import { type BoundParameter, DatabaseError, type DbType } from "#test/support/sql-engine/session.ts";
import { type Plant, READER, startPlant } from "./plant.ts";

const never = new AbortController().signal;
const NAME: DbType = { kind: "nvarchar", length: 5 };
const PRICE: DbType = { kind: "decimal", precision: 12, scale: 2 };

const PARAMETERS = [
  { name: "Num", type: NAME, isOutput: false },
  { name: "Price", type: PRICE, isOutput: false },
  { name: "Due", type: { kind: "datetime2", scale: 0 }, isOutput: false },
  { name: "Total", type: PRICE, isOutput: true },
] as const;

const RENAME: ProcedurePlan = {
  operation: "rename",
  form: "procedure",
  procedure: { name: "wo_rename" },
  isNamed: true,
  slots: [{ name: "due" }, { name: "num" }, { name: "@Price" }],
  outputs: ["Total", "return"],
  success: { output: "return", in: ["0"] },
};
const PLAN: EntityPlan = {
  entity: "work_order",
  table: { name: "wo" },
  key: ["num"],
  columns: ["num"],
  filters: [],
  change: { kind: "full_scan" },
  children: [],
  writes: [RENAME],
};

let plant: Plant;
let connector: Connector;
let called: readonly BoundParameter[] = [];
let answer: () => number;

beforeEach(async () => {
  plant = await startPlant();
  await plant.sql("CREATE TABLE wo (num nvarchar(10) PRIMARY KEY); INSERT INTO wo VALUES (N'1')");
  answer = () => 0;
  const rename = (parameters: readonly BoundParameter[]): number => {
    called = parameters;
    return answer();
  };
  plant.database.defineProcedure(
    "wo_rename",
    async ({ parameters, execute }) => {
      const returnStatus = rename(parameters);
      const { sets } = await execute("SELECT N'rows of its own'");
      const outputs = new Map([["Total", { type: PRICE, value: "1234567890.10" }]]);
      return { sets, rowsAffected: 0, outputs, returnStatus };
    },
    PARAMETERS,
  );
  plant.database.rights.grant(READER.user, "EXECUTE", "dbo.wo_rename");
  connector = await open(PLAN);
});
afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  await plant[Symbol.asyncDispose]();
});

async function open(plan: EntityPlan): Promise<Connector> {
  const opened = plant.connector([plan], { settings: { write: { allow: true } } });
  await opened.open(never);
  return opened;
}

function rename(values: Readonly<Record<string, string>>): Promise<WriteOutcome> {
  const command = { commandId: "c-1", entity: "work_order", operation: "rename", key: ["1"] };
  return connector.write!({ ...command, values, dryRun: false, signal: never });
}

test("arguments go in by name and in their own types, what is left out keeps its default", async () => {
  expect(await rename({ "@Price": "12.5", num: "7" })).toMatchObject({
    status: "applied",
    outputs: { Total: "1234567890.10", return: "0" },
    row: { key: ["1"] },
  });
  expect(called.map(({ name, value, type }) => [name, value, type.kind])).toEqual([
    ["Num", "7", "nvarchar"],
    ["Price", "12.50", "decimal"],
    ["Total", null, "decimal"],
  ]);
});

test("a RETURN status that the pack does not hold for success is a refusal", async () => {
  answer = () => 3;
  expect(await rename({ num: "7" })).toMatchObject({
    status: "rejected",
    code: "REFUSED",
    message: expect.stringContaining("return is 3"),
  });
});

test("what RAISERROR and THROW say is the refusal's text", async () => {
  answer = () => {
    throw new DatabaseError(50_001, "The period is closed.");
  };
  expect(await rename({ num: "7" })).toMatchObject({
    status: "rejected",
    code: "REFUSED",
    message: expect.stringContaining("The period is closed."),
  });
});

test("a text that the parameter would cut is refused, and the procedure is not called", async () => {
  called = [];
  expect(await rename({ num: "123456" })).toMatchObject({ status: "rejected", code: "VALUE" });
  expect(called).toEqual([]);
});

test("a procedure that ends the transaction by itself leaves the outcome unknown", async () => {
  answer = () => {
    throw new DatabaseError(266, "Transaction count after EXECUTE indicates a mismatching number.");
  };
  expect(await rename({ num: "7" })).toMatchObject({ status: "unknown_outcome" });
});

test("procedures and parameters that are not there are told on opening", async () => {
  const writes = [
    { ...RENAME, outputs: ["Sum"], slots: [{ name: "nummer" }] },
    { ...RENAME, operation: "close", procedure: { name: "wo_close" } },
  ];
  const opening = open({ ...PLAN, writes });
  await expect(opening).rejects.toMatchObject({ kind: "misconfigured" });
  for (const said of [
    "no parameter @nummer",
    "no OUTPUT parameter @Sum",
    "GRANT EXECUTE ON OBJECT::[dbo].[wo_close]",
  ])
    await expect(opening).rejects.toThrow(said);
});
