// The list of unified entities: the one place where an entity is added.
import { Type, type Static, type TObject } from "typebox";
import { Asset } from "./asset.ts";
import { Attachment } from "./attachment.ts";
import { GoodsReceipt } from "./goods-receipt.ts";
import { InventoryItem } from "./inventory-item.ts";
import { Invoice } from "./invoice.ts";
import { Location } from "./location.ts";
import { MaintenanceRequest } from "./maintenance-request.ts";
import { Meter, MeterReading } from "./meter.ts";
import { PmSchedule } from "./pm-schedule.ts";
import { PurchaseOrder } from "./purchase-order.ts";
import { Requisition } from "./requisition.ts";
import { StockLevel, StockMovement } from "./stock.ts";
import { TelemetryPoint } from "./telemetry-point.ts";
import { User } from "./user.ts";
import { Vendor } from "./vendor.ts";
import { WorkOrder } from "./work-order.ts";

export const ENTITIES = {
  purchase_order: {
    schema: PurchaseOrder,
    path: "purchase-orders",
    title: "Purchase order",
    display: ["number"],
    filters: {
      status: "status",
      number: "number",
      type: "type",
      vendor: "vendor",
      location: "location",
      buyer: "buyer",
      currency: "currency",
      company_code: "company_code",
    },
    dates: ["order_date", "required_date", "promised_date", "delivery_date", "approved_at", "closed_at"],
  },
  work_order: {
    schema: WorkOrder,
    path: "work-orders",
    title: "Work order",
    display: ["number"],
    filters: {
      status: "status",
      number: "number",
      type: "type",
      priority: "priority",
      asset: "asset",
      location: "location",
      vendor: "vendor",
      parent: "parent",
      supervisor: "supervisor",
    },
    dates: [
      "reported_at",
      "status_changed_at",
      "target_start",
      "target_finish",
      "scheduled_start",
      "scheduled_finish",
      "actual_start",
      "actual_finish",
      "due_at",
    ],
  },
  inventory_item: {
    schema: InventoryItem,
    path: "inventory-items",
    title: "Inventory item",
    display: ["code"],
    filters: {
      status: "status",
      number: "code",
      code: "code",
      type: "type",
      category: "category",
      vendor: "preferred_vendor",
      active: "active",
    },
    dates: [],
  },
  vendor: {
    schema: Vendor,
    path: "vendors",
    title: "Vendor",
    display: ["name", "code"],
    filters: {
      status: "status",
      number: "code",
      code: "code",
      name: "name",
      kind: "kind",
      group: "group",
      parent: "parent",
      currency: "currency",
    },
    dates: [],
  },
  asset: {
    schema: Asset,
    path: "assets",
    title: "Asset",
    display: ["tag", "name"],
    filters: {
      status: "status",
      number: "tag",
      tag: "tag",
      kind: "kind",
      class: "class",
      serial: "serial",
      parent: "parent",
      location: "location",
      vendor: "vendor",
      item: "item",
      criticality: "criticality",
    },
    dates: ["install_date", "commission_date", "purchase_date", "warranty_end"],
  },
  telemetry_point: {
    schema: TelemetryPoint,
    path: "telemetry-points",
    title: "Telemetry point",
    display: ["name"],
    filters: { name: "name", asset: "asset", mode: "mode", writable: "writable" },
    dates: [],
  },
  requisition: {
    schema: Requisition,
    path: "requisitions",
    title: "Requisition",
    display: ["number"],
    filters: {
      status: "status",
      number: "number",
      vendor: "suggested_vendor",
      asset: "asset",
      location: "location",
      work_order: "work_order",
      requester: "requester",
    },
    dates: ["requested_at", "needed_by"],
  },
  goods_receipt: {
    schema: GoodsReceipt,
    path: "goods-receipts",
    title: "Goods receipt",
    display: ["number"],
    filters: {
      number: "number",
      direction: "direction",
      purchase_order: "purchase_order",
      vendor: "vendor",
      location: "location",
      packing_slip: "packing_slip",
    },
    dates: ["received_at"],
  },
  invoice: {
    schema: Invoice,
    path: "invoices",
    title: "Invoice",
    display: ["number", "vendor_invoice_number"],
    filters: {
      status: "status",
      number: "number",
      type: "type",
      vendor: "vendor",
      vendor_invoice_number: "vendor_invoice_number",
      currency: "currency",
      company_code: "company_code",
    },
    dates: ["invoice_date", "due_date", "posting_date", "paid_at"],
  },
  maintenance_request: {
    schema: MaintenanceRequest,
    path: "maintenance-requests",
    title: "Maintenance request",
    display: ["number"],
    filters: {
      status: "status",
      number: "number",
      priority: "priority",
      asset: "asset",
      location: "location",
      work_order: "work_order",
      requester: "requester",
    },
    dates: ["reported_at", "status_changed_at", "target_start", "target_finish", "resolved_at"],
  },
  pm_schedule: {
    schema: PmSchedule,
    path: "pm-schedules",
    title: "PM schedule",
    display: ["number"],
    filters: {
      status: "status",
      number: "number",
      asset: "asset",
      location: "location",
      meter: "meter",
      trigger: "trigger",
      active: "active",
    },
    dates: ["last_done_at", "next_due_at"],
  },
  location: {
    schema: Location,
    path: "locations",
    title: "Location",
    display: ["name", "code"],
    filters: {
      status: "status",
      number: "code",
      code: "code",
      kind: "kind",
      parent: "parent",
      site: "site",
      active: "active",
    },
    dates: [],
  },
  meter: {
    schema: Meter,
    path: "meters",
    title: "Meter",
    display: ["name", "code"],
    filters: {
      number: "code",
      code: "code",
      kind: "kind",
      asset: "asset",
      location: "location",
      active: "active",
    },
    dates: ["last_at"],
  },
  meter_reading: {
    schema: MeterReading,
    path: "meter-readings",
    title: "Meter reading",
    display: ["at"],
    filters: {
      meter: "meter",
      asset: "asset",
      location: "location",
      kind: "kind",
      work_order: "work_order",
    },
    dates: ["at"],
  },
  stock_level: {
    schema: StockLevel,
    path: "stock-levels",
    title: "Stock level",
    display: ["item_code", "bin"],
    filters: {
      item: "item",
      item_code: "item_code",
      location: "location",
      bin: "bin",
      lot: "lot",
      vendor: "vendor",
    },
    dates: ["last_count_at"],
  },
  stock_movement: {
    schema: StockMovement,
    path: "stock-movements",
    title: "Stock movement",
    display: ["number", "at"],
    filters: {
      number: "number",
      kind: "kind",
      item: "item",
      item_code: "item_code",
      location: "location",
      lot: "lot",
      purchase_order: "purchase_order",
      goods_receipt: "goods_receipt",
      work_order: "work_order",
      asset: "asset",
    },
    dates: ["at"],
  },
  user: {
    schema: User,
    path: "users",
    title: "User",
    display: ["name", "code"],
    filters: {
      status: "status",
      number: "code",
      code: "code",
      name: "name",
      email: "email",
      role: "role",
      craft: "craft",
      site: "site",
      supervisor: "supervisor",
      active: "active",
    },
    dates: [],
  },
  attachment: {
    schema: Attachment,
    path: "attachments",
    title: "Attachment",
    display: ["name"],
    filters: {
      name: "name",
      kind: "kind",
      mime: "mime",
      parent: "parent",
      parent_entity: "parent_entity",
      sha256: "sha256",
    },
    dates: ["attached_at"],
  },
} as const satisfies Record<string, EntityDefinition>;

