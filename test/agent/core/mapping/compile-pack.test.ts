// A pack becomes plans, or every problem in it at once.
import { describe, expect, test } from "vitest";
import { compiled, entityOf, issuesOf, samplePack } from "./sample-pack.ts";

function changed(
  change: (pack: typeof samplePack & Record<string, unknown>) => void,
): Record<string, unknown> {
  const copy = structuredClone(samplePack) as typeof samplePack & Record<string, unknown>;
  change(copy);
  return copy;
}

/** For planting mistakes that the type of the sample does not allow. */
function set(target: object, name: string, value: unknown): void {
  Object.assign(target, { [name]: value });
}

describe("plans", () => {
  const pack = compiled(samplePack);
  const { plan, pollMs, reconcileMs } = entityOf(pack, "purchase_order");

  test("a plan names table, key, filters, strategy and schedule", () => {
    expect(plan).toMatchObject({
      entity: "purchase_order",
      table: { schema: "dbo", name: "PO" },
      key: ["SITE", "NUM"],
      change: { kind: "timestamp", column: "CHANGED", format: "local", overlapMs: 120_000 },
      versionColumn: "ROWVER",
    });
    expect(plan.filters).toEqual([
      { column: "HIST", op: "=", value: 0 },
      { column: "KIND", op: "in", value: ["A", "B"] },
      { column: "GONE", op: "is_null" },
      { column: "OWNER", op: "is_not_null" },
      { column: "TYPE", op: "<>", value: "X" },
    ]);
    expect([pollMs, reconcileMs]).toEqual([5_000, 3_600_000]);
  });

  test("patterns of custom columns read the whole table", () => {
    expect(plan.columns).toEqual(["*"]);
    expect(plan.children.find(({ name }) => name === "lines")?.columns).toEqual(["*"]);
  });

  test("a lookup is read by its own columns, and the parent's columns for it are read too", () => {
    const copy = changed((pack) => set(pack.entities.purchase_order, "custom_fields", ["PROJECT"]));
    const { plan } = entityOf(compiled(copy), "purchase_order");
    expect(plan.children.find(({ name }) => name === "buyer")).toMatchObject({
      table: { name: "PERSON" },
      on: [{ child: "ID", parent: "BUYERID" }],
      columns: ["NAME", "ID"],
    });
    for (const column of [
      "SITE",
      "NUM",
      "CHANGED",
      "ROWVER",
      "ENTERED",
      "DELETED",
      "BUYERID",
      "SETID",
      "PROJECT",
    ])
      expect(plan.columns).toContain(column);
  });

  test("the mapping version moves with the mapping, not with the schedule", () => {
    const slower = changed((pack) => set(pack.entities.purchase_order, "poll", "1h"));
    const other = changed((pack) => set(pack.entities.purchase_order.fields, "memo", "MEMO"));
    expect(pack.mappingVersion).toMatch(/^[0-9a-f]{16}$/);
    expect(compiled(slower).mappingVersion).toBe(pack.mappingVersion);
    expect(compiled(other).mappingVersion).not.toBe(pack.mappingVersion);
  });
});

