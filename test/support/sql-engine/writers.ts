// Random writers with random transaction lengths: rows come, change and go, and some transactions commit long after others.
import type { Database } from "./database.ts";
import { DatabaseError, type DbValue } from "./session.ts";
import type { RowValues, WriterTransaction } from "./writer-transaction.ts";

export interface WriterSettings {
  readonly database: Database;
  /** Has a primary key of one column, whole numbers. */
  readonly table: string;
  readonly key: string;
  /** The other columns of a row that is written; `step` grows with every write. */
  readonly values: (step: number) => RowValues;
  /** 0 ≤ x < 1, from a seed: the same seed writes the same. */
  readonly random: () => number;
  /** Transactions open at once, at most. Default 4. */
  readonly maxOpen?: number;
  /** Keys are taken from 1 to this. Default 50. */
  readonly keys?: number;
  /** Share of transactions that are rolled back. Default 0.1. */
  readonly rollbacks?: number;
  /** Steps that a transaction stays open, at most. Default 12. */
  readonly maxSteps?: number;
}

interface OpenWriter {
  readonly transaction: WriterTransaction;
  stepsLeft: number;
}

/** A number generator from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class RandomWriters {
  /** Writes so far; those that were in each other's way do not count. */
  writes = 0;
  commits = 0;
  /** Commits of transactions that had begun before another one that committed earlier. */
  lateCommits = 0;
  readonly #settings: WriterSettings;
  readonly #open: OpenWriter[] = [];
  #step = 0;
  #newestCommitted = 0;

  constructor(settings: WriterSettings) {
    this.#settings = settings;
  }

  get openTransactions(): number {
    return this.#open.length;
  }

  /** One small thing: begins, writes, commits or rolls back. */
  step(): void {
    const { database, random, maxOpen = 4, maxSteps = 12 } = this.#settings;
    this.#step += 1;
    if (this.#open.length < maxOpen && (this.#open.length === 0 || random() < 0.4)) {
      this.#open.push({ transaction: database.begin(), stepsLeft: 1 + Math.floor(random() * maxSteps) });
    }
    const writer = this.#open[Math.floor(random() * this.#open.length)]!;
    writer.stepsLeft -= 1;
    if (writer.stepsLeft < 0) this.#end(writer);
    else this.#write(writer.transaction);
  }

  steps(count: number): void {
    for (let left = count; left > 0; left -= 1) this.step();
  }

  /** Ends what is open, in a random order. */
  finish(): void {
    while (this.#open.length > 0)
      this.#end(this.#open[Math.floor(this.#settings.random() * this.#open.length)]!);
  }

  #end(writer: OpenWriter): void {
    const at = this.#open.indexOf(writer);
    this.#open.splice(at, 1);
    const { random, rollbacks = 0.1 } = this.#settings;
    if (random() < rollbacks) {
      writer.transaction.rollback();
      return;
    }
    writer.transaction.commit();
    this.commits += 1;
    const { id } = writer.transaction.transaction;
    if (id < this.#newestCommitted) this.lateCommits += 1;
    this.#newestCommitted = Math.max(this.#newestCommitted, id);
  }

  #write(transaction: WriterTransaction): void {
    const { table, key, values, random, keys = 50 } = this.#settings;
    const where: Record<string, DbValue> = { [key]: this.#keyValue(1 + Math.floor(random() * keys)) };
    const choice = random();
    try {
      if (choice < 0.25) {
        if (transaction.delete(table, where) > 0) this.writes += 1;
        return;
      }
      const row = values(this.#step);
      if (transaction.update(table, where, row) === 0) transaction.insert(table, { ...where, ...row });
      this.writes += 1;
    } catch (error) {
      // Another writer is at this row, or was before this one's snapshot: next time another row.
      if (!(error instanceof DatabaseError) || ![1222, 54, 2627, 2601, 1].includes(error.number)) throw error;
    }
  }

  #keyValue(number: number): DbValue {
    return this.#settings.database.dialect === "oracle" ? String(number) : number;
  }
}
