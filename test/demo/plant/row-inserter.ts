// Fills tables of the demo plant fast, and gives each row its stamp.
import type { Database, Statement } from "better-sqlite3";
import type { Row } from "./plant-rows.ts";
import { STAMPED_TABLES, type PlantTable } from "./schema.ts";

/** Inserts rows by prepared statements, one for each table, and gives stamps in the order of insertion. */
export class RowInserter {
  readonly #db: Database;
  readonly #statements = new Map<
    string,
    { statement: Statement; columns: readonly string[]; isStamped: boolean }
  >();
  #stamp = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  insert(table: PlantTable, row: Row): void {
    let known = this.#statements.get(table);
    if (known === undefined) {
      const columns = Object.keys(row);
      const isStamped = (STAMPED_TABLES as readonly string[]).includes(table);
      const names = isStamped ? [...columns, "ROWSTAMP"] : columns;
      const statement = this.#db.prepare(
        `INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
      );
      known = { statement, columns, isStamped };
      this.#statements.set(table, known);
    }
    const values: unknown[] = known.columns.map((column) => row[column] ?? null);
    if (known.isStamped) {
      this.#stamp += 1;
      values.push(this.#stamp);
    }
    known.statement.run(values);
  }

  /** The sequence goes on where the seed ended. */
  finish(): void {
    this.#db.prepare("UPDATE MAXSEQ SET VALUE = ?").run(this.#stamp);
  }
}
