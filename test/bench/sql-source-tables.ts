// What stands in the databases of the SQL benchmark: purchase orders, once generated in any number, once stored for each strategy.
import type { ChangeStrategy, EntityPlan } from "#agent/core/source/plan.ts";
import type { DbValue } from "#test/support/sql-engine/session.ts";
import type { ColumnDefinition } from "#test/support/sql-engine/storage.ts";

export type Product = "sql-server" | "oracle";

export interface Strategy {
  readonly name: string;
  /** The table that is followed this way, in lower case. */
  readonly table: string;
  readonly change: ChangeStrategy;
  /** What the connector has to say that it does: another way would be another figure. */
  readonly says: RegExp;
  /** The connection's `changes` setting. */
  readonly setting: "auto" | "marker";
}

const BY_TIME: ChangeStrategy = { kind: "timestamp", column: "changed", format: "utc", overlapMs: 0 };
const BY_NOTHING: ChangeStrategy = { kind: "full_scan" };

/** How each strategy comes about is in sql-source-server.ts: by what the database offers for its table. */
export const STRATEGIES: Readonly<Record<Product, readonly Strategy[]>> = {
  "sql-server": [
    strategy("change tracking", "po_tracked", BY_TIME, /^change_tracking/),
    strategy("cdc", "po_captured", BY_TIME, /^cdc/),
    strategy("rowversion", "po_stamped", { kind: "counter", column: "stamp" }, /^counter stamp/),
    strategy("timestamp", "po_timed", BY_TIME, /^timestamp/),
    strategy("full scan", "po_plain", BY_NOTHING, /^full_scan/),
  ],
  oracle: [
    strategy("mview log", "po_logged", BY_TIME, /^mview_log/),
    strategy("flashback", "po_past", BY_NOTHING, /^flashback/),
    strategy("ora_rowscn", "po_numbered", BY_NOTHING, /^rowscn/),
    strategy("timestamp", "po_timed", BY_TIME, /^timestamp/),
    strategy("full scan", "po_plain", BY_NOTHING, /^full_scan/, "marker"),
  ],
};

export const SNAPSHOT_TABLE = "po_snapshot";
export const FLAT_TABLE = "po_flat";

function strategy(
  name: string,
  table: string,
  change: ChangeStrategy,
  says: RegExp,
  setting: Strategy["setting"] = "auto",
): Strategy {
  return { name, table, change, says, setting };
}

/** The entity has the table's name. */
export function planOf(product: Product, table: string, change: ChangeStrategy = BY_NOTHING): EntityPlan {
  const spelt = (name: string): string => (product === "oracle" ? name.toUpperCase() : name);
  return {
    entity: table,
    table: { name: spelt(table) },
    key: [spelt("id")],
    columns: columnsOf(product).map(({ name }) => name),
    filters: [],
    change: change.kind === "full_scan" ? change : { ...change, column: spelt(change.column) },
    children: [],
  };
}

export function columnsOf(product: Product): readonly ColumnDefinition[] {
  return product === "oracle" ? ORACLE_COLUMNS : SQL_SERVER_COLUMNS;
}

const SQL_SERVER_COLUMNS: readonly ColumnDefinition[] = [
  { name: "id", type: "int" },
  { name: "ponum", type: "nvarchar(20) NOT NULL" },
  { name: "siteid", type: "nvarchar(8) NOT NULL" },
  { name: "description", type: "nvarchar(120)" },
  { name: "vendor", type: "nvarchar(16)" },
  { name: "status", type: "nvarchar(12)" },
  { name: "currency", type: "char(3)" },
  { name: "total", type: "decimal(19,4)" },
  { name: "lines", type: "int" },
  { name: "ordered", type: "date" },
  { name: "changed", type: "datetime2(3)" },
  { name: "remark", type: "nvarchar(200)" },
];

const ORACLE_COLUMNS: readonly ColumnDefinition[] = [
  { name: "ID", type: "NUMBER(9)" },
  { name: "PONUM", type: "VARCHAR2(20) NOT NULL" },
  { name: "SITEID", type: "VARCHAR2(8) NOT NULL" },
  { name: "DESCRIPTION", type: "VARCHAR2(120)" },
  { name: "VENDOR", type: "VARCHAR2(16)" },
  { name: "STATUS", type: "VARCHAR2(12)" },
  { name: "CURRENCY", type: "CHAR(3)" },
  { name: "TOTAL", type: "NUMBER(19,4)" },
  { name: "LINES", type: "NUMBER(6)" },
  { name: "ORDERED", type: "DATE" },
  { name: "CHANGED", type: "TIMESTAMP(3)" },
  { name: "REMARK", type: "VARCHAR2(200)" },
];

const PARTS = [
  "Gearbox",
  "Hydraulic hose",
  "Bearing 6204",
  "Filter set",
  "Drive belt",
  "Förderband",
] as const;
const STATES = ["WAPPR", "APPR", "INPRG", "CLOSE"] as const;

/** In the columns' order and types; the same place gives the same row. Keys begin at 1. */
export function rowAt(product: Product, place: number): readonly DbValue[] {
  const id = place + 1;
  const isOracle = product === "oracle";
  const number = (value: number): DbValue => (isOracle ? String(value) : value);
  const day = `2025-${two(1 + (place % 12))}-${two(1 + (place % 28))}`;
  return [
    number(id),
    `PO-${id}`,
    `S${place % 7}`,
    `${PARTS[place % PARTS.length]!} for line ${place % 40}`,
    `V${10_000 + (place % 500)}`,
    STATES[place % STATES.length]!,
    "EUR",
    totalText(place, isOracle),
    number(1 + (place % 9)),
    isOracle ? `${day} 00:00:00` : day,
    `${day} ${two(place % 24)}:${two(place % 60)}:${two(place % 59)}.${String(place % 1000).padStart(3, "0")}`,
    place % 3 === 0 ? null : "delivered in two parts",
  ];
}

/** Oracle keeps no zeros at the end. */
function totalText(place: number, isOracle: boolean): string {
  const whole = String(100 + (place % 90_000));
  return isOracle ? `${whole}.25` : `${whole}.2500`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
