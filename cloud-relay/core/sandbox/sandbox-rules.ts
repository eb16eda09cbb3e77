// The own rules of a sandbox's imagined product: what may follow on what, what must add up, what can never be.
import { numberField } from "./sandbox-product.ts";
import type { Entity } from "#common/contract/model/entities.ts";
import { invalid, refused } from "./command-failure.ts";
import { hundredths, money, quantity, times } from "./hundredths.ts";
import { having, instant, rowsOf, type Fields } from "./plant-book.ts";
import { SITES } from "./sample-places.ts";
import type { SandboxSource } from "./sandbox-source.ts";
import { numberOf } from "./written-values.ts";

export interface WriteCase {
  readonly source: SandboxSource;
  readonly entity: Entity;
  readonly operation: string;
  /** As it is; absent for what is created. */
  readonly record: Fields | undefined;
  /** With references looked up. */
  readonly values: Fields;
  readonly nowMs: number;
}

export interface Ruling {
  /** What is merged into the record. */
  readonly values: Fields;
  /** Of a new record. */
  readonly defaults: Fields;
  readonly prefix: string | undefined;
  readonly numberField: string | undefined;
  readonly outputs?: Fields;
  /** Works out what follows from the rest: totals. */
  readonly finish: (record: Fields) => Fields;
}

type Rule = (write: WriteCase) => Partial<Ruling> | Promise<Partial<Ruling>>;

const CHANGEABLE = new Set(["draft", "pending_approval", "on_hold"]);
const OPEN_ORDERS = new Set(["approved", "sent", "partially_received"]);
const FINAL_WORK = new Set(["closed", "cancelled", "skipped"]);

const RULES: Readonly<Record<string, Rule>> = {
  "purchase_order.create": createOrder,
  "purchase_order.update": updateOrder,
  "purchase_order.approve": approve,
  "purchase_order.cancel": cancelOrder,
  "requisition.create": createRequisition,
  "requisition.approve": approve,
  "work_order.create": createWork,
  "work_order.update": updateWork,
  "work_order.change_status": changeStatus,
  "inventory_item.adjust": (write) => moveStock(write, hundredths(write.values["quantity"]) ?? 0, "adjust"),
  "inventory_item.issue": (write) => moveStock(write, -(hundredths(write.values["quantity"]) ?? 0), "issue"),
  "vendor.create": () => ({ prefix: "V", defaults: { status: "active" } }),
  "goods_receipt.create": createReceipt,
  "maintenance_request.create": ({ nowMs }) => ({
    prefix: "MR",
    defaults: { status: "new", reported_at: instant(nowMs) },
  }),
  "meter_reading.create": createReading,
};

/** @throws SandboxFailure INVALID_VALUES, REFUSED_BY_SOURCE */
export async function ruled(write: WriteCase): Promise<Ruling> {
  const { entity, operation, values } = write;
  const rule = RULES[`${entity}.${operation}`];
  const none = { values, defaults: {}, prefix: undefined, finish: (record: Fields) => record };
  return { ...none, numberField: numberField(entity), ...(await rule?.(write)) };
}

async function createOrder({ source, values, nowMs }: WriteCase): Promise<Partial<Ruling>> {
  const vendor = await source.byNumber("vendor", numberOf(values["vendor"]) ?? "");
  const location = await source.byNumber("location", numberOf(values["location"]) ?? "HAM");
  const site = SITES.find(({ company }) => company === location?.record["company_code"]) ?? SITES[0];
  return {
    prefix: "PO",
    defaults: {
      type: "standard",
      status: "draft",
      approval_status: "pending",
      order_date: instant(nowMs).slice(0, 10),
      currency: vendor?.record["currency"] ?? null,
      company_code: site?.company ?? null,
      freight_total: "0.00",
      discount_total: "0.00",
      lines: [],
    },
    finish: totalled,
  };
}

