// Stock levels and movements in the unified model.
import { Type } from "typebox";
import { CustomFields, Decimal, Instant, OpenEnum, Ref, ShortText, Text, field, personal } from "./fields.ts";

/** What is known of an item at one place; also within the item itself. */
export const stockLevelFields = {
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
};

export const StockLevel = Type.Object(
  {
    item: field(Ref),
    item_code: field(ShortText),
    ...stockLevelFields,
    uom: field(ShortText),
    uom_code: field(ShortText),
    currency: field(ShortText),
    vendor: field(Ref),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "How much of an item lies in one place" },
);

export const StockMovement = Type.Object(
  {
    number: field(ShortText),
    kind: field(OpenEnum(["receipt", "issue", "return", "transfer", "adjust", "count", "unknown"])),
    native_kind: field(ShortText),
    description: field(Text),
    item: field(Ref),
    item_code: field(ShortText),
    quantity: field(Decimal, "In the item's stock unit; negative when stock leaves the location"),
    uom: field(ShortText),
    uom_code: field(ShortText),
    at: field(Instant),
    by: personal(ShortText),
    location: field(Ref),
    bin: field(ShortText),
    lot: field(ShortText),
    serial: field(ShortText),
    counter_location: field(Ref, "The other side of a transfer"),
    unit_cost: field(Decimal),
    total_cost: field(Decimal, "Signed as the quantity is"),
    currency: field(ShortText),
    gl_account: field(ShortText),
    purchase_order: field(Ref),
    goods_receipt: field(Ref),
    work_order: field(Ref),
    asset: field(Ref),
    reversal_of: field(Ref, "The movement that this one takes back"),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "Stock that came, went, moved or was corrected" },
);
