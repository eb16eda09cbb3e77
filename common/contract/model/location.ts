// Location in the unified model: sites, buildings, lines, storerooms.
import { Type } from "typebox";
import { Address, CustomFields, Decimal, OpenEnum, Ref, ShortText, Text, field } from "./fields.ts";

const Geo = Type.Object(
  { latitude: field(Decimal), longitude: field(Decimal) },
  { description: "Degrees, WGS 84" },
);

export const Location = Type.Object(
  {
    code: field(ShortText),
    name: field(Text),
    description: field(Text),
    kind: field(OpenEnum(["site", "plant", "building", "area", "line", "storeroom", "bin", "other"])),
    native_kind: field(ShortText),
    status: field(OpenEnum(["active", "inactive", "planned", "unknown"])),
    native_status: field(ShortText),
    parent: field(Ref),
    address: field(Address),
    geo: field(Geo),
    time_zone: field(ShortText),
    active: field(Type.Boolean()),
    site: field(ShortText),
    company_code: field(ShortText),
    cost_center: field(ShortText),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "A place: site, building, line or storeroom, in a hierarchy" },
);
