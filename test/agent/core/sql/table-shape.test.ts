// Plans held against a catalogue: what may be missing, what must not, and one child of many tables.
import { describe, expect, test } from "vitest";
import type { ChildPlan, EntityPlan } from "#agent/core/source/plan.ts";
import { shapeEntities } from "#agent/core/sql/table-shape.ts";
import { facts } from "./dialects.ts";

const TABLES: Readonly<Record<string, readonly string[]>> = {
  PO: ["NUM", "Total", "X_OWN"],
  C$Item: ["No_", "timestamp"],
  "C$Item$5b4c2a10-7777-4aaa-8bbb-0123456789ab": ["No_", "timestamp", "Lot"],
  "C$Item$6b4c2a10-7777-4aaa-8bbb-0123456789ab": ["No_", "timestamp", "Shelf"],
};
const catalogue = {
  tableNames: Object.keys(TABLES),
  table: ({ name }: { name: string }) => {
    const columns = TABLES[name];
    return (
      columns && {
        table: { name },
        columns: columns.map((one) => facts(one)),
        indexLeads: [],
        hasHorizon: false,
      }
    );
  },
};
const order: EntityPlan = {
  entity: "purchase_order",
  table: { name: "PO" },
  key: ["NUM"],
  columns: ["*"],
  named: ["NUM", "TOTAL", "MAYBE"],
  optionalColumns: ["MAYBE"],
  filters: [],
  change: { kind: "full_scan" },
  children: [],
};
const child: ChildPlan = {
  name: "own",
  table: { name: "PO_UD" },
  on: [{ child: "ID", parent: "NUM" }],
  columns: ["*"],
  orderBy: [],
  filters: [],
};

describe("tables that are read whole", () => {
  test("named columns are spelled as the pack spells them; optional ones may be missing", () => {
    const [shape] = shapeEntities([order], catalogue);
    expect(shape?.outputs).toEqual(["NUM", "TOTAL", "X_OWN"]);
  });

  test("a named column that is not there is reported", () => {
    const plan = { ...order, named: ["NUM", "TOTLA"] };
    expect(() => shapeEntities([plan], catalogue)).toThrow(/no column PO\.TOTLA .did you mean "Total"/);
  });
});

test("an optional table that is missing leaves no child; another one is a problem", () => {
  const shapes = shapeEntities([{ ...order, children: [{ ...child, isOptional: true }] }], catalogue);
  expect(shapes[0]?.children).toEqual([]);
  expect(() => shapeEntities([{ ...order, children: [child] }], catalogue)).toThrow(/no table PO_UD/);
});

test("a company's extensions are children of one name, polled apart", () => {
  const item: EntityPlan = {
    ...order,
    entity: "inventory_item",
    table: { name: "Item", company: { name: "C", part: "table" } },
    key: ["No_"],
    columns: ["No_"],
    children: [
      {
        ...child,
        table: { name: "Item", company: { name: "C", part: "extensions" } },
        on: [{ child: "No_", parent: "No_" }],
      },
    ],
  };
  const [shape] = shapeEntities([item], catalogue);
  expect(shape?.facts.table.name).toBe("C$Item");
  expect(shape?.children.map(({ rowsUnder }) => rowsUnder)).toEqual(["own", "own"]);
  expect(new Set(shape?.children.map(({ plan }) => plan.name)).size).toBe(2);
});
