// Writes of records with rows, custom fields, inputs, removals and adjustments: what a pack says, and what requests become.
import { expect, describe, test } from "vitest";
import type { CompiledWrite } from "#agent/core/mapping/mapping.ts";
import type { WritePlan } from "#agent/core/source/write.ts";
import { readPack } from "#agent/packs/load-pack.ts";

const CONTEXT = { timeZone: "UTC", nowMs: Date.parse("2026-05-04T08:00:00Z") };

function pack(writes: string): string {
  return `
name: writes
system: Test
entities:
  purchase_order:
    table: PO
    key: [SITE, NUM]
    changes: full_scan
    fields: { number: NUM, description: TEXT }
    children:
      lines: { table: POLINE, on: [SITE, NUM], order: POS, fields: { line_number: POS } }
      extra: { into: lines, table: POEXTRA, on: [SITE, NUM], order: POS, fields: { line_number: POS } }
    lookups:
      stock: { table: STOCK, on: { SITE: SITE } }
    writes:
${writes.replaceAll(/^/gm, "      ")}`;
}

function issuesOf(writes: string): string {
  const result = readPack(pack(writes), "test.yaml");
  return result.ok ? "" : result.issues.map(({ path, message }) => `${path}: ${message}`).join("\n");
}

function compiled(writes: string): { readonly write: CompiledWrite; readonly plan: WritePlan } {
  const result = readPack(pack(writes), "test.yaml");
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  const [entity] = result.pack.entities;
  return { write: entity!.writes![0]!, plan: entity!.plan.writes![0]! };
}

const LINES = `
    lines:
      child: lines
      key: POS
      number: 10
      fields:
        line_number: POS
        item_code: ITEM
        quantity: { column: QTY, required: true, decimals: 2 }
        storeroom: { key: [{ same: SITE }, STORE] }
      custom_fields: [U_COST]
      set: { CHANGED: { now: utc } }
      set_new: { KIND: { value: I } }
      delete: true
      max_rows: 3`;
const UPDATE = `update:
  fields: { description: TEXT }
  custom_fields: [U_PROJECT]
  children:${LINES}`;

function encodeUpdate(values: Record<string, unknown>): ReturnType<CompiledWrite["encode"]> {
  return compiled(UPDATE).write.encode({ key: ["S1", "7"], values, commandId: "c-1" }, CONTEXT);
}

function problemsOf(values: Record<string, unknown>): readonly string[] {
  const encoded = encodeUpdate(values);
  return encoded.ok ? [] : encoded.problems.map(({ field, message }) => `${field}: ${message}`);
}

