// Vendor in the unified model.
import { Type } from "typebox";
import { Address, CustomFields, Decimal, OpenEnum, Ref, ShortText, Text, field, personal } from "./fields.ts";

const Contact = Type.Object({
  name: personal(ShortText),
  role: field(ShortText),
  email: personal(ShortText),
  phone: personal(ShortText),
});

export const Vendor = Type.Object(
  {
    code: field(ShortText),
    name: field(Text),
    legal_name: field(Text),
    kind: field(OpenEnum(["supplier", "manufacturer", "contractor", "service"])),
    native_kind: field(ShortText),
    status: field(
      OpenEnum(["active", "inactive", "blocked_purchasing", "blocked_payment", "pending", "unknown"]),
    ),
    native_status: field(ShortText),
    tax_id: field(ShortText),
    currency: field(ShortText),
    payment_terms: field(ShortText),
    payment_method: field(ShortText),
    email: field(ShortText),
    phone: field(ShortText),
    website: field(ShortText),
    contacts: field(Type.Array(Contact, { maxItems: 1_000 })),
    addresses: field(Type.Array(Address, { maxItems: 1_000 })),
    parent: field(Ref),
    on_time_pct: field(Decimal),
    group: field(ShortText),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "A company that supplies goods or services" },
);
