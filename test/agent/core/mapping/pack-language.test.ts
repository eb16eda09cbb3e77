// What packs of real products need beyond plain columns: installations, companions, flags, statuses in other tables.
import { describe, expect, test } from "vitest";
import { compilePack } from "#agent/core/mapping/compile-pack.ts";
import { hiddenIssues } from "#agent/core/mapping/hidden.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { Installation } from "#agent/core/mapping/pack-settings.ts";
import type { Columns } from "#agent/core/source/connector.ts";
import { readPack } from "#agent/packs/load-pack.ts";
import { compiled, context, entityOf, issuesOf, sha256 } from "./sample-pack.ts";

function orders(entity: Record<string, unknown>, rest: Record<string, unknown> = {}): unknown {
  const order = { table: "PO", key: "NUM", changes: "full_scan", fields: {}, ...entity };
  return { name: "acme", system: "Acme", ...rest, entities: { purchase_order: order } };
}

function install(document: unknown, installation: Installation): CompiledPack {
  const result = compilePack(document, { sha256, installation });
  if (!result.ok) throw new TypeError(JSON.stringify(result.issues));
  return result.pack;
}

function recordOf(
  entity: Record<string, unknown>,
  columns: Columns,
  children: Readonly<Record<string, readonly Columns[]>> = {},
): Record<string, unknown> {
  const pack = compiled(orders({ ...entity }));
  const mapped = entityOf(pack, "purchase_order").mapper(context)({
    op: "upsert",
    key: ["1"],
    columns,
    children,
  });
  if (!mapped.ok) throw new RangeError(mapped.detail);
  return JSON.parse(mapped.record) as Record<string, unknown>;
}

describe("installations", () => {
  const pack = orders(
    { where: { CLIENT: "{client}" }, changes: { by: "counter", column: "ROWVER" } },
    {
      settings: { client: { description: "the client", example: "100", required: true } },
      defaults: { schema: "base" },
      variants: {
        oracle: {
          defaults: { schema: "MAXIMO" },
          entities: { purchase_order: { changes: { by: "timestamp", column: "CHANGED" } } },
        },
      },
    },
  );
  const planFor = (installation: Installation) =>
    entityOf(install(pack, installation), "purchase_order").plan;

  test("a setting fills its placeholder; one that is required must be there", () => {
    const { plan } = entityOf(
      install(pack, { connector: "sqlite", settings: { client: 200 } }),
      "purchase_order",
    );
    expect(plan.filters).toEqual([{ column: "CLIENT", op: "=", value: "200" }]);
    const missing = compilePack(pack, { sha256, installation: { connector: "sqlite", settings: {} } });
    expect(missing).toMatchObject({
      issues: [{ path: "pack_settings.client", message: /missing: the client/ }],
    });
  });

  test("a database's variant is merged over the pack", () => {
    const settings = { client: "1" };
    expect(planFor({ connector: "oracle", settings })).toMatchObject({
      table: { schema: "MAXIMO" },
      change: { kind: "timestamp", column: "CHANGED" },
      key: ["NUM"],
    });
    expect(planFor({ connector: "sqlite", settings })).toMatchObject({
      table: { schema: "base" },
      change: { kind: "counter" },
    });
  });

  test("schema and entities can be set for every pack; what no pack has is refused with the nearest name", () => {
    const settings = { client: "1", schema: "plant7", entities: ["purchase_order"] };
    expect(planFor({ connector: "oracle", settings }).table).toEqual({ schema: "plant7", name: "PO" });
    const wrong = { connector: "oracle", settings: { client: "1", shema: "x", entities: "purchase_orders" } };
    expect(compilePack(pack, { sha256, installation: wrong })).toMatchObject({
      issues: [{ message: /did you mean "schema"/ }, { message: /did you mean "purchase_order"/ }],
    });
  });

  test("other settings are another mapping: records are read again", () => {
    const versions = ["1", "2"].map(
      (client) => install(pack, { connector: "sqlite", settings: { client } }).mappingVersion,
    );
    expect(new Set(versions).size).toBe(2);
  });

  test("a mistake in a variant is reported where it stands, a placeholder without a setting too", () => {
    const text = [
      "name: acme",
      "system: Acme",
      "variants:",
      "  oracle:",
      "    entities:",
      "      vendor: { key: CODE, changes: { by: timestmp } }",
      "entities:",
      "  vendor: { table: 'V{clint}', key: CODE, changes: full_scan, fields: { code: CODE } }",
    ].join("\n");
    const result = readPack(text, "acme.yaml", { connector: "oracle", settings: {} });
    expect(result.ok ? [] : result.issues).toEqual([
      expect.objectContaining({ path: "entities.vendor.table", line: 8 }),
      expect.objectContaining({ path: "entities.vendor.changes.by", line: 6 }),
    ]);
  });

  test("an alias that holds itself ends in a problem, not in a crash", () => {
    expect(readPack("name: &a { x: *a }", "acme.yaml").ok).toBe(false);
  });
});

