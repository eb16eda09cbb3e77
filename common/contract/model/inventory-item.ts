// Inventory item with its stock levels and vendor items in the unified model.
import { Type } from "typebox";
import { CustomFields, Decimal, OpenEnum, Ref, ShortText, Text, field } from "./fields.ts";
import { stockLevelFields } from "./stock.ts";

const ItemStockLevel = Type.Object({
  ...stockLevelFields,
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
    stock_levels: field(Type.Array(ItemStockLevel, { maxItems: 10_000 })),
    vendor_items: field(Type.Array(VendorItem, { maxItems: 10_000 })),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "A stocked or stockable item, with its stock levels per storeroom" },
);
