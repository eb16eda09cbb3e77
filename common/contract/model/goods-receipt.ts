// Goods receipt in the unified model: what arrived for an order, or went back.
import { Type } from "typebox";
import { CustomFields, Decimal, Instant, OpenEnum, Ref, ShortText, Text, field, personal } from "./fields.ts";

const GoodsReceiptLine = Type.Object(
  {
    line_number: field(ShortText),
    purchase_order: field(Ref),
    purchase_order_line: field(ShortText),
    item: field(Ref),
    item_code: field(ShortText),
    description: field(Text),
    quantity: field(Decimal),
    uom: field(ShortText),
    uom_code: field(ShortText),
    location: field(Ref),
    bin: field(ShortText),
    lot: field(ShortText),
    serials: field(Type.Array(ShortText, { maxItems: 10_000 })),
    inspection: field(OpenEnum(["none", "pending", "accepted", "rejected", "unknown"])),
    native_inspection: field(ShortText),
    unit_cost: field(Decimal),
    line_total: field(Decimal),
    custom_fields: Type.Optional(CustomFields),
  },
  {
    description:
      "One line of a goods receipt; quantities are positive, the direction says which way they went",
  },
);

export const GoodsReceipt = Type.Object(
  {
    number: field(ShortText),
    description: field(Text),
    purchase_order: field(Ref),
    vendor: field(Ref),
    received_at: field(Instant),
    received_by: personal(ShortText),
    packing_slip: field(ShortText),
    direction: field(OpenEnum(["receipt", "return", "reversal", "unknown"])),
    native_direction: field(ShortText),
    location: field(Ref),
    currency: field(ShortText),
    company_code: field(ShortText),
    lines: field(Type.Array(GoodsReceiptLine, { maxItems: 10_000 })),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "Goods that arrived for a purchase order, or were sent back" },
);
