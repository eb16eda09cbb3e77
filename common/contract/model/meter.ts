// Meters and their readings in the unified model.
import { Type } from "typebox";
import { CustomFields, Decimal, Instant, OpenEnum, Ref, ShortText, Text, field, personal } from "./fields.ts";

export const Meter = Type.Object(
  {
    code: field(ShortText),
    name: field(Text),
    asset: field(Ref),
    location: field(Ref),
    kind: field(OpenEnum(["continuous", "gauge", "characteristic", "unknown"])),
    native_kind: field(ShortText),
    uom: field(ShortText),
    uom_code: field(ShortText),
    reading_source: field(OpenEnum(["manual", "iot", "calculated", "unknown"])),
    rollover: field(Decimal),
    min_limit: field(Decimal),
    max_limit: field(Decimal),
    last_reading: field(Decimal),
    last_text: field(ShortText),
    last_at: field(Instant),
    active: field(Type.Boolean()),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "A counter, gauge or characteristic of an asset or location" },
);

export const MeterReading = Type.Object(
  {
    meter: field(Ref),
    asset: field(Ref),
    location: field(Ref),
    value: field(Decimal),
    text: field(ShortText),
    delta: field(Decimal),
    uom: field(ShortText),
    uom_code: field(ShortText),
    at: field(Instant),
    by: personal(ShortText),
    kind: field(OpenEnum(["actual", "delta", "average", "unknown"])),
    native_kind: field(ShortText),
    work_order: field(Ref),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "One reading of a meter" },
);
