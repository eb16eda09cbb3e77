// What people at the sandbox's plants want bought: requisitions behind orders, and some without one.
import { money, quantity, times } from "./hundredths.ts";
import { DAY_MS, day, instant, type PlantBook, type SampleRecord } from "./plant-book.ts";
import { requisitionOf } from "./sample-orders.ts";
import type { People } from "./sample-people.ts";
import { SITES } from "./sample-places.ts";
import type { Item } from "./sample-stock.ts";

const OPEN_STATUSES = ["draft", "pending_approval", "approved", "rejected", "cancelled", "on_hold"];
const OPEN_PER_SITE = 12;
const FIRST_OPEN_NUMBER = 90_001;

/** After the orders are there. */
export function addRequisitions(book: PlantBook, items: readonly Item[], people: People): void {
  for (const order of book.records()) {
    const wanted = order.fields["requisitions"];
    if (order.entity === "purchase_order" && Array.isArray(wanted) && wanted.length > 0)
      addOrdered(book, order);
  }
  let number = FIRST_OPEN_NUMBER;
  for (const site of SITES) {
    const own = items.filter((item) => item.site === site);
    for (let at = 0; at < OPEN_PER_SITE; at += 1) {
      addOpen(book, own, people, `RQ-${number}`, OPEN_STATUSES[at % OPEN_STATUSES.length] ?? "draft");
      number += 1;
    }
  }
}

function addOrdered(book: PlantBook, { number: order, fields, createdAtMs }: SampleRecord): void {
  const number = requisitionOf(order);
  const atMs = createdAtMs - 2 * DAY_MS;
  const lines = (fields["lines"] as readonly Readonly<Record<string, unknown>>[]).map((line) => ({
    line_number: line["line_number"],
    type: line["type"],
    item: line["item"],
    item_code: line["item_code"],
    description: line["description"],
    quantity: line["quantity"],
    uom: line["uom"],
    estimated_price: line["unit_price"],
    line_total: line["line_total"],
    needed_by: line["required_date"],
    status: "ordered",
    purchase_order: book.ref("purchase_order", order),
    purchase_order_line: line["line_number"],
    storeroom: line["storeroom"],
    is_deleted: false,
  }));
  book.add({
    entity: "requisition",
    number,
    createdAtMs: atMs,
    changedAtMs: createdAtMs,
    fields: {
      number,
      description: fields["description"],
      status: "ordered",
      approval_status: "approved",
      requester: fields["requester"],
      requested_at: instant(atMs),
      needed_by: fields["required_date"],
      suggested_vendor: fields["vendor"],
      location: fields["location"],
      currency: fields["currency"],
      total: fields["subtotal"],
      company_code: fields["company_code"],
      department: "maintenance",
      cost_center: fields["cost_center"],
      lines,
      custom_fields: {},
    },
  });
}

function addOpen(
  book: PlantBook,
  items: readonly Item[],
  people: People,
  number: string,
  status: string,
): void {
  const dice = book.dice(`requisition/${number}`);
  const atMs = book.ago(dice.int(1, 60), 10);
  const item = dice.pick(items);
  const amount = dice.int(1, 12) * 100;
  const total = money(times(item.cost, amount));
  const neededBy = day(atMs + 20 * DAY_MS);
  const approval = { approved: "approved", rejected: "rejected" }[status] ?? "pending";
  const { site } = item;
  book.add({
    entity: "requisition",
    number,
    createdAtMs: atMs,
    changedAtMs: atMs,
    fields: {
      number,
      description: `${item.name}, stock is low`,
      status,
      approval_status: approval,
      requester: dice.pick(people.technicians(site)),
      requested_at: instant(atMs),
      needed_by: neededBy,
      suggested_vendor: book.ref("vendor", item.vendor),
      location: book.ref("location", site.code, site.name),
      currency: site.currency,
      total,
      company_code: site.company,
      department: "maintenance",
      cost_center: `${site.company}-4100`,
      lines: [
        {
          line_number: "1",
          type: "item",
          item: book.ref("inventory_item", item.code),
          item_code: item.code,
          description: item.name,
          quantity: quantity(amount),
          uom: item.uom,
          estimated_price: money(item.cost),
          line_total: total,
          needed_by: neededBy,
          status,
          purchase_order: null,
          storeroom: book.ref("location", site.storerooms[0] ?? site.code),
          is_deleted: false,
        },
      ],
      custom_fields: {},
    },
  });
}
