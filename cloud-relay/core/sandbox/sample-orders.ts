// Purchasing at the sandbox's plants: orders of every status with what was received and invoiced of them.
import type { Dice } from "./dice.ts";
import { money, quantity, times, type Hundredths } from "./hundredths.ts";
import { DAY_MS, day, instant, type Fields, type PlantBook } from "./plant-book.ts";
import { addInvoice, addReceipt } from "./sample-deliveries.ts";
import type { People } from "./sample-people.ts";
import { SITES, type Site } from "./sample-places.ts";
import type { Item, StockLedger } from "./sample-stock.ts";
import { sampleVendors, type SampleVendor } from "./sample-vendors.ts";

export interface OrderLine {
  readonly number: string;
  /** Absent for services. */
  readonly item: Item | undefined;
  readonly description: string;
  readonly amount: Hundredths;
  readonly price: Hundredths;
  readonly uom: string;
  readonly tax: Hundredths;
  readonly received: Hundredths;
  readonly invoiced: Hundredths;
  readonly storeroom: string;
}

export interface Order {
  readonly number: string;
  readonly status: string;
  readonly type: string;
  readonly site: Site;
  readonly vendor: SampleVendor;
  readonly orderedAtMs: number;
  readonly lines: readonly OrderLine[];
  readonly freight: Hundredths;
}

/** How many orders there are of each status, per site. */
const STATUSES: readonly (readonly [status: string, count: number])[] = [
  ["draft", 4],
  ["pending_approval", 5],
  ["approved", 6],
  ["sent", 8],
  ["partially_received", 8],
  ["received", 6],
  ["invoiced", 5],
  ["closed", 12],
  ["cancelled", 3],
  ["rejected", 2],
  ["on_hold", 3],
];
const NOT_APPROVED = new Set(["draft", "pending_approval", "rejected"]);
const RECEIVED = new Set(["received", "invoiced", "closed"]);
const INVOICED = new Set(["invoiced", "closed"]);
const OVER = new Set([...RECEIVED, "cancelled", "rejected"]);
const FIRST_NUMBER = 10_001;

export function addOrders(
  book: PlantBook,
  items: readonly Item[],
  ledger: StockLedger,
  people: People,
): void {
  let number = FIRST_NUMBER;
  for (const site of SITES) {
    const own = items.filter((item) => item.site === site);
    for (const [status, count] of STATUSES) {
      for (let at = 0; at < count; at += 1) {
        const order = makeOrder(book, site, own, status, `PO-${number}`);
        number += 1;
        addOrder(book, order, people);
        expectStock(ledger, order);
        const receipt = addReceipt(book, order, ledger, people);
        addInvoice(book, order, receipt, people);
      }
    }
  }
}

function makeOrder(
  book: PlantBook,
  site: Site,
  items: readonly Item[],
  status: string,
  number: string,
): Order {
  const dice = book.dice(`order/${number}`);
  const vendors = sampleVendors().filter((one) => one.status === "active" && one.currency === site.currency);
  const vendor = dice.pick(vendors);
  const type = dice.chance(0.1) ? "service" : dice.chance(0.08) ? "blanket" : "standard";
  const days = OVER.has(status) ? dice.int(20, 300) : dice.int(1, 40);
  const count = type === "service" ? 1 : dice.int(1, 5);
  const lines = Array.from({ length: count }, (_, at) => makeLine(dice, site, items, status, type, at));
  const freight = type === "standard" ? dice.int(0, 40) * 100 : 0;
  return { number, status, type, site, vendor, orderedAtMs: book.ago(days, 9), lines, freight };
}

function makeLine(
  dice: Dice,
  site: Site,
  items: readonly Item[],
  status: string,
  type: string,
  at: number,
): OrderLine {
  const isService = type === "service";
  const item = isService ? undefined : dice.pick(items);
  const whole = dice.int(2, 30) * 100;
  const amount = isService || item?.isDivisible === true ? whole + dice.pick([0, 50]) : whole;
  const price = isService ? dice.int(40, 120) * 100 : (item?.cost ?? 0);
  const received = receivedOf(status, amount, at);
  const total = times(price, amount);
  return {
    number: String(at + 1),
    item,
    description:
      item?.name ?? dice.pick(["Crane inspection", "Compressor service", "Electrical safety test"]),
    amount,
    price,
    uom: item?.uom ?? "HUR",
    tax: Math.round((total * site.taxPercent) / 100),
    received,
    invoiced: INVOICED.has(status) ? received : 0,
    storeroom: site.storerooms[0] ?? "",
  };
}

/** Of a partly received order the first line has come by half, rounded down to whole ones, and the second whole. */
function receivedOf(status: string, amount: Hundredths, at: number): Hundredths {
  if (RECEIVED.has(status)) return amount;
  if (status !== "partially_received") return 0;
  return at === 0 ? Math.floor(amount / 200) * 100 : at === 1 ? amount : 0;
}

