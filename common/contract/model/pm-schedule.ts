// Preventive maintenance schedule in the unified model.
import { Type } from "typebox";
import { CustomFields, Decimal, Instant, OpenEnum, Ref, ShortText, Text, field } from "./fields.ts";

export const PmSchedule = Type.Object(
  {
    number: field(ShortText),
    description: field(Text),
    status: field(OpenEnum(["active", "inactive", "draft", "unknown"])),
    native_status: field(ShortText),
    asset: field(Ref),
    location: field(Ref),
    trigger: field(OpenEnum(["calendar", "meter", "condition", "unknown"])),
    native_trigger: field(ShortText),
    interval: field(Decimal),
    interval_unit: field(OpenEnum(["hour", "day", "week", "month", "year", "reading", "unknown"])),
    native_interval_unit: field(ShortText),
    meter: field(Ref),
    lead_days: field(Decimal),
    last_done_at: field(Instant),
    next_due_at: field(Instant),
    next_due_reading: field(Decimal),
    active: field(Type.Boolean()),
    job_plan: field(ShortText),
    work_type: field(ShortText),
    crew: field(ShortText),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "Work that comes back by calendar, meter or condition" },
);
