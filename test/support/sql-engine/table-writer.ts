// Inserts, updates and deletes of single rows, as any statement or test does them: defaults, checks, locks, versions.
import { GeneratedTable } from "./generated-table.ts";
import { BlockedBy, type Row, type RowRecord, type RowVersion, type View, visibleVersion } from "./rows.ts";
import { DatabaseError, type DbValue } from "./session.ts";
import type { Storage } from "./storage.ts";
import type { Table } from "./table.ts";
import type { Transaction, Write } from "./transaction.ts";

/** Values by place; undefined where none was given. */
export type GivenValues = readonly (DbValue | undefined)[];

export class TableWriter {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** @throws DatabaseError for nulls, doubles, values too long; BlockedBy */
  insert(transaction: Transaction, table: Table, given: GivenValues): Row {
    this.#checkLock(transaction, table);
    const values = table.columns.map((column, place) =>
      this.#filled(transaction, table, place, given[place]),
    );
    this.#checkNulls(table, values);
    this.#checkUnique(transaction, table, undefined, values);
    const row = table.newRow();
    this.#addVersion(transaction, table, row, {
      operation: "insert",
      before: undefined,
      after: values,
      changed: [],
    });
    return values;
  }

  /** `row` is seen by the writer with these `before` values. */
  update(transaction: Transaction, table: Table, row: RowRecord, changes: ReadonlyMap<number, DbValue>): Row {
    const before = this.#own(transaction, table, row);
    const values = [...before];
    for (const [place, value] of changes) values[place] = this.#storage.fit(value, table.columns[place]!);
    for (const [place, column] of table.columns.entries()) {
      if (column.type.kind === "rowversion") values[place] = this.#rowversion(transaction);
    }
    this.#checkNulls(table, values);
    this.#checkUnique(transaction, table, row, values);
    const changed = [...changes.keys()];
    this.#addVersion(transaction, table, row, { operation: "update", before, after: values, changed });
    return values;
  }

  delete(transaction: Transaction, table: Table, row: RowRecord): Row {
    const before = this.#own(transaction, table, row);
    this.#addVersion(transaction, table, row, { operation: "delete", before, after: undefined, changed: [] });
    return before;
  }

  /** The rows that have these values, as the transaction sees them. */
  find(transaction: Transaction, table: Table, key: Readonly<Record<string, DbValue>>): readonly RowRecord[] {
    const view: View = { commit: this.#storage.commitClock, transaction, mode: "snapshot" };
    const wanted = Object.entries(key).map(([name, value]) => {
      const place = placeIn(table, name);
      return { place, value: this.#storage.fit(value, table.columns[place]!) };
    });
    const found: RowRecord[] = [];
    for (const row of this.#candidates(table, wanted)) {
      const version = visibleVersion(row, view);
      if (version === undefined) continue;
      if (wanted.every(({ place, value }) => sameValue(version.values![place]!, value))) found.push(row);
    }
    return found;
  }

  /** By the primary key where all of it is given. */
  #candidates(
    table: Table,
    wanted: readonly { readonly place: number; readonly value: DbValue }[],
  ): Iterable<RowRecord> {
    const index = table.primaryKey;
    const given = index?.places.map((place) => wanted.find((one) => one.place === place));
    if (index === undefined || given === undefined || given.includes(undefined)) return table.records();
    const values: DbValue[] = table.columns.map(() => null);
    for (const { place, value } of wanted) values[place] = value;
    const bound = { values: table.keyOf(index, values), isInclusive: true };
    const [from, to] = index.range(bound, bound);
    return new Set(Array.from({ length: to - from }, (_, at) => index.entry(from + at).row));
  }

  #filled(transaction: Transaction, table: Table, place: number, value: DbValue | undefined): DbValue {
    const column = table.columns[place]!;
    if (column.type.kind === "rowversion") return this.#rowversion(transaction);
    if (column.isIdentity && value === undefined) {
      const next = table.nextIdentity;
      table.nextIdentity += 1n;
      return this.#storage.fit(next, column);
    }
    const given = value === undefined ? (column.defaultValue?.() ?? null) : value;
    const fitted = this.#storage.fit(given, column);
    if (column.isIdentity && fitted !== null && BigInt(String(fitted)) >= table.nextIdentity) {
      table.nextIdentity = BigInt(String(fitted)) + 1n;
    }
    return fitted;
  }

  #rowversion(transaction: Transaction): Uint8Array {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, this.#storage.nextRowversion(transaction));
    return bytes;
  }

  #own(transaction: Transaction, table: Table, row: RowRecord): Row {
    this.#checkLock(transaction, table);
    if (row.lockedBy !== undefined && row.lockedBy !== transaction) throw new BlockedBy(row.lockedBy);
    const newest = row.versions[0];
    const { snapshot } = transaction;
    if (snapshot !== undefined && newest?.commit !== undefined && newest.commit > snapshot) {
      throw this.#storage.options.dialect === "oracle"
        ? new DatabaseError(8177, "ORA-08177: can't serialize access for this transaction")
        : new DatabaseError(3960, "Snapshot isolation transaction aborted due to update conflict.");
    }
    if (newest?.values === undefined) throw new DatabaseError(1403, "The row is gone.");
    return newest.values;
  }

  #checkLock(transaction: Transaction, table: Table): void {
    if (table instanceof GeneratedTable)
      throw new DatabaseError(4406, `${table.label} is made by a function and cannot be written.`);
    const holder = this.#storage.tableLocks.get(table);
    if (holder !== undefined && holder !== transaction) throw new BlockedBy(holder);
  }

  #checkNulls(table: Table, values: Row): void {
    for (const [place, column] of table.columns.entries()) {
      if (column.isNullable || values[place] !== null) continue;
      throw this.#storage.options.dialect === "oracle"
        ? new DatabaseError(
            1400,
            `ORA-01400: cannot insert NULL into ("${table.schema}"."${table.name}"."${column.name}")`,
          )
        : new DatabaseError(
            515,
            `Cannot insert the value NULL into column '${column.name}', table '${table.label}'; column does not allow nulls.`,
          );
    }
  }

  #checkUnique(transaction: Transaction, table: Table, own: RowRecord | undefined, values: Row): void {
    const isOracle = this.#storage.options.dialect === "oracle";
    for (const index of table.indexes) {
      if (!index.definition.isUnique) continue;
      const length = index.definition.columns.length;
      const key = table.keyOf(index, values).slice(0, length);
      if (isOracle && key.every((part) => part === null)) continue;
      const bound = { values: key, isInclusive: true };
      const [from, to] = index.range(bound, bound);
      for (let at = from; at < to; at += 1) {
        const { row, key: found } = index.entry(at);
        if (row === own) continue;
        const [newest, older] = row.versions;
        const place = table.indexes.indexOf(index);
        const holds = (version: RowVersion | undefined): boolean =>
          version?.values !== undefined && version.keys[place] === found;
        const isForeign = row.lockedBy !== undefined && row.lockedBy !== transaction;
        if (isForeign && (holds(newest) || holds(older))) throw new BlockedBy(row.lockedBy!);
        if (holds(newest)) throw duplicate(table, index.definition, values, isOracle);
      }
    }
  }

  #addVersion(
    transaction: Transaction,
    table: Table,
    row: RowRecord,
    change: Pick<Write, "operation" | "before" | "after" | "changed">,
  ): void {
    const sequence = this.#storage.nextSequence();
    const keys = change.after === undefined ? [] : table.enterIndexes(row, change.after);
    const version: RowVersion = {
      values: change.after,
      keys,
      commit: undefined,
      writer: transaction,
      sequence,
    };
    row.versions.unshift(version);
    row.lockedBy = transaction;
    const write: Write = { table, row, version, sequence, ...change };
    transaction.writes.push(write);
    for (const listener of this.#storage.listeners) listener.onWrite?.(transaction, write);
  }
}

function duplicate(
  table: Table,
  index: { readonly name: string; readonly columns: readonly string[]; readonly isPrimary: boolean },
  values: Row,
  isOracle: boolean,
): DatabaseError {
  if (isOracle) {
    return new DatabaseError(1, `ORA-00001: unique constraint (${table.schema}.${index.name}) violated`);
  }
  const shown = index.columns.map((name) => formatValue(values[table.place(name)]!)).join(", ");
  return index.isPrimary
    ? new DatabaseError(
        2627,
        `Violation of PRIMARY KEY constraint '${index.name}'. Cannot insert duplicate key in object '${table.label}'. The duplicate key value is (${shown}).`,
        14,
      )
    : new DatabaseError(
        2601,
        `Cannot insert duplicate key row in object '${table.label}' with unique index '${index.name}'. The duplicate key value is (${shown}).`,
        14,
      );
}

function formatValue(value: DbValue): string {
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString("hex")}` : String(value ?? "<NULL>");
}

export function placeIn(table: Table, name: string): number {
  const place = table.place(name);
  if (place < 0) throw new DatabaseError(207, `Invalid column name '${name}' in ${table.label}.`);
  return place;
}

function sameValue(left: DbValue, right: DbValue): boolean {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right) === 0;
  return left === right;
}
