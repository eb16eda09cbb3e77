// What happens at a sandbox's imagined plant while somebody looks: one thing at a time, each of them as a plant would do it.
import type { Entity } from "#common/contract/model/entities.ts";
import type { Dice } from "./dice.ts";
import { hundredths, money, quantity, times } from "./hundredths.ts";
import { having, instant, referenceTo, rowsOf, type Fields } from "./plant-book.ts";
import { changedRow, sourceRecord, type SourceRecord } from "./sandbox-product.ts";
import type { SandboxSource, SourceRow } from "./sandbox-source.ts";
import { numberOf } from "./written-values.ts";

interface Life {
  readonly source: SandboxSource;
  readonly dice: Dice;
  readonly nowMs: number;
}

/** New records that the plant makes by itself stop at so many of their entity, until a reset. */
const MAX_OF_ENTITY = 1_200;
const HOUR_MS = 3_600_000;

const HAPPENINGS: readonly ((life: Life) => Promise<readonly SourceRecord[]>)[] = [
  (life) => step(life, "purchase_order", "pending_approval", () => approved(life)),
  (life) => step(life, "purchase_order", "approved", () => ({ status: "sent" })),
  receive,
  (life) => step(life, "work_order", "scheduled", () => begun(life)),
  (life) => step(life, "work_order", "in_progress", (work) => completed(life, work)),
  reportFault,
  readMeter,
];

/** The records that a change leaves behind; none where the plant has come to rest. */
export async function nextChange(life: Life): Promise<readonly SourceRecord[]> {
  const first = life.dice.int(0, HAPPENINGS.length - 1);
  for (let at = 0; at < HAPPENINGS.length; at += 1) {
    const changes = (await HAPPENINGS[(first + at) % HAPPENINGS.length]?.(life)) ?? [];
    if (changes.length > 0) return changes;
  }
  return [];
}

async function step(
  { source, dice, nowMs }: Life,
  entity: Entity,
  status: string,
  next: (record: Fields) => Fields,
): Promise<readonly SourceRecord[]> {
  const rows = (await source.all(entity)).filter(({ record }) => record["status"] === status);
  const usual = rows.filter(({ record }) => !String(record["number"]).startsWith("WO-9"));
  if (usual.length === 0) return [];
  const { record } = dice.pick(usual);
  return [changedRow(entity, record, next(record), nowMs)];
}

function approved({ nowMs }: Life): Fields {
  return { status: "approved", approval_status: "approved", approved_at: instant(nowMs) };
}

function begun({ nowMs }: Life): Fields {
  return { status: "in_progress", status_changed_at: instant(nowMs), actual_start: instant(nowMs) };
}

/** With an hour of labour where none was booked. */
function completed({ nowMs }: Life, work: Fields): Fields {
  const at = instant(nowMs);
  const tasks = rowsOf(work["tasks"]).map((task) =>
    task["status"] === "completed"
      ? task
      : having(task, { status: "completed", actual_hours: "1", completed_at: at, result: "ok" }),
  );
  const before = rowsOf(work["labor"]);
  const [user] = (work["assigned_users"] ?? []) as readonly string[];
  const hour = {
    user: user ?? null,
    craft: "mechanic",
    date: at.slice(0, 10),
    start: instant(nowMs - HOUR_MS),
    end: at,
    hours: "1",
    overtime: false,
    rate: "60.00",
    cost: "60.00",
    kind: "actual",
  };
  const labor: readonly Fields[] = before.length > 0 ? before : [hour];
  const sum = (member: string): number =>
    labor.reduce((total, one) => total + (hundredths(one[member]) ?? 0), 0);
  return {
    status: "completed",
    status_changed_at: at,
    actual_finish: at,
    tasks,
    labor,
    actual_labor_hours: quantity(sum("hours")),
    actual_labor_cost: money(sum("cost")),
  };
}

/** The first open line of an order comes in whole: receipt, movement, level, item and order change together. */
async function receive(life: Life): Promise<readonly SourceRecord[]> {
  const { source, dice, nowMs } = life;
  const orders = (await source.all("purchase_order")).filter(({ record }) => openLine(record) !== undefined);
  if (orders.length === 0) return [];
  const { record: order } = dice.pick(orders);
  const line = openLine(order);
  if (line === undefined) return [];
  const item = await source.byNumber("inventory_item", numberOf(line["item"]) ?? "");
  const number = `GR-L${nowMs.toString(36).toUpperCase()}`;
  const made = [receivedOrder(order, line, nowMs), receiptOf(life, order, line, number)];
  if (item === undefined) return made;
  return [...made, ...(await stocked(life, { order, line, item, receipt: number }))];
}

function openLine(order: Fields): Fields | undefined {
  const status = String(order["status"]);
  if (status !== "sent" && status !== "partially_received") return undefined;
  const lines = rowsOf(order["lines"]);
  return lines.find((line) => (hundredths(line["open_qty"]) ?? 0) > 0);
}

function receivedOrder(order: Fields, line: Fields, nowMs: number): SourceRecord {
  const lines = rowsOf(order["lines"]).map((one) =>
    one === line ? having(one, { received_qty: one["quantity"], open_qty: "0", status: "received" }) : one,
  );
  const isAll = lines.every((one) => hundredths(one["open_qty"]) === 0);
  const changes = {
    status: isAll ? "received" : "partially_received",
    receipt_status: isAll ? "full" : "partial",
    lines: isAll ? lines.map((one) => having(one, { status: "received" })) : lines,
  };
  return changedRow("purchase_order", order, changes, nowMs);
}

