// Asset in the unified model.
import { Type } from "typebox";
import { CustomFields, DateOnly, Decimal, OpenEnum, Ref, ShortText, Text, field } from "./fields.ts";

const Attribute = Type.Object({ name: field(ShortText), value: field(Text), uom: field(ShortText) });

const AssetMeter = Type.Object({
  code: field(ShortText),
  name: field(ShortText),
  uom: field(ShortText),
  last_value: field(Decimal),
  last_at: field(ShortText),
});

export const Asset = Type.Object(
  {
    tag: field(ShortText),
    name: field(Text),
    description: field(Text),
    kind: field(
      OpenEnum([
        "functional_location",
        "equipment",
        "component",
        "vehicle",
        "tool",
        "linear",
        "facility",
        "it",
      ]),
    ),
    native_kind: field(ShortText),
    category: field(ShortText),
    class: field(ShortText),
    level: field(
      OpenEnum(["enterprise", "site", "area", "process_cell", "unit", "equipment_module", "control_module"]),
    ),
    status: field(
      OpenEnum([
        "operating",
        "standby",
        "down",
        "in_repair",
        "not_ready",
        "decommissioned",
        "disposed",
        "unknown",
      ]),
    ),
    native_status: field(ShortText),
    parent: field(Ref),
    path: field(Text),
    location: field(Ref),
    position: field(ShortText),
    serial: field(ShortText),
    manufacturer: field(ShortText),
    model: field(ShortText),
    year: field(ShortText),
    install_date: field(DateOnly),
    commission_date: field(DateOnly),
    purchase_date: field(DateOnly),
    warranty_end: field(DateOnly),
    purchase_cost: field(Decimal),
    replacement_cost: field(Decimal),
    currency: field(ShortText),
    vendor: field(Ref),
    criticality: field(ShortText),
    item: field(Ref),
    cost_center: field(ShortText),
    attributes: field(Type.Array(Attribute, { maxItems: 10_000 })),
    meters: field(Type.Array(AssetMeter, { maxItems: 1_000 })),
    is_running: field(Type.Boolean()),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "A machine, component or functional location, in a hierarchy" },
);
