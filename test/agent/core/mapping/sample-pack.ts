// A pack that uses every form of mapping once, and rows for it.
import { createHash } from "node:crypto";
import { compilePack } from "#agent/core/mapping/compile-pack.ts";
import type { CompiledEntity, CompiledPack, MapperContext } from "#agent/core/mapping/mapping.ts";
import type { Columns, SourceRow } from "#agent/core/source/connector.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import type { Issue } from "#common/runtime/errors.ts";

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export const CONNECTION_ID = "6f1c1c1e-0b0a-4f6e-9d63-0d1c4a5b6c7d";

export const context: MapperContext = {
  connectionId: CONNECTION_ID,
  timeZone: "Europe/Berlin",
  raw: false,
  hidden: [],
  keyRules: () => [EXACT_KEY, EXACT_KEY],
};

export const samplePack = {
  name: "sample",
  system: "Sample ERP",
  defaults: { timestamps: "local", poll: "10s", reconcile: "1h" },
  codes: { order_status: { WAPPR: "pending_approval", APPR: "approved", CAN: "cancelled", "C*": "closed" } },
  entities: {
    purchase_order: {
      table: "PO",
      schema: "dbo",
      key: ["SITE", "NUM"],
      where: { HIST: 0, KIND: ["A", "B"], GONE: null, OWNER: { not: null }, TYPE: { not: "X" } },
      changes: { by: "timestamp", column: "CHANGED", overlap: "2m" },
      version: "ROWVER",
      poll: "5s",
      created_at: "ENTERED",
      updated_at: { column: "CHANGED" },
      deleted_when: { column: "DELETED", in: ["X"] },
      lookups: { buyer: { table: "PERSON", on: { ID: "BUYERID" } } },
      fields: {
        number: "NUM",
        type: { value: "standard" },
        status: { column: "STATUS", map: "order_status" },
        vendor: { ref: "vendor", key: [{ value: "ORG1" }, "VENDOR"], display: "VENDORNAME" },
        buyer: { column: "NAME", from: "buyer" },
        description: { columns: ["TEXT1", "TEXT2"], join: " / " },
        vendor_reference: { first_of: ["REF1", "REF2"] },
        order_date: "ORDERED",
        approved_at: { column: "APPRDATE", time: "APPRTIME", format: "utc" },
        total: "TOTAL",
        tax_total: { column: "TAX", implied_decimals: 2 },
        subtotal: { sum: "AMOUNT", over: "lines" },
        tax_inclusive: { column: "NET", true_values: ["N"], false_values: ["Y"] },
      },
      children: {
        lines: {
          table: "POLINE",
          on: ["SITE", "NUM"],
          order: "LINE",
          changes: { by: "counter", column: "ROWVER" },
          fields: {
            line_number: "LINE",
            quantity: "QTY",
            open_qty: { plus: "QTY", minus: "RECEIVED" },
            line_total: "AMOUNT",
            item: { ref: "inventory_item", key: [{ column: "SETID", from: "parent" }, "ITEM"] },
            is_deleted: { column: "ACTIVE", invert: true },
          },
          custom_fields: "rest",
        },
      },
      custom_fields: ["X_*", "PROJECT"],
    },
    vendor: {
      table: "VENDORS",
      key: ["ORG", "CODE"],
      changes: "full_scan",
      fields: {
        code: "CODE",
        name: "NAME",
        tax_id: "TAX",
        addresses: [{ kind: { value: "main" }, lines: ["STREET", "EXTRA"], city: "CITY" }],
      },
      custom_fields: "rest",
    },
  },
};

export function compiled(document: unknown): CompiledPack {
  const result = compilePack(document, { sha256 });
  if (!result.ok) throw new Error(result.issues.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return result.pack;
}

export function issuesOf(document: unknown): readonly Issue[] {
  const result = compilePack(document, { sha256 });
  return result.ok ? [] : result.issues;
}

export function entityOf(pack: CompiledPack, name: string): CompiledEntity {
  const entity = pack.entities.find(({ plan }) => plan.entity === name);
  if (entity === undefined) throw new Error(`no ${name} in the pack`);
  return entity;
}

export function orderRow(columns: Columns = {}, lines: readonly Columns[] = [line()]): SourceRow {
  return {
    op: "upsert",
    key: ["S1", "1001"],
    columns: {
      SITE: "S1",
      NUM: "1001",
      STATUS: "APPR",
      VENDOR: "V7",
      VENDORNAME: "Acme  ",
      SETID: "SET1",
      CHANGED: "2026-07-01 10:00:00",
      ...columns,
    },
    children: { lines, buyer: [{ ID: 7, NAME: "Ada" }] },
  };
}

export function line(columns: Columns = {}): Columns {
  return {
    SITE: "S1",
    NUM: "1001",
    LINE: 1,
    QTY: "10",
    RECEIVED: 2.5,
    AMOUNT: "99.90",
    ITEM: "I-1",
    ACTIVE: "Y",
    ...columns,
  };
}

export function mapped(
  row: SourceRow,
  entity = "purchase_order",
  changed: Partial<MapperContext> = {},
): Record<string, unknown> {
  const result = entityOf(compiled(samplePack), entity).mapper({ ...context, ...changed })(row);
  if (!result.ok) throw new Error(`${result.code}: ${result.detail}`);
  return JSON.parse(result.record) as Record<string, unknown>;
}
