// Rows to records: every form of mapping, what is refused, what is hidden, and that equal content is equal text.
import { describe, expect, test } from "vitest";
import { hiddenIssues } from "#agent/core/mapping/hidden.ts";
import { mappedRow } from "#agent/core/mapping/mapping.ts";
import { canonicalKey } from "#agent/core/source/key-rules.ts";
import { recordId } from "#common/contract/record-id.ts";
import {
  CONNECTION_ID,
  compiled,
  context,
  entityOf,
  line,
  mapped,
  orderRow,
  samplePack,
} from "./sample-pack.ts";

function rejected(row: ReturnType<typeof orderRow>): string {
  const result = entityOf(compiled(samplePack), "purchase_order").mapper(context)(row);
  return result.ok ? "mapped" : `${result.code} ${result.detail}`;
}

describe("the envelope", () => {
  test("comes first, in a fixed order", () => {
    const row = orderRow({ ENTERED: "2026-06-01 08:00:00", X_A: 1 });
    expect(Object.keys(mapped(row)).slice(0, 6)).toEqual([
      "remote_id",
      "remote_key",
      "remote_created_at",
      "remote_updated_at",
      "source",
      "number",
    ]);
    expect(Object.keys(mapped(row)).at(-1)).toBe("custom_fields");
    expect(mapped(row)).toMatchObject({
      remote_id: "S1/1001",
      remote_key: { SITE: "S1", NUM: "1001" },
      remote_created_at: "2026-06-01T06:00:00Z",
      source: { system: "Sample ERP", table: "dbo.PO" },
    });
  });

  test("a flag makes the row a deleted one", () => {
    const map = entityOf(compiled(samplePack), "purchase_order").mapper(context);
    expect(map(orderRow({ DELETED: "X" }))).toMatchObject({ ok: true, isDeleted: true });
    expect(map(orderRow({ DELETED: " " }))).toMatchObject({ ok: true, isDeleted: false });
  });
});

describe("fields", () => {
  test("an absent column leaves no member, null stays null, blank is null", () => {
    expect(mapped(orderRow())).not.toHaveProperty("total");
    expect(mapped(orderRow({ TOTAL: null }))).toHaveProperty("total", null);
    expect(mapped(orderRow({ TOTAL: " ", ORDERED: "" }))).toMatchObject({ total: null, order_date: null });
  });

  test("numbers become exact text", () => {
    expect(mapped(orderRow({ TOTAL: 0.1, TAX: 1999n }))).toMatchObject({ total: "0.1", tax_total: "19.99" });
    expect(mapped(orderRow({ TOTAL: 1e-7 }))).toHaveProperty("total", "0.0000001");
  });

  test("sums and differences are exact", () => {
    const lines = [line({ AMOUNT: 0.1 }), line({ LINE: 2, AMOUNT: "0.20", RECEIVED: null })];
    const record = mapped(orderRow({}, lines));
    expect(record).toHaveProperty("subtotal", "0.30");
    expect(record).toHaveProperty("lines.0.open_qty", "7.5");
    expect(record).toHaveProperty("lines.1.open_qty", "10");
  });

  test("a status keeps its native code; wildcards come after exact codes", () => {
    expect(mapped(orderRow())).toMatchObject({ status: "approved", native_status: "APPR" });
    expect(mapped(orderRow({ STATUS: "CLOSE" }))).toMatchObject({ status: "closed", native_status: "CLOSE" });
    expect(mapped(orderRow({ STATUS: "CAN" }))).toHaveProperty("status", "cancelled");
  });

  test("an unmapped code is kept, becomes unknown and is counted", () => {
    const pack = compiled(samplePack);
    const map = entityOf(pack, "purchase_order").mapper(context);
    for (let at = 0; at < 3; at += 1) map(orderRow({ STATUS: "HUH" }));
    const result = map(orderRow({ STATUS: "HUH" }));
    expect(result.ok && JSON.parse(result.record)).toMatchObject({ status: "unknown", native_status: "HUH" });
    expect(pack.unmappedCodes()).toEqual([
      { entity: "purchase_order", field: "status", code: "HUH", count: 4 },
    ]);
  });

  test("texts join without their empty parts, the first with content wins", () => {
    expect(mapped(orderRow({ TEXT1: "A ", TEXT2: "" }))).toHaveProperty("description", "A");
    expect(mapped(orderRow({ TEXT1: "A", TEXT2: "B" }))).toHaveProperty("description", "A / B");
    expect(mapped(orderRow({ REF1: "", REF2: 42 }))).toHaveProperty("vendor_reference", "42");
    // Products that never write nulls pad with a blank.
    expect(mapped(orderRow({ REF1: " ", REF2: 42 }))).toHaveProperty("vendor_reference", "42");
  });

  test("a lookup's first row gives values; no row is null", () => {
    expect(mapped(orderRow())).toHaveProperty("buyer", "Ada");
    expect(mapped({ ...orderRow(), children: {} })).toHaveProperty("buyer", null);
  });

  test("yes and no by the pack's words", () => {
    expect(mapped(orderRow({ NET: "N" }))).toHaveProperty("tax_inclusive", true);
    expect(mapped(orderRow())).toHaveProperty("lines.0.is_deleted", false);
  });

  test("objects and lists of the row's own columns leave empty parts out", () => {
    const vendor = (columns: Record<string, string | null>) =>
      mapped({ op: "upsert", key: ["O", "V"], columns }, "vendor");
    expect(vendor({ STREET: "Main St 1", EXTRA: null, CITY: "Ulm" })).toHaveProperty("addresses", [
      { kind: "main", lines: ["Main St 1"], city: "Ulm" },
    ]);
  });

  test("custom fields are what nothing else uses, sorted, scalars as they are", () => {
    const record = mapped(orderRow({ X_B: 1.5, X_A: 9_007_199_254_740_993n, PROJECT: "P1", OTHER: 1 }));
    expect(record).toHaveProperty("custom_fields", { PROJECT: "P1", X_A: "9007199254740993", X_B: 1.5 });
    expect(mapped(orderRow({}, [line({ ZZ: true, AA: null })]))).toHaveProperty("lines.0.custom_fields", {
      AA: null,
      ZZ: true,
    });
  });
});

