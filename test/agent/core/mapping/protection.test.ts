// Fields that leave the plant masked or as pseudonyms: in the record, in the raw row, in custom fields, in reasons.
import { describe, expect, test } from "vitest";
import { mappingFingerprint, type MapperContext } from "#agent/core/mapping/mapping.ts";
import {
  effectiveProtection,
  personalFields,
  protectionIssues,
  type FieldProtection,
} from "#agent/core/mapping/protection.ts";
import { fieldProtection } from "#agent/platform/pseudonyms.ts";
import { compiled, context, entityOf, orderRow, samplePack } from "./sample-pack.ts";

const pack = compiled(samplePack);
const KEY = Buffer.alloc(32, 7).toString("base64");

function protection(part: Partial<Record<"mask" | "pseudonymise", readonly string[]>>): FieldProtection {
  return fieldProtection({ mask: [], pseudonymise: [], ...part }, KEY);
}

function order(
  more: Partial<MapperContext>,
  columns = {},
): { record: Record<string, unknown>; text: string } {
  const row = orderRow({ TOTAL: "12.50", TEXT1: "secret text", X_NOTE: "n", ...columns });
  const mapped = entityOf(pack, "purchase_order").mapper({ ...context, raw: true, ...more })(row);
  if (!mapped.ok) return { record: {}, text: `${mapped.code} ${mapped.detail}` };
  return { record: JSON.parse(mapped.record) as Record<string, unknown>, text: mapped.record + mapped.raw };
}

describe("what stands in a field's place", () => {
  test("masked: null, whatever the type, and its columns are not in the raw row", () => {
    const { record, text } = order({
      protection: protection({
        mask: ["purchase_order.total", "purchase_order.description", "purchase_order.lines.quantity"],
      }),
    });
    expect(record).toMatchObject({
      total: null,
      description: null,
      lines: [{ quantity: null, line_total: "99.90" }],
    });
    expect(text).not.toMatch(/12\.50|secret text|QTY/);
    expect(order({}).text).toMatch(/12\.50.*secret text.*QTY/s);
  });

  test("pseudonymised: the same for the same text in every field, another with another key", () => {
    const names = ["purchase_order.description", "purchase_order.vendor_reference", "purchase_order.vendor"];
    const columns = { TEXT1: "Bob", REF1: "Bob" };
    const { record, text } = order({ protection: protection({ pseudonymise: names }) }, columns);
    expect(record["description"]).toMatch(/^p_[\w-]{22}$/);
    expect(record["vendor_reference"]).toBe(record["description"]);
    expect(text).not.toContain("Bob");
    const vendor = record["vendor"] as Record<string, string>;
    expect(vendor["display"]).toMatch(/^p_/);
    expect(vendor["remote_id"]).toMatch(/^p_/);
    const plain = order({}).record["vendor"] as Record<string, string>;
    expect(vendor["id"]).toBe(plain["id"]);
    const other = fieldProtection({ mask: [], pseudonymise: names }, Buffer.alloc(32, 8).toString("base64"));
    expect(order({ protection: other }, columns).record["description"]).not.toBe(record["description"]);
  });

  test("the source's own word goes with its enumeration", () => {
    const { record, text } = order({ protection: protection({ mask: ["purchase_order.status"] }) });
    expect(record).toMatchObject({ status: null, native_status: null });
    expect(text).not.toContain('APPR"');
  });

  test("empty and absent stay so", () => {
    const { record } = order(
      { protection: protection({ pseudonymise: ["purchase_order.description"] }) },
      { TEXT1: "", TEXT2: "" },
    );
    expect(record["description"]).toBeNull();
  });

  test("a value that does not fit is not quoted", () => {
    const wrong = { TOTAL: "canary-4711" };
    expect(order({}, wrong).text).toContain("canary");
    const pseudonymised = order(
      { protection: protection({ pseudonymise: ["purchase_order.total"] }) },
      wrong,
    );
    expect(pseudonymised.text).toMatch(/^BAD_.*not shown/);
    expect(pseudonymised.text).not.toContain("canary");
    expect(order({ protection: protection({ mask: ["purchase_order.total"] }) }, wrong).record).toMatchObject(
      { total: null },
    );
  });
});

describe("what is protected", () => {
  test("every field that the model marks as naming people, unless it is released; what the plant names is never released", () => {
    const file = { mask: [], pseudonymise: [], release: [], releasePersonal: false };
    const { pseudonymise } = effectiveProtection(file);
    expect(pseudonymise).toEqual(personalFields());
    expect(pseudonymise).toEqual(
      expect.arrayContaining(["work_order.requested_by", "vendor.contacts.name", "user.supervisor"]),
    );
    expect(effectiveProtection({ ...file, releasePersonal: true }).pseudonymise).toEqual([]);
    const some = effectiveProtection({
      ...file,
      release: ["vendor.contacts", "user.name"],
      pseudonymise: ["user.name"],
    });
    expect(some.pseudonymise).toContain("user.name");
    expect(some.pseudonymise).not.toContain("vendor.contacts.email");
  });

  test("names that no field has are mistakes, and so are pseudonyms for what is no text", () => {
    expect(protectionIssues("mask", ["vendor.tax_id", "vendor.taxid"])).toMatchObject([
      { path: "[1]", message: expect.stringContaining("tax_id") },
    ]);
    expect(protectionIssues("pseudonymise", ["purchase_order.total", "vendor.name"])).toMatchObject([
      { path: "[0]" },
    ]);
  });

  test("another protection reads its own entity anew, and no other", () => {
    const print = (entity: string, mask: readonly string[]): string =>
      mappingFingerprint(entityOf(pack, entity), pack, { ...context, protection: protection({ mask }) });
    expect(print("vendor", ["vendor.tax_id"])).not.toBe(print("vendor", []));
    expect(print("purchase_order", ["vendor.tax_id"])).toBe(print("purchase_order", []));
  });
});