export function lineTotal({ price, amount }: Pick<OrderLine, "price" | "amount">): Hundredths {
  return times(price, amount);
}

function addOrder(book: PlantBook, order: Order, people: People): void {
  const { number, status, type, site, vendor, orderedAtMs, lines, freight } = order;
  const dice = book.dice(`order-head/${number}`);
  const subtotal = sumOf(lines.map(lineTotal));
  const tax = sumOf(lines.map((line) => line.tax));
  const isApproved = !NOT_APPROVED.has(status);
  const changedAtMs = Math.min(book.todayMs, orderedAtMs + dice.int(0, 10) * DAY_MS);
  book.add({
    entity: "purchase_order",
    number,
    createdAtMs: orderedAtMs,
    changedAtMs: Math.max(orderedAtMs, changedAtMs),
    fields: {
      number,
      type,
      revision_number: "0",
      description: `${lines[0]?.description ?? "Goods"} for ${site.name}`,
      status,
      approval_status: approvalOf(status),
      receipt_status: coverage(lines, "received"),
      invoice_status: coverage(lines, "invoiced"),
      vendor: book.ref("vendor", vendor.code, vendor.name),
      vendor_reference: isApproved ? `AB-${dice.int(100_000, 999_999)}` : null,
      buyer: people.buyer(site),
      requester: people.planner(site),
      order_date: day(orderedAtMs),
      required_date: day(orderedAtMs + 21 * DAY_MS),
      promised_date: isApproved ? day(orderedAtMs + 18 * DAY_MS) : null,
      approved_at: isApproved ? instant(orderedAtMs + 3 * 3_600_000) : null,
      closed_at: status === "closed" ? instant(orderedAtMs + 19 * DAY_MS) : null,
      currency: site.currency,
      exchange_rate: "1",
      subtotal: money(subtotal),
      tax_total: money(tax),
      freight_total: money(freight),
      discount_total: money(0),
      total: money(subtotal + tax + freight),
      tax_inclusive: false,
      payment_terms: "30 days net",
      incoterms: dice.pick(["DAP", "EXW", "FCA"]),
      ship_to: `${site.street}, ${site.postalCode} ${site.city}, ${site.country}`,
      location: book.ref("location", site.code, site.name),
      company_code: site.company,
      department: "maintenance",
      cost_center: `${site.company}-4100`,
      requisitions: dice.chance(0.4) ? [book.ref("requisition", requisitionOf(number))] : [],
      lines: lines.map((line) => lineFields(book, order, line)),
      custom_fields: {
        PROJECT_CODE: dice.pick(["LINE-3", "SHUTDOWN", null]),
        APPROVAL_LIMIT: dice.int(1, 9) * 1_000,
        URGENT: dice.chance(0.1),
      },
    },
  });
}

function lineFields(book: PlantBook, { status, site, orderedAtMs }: Order, line: OrderLine): Fields {
  const { item, amount, price, received, invoiced } = line;
  const isOver = status === "cancelled" || status === "rejected";
  const isDone = received === amount;
  const own = status !== "partially_received" ? status : isDone ? "received" : received > 0 ? status : "sent";
  return {
    line_number: line.number,
    type: item === undefined ? "service" : "item",
    item: item === undefined ? null : book.ref("inventory_item", item.code),
    item_code: item?.code ?? null,
    description: line.description,
    quantity: quantity(amount),
    uom: line.uom,
    conversion_to_stock: "1",
    unit_price: money(price),
    price_per: "1",
    tax_amount: money(line.tax),
    line_total: money(lineTotal(line)),
    received_qty: quantity(received),
    invoiced_qty: quantity(invoiced),
    open_qty: quantity(isOver ? 0 : amount - received),
    required_date: day(orderedAtMs + 21 * DAY_MS),
    status: own,
    storeroom: item === undefined ? null : book.ref("location", line.storeroom),
    gl_account: `${site.company}-5200`,
    cost_center: `${site.company}-4100`,
    is_deleted: false,
    custom_fields: { INSPECTION: item?.isDivisible ?? false },
  };
}

/** What of it is still to come counts as on order. */
function expectStock(ledger: StockLedger, { status, lines }: Order): void {
  if (NOT_APPROVED.has(status) || OVER.has(status)) return;
  for (const { item, storeroom, amount, received } of lines) {
    if (item !== undefined) ledger.promise(item, storeroom, { onOrder: amount - received });
  }
}

export function requisitionOf(order: string): string {
  return order.replace("PO-", "RQ-");
}

function approvalOf(status: string): string {
  if (status === "rejected") return "rejected";
  return status === "draft" || status === "pending_approval" ? "pending" : "approved";
}

function coverage(lines: readonly OrderLine[], what: "received" | "invoiced"): string {
  if (lines.every((line) => line[what] === 0)) return "none";
  return lines.every((line) => line[what] === line.amount) ? "full" : "partial";
}

export function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
