// One handle on a SQLite file, read-only but for writes: opening, statements, errors by their kind, and the catalogue.
import { type BigIntStats, statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import Database from "better-sqlite3";
import type { KeyRule } from "#agent/core/source/key-rules.ts";
import type { TableName } from "#agent/core/source/plan.ts";
import type {
  ColumnFacts,
  SqlDialect,
  SqlParameter,
  SqlRow,
  SqlStatement,
  TableFacts,
} from "#agent/core/sql/dialect.ts";
import type { QueryAnswer } from "#agent/core/sql/named-query.ts";
import type { Catalogue } from "#agent/core/sql/table-shape.ts";
import { CommitUnknown, WriteRefused } from "#agent/core/sql/write-source.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { SqliteSettings } from "./definition.ts";
import { type ColumnKind, columnKind, exactRow, hasNoAffinity } from "./type-map.ts";

export const SQLITE_DIALECT: SqlDialect = {
  name: "sqlite",
  quoteIdentifier: (name) => `"${name.replaceAll('"', '""')}"`,
  placeholder: () => "?",
  limit: "limit",
  hasRowValues: true,
  keyList: "values",
  nulls: "first",
  maxParameters: 32_000,
  maxListItems: 4096,
  number: (placeholder) => `CAST(${placeholder} AS NUMERIC)`,
};

/** Prepared statements kept, at most; the oldest goes first. */
const MAX_STATEMENTS = 256;

/** Of one named query, between two rows. */
const MAX_QUERY_MS = 30_000;

interface Prepared {
  readonly statement: Database.Statement<unknown[], unknown[]>;
  readonly kinds: readonly ColumnKind[];
}

export class SqliteConnection {
  readonly #file: string;
  readonly #doing: "Reading" | "Writing";
  readonly #busyTimeoutMs: number;
  readonly #database: Database.Database;
  readonly #openedAs: BigIntStats;
  readonly #prepared = new Map<string, Prepared>();

  /** Opens at once. @throws ConnectorError */
  constructor(settings: SqliteSettings, access: "read" | "write" = "read") {
    this.#file = settings.file;
    this.#busyTimeoutMs = settings.busyTimeoutMs;
    this.#doing = access === "read" ? "Reading" : "Writing";
    this.#openedAs = this.#stat();
    try {
      this.#database = new Database(settings.file, {
        readonly: access === "read",
        fileMustExist: true,
        timeout: settings.busyTimeoutMs,
      });
    } catch (error) {
      throw this.#failure(error);
    }
    try {
      // The handle is read-only already; this also refuses what a trigger or a future mistake might try.
      if (access === "read") this.#database.pragma("query_only = ON");
      this.#database.pragma("schema_version");
    } catch (error) {
      this.#database.close();
      throw this.#failure(error);
    }
  }

  close(): void {
    this.#prepared.clear();
    this.#database.close();
  }

  begin(): void {
    this.#checkFile();
    this.#guard(() => this.#database.exec("BEGIN"));
  }

  /** Takes the writer's lock, so that what is read stays as it is. Never waits. @throws ConnectorError, also while it is held */
  beginWrite(): void {
    this.#checkFile();
    this.#database.pragma("busy_timeout = 0");
    try {
      this.#guard(() => this.#database.exec("BEGIN IMMEDIATE"));
    } finally {
      this.#database.pragma(`busy_timeout = ${this.#busyTimeoutMs}`);
    }
  }

  /** @throws ConnectorError, WriteRefused if it was not committed; CommitUnknown if that is not certain */
  commit(): void {
    try {
      this.#guard(() => this.#database.exec("COMMIT"));
    } catch (error) {
      const isCertain = error instanceof WriteRefused || /SQLITE_BUSY/.test(messageOf(error));
      if (isCertain) throw error;
      throw new CommitUnknown(`Committing to ${this.#file} failed: ${messageOf(error)}`, { cause: error });
    }
  }

  execute(statement: SqlStatement): number {
    return this.#guard(() => {
      const exact = statement.parameters.map(exactParameter);
      return this.#database.prepare(statement.text).run(...exact).changes;
    });
  }

  end(): void {
    if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
  }

  query(statement: SqlStatement): readonly SqlRow[] {
    return this.#guard(() => {
      const { statement: prepared, kinds } = this.#prepare(statement.text);
      const rows = prepared.all(...statement.parameters);
      for (const row of rows) exactRow(row, kinds);
      return rows as SqlRow[];
    });
  }

  /** The rows of any query; whoever waits is let in between some of them. @throws ConnectorError, the signal's reason */
  async answer(signal: AbortSignal, statement: SqlStatement, answer: QueryAnswer): Promise<void> {
    const rows = this.#rowsOf(statement, answer);
    const endMs = performance.now() + MAX_QUERY_MS;
    try {
      for (let count = 1; ; count += 1) {
        const next = this.#guard(() => rows.next());
        if (next.done === true || !answer.add(next.value)) return;
        if (count % answer.chunkRows === 0) await setImmediate();
        signal.throwIfAborted();
        if (performance.now() > endMs) throw tooSlow();
      }
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
      throw new ConnectorError("misconfigured", messageOf(error), { cause: error });
    } finally {
      rows.return(undefined);
    }
  }

  *#rowsOf(statement: SqlStatement, answer: QueryAnswer): Generator<SqlRow> {
    const prepared = this.#database.prepare<unknown[], unknown[]>(statement.text);
    if (!prepared.reader || !prepared.readonly)
      throw new ConnectorError("misconfigured", "it would write to the database.");
    const columns = prepared.columns();
    const kinds = columns.map((column) => columnKind(column.type));
    answer.columns = columns.map(({ name }) => name);
    const exact = statement.parameters.map(exactParameter);
    for (const row of prepared
      .safeIntegers(true)
      .raw(true)
      .iterate(...exact))
      yield exactRow(row, kinds);
  }

  /** Changes whenever another connection has committed; comparable within this handle only. */
  dataVersion(): string {
    this.#checkFile();
    return String(this.#guard(() => this.#database.pragma("data_version", { simple: true })));
  }

  /** The file itself, not its name: a file put in its place is another source. */
  identity(): string {
    const { ino, birthtimeMs } = this.#openedAs;
    const application = this.#guard(() => this.#database.pragma("application_id", { simple: true }));
    return `sqlite:${ino}:${birthtimeMs}:${String(application)}`;
  }

  catalogue(): Catalogue {
    const tables = this.#guard(
      () =>
        this.#database
          .prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
          .pluck()
          .all() as string[],
    );
    return {
      tableNames: tables,
      table: (wanted) => this.#guard(() => this.#tableFacts(wanted, tables)),
    };
  }

  #tableFacts(wanted: TableName, tables: readonly string[]): TableFacts | undefined {
    if (wanted.schema !== undefined && wanted.schema.toLowerCase() !== "main") return undefined;
    const name =
      tables.find((table) => table === wanted.name) ??
      tables.find((table) => table.toLowerCase() === wanted.name.toLowerCase());
    if (name === undefined) return undefined;
    const columns = this.#database
      .prepare("SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid")
      .all(name) as { name: string; type: string; pk: number }[];
    return {
      table: { name },
      columns: columns.map((column) => this.#columnFacts(name, column.name, column.type)),
      indexLeads: this.#indexLeads(name, columns),
      hasHorizon: false,
    };
  }

  #columnFacts(table: string, name: string, type: string): ColumnFacts {
    const quoted = SQLITE_DIALECT.quoteIdentifier(name);
    const facts: ColumnFacts = { name, type, nullable: true, rule: this.#keyRule(table, quoted) };
    if (!hasNoAffinity(type)) return facts;
    const keyText = `CASE WHEN typeof(${quoted}) = 'blob' THEN '\\x' || lower(hex(${quoted})) ELSE CAST(${quoted} AS TEXT) END`;
    return { ...facts, keyText };
  }

  /** Asks SQLite itself which texts it holds equal in this column: a UNION compares by its first column's collation. */
  #keyRule(table: string, quotedColumn: string): KeyRule {
    const from = `SELECT ${quotedColumn} FROM ${SQLITE_DIALECT.quoteIdentifier(table)} WHERE 0`;
    const isSame = (left: string, right: string): boolean => {
      const union = `SELECT count(*) FROM (${from} UNION SELECT '${left}' UNION SELECT '${right}')`;
      return this.#database.prepare(union).pluck().get() === 1;
    };
    const ignoreCase = isSame("a", "A");
    return {
      ignoreCase,
      ...(ignoreCase && !isSame("é", "É") ? { isAsciiCase: true } : {}),
      ignoreAccents: isSame("e", "é"),
      ignoreTrailingBlanks: isSame("a", "a "),
      emptyIsNull: false,
    };
  }

  #indexLeads(table: string, columns: readonly { name: string; type: string; pk: number }[]): string[] {
    const leads = this.#database
      .prepare(
        `SELECT DISTINCT info.name FROM pragma_index_list(?) AS list, pragma_index_info(list.name) AS info
         WHERE info.seqno = 0 AND info.name IS NOT NULL AND list.partial = 0`,
      )
      .pluck()
      .all(table) as string[];
    const rowid = columns.filter((column) => column.pk === 1 && column.type.toUpperCase() === "INTEGER");
    return [...leads, ...rowid.map((column) => column.name)];
  }

  #prepare(text: string): Prepared {
    const known = this.#prepared.get(text);
    if (known !== undefined) return known;
    const statement = this.#database.prepare<unknown[], unknown[]>(text).safeIntegers(true).raw(true);
    const prepared = { statement, kinds: statement.columns().map((column) => columnKind(column.type)) };
    if (this.#prepared.size >= MAX_STATEMENTS) {
      const [oldest] = this.#prepared.keys();
      if (oldest !== undefined) this.#prepared.delete(oldest);
    }
    this.#prepared.set(text, prepared);
    return prepared;
  }

  /** Only `stat`, never `open`: closing any descriptor of a live database file would drop SQLite's locks on it. */
  #stat(): BigIntStats {
    try {
      return statSync(this.#file, { bigint: true });
    } catch (error) {
      throw new ConnectorError(
        "unavailable",
        `Looking for the database file ${this.#file}: ${messageOf(error)}. Check the path and that the agent's user may read it.`,
      );
    }
  }

  #checkFile(): void {
    const now = this.#stat();
    if (now.ino === this.#openedAs.ino && now.birthtimeMs === this.#openedAs.birthtimeMs) return;
    throw new ConnectorError(
      "unavailable",
      `The database file ${this.#file} was replaced by another one while it was open. It is opened anew.`,
    );
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** By SQLite's result codes (sqlite.org/rescode.html); what is not known there is a bug and stays as it is. */
  #failure(error: unknown): unknown {
    if (!(error instanceof Database.SqliteError)) return error;
    const said = `${error.code}: ${messageOf(error)}`;
    const file = this.#file;
    const because = { cause: error };
    if (error.code === "SQLITE_CONSTRAINT_TRIGGER")
      return new WriteRefused("REFUSED", `The source refused: ${messageOf(error)}.`, because);
    switch (error.code.split("_").slice(0, 2).join("_")) {
      case "SQLITE_CONSTRAINT":
        return new WriteRefused("CONSTRAINT", `${file} refused the values (${said}).`, because);
      case "SQLITE_MISMATCH":
        return new WriteRefused("VALUE", `${file} refused a value of the wrong type (${said}).`, because);
      case "SQLITE_BUSY":
      case "SQLITE_LOCKED":
        return new ConnectorError(
          "unavailable",
          `${this.#doing} ${file}: another program holds its lock (${said}). It is tried again; if this stays, raise busy_timeout_ms or use WAL mode.`,
          because,
        );
      case "SQLITE_NOTADB":
        return new ConnectorError(
          "misconfigured",
          `Opening ${file}: it is not an SQLite database, or it is encrypted (${said}). Check the path.`,
          because,
        );
      case "SQLITE_CORRUPT":
        return new ConnectorError(
          "unavailable",
          `${this.#doing} ${file}: the database file is damaged (${said}). Run "PRAGMA integrity_check" on it and restore it from a backup.`,
          because,
        );
      case "SQLITE_CANTOPEN":
      case "SQLITE_IOERR":
      case "SQLITE_FULL":
      case "SQLITE_NOMEM":
      case "SQLITE_PROTOCOL":
        return new ConnectorError(
          "unavailable",
          `${this.#doing} ${file}: ${said}. Check that the disk is well and that the agent's user may read the file and its folder.`,
          because,
        );
      case "SQLITE_PERM":
      case "SQLITE_AUTH":
      case "SQLITE_READONLY":
        return new ConnectorError(
          "misconfigured",
          `${this.#doing} ${file}: ${said}. A database in WAL mode needs write access to its folder for the -shm file.`,
          because,
        );
      case "SQLITE_TOOBIG":
        return new ConnectorError(
          "bad_data",
          `${this.#doing} ${file}: a value is too long (${said}).`,
          because,
        );
      default:
        return /no such (table|column)|no such collation/.test(error.message)
          ? new ConnectorError(
              "misconfigured",
              `${this.#doing} ${file}: ${said}. The source's tables have changed: adapt the pack.`,
              because,
            )
          : error;
    }
  }
}

/** A number would be bound as a float, and a text column would keep it as `1.0`. */
function exactParameter(value: SqlParameter): SqlParameter {
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
}

function tooSlow(): ConnectorError {
  return new ConnectorError(
    "unavailable",
    `The named query took more than ${MAX_QUERY_MS / 1000} s. Narrow its statement, or add an index.`,
  );
}