describe("fields", () => {
  test("codes among the rows of another table: the first of the pack's list counts", () => {
    const entity = {
      fields: {
        status: { column: "STAT", over: "statuses", map: { I46: "closed", I2: "approved" } },
        native_statuses: { each: "STAT", over: "statuses" },
      },
      lookups: { statuses: { table: "JEST", on: "OBJ", order: "STAT" } },
    };
    const statuses = ["I1", "I2", "I46"].map((STAT) => ({ STAT }));
    expect(recordOf(entity, {}, { statuses })).toMatchObject({
      status: "closed",
      native_status: "I1 I2 I46",
      native_statuses: ["I1", "I2", "I46"],
    });
    expect(recordOf(entity, {}, { statuses: [] })).toMatchObject({ status: null, native_statuses: [] });
    expect(recordOf(entity, {}, { statuses: [{ STAT: "I9" }] })).toMatchObject({ status: "unknown" });
  });

  test("flags side by side keep their places when empty ones count", () => {
    const status = {
      columns: ["A", "B"],
      keep_empty: true,
      map: { "X/*": "cancelled", "/X": "closed", "/": "approved" },
    };
    const statusOf = (A: string | null, B: string | null): unknown =>
      recordOf({ fields: { status } }, { A, B })["status"];
    expect([statusOf("X", ""), statusOf(" ", "X"), statusOf(null, "")]).toEqual([
      "cancelled",
      "closed",
      "approved",
    ]);
  });

  test("bits are 1 and 0, whatever the database's driver makes of them", () => {
    const status = { columns: ["VOID", "OPEN"], map: { "1/*": "cancelled", "0/1": "approved" } };
    const deletedWhen = { deleted_when: { column: "VOID", in: [1] } };
    for (const [VOID, OPEN] of [
      [0, 1],
      [false, true],
      ["0", "1"],
    ] as const)
      expect(recordOf({ fields: { status }, ...deletedWhen }, { VOID, OPEN })).toMatchObject({
        status: "approved",
        native_status: "0/1",
      });
    const pack = compiled(orders({ ...deletedWhen }));
    const map = entityOf(pack, "purchase_order").mapper(context);
    for (const VOID of [1, true])
      expect(map({ op: "upsert", key: ["1"], columns: { VOID } })).toMatchObject({ isDeleted: true });
  });

  test("leading zeros go from numbers alone, leading blanks from everything", () => {
    const number = { column: "NUM", strip: "zeros" };
    const numberOf = (NUM: string): unknown => recordOf({ fields: { number } }, { NUM })["number"];
    expect(["0000012345", "000", "00A1", "4500"].map(numberOf)).toEqual(["12345", "0", "00A1", "4500"]);
    const blanks = { fields: { number: { column: "NUM", strip: "blanks" } } };
    expect(recordOf(blanks, { NUM: "          30" })["number"]).toBe("30");
  });

  test("nothing can mean no, and a key of zero no reference", () => {
    const fields = {
      tax_inclusive: { column: "FLAG", true_values: ["X"], empty: false },
      vendor: { ref: "vendor", key: ["AN8"], none: 0 },
    };
    expect(recordOf({ fields }, { FLAG: "", AN8: 0 })).toMatchObject({ tax_inclusive: false, vendor: null });
    expect(recordOf({ fields }, { FLAG: "X", AN8: 7 })).toMatchObject({
      tax_inclusive: true,
      vendor: { remote_id: "7" },
    });
  });

  test("implied decimals hold for sums and differences; a lookup's row is found by the line's own key", () => {
    const entity = {
      fields: { total: { sum: "QTY", over: "lines", implied_decimals: 2 } },
      lookups: { dates: { table: "EKET", on: "NUM", order: "POS" } },
      children: {
        lines: {
          table: "POLINE",
          on: "NUM",
          order: "POS",
          fields: {
            open_qty: { plus: "QTY", minus: "DONE", implied_decimals: 2 },
            required_date: { column: "DUE", from: "dates", match: { POS: "POS" } },
          },
        },
      },
    };
    const lines = [
      { POS: 1, QTY: 1000, DONE: 250 },
      { POS: 2, QTY: 5, DONE: 0 },
    ];
    const dates = [{ POS: "2", DUE: "2026-03-01" }];
    expect(recordOf(entity, {}, { lines, dates })).toMatchObject({
      total: "10.05",
      lines: [
        { open_qty: "7.50", required_date: null },
        { open_qty: "0.05", required_date: "2026-03-01" },
      ],
    });
  });
});

