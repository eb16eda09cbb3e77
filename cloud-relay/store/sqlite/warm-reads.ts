// Small reads that are asked again and again between writes: by the writer's connection, whose cache a commit leaves as it is.
import type Database from "better-sqlite3";

/**
 * See what is committed, and nothing else: while a transaction is open the reader answers, which has to read all pages anew after
 * every commit. For statements that read a few rows; long ones would hold writers up.
 */
export class WarmReads {
  readonly #writer: Database.Database;
  readonly #reader: Database.Database;
  readonly #inWriter: Together;
  readonly #inReader: Together;
  /** While several are read together: by the writer? */
  #isChosen: boolean | undefined;

  constructor(writer: Database.Database, reader: Database.Database) {
    this.#writer = writer;
    this.#reader = reader;
    this.#inWriter = writer.transaction((work: () => unknown) => work());
    this.#inReader = reader.transaction((work: () => unknown) => work());
  }

  prepare<Row>(sql: string): WarmStatement<Row> {
    const warm = this.#writer.prepare<unknown[], Row>(sql);
    const cold = this.#reader.prepare<unknown[], Row>(sql);
    const chosen = (): typeof warm => (this.#isWarm ? warm : cold);
    return { get: (...values) => chosen().get(...values), all: (...values) => chosen().all(...values) };
  }

  /** Many statements as of one moment: the locks and the cache of one. `work` is synchronous. */
  together<Value>(work: () => Value): Value {
    const isWarm = this.#isWarm;
    this.#isChosen = isWarm;
    try {
      return (isWarm ? this.#inWriter : this.#inReader)(work) as Value;
    } finally {
      this.#isChosen = undefined;
    }
  }

  get #isWarm(): boolean {
    return this.#isChosen ?? !this.#writer.inTransaction;
  }
}

type Together = (work: () => unknown) => unknown;

export interface WarmStatement<Row> {
  get(...values: readonly unknown[]): Row | undefined;
  all(...values: readonly unknown[]): Row[];
}
