// What both kinds of databases have: storage, logins, procedures, faults, the log, and writers in the hands of tests.
import type { Flashback, NamePath } from "./ast.ts";
import { Faults } from "./faults.ts";
import { Rights } from "./rights.ts";
import type { FlashbackSource, FoundSource, Host, Run, ScalarFunction, VirtualTable } from "./run.ts";
import type {
  BoundParameter,
  DatabaseError,
  DatabaseSession,
  DbType,
  DbValue,
  Login,
  ServedDatabase,
  StatementResult,
} from "./session.ts";
import type { SqlSession } from "./sql-session.ts";
import { StatementLog } from "./statement-log.ts";
import { Storage, type StorageOptions, type TableDefinition } from "./storage.ts";
import type { Table } from "./table.ts";
import { TableWriter } from "./table-writer.ts";
import type { EngineDialect } from "./tokens.ts";
import type { Transaction } from "./transaction.ts";
import { type RowValues, WriterTransaction } from "./writer-transaction.ts";

/** Runs as the caller's statement does; `parameters` by name without `@`, or by place. */
export type Procedure = (call: ProcedureCall) => StatementResult | Promise<StatementResult>;

/** As the catalogue tells it. */
export interface ProcedureParameter {
  readonly name: string;
  readonly type: DbType;
  readonly isOutput: boolean;
}

export interface ProcedureCall {
  readonly parameters: readonly BoundParameter[];
  readonly run: Run;
  readonly transaction: Transaction | undefined;
  /** Runs SQL in the caller's session. */
  readonly execute: (text: string, parameters?: readonly BoundParameter[]) => Promise<StatementResult>;
}

export abstract class Database implements ServedDatabase, Host {
  abstract readonly dialect: EngineDialect;
  abstract readonly collation: string | undefined;
  readonly storage: Storage;
  readonly writer: TableWriter;
  readonly rights = new Rights();
  readonly faults: Faults;
  readonly log = new StatementLog();
  readonly sessions = new Set<SqlSession>();
  /** Those whose parameters the catalogue tells. */
  readonly declaredProcedures = new Map<string, readonly ProcedureParameter[]>();
  readonly #procedures = new Map<string, Procedure>();

  protected constructor(options: StorageOptions, defaultSchema: string) {
    this.storage = new Storage(options, defaultSchema);
    this.writer = new TableWriter(this.storage);
    this.faults = new Faults(() => this.cancelled());
  }

  abstract source(path: NamePath, run: Run, columns: ReadonlySet<string> | undefined): FoundSource;
  abstract tableFunction(path: NamePath, args: readonly DbValue[], run: Run): VirtualTable | undefined;
  abstract changeTable(
    path: NamePath,
    since: DbValue | undefined,
    keys: readonly DbValue[] | undefined,
    run: Run,
  ): VirtualTable;
  abstract scalar(path: NamePath): ScalarFunction | undefined;
  abstract flashback(
    table: Table,
    flashback: Flashback,
    bounds: readonly DbValue[],
    run: Run,
  ): FlashbackSource;
  abstract logIn(login: Login): DatabaseSession;
  /** As the product says it: the client called the statement off. */
  abstract cancelled(): DatabaseError;

  createTable(definition: TableDefinition): Table {
    return this.storage.createTable(definition);
  }

  /** A transaction of the plant's own program. */
  begin(): WriterTransaction {
    return new WriterTransaction(this.storage, this.writer);
  }

  insert(table: string, ...rows: readonly RowValues[]): void {
    this.#once((transaction) => transaction.insert(table, ...rows));
  }

  update(table: string, where: RowValues, changes: RowValues): number {
    return this.#once((transaction) => transaction.update(table, where, changes));
  }

  delete(table: string, where: RowValues): number {
    return this.#once((transaction) => transaction.delete(table, where));
  }

  /** A backup of all that is committed now; calling the function restores it, as a plant does after a disk is lost. */
  backUp(): () => void {
    return this.storage.save();
  }

  /** A procedure that `EXEC name` and calls run. */
  defineProcedure(name: string, procedure: Procedure, parameters?: readonly ProcedureParameter[]): void {
    this.#procedures.set(name.toLowerCase(), procedure);
    if (parameters !== undefined) this.declaredProcedures.set(name, parameters);
  }

  /** Lower case: `name` or `package.name`. */
  get procedureNames(): readonly string[] {
    return [...this.#procedures.keys()];
  }

  procedure(path: readonly string[]): Procedure | undefined {
    for (let from = 0; from < path.length; from += 1) {
      const found = this.#procedures.get(path.slice(from).join(".").toLowerCase());
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Sessions whose statement waits for a lock now. */
  get waitingSessions(): number {
    return [...this.sessions].filter((session) => session.isWaiting).length;
  }

  /** As an administrator's KILL: open transactions are rolled back, the next statement fails. */
  killSessions(user?: string): void {
    for (const session of this.sessions) if (user === undefined || session.user === user) session.kill();
  }

  #once<T>(work: (transaction: WriterTransaction) => T): T {
    const transaction = this.begin();
    try {
      const result = work(transaction);
      transaction.commit();
      return result;
    } catch (error) {
      transaction.rollback();
      throw error;
    }
  }
}
