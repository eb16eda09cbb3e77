// What the relay may wish of a pack: members, names, fields and columns, held against the plant's file.
import { describe, expect, test } from "vitest";
import { compilePack } from "#agent/core/mapping/compile-pack.ts";
import { judgeSettings, type JudgeDeps } from "#agent/core/settings/judge.ts";
import { protectedColumns } from "#agent/core/settings/protected-columns.ts";
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { compiled, context, entityOf, samplePack, sha256 } from "../mapping/sample-pack.ts";

const ALL = ["schedules", "initial_window_days", "entities", "custom_fields", "custom_entities", "remap"];
const pack = compiled(samplePack);

function compile(overlay: ConnectionSettingsDocument): ReturnType<typeof compilePack> {
  return compilePack(samplePack, {
    sha256,
    installation: { connector: undefined, settings: undefined, overlay },
  });
}

function judged(document: unknown, hidden: readonly string[] = [], deps: Partial<JudgeDeps> = {}) {
  return judgeSettings(document, {
    allowed: ALL,
    pack,
    isTelemetry: false,
    protectedColumns: protectedColumns(pack, hidden),
    compile,
    ...deps,
  });
}

function pointers(document: unknown, hidden: readonly string[] = []): readonly string[] {
  const judgement = judged(document, hidden);
  return judgement.ok ? [] : judgement.problems.map(({ pointer }) => pointer);
}

describe("refusals", () => {
  test.each<[string, object, readonly string[]]>([
    ["no document at all", [], [""]],
    ["an unknown member", { statements: ["DROP"] }, ["/statements"]],
    [
      "unknown entities, everywhere at once",
      { entities: ["nope"], schedules: { none: {} }, custom_fields: { x: [] }, remap: { y: {} } },
      ["/schedules/none", "/entities/0", "/custom_fields/x", "/remap/y"],
    ],
    ["a schedule for all that is none", { schedules: { "*": { poll_s: 0 } } }, ["/schedules/*/poll_s"]],
    [
      "a pattern",
      { custom_fields: { vendor: ["X_*", "rest"] } },
      ["/custom_fields/vendor/0", "/custom_fields/vendor/1"],
    ],
    [
      "fields that are not there, lists and objects",
      { remap: { purchase_order: { nix: { column: "A" }, "lines.quantity": { column: "A" } } } },
      ["/remap/purchase_order/nix", "/remap/purchase_order/lines.quantity"],
    ],
    [
      "an enumeration without codes",
      { remap: { vendor: { status: { column: "A" } } } },
      ["/remap/vendor/status"],
    ],
    [
      "names of the model and names twice",
      {
        custom_entities: [
          { entity: "vendor", table: "T", key: ["K"] },
          { entity: "mine", table: "T", key: ["K"] },
          { entity: "mine", table: "T", key: ["K"] },
        ],
      },
      ["/custom_entities/0/entity", "/custom_entities/2/entity"],
    ],
  ])("%s", (_name, document, expected) => {
    expect(pointers(document)).toEqual(expected);
  });

  test("a window, where no document has a date; none is no wish", () => {
    const windowed = judged({ initial_window_days: 30 });
    expect(windowed).toMatchObject({
      problems: [{ pointer: "/initial_window_days", detail: expect.stringContaining("document_date") }],
    });
    expect(judged({ initial_window_days: null }).ok).toBe(true);
    const { purchase_order: order, ...others } = samplePack.entities;
    const dated = compiled({
      ...samplePack,
      entities: { ...others, purchase_order: { ...order, document_date: "ORDERED" } },
    });
    expect(judged({ initial_window_days: 30 }, [], { pack: dated }).ok).toBe(true);
  });

  test("what the plant's file does not allow, by name", () => {
    const judgement = judged({ entities: ["vendor"], remap: {} }, [], { allowed: ["remap"] });
    expect(judgement).toMatchObject({ ok: false, problems: [{ pointer: "/entities" }] });
  });

  test("a source without tables has schedules alone", () => {
    const judgement = judged({ schedules: { "*": { poll_s: 5 } }, remap: {} }, [], { isTelemetry: true });
    expect(judgement).toMatchObject({ ok: false, problems: [{ pointer: "/remap" }] });
  });
});

