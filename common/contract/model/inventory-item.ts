// Inventory item with its stock levels and vendor items in the unified model.
import { Type } from "typebox";
import { CustomFields, Decimal, Instant, OpenEnum, Ref, ShortText, Text, field } from "./fields.ts";

const StockLevel = Type.Object({
  location: field(Ref),
  bin: field(ShortText),
  lot: field(ShortText),
  condition: field(ShortText),
  on_hand: field(Decimal),
  reserved: field(Decimal),
  available: field(Decimal),
  on_order: field(Decimal),
  in_inspection: field(Decimal),
  blocked: field(Decimal),
  min: field(Decimal),
  max: field(Decimal),
  reorder_point: field(Decimal),
  reorder_qty: field(Decimal),
  safety_stock: field(Decimal),
  lead_time_days: field(Decimal),
  unit_cost: field(Decimal),
  last_count_at: field(Instant),
  custom_fields: Type.Optional(CustomFields),
});

const VendorItem = Type.Object({
  vendor: field(Ref),
  vendor_code: field(ShortText),
  price: field(Decimal),
  currency: field(ShortText),
  lead_time_days: field(Decimal),
  min_order_qty: field(Decimal),
  preferred: field(Type.Boolean()),
});

export const InventoryItem = Type.Object(
  {
    code: field(ShortText),
    name: field(Text),
    description: field(Text),
    type: field(OpenEnum(["stock", "spare", "consumable", "tool", "service", "kit", "rotating", "other"])),
    native_type: field(ShortText),
    status: field(OpenEnum(["active", "inactive", "obsolete", "pending", "unknown"])),
    native_status: field(ShortText),
    category: field(ShortText),
    stock_uom: field(ShortText),
    purchase_uom: field(ShortText),
    purchase_to_stock_factor: field(Decimal),
    manufacturer: field(ShortText),
    manufacturer_part: field(ShortText),
    barcode: field(ShortText),
    criticality: field(ShortText),
    lot_tracked: field(Type.Boolean()),
    serial_tracked: field(Type.Boolean()),
    standard_cost: field(Decimal),
    average_cost: field(Decimal),
    last_cost: field(Decimal),
    currency: field(ShortText),
    preferred_vendor: field(Ref),
    active: field(Type.Boolean()),
    quantity_on_hand: field(Decimal),
    stock_levels: field(Type.Array(StockLevel, { maxItems: 10_000 })),
    vendor_items: field(Type.Array(VendorItem, { maxItems: 10_000 })),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "A stocked or stockable item, with its stock levels per storeroom" },
);