describe("problems", () => {
  test.each<[string, (pack: typeof samplePack) => void, string, RegExp]>([
    ["unknown key", (p) => set(p, "entites", {}), "entites", /unknown key \(did you mean "entities"\?\)/],
    [
      "unknown entity",
      (p) => set(p.entities, "purchase_oder", {}),
      "entities.purchase_oder",
      /did you mean "purchase_order"/,
    ],
    [
      "unknown field",
      (p) => set(p.entities.purchase_order.fields, "totl", "X"),
      "entities.purchase_order.fields.totl",
      /no such field \(did you mean "total"\?\)/,
    ],
    [
      "a field beyond the model",
      (p) => set(p.entities.purchase_order.fields, "zzzzzzzz", "X"),
      "entities.purchase_order.fields.zzzzzzzz",
      /custom_fields/,
    ],
    [
      "unknown child field",
      (p) => set(p.entities.purchase_order.children.lines.fields, "quantty", "X"),
      "entities.purchase_order.children.lines.fields.quantty",
      /did you mean "quantity"/,
    ],
    [
      "a status that the model lacks",
      (p) => set(p.codes.order_status, "APPR", "aproved"),
      "codes.order_status.APPR",
      /did you mean "approved"/,
    ],
    [
      "a code table that is not there",
      (p) => set(p.entities.purchase_order.fields.status, "map", "order_stats"),
      "entities.purchase_order.fields.status.map",
      /did you mean "order_status"/,
    ],
    [
      "a status without a map",
      (p) => set(p.entities.purchase_order.fields, "status", "STATUS"),
      "entities.purchase_order.fields.status",
      /one of draft/,
    ],
    [
      "a reference with too few key values",
      (p) => set(p.entities.purchase_order.fields.vendor, "key", ["VENDOR"]),
      "entities.purchase_order.fields.vendor.key",
      /gives 1 key value, but vendor has the key ORG, CODE/,
    ],
    [
      "a reference to nothing",
      (p) => set(p.entities.purchase_order.fields.vendor, "ref", "vendr"),
      "entities.purchase_order.fields.vendor.ref",
      /did you mean "vendor"/,
    ],
    [
      "an unknown lookup",
      (p) => set(p.entities.purchase_order.fields.buyer, "from", "byer"),
      "entities.purchase_order.fields.buyer.from",
      /did you mean "buyer"/,
    ],
    [
      "a child that is no list",
      (p) => set(p.entities.purchase_order.children, "linez", { table: "T", on: ["A"], order: "A" }),
      "entities.purchase_order.children.linez",
      /did you mean "lines"/,
    ],
    [
      "a child without an order",
      (p) => set(p.entities.purchase_order.children.lines, "order", undefined),
      "entities.purchase_order.children.lines.order",
      /missing/,
    ],
    [
      "a strategy that is not one",
      (p) => set(p.entities.purchase_order.changes, "by", "timestmp"),
      "entities.purchase_order.changes.by",
      /did you mean "timestamp"/,
    ],
    [
      "a bad duration",
      (p) => set(p.entities.purchase_order, "poll", 30),
      "entities.purchase_order.poll",
      /duration such as 30s/,
    ],
    ["no key", (p) => set(p.entities.vendor, "key", []), "entities.vendor.key", /at least one/],
    [
      "a bad filter",
      (p) => set(p.entities.purchase_order.where, "HIST", { nott: 1 }),
      "entities.purchase_order.where.HIST",
      /not: value/,
    ],
    [
      "a constant of the wrong kind",
      (p) => set(p.entities.purchase_order.fields, "total", { value: "12,5" }),
      "entities.purchase_order.fields.total.value",
      /a decimal/,
    ],
    [
      "custom fields where the model has none",
      (p) =>
        set(p.entities.vendor, "children", {
          contacts: { table: "C", on: ["ORG"], order: "N", custom_fields: "rest" },
        }),
      "entities.vendor.children.contacts.custom_fields",
      /no custom fields here/,
    ],
    [
      "a list that is filled twice",
      (p) => set(p.entities.vendor, "children", { addresses: { table: "A", on: ["ORG"], order: "N" } }),
      "entities.vendor.children.addresses",
      /already/,
    ],
  ])("%s", (_name, plant, path, message) => {
    const issues = issuesOf(changed(plant));
    expect(issues).toHaveLength(1);
    expect(issues[0]?.path).toBe(path);
    expect(issues[0]?.message).toMatch(message);
  });

  test("all are reported at once", () => {
    const issues = issuesOf(
      changed((pack) => {
        set(pack, "nme", "x");
        set(pack.entities.vendor, "tabel", "x");
        set(pack.entities.vendor.fields, "nam", "x");
      }),
    );
    expect(issues.map(({ path }) => path)).toEqual([
      "nme",
      "entities.vendor.tabel",
      "entities.vendor.fields.nam",
    ]);
  });

  test.each([null, 1, "text", [], { name: 1 }, { entities: [] }, { entities: { vendor: null } }, {}])(
    "%j is refused, not crashed on",
    (document) => {
      expect(issuesOf(document).length).toBeGreaterThan(0);
    },
  );
});