describe("companions", () => {
  const entity = {
    lookups: {
      own: { table: "PO_UD", on: "ID", optional: true, custom_fields: "rest" },
      of_lines: { table: "LINE_UD", on: "NUM", custom_fields: ["*_c"], into: "lines", match: { POS: "POS" } },
    },
    children: { lines: { table: "POLINE", on: "NUM", order: "POS", fields: { line_number: "POS" } } },
    custom_fields: ["X_*"],
  };

  test("their columns are custom fields of the record, or of the line that they belong to", () => {
    const children = {
      own: [{ ID: "7", Project_c: "P", X_A: "lost to the record's own" }],
      of_lines: [
        { NUM: "1", POS: 2, Lot_c: "L2", other: "not asked for" },
        { NUM: "1", POS: 3, Lot_c: "of no line" },
      ],
      lines: [{ POS: 1 }, { POS: 2 }],
    };
    expect(recordOf(entity, { NUM: "1", X_A: "a", X_B: "b" }, children)).toMatchObject({
      custom_fields: { Project_c: "P", X_A: "a", X_B: "b" },
      lines: [
        { line_number: "1", custom_fields: {} },
        { line_number: "2", custom_fields: { Lot_c: "L2" } },
      ],
    });
  });

  test("the plan reads them whole, says which may be missing, and names what must be there", () => {
    const { plan } = entityOf(compiled(orders(entity)), "purchase_order");
    expect(plan.children.find(({ name }) => name === "own")).toMatchObject({
      columns: ["*"],
      isOptional: true,
    });
    expect(plan.children.find(({ name }) => name === "of_lines")).toMatchObject({ named: ["POS", "NUM"] });
  });

  test("mistakes are said", () => {
    const wrong = {
      ...entity,
      lookups: {
        a: { table: "A", on: "NUM", into: "lines" },
        b: { table: "B", on: "NUM", custom_fields: "rest", into: "line" },
        c: { table: "C", on: "NUM", custom_fields: "rest", into: "lines" },
      },
      touched_by: { d: { table: "D", on: "NUM" } },
    };
    expect(issuesOf(orders(wrong)).map(({ path, message }) => `${path}: ${message}`)).toEqual([
      expect.stringMatching(/lookups\.a\.into: only a lookup with custom_fields/),
      expect.stringMatching(/lookups\.b\.into: no child is called "line" .did you mean "lines"/),
      expect.stringMatching(/lookups\.c\.match: missing/),
      expect.stringMatching(/touched_by\.d\.changes: missing/),
    ]);
  });
});

test("a table that only touches is planned without columns, one that is added up without its marker", () => {
  const entity = {
    touched_by: { log: { table: "CDHDR", on: { ID: "NUM" }, changes: { by: "counter", column: "V" } } },
    children: {
      lines: {
        table: "LEDGER",
        on: "NUM",
        order: "POS",
        sum: "QTY",
        changes: { by: "counter", column: "V" },
        fields: { line_number: "POS", quantity: "QTY" },
      },
    },
  };
  const { plan } = entityOf(compiled(orders(entity)), "purchase_order");
  expect(plan.children).toMatchObject([
    { name: "lines", columns: ["POS", "QTY", "NUM"], sums: ["QTY"] },
    { name: "log", columns: [] },
  ]);
});

test("what a vanished row means is the entity's to say, why nothing is written the pack's", () => {
  const pack = compiled(orders({ vanished: "closed" }, { read_only: "use the API" }));
  expect(entityOf(pack, "purchase_order").vanished).toBe("closed_by_source");
  expect(pack.readOnly).toBe("use the API");
  expect(issuesOf(orders({ vanished: "close" }))).toMatchObject([{ message: /did you mean "closed"/ }]);
});