function updateOrder({ record = {} }: WriteCase): Partial<Ruling> {
  const status = String(record["status"]);
  if (!CHANGEABLE.has(status)) {
    throw refused(
      "SB-2001",
      `order ${String(record["number"])} is ${status}; an order is changed before it is approved`,
    );
  }
  return { finish: totalled };
}

/** Exact sums in the order's own currency, with its company's tax. */
function totalled(order: Fields): Fields {
  const percent = SITES.find(({ company }) => company === order["company_code"])?.taxPercent ?? 0;
  let subtotal = 0;
  let tax = 0;
  const lines = rowsOf(order["lines"]).map((line, at) => {
    const amount = hundredths(line["quantity"]);
    const price = hundredths(line["unit_price"]);
    if (amount === undefined)
      throw invalid(`lines.${at}.quantity`, "is taken with at most two decimal places");
    if (price === undefined)
      throw invalid(`lines.${at}.unit_price`, "is taken with at most two decimal places");
    const total = times(price, amount);
    const own = Math.round((total * percent) / 100);
    subtotal += total;
    tax += own;
    const received = hundredths(line["received_qty"]) ?? 0;
    return having(line, {
      line_total: money(total),
      tax_amount: money(own),
      received_qty: quantity(received),
      open_qty: quantity(amount - received),
    });
  });
  const freight = hundredths(order["freight_total"]) ?? 0;
  const discount = hundredths(order["discount_total"]) ?? 0;
  const total = money(subtotal + tax + freight - discount);
  return { ...order, lines, subtotal: money(subtotal), tax_total: money(tax), total };
}

function approve({ record = {}, nowMs, entity }: WriteCase): Partial<Ruling> {
  const { status, number } = record;
  if (status !== "pending_approval" && status !== "draft") {
    throw refused(
      "SB-2002",
      `${String(number)} is ${String(status)}; only what waits for it can be approved`,
    );
  }
  const at = entity === "purchase_order" ? { approved_at: instant(nowMs) } : {};
  return { values: { status: "approved", approval_status: "approved", ...at } };
}

function cancelOrder({ record = {} }: WriteCase): Partial<Ruling> {
  const { status, receipt_status: receipt, number } = record;
  if (receipt !== "none" || status === "closed" || status === "cancelled") {
    throw refused(
      "SB-2003",
      `${String(number)} is ${String(status)}, received: ${String(receipt)}; it cannot be cancelled`,
    );
  }
  const lines = rowsOf(record["lines"]).map((line) => having(line, { status: "cancelled", open_qty: "0" }));
  return { values: { status: "cancelled" }, finish: (order) => ({ ...order, lines }) };
}

function createRequisition({ nowMs }: WriteCase): Partial<Ruling> {
  const defaults = {
    status: "pending_approval",
    approval_status: "pending",
    requested_at: instant(nowMs),
    lines: [],
  };
  return { prefix: "RQ", defaults };
}

function createWork({ nowMs }: WriteCase): Partial<Ruling> {
  const at = instant(nowMs);
  return {
    prefix: "WO",
    defaults: { status: "requested", priority: "medium", reported_at: at, status_changed_at: at },
  };
}

function updateWork({ record = {}, values }: WriteCase): Partial<Ruling> {
  const { status, number } = record;
  if (FINAL_WORK.has(String(status))) {
    throw refused(
      "SB-3001",
      `work order ${String(number)} is ${String(status)}; it cannot be changed any more`,
    );
  }
  const { target_start: start = record["target_start"], target_finish: finish = record["target_finish"] } =
    values;
  if (typeof start === "string" && typeof finish === "string" && Date.parse(finish) < Date.parse(start)) {
    throw refused("SB-3003", "the target finish lies before the target start");
  }
  return {};
}

