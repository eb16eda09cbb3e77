// One logged-in session: runs texts statement by statement, waits for locks, keeps its transaction.
import type { Query, Statement } from "./ast.ts";
import type { Database, ProcedureCall } from "./database.ts";
import { runDefinition } from "./definitions.ts";
import { runScript, type ScriptHost } from "./script.ts";
import { BlockedBy, type Row, type View } from "./rows.ts";
import type { Run, Variable } from "./run.ts";
import { Scope } from "./scope.ts";
import { compileQuery } from "./select.ts";
import {
  type BoundParameter,
  DatabaseError,
  type DatabaseSession,
  type DbValue,
  type ResultSet,
  type StatementResult,
} from "./session.ts";
import type { LoggedStatement } from "./statement-log.ts";
import { parseStatements } from "./statement-parser.ts";
import { waitOf } from "./statement-wait.ts";
import type { Table } from "./table.ts";
import type { Transaction } from "./transaction.ts";
import { runWrite } from "./writes.ts";

export interface SessionLogin {
  readonly user: string;
  readonly isAdministrator: boolean;
}

/** One text on its way. */
export interface Batch {
  readonly variables: Map<string, Variable>;
  readonly tableVariables: Map<string, Table>;
  readonly sets: ResultSet[];
  readonly outputs: Map<string, { readonly type: Variable["type"]; readonly value: DbValue }>;
  readonly signal: AbortSignal;
  readonly logged: LoggedStatement;
  rowsAffected: number;
  rowCount: number;
  isOver: boolean;
  error: { readonly number: number; readonly message: string } | undefined;
}

