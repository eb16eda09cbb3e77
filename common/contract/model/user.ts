// Users in the unified model: the people of the plant, as the source system knows them.
import { Type } from "typebox";
import { CustomFields, Decimal, OpenEnum, Ref, ShortText, field, personal } from "./fields.ts";

export const User = Type.Object(
  {
    code: personal(ShortText),
    name: personal(ShortText),
    email: personal(ShortText),
    phone: personal(ShortText),
    status: field(OpenEnum(["active", "inactive", "blocked", "unknown"])),
    native_status: field(ShortText),
    role: field(ShortText),
    craft: field(ShortText),
    rate: field(Decimal),
    currency: field(ShortText),
    supervisor: personal(Ref),
    active: field(Type.Boolean()),
    site: field(ShortText),
    department: field(ShortText),
    crew: field(ShortText),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "Somebody who works with the source system: technician, buyer, planner" },
);
