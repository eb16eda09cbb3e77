// A record beside its row: fields with where they are from, and the values of the row that they are made of.
import { describe, expect, test } from "vitest";
import { offeredFilters, recordsQuery, shownFields } from "#relay/dashboard/screens/record-columns.ts";
import {
  fieldRows,
  fieldsByRaw,
  rawPathsOf,
  rawRows,
  referencedEntity,
  splitSource,
  valueText,
} from "#relay/dashboard/screens/record-fields.ts";

const RECORD = {
  id: "r1",
  revision: 7,
  remote_id: "BRNO/1",
  number: "1",
  status: "approved",
  supervisor: "***",
  location: { id: "l1", remote_id: "BRNO/L2" },
  failure: { class: "MECHANICAL" },
  assigned_users: ["FISCHER", "ILIC"],
  tasks: [{ sequence: "10" }, { sequence: "20" }],
  parts: [{ uom: "EA" }],
  custom_fields: { ACME_PERMIT: null },
  raw: {},
};
const PROVENANCE = {
  table: "WORKORDER",
  fields: {
    number: { sources: ["WORKORDER.WONUM"] },
    status: { sources: ["SYNONYMDOMAIN.MAXVALUE"] },
    supervisor: { sources: ["WORKORDER.SUPERVISOR"], protection: "masked" },
    location: { sources: ["WORKORDER.SITEID", "WORKORDER.LOCATION"] },
    "failure.class": { sources: ["WORKORDER.FAILURECODE"] },
    assigned_users: { sources: ["WORKORDER.LEAD"] },
    "tasks.sequence": { sources: ["WORKORDER.TASKID"] },
    "parts.uom": { sources: ["MATUSETRANS.ISSUEUNIT", "WPMATERIAL.ORDERUNIT"] },
  },
};
const RAW = {
  WONUM: "1",
  SITEID: "BRNO",
  LOCATION: "L2",
  TASKID: null,
  ACME_PERMIT: null,
  $children: {
    status_word: [{ MAXVALUE: "APPR" }],
    tasks: [{ TASKID: 10 }, { TASKID: 20, SITEID: "BRNO" }],
    planned_parts: [{ ORDERUNIT: "EA" }],
  },
};

describe("fields", () => {
  const rows = fieldRows(RECORD, PROVENANCE);
  const byPath = new Map(rows.map((row) => [row.path, row]));

  test("are the record's own, value by value, in its order", () => {
    expect(rows.map(({ path }) => path)).toEqual([
      "number",
      "status",
      "supervisor",
      "location",
      "failure.class",
      "assigned_users",
      "tasks.0.sequence",
      "tasks.1.sequence",
      "parts.0.uom",
      "custom_fields.ACME_PERMIT",
    ]);
  });

  test("say where they are from, and how they are hidden", () => {
    expect(byPath.get("failure.class")?.sources).toEqual(["WORKORDER.FAILURECODE"]);
    expect(byPath.get("tasks.1.sequence")?.sources).toEqual(["WORKORDER.TASKID"]);
    expect(byPath.get("custom_fields.ACME_PERMIT")?.sources).toEqual(["WORKORDER.ACME_PERMIT"]);
    expect(byPath.get("supervisor")?.protection).toBe("masked");
    expect(byPath.get("number")?.protection).toBeUndefined();
  });

  test("say nothing where the plant has not told", () => {
    expect(fieldRows(RECORD, null).every(({ sources }) => sources.length === 0)).toBe(true);
  });

  test("lead to the values of the row that they are made of", () => {
    const raw = rawRows(RAW);
    const pathsOf = (path: string) => {
      const field = byPath.get(path);
      if (field === undefined) throw new TypeError(`there is no field ${path}`);
      return rawPathsOf(field, "WORKORDER", raw);
    };
    expect(pathsOf("location")).toEqual(["SITEID", "LOCATION"]);
    expect(pathsOf("status")).toEqual(["$children.status_word.0.MAXVALUE"]);
    // Of the same item, not of the row itself, which has a column of that name too.
    expect(pathsOf("tasks.1.sequence")).toEqual(["$children.tasks.1.TASKID"]);
    expect(pathsOf("parts.0.uom")).toEqual(["$children.planned_parts.0.ORDERUNIT"]);
    expect(pathsOf("failure.class")).toEqual([]);
    expect(fieldsByRaw(rows, "WORKORDER", raw).get("SITEID")).toEqual(["location"]);
  });
});

test("a source's column stands behind its last point", () => {
  expect(splitSource("dbo.PO.TOTALCOST")).toEqual({ table: "dbo.PO", column: "TOTALCOST" });
  expect(splitSource("TOTALCOST")).toEqual({ table: "", column: "TOTALCOST" });
});

test("values are said in one line", () => {
  const said = [
    null,
    true,
    3,
    "x",
    ["a", "b"],
    [{}, {}],
    [{}],
    { id: "i", remote_id: "BRNO/1", display: "Pump" },
    { id: "i", remote_id: null },
    { a: 1 },
  ].map(valueText);
  expect(said).toEqual(["", "yes", "3", "x", "a, b", "2 items", "1 item", "Pump", "i", '{"a":1}']);
});

test("references lead to the entity that they are named after, where there is one", () => {
  const known = new Set(["vendor", "inventory_item", "work_order", "requisition"]);
  const leads = ["vendor", "parts.0.item", "parent", "requisitions", "pm_schedule"];
  expect(leads.map((path) => referencedEntity(path, "work_order", known))).toEqual([
    "vendor",
    "inventory_item",
    "work_order",
    "requisition",
    undefined,
  ]);
});

describe("a list of records", () => {
  const fields = [
    { name: "remote_id", type: "text" },
    { name: "native_status", type: "text", provided: true },
    { name: "order_date", type: "date", provided: true },
    { name: "status", type: "enum", options: ["approved"], filter: "status", provided: true },
    { name: "number", type: "text", filter: "number", provided: true },
    { name: "vendor", type: "reference", filter: "vendor", provided: true },
    { name: "buyer", type: "text", filter: "buyer", provided: false },
    { name: "lines.quantity", type: "decimal", provided: true },
  ];

  test("shows what people know records by, of what the connection fills", () => {
    expect(shownFields(fields)).toEqual(["number", "status", "vendor", "order_date"]);
  });

  test("is filtered by what the connection fills, choices first", () => {
    expect(offeredFilters(fields, 4).map(({ name }) => name)).toEqual(["status", "number"]);
    expect(offeredFilters(fields, 1)).toEqual([{ name: "status", options: ["approved"] }]);
  });

  test("is asked for with what is set alone", () => {
    expect(recordsQuery({ connection_id: "c 1", cursor: "", status: undefined, number: "4&7" })).toBe(
      "connection_id=c+1&number=4%267",
    );
  });
});
