// The script of rights: exactly the tables of the plans, once each, quoted; everything that costs is a comment.
import { expect, test } from "vitest";
import { sqlServerDefinition } from "#agent/connectors/sql-server/definition.ts";
import { grantScript } from "#agent/connectors/sql-server/grants.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { rowsPlan } from "#test/conformance/connector/write-plans.ts";
import { settingsOf } from "./planted.ts";

const plan: EntityPlan = {
  entity: "purchase_order",
  table: { schema: "erp", name: "po]x" },
  key: ["id"],
  columns: ["id"],
  filters: [],
  change: { kind: "full_scan" },
  children: [
    {
      name: "lines",
      table: { name: "poline" },
      on: [{ child: "id", parent: "id" }],
      columns: ["n"],
      orderBy: [],
      filters: [],
    },
  ],
};

test("a SQL login reads exactly the plans' tables", () => {
  const script = grantScript([plan, { ...plan, entity: "other" }], settingsOf({ user: "o'reader" }));
  const statements = script.split("\n").filter((line) => line !== "" && !line.startsWith("--"));
  expect(statements).toEqual([
    "USE [master];",
    "IF SUSER_ID(N'o''reader') IS NULL CREATE LOGIN [o'reader] WITH PASSWORD = N'…', CHECK_EXPIRATION = OFF;",
    "USE [plant];",
    "IF USER_ID(N'o''reader') IS NULL CREATE USER [o'reader] FOR LOGIN [o'reader];",
    "GRANT SELECT ON OBJECT::[erp].[po]]x] TO [o'reader];",
    "GRANT SELECT ON OBJECT::[dbo].[poline] TO [o'reader];",
  ]);
  expect(script).not.toContain("pä$$");
});

test("a Windows user is made from Windows, and named with the domain", () => {
  const settings = settingsOf({ authentication: "ntlm", domain: "PLANT" });
  const script = sqlServerDefinition.grantScript!(settings, [plan]);
  expect(script).toContain("CREATE LOGIN [PLANT\\reader] FROM WINDOWS;");
  expect(script).toContain("GRANT VIEW CHANGE TRACKING ON OBJECT::[dbo].[poline] TO [PLANT\\reader];");
});

test("rights to write come with write.allow, column by column where rows are updated", () => {
  const writes: EntityPlan["writes"] = [
    { operation: "update", form: "update", slots: [{ name: "status" }] },
    { operation: "create", form: "insert", slots: [{ name: "id" }] },
    {
      operation: "close",
      form: "procedure",
      procedure: { schema: "erp", name: "po_close" },
      isNamed: true,
      slots: [],
      outputs: [],
    },
  ];
  const writing = { ...plan, children: [], writes };
  const allowed = settingsOf({ user: "agent", write: { allow: true, command_log: "commands" } });
  const lines = grantScript([writing], allowed).split("\n");
  expect(lines.filter((line) => /^GRANT (?!SELECT ON OBJECT::\[erp\])/.test(line))).toEqual([
    "GRANT UPDATE ON OBJECT::[erp].[po]]x] ([status]) TO [agent];",
    "GRANT INSERT ON OBJECT::[erp].[po]]x] TO [agent];",
    "GRANT EXECUTE ON OBJECT::[erp].[po_close] TO [agent];",
    "GRANT SELECT ON OBJECT::[dbo].[commands] TO [agent];",
    "GRANT INSERT ON OBJECT::[dbo].[commands] TO [agent];",
    "GRANT UPDATE ON OBJECT::[dbo].[commands] TO [agent];",
  ]);
  const reading = grantScript([writing], settingsOf({ user: "agent" }));
  expect(reading).toContain("It can write nothing.");
  expect(reading).not.toMatch(/GRANT (?:INSERT|UPDATE|EXECUTE)/);
});

test("orders with lines, counted keys, removals and adjustments get the rights that these need", () => {
  const allowed = settingsOf({ user: "agent", write: { allow: true } });
  const lines = grantScript([rowsPlan()], allowed).split("\n");
  const sequence: EntityPlan["writes"] = [
    {
      operation: "create",
      form: "insert",
      slots: [{ name: "ponum" }],
      next: [{ column: "ponum", prefix: "", digits: 0, from: "sequence", sequence: { name: "po_seq" } }],
    },
  ];
  expect(lines.filter((line) => /^GRANT (?!SELECT ON OBJECT::\[dbo\].\[po(?:line)?\])/.test(line))).toEqual([
    "GRANT INSERT ON OBJECT::[dbo].[po] TO [agent];",
    "GRANT SELECT ON OBJECT::[dbo].[counters] TO [agent];",
    "GRANT UPDATE ON OBJECT::[dbo].[counters] ([seed]) TO [agent];",
    "GRANT INSERT ON OBJECT::[dbo].[poline] TO [agent];",
    "GRANT UPDATE ON OBJECT::[dbo].[po] ([status], [stamp], [total]) TO [agent];",
    "GRANT UPDATE ON OBJECT::[dbo].[poline] ([item], [qty]) TO [agent];",
    "GRANT DELETE ON OBJECT::[dbo].[poline] TO [agent];",
    "GRANT DELETE ON OBJECT::[dbo].[po] TO [agent];",
  ]);
  expect(grantScript([{ ...rowsPlan(), writes: sequence }], allowed)).toContain(
    "GRANT UPDATE ON OBJECT::[dbo].[po_seq] TO [agent];",
  );
});
