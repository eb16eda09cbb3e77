// Vendor in the unified model.
import { Type } from "typebox";
import { CustomFields, Decimal, OpenEnum, Ref, ShortText, Text, field } from "./fields.ts";

const Contact = Type.Object({
  name: field(ShortText),
  role: field(ShortText),
  email: field(ShortText),
  phone: field(ShortText),
});

const Address = Type.Object({
  kind: field(OpenEnum(["main", "billing", "shipping", "other"])),
  lines: field(Type.Array(ShortText, { maxItems: 10 })),
  city: field(ShortText),
  region: field(ShortText),
  postal_code: field(ShortText),
  country: field(ShortText),
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
