// The grant script names exactly the tables of the plans.
import { expect, test } from "vitest";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { grantScript } from "#agent/connectors/oracle/grants.ts";
import { orderPlan } from "#test/conformance/connector/harness.ts";
import { rowsPlan } from "#test/conformance/connector/write-plans.ts";

test("each table once, in the owner's schema, with what may be added as comments", () => {
  const plans = [orderPlan("timestamp"), orderPlan("counter", "again")];
  const script = grantScript(plans, { user: "millrace_reader", schema: "erp" });
  const lines = script.split("\n");
  expect(lines.filter((line) => line.startsWith("GRANT"))).toEqual([
    'GRANT CREATE SESSION TO "MILLRACE_READER";',
    'GRANT SELECT ON "ERP"."PO" TO "MILLRACE_READER";',
    'GRANT SELECT ON "ERP"."POLINE" TO "MILLRACE_READER";',
  ]);
  expect(script).toContain('-- GRANT FLASHBACK ON "ERP"."PO" TO "MILLRACE_READER";');
  expect(script).toContain('-- GRANT SELECT ON "ERP"."MLOG$_POLINE" TO "MILLRACE_READER";');
});

test("names that were made in quotes keep their case", () => {
  const plan = { ...orderPlan("counter"), table: { schema: "Erp", name: "Order" }, children: [] };
  const script = grantScript([plan], { user: '"Reader"', schema: "erp" });
  expect(script).toContain('GRANT SELECT ON "Erp"."Order" TO "Reader";');
});

test("an owner that nobody names is said to be missing", () => {
  const script = grantScript([orderPlan("counter")], { user: "reader", schema: undefined });
  expect(script).toContain('replace "OWNER"');
  expect(script).toContain('GRANT SELECT ON "OWNER"."PO" TO "READER";');
});

test("rights to write are there where writing is allowed, and no wider than the pack's writes", () => {
  const writes: EntityPlan["writes"] = [
    { operation: "update", form: "update", slots: [{ name: "status" }, { name: "stamp" }] },
    {
      operation: "request",
      form: "interface_table",
      table: { name: "po_import" },
      slots: [{ name: "wanted" }],
    },
    {
      operation: "close",
      form: "procedure",
      procedure: { name: "po_api.close" },
      isNamed: true,
      slots: [],
      outputs: [],
    },
  ];
  const plan = { ...orderPlan("counter"), children: [], writes };
  const settings = { user: "reader", schema: "erp" };
  const script = grantScript([plan], {
    ...settings,
    write: { isAllowed: true, commandLog: "agent.commands" },
  });
  const grants = script.split("\n").filter((line) => line.startsWith("GRANT"));
  expect(grants).toEqual([
    'GRANT CREATE SESSION TO "READER";',
    'GRANT SELECT ON "ERP"."PO" TO "READER";',
    'GRANT UPDATE ("STATUS", "STAMP") ON "ERP"."PO" TO "READER";',
    'GRANT SELECT ON "ERP"."PO_IMPORT" TO "READER";',
    'GRANT INSERT ON "ERP"."PO_IMPORT" TO "READER";',
    'GRANT EXECUTE ON "ERP"."PO_API" TO "READER";',
    'GRANT SELECT ON "AGENT"."COMMANDS" TO "READER";',
    'GRANT INSERT ON "AGENT"."COMMANDS" TO "READER";',
    'GRANT UPDATE ON "AGENT"."COMMANDS" TO "READER";',
  ]);
  expect(script).not.toContain("It can write nothing");
  const reading = grantScript([plan], { ...settings, write: { isAllowed: false, commandLog: "c" } });
  expect(reading).toBe(grantScript([{ ...plan, writes: [] }], settings));
});

test("orders with lines, counted keys, removals and adjustments get the rights that these need", () => {
  const [create, ...others] = rowsPlan().writes!;
  if (create?.form !== "insert") throw new Error("another plan was expected");
  const sequence = { name: "po_seq" };
  const counted = {
    ...create,
    next: [{ column: "ponum", prefix: "", digits: 0, from: "sequence", sequence }],
  };
  const plan = {
    ...rowsPlan(),
    writes: [create, { ...counted, operation: "order" } as typeof create, ...others],
  };
  const write = { isAllowed: true, commandLog: undefined };
  const script = grantScript([plan], { user: "reader", schema: "erp", write });
  const grants = script
    .split("\n")
    .filter((line) => /^GRANT (?!SELECT ON "ERP"."PO(?:LINE)?"|CREATE)/.test(line));
  expect(grants).toEqual([
    'GRANT INSERT ON "ERP"."PO" TO "READER";',
    'GRANT SELECT ON "ERP"."COUNTERS" TO "READER";',
    'GRANT UPDATE ("SEED") ON "ERP"."COUNTERS" TO "READER";',
    'GRANT INSERT ON "ERP"."POLINE" TO "READER";',
    'GRANT SELECT ON "ERP"."PO_SEQ" TO "READER";',
    'GRANT UPDATE ("STATUS", "STAMP", "TOTAL") ON "ERP"."PO" TO "READER";',
    'GRANT UPDATE ("ITEM", "QTY") ON "ERP"."POLINE" TO "READER";',
    'GRANT DELETE ON "ERP"."POLINE" TO "READER";',
    'GRANT DELETE ON "ERP"."PO" TO "READER";',
  ]);
});
