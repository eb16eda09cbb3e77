// A SQL Server database in memory: what its sessions see, and what a test can do to it.
import { randomUUID } from "node:crypto";
import type { NamePath } from "./ast.ts";
import { CHANGE_FUNCTIONS, CHANGE_VIEWS, helpDataCapture } from "./change-functions.ts";
import { ChangeTracking } from "./change-tracking.ts";
import { clockOfMs, dateTimeText } from "./date-text.ts";
import { DataCapture } from "./data-capture.ts";
import { Database } from "./database.ts";
import type { FlashbackSource, FoundSource, Run, ScalarFunction, VirtualTable } from "./run.ts";
import { DatabaseError, type DatabaseSession, type DbValue, type Login } from "./session.ts";
import { DEFAULT_COLLATION, unknownObject } from "./storage.ts";
import type { Table } from "./table.ts";
import { TSQL_CATALOGUE } from "./tsql-catalogue.ts";
import { TSQL_FUNCTIONS } from "./tsql-functions.ts";
import { TSQL_OBJECT_FUNCTIONS } from "./tsql-object-functions.ts";
import { TsqlSession } from "./tsql-session.ts";
import { TSQL_SERVER_VIEWS } from "./tsql-server-views.ts";
import { TSQL_TIME_FUNCTIONS } from "./tsql-time-functions.ts";

export interface SqlServerOptions {
  /** Default `erp`. */
  readonly name?: string;
  /** Default `SQL_Latin1_General_CP1_CI_AS`. */
  readonly collation?: string;
  /** Default `16.0.4125.3`. */
  readonly version?: string;
  readonly serverName?: string;
  /** IANA name of the server's zone. Default UTC. */
  readonly timeZone?: string;
  /** READ_COMMITTED_SNAPSHOT: readers see the last committed version instead of waiting for writers. Default true. */
  readonly readCommittedSnapshot?: boolean;
  /** ALLOW_SNAPSHOT_ISOLATION. Default true. */
  readonly allowsSnapshot?: boolean;
  /** A readable copy. */
  readonly isReadOnly?: boolean;
  readonly nowMs?: () => number;
  /** The rows that one statement writes share a rowversion. */
  readonly sharesRowversion?: boolean;
}

/** The administrator that every database has; password `administrator`. */
export const ADMINISTRATOR = { user: "sa", password: "administrator" } as const;

const FUNCTIONS = {
  ...TSQL_FUNCTIONS,
  ...TSQL_TIME_FUNCTIONS,
  ...TSQL_OBJECT_FUNCTIONS,
  ...CHANGE_FUNCTIONS,
};
const VIEWS = { ...TSQL_CATALOGUE, ...TSQL_SERVER_VIEWS, ...CHANGE_VIEWS };

export class SqlServerDatabase extends Database {
  readonly dialect = "tsql";
  readonly name: string;
  readonly collation: string;
  readonly version: string;
  readonly serverName: string;
  readonly timeZone: string;
  readonly isReadOnly: boolean;
  readonly changeTracking: ChangeTracking;
  readonly dataCapture: DataCapture;
  readonly schemas: string[] = ["dbo", "guest", "INFORMATION_SCHEMA", "sys", "cdc"];
  /** By `schema.name`: the value that was given last. */
  readonly sequences = new Map<string, bigint>();
  readCommittedSnapshot: boolean;
  allowsSnapshot: boolean;
  databaseGuid = randomUUID().toUpperCase();
  /** A restore gives a new one. */
  recoveryFork = randomUUID().toUpperCase();
  createdAtMs: number;

