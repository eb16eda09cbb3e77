// Telemetry point in the unified model; its samples travel apart (samples.ts).
import { Type } from "typebox";
import { CustomFields, Decimal, OpenEnum, Ref, ShortText, field } from "./fields.ts";

export const TelemetryPoint = Type.Object(
  {
    name: field(ShortText),
    description: field(ShortText),
    node_id: field(ShortText),
    namespace_uri: field(ShortText),
    browse_path: field(ShortText),
    asset: field(Ref),
    data_type: field(ShortText),
    uom: field(ShortText),
    uom_code: field(ShortText),
    range_low: field(Decimal),
    range_high: field(Decimal),
    sampling_ms: field(Type.Number()),
    queue_size: field(Type.Number()),
    deadband: field(Decimal),
    writable: field(Type.Boolean()),
    historizing: field(Type.Boolean()),
    mode: field(OpenEnum(["subscribed", "polled"])),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "One measured value of a machine, tied to its asset" },
);
