// Which way of following changes is taken for which rights, and what is said about it.
import { describe, expect, test } from "vitest";
import {
  type ChoiceContext,
  chooseFeed,
  describeChoice,
  type TableRights,
} from "#agent/connectors/oracle/change-choice.ts";
import { type ChangesSetting, oracleDefinition } from "#agent/connectors/oracle/definition.ts";
import type { ColumnFacts, TableFacts } from "#agent/core/sql/dialect.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import { type EntityShape, shapeEntities } from "#agent/core/sql/table-shape.ts";
import { type MarkerKind, orderPlan } from "#test/conformance/connector/harness.ts";

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  po: ["SITE", "PONUM", "STATUS", "TOTAL", "CHANGED", "STAMP"],
  poline: ["SITE", "PONUM", "LINE", "ITEM", "QTY", "CHANGED", "STAMP"],
};

function shapeFor(kind: MarkerKind, hasHorizon = true): EntityShape {
  const column = (name: string): ColumnFacts => ({ name, type: "NUMBER", nullable: false, rule: EXACT_KEY });
  const table = ({ name }: { readonly name: string }): TableFacts => ({
    table: { schema: "ERP", name: name.toUpperCase() },
    columns: COLUMNS[name]!.map(column),
    indexLeads: ["SITE", "CHANGED", "STAMP"],
    hasHorizon,
  });
  return shapeEntities([orderPlan(kind)], { table, tableNames: [] })[0]!;
}

const PLAIN: TableRights = { isTable: true, hasRowNumbers: false, canFlashback: false, log: undefined };
const LOG = {
  table: { schema: "ERP", name: "MLOG$_PO" },
  columns: ["SITE", "PONUM", "SNAPTIME$$", "DMLTYPE$$", "OLD_NEW$$", "CHANGE_VECTOR$$", "XID$$"],
  users: 0,
};

function contextOf(
  rights: Partial<TableRights>,
  changes: ChangesSetting = "auto",
  hasScn = true,
): ChoiceContext {
  const parsed = oracleDefinition.parseConfig({ host: "db", service_name: "ERP", user: "reader", changes });
  if (!parsed.ok) throw new Error("settings must parse");
  return {
    settings: parsed.value,
    scn: hasScn ? { query: "", betterGrant: undefined } : undefined,
    rights: () => ({ ...PLAIN, ...rights }),
    clockHint: "Look at the clock.",
  };
}

describe("by itself", () => {
  test.each([
    ["counter", {}, undefined],
    ["timestamp", { canFlashback: true }, undefined],
    ["timestamp", { log: LOG }, "mview_log"],
    ["timestamp", { log: { ...LOG, users: 1 } }, undefined],
    ["timestamp", { log: { ...LOG, columns: ["PONUM", "DMLTYPE$$", "XID$$"] } }, undefined],
    ["full_scan", {}, "rowscn"],
    ["full_scan", { canFlashback: true }, "flashback"],
    ["full_scan", { canFlashback: true, log: LOG }, "mview_log"],
    ["full_scan", { isTable: false, canFlashback: true }, undefined],
  ] as const)("%s with %o: %s", (kind, rights, expected) => {
    expect(chooseFeed(shapeFor(kind), undefined, contextOf(rights))).toBe(expected);
  });

  test("without change numbers there is only what the pack names", () => {
    const context = contextOf({ canFlashback: true, log: LOG }, "auto", false);
    expect(chooseFeed(shapeFor("full_scan"), undefined, context)).toBeUndefined();
  });

  test("lines of an entity with a marker are not scanned at each poll; those of one without are", () => {
    const marked = shapeFor("timestamp");
    const unmarked = { ...marked.children[0]!, marker: undefined };
    expect(chooseFeed(marked, unmarked, contextOf({}))).toBeUndefined();
    const scanned = shapeFor("full_scan");
    expect(chooseFeed(scanned, scanned.children[0], contextOf({}))).toBe("rowscn");
  });
});

describe("as the settings say", () => {
  test.each([
    ["marker", "full_scan", { canFlashback: true }, undefined],
    ["flashback", "timestamp", { canFlashback: true, log: LOG }, "flashback"],
    ["rowscn", "timestamp", {}, "rowscn"],
    ["mview_log", "timestamp", {}, undefined],
    ["flashback", "full_scan", {}, "rowscn"],
  ] as const)("%s for %s", (changes, kind, rights, expected) => {
    expect(chooseFeed(shapeFor(kind), undefined, contextOf(rights, changes))).toBe(expected);
  });
});

describe("what is said", () => {
  test("strategy, deletes, and what to ask for", () => {
    const report = describeChoice(shapeFor("full_scan"), contextOf({}));
    expect(report).toMatchObject({ entity: "purchase_order", strategy: "rowscn", deletes: "keys" });
    expect(report.reason).toContain("block");
    expect(report.advice).toContain(
      'GRANT FLASHBACK ON "ERP"."PO" TO "READER"; GRANT FLASHBACK ON "ERP"."POLINE" TO "READER"; ' +
        "gives a first snapshot of one instant, and deletes at each poll.",
    );
    expect(report.advice).toContain("CREATE MATERIALIZED VIEW LOG");
  });

  test.each([
    ["flashback", { canFlashback: true }, "feed"],
    ["mview_log MLOG$_PO", { log: LOG }, "feed"],
    ["rowscn", { hasRowNumbers: true }, "keys"],
  ] as const)("%s", (strategy, rights, deletes) => {
    expect(describeChoice(shapeFor("full_scan"), contextOf(rights))).toMatchObject({ strategy, deletes });
  });

  test("a marker says whether late commits are found", () => {
    expect(describeChoice(shapeFor("timestamp"), contextOf({})).reason).toContain("late are found");
    const plain = describeChoice(shapeFor("timestamp", false), contextOf({}, "auto", false));
    expect(plain.reason).toContain("read again");
    expect(plain.advice).toContain("GRANT EXECUTE ON SYS.DBMS_FLASHBACK");
    const view = describeChoice(shapeFor("timestamp", false), contextOf({ isTable: false }));
    expect(view.reason).toContain("a view has no change numbers");
  });

  test("a table with a LONG is promised no snapshot of one instant", () => {
    const shape = shapeFor("timestamp");
    const select = shape.select.map((column, at) =>
      at === 2 ? { ...column, isLong: true as const } : column,
    );
    expect(describeChoice(shape, contextOf({})).advice).toContain("gives a first snapshot");
    expect(describeChoice({ ...shape, select }, contextOf({})).advice ?? "").not.toContain("FLASHBACK ON");
  });

  test("another zone than the server's is said where local times are read, and only there", () => {
    const shape = shapeFor("timestamp");
    const { column } = shape.marker!;
    const strategy = { kind: "timestamp", column: "CHANGED", format: "local", overlapMs: 0 } as const;
    const local = { ...shape, marker: { column, strategy, isIndexed: true } };
    expect(describeChoice(local, contextOf({})).advice).toMatch(/^Look at the clock\./);
    expect(describeChoice(shape, contextOf({})).advice).not.toContain("Look at the clock.");
  });

  test("a wish that cannot be met, and a log that others empty", () => {
    expect(describeChoice(shapeFor("full_scan"), contextOf({}, "flashback")).advice).toContain(
      "changes: flashback is not possible",
    );
    expect(describeChoice(shapeFor("timestamp"), contextOf({ log: { ...LOG, users: 2 } })).advice).toContain(
      "2 materialized view(s)",
    );
  });
});
