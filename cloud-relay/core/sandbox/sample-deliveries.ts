// What came of the sandbox's orders: goods receipts, which move stock, and invoices.
import { money, quantity, times } from "./hundredths.ts";
import { DAY_MS, day, instant, type PlantBook } from "./plant-book.ts";
import type { People } from "./sample-people.ts";
import type { Order } from "./sample-orders.ts";
import type { StockLedger } from "./sample-stock.ts";

export interface Receipt {
  readonly number: string;
  readonly atMs: number;
}

/** Undefined where nothing was received. */
export function addReceipt(
  book: PlantBook,
  order: Order,
  ledger: StockLedger,
  people: People,
): Receipt | undefined {
  const lines = order.lines.filter(({ received }) => received > 0);
  if (lines.length === 0) return undefined;
  const { site, vendor } = order;
  const number = order.number.replace("PO-", "GR-");
  const dice = book.dice(`receipt/${number}`);
  const atMs = Math.min(order.orderedAtMs + dice.int(3, 18) * DAY_MS, book.todayMs - DAY_MS / 2);
  const purchaseOrder = book.ref("purchase_order", order.number);
  for (const { item, storeroom, received } of lines) {
    if (item === undefined) continue;
    const cause = { purchase_order: purchaseOrder, goods_receipt: book.ref("goods_receipt", number) };
    ledger.move({ item, storeroom, kind: "receipt", amount: received, atMs, cause });
  }
  book.add({
    entity: "goods_receipt",
    number,
    createdAtMs: atMs,
    changedAtMs: atMs,
    fields: {
      number,
      description: `Delivery of ${vendor.name}`,
      purchase_order: purchaseOrder,
      vendor: book.ref("vendor", vendor.code, vendor.name),
      received_at: instant(atMs),
      received_by: people.storekeeper(site),
      packing_slip: `LS-${dice.int(10_000, 99_999)}`,
      direction: "receipt",
      location: book.ref("location", site.storerooms[0] ?? site.code),
      currency: site.currency,
      company_code: site.company,
      lines: lines.map((line) => ({
        line_number: line.number,
        purchase_order: purchaseOrder,
        purchase_order_line: line.number,
        item: line.item === undefined ? null : book.ref("inventory_item", line.item.code),
        item_code: line.item?.code ?? null,
        description: line.description,
        quantity: quantity(line.received),
        uom: line.uom,
        location: line.item === undefined ? null : book.ref("location", line.storeroom),
        inspection: "accepted",
        unit_cost: money(line.price),
        line_total: money(times(line.price, line.received)),
      })),
    },
  });
  return { number, atMs };
}

export function addInvoice(
  book: PlantBook,
  order: Order,
  receipt: Receipt | undefined,
  people: People,
): void {
  const lines = order.lines.filter(({ invoiced }) => invoiced > 0);
  if (lines.length === 0 || receipt === undefined) return;
  const { site, vendor, freight } = order;
  const number = order.number.replace("PO-", "IN-");
  const dice = book.dice(`invoice/${number}`);
  const isClosed = order.status === "closed";
  const status = isClosed ? "paid" : dice.pick(["pending_approval", "approved", "posted"]);
  const atMs = receipt.atMs + DAY_MS / 4;
  const paidAtMs = Math.min(atMs + 20 * DAY_MS, book.todayMs);
  const subtotal = lines.reduce((sum, { price, invoiced }) => sum + times(price, invoiced), 0);
  const tax = lines.reduce((sum, line) => sum + line.tax, 0);
  const total = subtotal + tax + freight;
  const purchaseOrder = book.ref("purchase_order", order.number);
  book.add({
    entity: "invoice",
    number,
    createdAtMs: atMs,
    changedAtMs: isClosed ? paidAtMs : atMs,
    fields: {
      number,
      type: "standard",
      description: `Invoice for ${order.number}, ${people.buyer(site)}`,
      vendor: book.ref("vendor", vendor.code, vendor.name),
      vendor_invoice_number: `${vendor.code}-${dice.int(100_000, 999_999)}`,
      status,
      invoice_date: day(atMs),
      due_date: day(atMs + 30 * DAY_MS),
      posting_date: status === "posted" || isClosed ? day(atMs) : null,
      paid_at: isClosed ? instant(paidAtMs) : null,
      currency: site.currency,
      exchange_rate: "1",
      subtotal: money(subtotal),
      tax_total: money(tax),
      freight_total: money(freight),
      discount_total: money(0),
      total: money(total),
      open_amount: money(isClosed ? 0 : total),
      payment_terms: "30 days net",
      company_code: site.company,
      purchase_orders: [purchaseOrder],
      lines: lines.map((line) => ({
        line_number: line.number,
        purchase_order: purchaseOrder,
        purchase_order_line: line.number,
        item: line.item === undefined ? null : book.ref("inventory_item", line.item.code),
        item_code: line.item?.code ?? null,
        description: line.description,
        quantity: quantity(line.invoiced),
        uom: line.uom,
        unit_price: money(line.price),
        tax_amount: money(line.tax),
        line_total: money(times(line.price, line.invoiced)),
        gl_account: `${site.company}-5200`,
        cost_center: `${site.company}-4100`,
      })),
    },
  });
}