describe("references", () => {
  test("meet the id of the record that they point to, under the source's own key rules", () => {
    const rules = [
      { ignoreCase: true, ignoreAccents: false, ignoreTrailingBlanks: true, emptyIsNull: false },
    ];
    const both = [...rules, ...rules];
    const record = mapped(orderRow({ VENDOR: "v7  " }), "purchase_order", { keyRules: () => both });
    const target = recordId(CONNECTION_ID, "vendor", canonicalKey(["ORG1", "V7"], both));
    expect(record).toHaveProperty("vendor", { id: target, remote_id: "ORG1/v7", display: "Acme" });
  });

  test("entities that the pack does not map are not asked for key rules", () => {
    const asked: string[] = [];
    const keyRules = (entity: string) => {
      asked.push(entity);
      return [];
    };
    expect(mapped(orderRow(), "purchase_order", { keyRules })).toHaveProperty(
      "lines.0.item.remote_id",
      "SET1/I-1",
    );
    expect(asked).not.toContain("inventory_item");
  });

  test("an empty key is no reference", () => {
    expect(mapped(orderRow({ VENDOR: " " }))).toHaveProperty("vendor", null);
    expect(mapped(orderRow({ VENDOR: null }))).toHaveProperty("vendor", null);
  });
});

describe("rows that cannot be records", () => {
  test("name the column and quote the value", () => {
    expect(rejected(orderRow({ TOTAL: "12,50" }))).toMatch(/^BAD_DECIMAL column TOTAL holds "12,50"/);
    expect(rejected(orderRow({ ORDERED: "2026-02-30" }))).toMatch(
      /^BAD_DATE column ORDERED holds "2026-02-30"/,
    );
    expect(rejected(orderRow({ CHANGED: "yesterday" }))).toMatch(/^BAD_TIMESTAMP column CHANGED/);
    expect(rejected(orderRow({ NET: "maybe" }))).toMatch(/^BAD_BOOLEAN column NET/);
    expect(rejected(orderRow({ TEXT1: new Uint8Array(3) }))).toMatch(/^BAD_TEXT column TEXT1 holds 3 bytes/);
    expect(rejected(orderRow({ REF1: "x".repeat(4_001) }))).toMatch(/^TEXT_TOO_LONG .*4001/);
    expect(rejected(orderRow({}, [line({ QTY: "many" })]))).toMatch(/^BAD_DECIMAL column QTY/);
    expect(rejected({ ...orderRow(), key: ["S1", null] })).toMatch(/^KEY_NULL key column NUM/);
    expect(rejected({ ...orderRow(), key: ["S1", "x".repeat(4_001)] })).toMatch(/^KEY_TOO_LONG/);
  });

  test("more children than the model takes are refused, not cut off", () => {
    expect(
      rejected(
        orderRow(
          {},
          Array.from({ length: 10_001 }, () => line()),
        ),
      ),
    ).toMatch(/^TOO_MANY_ROWS lines/);
  });
});

