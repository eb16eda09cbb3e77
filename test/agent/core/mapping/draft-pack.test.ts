// Drafts of packs: entities and fields by their names, doubts said, nothing guessed that does not fit its type.
import { describe, expect, it } from "vitest";
import { plainName, wordsOf } from "#agent/core/mapping/draft-names.ts";
import { draftEntities, type SourceTable } from "#agent/core/mapping/draft-pack.ts";
import { draftText } from "#agent/core/mapping/draft-text.ts";
import { readPack } from "#agent/packs/load-pack.ts";

function table(name: string, columns: Readonly<Record<string, string>>, schema?: string): SourceTable {
  return {
    schema,
    name,
    columns: Object.entries(columns).map(([column, type]) => ({
      name: column,
      type: type.replace("!", ""),
      isKey: type.endsWith("!"),
    })),
  };
}

const ORDERS = table(
  "PURCHASE_ORDERS",
  {
    PO_ID: "int!",
    SUPPLIER_ID: "int",
    STATUS: "varchar(10)",
    ORDER_DATE: "datetime2",
    TOTAL: "float",
    ROW_VERSION: "bigint",
    CREATED_AT: "datetime2",
  },
  "erp",
);
const LINES = table(
  "PURCHASE_ORDER_LINES",
  { PO_ID: "int!", LINE_NO: "int!", QTY: "decimal(18,3)", PRICE: "money", DESCRIPTION: "nvarchar(200)" },
  "erp",
);
const SUPPLIERS = table(
  "SUPPLIERS",
  { SUPPLIER_ID: "int!", NAME: "nvarchar(100)", EMAIL: "nvarchar(100)" },
  "erp",
);

describe("names", () => {
  it("are one word, in the singular, without what only says that it is a table", () => {
    expect(plainName("tbl_Purchase-Orders")).toBe("purchaseorder");
    expect(wordsOf("InventoryItems")).toEqual(["inventory", "item"]);
    expect(["Companies", "Classes", "Status", "Boxes"].map(plainName)).toEqual([
      "company",
      "class",
      "status",
      "box",
    ]);
  });
});

describe("draftEntities", () => {
  const drafts = draftEntities([ORDERS, LINES, SUPPLIERS, table("SETTINGS", { K: "int", V: "int" })]);
  const order = drafts.find(({ entity }) => entity === "purchase_order");

  it("takes each table once, with the source's key and marker", () => {
    expect(drafts.map(({ entity, table: { name } }) => [entity, name])).toEqual(
      expect.arrayContaining([
        ["purchase_order", "PURCHASE_ORDERS"],
        ["vendor", "SUPPLIERS"],
      ]),
    );
    expect(drafts).toHaveLength(2);
    expect(order).toMatchObject({
      key: ["PO_ID"],
      isKeyGuessed: false,
      changes: { by: "counter", column: "ROW_VERSION" },
      createdAt: "CREATED_AT",
      lines: { table: { name: "PURCHASE_ORDER_LINES" }, on: ["PO_ID"], order: "LINE_NO" },
    });
  });

  it("gives each field a column that fits its type, and says what is doubtful", () => {
    const fields = Object.fromEntries((order?.fields ?? []).map((one) => [one.field, one]));
    expect(fields["number"]).toMatchObject({ column: "PO_ID", score: 0.8 });
    expect(fields["vendor"]).toMatchObject({ column: "SUPPLIER_ID", target: "vendor" });
    expect(fields["status"]?.values).toContain("approved");
    expect(fields["order_date"]).toMatchObject({ column: "ORDER_DATE", score: 1 });
    expect(fields["total"]?.note).toContain("floating-point");
    const wrong = draftEntities([
      table("PURCHASE_ORDERS", { PO_ID: "int!", ORDER_DATE: "int", TOTAL: "datetime" }),
    ]);
    expect(wrong[0]?.fields.map(({ field }) => field)).toEqual(["number"]);
  });

  it("leaves out what is history, a copy, or a line by itself, and what nothing is known of", () => {
    const columns = { PO_ID: "int!", STATUS: "int" };
    const tables = ["PO_HISTORY", "PURCHASE_ORDERS_BAK", "PURCHASE_ORDER_LINES", "XYZ01"].map((name) =>
      table(name, columns),
    );
    expect(draftEntities(tables)).toEqual([]);
  });

  it("says so when it had to guess a key", () => {
    const [draft] = draftEntities([table("SUPPLIERS", { SUPPLIER_CODE: "text", NAME: "text" })]);
    expect(draft).toMatchObject({ key: ["SUPPLIER_CODE"], isKeyGuessed: true, changes: undefined });
  });
});

describe("draftText", () => {
  it("is a pack that compiles, whatever the names are made of", () => {
    const odd = table(
      'Purchase "Orders"',
      { "Order No": "int!", yes: "text", Status: "text", "Order Date": "date" },
      "my schema",
    );
    for (const tables of [[ORDERS, LINES, SUPPLIERS], [odd]]) {
      const text = draftText({ name: "acme-draft", system: "Acme: ERP #1" }, draftEntities(tables));
      const result = readPack(text, "draft.yaml");
      expect(result.ok ? [] : result.issues).toEqual([]);
      expect(text).toContain("CHECK");
    }
  });

  it("leaves out fields that are named to it", () => {
    const drafts = draftEntities([SUPPLIERS]);
    const text = draftText(
      { name: "a", system: "A" },
      drafts,
      new Set(["vendor.email", "vendor.name", "vendor.code"]),
    );
    expect(text).not.toContain("EMAIL");
    expect(readPack(text, "draft.yaml").ok).toBe(true);
  });
});
