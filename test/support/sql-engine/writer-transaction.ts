// A transaction in the hands of a test: writes rows without SQL, stays open as long as the test wants, commits late.
import { DatabaseError, type DbValue } from "./session.ts";
import { BlockedBy } from "./rows.ts";
import type { Storage } from "./storage.ts";
import { placeIn, type TableWriter } from "./table-writer.ts";
import type { Transaction } from "./transaction.ts";

export type RowValues = Readonly<Record<string, DbValue>>;

export class WriterTransaction {
  /** For looking at ids; finish it by `commit` or `rollback`. */
  readonly transaction: Transaction;
  readonly #storage: Storage;
  readonly #writer: TableWriter;

  constructor(storage: Storage, writer: TableWriter) {
    this.#storage = storage;
    this.#writer = writer;
    this.transaction = storage.begin();
  }

  /** `table` as `table` or `schema.table`. @throws DatabaseError; 1222 / ORA-00054 at once where another writer is in the way */
  insert(table: string, ...rows: readonly RowValues[]): void {
    const target = this.#storage.table(table);
    this.#statement(() => {
      for (const row of rows) {
        const given: (DbValue | undefined)[] = target.columns.map(() => undefined);
        for (const [name, value] of Object.entries(row)) given[placeIn(target, name)] = value;
        this.#writer.insert(this.transaction, target, given);
      }
    });
  }

  /** Changes every row that has these values. Gives how many there were. */
  update(table: string, where: RowValues, changes: RowValues): number {
    const target = this.#storage.table(table);
    return this.#statement(() => {
      const found = this.#writer.find(this.transaction, target, where);
      const values = new Map(
        Object.entries(changes).map(([name, value]) => [placeIn(target, name), value] as const),
      );
      for (const row of found) this.#writer.update(this.transaction, target, row, values);
      return found.length;
    });
  }

  delete(table: string, where: RowValues): number {
    const target = this.#storage.table(table);
    return this.#statement(() => {
      const found = this.#writer.find(this.transaction, target, where);
      for (const row of found) this.#writer.delete(this.transaction, target, row);
      return found.length;
    });
  }

  /** Keeps every other reader and writer out of the table until this transaction ends. */
  lockTable(table: string): void {
    this.#storage.tableLocks.set(this.#storage.table(table), this.transaction);
  }

  commit(): void {
    this.#storage.commit(this.transaction);
  }

  rollback(): void {
    this.#storage.rollback(this.transaction);
  }

  #statement<T>(work: () => T): T {
    const mark = this.transaction.writes.length;
    this.transaction.statementRowversion = undefined;
    try {
      return work();
    } catch (error) {
      this.#storage.rollbackTo(this.transaction, mark);
      if (!(error instanceof BlockedBy)) throw error;
      throw this.#storage.options.dialect === "oracle"
        ? new DatabaseError(
            54,
            "ORA-00054: resource busy and acquire with NOWAIT specified or timeout expired",
          )
        : new DatabaseError(1222, "Lock request time out period exceeded.");
    }
  }
}
