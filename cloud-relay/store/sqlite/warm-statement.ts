// A small read that is asked again and again between writes: by the writer's connection, whose cache a commit leaves as it is.
import type Database from "better-sqlite3";

/**
 * Sees what is committed, and nothing else: while a transaction is open the reader answers, which has to read all pages anew
 * after every commit. For statements that read a few rows; long ones would hold writers up.
 */
export class WarmStatement<Row> {
  readonly #writer: Database.Database;
  readonly #warm: Database.Statement<unknown[], Row>;
  readonly #cold: Database.Statement<unknown[], Row>;

  constructor(writer: Database.Database, reader: Database.Database, sql: string) {
    this.#writer = writer;
    this.#warm = writer.prepare(sql);
    this.#cold = reader.prepare(sql);
  }

  get(...values: readonly unknown[]): Row | undefined {
    return this.#statement.get(...values);
  }

  all(...values: readonly unknown[]): Row[] {
    return this.#statement.all(...values);
  }

  get #statement(): Database.Statement<unknown[], Row> {
    return this.#writer.inTransaction ? this.#cold : this.#warm;
  }
}