export interface EntityDefinition {
  readonly schema: TObject;
  /** Segment in the public API. */
  readonly path: string;
  readonly title: string;
  /** Fields whose first value present is shown to people. */
  readonly display: readonly string[];
  /** What a list can be narrowed by: the filter's name → the field that it compares. References compare by id. */
  readonly filters: Readonly<Record<string, string>>;
  /** Fields with a date or an instant, by whose range a list can be narrowed. */
  readonly dates: readonly string[];
}

export type Entity = keyof typeof ENTITIES;
export const ENTITY_NAMES = Object.keys(ENTITIES) as readonly Entity[];

export function isEntity(name: string): name is Entity {
  return Object.hasOwn(ENTITIES, name);
}

/** Whether a vanished row is the record's end (`deleted`) or only its absence from the source's live tables. */
export const Presence = Type.Union([
  Type.Literal("present"),
  Type.Literal("archived"),
  Type.Literal("closed_by_source"),
  Type.Literal("out_of_scope"),
  Type.Literal("deleted"),
]);
export type Presence = Static<typeof Presence>;

/**
 * What the agent adds to the entity's own fields in every record it sends. Together with those fields this is the
 * "record text" that is hashed, stored and served as it came.
 */
export const RecordEnvelope = Type.Object({
  remote_id: Type.String({
    minLength: 1,
    maxLength: 4_000,
    description: "The record's key in the source, for people",
  }),
  remote_key: Type.Record(
    Type.String({ maxLength: 200 }),
    Type.Union([Type.String({ maxLength: 4_000 }), Type.Null()]),
    {
      description: "The record's key in the source, column by column",
    },
  ),
  remote_created_at: Type.Optional(Type.Union([Type.String({ maxLength: 30 }), Type.Null()])),
  remote_updated_at: Type.Optional(Type.Union([Type.String({ maxLength: 30 }), Type.Null()])),
  source: Type.Object({ system: Type.String({ maxLength: 200 }), table: Type.String({ maxLength: 500 }) }),
});
export type RecordEnvelope = Static<typeof RecordEnvelope>;
