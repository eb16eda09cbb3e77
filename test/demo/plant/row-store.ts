// Picks and writes rows of the demo plant by prepared statements.
import type { Database, Statement } from "better-sqlite3";
import type { Row } from "./plant-rows.ts";
import type { Random } from "./random.ts";
import type { PlantTable } from "./schema.ts";

export class RowStore {
  readonly #db: Database;
  readonly #random: Random;
  readonly #statements = new Map<string, Statement>();
  readonly #given = new Map<string, number>();

  constructor(db: Database, random: Random) {
    this.#db = db;
    this.#random = random;
  }

  /** A random row: the first that fits from a random place on, or else from the start. */
  pick(table: PlantTable, condition = "1"): Row | undefined {
    const last = Number(this.all(`SELECT max(rowid) AS LAST FROM ${table}`, [])[0]?.["LAST"] ?? 0);
    const sql = `SELECT rowid AS ROW_ID, * FROM ${table} WHERE rowid >= ? AND (${condition}) ORDER BY rowid LIMIT 1`;
    return this.all(sql, [this.#random.int(1, Math.max(1, last))])[0] ?? this.all(sql, [0])[0];
  }

  count(table: PlantTable): number {
    return Number(this.all(`SELECT count(*) AS COUNT FROM ${table}`, [])[0]?.["COUNT"]);
  }

  /** Numbers are not given twice, even after a delete of the highest. */
  nextNumber(table: PlantTable, column: string): number {
    const highest = this.all(
      `SELECT max(CAST(ltrim(${column}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') AS INTEGER)) AS HIGHEST FROM ${table}`,
      [],
    )[0]?.["HIGHEST"];
    const next = Math.max(Number(highest), this.#given.get(table) ?? 0) + 1;
    this.#given.set(table, next);
    return next;
  }

  set(table: PlantTable, row: Row | undefined, values: Row): boolean {
    if (row === undefined) return false;
    const columns = Object.keys(values);
    this.run(`UPDATE ${table} SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE rowid = ?`, [
      ...Object.values(values),
      row["ROW_ID"] ?? row["POLINEID"],
    ]);
    return true;
  }

  insert(table: PlantTable, row: Row): void {
    const columns = Object.keys(row);
    const sql = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
    this.run(sql, Object.values(row));
  }

  delete(table: PlantTable, row: Row | undefined): boolean {
    if (row === undefined) return false;
    this.run(`DELETE FROM ${table} WHERE rowid = ?`, [row["ROW_ID"] ?? row["POLINEID"]]);
    return true;
  }

  run(sql: string, values: readonly unknown[]): void {
    this.#prepared(sql).run(values);
  }

  all(sql: string, values: readonly unknown[]): readonly Row[] {
    return this.#prepared(sql).all(values) as Row[];
  }

  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