describe("the pack's language", () => {
  test("a list is written to the table that it is read from", () => {
    expect(compiled(UPDATE).plan).toEqual({
      operation: "update",
      form: "update",
      slots: [{ name: "TEXT" }, { name: "U_PROJECT" }],
      children: [
        {
          child: "lines",
          key: ["POS"],
          number: { column: "POS", step: 10 },
          required: ["QTY"],
          removal: "delete",
          maxRows: 3,
          slots: ["POS", "ITEM", "QTY", "STORE", "U_COST", "CHANGED", "KIND"].map((name) => ({ name })),
        },
      ],
    });
  });

  test("keys are counted by a sequence or a table of counters", () => {
    const { plan } = compiled(`create:
  inputs: { site: { column: SITE, required: true } }
  key:
    NUM: { next: { counter: KEYS, schema: erp, column: SEED, where: { NAME: PO, SITE: { column: SITE } }, prefix: P, digits: 5 } }`);
    expect(plan).toMatchObject({
      form: "insert",
      slots: [{ name: "SITE" }, { name: "NUM" }],
      next: [
        {
          column: "NUM",
          prefix: "P",
          digits: 5,
          from: "counter",
          table: { schema: "erp", name: "KEYS" },
          counter: "SEED",
          where: [
            { column: "NAME", equals: { value: "PO" } },
            { column: "SITE", equals: { slot: "SITE" } },
          ],
        },
      ],
    });
    const other = compiled(
      "create: { inputs: { site: SITE }, key: { NUM: { next: { sequence: PO_SEQ } } } }",
    );
    expect(other.plan).toMatchObject({
      next: [{ from: "sequence", sequence: { name: "PO_SEQ" }, digits: 0 }],
    });
  });

  test("removals and adjustments", () => {
    expect(compiled("delete: { form: delete, children: [lines, extra] }").plan).toEqual({
      operation: "delete",
      form: "delete",
      slots: [],
      children: ["lines", "extra"],
    });
    const { plan, write } = compiled(
      'adjust: { form: adjust, child: stock, column: QTY, match: { bin: BIN }, min: 0, max: "99.5", set: { BY: { value: M } } }',
    );
    expect(plan).toEqual({
      operation: "adjust",
      form: "adjust",
      child: "stock",
      column: "QTY",
      match: ["BIN"],
      min: "0",
      max: "99.5",
      slots: [{ name: "QTY" }, { name: "BIN" }, { name: "BY" }],
    });
    const encoded = write.encode(
      { key: ["S1", "7"], values: { quantity: "-2.5", bin: "A" }, commandId: "c" },
      CONTEXT,
    );
    expect(encoded).toEqual({ ok: true, values: { QTY: "-2.5", BIN: "A", BY: "M" } });
    const nothing = write.encode({ key: ["S1", "7"], values: { bin: "A" }, commandId: "c" }, CONTEXT);
    expect(nothing).toMatchObject({ ok: false, problems: [{ field: "quantity", message: "is required" }] });
  });

  test.each([
    ["update: { children: { lnes: { key: POS } } }", 'no list of the unified model (did you mean "lines"?)'],
    [
      "update: { children: { lines: { key: POS, fields: { line_number: POS } } } }",
      "is read from lines and extra; say which",
    ],
    [
      "update: { children: { lines: { child: lines, key: [POS, SUB], fields: { line_number: POS } } } }",
      "no field gives SUB: rows could not be told apart",
    ],
    [
      "update: { children: { lines: { child: lines, key: POS, fields: { line_number: POS, item_code: NUM } } } }",
      "NUM is the parent's key: it is filled by itself",
    ],
    [
      "update: { children: { lines: { child: lines, key: POS, number: 0, fields: { line_number: POS } } } }",
      "expected the step from one row to the next",
    ],
    [
      "update: { children: { lines: { child: lines, key: POS, delete: gone, fields: { line_number: POS } } } }",
      "expected true, or { set: … }",
    ],
    [
      "update: { children: { lines: { child: lines, key: POS, max_rows: 501, fields: { line_number: POS } } } }",
      "expected 1 to 500 rows",
    ],
    [
      "create: { key: { NUM: { next: { counter: K, column: C, where: { S: { column: SITE } } } } } }",
      "SITE is not filled",
    ],
    ["create: { inputs: { site: SITE } }", "fill NUM by fields or set, count it by key"],
    ["update: { inputs: { number: NUM2 } }", "is a field of the unified model: name it under fields"],
    ["update: { fields: { site: S } }", "what it does not know is an input"],
    [
      "update: { inputs: { x: { column: X, as: money } } }",
      "expected one of text, decimal, date, instant, boolean",
    ],
    ["remove: { form: delte }", 'expected one of delete, adjust, not "delte" (did you mean "delete"?)'],
    ["delete: { form: delete, children: [stock] }", "expected one of lines, extra"],
    [
      "adjust: { form: adjust, column: QTY, match: { bin: BIN } }",
      "tells rows of a child apart; name the child",
    ],
    ["adjust: { form: adjust, column: NUM }", "NUM is the row's key and cannot be written"],
    ["adjust: { form: adjust, column: QTY, min: low }", 'expected a number, not "low"'],
    ["update: { fields: { description: TEXT }, custom_fields: [TEXT] }", "TEXT is filled twice"],
  ])("%s", (writes, said) => {
    expect(issuesOf(writes)).toContain(said);
  });
});

