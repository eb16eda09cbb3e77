// Vendor invoice in the unified model.
import { Type } from "typebox";
import { CustomFields, DateOnly, Decimal, Instant, OpenEnum, Ref, ShortText, Text, field } from "./fields.ts";

const InvoiceLine = Type.Object(
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
    unit_price: field(Decimal),
    tax_amount: field(Decimal),
    line_total: field(Decimal),
    gl_account: field(ShortText),
    cost_center: field(ShortText),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "One line of an invoice" },
);

export const Invoice = Type.Object(
  {
    number: field(ShortText),
    type: field(OpenEnum(["standard", "credit_memo", "prepayment", "other"])),
    native_type: field(ShortText),
    description: field(Text),
    vendor: field(Ref),
    vendor_invoice_number: field(ShortText),
    status: field(OpenEnum(["draft", "pending_approval", "approved", "posted", "paid", "void", "unknown"])),
    native_status: field(ShortText),
    invoice_date: field(DateOnly),
    due_date: field(DateOnly),
    posting_date: field(DateOnly),
    paid_at: field(Instant),
    currency: field(ShortText),
    exchange_rate: field(Decimal),
    subtotal: field(Decimal),
    tax_total: field(Decimal),
    freight_total: field(Decimal),
    discount_total: field(Decimal),
    total: field(Decimal),
    open_amount: field(Decimal),
    payment_terms: field(ShortText),
    company_code: field(ShortText),
    purchase_orders: field(Type.Array(Ref, { maxItems: 1_000 })),
    lines: field(Type.Array(InvoiceLine, { maxItems: 10_000 })),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "What a vendor asks to be paid, and for which orders" },
);
