// The benchmarks' source: one flat table of purchase orders, some 300 bytes a row, followed by a counter column.
import Database from "better-sqlite3";

export const TABLE = "PO";
const STATUSES = ["WAPPR", "APPR", "INPRG", "CLOSE"];
const BATCH_ROWS = 50_000;

/** Maps every column of the table; rows that change are found by ROWSTAMP. */
export const BENCH_PACK = `name: bench
system: Bench ERP
defaults: { timestamps: utc, poll: 100ms, reconcile: 12h }
entities:
  purchase_order:
    table: ${TABLE}
    key: PONUM
    changes: { by: counter, column: ROWSTAMP }
    version: ROWSTAMP
    updated_at: CHANGEDATE
    fields:
      number: PONUM
      description: DESCRIPTION
      status:
        column: STATUS
        map: { WAPPR: pending_approval, APPR: approved, INPRG: sent, CLOSE: closed }
      buyer: PURCHASEAGENT
      order_date: ORDERDATE
      required_date: REQUIREDDATE
      currency: CURRENCYCODE
      total: TOTALCOST
      payment_terms: PAYMENTTERMS
      ship_to: SHIPTO
    custom_fields: ["ACME_*"]
`;

export class BenchSource implements Disposable {
  readonly file: string;
  readonly #db: Database.Database;
  readonly #touch: Database.Statement<[string, number, string, number, number]>;
  #stamp: number;

  private constructor(file: string) {
    this.file = file;
    this.#db = new Database(file, { timeout: 30_000 });
    this.#db.pragma("journal_mode = WAL");
    this.#db.pragma("synchronous = OFF");
    this.#db.pragma("cache_size = -8192");
    this.#db
      .exec(`CREATE TABLE IF NOT EXISTS ${TABLE} (PONUM TEXT PRIMARY KEY NOT NULL, N INTEGER NOT NULL UNIQUE, DESCRIPTION TEXT,
      STATUS TEXT, PURCHASEAGENT TEXT, ORDERDATE TEXT, REQUIREDDATE TEXT, CURRENCYCODE TEXT, TOTALCOST NUMERIC,
      PAYMENTTERMS TEXT, SHIPTO TEXT, CHANGEDATE TEXT, ACME_PROJECT TEXT, ROWSTAMP INTEGER NOT NULL);
      CREATE INDEX IF NOT EXISTS PO_STAMP ON ${TABLE} (ROWSTAMP)`);
    this.#touch = this.#db.prepare(
      `UPDATE ${TABLE} SET STATUS = ?, ROWSTAMP = ? + N, CHANGEDATE = ? WHERE N >= ? AND N < ?`,
    );
    this.#stamp = Number(this.#db.prepare(`SELECT coalesce(max(ROWSTAMP), 0) FROM ${TABLE}`).pluck().get());
  }

  /** One that is there already, for another process. */
  static open(file: string): BenchSource {
    return new BenchSource(file);
  }

  static create(file: string, rows: number): BenchSource {
    const source = new BenchSource(file);
    source.add(rows);
    return source;
  }

  /** Appends rows, numbered from those that are there. */
  add(rows: number): void {
    const insert = this.#db.prepare(`INSERT INTO ${TABLE} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    const first = Number(this.#db.prepare(`SELECT count(*) FROM ${TABLE}`).pluck().get());
    const write = this.#db.transaction((from: number, to: number) => {
      for (let n = from; n < to; n += 1) insert.run(...row(n, (this.#stamp += 1)));
    });
    for (let from = first; from < first + rows; from += BATCH_ROWS) {
      write(from, Math.min(from + BATCH_ROWS, first + rows));
    }
  }

  /** Changes rows `from` … `from + count - 1` in one transaction. */
  touch(from: number, count: number): void {
    const status = STATUSES[this.#stamp % STATUSES.length] ?? "";
    // Each row keeps its place among the new stamps.
    const next = this.#stamp + 1;
    this.#touch.run(status, next - from, new Date().toISOString().slice(0, 23), from, from + count);
    this.#stamp += count;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

export function purchaseOrderNumber(n: number): string {
  return `PO-${String(Math.imul(n, 2_654_435_761) >>> 0).padStart(10, "0")}`;
}

function row(n: number, stamp: number): readonly (string | number)[] {
  const day = `2026-${String((n % 12) + 1).padStart(2, "0")}-${String((n % 28) + 1).padStart(2, "0")}`;
  return [
    purchaseOrderNumber(n),
    n,
    `Bearings, seals and gear oil for the conveyor of line ${n % 40}, call-off ${n}`,
    STATUSES[n % STATUSES.length] ?? "",
    `buyer.${n % 60}@plant.example`,
    `${day} 08:30:00`,
    day,
    "EUR",
    `${n % 10_000}.50`,
    "30 days net",
    `Receiving dock ${n % 8}, Bedford`,
    `${day}T08:30:00.000`,
    `LINE-${n % 40}`,
    stamp,
  ];
}
