// An Oracle session: transactions begin by themselves, readers never wait, NLS settings.
import type { Statement } from "./ast.ts";
import { offsetOf, offsetText, atOffset, dateTimeText, parseWallClock, toUtc } from "./date-text.ts";
import { pathTable } from "./definitions.ts";
import type { OracleDatabase } from "./oracle.ts";
import type { View } from "./rows.ts";
import type { Run } from "./run.ts";
import { type BoundParameter, DatabaseError } from "./session.ts";
import { type SessionLogin, SqlSession } from "./sql-session.ts";
import type { Table } from "./table.ts";
import type { Transaction } from "./transaction.ts";
import { zoneOffsetMinutes } from "./time-zones.ts";

const DEFAULTS: readonly (readonly [string, string])[] = [
  ["NLS_DATE_FORMAT", "DD-MON-RR"],
  ["NLS_TIMESTAMP_FORMAT", "DD-MON-RR HH.MI.SSXFF AM"],
  ["NLS_TIMESTAMP_TZ_FORMAT", "DD-MON-RR HH.MI.SSXFF AM TZR"],
  ["NLS_NUMERIC_CHARACTERS", ".,"],
  ["NLS_COMP", "BINARY"],
  ["NLS_SORT", "BINARY"],
  ["NLS_LANGUAGE", "AMERICAN"],
  ["NLS_TERRITORY", "AMERICA"],
  ["NLS_CALENDAR", "GREGORIAN"],
  ["TIME_ZONE", "+00:00"],
];
/** Seconds that a DDL lock or a resource may be waited for: not at all. */
const DEADLOCK = "ORA-00060: deadlock detected while waiting for resource";

const KNOWN_PARAMETERS =
  /^(?:NLS_\w+|OPTIMIZER_MODE|STATISTICS_LEVEL|CURSOR_SHARING|DDL_LOCK_TIMEOUT|ISOLATION_LEVEL|EVENTS|RESUMABLE)$/;

let nextId = 101;

export class OracleSession extends SqlSession {
  readonly id: number;
  protected readonly maxParameters = 65_535;
  #schema: string;

  constructor(database: OracleDatabase, login: SessionLogin) {
    super(database, login);
    this.id = nextId;
    nextId += 1;
    this.#schema = login.user.toUpperCase();
    for (const [name, value] of DEFAULTS) this.settings.set(name, value);
  }

  override get isInTransaction(): boolean {
    return this.transaction !== undefined;
  }

  get currentSchema(): string {
    return this.#schema;
  }

  get offsetMinutes(): number {
    const zone = this.settings.get("TIME_ZONE") ?? "+00:00";
    return offsetOf(zone) ?? 0;
  }

  /** A zoned value on the session's wall clock. */
  inSessionZone(value: string): string {
    const clock = atOffset(toUtc(parseWallClock(value)!), this.offsetMinutes);
    return `${dateTimeText(clock, 9)} ${offsetText(this.offsetMinutes)}`;
  }

  beginTransaction(): void {
    this.transaction ??= this.database.storage.begin();
  }

  commit(): void {
    const { transaction } = this;
    this.transaction = undefined;
    if (transaction !== undefined) this.database.storage.commit(transaction);
  }

  rollback(): void {
    const { transaction } = this;
    this.transaction = undefined;
    if (transaction !== undefined) this.database.storage.rollback(transaction);
  }

  setOption(name: string, value: string): void {
    if (name === "TRANSACTION") this.#setTransaction(value);
    else if (name === "CURRENT_SCHEMA") this.#schema = value;
    else if (name === "TIME_ZONE") {
      const zone = /^[-+]\d/.test(value)
        ? value
        : offsetText(zoneOffsetMinutes(value, this.database.storage.nowMs()));
      this.settings.set(name, zone);
    } else if (name === "LOCK") {
      // Locks on whole tables keep writers out, never readers; nobody here waits for them.
      this.beginTransaction();
    } else if (KNOWN_PARAMETERS.test(name)) this.settings.set(name, value);
    else throw new DatabaseError(2248, `ORA-02248: invalid option for ALTER SESSION (${name})`);
  }

