// A SQL Server session: isolation levels, nested transactions, lock time-outs, settings.
import type { Statement } from "./ast.ts";
import { pathTable } from "./definitions.ts";
import type { View } from "./rows.ts";
import type { Run } from "./run.ts";
import { type BoundParameter, DatabaseError } from "./session.ts";
import type { SqlServerDatabase } from "./sql-server.ts";
import { type SessionLogin, SqlSession } from "./sql-session.ts";
import type { Table } from "./table.ts";
import type { Transaction } from "./transaction.ts";

const FIRST_SPID = 51;
const LOCK_TIMEOUT = "Lock request time out period exceeded.";
/** Errors after which nothing of the transaction is left. */
const ENDS_TRANSACTION = new Set([1205, 3960, 3961, 3966, 596, 6005]);

const KNOWN_OPTIONS: ReadonlySet<string> = new Set(
  (
    "ISOLATION LOCK_TIMEOUT DEADLOCK_PRIORITY NOCOUNT XACT_ABORT IMPLICIT_TRANSACTIONS IDENTITY_INSERT ANSI_NULLS " +
    "ANSI_PADDING ANSI_WARNINGS ANSI_NULL_DFLT_ON ARITHABORT CONCAT_NULL_YIELDS_NULL CURSOR_CLOSE_ON_COMMIT DATEFIRST " +
    "DATEFORMAT LANGUAGE NUMERIC_ROUNDABORT QUOTED_IDENTIFIER TEXTSIZE ROWCOUNT FMTONLY NOEXEC QUERY_GOVERNOR_COST_LIMIT " +
    "CONTEXT_INFO"
  ).split(" "),
);
const LEVELS: ReadonlySet<string> = new Set([
  "READ UNCOMMITTED",
  "READ COMMITTED",
  "REPEATABLE READ",
  "SNAPSHOT",
  "SERIALIZABLE",
]);

let nextSpid = FIRST_SPID;

export class TsqlSession extends SqlSession {
  readonly spid: number;
  protected readonly maxParameters = 2100;
  tranCount = 0;
  readonly #server: SqlServerDatabase;

  constructor(database: SqlServerDatabase, login: SessionLogin) {
    super(database, login);
    this.#server = database;
    this.spid = nextSpid;
    nextSpid += 1;
  }

  override get isInTransaction(): boolean {
    return this.tranCount > 0;
  }

  beginTransaction(): void {
    this.tranCount += 1;
    this.transaction ??= this.database.storage.begin();
  }

  commit(): void {
    if (this.tranCount === 0) {
      throw new DatabaseError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.");
    }
    this.tranCount -= 1;
    if (this.tranCount > 0) return;
    const { transaction } = this;
    this.transaction = undefined;
    if (transaction !== undefined) this.database.storage.commit(transaction);
  }

  rollback(): void {
    const { transaction } = this;
    if (this.tranCount === 0 && transaction === undefined) {
      throw new DatabaseError(
        3903,
        "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.",
      );
    }
    this.tranCount = 0;
    this.transaction = undefined;
    if (transaction !== undefined) this.database.storage.rollback(transaction);
  }

  setOption(name: string, value: string): void {
    for (const option of name.split(",")) {
      if (!KNOWN_OPTIONS.has(option))
        throw new DatabaseError(195, `'${option}' is not a recognized SET option.`);
    }
    if (name === "ISOLATION" && !LEVELS.has(value))
      throw new DatabaseError(102, `Incorrect syntax near '${value}'.`);
    if (name === "LOCK_TIMEOUT" && Number.isNaN(Number(value)))
      throw new DatabaseError(102, `Incorrect syntax near '${value}'.`);
    for (const option of name.split(",")) this.settings.set(option, value);
  }

  protected viewNow(): View {
    const { storage } = this.database;
    const { transaction } = this;
    const level = this.settings.get("ISOLATION") ?? "READ COMMITTED";
    if (level === "SNAPSHOT") {
      if (!this.#server.allowsSnapshot) {
        throw new DatabaseError(
          3952,
          `Snapshot isolation transaction failed accessing database '${this.#server.name}' because snapshot isolation is not allowed in this database.`,
        );
      }
      if (transaction !== undefined) transaction.snapshot ??= storage.commitClock;
      return { commit: transaction?.snapshot ?? storage.commitClock, transaction, mode: "snapshot" };
    }
    if (level === "READ UNCOMMITTED") return { commit: storage.commitClock, transaction, mode: "dirty" };
    const isVersioned = level === "READ COMMITTED" && this.#server.readCommittedSnapshot;
    return { commit: storage.commitClock, transaction, mode: isVersioned ? "snapshot" : "locking" };
  }

