// What can be written to a sandbox, entity by entity: operations, their fields, and what its imagined plant does with each.
import type { WritableField, WriteDescription } from "#common/contract/description.ts";
import type { Entity } from "#common/contract/model/entities.ts";

type Extra = Omit<Partial<WritableField>, "name" | "type">;
type Offers = Partial<Readonly<Record<Entity, readonly WriteDescription[]>>>;

const text = (name: string, length = 200, more: Extra = {}) =>
  field(name, "text", { max_length: length, ...more });
const decimal = (name: string, more: Extra = {}) => field(name, "decimal", more);
const date = (name: string, more: Extra = {}) => field(name, "date", more);
const moment = (name: string, more: Extra = {}) => field(name, "instant", more);
const reference = (name: string, more: Extra = {}) => field(name, "reference", more);
const choice = (name: string, values: string[], more: Extra = {}) => field(name, "enum", { values, ...more });
const NEEDED = { required: true } as const;

function field(name: string, type: string, more: Extra): WritableField {
  return { name, type, required: false, ...more };
}

function offer(
  operation: string,
  fields: readonly WritableField[],
  more: Partial<WriteDescription> = {},
): WriteDescription {
  const form = operation === "create" ? "insert" : operation === "update" ? "update" : "procedure";
  return { operation, form, policy: "apply", exactly_once: true, fields: [...fields], ...more };
}

function needed(fields: readonly WritableField[], ...names: string[]): readonly WritableField[] {
  return fields.map((one) => (names.includes(one.name) ? { ...one, required: true } : one));
}

const PRIORITY = choice("priority", ["low", "medium", "high", "critical"]);
const ORDER_LINE = [
  text("line_number", 10, { description: "Which line, in a change" }),
  reference("item"),
  text("description"),
  decimal("quantity", { minimum: "0" }),
  text("uom", 10),
  decimal("unit_price", { minimum: "0" }),
  date("required_date"),
];
const ORDER = [
  text("description"),
  reference("vendor"),
  date("required_date"),
  text("buyer", 30),
  reference("location"),
  text("memo", 2_000),
  field("custom_fields.PROJECT_CODE", "any", { max_length: 30 }),
];
const WORK = [
  text("title", 120),
  text("description", 4_000),
  PRIORITY,
  reference("asset"),
  reference("location"),
  text("crew", 30),
  text("supervisor", 30),
  moment("target_start"),
  moment("target_finish"),
  moment("scheduled_start"),
  moment("scheduled_finish"),
  decimal("estimated_labor_hours", { minimum: "0", maximum: "9999" }),
  field("custom_fields.PERMIT", "any", { max_length: 10 }),
];
const WORK_TYPES = [
  "corrective",
  "preventive",
  "inspection",
  "calibration",
  "project",
  "emergency",
  "safety",
];
const WORK_STATUSES = [
  "approved",
  "scheduled",
  "waiting_material",
  "in_progress",
  "on_hold",
  "completed",
  "cancelled",
];
const VENDOR = [
  text("name"),
  choice("kind", ["supplier", "manufacturer", "contractor", "service"]),
  choice("status", ["active", "inactive", "pending"]),
  text("currency", 3),
  text("payment_terms", 60),
  text("email", 254),
  text("phone", 40),
  text("group", 10),
];
const REQUEST = [
  text("title", 120),
  text("description", 4_000),
  PRIORITY,
  reference("asset"),
  reference("location"),
];
const NOT_FROM_OUTSIDE = "nothing is deleted from outside; cancel it instead";
const refusedDelete = offer("delete", [], { policy: "refuse", reason: NOT_FROM_OUTSIDE });

export const OFFERS: Offers = {
  purchase_order: [
    offer("create", needed(ORDER, "vendor"), {
      children: [{ name: "lines", fields: [...needed(ORDER_LINE, "quantity", "unit_price")] }],
    }),
    offer("update", ORDER, { children: [{ name: "lines", fields: ORDER_LINE }] }),
    offer("approve", [text("memo", 500)], { policy: "hold" }),
    offer("cancel", [text("memo", 500)]),
    refusedDelete,
  ],
  work_order: [
    offer("create", [choice("type", WORK_TYPES, NEEDED), ...needed(WORK, "title")]),
    offer("update", WORK),
    offer("change_status", [choice("status", WORK_STATUSES, NEEDED), text("memo", 500)]),
    refusedDelete,
  ],
  inventory_item: [
    offer("update", [
      text("name"),
      text("description", 2_000),
      reference("preferred_vendor"),
      text("criticality", 1),
    ]),
    offer("adjust", [
      decimal("quantity", { ...NEEDED, description: "What is added; negative when stock is taken out" }),
      reference("location", NEEDED),
      text("reason", 200),
    ]),
    offer("issue", [
      decimal("quantity", { ...NEEDED, minimum: "0" }),
      reference("location", NEEDED),
      reference("work_order"),
    ]),
  ],
  vendor: [offer("create", needed(VENDOR, "name", "kind", "currency")), offer("update", VENDOR)],
  asset: [
    offer("update", [
      text("name"),
      text("description", 2_000),
      choice("status", ["operating", "standby", "down", "in_repair"]),
      text("criticality", 1),
      reference("location"),
    ]),
  ],
  requisition: [
    offer("create", [text("description", 200, NEEDED), reference("suggested_vendor"), date("needed_by")], {
      children: [
        {
          name: "lines",
          fields: [
            text("line_number", 10),
            reference("item"),
            text("description"),
            decimal("quantity", { ...NEEDED, minimum: "0" }),
            decimal("estimated_price", { minimum: "0" }),
          ],
        },
      ],
    }),
    offer("approve", [], { policy: "hold" }),
  ],
  goods_receipt: [
    offer("create", [reference("purchase_order", NEEDED), text("packing_slip", 40), moment("received_at")], {
      children: [
        {
          name: "lines",
          fields: [text("purchase_order_line", 10, NEEDED), decimal("quantity", { ...NEEDED, minimum: "0" })],
        },
      ],
    }),
  ],
  maintenance_request: [offer("create", needed(REQUEST, "title")), offer("update", REQUEST)],
  meter_reading: [
    offer("create", [reference("meter", NEEDED), decimal("value", NEEDED), moment("at"), text("by", 30)]),
  ],
  pm_schedule: [
    offer("update", [text("description"), decimal("interval", { minimum: "1" }), moment("next_due_at")], {
      policy: "window",
      windows: ["mon-fri 06:00-18:00"],
    }),
  ],
};
