// Whatever a source holds: a row is refused with a reason, or its record satisfies the unified schema.
import fc from "fast-check";
import { Compile } from "typebox/compile";
import { Type } from "typebox";
import { expect, test } from "vitest";
import type { Columns, SourceRow } from "#agent/core/source/connector.ts";
import type { SourceValue } from "#agent/core/source/plan.ts";
import { ENTITIES, RecordEnvelope, type Entity } from "#common/contract/model/entities.ts";
import { compiled, context, entityOf, line, orderRow, samplePack } from "./sample-pack.ts";

/** Plausible and hostile values, so that both outcomes are common. */
const value: fc.Arbitrary<SourceValue | undefined> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "APPR",
      "V7",
      "10.50",
      "2026-07-01 10:00:00",
      "2026-07-01",
      "Y",
      "N",
      1,
      0,
      null,
    ),
  },
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom(
    "",
    " ",
    "\u0000",
    "\ud800",
    "__proto__",
    '"\n\\',
    "1e5",
    "-0",
    "0000-00-00",
    "x".repeat(4_001),
  ),
  fc.double(),
  fc.integer(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }),
  fc.boolean(),
  fc.uint8Array({ maxLength: 5 }),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constant(undefined),
);

function columnsOf(names: readonly string[]): fc.Arbitrary<Columns> {
  return fc
    .tuple(
      fc.record(Object.fromEntries(names.map((name) => [name, value]))),
      fc.dictionary(fc.string(), value, { maxKeys: 3 }),
    )
    .map(([known, others]) => Object.assign({}, others, known) as Columns);
}

const ORDER = [
  "STATUS",
  "VENDOR",
  "VENDORNAME",
  "TEXT1",
  "TEXT2",
  "REF1",
  "REF2",
  "ORDERED",
  "APPRDATE",
  "APPRTIME",
  "TOTAL",
  "TAX",
  "NET",
  "CHANGED",
  "ENTERED",
  "SETID",
  "X_A",
  "PROJECT",
];

const oneOdd = fc.tuple(fc.constantFrom(...ORDER), value).map(([name, odd]) => ({ [name]: odd }) as Columns);

/** Mostly one field at a time is odd, sometimes all are. */
const order: fc.Arbitrary<SourceRow> = fc
  .tuple(
    fc.oneof({ weight: 1, arbitrary: columnsOf(ORDER) }, { weight: 4, arbitrary: oneOdd }),
    fc.array(
      fc.oneof(
        { weight: 1, arbitrary: columnsOf(Object.keys(line())) },
        { weight: 4, arbitrary: fc.constant(line()) },
      ),
      { maxLength: 3 },
    ),
    fc.array(fc.option(fc.string({ minLength: 1 }), { freq: 20 }), { minLength: 2, maxLength: 2 }),
  )
  .map(([columns, lines, key]) => Object.assign({}, orderRow(columns, lines), { key }));

const vendor: fc.Arbitrary<SourceRow> = columnsOf(["CODE", "NAME", "TAX", "STREET", "EXTRA", "CITY"]).map(
  (columns) => ({
    op: "upsert",
    key: ["O", "V"],
    columns,
  }),
);

const pack = compiled(samplePack);

test.each<[Entity, fc.Arbitrary<SourceRow>]>([
  ["purchase_order", order],
  ["vendor", vendor],
])("every %s is refused or valid", (name, rows) => {
  const validator = Compile(Type.Intersect([RecordEnvelope, ENTITIES[name].schema]));
  const map = entityOf(pack, name).mapper({ ...context, raw: true });
  let mapped = 0;
  let refused = 0;
  fc.assert(
    fc.property(rows, (row) => {
      const result = map(row);
      if (!result.ok) {
        refused += 1;
        if (result.detail.length > 2_000) throw new Error(`a detail of ${result.detail.length} characters`);
        return;
      }
      mapped += 1;
      JSON.parse(result.raw ?? "");
      const record: unknown = JSON.parse(result.record);
      expect(result.record).not.toContain("\n");
      expect(validator.Errors(record)).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
  // Both outcomes must be common, or this test says little.
  expect(mapped).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(name === "vendor" ? 20 : 200);
});

test("the schema bites: a broken record is not valid", () => {
  const validator = Compile(Type.Intersect([RecordEnvelope, ENTITIES.purchase_order.schema]));
  const map = entityOf(pack, "purchase_order").mapper(context);
  const result = map(orderRow({ TOTAL: "1.00" }));
  const record = result.ok ? (JSON.parse(result.record) as object) : {};
  expect(validator.Check(record)).toBe(true);
  expect(validator.Check({ ...record, total: 1 })).toBe(false);
  expect(validator.Check({ ...record, total: "1e5" })).toBe(false);
  expect(validator.Check({ ...record, vendor: { id: "no-uuid", remote_id: "V" } })).toBe(false);
});
