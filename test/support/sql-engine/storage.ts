// All tables of one database and its transactions: begin, commit, roll back, find, define.
import { convertValue, naturalType } from "./convert.ts";
import { GeneratedTable, type RowGenerator } from "./generated-table.ts";
import type { RowVersion, View } from "./rows.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import { type Column, Table, type TableRules } from "./table.ts";
import type { EngineDialect } from "./tokens.ts";
import { Transaction, type Write } from "./transaction.ts";
import { typeNamed } from "./type-parser.ts";

export interface StorageOptions {
  readonly dialect: EngineDialect;
  /** Of columns that name none (SQL Server). */
  readonly collation?: string;
  readonly nowMs?: () => number;
  /** The rows that one statement writes share a rowversion. */
  readonly sharesRowversion?: boolean;
  readonly firstCommit?: number;
}

export interface ColumnDefinition {
  readonly name: string;
  /** As in CREATE TABLE: `nvarchar(30) COLLATE Latin1_General_CS_AS`, `NUMBER(10,2)`. */
  readonly type: string | DbType;
  readonly isNullable?: boolean;
  readonly isIdentity?: boolean;
  readonly defaultValue?: () => DbValue;
  readonly defaultText?: string;
}

export interface TableDefinition {
  /** Default: `dbo`, or the owner of the Oracle database. */
  readonly schema?: string;
  readonly name: string;
  readonly columns: readonly ColumnDefinition[];
  readonly primaryKey?: readonly string[];
  readonly indexes?: readonly {
    readonly name?: string;
    readonly columns: readonly string[];
    readonly isUnique?: boolean;
  }[];
  readonly rowDependencies?: boolean;
  /** Rows that are made when they are read, in the order of the primary key; they cannot be written. */
  readonly generated?: Pick<RowGenerator, "rows" | "row">;
}

/** Given to whoever follows writes; `write` is in its transaction, which may still roll back. */
export interface StorageListener {
  onWrite?(transaction: Transaction, write: Write): void;
  onCommit?(transaction: Transaction, commit: number): void;
  /** @throws DatabaseError where it may not be */
  checkTruncate?(table: Table): void;
  onTruncate?(table: Table): void;
  onDrop?(table: Table): void;
  /** Remembers what it knows now; the function puts that back. */
  save?(): () => void;
}

const FIRST_OBJECT_ID = 245_575_913;
const FIRST_ROWVERSION = 2000n;

export class Storage {
  readonly options: StorageOptions;
  readonly tables: Table[] = [];
  readonly active = new Set<Transaction>();
  readonly listeners: StorageListener[] = [];
  /** Of the last commit: what a new snapshot sees. Oracle's SCN. */
  commitClock: number;
  /** When each commit was, for the last of them: `[commit, ms]`. */
  readonly commitTimes: (readonly [number, number])[] = [];
  lastRowversion = FIRST_ROWVERSION;
  defaultSchema: string;
  /** Table locks: whoever holds one keeps readers and writers out. */
  readonly tableLocks = new Map<Table, Transaction>();
  /** Keeps versions that no running reader needs (Oracle's undo). */
  keepsHistory: boolean;
  /** Versions of commits at or before this are gone: reading there is ORA-01555. */
  oldestKept = 0;
  #nextTransaction = 1;
  #nextObjectId = FIRST_OBJECT_ID;
  #sequence = 0;

  constructor(options: StorageOptions, defaultSchema: string) {
    this.options = options;
    this.defaultSchema = defaultSchema;
    this.commitClock = options.firstCommit ?? 1000;
    this.keepsHistory = options.dialect === "oracle";
  }

  nowMs(): number {
    return this.options.nowMs === undefined ? Date.now() : this.options.nowMs();
  }

