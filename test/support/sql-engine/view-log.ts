// Materialized view logs: MLOG$_ tables that the writes of their master fill, within the same transaction.
import { rowIdText } from "./row-id.ts";
import { DatabaseError, type DbValue } from "./session.ts";
import type { ColumnDefinition, Storage, StorageListener } from "./storage.ts";
import type { Table } from "./table.ts";
import type { GivenValues, TableWriter } from "./table-writer.ts";
import type { Transaction, Write } from "./transaction.ts";

export interface ViewLogOptions {
  /** Default true. */
  readonly primaryKey?: boolean;
  readonly rowId?: boolean;
  readonly sequence?: boolean;
  /** Further columns that are logged. */
  readonly columns?: readonly string[];
}

export interface ViewLog {
  readonly master: Table;
  readonly table: Table;
  readonly options: ViewLogOptions;
}

/** Not yet refreshed by anybody. */
const NEVER = "4000-01-01 00:00:00";
const MAX_MASTER_CHARS = 20;

export class ViewLogs implements StorageListener {
  readonly logs: ViewLog[] = [];
  readonly #storage: Storage;
  readonly #writer: TableWriter;
  #sequence = 0;

  constructor(storage: Storage, writer: TableWriter) {
    this.#storage = storage;
    this.#writer = writer;
    storage.listeners.push(this);
  }

  create(master: Table, options: ViewLogOptions = {}): ViewLog {
    if (this.logs.some((log) => log.master === master)) {
      throw new DatabaseError(
        12_000,
        `ORA-12000: a materialized view log already exists on table '${master.name}'`,
      );
    }
    const key = master.primaryKey;
    if (options.primaryKey !== false && key === undefined) {
      throw new DatabaseError(
        12_014,
        `ORA-12014: table '${master.name}' does not contain a primary key constraint`,
      );
    }
    const logged = loggedColumns(master, options);
    const columns: ColumnDefinition[] = logged.map((name) => ({
      name,
      type: master.columns[master.place(name)]!.type,
    }));
    if (options.rowId === true) columns.push({ name: "M_ROW$$", type: "VARCHAR2(255)" });
    columns.push(
      { name: "SNAPTIME$$", type: "DATE" },
      { name: "DMLTYPE$$", type: "VARCHAR2(1)" },
      { name: "OLD_NEW$$", type: "VARCHAR2(1)" },
      { name: "CHANGE_VECTOR$$", type: "RAW(255)" },
    );
    if (options.sequence === true) columns.push({ name: "SEQUENCE$$", type: "NUMBER" });
    columns.push({ name: "XID$$", type: "NUMBER" });
    const name = `MLOG$_${master.name.slice(0, MAX_MASTER_CHARS)}`;
    const table = this.#storage.createTable({ schema: master.schema, name, columns });
    const log: ViewLog = { master, table, options };
    this.logs.push(log);
    return log;
  }

  /** As DBMS_MVIEW.PURGE_LOG, or a refresh that needs the entries no more. */
  purge(master: Table): void {
    const log = this.logs.find((one) => one.master === master);
    if (log === undefined) return;
    const transaction = this.#storage.begin();
    for (const row of log.table.records()) {
      if (row.lockedBy === undefined && row.versions[0]?.values !== undefined)
        this.#writer.delete(transaction, log.table, row);
    }
    this.#storage.commit(transaction);
  }

  onDrop(table: Table): void {
    const at = this.logs.findIndex((log) => log.master === table);
    if (at < 0) return;
    const [log] = this.logs.splice(at, 1);
    this.#storage.dropTable(log!.table);
  }

  onWrite(transaction: Transaction, write: Write): void {
    const log = this.logs.find(({ master }) => master === write.table);
    if (log === undefined) return;
    const { operation, before, after } = write;
    if (operation === "insert")
      this.#add(transaction, log, write, { values: after!, type: "I", isOld: false });
    else if (operation === "delete")
      this.#add(transaction, log, write, { values: before!, type: "D", isOld: true });
    else if (isKeyChanged(log.master, write)) {
      this.#add(transaction, log, write, { values: before!, type: "D", isOld: true });
      this.#add(transaction, log, write, { values: after!, type: "I", isOld: false });
    } else this.#add(transaction, log, write, { values: before!, type: "U", isOld: true });
  }

  #add(
    transaction: Transaction,
    log: ViewLog,
    write: Write,
    entry: { readonly values: readonly DbValue[]; readonly type: "I" | "U" | "D"; readonly isOld: boolean },
  ): void {
    const { master, table } = log;
    this.#sequence += 1;
    const special: Readonly<Record<string, DbValue>> = {
      M_ROW$$: rowIdText(master, write.row),
      SNAPTIME$$: NEVER,
      DMLTYPE$$: entry.type,
      OLD_NEW$$: entry.isOld ? "O" : "N",
      CHANGE_VECTOR$$: new Uint8Array([entry.type === "U" ? 0x08 : 0xfe]),
      SEQUENCE$$: this.#sequence,
      XID$$: String(1_125_899_906_842_624n + BigInt(transaction.id)),
    };
    const given: GivenValues = table.columns.map(({ name }) => {
      const own = special[name];
      return own === undefined ? entry.values[master.place(name)] : own;
    });
    this.#writer.insert(transaction, table, given);
  }
}

function loggedColumns(master: Table, options: ViewLogOptions): readonly string[] {
  const key = options.primaryKey === false ? [] : (master.primaryKey?.definition.columns ?? []);
  return [...new Set([...key, ...(options.columns ?? [])])];
}

function isKeyChanged(master: Table, { before, after }: Write): boolean {
  return (master.primaryKey?.definition.columns ?? []).some((name) => {
    const place = master.place(name);
    return before![place] !== after![place];
  });
}
