// Maintenance request in the unified model: what somebody reports, before there is a work order.
import { Type } from "typebox";
import { CustomFields, Instant, OpenEnum, Ref, ShortText, Text, field, personal } from "./fields.ts";
import { Failure, Priority } from "./work-order.ts";

export const MaintenanceRequest = Type.Object(
  {
    number: field(ShortText),
    title: field(Text),
    description: field(Text),
    type: field(ShortText),
    status: field(
      OpenEnum([
        "new",
        "approved",
        "declined",
        "in_progress",
        "on_hold",
        "resolved",
        "closed",
        "cancelled",
        "unknown",
      ]),
    ),
    native_status: field(ShortText),
    native_statuses: field(Type.Array(ShortText, { maxItems: 100 })),
    status_changed_at: field(Instant),
    priority: field(Priority),
    native_priority: field(ShortText),
    asset: field(Ref),
    location: field(Ref),
    requester: personal(ShortText),
    reported_at: field(Instant),
    target_start: field(Instant),
    target_finish: field(Instant),
    resolved_at: field(Instant),
    work_order: field(Ref),
    failure: field(Failure),
    custom_fields: Type.Optional(CustomFields),
  },
  { description: "A report that something needs maintenance" },
);