  sameName(left: string, right: string): boolean {
    return this.options.dialect === "oracle" ? left === right : left.toLowerCase() === right.toLowerCase();
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  nextObjectId(): number {
    this.#nextObjectId += 16;
    return this.#nextObjectId;
  }

  findTable(schema: string | undefined, name: string): Table | undefined {
    const wanted = schema === undefined || schema === "" ? this.defaultSchema : schema;
    return this.tables.find(
      (table) => this.sameName(table.name, name) && this.sameName(table.schema, wanted),
    );
  }

  /** `name` as `table` or `schema.table`, in any case. @throws DatabaseError 208 / ORA-00942 */
  table(name: string): Table {
    const [first = "", second] = name.split(".");
    const [schema, bare] = second === undefined ? [this.defaultSchema, first] : [first, second];
    const folded = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase();
    const found =
      this.findTable(schema, bare) ??
      this.tables.find((table) => folded(table.name, bare) && folded(table.schema, schema));
    if (found === undefined) throw unknownObject(name, this.options.dialect);
    return found;
  }

  createTable(definition: TableDefinition): Table {
    const { options } = this;
    const schema = definition.schema ?? this.defaultSchema;
    if (this.findTable(schema, definition.name) !== undefined) {
      throw new DatabaseError(
        options.dialect === "oracle" ? 955 : 2714,
        options.dialect === "oracle"
          ? "ORA-00955: name is already used by an existing object"
          : `There is already an object named '${definition.name}' in the database.`,
      );
    }
    const key = definition.primaryKey ?? [];
    const columns = definition.columns.map((column) => this.#column(column, key));
    const rules: TableRules = {
      defaultCollation: options.dialect === "tsql" ? (options.collation ?? DEFAULT_COLLATION) : undefined,
      nullsLast: options.dialect === "oracle",
    };
    const identity = { schema, name: definition.name, objectId: this.nextObjectId() };
    const { generated } = definition;
    const table =
      generated === undefined
        ? new Table(identity, columns, rules)
        : new GeneratedTable(identity, columns, rules, { ...generated, key });
    table.rowDependencies = definition.rowDependencies ?? false;
    table.createdAtMs = this.nowMs();
    table.definedAt = this.commitClock;
    if (key.length > 0 && generated === undefined) {
      table.addIndex({ name: `PK_${definition.name}`, columns: key, isUnique: true, isPrimary: true });
    }
    for (const index of definition.indexes ?? []) {
      const name = index.name ?? `IX_${definition.name}_${index.columns.join("_")}`;
      table.addIndex({ name, columns: index.columns, isUnique: index.isUnique ?? false, isPrimary: false });
    }
    this.tables.push(table);
    return table;
  }

  dropTable(table: Table): void {
    this.tables.splice(this.tables.indexOf(table), 1);
    for (const listener of this.listeners) listener.onDrop?.(table);
  }

  truncate(table: Table): void {
    for (const listener of this.listeners) listener.checkTruncate?.(table);
    table.clear();
    this.commitClock += 1;
    for (const listener of this.listeners) listener.onTruncate?.(table);
  }

  column(definition: ColumnDefinition): Column {
    return this.#column(definition, []);
  }

  #column(definition: ColumnDefinition, key: readonly string[]): Column {
    const { name, isNullable = true, isIdentity = false, defaultValue, defaultText } = definition;
    const given = typeof definition.type === "string" ? definition.type : undefined;
    const isNotNull = given !== undefined && /\bnot\s+null\b/i.test(given);
    const type =
      given === undefined
        ? (definition.type as DbType)
        : typeNamed(given.replace(/\s*\b(?:not\s+)?null\b/i, ""), this.options.dialect);
    const inKey = key.some((part) => this.sameName(part, name));
    return {
      name,
      type,
      isNullable: isNullable && !isNotNull && !inKey && !isIdentity && type.kind !== "rowversion",
      isIdentity,
      defaultValue,
      defaultText,
    };
  }

  begin(): Transaction {
    const transaction = new Transaction(this.#nextTransaction, this.nowMs(), this.commitClock);
    this.#nextTransaction += 1;
    this.active.add(transaction);
    return transaction;
  }

  /** What a statement outside of any transaction sees now. */
  currentView(transaction: Transaction | undefined): View {
    return { commit: this.commitClock, transaction, mode: "snapshot" };
  }

  commit(transaction: Transaction): void {
    if (!transaction.isOpen) return;
    if (transaction.writes.length > 0) {
      this.commitClock += 1;
      const commit = this.commitClock;
      transaction.commitAt = commit;
      this.commitTimes.push([commit, this.nowMs()]);
      for (const { row } of transaction.writes) settle(transaction, row.versions, commit);
      for (const { row } of transaction.writes) {
        row.block.commit = commit;
        row.lockedBy = undefined;
      }
      this.#end(transaction);
      for (const listener of this.listeners) listener.onCommit?.(transaction, commit);
      this.#forget(transaction);
    } else this.#end(transaction);
    transaction.finish();
  }

  rollback(transaction: Transaction): void {
    if (!transaction.isOpen) return;
    this.rollbackTo(transaction, 0);
    this.#end(transaction);
    transaction.finish();
  }

  /** Takes back the writes behind the first `count`. */
  rollbackTo(transaction: Transaction, count: number): void {
    while (transaction.writes.length > count) {
      const { table, row, version } = transaction.writes.pop()!;
      row.versions = row.versions.filter((other) => other !== version);
      table.leaveIndexes(row, version);
      if (row.versions.length === 0) table.rows.delete(row.id);
      const isHeld =
        transaction.heldRows.has(row) || row.versions.some((other) => other.commit === undefined);
      if (!isHeld) row.lockedBy = undefined;
    }
  }

  /** A backup of everything committed; calling the function restores it. Open transactions must have ended by then. */
  save(): () => void {
    const { commitClock, lastRowversion } = this;
    const tables = this.tables.map((table) => ({ table, restore: table.save(commitClock) }));
    const listeners = this.listeners.map((listener) => listener.save?.());
    const times = [...this.commitTimes];
    return () => {
      if (this.active.size > 0)
        throw new DatabaseError(
          3101,
          "The database is in use; end the open transactions before the restore.",
        );
      this.tables.splice(0, Infinity, ...tables.map(({ table }) => table));
      for (const { restore } of tables) restore();
      this.commitClock = commitClock;
      this.lastRowversion = lastRowversion;
      this.commitTimes.splice(0, Infinity, ...times);
      for (const restore of listeners) restore?.();
    };
  }

  /** Oracle: undo up to this commit is gone. */
  forgetHistory(upTo: number): void {
    this.oldestKept = Math.max(this.oldestKept, upTo);
    for (const table of this.tables)
      for (const row of Array.from(table.rows.values())) this.#prune(table, row.id, upTo);
  }

  /** The lowest rowversion of the transactions that are still open, else the next one. */
  minActiveRowversion(): bigint {
    let lowest = this.lastRowversion + 1n;
    for (const { firstRowversion } of this.active) {
      if (firstRowversion !== undefined && firstRowversion < lowest) lowest = firstRowversion;
    }
    return lowest;
  }

  nextRowversion(transaction: Transaction): bigint {
    if (this.options.sharesRowversion === true && transaction.statementRowversion !== undefined) {
      return transaction.statementRowversion;
    }
    this.lastRowversion += 1n;
    transaction.firstRowversion ??= this.lastRowversion;
    transaction.statementRowversion = this.lastRowversion;
    return this.lastRowversion;
  }

  /** A value as a column keeps it. @throws DatabaseError */
  fit(value: DbValue, column: Column, from?: DbType): DbValue {
    const type = from ?? naturalType(value, this.options.dialect);
    const { dialect, collation } = this.options;
    return convertValue(value, type, column.type, { dialect, collation, mayCut: false });
  }

  #end(transaction: Transaction): void {
    this.active.delete(transaction);
    for (const row of transaction.heldRows) if (row.lockedBy === transaction) row.lockedBy = undefined;
    for (const [table, holder] of this.tableLocks) if (holder === transaction) this.tableLocks.delete(table);
  }

  /** Versions that no open snapshot can see. */
  #forget(transaction: Transaction): void {
    if (this.keepsHistory) return;
    let oldest = this.commitClock;
    for (const { snapshot } of this.active)
      if (snapshot !== undefined && snapshot < oldest) oldest = snapshot;
    for (const { table, row } of transaction.writes) this.#prune(table, row.id, oldest);
  }

