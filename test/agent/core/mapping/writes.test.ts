// What a pack says about writes: compiled, or reported with its place; and values on their way back into the source.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readPack } from "#agent/packs/load-pack.ts";
import type { CompiledWrite } from "#agent/core/mapping/mapping.ts";
import { compilePack } from "#agent/core/mapping/compile-pack.ts";

const CONTEXT = { timeZone: "Europe/Berlin", nowMs: Date.parse("2026-05-04T08:00:00.250Z") };

function pack(writes: string): string {
  return `
name: writes
system: Test
entities:
  work_order:
    table: WO
    key: [SITE, NUM]
    changes: full_scan
    fields: { title: TITLE }
    writes:
${writes.replaceAll(/^/gm, "      ")}`;
}

function compiled(writes: string, operation = "update"): CompiledWrite {
  const result = readPack(pack(writes), "test.yaml");
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  const write = result.pack.entities[0]?.writes?.find((one) => one.operation === operation);
  if (write === undefined) throw new Error("no such write");
  return write;
}

function encode(write: CompiledWrite, values: Record<string, unknown>): ReturnType<CompiledWrite["encode"]> {
  return write.encode({ key: ["S1", "7"], values, commandId: "c-1" }, CONTEXT);
}

function encodedField(field: string, spec: string, value: unknown): unknown {
  const encoded = encode(compiled(`update: { fields: { ${field}: ${spec} } }`), { [field]: value });
  return encoded.ok ? encoded.values : encoded.problems[0]?.message;
}