  protected transactionForWrite(): { readonly transaction: Transaction; readonly isOwn: boolean } {
    if (this.#server.isReadOnly) {
      throw new DatabaseError(
        3906,
        `Failed to update database "${this.#server.name}" because the database is read-only.`,
      );
    }
    if (this.settings.get("IMPLICIT_TRANSACTIONS") === "ON" && this.transaction === undefined)
      this.beginTransaction();
    if (this.transaction !== undefined) return { transaction: this.transaction, isOwn: false };
    return { transaction: this.database.storage.begin(), isOwn: true };
  }

  protected lockTimeout(): { readonly ms: number | undefined; readonly error: DatabaseError } {
    const ms = Number(this.settings.get("LOCK_TIMEOUT") ?? -1);
    return { ms: ms < 0 ? undefined : ms, error: new DatabaseError(1222, LOCK_TIMEOUT) };
  }

  protected tooManyParameters(count: number): DatabaseError {
    return new DatabaseError(
      8003,
      `The incoming request has too many parameters (${count}). The server supports a maximum of ${this.maxParameters} parameters.`,
    );
  }

  protected deadlock(): DatabaseError {
    return new DatabaseError(
      1205,
      `Transaction (Process ID ${this.spid}) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.`,
      13,
    );
  }

  protected killedError(): DatabaseError {
    return new DatabaseError(
      596,
      "Cannot continue the execution because the session is in the kill state.",
      21,
    );
  }

  protected afterError(error: DatabaseError): void {
    const isEnd =
      ENDS_TRANSACTION.has(error.number) || error.severity >= 20 || this.settings.get("XACT_ABORT") === "ON";
    if (isEnd && this.tranCount > 0) this.rollback();
  }

  protected variableName(parameter: BoundParameter): string {
    return `@${parameter.name.replace(/^@/, "").toLowerCase()}`;
  }

  protected refusedRight(right: string, table: Table): DatabaseError {
    return this.#server.denied(right, table);
  }

  protected beforeDefinition(): void {
    if (!this.isAdministrator)
      throw new DatabaseError(
        262,
        "CREATE TABLE permission denied in database (ALTER, DROP and TRUNCATE alike).",
        14,
      );
  }

  protected permission(statement: Statement & { kind: "permission" }): void {
    this.beforeDefinition();
    const { rights, storage } = this.database;
    const { action, on } = statement;
    const place =
      on === undefined ? undefined : on.at(-1) === "*" ? on.join(".") : pathTable(on, storage).label;
    for (const user of statement.users) {
      for (const right of statement.rights) {
        if (action === "grant") rights.grant(user, right, place);
        else if (action === "deny") rights.deny(user, right, place);
        else rights.revoke(user, right, place);
      }
    }
  }

  protected defineMore(statement: Statement, _run: Run): void {
    const { changeTracking } = this.#server;
    if (statement.kind === "alter_table" && statement.change.kind === "change_tracking") {
      const table = pathTable(statement.table, this.database.storage);
      if (statement.change.isOn) changeTracking.enableTable(table, statement.change.columnsUpdated);
      else changeTracking.disableTable(table);
      return;
    }
    if (statement.kind === "alter_database") {
      const { option, isOn } = statement;
      if (option === "CHANGE_TRACKING") {
        if (isOn) changeTracking.enable();
        else changeTracking.disable();
        return;
      }
      if (option === "READ_COMMITTED_SNAPSHOT") {
        this.#server.readCommittedSnapshot = isOn;
        return;
      }
      if (option === "ALLOW_SNAPSHOT_ISOLATION") {
        this.#server.allowsSnapshot = isOn;
        return;
      }
    }
    throw new DatabaseError(
      102,
      `The test engine does not know this statement of SQL Server: ${statement.kind}`,
    );
  }
}