function changeStatus({ record = {}, values, nowMs }: WriteCase): Partial<Ruling> {
  const { status: before, number } = record;
  const { status } = values;
  if (FINAL_WORK.has(String(before)) || (before === "completed" && status !== "closed")) {
    throw refused(
      "SB-3002",
      `work order ${String(number)} cannot go from ${String(before)} to ${String(status)}`,
    );
  }
  const at = instant(nowMs);
  const begun = status === "in_progress" && record["actual_start"] === null ? { actual_start: at } : {};
  const done =
    status === "completed" ? { actual_start: record["actual_start"] ?? at, actual_finish: at } : {};
  return { values: { status, status_changed_at: at, ...begun, ...done } };
}

async function moveStock(
  { record = {}, values, nowMs }: WriteCase,
  by: number,
  kind: string,
): Promise<Partial<Ruling>> {
  const levels = rowsOf(record["stock_levels"]);
  const storeroom = numberOf(values["location"]);
  const level = levels.find(({ location }) => numberOf(location) === storeroom);
  if (level === undefined)
    throw invalid("location", `${String(record["code"])} is not kept in ${String(storeroom)}`);
  const onHand = (hundredths(level["on_hand"]) ?? 0) + by;
  if (onHand < 0) {
    throw refused(
      "SB-4001",
      `${String(record["code"])} has ${String(level["on_hand"])} in ${String(storeroom)}; stock cannot go below zero`,
    );
  }
  const available = quantity(onHand - (hundredths(level["reserved"]) ?? 0));
  const moved = levels.map((one) =>
    one === level ? having(one, { on_hand: quantity(onHand), available }) : one,
  );
  const total = (hundredths(record["quantity_on_hand"]) ?? 0) + by;
  return {
    values: { quantity_on_hand: quantity(total), stock_levels: moved },
    outputs: { kind, quantity: quantity(by), at: instant(nowMs) },
  };
}

async function createReceipt({ source, values, nowMs }: WriteCase): Promise<Partial<Ruling>> {
  const order = await source.byNumber("purchase_order", numberOf(values["purchase_order"]) ?? "");
  const { status, number, lines: ordered } = order?.record ?? {};
  if (!OPEN_ORDERS.has(String(status))) {
    throw refused("SB-2004", `${String(number)} is ${String(status)}; nothing can be received for it`);
  }
  const rows = rowsOf(values["lines"]);
  if (rows.length === 0) throw invalid("lines", "at least one is needed");
  const lines = rows.map((row, at) => {
    const line = rowsOf(ordered).find((one) => one["line_number"] === row["purchase_order_line"]);
    if (line === undefined)
      throw invalid(`lines.${at}.purchase_order_line`, `${String(number)} has no such line`);
    const amount = hundredths(row["quantity"]) ?? 0;
    if (amount > (hundredths(line["open_qty"]) ?? 0)) {
      throw refused(
        "SB-2005",
        `line ${String(line["line_number"])} has ${String(line["open_qty"])} open; more cannot be received`,
      );
    }
    const { item, item_code, description, uom } = line;
    return having(row, {
      line_number: String(at + 1),
      item,
      item_code,
      description,
      uom,
      inspection: "accepted",
    });
  });
  return {
    prefix: "GR",
    defaults: { direction: "receipt", received_at: instant(nowMs), vendor: order?.record["vendor"] ?? null },
    finish: (receipt) => ({ ...receipt, lines }),
  };
}

async function createReading({ source, values, nowMs }: WriteCase): Promise<Partial<Ruling>> {
  const meter = await source.byNumber("meter", numberOf(values["meter"]) ?? "");
  const { kind, last_reading: last, asset, location, uom } = meter?.record ?? {};
  const value = Number(values["value"]);
  if (kind === "continuous" && value < Number(last)) {
    throw refused("SB-5001", `the meter stood at ${String(last)}; its readings only grow`);
  }
  return {
    prefix: "RD",
    numberField: undefined,
    defaults: { asset, location, uom, kind: "actual", at: instant(nowMs) },
  };
}