describe("the pack's language", () => {
  test("says every mistake with file, line and column", () => {
    const result = readPack(
      pack(`update:
  fields:
    titel: TITLE
    status: STATUS
    priority: { column: PRIO, map: { hihg: 1 } }
    tasks: TASKS
  set:
    SITE: { value: S }
    CHANGED: { later: local }
create:
  fields: { title: TITLE }
approve:
  procedure: SP_APPROVE
  arguments: { A: { key: NUMBER }, B: { field: status } }
  outputs: [CODE]
  success: { output: COED, in: ["0"] }
  key_from: [CODE]
import:
  interface_table: IFACE
  fields: { title: TITLE, description: TITLE }
  status: { column: S, done: [P] }`),
      "test.yaml",
    );
    const issues = result.ok ? [] : result.issues;
    const said = issues.map(({ line, message }) => `${line} ${message}`).join("\n");
    for (const part of [
      /^13 the unified model has no such field.*"title"/m,
      /^14 missing; expected the model's values with the codes/m,
      /^15 the model has no value "hihg".*"high"/m,
      /^16 lists and objects cannot be written/m,
      /SITE is the row's key and cannot be written/,
      /^19 expected \{ value/m,
      /a new row needs its key: fill SITE, NUM/,
      /expected one of SITE, NUM, not "NUMBER"/,
      /expected one of CODE, not "COED"/,
      /gives 1 values, but the key is SITE, NUM/,
      /TITLE is filled twice/,
      /needs command_column/,
    ])
      expect(said).toMatch(part);
    expect(issues.every(({ file, column }) => file === "test.yaml" && column !== undefined)).toBe(true);
  });

  test("a read-only pack has no writes", () => {
    const text = pack("update: { fields: { title: TITLE } }").replace("system", "read_only: never\nsystem");
    expect(readPack(text, "test.yaml")).toMatchObject({ ok: false, issues: [{ path: "read_only" }] });
  });

  test("writes do not change what records become: the mapping version stays", () => {
    const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
    const entity = { table: "V", key: "C", changes: "full_scan", fields: { name: "N" } };
    const version = (vendor: object): string => {
      const result = compilePack({ name: "p", system: "P", entities: { vendor } }, { sha256 });
      return result.ok ? result.pack.mappingVersion : "";
    };
    const writes = { update: { fields: { name: "N" } } };
    expect(version({ ...entity, writes })).toBe(version(entity));
    expect(version({ ...entity, key: "D" })).not.toBe(version(entity));
  });

  test("the plan names each form's slots", () => {
    const result = readPack(
      pack(`update: { fields: { title: TITLE }, set: { CHANGED: { now: local } } }
approve:
  procedure: SP_APPROVE
  schema: plant
  by_name: true
  arguments: { NUM: { key: NUM }, HOURS: { field: estimated_labor_hours, cast: "numeric(9,2)" }, ID: { command_id: true } }
  outputs: [CODE, TEXT]
  success: { output: CODE, in: ["0"], message: TEXT }
import:
  interface_table: IFACE
  command_column: EXTID
  fields: { title: TITLE }
  status: { column: STATE, done: [P], failed: [E], within: 5s }`),
      "test.yaml",
    );
    expect(result.ok && result.pack.entities[0]?.plan.writes).toEqual([
      { operation: "update", form: "update", slots: [{ name: "TITLE" }, { name: "CHANGED" }] },
      {
        operation: "approve",
        form: "procedure",
        procedure: { schema: "plant", name: "SP_APPROVE" },
        isNamed: true,
        slots: [{ name: "NUM" }, { name: "HOURS", cast: "numeric(9,2)" }, { name: "ID" }],
        outputs: ["CODE", "TEXT"],
        success: { output: "CODE", in: ["0"], message: "TEXT" },
      },
      {
        operation: "import",
        form: "interface_table",
        table: { name: "IFACE" },
        commandColumn: "EXTID",
        slots: [{ name: "TITLE" }, { name: "EXTID" }],
        status: { column: "STATE", done: ["P"], failed: ["E"], withinMs: 5000 },
      },
    ]);
  });
});

describe("values on their way back", () => {
  test.each([
    ["title", "T", "Größe 漢字 🏭", { T: "Größe 漢字 🏭" }],
    ["title", "T", null, { T: null }],
    ["title", '{ column: T, empty: " " }', null, { T: " " }],
    ["title", "{ column: T, max_length: 3 }", "four", "has 4 characters; the source takes 3"],
    ["title", "T", 7, "expected text, not 7"],
    ["priority", "{ column: P, map: { high: 2, low: 04 } }", "low", { P: "04" }],
    ["priority", "{ column: P, map: { high: 2 } }", "low", 'the source takes high here, not "low"'],
    ["is_history", "H", true, { H: 1 }],
    ["is_history", '{ column: H, true_value: "Y", false_value: "N" }', false, { H: "N" }],
    ["is_history", "H", "yes", 'expected true or false, not "yes"'],
    ["estimated_labor_hours", "H", "12345678901234567890.123456789", { H: "12345678901234567890.123456789" }],
    ["estimated_labor_hours", "{ column: H, decimals: 2 }", "1.500", { H: "1.500" }],
    [
      "estimated_labor_hours",
      "{ column: H, decimals: 2 }",
      "1.505",
      "1.505 has more than 2 decimal places: the source would round it",
    ],
    ["estimated_labor_hours", "{ column: H, implied_decimals: 2 }", "19.90", { H: "1990" }],
    [
      "estimated_labor_hours",
      "{ column: H, implied_decimals: 2 }",
      "19.905",
      "19.905 has more than 2 decimal places: the source has no room for them",
    ],
    ["estimated_labor_hours", "H", 1.5, 'expected a decimal as text such as "12.50", not 1.5'],
    ["target_start", "S", "2026-05-04T08:00:00.500Z", { S: "2026-05-04 10:00:00.5" }],
    [
      "target_start",
      "{ column: S, separator: T, fraction: 0 }",
      "2026-05-04T08:00:00.5Z",
      { S: "2026-05-04T10:00:00" },
    ],
    ["target_start", "{ column: S, format: utc }", "2026-05-04T10:00:00+02:00", { S: "2026-05-04 08:00:00" }],
    ["target_start", "{ column: S, format: epoch_ms }", "2026-05-04T08:00:00.123456Z", { S: 1777881600123 }],
    [
      "target_start",
      "S",
      "2026-05-04 08:00",
      'expected an instant such as 2026-05-04T08:00:00Z, not "2026-05-04 08:00"',
    ],
    ["target_start", "S", "2026-10-25T00:30:00Z", { S: "2026-10-25 02:30:00" }],
    [
      "target_start",
      "S",
      "2026-10-25T01:30:00Z",
      "2026-10-25T01:30:00Z cannot be told apart in the source's local time: clocks went back and that hour came twice",
    ],
    ["vendor", "{ key: [ORG, V] }", { remote_key: ["1000", "ACME"] }, { ORG: "1000", V: "ACME" }],
    ["vendor", "{ key: [{ value: A }, V] }", { remote_key: ["A", "X"] }, { V: "X" }],
    [
      "vendor",
      "{ key: [{ value: A }, V] }",
      { remote_key: ["B", "X"] },
      'the source takes only references whose key has "A" at 1',
    ],
    ["vendor", "{ key: V }", { id: "…", remote_id: "ACME" }, { V: "ACME" }],
    ["vendor", "{ key: V }", null, { V: null }],
    [
      "vendor",
      "{ key: [ORG, V] }",
      { remote_id: "1000/ACME" },
      'expected a reference with remote_key of 2 values, not {"remote_id":"1000/ACME"}',
    ],
  ])("%s as %s: %j", (field, spec, value, expected) => {
    expect(encodedField(field, spec, value)).toEqual(expected);
  });

  test.each([
    ["iso", "2024-02-29", "2024-02-29"],
    ["yyyymmdd", "2024-02-29", "20240229"],
    ["cyyddd", "2026-05-04", 126124],
    ["iso", "2023-02-29", 'expected a date such as 2026-05-04, not "2023-02-29"'],
  ])("a date as %s: %s", (format, value, expected) => {
    const text = pack(`update: { fields: { order_date: { column: D, format: ${format} } } }`);
    const result = readPack(
      text.replace("work_order", "purchase_order").replace("title", "number"),
      "test.yaml",
    );
    const write = result.ok ? result.pack.entities[0]?.writes?.[0] : undefined;
    const encoded = encode(write!, { order_date: value });
    expect(encoded.ok ? encoded.values["D"] : encoded.problems[0]?.message).toBe(expected);
  });

  test("what is left out stays; what the pack sets is always there", () => {
    const write = compiled(`update:
  fields: { title: { column: T, required: true }, description: D }
  set: { AT: { now: local }, BY: { value: MILLRACE }, REF: { command_id: true }, N: { key: NUM } }`);
    expect(encode(write, { title: "a" })).toEqual({
      ok: true,
      values: { T: "a", AT: "2026-05-04 10:00:00", BY: "MILLRACE", REF: "c-1", N: "7" },
    });
  });

  test("every problem of a request at once", () => {
    const write = compiled("update: { fields: { title: { column: T, required: true }, is_history: H } }");
    expect(encode(write, { is_history: 3, descripton: "x", title: null })).toMatchObject({
      ok: false,
      problems: [
        { field: "descripton" },
        { field: "title", message: "is required" },
        { field: "is_history" },
      ],
    });
    const optional = compiled("update: { fields: { title: T } }");
    expect(encode(optional, {})).toMatchObject({ ok: false, problems: [{ field: "" }] });
  });
});