describe("requests", () => {
  test("rows become values by slot, with what the pack fills by itself", () => {
    const storeroom = { remote_key: ["S1", "MAIN"] };
    const encoded = encodeUpdate({
      description: "D",
      custom_fields: { U_PROJECT: "P-1" },
      lines: [
        { line_number: "10", quantity: "2.5", custom_fields: { U_COST: 7 } },
        { item_code: "PUMP", quantity: "1", storeroom },
        { line_number: "20", is_deleted: true, quantity: "9" },
      ],
    });
    const at = "2026-05-04 08:00:00";
    expect(encoded).toEqual({
      ok: true,
      values: { TEXT: "D", U_PROJECT: "P-1" },
      children: {
        lines: [
          { values: { POS: "10", QTY: "2.5", U_COST: 7, CHANGED: at }, initial: { KIND: "I" } },
          { values: { ITEM: "PUMP", QTY: "1", STORE: "MAIN", CHANGED: at }, initial: { KIND: "I" } },
          { values: { POS: "20" }, isRemoved: true },
        ],
      },
    });
  });

  test("rows alone are enough, and none at all is nothing", () => {
    expect(encodeUpdate({ lines: [{ line_number: "10", quantity: "3" }] })).toMatchObject({
      ok: true,
      values: {},
    });
    expect(problemsOf({})).toEqual([
      ": nothing is to be written; these fields can be: description, U_PROJECT, lines",
    ]);
  });

  test("a row that may exist needs only its key; a new one needs what is required", () => {
    expect(problemsOf({ lines: [{ line_number: "10", item_code: "X" }] })).toEqual([]);
    expect(problemsOf({ lines: [{ item_code: "X" }, { line_number: "10", quantity: null }] })).toEqual([
      "lines[0].quantity: is required",
      "lines[1].quantity: is required",
    ]);
  });

  test("every problem at once, each with its row", () => {
    const values = {
      lines: [
        { line_number: "10", quantity: "1.234", qty: "1" },
        "row",
        { line_number: "10", quantity: "1" },
      ],
      custom_fields: { U_PROJECT: ["a"], U_PROJCT: "x" },
    };
    expect(problemsOf(values)).toEqual([
      'custom_fields.U_PROJECT: expected text, a number, true, false or null, not ["a"]',
      'custom_fields.U_PROJCT: cannot be written here (did you mean "U_PROJECT"?)',
      expect.stringMatching(/^lines\[0\]\.qty: cannot be written here/),
      expect.stringMatching(/^lines\[0\]\.quantity: 1\.234 has more than 2 decimal places/),
      'lines[1]: expected an object, not "row"',
      "lines[2]: has the same key as a row before it",
    ]);
    expect(problemsOf({ lines: {} })).toEqual(["lines: expected a list of objects, not {}"]);
    const four = Array.from({ length: 4 }, () => ({ quantity: "1" }));
    expect(problemsOf({ lines: four })).toEqual(["lines: has 4 rows; 3 can be written at once"]);
    expect(problemsOf({ custom_fields: "x" })).toEqual([
      'custom_fields: expected an object with the source\'s own names, not "x"',
    ]);
    expect(problemsOf({ lines: [{ is_deleted: true }] })).toEqual([
      "lines[0].line_number: is required: it tells the rows apart",
    ]);
  });

  test("a reference's shared part is held against the record's own key", () => {
    const line = { quantity: "1", storeroom: { remote_key: ["S2", "MAIN"] } };
    expect(problemsOf({ lines: [line] })).toEqual([
      'lines[0].storeroom: the source takes only references whose key has "S1" at 1',
    ]);
  });

  test.each([
    ["text", "text"],
    [true, 1],
    [false, 0],
    [42, 42],
    [0.1, "0.1"],
    [1e21, "1000000000000000000000"],
    [null, null],
  ])("a custom field %j goes back as %j", (given, expected) => {
    const encoded = encodeUpdate({ custom_fields: { U_PROJECT: given } });
    expect(encoded).toMatchObject({ ok: true, values: { U_PROJECT: expected } });
  });

  test("a new record's rows cannot be removed, and defaults are for new records alone", () => {
    const create = compiled(`create:
  fields: { number: NUM, type: { column: T, map: { standard: S }, default: X } }
  inputs: { site: SITE }
  children:${LINES}`).write;
    const encode = (values: Record<string, unknown>): unknown =>
      create.encode({ key: undefined, values, commandId: "c" }, CONTEXT);
    expect(encode({ site: "S1", number: "7" })).toMatchObject({ values: { SITE: "S1", NUM: "7", T: "X" } });
    expect(encode({ site: "S1", type: "standard" })).toMatchObject({ values: { T: "S" } });
    expect(encode({ site: "S1", lines: [{ line_number: "1", is_deleted: true }] })).toMatchObject({
      ok: false,
      problems: [{ field: "lines[0].is_deleted", message: "rows cannot be removed here" }],
    });
    expect(create.fields.find(({ name }) => name === "lines")?.rows?.mayDelete).toBe(false);
  });
});