  constructor(options: SqlServerOptions = {}) {
    const collation = options.collation ?? DEFAULT_COLLATION;
    const { nowMs, sharesRowversion } = options;
    super(
      {
        dialect: "tsql",
        collation,
        ...(nowMs === undefined ? {} : { nowMs }),
        ...(sharesRowversion === undefined ? {} : { sharesRowversion }),
      },
      "dbo",
    );
    this.collation = collation;
    this.name = options.name ?? "erp";
    this.version = options.version ?? "16.0.4125.3";
    this.serverName = options.serverName ?? "PLANTSQL";
    this.timeZone = options.timeZone ?? "UTC";
    this.isReadOnly = options.isReadOnly ?? false;
    this.readCommittedSnapshot = options.readCommittedSnapshot ?? true;
    this.allowsSnapshot = options.allowsSnapshot ?? true;
    this.createdAtMs = this.storage.nowMs();
    this.changeTracking = new ChangeTracking(this.storage);
    this.dataCapture = new DataCapture(this.storage);
    this.rights.add({ ...ADMINISTRATOR, isAdministrator: true });
    this.defineProcedure("sp_cdc_help_change_data_capture", helpDataCapture);
  }

  logIn(login: Login): DatabaseSession {
    this.faults.checkLogin();
    const entry = this.rights.login(login.user);
    if (entry === undefined || entry.password !== login.password) {
      throw new DatabaseError(18_456, `Login failed for user '${login.user}'.`, 14);
    }
    if (entry.isLocked)
      throw new DatabaseError(
        18_486,
        `Login failed for user '${login.user}' because the account is currently locked out.`,
        14,
      );
    if (entry.isExpired)
      throw new DatabaseError(
        18_487,
        `Login failed for user '${login.user}'. Reason: The password of the account has expired.`,
        14,
      );
    if (login.database !== "" && login.database.toLowerCase() !== this.name.toLowerCase()) {
      throw new DatabaseError(
        4060,
        `Cannot open database "${login.database}" requested by the login. The login failed.`,
        11,
      );
    }
    return new TsqlSession(this, entry);
  }

  cancelled(): DatabaseError {
    return new DatabaseError(3617, "The operation was cancelled by the user.", 11);
  }

  schemaId(name: string): number | null {
    const at = this.schemas.findIndex((schema) => schema.toLowerCase() === name.toLowerCase());
    if (at >= 0) return at + 1;
    if (!this.storage.tables.some(({ schema }) => schema === name)) return null;
    return this.schemas.push(name);
  }

  databaseRecord(): Readonly<Record<string, DbValue>> {
    return {
      name: this.name,
      database_id: 5,
      create_date: dateTimeText(clockOfMs(this.createdAtMs), 3),
      compatibility_level: 160,
      collation_name: this.collation,
      state: 0,
      state_desc: "ONLINE",
      is_read_only: this.isReadOnly,
      snapshot_isolation_state: this.allowsSnapshot ? 1 : 0,
      snapshot_isolation_state_desc: this.allowsSnapshot ? "ON" : "OFF",
      is_read_committed_snapshot_on: this.readCommittedSnapshot,
      recovery_model_desc: "FULL",
      is_cdc_enabled: this.dataCapture.isOn,
      service_broker_guid: this.databaseGuid,
      group_database_id: null,
    };
  }

  source(path: NamePath, run: Run, columns: ReadonlySet<string> | undefined): FoundSource {
    const [name = "", schema, database] = path.toReversed();
    if (database !== undefined && database !== "" && database.toLowerCase() !== this.name.toLowerCase()) {
      throw new DatabaseError(
        911,
        `Database '${database}' does not exist. Make sure that the name is entered correctly.`,
      );
    }
    const made = schema === undefined ? undefined : this.#madeSource(schema, name, run);
    if (made !== undefined) return { kind: "virtual", virtual: made };
    const table = this.storage.findTable(schema, name);
    if (table === undefined) throw unknownObject(path.join("."), "tsql");
    this.#demandSelect(table, columns, run);
    return { kind: "table", table };
  }