  #setTransaction(value: string): void {
    if (this.transaction !== undefined && this.transaction.writes.length > 0) {
      throw new DatabaseError(1453, "ORA-01453: SET TRANSACTION must be first statement of transaction");
    }
    if (value.startsWith("READ ONLY") || /SERIALIZABLE/.test(value)) {
      this.rollback();
      this.beginTransaction();
      this.transaction!.snapshot = this.database.storage.commitClock;
      this.transaction!.isReadOnly = value.startsWith("READ ONLY");
    } else if (!/^(?:READ WRITE|ISOLATION LEVEL READ COMMITTED|NAME)/.test(value)) {
      throw new DatabaseError(900, `The test engine does not know SET TRANSACTION ${value}.`);
    }
  }

  protected viewNow(): View {
    const { storage } = this.database;
    const { transaction } = this;
    const commit = transaction?.snapshot ?? storage.commitClock;
    if (commit < storage.oldestKept) {
      throw new DatabaseError(
        1555,
        'ORA-01555: snapshot too old: rollback segment number 9 with name "_SYSSMU9$" too small',
      );
    }
    return { commit, transaction, mode: "snapshot" };
  }

  protected transactionForWrite(): { readonly transaction: Transaction; readonly isOwn: boolean } {
    if (this.transaction?.isReadOnly === true) {
      throw new DatabaseError(
        1456,
        "ORA-01456: may not perform insert, delete, update operation inside a READ ONLY transaction",
      );
    }
    this.beginTransaction();
    return { transaction: this.transaction!, isOwn: false };
  }

  /** Writers wait for each other without end. */
  protected lockTimeout(): { readonly ms: number | undefined; readonly error: DatabaseError } {
    return {
      ms: undefined,
      error: new DatabaseError(
        54,
        "ORA-00054: resource busy and acquire with NOWAIT specified or timeout expired",
      ),
    };
  }

  protected tooManyParameters(count: number): DatabaseError {
    return new DatabaseError(
      7445,
      `ORA-07445: exception encountered: more than ${this.maxParameters} binds (${count})`,
    );
  }

  protected deadlock(): DatabaseError {
    return new DatabaseError(60, DEADLOCK);
  }

  protected killedError(): DatabaseError {
    return new DatabaseError(28, "ORA-00028: your session has been killed", 20);
  }

  protected afterError(error: DatabaseError): void {
    if (error.severity >= 20) this.rollback();
  }

  protected variableName(parameter: BoundParameter): string {
    return parameter.name.replace(/^:/, "").toUpperCase();
  }

  protected refusedRight(right: string, table: Table): DatabaseError {
    return this.database.rights.knows(this.user, table.label)
      ? new DatabaseError(1031, `ORA-01031: insufficient privileges (${right})`)
      : new DatabaseError(942, "ORA-00942: table or view does not exist");
  }

  protected beforeDefinition(): void {
    if (!this.isAdministrator) throw new DatabaseError(1031, "ORA-01031: insufficient privileges");
    this.commit();
  }

  protected permission(statement: Statement & { kind: "permission" }): void {
    this.beforeDefinition();
    const { rights, storage } = this.database;
    const { action, on } = statement;
    const isSystem = on?.at(0) === "SYS" || /^V_?\$|^DBMS_/.test(on?.at(-1) ?? "");
    const place =
      on === undefined
        ? undefined
        : isSystem
          ? `sys.${on.at(-1)!.replace("V_$", "V$")}`
          : pathTable(on, storage).label;
    for (const user of statement.users) {
      for (const right of statement.rights) {
        if (place === undefined && action === "grant") rights.login(user)?.roles.add(right);
        else if (place === undefined) rights.login(user)?.roles.delete(right);
        else if (action === "grant") rights.grant(user, right, place);
        else rights.revoke(user, right, place);
      }
    }
  }

  protected defineMore(statement: Statement, _run: Run): void {
    if (statement.kind !== "create_mview_log") {
      throw new DatabaseError(
        900,
        `The test engine does not know this statement of Oracle: ${statement.kind}`,
      );
    }
    const { options } = statement;
    const database = this.database as OracleDatabase;
    const hasKind = options.has("PRIMARY") || options.has("ROWID");
    database.viewLogs.create(pathTable(statement.table, database.storage), {
      primaryKey: options.has("PRIMARY") || !hasKind,
      rowId: options.has("ROWID"),
      sequence: options.has("SEQUENCE"),
    });
  }
}