function receiptOf({ source, nowMs }: Life, order: Fields, line: Fields, number: string): SourceRecord {
  const toOrder = refer(source, "purchase_order", String(order["number"]));
  const price = hundredths(line["unit_price"]) ?? 0;
  const amount = hundredths(line["open_qty"]) ?? 0;
  const { vendor, currency, company_code } = order;
  const fields = {
    number,
    description: `Delivery for ${String(order["number"])}`,
    purchase_order: toOrder,
    vendor,
    received_at: instant(nowMs),
    packing_slip: `LS-${number}`,
    direction: "receipt",
    location: line["storeroom"] ?? order["location"],
    currency,
    company_code,
    lines: [
      {
        line_number: "1",
        purchase_order: toOrder,
        purchase_order_line: line["line_number"],
        item: line["item"],
        item_code: line["item_code"],
        description: line["description"],
        quantity: line["open_qty"],
        uom: line["uom"],
        location: line["storeroom"],
        inspection: "accepted",
        unit_cost: line["unit_price"],
        line_total: money(times(price, amount)),
      },
    ],
  };
  return sourceRecord({ entity: "goods_receipt", number, fields, createdAtMs: nowMs, changedAtMs: nowMs });
}

interface Delivery {
  readonly order: Fields;
  readonly line: Fields;
  readonly item: SourceRow;
  readonly receipt: string;
}

async function stocked(
  life: Life,
  { order, line, item, receipt }: Delivery,
): Promise<readonly SourceRecord[]> {
  const { source, nowMs } = life;
  const storeroom = numberOf(line["storeroom"]) ?? "";
  const code = String(item.record["code"]);
  const amount = hundredths(line["open_qty"]) ?? 0;
  const level = await source.byNumber("stock_level", `${code}@${storeroom}`);
  if (level === undefined) return [];
  const numbers = moved(level.record, amount);
  const levels = rowsOf(item.record["stock_levels"]).map((one) =>
    numberOf(one["location"]) === storeroom ? having(one, moved(one, amount)) : one,
  );
  const total = quantity((hundredths(item.record["quantity_on_hand"]) ?? 0) + amount);
  const number = `${receipt}-1`;
  const cost = hundredths(level.record["unit_cost"]) ?? 0;
  const movement = {
    number,
    kind: "receipt",
    item: line["item"],
    item_code: code,
    quantity: quantity(amount),
    uom: line["uom"],
    at: instant(nowMs),
    location: line["storeroom"],
    unit_cost: money(cost),
    total_cost: money(times(cost, amount)),
    currency: order["currency"],
    purchase_order: refer(source, "purchase_order", String(order["number"])),
    goods_receipt: refer(source, "goods_receipt", receipt),
  };
  return [
    sourceRecord({
      entity: "stock_movement",
      number,
      fields: movement,
      createdAtMs: nowMs,
      changedAtMs: nowMs,
    }),
    changedRow("stock_level", level.record, numbers, nowMs),
    changedRow("inventory_item", item.record, { quantity_on_hand: total, stock_levels: levels }, nowMs),
  ];
}

/** What was on order is on hand. */
function moved(level: Fields, amount: number): Fields {
  const onHand = (hundredths(level["on_hand"]) ?? 0) + amount;
  const onOrder = Math.max(0, (hundredths(level["on_order"]) ?? 0) - amount);
  const available = onHand - (hundredths(level["reserved"]) ?? 0);
  return { on_hand: quantity(onHand), on_order: quantity(onOrder), available: quantity(available) };
}

async function reportFault({ source, dice, nowMs }: Life): Promise<readonly SourceRecord[]> {
  const requests = await source.all("maintenance_request");
  const assets = (await source.all("asset")).filter(({ record }) => record["level"] === "unit");
  if (requests.length >= MAX_OF_ENTITY || assets.length === 0) return [];
  const { record: asset } = dice.pick(assets);
  const number = `MR-L${nowMs.toString(36).toUpperCase()}`;
  const at = instant(nowMs);
  const fields = {
    number,
    title: `${String(asset["name"])} ${dice.pick(["drips", "rattles", "runs hot"])}`,
    description: "Reported by the shift.",
    type: "fault",
    status: "new",
    status_changed_at: at,
    priority: dice.pick(["low", "medium", "high"]),
    asset: refer(source, "asset", String(asset["tag"]), String(asset["name"])),
    location: asset["location"],
    reported_at: at,
    work_order: null,
    custom_fields: {},
  };
  return [
    sourceRecord({ entity: "maintenance_request", number, fields, createdAtMs: nowMs, changedAtMs: nowMs }),
  ];
}

async function readMeter({ source, dice, nowMs }: Life): Promise<readonly SourceRecord[]> {
  const meters = (await source.all("meter")).filter(({ record }) => record["kind"] === "continuous");
  const readings = await source.all("meter_reading");
  if (readings.length >= MAX_OF_ENTITY || meters.length === 0) return [];
  const { record: meter } = dice.pick(meters);
  const delta = dice.int(1, 800);
  const value = quantity((hundredths(meter["last_reading"]) ?? 0) + delta);
  const at = instant(nowMs);
  const code = String(meter["code"]);
  const number = `${code}-L${nowMs.toString(36).toUpperCase()}`;
  const { asset, location, uom, uom_code } = meter;
  const own = { meter: refer(source, "meter", code), asset, location, uom, uom_code, at, kind: "actual" };
  const fields = { ...own, value, delta: quantity(delta) };
  return [
    sourceRecord({ entity: "meter_reading", number, fields, createdAtMs: nowMs, changedAtMs: nowMs }),
    changedRow("meter", meter, { last_reading: value, last_at: at }, nowMs),
  ];
}

function refer({ connection, recordId }: SandboxSource, entity: Entity, number: string, display = number) {
  return referenceTo({ connectionId: connection.id, recordId }, entity, number, display);
}
