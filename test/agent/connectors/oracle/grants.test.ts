// The grant script names exactly the tables of the plans.
import { expect, test } from "vitest";
import { grantScript } from "#agent/connectors/oracle/grants.ts";
import { orderPlan } from "#test/conformance/connector/harness.ts";

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