export abstract class SqlSession implements DatabaseSession {
  readonly database: Database;
  readonly user: string;
  readonly isAdministrator: boolean;
  readonly settings = new Map<string, string>();
  transaction: Transaction | undefined;
  lastIdentity: DbValue = null;
  #isWaiting = false;
  #killed: DatabaseError | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(database: Database, login: SessionLogin) {
    this.database = database;
    this.user = login.user;
    this.isAdministrator = login.isAdministrator;
    database.sessions.add(this);
  }

  get isInTransaction(): boolean {
    return this.transaction !== undefined;
  }

  /** Whether a statement waits for a lock now. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  execute(
    text: string,
    parameters: readonly BoundParameter[],
    signal: AbortSignal,
  ): Promise<StatementResult> {
    const turn = this.#turn.then(() => this.#execute(text, parameters, signal));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  call(name: string, parameters: readonly BoundParameter[], signal: AbortSignal): Promise<StatementResult> {
    const turn = this.#turn.then(() => this.#call(name, parameters, signal));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  close(): void {
    this.database.sessions.delete(this);
    if (this.transaction !== undefined) this.rollback();
  }

  /** As an administrator does it. */
  kill(): void {
    this.#killed = this.killedError();
    if (this.transaction !== undefined) this.rollback();
    this.database.sessions.delete(this);
  }

  /** For statements that a running statement brings along. */
  executeInner(
    text: string,
    parameters: readonly BoundParameter[],
    signal: AbortSignal,
  ): Promise<StatementResult> {
    return this.#execute(text, parameters, signal);
  }

  abstract beginTransaction(): void;
  abstract commit(): void;
  abstract rollback(): void;
  /** What the next statement sees. @throws DatabaseError where the isolation level may not be used */
  protected abstract viewNow(): View;
  protected abstract killedError(): DatabaseError;
  protected abstract lockTimeout(): { readonly ms: number | undefined; readonly error: DatabaseError };
  protected abstract deadlock(): DatabaseError;
  /** What an error does to the transaction. */
  protected abstract afterError(error: DatabaseError): void;
  /** The transaction that a write joins, and whether it ends with the statement. */
  protected abstract transactionForWrite(): { readonly transaction: Transaction; readonly isOwn: boolean };
  protected abstract variableName(parameter: BoundParameter): string;
  protected abstract permission(statement: Statement & { kind: "permission" }): void;
  protected abstract defineMore(statement: Statement, run: Run): void;
  protected abstract beforeDefinition(): void;
  /** Of one statement. */
  protected abstract readonly maxParameters: number;
  protected abstract tooManyParameters(count: number): DatabaseError;
  abstract setOption(name: string, value: string): void;

  async #execute(
    text: string,
    parameters: readonly BoundParameter[],
    signal: AbortSignal,
  ): Promise<StatementResult> {
    const logged = this.database.log.begin(this.user, text, parameters);
    if (parameters.length > this.maxParameters) throw this.tooManyParameters(parameters.length);
    const variables = new Map<string, Variable>();
    for (const parameter of parameters) {
      const { type, value } = parameter;
      variables.set(this.variableName(parameter), { type, value });
    }
    const batch = this.#newBatch(variables, signal, logged);
    await this.#guarded(batch, async () => {
      await this.database.faults.beforeStatement(text, signal);
      this.checkAlive(signal);
      await this.runAll(parseStatements(text, this.database.dialect), batch);
    });
    // Parameters may have been assigned to: OUTPUT of sp_executesql, OUT binds.
    for (const parameter of parameters) {
      const name = this.variableName(parameter);
      const variable = variables.get(name);
      const returned = batch.outputs.get(name);
      if (returned !== undefined) batch.outputs.set(parameter.name, returned);
      else if (variable !== undefined && variable.value !== parameter.value) {
        batch.outputs.set(parameter.name, { type: variable.type, value: variable.value });
      }
    }
    return { sets: batch.sets, rowsAffected: batch.rowsAffected, outputs: batch.outputs };
  }

  async #call(
    name: string,
    parameters: readonly BoundParameter[],
    signal: AbortSignal,
  ): Promise<StatementResult> {
    const logged = this.database.log.begin(this.user, `EXEC ${name}`, parameters);
    const batch = this.#newBatch(new Map(), signal, logged);
    let result: StatementResult = { sets: [], rowsAffected: 0 };
    await this.#guarded(batch, async () => {
      await this.database.faults.beforeStatement(`EXEC ${name}`, signal);
      this.checkAlive(signal);
      const path = name.split(".").map((part) => part.replace(/^\[(.*)\]$/, "$1"));
      result = await this.callProcedure(path, parameters, batch);
    });
    return result;
  }

  #newBatch(variables: Map<string, Variable>, signal: AbortSignal, logged: LoggedStatement): Batch {
    return {
      variables,
      tableVariables: new Map(),
      sets: [],
      outputs: new Map(),
      signal,
      logged,
      rowsAffected: 0,
      rowCount: 0,
      isOver: false,
      error: undefined,
    };
  }

  async #guarded(batch: Batch, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof DatabaseError) {
        batch.logged.error = error.number;
        this.afterError(error);
      }
      throw error;
    } finally {
      this.database.log.rowsRead += batch.logged.rowsRead;
      batch.logged.rowsReturned = batch.sets.reduce((sum, set) => sum + set.rows.length, 0);
    }
  }

  checkAlive(signal: AbortSignal): void {
    if (this.#killed !== undefined) throw this.#killed;
    if (signal.aborted) throw this.database.cancelled();
  }

  async runAll(statements: readonly Statement[], batch: Batch): Promise<void> {
    for (const statement of statements) {
      if (batch.isOver) return;
      await this.#runOne(statement, batch);
    }
  }

  async callProcedure(
    path: readonly string[],
    parameters: readonly BoundParameter[],
    batch: Batch,
  ): Promise<StatementResult> {
    const procedure = this.database.procedure(path);
    if (procedure === undefined) {
      throw this.database.dialect === "oracle"
        ? new DatabaseError(6550, `ORA-06550: PLS-00201: identifier '${path.join(".")}' must be declared`)
        : new DatabaseError(2812, `Could not find stored procedure '${path.join(".")}'.`);
    }
    const call: ProcedureCall = {
      parameters,
      run: this.newRun(batch),
      transaction: this.transaction,
      execute: (text, bound = []) => this.#execute(text, bound, batch.signal),
    };
    return await procedure(call);
  }

  /** One statement, again and again while another transaction is in its way. */
  async #runOne(statement: Statement, batch: Batch): Promise<void> {
    const script: ScriptHost = { session: this, batch };
    if (await runScript(statement, script)) return;
    await this.attempt(batch, () => this.#runSql(statement, batch), waitOf(statement));
  }

  /** @throws DatabaseError lock time-out, deadlock, cancelled */
  async attempt<T>(batch: Batch, work: () => T, own?: ReturnType<typeof waitOf>): Promise<T> {
    const { ms, error } = own ?? this.lockTimeout();
    const deadline = ms === undefined ? undefined : performance.now() + ms;
    while (true) {
      this.checkAlive(batch.signal);
      try {
        return work();
      } catch (blocked) {
        if (!(blocked instanceof BlockedBy)) throw blocked;
        await this.#waitFor(blocked.transaction, deadline, error, batch.signal);
      }
    }
  }

  async #waitFor(
    other: Transaction,
    deadline: number | undefined,
    error: DatabaseError,
    signal: AbortSignal,
  ): Promise<void> {
    const own = this.transaction;
    for (let next: Transaction | undefined = other; next !== undefined; next = next.waitsFor) {
      if (next === own) throw this.deadlock();
    }
    const leftMs = deadline === undefined ? undefined : deadline - performance.now();
    if (leftMs !== undefined && leftMs <= 0) throw error;
    if (own !== undefined) own.waitsFor = other;
    this.#isWaiting = true;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = leftMs === undefined ? undefined : setTimeout(() => reject(error), leftMs);
    const abort = (): void => reject(this.database.cancelled());
    signal.addEventListener("abort", abort, { once: true });
    other.ended.then(resolve, reject);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      this.#isWaiting = false;
      if (own !== undefined) own.waitsFor = undefined;
    }
  }

  newRun(batch: Batch, view = this.viewNow(), transaction = this.transaction): Run {
    return {
      host: this.database,
      session: this,
      transaction,
      view,
      variables: batch.variables,
      tableVariables: batch.tableVariables,
      counters: batch.logged,
      nowMs: this.database.storage.nowMs(),
      rowCount: batch.rowCount,
      lastIdentity: this.lastIdentity,
      error: batch.error,
    };
  }

  #runSql(statement: Statement, batch: Batch): void {
    switch (statement.kind) {
      case "query":
        this.#runQuery(statement.query, batch);
        return;
      case "insert":
      case "update":
      case "delete":
      case "merge":
        this.#runWrite(statement, batch);
        return;
      case "permission":
        this.permission(statement);
        return;
      default: {
        this.beforeDefinition();
        const run = this.newRun(batch);
        if (!runDefinition(statement as Parameters<typeof runDefinition>[0], run))
          this.defineMore(statement, run);
      }
    }
  }

  #runQuery(query: Query, batch: Batch): void {
    if (query.forUpdate !== undefined) this.beginTransaction();
    const view = query.forUpdate === undefined ? this.viewNow() : { ...this.viewNow(), locksRows: true };
    const run = this.newRun(batch, view);
    const compiled = compileQuery(query, run, new Scope(run, undefined));
    const { body } = query;
    if (body.kind === "select" && body.items.some((item) => item.kind === "assign")) {
      let count = 0;
      for (const row of compiled.rows(undefined)) {
        count += 1;
        for (const [at, column] of compiled.columns.entries()) {
          const variable = batch.variables.get(column.name.toLowerCase());
          if (variable !== undefined) variable.value = row[at]!;
        }
      }
      batch.rowCount = count;
      return;
    }
    const rows = query.forUpdate === "nowait" ? this.#atOnce(compiled) : [...compiled.rows(undefined)];
    batch.sets.push({ columns: compiled.columns, rows });
    batch.rowCount = rows.length;
  }

  /** @throws DatabaseError ORA-00054 where another transaction holds a row */
  #atOnce(compiled: ReturnType<typeof compileQuery>): readonly Row[] {
    try {
      return [...compiled.rows(undefined)];
    } catch (error) {
      throw error instanceof BlockedBy ? this.lockTimeout().error : error;
    }
  }

  #runWrite(statement: Parameters<typeof runWrite>[0], batch: Batch): void {
    const { transaction, isOwn } = this.transactionForWrite();
    const mark = transaction.writes.length;
    transaction.statementRowversion = undefined;
    try {
      const view = { ...this.viewNow(), transaction };
      const run = this.newRun(batch, view, transaction);
      const result = runWrite(statement, {
        run,
        writer: this.database.writer,
        transaction,
        demand: (right, table, columns) => this.demand(right, table, columns),
      });
      batch.rowsAffected = result.count;
      batch.rowCount = result.count;
      if (result.identity !== undefined) this.lastIdentity = result.identity;
      if (result.output !== undefined) batch.sets.push(result.output);
      for (const [name, output] of result.returned) {
        batch.outputs.set(name, output);
        batch.variables.set(name, { ...output });
      }
      if (isOwn) this.database.storage.commit(transaction);
    } catch (error) {
      this.database.storage.rollbackTo(transaction, mark);
      if (isOwn) this.database.storage.rollback(transaction);
      throw error;
    }
  }

  demand(right: string, table: Table, columns?: readonly string[]): void {
    if (this.isAdministrator || table.schema === "@") return;
    if (this.database.rights.may(this.user, right, table.label, columns)) return;
    throw this.refusedRight(right, table);
  }

  protected abstract refusedRight(right: string, table: Table): DatabaseError;
}
