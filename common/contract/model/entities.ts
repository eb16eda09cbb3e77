// The list of unified entities: the one place where an entity is added.
import { Type, type Static, type TObject } from "typebox";
import { Asset } from "./asset.ts";
import { InventoryItem } from "./inventory-item.ts";
import { PurchaseOrder } from "./purchase-order.ts";
import { TelemetryPoint } from "./telemetry-point.ts";
import { Vendor } from "./vendor.ts";
import { WorkOrder } from "./work-order.ts";

export const ENTITIES = {
  purchase_order: {
    schema: PurchaseOrder,
    path: "purchase-orders",
    title: "Purchase order",
    display: ["number"],
  },
  work_order: { schema: WorkOrder, path: "work-orders", title: "Work order", display: ["number"] },
  inventory_item: {
    schema: InventoryItem,
    path: "inventory-items",
    title: "Inventory item",
    display: ["code"],
  },
  vendor: { schema: Vendor, path: "vendors", title: "Vendor", display: ["name", "code"] },
  asset: { schema: Asset, path: "assets", title: "Asset", display: ["tag", "name"] },
  telemetry_point: {
    schema: TelemetryPoint,
    path: "telemetry-points",
    title: "Telemetry point",
    display: ["name"],
  },
} as const satisfies Record<string, EntityDefinition>;

export interface EntityDefinition {
  readonly schema: TObject;
  /** Segment in the public API. */
  readonly path: string;
  readonly title: string;
  /** Fields whose first value present is shown to people. */
  readonly display: readonly string[];
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
