// A table whose rows are made by a function of their place in key order: millions of rows, nothing stored.
import type { RowRecord, RowVersion } from "./rows.ts";
import { DatabaseError, type DbValue } from "./session.ts";
import { type Key, type KeyBound, rangeWithin } from "./sorted-index.ts";
import { type Column, type ReadableIndex, Table, type TableIdentity, type TableRules } from "./table.ts";
import type { Transaction } from "./transaction.ts";

export interface RowGenerator {
  readonly rows: number;
  /** The values of the row at a place, 0 to `rows` - 1, in the types of the columns. Keys must grow with the place. */
  readonly row: (place: number) => readonly DbValue[];
  readonly key: readonly string[];
}

export class GeneratedTable extends Table {
  readonly #generator: RowGenerator;
  readonly #index: ReadableIndex;

  constructor(
    identity: TableIdentity,
    columns: readonly Column[],
    rules: TableRules,
    generator: RowGenerator,
  ) {
    super(identity, columns, rules);
    this.#generator = generator;
    const places = generator.key.map((name) => this.place(name));
    if (places.includes(-1)) throw new DatabaseError(207, `no such key column in ${this.label}`);
    const definition = {
      name: `PK_${identity.name}`,
      columns: generator.key,
      isUnique: true,
      isPrimary: true,
    };
    const keyAt = (at: number): Key => this.keyAt(places, generator.row(at));
    this.#index = {
      definition,
      places,
      range: (low: KeyBound | undefined, high: KeyBound | undefined) =>
        rangeWithin(generator.rows, keyAt, low, high, rules.nullsLast),
      versionAt: (at) => versionOf(generator.row(at)),
      recordAt: () => undefined,
    };
  }

  override get rowEstimate(): number {
    return this.#generator.rows;
  }

  override get readableIndexes(): readonly ReadableIndex[] {
    return [this.#index];
  }

  override *records(): Generator<RowRecord> {
    for (let at = 0; at < this.#generator.rows; at += 1) {
      const versions = [versionOf(this.#generator.row(at))];
      yield { id: at, versions, lockedBy: undefined, block: { commit: 0 } };
    }
  }
}

function versionOf(values: readonly DbValue[]): RowVersion {
  return { values, keys: [], commit: 0, writer: NOBODY, sequence: 0 };
}

/** These rows were always there. */
const NOBODY = undefined as unknown as Transaction;
