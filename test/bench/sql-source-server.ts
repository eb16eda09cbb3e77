// The database of the SQL benchmark, in a process of its own: our own server of the product's protocol over the engine in memory.
import { Plant, startPlant } from "#test/agent/connectors/sql-server/plant.ts";
import { OraclePlant } from "#test/support/oracle-plant.ts";
import {
  columnsOf,
  FLAT_TABLE,
  type Product,
  rowAt,
  SNAPSHOT_TABLE,
  STRATEGIES,
} from "./sql-source-tables.ts";

export type ToSqlServer =
  /** Writes every row of a strategy's table once. */
  | { readonly type: "change"; readonly table: string }
  /** Counts anew what is asked. */
  | { readonly type: "forget" }
  | { readonly type: "load" };

export interface ServerLoad {
  readonly type: "load";
  /** Since the last `forget`; a batch counts once. */
  readonly statements: number;
  readonly rowsRead: number;
  /** The first of them. */
  readonly texts: readonly string[];
  readonly cpuMs: number;
}

export type FromSqlServer =
  | { readonly type: "ready"; readonly settings: object }
  | { readonly type: "changed" }
  | { readonly type: "forgotten" }
  | ServerLoad
  | { readonly type: "failed"; readonly message: string };

const MAX_TEXTS = 40;
const ROWS_PER_WRITE = 1_000;

const [, , name, snapshotRows, flatRows, changeRows] = process.argv;
const product: Product = name === "oracle" ? "oracle" : "sql-server";
const rows = Number(changeRows);
const plant =
  product === "oracle"
    ? await OraclePlant.start({ settings: { max_transaction_minutes: 60 } })
    : await startPlant();

function createTables(): void {
  const shared = { columns: columnsOf(product), primaryKey: [spelt("id")] };
  const row = (place: number): ReturnType<typeof rowAt> => rowAt(product, place);
  for (const [table, count] of [
    [SNAPSHOT_TABLE, snapshotRows],
    [FLAT_TABLE, flatRows],
  ] as const) {
    plant.database.createTable({
      ...shared,
      name: spelt(table),
      generated: { rows: Number(count), row },
    });
  }
  for (const { table } of STRATEGIES[product]) {
    const stamp = table === "po_stamped" ? [{ name: "stamp", type: "rowversion" }] : [];
    const marker = stamp.length > 0 ? ["stamp"] : [spelt("changed")];
    plant.database.createTable({
      ...shared,
      name: spelt(table),
      columns: [...shared.columns, ...stamp],
      indexes: [{ columns: marker }],
    });
    fill(table);
  }
}

function fill(table: string): void {
  const names = columnsOf(product).map((column) => column.name);
  for (let from = 0; from < rows; from += ROWS_PER_WRITE) {
    const count = Math.min(ROWS_PER_WRITE, rows - from);
    const values = Array.from({ length: count }, (_, at) => rowAt(product, from + at));
    plant.database.insert(
      spelt(table),
      ...values.map((row) => Object.fromEntries(row.map((value, at) => [names[at]!, value]))),
    );
  }
}

/** After the rows are there: what a feed holds at first is nothing. */
async function offerFeeds(): Promise<void> {
  if (plant instanceof Plant) {
    plant.track("po_tracked");
    plant.capture("po_captured");
  } else {
    await plant.sql("CREATE MATERIALIZED VIEW LOG ON po_logged WITH PRIMARY KEY");
    plant.database.rights.grant("READER", "FLASHBACK", "PLANT.PO_PAST");
  }
}

function spelt(text: string): string {
  return product === "oracle" ? text.toUpperCase() : text;
}

async function change(table: string): Promise<void> {
  for (let from = 0; from < rows; from += ROWS_PER_WRITE) {
    const now = new Date().toISOString().slice(0, 23).replace("T", " ");
    await plant.sql(
      `UPDATE ${table} SET status = 'CHANGED', changed = '${now}' WHERE id > ${from} AND id <= ${from + ROWS_PER_WRITE}`,
    );
  }
}

function load(): ServerLoad {
  const { log } = plant.database;
  const { user, system } = process.cpuUsage();
  return {
    type: "load",
    statements: log.count,
    rowsRead: log.rowsRead,
    texts: log.statements.slice(0, MAX_TEXTS).map(({ text }) => text),
    cpuMs: (user + system) / 1_000,
  };
}

async function handle(message: ToSqlServer): Promise<void> {
  if (message.type === "forget") {
    plant.database.log.clear();
    say({ type: "forgotten" });
  } else if (message.type === "load") say(load());
  else {
    await change(message.table);
    say({ type: "changed" });
  }
}

function say(message: FromSqlServer): void {
  process.send?.(message);
}

createTables();
await offerFeeds();
process.on("message", (message: ToSqlServer) => {
  handle(message).catch((error: unknown) => say({ type: "failed", message: String(error) }));
});
process.once("disconnect", () => process.exit(0));
say({ type: "ready", settings: plant.settings() });