test("a document's date, how it is written, and what is open whatever its date", () => {
  const dateOf = (entity: Record<string, unknown>): unknown =>
    entityOf(compiled(orders(entity)), "purchase_order").plan.documentDate;
  expect(dateOf({})).toBeUndefined();
  expect(dateOf({ document_date: "ORDERED" })).toEqual({ column: "ORDERED", format: "local", openWhen: [] });
  const open_when = { STATE: { not: ["CLOSE", "CAN"] }, VOID: 0 };
  expect(dateOf({ document_date: { column: "DAY", format: "cyyddd" }, open_when })).toEqual({
    column: "DAY",
    format: "cyyddd",
    openWhen: [
      { column: "STATE", op: "<>", value: "CLOSE" },
      { column: "STATE", op: "<>", value: "CAN" },
      { column: "VOID", op: "=", value: 0 },
    ],
  });
  const plain = compiled(orders({}));
  expect(compiled(orders({ document_date: "ORDERED", open_when })).mappingVersion).toBe(plain.mappingVersion);
  expect(issuesOf(orders({ open_when }))).toMatchObject([{ message: /no meaning without document_date/ }]);
  expect(issuesOf(orders({ document_date: { colum: "A" } }))).toMatchObject([
    { message: /unknown key.*column/ },
    { message: /missing; expected a column/ },
  ]);
  expect(issuesOf(orders({ document_date: { column: "A", format: "iso" } }))).toMatchObject([
    { path: expect.stringMatching(/document_date.format$/) },
  ]);
});

test("columns of a company's tables are hidden by the table's own name, also those of extensions", () => {
  const document = orders({
    table: { company_of: "Purchase Header" },
    fields: { number: "NUM", memo: "Notes" },
    lookups: {
      own: { table: { extensions_of: "Purchase Header" }, on: "NUM", custom_fields: "rest" },
    },
  });
  const hidden = ["Purchase Header.Notes", "Purchase Header.Secret"];
  const pack = compiled(document);
  expect(hiddenIssues(pack, hidden)).toEqual([]);
  const mapped = entityOf(pack, "purchase_order").mapper({ ...context, raw: true, hidden })({
    op: "upsert",
    key: ["1"],
    columns: { NUM: "1", Notes: "private" },
    children: { own: [{ NUM: "1", Secret: "private", Lot: "L" }] },
  });
  expect(mapped).toMatchObject({ ok: true, record: expect.stringContaining('"Lot":"L"') as string });
  expect(JSON.stringify(mapped)).not.toContain("private");
});

describe("decimals that need another column", () => {
  const entity = {
    fields: {
      total: { column: "AMOUNT", currency_decimals: { column: "CURRDEC", from: "currency" } },
      exchange_rate: { column: "PER", map: { C: 100, M: "1000" }, otherwise: 1 },
    },
    lookups: { currency: { table: "TCURX", on: { CURRKEY: "WAERS" } } },
  };
  const total = (amount: string, decimals?: number): unknown =>
    recordOf(
      entity,
      { AMOUNT: amount, WAERS: "XXX", PER: "C" },
      { currency: decimals === undefined ? [] : [{ CURRKEY: "XXX", CURRDEC: decimals }] },
    )["total"];

  test("amounts of currencies without two decimals are moved, others stay", () => {
    expect(total("10.00", 0)).toBe("1000");
    expect(total("10", 0)).toBe("1000");
    expect(total("-0.05", 0)).toBe("-5");
    expect(total("12.34", 3)).toBe("1.234");
    expect(total("12.34", 2)).toBe("12.34");
    expect(total("12.34")).toBe("12.34");
  });

  test("a code can mean a number; nothing stays nothing", () => {
    const rate = (per: string | null): unknown =>
      recordOf(entity, { AMOUNT: "1", WAERS: "EUR", PER: per }, { currency: [] })["exchange_rate"];
    expect([rate("C"), rate("M"), rate("E"), rate(null)]).toEqual(["100", "1000", "1", null]);
  });

  test("a column that holds numbers and words gives its numbers", () => {
    const total = (reading: string | null): unknown =>
      recordOf({ fields: { total: { column: "READING", if_number: true } } }, { READING: reading })["total"];
    expect([total("41.5"), total("GOOD"), total(" "), total(null)]).toEqual(["41.5", null, null, null]);
  });

  test("what is no decimal there is an issue", () => {
    const issues = issuesOf(orders({ fields: { total: { column: "PER", map: { C: "many" } } } }));
    expect(issues.map(({ path }) => path)).toEqual([
      "entities.purchase_order.fields.total.map.C",
      "entities.purchase_order.fields.total.otherwise",
    ]);
  });
});
