// The preview: both sides readable, no line wider than the terminal, and nothing in a row can steer the terminal.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatPreview, widthOf } from "#agent/core/mapping/preview.ts";
import { compiled, context, entityOf, line, orderRow, samplePack } from "./sample-pack.ts";

const map = entityOf(compiled(samplePack), "purchase_order").mapper(context);
const small = orderRow({ TOTAL: 12.5, X_NOTE: "ünïcode 日本" }, [line(), line({ LINE: 2 })]);

describe("formatPreview", () => {
  test("puts the row beside the record", () => {
    const text = formatPreview("purchase_order S1/1001", small, map(small), { width: 120, maxItems: 1 });
    expect(text).toMatchInlineSnapshot(`
      "── purchase_order S1/1001 ──────────────────────────────────────────────────────────────────────────────────────────────
      SITE        S1                  │ remote_id          S1/1001
      NUM         1001                │ remote_key
      STATUS      APPR                │   SITE  S1
      VENDOR      V7                  │   NUM   1001
      VENDORNAME  "Acme  "            │ remote_updated_at  2026-07-01T08:00:00Z
      SETID       SET1                │ source
      CHANGED     2026-07-01 10:00:00 │   system  Sample ERP
      TOTAL       12.5                │   table   dbo.PO
      X_NOTE      ünïcode 日本        │ number             1001
      lines: 2 rows                   │ type               standard
        [1]                           │ status             approved
          SITE      S1                │ native_status      APPR
          NUM       1001              │ vendor             → ORG1/V7 (Acme)
          LINE      1                 │ buyer              Ada
          QTY       10                │ subtotal           199.80
          RECEIVED  2.5               │ total              12.5
          AMOUNT    99.90             │ lines: 2 items
          ITEM      I-1               │   [1]
          ACTIVE    Y                 │     line_number    1
        … 1 more                      │     item           → SET1/I-1
      buyer: 1 row                    │     quantity       10
        [1]                           │     line_total     99.90
          ID    7                     │     open_qty       7.5
          NAME  Ada                   │     is_deleted     false
                                      │     custom_fields
                                      │   … 1 more
                                      │ custom_fields
                                      │   X_NOTE  ünïcode 日本
      "
    `);
  });

  test("narrow terminals get one side above the other", () => {
    const text = formatPreview("order", small, map(small), { width: 40 });
    expect(text).toContain("  becomes\n");
    expect(text).not.toContain("│");
  });

  test("a refused row says why", () => {
    const row = orderRow({ TOTAL: "twelve" });
    const text = formatPreview("order", row, map(row), { width: 100 });
    expect(text).toContain("✗ BAD_DECIMAL");
    expect(text).toContain('column TOTAL holds "twelve"');
  });

  test("no line is wider than the terminal, and control characters stay visible text", () => {
    const hostile = fc.string({ unit: "binary", maxLength: 200 });
    fc.assert(
      fc.property(hostile, fc.integer({ min: 20, max: 200 }), (value, width) => {
        const row = orderRow({ TEXT1: value, X_A: value });
        const text = formatPreview(value, row, map(row), { width });
        const lines = text.slice(0, -1).split("\n");
        expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(width);
        expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
      }),
      { numRuns: 300 },
    );
  });
});