describe("equal content", () => {
  const text = (row: ReturnType<typeof orderRow>): string => {
    const result = entityOf(compiled(samplePack), "purchase_order").mapper({ ...context, raw: true })(row);
    return result.ok ? `${result.record}\n${result.raw}` : result.code;
  };

  test("is equal text, in whatever order the columns come", () => {
    const row = orderRow({ X_A: 1, X_B: 2 });
    const turned = { ...row, columns: Object.fromEntries(Object.entries(row.columns).toReversed()) };
    expect(text(turned)).toBe(text(row));
  });

  test("a mapper that has seen other columns forgets them", () => {
    const map = entityOf(compiled(samplePack), "purchase_order").mapper(context);
    const record = (row: ReturnType<typeof orderRow>): unknown => {
      const result = map(row);
      return result.ok
        ? (JSON.parse(result.record) as Record<string, unknown>)["custom_fields"]
        : result.code;
    };
    expect(record(orderRow({ X_A: 1 }))).toEqual({ X_A: 1 });
    expect(record(orderRow({ X_B: 1 }))).toEqual({ X_B: 1 });
    expect(record(orderRow())).toEqual({});
  });
});

describe("raw", () => {
  const raw = (row: ReturnType<typeof orderRow>, hidden: readonly string[] = []): unknown => {
    const result = entityOf(compiled(samplePack), "purchase_order").mapper({ ...context, raw: true, hidden })(
      row,
    );
    return result.ok ? JSON.parse(result.raw ?? "null") : result.code;
  };

  test("is the row as it came, exactly", () => {
    const row = orderRow({ ROWVER: new Uint8Array([0, 255]), BIG: 9_007_199_254_740_993n });
    expect(raw(row)).toMatchObject({
      ROWVER: { $base64: "AP8=" },
      BIG: "9007199254740993",
      VENDORNAME: "Acme  ",
    });
    expect(raw(row)).toHaveProperty("$children.lines.0.ITEM", "I-1");
  });

  test("is not made unless it is wanted", () => {
    const result = entityOf(compiled(samplePack), "purchase_order").mapper(context)(orderRow());
    expect(result.ok && result.raw).toBeUndefined();
  });
});

describe("hidden parts", () => {
  const texts = (hidden: readonly string[], row = orderRow({ X_SECRET: "s", TOTAL: "5" })): string => {
    const result = entityOf(compiled(samplePack), "purchase_order").mapper({ ...context, raw: true, hidden })(
      row,
    );
    return result.ok ? `${result.record}\n${result.raw}` : result.code;
  };

  test("a hidden column leaves neither record nor raw", () => {
    for (const hidden of ["PO.VENDORNAME", "dbo.PO.VENDORNAME", "po.vendorname"])
      expect(texts([hidden])).not.toContain("Acme");
    expect(texts(["PO.VENDORNAME"])).toContain("V7");
    expect(texts(["PO.VENDOR"])).not.toContain("V7");
    expect(texts(["PO.X_SECRET"])).not.toContain("X_SECRET");
    expect(texts(["PERSON.NAME"])).not.toContain("Ada");
    expect(texts(["POLINE.AMOUNT"])).not.toMatch(/99\.9|subtotal/);
    expect(texts(["POLINE.*"])).not.toMatch(/I-1|99\.9|line_number/);
  });

  test("a hidden field takes the columns that it is made of out of raw", () => {
    expect(texts(["purchase_order.lines.line_total"])).not.toContain('"AMOUNT"');
    expect(texts(["purchase_order.buyer"])).not.toContain("Ada");
    expect(texts(["purchase_order.lines"])).not.toContain("I-1");
    expect(texts(["purchase_order.custom_fields.X_SECRET"])).not.toContain('"custom_fields":{"X_SECRET"');
    expect(texts(["purchase_order.remote_updated_at"])).not.toContain("2026-07-01");
  });

  test("an entry that hides nothing is a problem, and so is a key", () => {
    const pack = compiled(samplePack);
    const messages = (hidden: string): readonly string[] =>
      hiddenIssues(pack, [hidden]).map(({ message }) => message);
    expect(messages("vendor.tax_id")).toEqual([]);
    expect(messages("PERSON.NAME")).toEqual([]);
    expect(messages("purchase_order.lines.unit_price")).toEqual([]);
    expect(messages("vendor.tax_i")).toEqual([expect.stringContaining('did you mean "vendor.tax_id"')]);
    expect(messages("PERSON.NAMEE")).toEqual([expect.stringContaining('did you mean "PERSON.NAME"')]);
    expect(messages("PO.NUM")).toEqual([expect.stringContaining("a key cannot be hidden")]);
  });
});

test("a row that the source cannot give out is refused with its reason, and never mapped", () => {
  const map = (): never => {
    throw new TypeError("mapped");
  };
  const row = { ...orderRow(), columns: {}, unreadable: "division by zero" };
  expect(mappedRow(row, map)).toEqual({ ok: false, code: "UNREADABLE_ROW", detail: "division by zero" });
});
