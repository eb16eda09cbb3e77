// SQL Server's Change Tracking: which keys changed in which version, net of what happened in between.
import { virtualTable } from "./catalogue-kit.ts";
import { comparableText } from "./comparison.ts";
import { BIGINT } from "./function-kit.ts";
import type { Row } from "./rows.ts";
import type { Run, VirtualTable } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import type { Storage, StorageListener } from "./storage.ts";
import type { Table } from "./table.ts";
import type { Transaction, Write } from "./transaction.ts";

interface TrackedChange {
  readonly version: bigint;
  /** The commit of the database that it belongs to: snapshots see changes up to theirs. */
  readonly commit: number;
  readonly operation: "I" | "U" | "D";
  readonly keyText: string;
  readonly key: Row;
  readonly columns: readonly number[];
}

interface TrackedTable {
  /** Versions below are no longer valid to start from. */
  minValid: bigint;
  readonly beginVersion: bigint;
  readonly columnsUpdated: boolean;
  changes: TrackedChange[];
}

export class ChangeTracking implements StorageListener {
  isOn = false;
  #version = 0n;
  /** `[version, commit]` of tracked commits, in order. */
  readonly #commits: (readonly [bigint, number])[] = [];
  readonly #tables = new Map<Table, TrackedTable>();
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
    storage.listeners.push(this);
  }

  get version(): bigint {
    return this.#version;
  }

  /** For the whole database, as ALTER DATABASE … SET CHANGE_TRACKING = ON. */
  enable(): void {
    this.isOn = true;
  }

  disable(): void {
    if (this.#tables.size > 0)
      throw new DatabaseError(22_115, "Change tracking is enabled for one or more tables in the database.");
    this.isOn = false;
  }

  enableTable(table: Table, columnsUpdated = false): void {
    if (!this.isOn) throw new DatabaseError(5088, "Change tracking is not enabled on the database.");
    if (table.primaryKey === undefined) {
      throw new DatabaseError(
        4997,
        `Cannot enable change tracking on table '${table.name}'. Change tracking requires a primary key on the table.`,
      );
    }
    const beginVersion = this.#version;
    this.#tables.set(table, { minValid: beginVersion, beginVersion, columnsUpdated, changes: [] });
  }

  disableTable(table: Table): void {
    this.#tables.delete(table);
  }

  isTracked(table: Table): boolean {
    return this.#tables.has(table);
  }

  /** As the clean-up does once the retention has passed: changes up to `version` are forgotten. Default: all so far. */
  cleanUp(version = this.#version): void {
    for (const tracked of this.#tables.values()) {
      tracked.changes = tracked.changes.filter((change) => change.version > version);
      if (version > tracked.minValid) tracked.minValid = version;
    }
  }

  save(): () => void {
    const version = this.#version;
    const commits = this.#commits.length;
    const copy = (tracked: TrackedTable): TrackedTable => ({ ...tracked, changes: [...tracked.changes] });
    const tables = new Map([...this.#tables].map(([table, tracked]) => [table, copy(tracked)]));
    return () => {
      this.#version = version;
      this.#commits.length = commits;
      this.#tables.clear();
      for (const [table, tracked] of tables) this.#tables.set(table, copy(tracked));
    };
  }

  onTruncate(table: Table): void {
    const tracked = this.#tables.get(table);
    if (tracked === undefined) return;
    this.#version += 1n;
    this.#commits.push([this.#version, this.#storage.commitClock]);
    tracked.changes = [];
    tracked.minValid = this.#version;
  }

  onDrop(table: Table): void {
    this.#tables.delete(table);
  }

  onCommit(transaction: Transaction, commit: number): void {
    if (!this.isOn) return;
    const writes = transaction.writes.filter(({ table }) => this.#tables.has(table));
    if (writes.length === 0) return;
    this.#version += 1n;
    this.#commits.push([this.#version, commit]);
    for (const write of writes) this.#track(write, commit);
  }

  #track(write: Write, commit: number): void {
    const { table, before, after, operation, changed } = write;
    const tracked = this.#tables.get(table)!;
    const add = (kind: "I" | "U" | "D", values: Row): void => {
      const index = table.primaryKey!;
      const places = index.places.slice(0, index.definition.columns.length);
      const keyText = comparableText(table.keyOf(index, values));
      const key = places.map((place) => values[place]!);
      const columns = kind === "U" ? changed : [];
      tracked.changes.push({ version: this.#version, commit, operation: kind, keyText, key, columns });
    };
    const keyOf = (values: Row): string => comparableText(table.keyOf(table.primaryKey!, values));
    if (operation === "insert") add("I", after!);
    else if (operation === "delete") add("D", before!);
    else if (keyOf(before!) === keyOf(after!)) add("U", after!);
    else {
      // A changed key is a delete and an insert.
      add("D", before!);
      add("I", after!);
    }
  }

  /** The last version that the run's snapshot sees. Null where tracking is off. */
  currentVersion(run: Run): bigint | null {
    if (!this.isOn) return null;
    const upTo = run.view.commit;
    let found = 0n;
    for (let at = this.#commits.length - 1; at >= 0; at -= 1) {
      const [version, commit] = this.#commits[at]!;
      if (commit <= upTo) {
        found = version;
        break;
      }
    }
    return found;
  }

  minValidVersion(table: Table | undefined): bigint | null {
    const tracked = table === undefined ? undefined : this.#tables.get(table);
    return tracked?.minValid ?? null;
  }

  *tableRecords(): Generator<Readonly<Record<string, DbValue>>> {
    for (const [table, tracked] of this.#tables) {
      yield {
        object_id: table.objectId,
        is_track_columns_updated_on: tracked.columnsUpdated,
        begin_version: tracked.beginVersion,
        cleanup_version: tracked.minValid,
        min_valid_version: tracked.minValid,
      };
    }
  }

  /** `CHANGETABLE(CHANGES t, since)`. @throws DatabaseError 22105 where the table is not tracked */
  changes(table: Table, since: DbValue | undefined, run: Run): VirtualTable {
    const tracked = this.#tables.get(table);
    if (tracked === undefined)
      throw new DatabaseError(22_105, `Change tracking is not enabled on table '${table.name}'.`);
    const from = since === null || since === undefined ? -1n : BigInt(String(since));
    return virtualTable(changeColumns(table), () => this.#netChanges(table, tracked, from, run));
  }

  *#netChanges(
    table: Table,
    tracked: TrackedTable,
    since: bigint,
    run: Run,
  ): Generator<Readonly<Record<string, DbValue>>> {
    const net = new Map<
      string,
      { creation: bigint | undefined; last: TrackedChange; columns: Set<number> }
    >();
    for (const change of tracked.changes) {
      if (change.version <= since || change.commit > run.view.commit) continue;
      const known = net.get(change.keyText);
      const creation = change.operation === "I" ? change.version : known?.creation;
      const columns = known?.columns ?? new Set<number>();
      for (const place of change.columns) columns.add(place);
      net.set(change.keyText, { creation, last: change, columns });
    }
    const names = table.primaryKey!.definition.columns;
    for (const { creation, last, columns } of net.values()) {
      const isDeleted = last.operation === "D";
      const operation = isDeleted ? "D" : creation === undefined ? "U" : "I";
      const record: Record<string, DbValue> = {
        SYS_CHANGE_VERSION: last.version,
        SYS_CHANGE_CREATION_VERSION: isDeleted ? null : (creation ?? null),
        SYS_CHANGE_OPERATION: operation,
        SYS_CHANGE_COLUMNS: tracked.columnsUpdated && operation === "U" ? columnMask([...columns]) : null,
      };
      for (const [at, name] of names.entries()) record[name] = last.key[at]!;
      yield record;
    }
  }
}

/** Column ids, four bytes each, as the product lays them out. */
function columnMask(places: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 + places.length * 4);
  const data = new DataView(bytes.buffer);
  for (const [at, place] of places.entries()) data.setUint32(4 + at * 4, place + 1, true);
  return bytes;
}

function changeColumns(table: Table): Readonly<Record<string, DbType>> {
  const columns: Record<string, DbType> = {
    SYS_CHANGE_VERSION: BIGINT,
    SYS_CHANGE_CREATION_VERSION: BIGINT,
    SYS_CHANGE_OPERATION: { kind: "nchar", length: 1 },
    SYS_CHANGE_COLUMNS: { kind: "varbinary", length: 4100 },
    SYS_CHANGE_CONTEXT: { kind: "varbinary", length: 128 },
  };
  for (const name of table.primaryKey!.definition.columns)
    columns[name] = table.columns[table.place(name)]!.type;
  return columns;
}