  #prune(table: Table, rowId: number, oldest: number): void {
    const row = table.rows.get(rowId);
    if (row === undefined) return;
    const seen = row.versions.findIndex(
      (version) => version.commit !== undefined && version.commit <= oldest,
    );
    if (seen < 0) return;
    const isGone = seen === 0 && row.versions[0]!.values === undefined;
    const gone = row.versions.slice(isGone ? 0 : seen + 1);
    if (gone.length === 0) return;
    row.versions = row.versions.slice(0, isGone ? 0 : seen + 1);
    for (const version of gone) table.leaveIndexes(row, version);
    if (row.versions.length === 0) table.rows.delete(row.id);
  }
}

export const DEFAULT_COLLATION = "SQL_Latin1_General_CP1_CI_AS";

/** All versions of one transaction become seen at once; only its last is kept. */
function settle(transaction: Transaction, versions: RowVersion[], commit: number): void {
  for (const version of versions) {
    if (version.commit === undefined && version.writer === transaction) version.commit = commit;
  }
}

export function unknownObject(name: string, dialect: EngineDialect): DatabaseError {
  return dialect === "oracle"
    ? new DatabaseError(942, "ORA-00942: table or view does not exist")
    : new DatabaseError(208, `Invalid object name '${name}'.`);
}
