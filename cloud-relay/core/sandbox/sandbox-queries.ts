// The queries that a sandbox's imagined plant names, answered from what its records say now.
import type { QueryAnswer, QueryBody } from "#common/contract/commands.ts";
import type { QueryDescription } from "#common/contract/description.ts";
import type { Entity } from "#common/contract/model/entities.ts";
import type { Fields } from "./plant-book.ts";

export const QUERIES: readonly QueryDescription[] = [
  {
    query: "open_orders_of_vendor",
    description: "Orders of one vendor that are not over yet",
    parameters: [{ name: "vendor", type: "text", required: true }],
  },
  {
    query: "stock_below_minimum",
    description: "Stock levels with less on hand than their minimum",
    parameters: [
      { name: "location", type: "text", required: false },
      { name: "limit", type: "integer", required: false },
    ],
  },
];

/** All present records of one entity. */
export type RecordsOf = (entity: Entity) => Promise<readonly Fields[]>;

const OPEN = new Set(["draft", "pending_approval", "approved", "sent", "partially_received", "on_hold"]);
const MAX_ROWS = 200;

/** Undefined for a query that is not named. */
export async function runQuery(body: QueryBody, recordsOf: RecordsOf): Promise<QueryAnswer | undefined> {
  const { query, parameters } = body;
  if (query === "open_orders_of_vendor") {
    const orders = await recordsOf("purchase_order");
    const own = orders.filter(
      ({ vendor, status }) => keyOf(vendor) === parameters["vendor"] && OPEN.has(String(status)),
    );
    return answer(["PO_NO", "STATUS", "ORDER_DATE", "CURRENCY", "TOTAL"], own, (order) =>
      [order["number"], order["native_status"], order["order_date"], order["currency"], order["total"]].map(
        cell,
      ),
    );
  }
  if (query !== "stock_below_minimum") return undefined;
  const { location, limit = MAX_ROWS } = parameters;
  const levels = await recordsOf("stock_level");
  const low = levels.filter(
    (level) =>
      Number(level["on_hand"]) < Number(level["min"]) &&
      (location === undefined || keyOf(level["location"]) === location),
  );
  const read = (level: Fields) =>
    [level["item_code"], keyOf(level["location"]), level["on_hand"], level["min"]].map(cell);
  return answer(["ITEM_NO", "LOC_CODE", "ON_HAND", "MIN"], low, read, Math.min(MAX_ROWS, Number(limit)));
}

type Row = QueryAnswer["rows"][number];

function answer(
  columns: string[],
  records: readonly Fields[],
  read: (record: Fields) => Row,
  maxRows = MAX_ROWS,
): QueryAnswer {
  return { columns, rows: records.slice(0, maxRows).map(read), is_truncated: records.length > maxRows };
}

function keyOf(reference: unknown): string | undefined {
  if (typeof reference !== "object" || reference === null || !("remote_id" in reference)) return undefined;
  return String(reference.remote_id);
}

function cell(value: unknown): Row[number] {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}