describe("what the plant keeps to itself", () => {
  // The field is hidden; its column feeds it.
  const hidden = ["vendor.tax_id", "dbo.SECRETS.*"];

  test.each<[string, object]>([
    ["a custom field", { custom_fields: { vendor: ["tax"] } }],
    ["another field", { remap: { vendor: { website: { column: "TAX" } } } }],
    [
      "a table of its own",
      { custom_entities: [{ entity: "mine", table: "other.Vendors", key: ["K"], columns: ["TAX"] }] },
    ],
    ["its key", { custom_entities: [{ entity: "mine", table: "VENDORS", key: ["TAX"], columns: ["CODE"] }] }],
    [
      "its change marker",
      {
        custom_entities: [
          { entity: "mine", table: "VENDORS", key: ["K"], columns: [], changed_column: "TAX" },
        ],
      },
    ],
    ["all of its table", { custom_entities: [{ entity: "mine", table: "VENDORS", key: ["K"] }] }],
    [
      "other spellings",
      { custom_entities: [{ entity: "mine", table: "VENDORS ", key: ["K"], columns: ["Tàx"] }] },
    ],
    [
      "a company's table",
      { custom_entities: [{ entity: "mine", table: "Acme$Vendors$app", key: ["K"], columns: ["TAX"] }] },
    ],
    [
      "a hidden table",
      { custom_entities: [{ entity: "mine", table: "SECRETS", key: ["K"], columns: ["ANY"] }] },
    ],
  ])("does not come out as %s", (_name, document) => {
    expect(pointers(document, hidden)).not.toEqual([]);
    expect(pointers(document)).toEqual([]);
  });
});

describe("what it becomes", () => {
  const wish = {
    remap: { purchase_order: { status: { column: "OTHER" }, description: { column: "TEXT9" } } },
    custom_fields: { purchase_order: ["EXTRA"] },
    custom_entities: [{ entity: "mine", table: "erp.THINGS", key: ["ID"], changed_column: "AT" }],
  };

  test("fields come from their new columns by their old codes, custom fields are added, tables become entities", () => {
    const judgement = judged(wish);
    if (!judgement.ok) throw new Error(JSON.stringify(judgement.problems));
    const order = entityOf(judgement.pack, "purchase_order").mapper(context)({
      op: "upsert",
      key: ["S1", "7"],
      columns: { OTHER: "CAN", STATUS: "APPR", TEXT9: "new", TEXT1: "old", EXTRA: 5, X_A: 1 },
    });
    if (!order.ok) throw new Error(order.detail);
    expect(JSON.parse(order.record)).toMatchObject({
      status: "cancelled",
      native_status: "CAN",
      description: "new",
      custom_fields: { EXTRA: 5, X_A: 1 },
    });
    const mine = entityOf(judgement.pack, "mine");
    expect(mine.plan).toMatchObject({
      table: { schema: "erp", name: "THINGS" },
      columns: ["*"],
      change: { kind: "timestamp", column: "AT", format: "local" },
    });
    const thing = mine.mapper(context)({ op: "upsert", key: ["1"], columns: { ID: 1, AT: "x", NAME: "n" } });
    if (!thing.ok) throw new Error(thing.detail);
    expect(JSON.parse(thing.record)).toMatchObject({
      remote_id: "1",
      remote_key: { ID: "1" },
      custom_fields: { ID: 1, AT: "x", NAME: "n" },
    });
  });

  test("only entities that it concerns are made in another way", () => {
    const judgement = judged(wish);
    if (!judgement.ok) throw new Error("refused");
    const versionOf = (name: string): string | undefined => entityOf(judgement.pack, name).mappingVersion;
    expect(versionOf("vendor")).toBe(pack.mappingVersion);
    expect(versionOf("purchase_order")).not.toBe(pack.mappingVersion);
    const narrowed = judged({ entities: ["vendor"], schedules: { "*": { poll_s: 5 } } });
    if (!narrowed.ok) throw new Error("refused");
    expect(narrowed.pack.entities.map(({ plan }) => plan.entity)).toEqual(["vendor"]);
    expect(narrowed.pack.mappingVersion).toBe(pack.mappingVersion);
  });
});
