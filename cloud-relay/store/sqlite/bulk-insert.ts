// Inserts many rows by few statements: a statement of several rows costs two thirds of one for each.
import type Database from "better-sqlite3";

/** Measured: 10 to 50 rows a statement are equally good. */
const ROWS = 20;

export class BulkInsert {
  readonly #one: Database.Statement;
  readonly #many: Database.Statement;
  readonly #columns: number;

  /** `head` is everything before VALUES, `tail` everything after; every row binds `columns` values. */
  constructor(db: Database.Database, head: string, columns: number, tail = "") {
    const row = `(${Array.from({ length: columns }, () => "?").join(", ")})`;
    this.#columns = columns;
    this.#one = db.prepare(`${head} VALUES ${row} ${tail}`);
    this.#many = db.prepare(`${head} VALUES ${Array.from({ length: ROWS }, () => row).join(", ")} ${tail}`);
  }

  /** `values` of all rows, one after the other. */
  run(values: readonly unknown[]): void {
    const chunk = ROWS * this.#columns;
    let at = 0;
    for (; at + chunk <= values.length; at += chunk) this.#many.run(values.slice(at, at + chunk));
    for (; at < values.length; at += this.#columns) this.#one.run(values.slice(at, at + this.#columns));
  }
}
