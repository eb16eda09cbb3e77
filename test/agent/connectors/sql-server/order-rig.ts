// Orders with lines in a whole server, the connector over them, and how far it has read.
import type { Connector, Cursor, Pass, SourceRow, StrategyReport } from "#agent/core/source/connector.ts";
import type { ChildPlan, EntityPlan } from "#agent/core/source/plan.ts";
import { type Plant, startPlant } from "./plant.ts";

export const never = new AbortController().signal;

export const lines: ChildPlan = {
  name: "lines",
  table: { name: "poline" },
  on: [{ child: "ponum", parent: "ponum" }],
  columns: ["line", "item"],
  orderBy: ["line"],
  filters: [],
};

export const orders: EntityPlan = {
  entity: "purchase_order",
  table: { name: "po" },
  key: ["ponum"],
  columns: ["ponum", "status"],
  filters: [],
  change: { kind: "timestamp", column: "changed", format: "utc", overlapMs: 60_000 },
  children: [lines],
};

export const TABLES = `
  CREATE TABLE po (ponum nvarchar(10) NOT NULL PRIMARY KEY, status nvarchar(10), changed datetime2(3));
  CREATE TABLE poline (ponum nvarchar(10) NOT NULL, line int NOT NULL, item nvarchar(20), PRIMARY KEY (ponum, line));
  CREATE INDEX po_changed ON po (changed);
  INSERT INTO po VALUES ('A', 'NEW', '2026-05-04'), ('B', 'NEW', '2026-05-04');
  INSERT INTO poline VALUES ('A', 1, 'bolt'), ('A', 2, 'nut'), ('B', 1, 'gear');`;

export class OrderRig implements AsyncDisposable {
  plant: Plant;
  connector: Connector;
  cursor: Cursor | undefined;

  static async start(): Promise<OrderRig> {
    const plant = await startPlant();
    await plant.sql(TABLES);
    return new OrderRig(plant);
  }

  private constructor(plant: Plant) {
    this.plant = plant;
    this.connector = plant.connector([orders]);
  }

  async open(plan: EntityPlan = orders, settings: Record<string, unknown> = {}): Promise<void> {
    this.connector = this.plant.connector([plan], { settings });
    await this.connector.open(never);
  }

  strategy(): StrategyReport {
    return this.connector.strategies()[0]!;
  }

  /** One whole pass; an incremental one goes on where the last has ended. */
  async read(pass: Pass = "incremental", maxRows = 10): Promise<readonly SourceRow[]> {
    const rows: SourceRow[] = [];
    const after = pass === "incremental" ? this.cursor : undefined;
    const request = { entity: "purchase_order", pass, after, maxRows, signal: never };
    for await (const batch of this.connector.read(request)) {
      rows.push(...batch.rows);
      if (pass === "incremental") this.cursor = JSON.parse(JSON.stringify(batch.cursor)) as Cursor;
    }
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connector[Symbol.asyncDispose]();
    await this.plant[Symbol.asyncDispose]();
  }
}

/** `upsert A bolt nut`: operation, key, items of the lines. */
export function shortOf({ op, key, children }: SourceRow): string {
  return [op, key.join("/"), ...(children?.["lines"] ?? []).map((line) => String(line["item"]))].join(" ");
}
