// Keys in order, found by binary search: of stored rows, or of rows that a function makes.
import { type Comparable, compare } from "./comparison.ts";
import type { RowRecord } from "./rows.ts";

export type Key = readonly Comparable[];

/** Of an index scan: inclusive or exclusive bounds on a prefix of the key. */
export interface KeyBound {
  readonly values: Key;
  readonly isInclusive: boolean;
}

export interface IndexEntry {
  readonly key: Key;
  readonly row: RowRecord;
}

export interface IndexDefinition {
  readonly name: string;
  readonly columns: readonly string[];
  readonly isUnique: boolean;
  readonly isPrimary: boolean;
}

export function compareKeys(left: Key, right: Key, length: number, nullsLast: boolean): number {
  for (let at = 0; at < length; at += 1) {
    const a = left[at]!;
    const b = right[at]!;
    const order = nullsLast && (a === null) !== (b === null) ? (a === null ? 1 : -1) : compare(a, b);
    if (order !== 0) return order;
  }
  return 0;
}

/** First place whose key does not come before the bound (`isInclusive`) or comes behind it. */
function placeOf(
  size: number,
  keyAt: (at: number) => Key,
  bound: KeyBound,
  isBehind: boolean,
  nullsLast: boolean,
): number {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareKeys(keyAt(middle), bound.values, bound.values.length, nullsLast);
    if (isBehind ? order <= 0 : order < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** `[from, to)` of the places within the bounds. */
export function rangeWithin(
  size: number,
  keyAt: (at: number) => Key,
  low: KeyBound | undefined,
  high: KeyBound | undefined,
  nullsLast: boolean,
): readonly [number, number] {
  const from = low === undefined ? 0 : placeOf(size, keyAt, low, !low.isInclusive, nullsLast);
  const to = high === undefined ? size : placeOf(size, keyAt, high, high.isInclusive, nullsLast);
  return [from, Math.max(from, to)];
}

/** Holds an entry for every key that any kept version of a row has. */
export class SortedIndex {
  readonly definition: IndexDefinition;
  /** Places of its columns in the row; behind them those of the primary key, so that entries are in a total order. */
  readonly places: readonly number[];
  readonly nullsLast: boolean;
  readonly #entries: IndexEntry[] = [];

  constructor(definition: IndexDefinition, places: readonly number[], nullsLast: boolean) {
    this.definition = definition;
    this.places = places;
    this.nullsLast = nullsLast;
  }

  get size(): number {
    return this.#entries.length;
  }

  entry(at: number): IndexEntry {
    return this.#entries[at]!;
  }

  range(low: KeyBound | undefined, high: KeyBound | undefined): readonly [number, number] {
    return rangeWithin(this.#entries.length, (at) => this.#entries[at]!.key, low, high, this.nullsLast);
  }

  add(key: Key, row: RowRecord): void {
    const entries = this.#entries;
    const last = entries.at(-1);
    if (last === undefined || this.#order(last, key, row) < 0) entries.push({ key, row });
    else entries.splice(this.#place(key, row), 0, { key, row });
  }

  remove(key: Key, row: RowRecord): void {
    const at = this.#place(key, row);
    if (this.#entries[at]?.row === row) this.#entries.splice(at, 1);
  }

  clear(): void {
    this.#entries.length = 0;
  }

  #order(entry: IndexEntry, key: Key, row: RowRecord): number {
    return compareKeys(entry.key, key, this.places.length, this.nullsLast) || entry.row.id - row.id;
  }

  #place(key: Key, row: RowRecord): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#order(this.#entries[middle]!, key, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