  #madeSource(schema: string, name: string, run: Run): VirtualTable | undefined {
    const found = VIEWS[`${schema}.${name}`.toLowerCase()];
    if (found === undefined) {
      if (schema.toLowerCase() !== "cdc" || !/_ct$/i.test(name)) return undefined;
      const instance = this.dataCapture.find(name.slice(0, -3));
      return instance === undefined ? undefined : this.dataCapture.changeTable(instance, run);
    }
    const { right } = found;
    if (right !== undefined && !run.session.isAdministrator && !this.rights.may(run.session.user, right)) {
      throw new DatabaseError(
        300,
        `${right} permission was denied on object 'server', database 'master'.`,
        14,
      );
    }
    return found.table(run);
  }

  tableFunction(path: NamePath, args: readonly DbValue[], run: Run): VirtualTable | undefined {
    const name = path.at(-1)!;
    const match = /^fn_cdc_get_(all|net)_changes_(.+)$/i.exec(name);
    const instance = match === null ? undefined : this.dataCapture.find(match[2]!);
    if (instance === undefined) return undefined;
    this.#demandSelect(instance.table, new Set(), run);
    return match![1]!.toLowerCase() === "all"
      ? this.dataCapture.allChanges(instance, args, run)
      : this.dataCapture.netChanges(instance, args, run);
  }

  changeTable(
    path: NamePath,
    since: DbValue | undefined,
    keys: readonly DbValue[] | undefined,
    run: Run,
  ): VirtualTable {
    if (keys !== undefined)
      throw new DatabaseError(102, "The test engine does not know CHANGETABLE(VERSION …).");
    const table = this.storage.findTable(path.at(-2), path.at(-1)!);
    if (table === undefined) throw unknownObject(path.join("."), "tsql");
    const { user, isAdministrator } = run.session;
    if (!isAdministrator && !this.rights.may(user, "VIEW CHANGE TRACKING", table.label)) {
      throw this.denied("VIEW CHANGE TRACKING", table);
    }
    return this.changeTracking.changes(table, since, run);
  }

  nextValue(sequence: string): bigint {
    const last = this.sequences.get(sequence.toLowerCase());
    if (last === undefined) throw unknownObject(sequence, "tsql");
    this.sequences.set(sequence.toLowerCase(), last + 1n);
    return last + 1n;
  }

  scalar(path: NamePath): ScalarFunction | undefined {
    return FUNCTIONS[path.at(-1)!.toUpperCase()];
  }

  flashback(): FlashbackSource {
    throw new DatabaseError(102, "SQL Server knows no flashback queries.");
  }

  /** The restored database starts a new recovery fork. */
  override backUp(): () => void {
    const restore = super.backUp();
    return () => {
      restore();
      this.markRestored();
    };
  }

  /** Gives it a new recovery fork, as a restore does. */
  markRestored(): void {
    this.recoveryFork = randomUUID().toUpperCase();
  }

  denied(right: string, table: Table, column?: string): DatabaseError {
    const place = `object '${table.name}', database '${this.name}', schema '${table.schema}'`;
    return column === undefined
      ? new DatabaseError(229, `The ${right} permission was denied on the ${place}.`, 14)
      : new DatabaseError(
          230,
          `The ${right} permission was denied on the column '${column}' of the ${place}.`,
          14,
        );
  }

  #demandSelect(table: Table, columns: ReadonlySet<string> | undefined, run: Run): void {
    const { user, isAdministrator } = run.session;
    if (isAdministrator) return;
    const own = table.columns
      .map(({ name }) => name)
      .filter((name) => columns === undefined || columns.has(name.toLowerCase()));
    if (
      own.length === 0
        ? this.rights.knows(user, table.label, "SELECT")
        : this.rights.may(user, "SELECT", table.label, own)
    )
      return;
    const isAnyAllowed = table.columns.some(({ name }) =>
      this.rights.may(user, "SELECT", table.label, [name]),
    );
    if (!isAnyAllowed) throw this.denied("SELECT", table);
    throw this.denied(
      "SELECT",
      table,
      own.find((name) => !this.rights.may(user, "SELECT", table.label, [name])),
    );
  }
}
