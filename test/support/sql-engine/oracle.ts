// An Oracle database in memory: what its sessions see, and what a test can do to it.
import type { Flashback, NamePath } from "./ast.ts";
import { Database } from "./database.ts";
import { flashbackSource } from "./flashback.ts";
import { lenient, NUMBER } from "./function-kit.ts";
import { ORACLE_CATALOGUE } from "./oracle-catalogue.ts";
import { formatDate, readDateText } from "./oracle-format.ts";
import { ORACLE_FUNCTIONS } from "./oracle-functions.ts";
import { OracleSession } from "./oracle-session.ts";
import { ORACLE_TIME_FUNCTIONS } from "./oracle-time-functions.ts";
import type { FlashbackSource, FoundSource, Run, ScalarFunction, VirtualTable } from "./run.ts";
import { DatabaseError, type DatabaseSession, type DbType, type DbValue, type Login } from "./session.ts";
import { unknownObject } from "./storage.ts";
import type { Table } from "./table.ts";
import { type ViewLog, ViewLogs, type ViewLogOptions } from "./view-log.ts";

export interface OracleOptions {
  /** DB_NAME. Default `ERP`. */
  readonly name?: string;
  /** Default `erp.plant`. */
  readonly serviceName?: string;
  readonly containerName?: string;
  /** Whose tables unqualified names of definitions are; its login may do everything, password `administrator`. Default `APP`. */
  readonly owner?: string;
  /** IANA name of the server's zone. Default UTC. */
  readonly timeZone?: string;
  readonly nowMs?: () => number;
  readonly firstScn?: number;
}

export interface Synonym {
  /** `PUBLIC` for everybody. */
  readonly owner: string;
  readonly name: string;
  readonly tableOwner: string;
  readonly tableName: string;
}

const FUNCTIONS = { ...ORACLE_FUNCTIONS, ...ORACLE_TIME_FUNCTIONS };

export const OWNER_PASSWORD = "administrator";

export class OracleDatabase extends Database {
  readonly dialect = "oracle";
  readonly collation = undefined;
  readonly name: string;
  readonly serviceName: string;
  readonly containerName: string;
  readonly owner: string;
  readonly timeZone: string;
  readonly viewLogs: ViewLogs;
  readonly synonyms: Synonym[] = [];
  /** The last value of each, by name. */
  readonly sequences = new Map<string, bigint>();
  readonly createdAtMs: number;
  /** A restore by RESETLOGS changes it. */
  resetlogsChange = 1;
  dbid = 1_684_300_000 + Math.floor(Math.random() * 1e6);
  /** Materialized views that use a log: `[owner, master]`. */
  readonly logUsers: (readonly [string, string])[] = [];

  constructor(options: OracleOptions = {}) {
    const { nowMs, owner = "APP" } = options;
    super(
      {
        dialect: "oracle",
        firstCommit: options.firstScn ?? 8_123_456,
        ...(nowMs === undefined ? {} : { nowMs }),
      },
      owner,
    );
    this.owner = owner;
    this.name = options.name ?? "ERP";
    this.serviceName = options.serviceName ?? "erp.plant";
    this.containerName = options.containerName ?? "ERPPDB";
    this.timeZone = options.timeZone ?? "UTC";
    this.createdAtMs = this.storage.nowMs();
    this.viewLogs = new ViewLogs(this.storage, this.writer);
    this.rights.add({ user: owner, password: OWNER_PASSWORD, isAdministrator: true });
    for (const name of [
      "dbms_application_info.set_module",
      "dbms_application_info.set_action",
      "dbms_session.set_identifier",
      "dbms_output.enable",
      "dbms_output.disable",
    ]) {
      this.defineProcedure(name, () => ({ sets: [], rowsAffected: 0 }));
    }
  }

  /** The system change number of the last commit. */
  get scn(): number {
    return this.storage.commitClock;
  }

  createViewLog(master: string, options?: ViewLogOptions): ViewLog {
    return this.viewLogs.create(this.storage.table(master), options);
  }

  purgeViewLog(master: string): void {
    this.viewLogs.purge(this.storage.table(master));
  }

  /** Undo older than this is gone: AS OF before it is ORA-01555. Default: now. */
  shrinkUndo(upTo = this.storage.commitClock): void {
    this.storage.forgetHistory(upTo);
  }

  logIn(login: Login): DatabaseSession {
    this.faults.checkLogin();
    const { serviceName, name } = this;
    if (
      login.database !== "" &&
      ![serviceName, name].some((one) => one.toLowerCase() === login.database.toLowerCase())
    ) {
      throw new DatabaseError(
        12_514,
        `ORA-12514: TNS:listener does not currently know of service requested in connect descriptor (${login.database})`,
      );
    }
    const user = login.user.replace(/^"(.*)"$/, "$1");
    const entry = this.rights.login(user);
    if (entry === undefined || entry.password !== login.password) {
      throw new DatabaseError(1017, "ORA-01017: invalid username/password; logon denied");
    }
    if (entry.isLocked) throw new DatabaseError(28_000, "ORA-28000: The account is locked.");
    if (entry.isExpired) throw new DatabaseError(28_001, "ORA-28001: The account has expired.");
    return new OracleSession(this, entry);
  }

  cancelled(): DatabaseError {
    return new DatabaseError(1013, "ORA-01013: user requested cancel of current operation");
  }

  source(path: NamePath, run: Run, columns: ReadonlySet<string> | undefined): FoundSource {
    const [name = "", schema] = path.toReversed();
    const session = run.session as OracleSession;
    const table = this.findVisible(name, schema, session);
    if (table !== undefined) {
      this.#demandSelect(table, columns, session);
      return { kind: "table", table };
    }
    const view =
      schema === undefined || schema === "SYS" ? ORACLE_CATALOGUE[name.replace(/^V_\$/, "V$")] : undefined;
    if (view === undefined) throw unknownObject(path.join("."), "oracle");
    const { right } = view;
    const isAllowed =
      right === undefined ||
      session.isAdministrator ||
      this.rights.may(session.user, "SELECT", `sys.${right}`) ||
      this.rights.may(session.user, "SELECT ANY DICTIONARY");
    if (!isAllowed) throw unknownObject(path.join("."), "oracle");
    return { kind: "virtual", virtual: view.table(run) };
  }

  /** By the session's own schema, then synonyms. */
  findVisible(name: string, schema: string | undefined, session: OracleSession): Table | undefined {
    const own = this.storage.findTable(schema ?? session.currentSchema, name);
    if (own !== undefined || schema !== undefined) return own;
    for (const owner of [session.currentSchema, "PUBLIC"]) {
      const synonym = this.synonyms.find((one) => one.owner === owner && one.name === name);
      if (synonym !== undefined) return this.storage.findTable(synonym.tableOwner, synonym.tableName);
    }
    return undefined;
  }

  tableFunction(): VirtualTable | undefined {
    return undefined;
  }

  changeTable(): VirtualTable {
    throw new DatabaseError(942, "ORA-00942: table or view does not exist");
  }

  scalar(path: NamePath): ScalarFunction | undefined {
    const name = path.at(-1)!.toUpperCase();
    if (path.length > 1 && (name === "NEXTVAL" || name === "CURRVAL"))
      return this.#sequenceValue(path.at(-2)!, name);
    const packageName = path.length > 1 ? path.at(-2)!.toUpperCase() : undefined;
    if (name === "GET_SYSTEM_CHANGE_NUMBER")
      return packageName === "DBMS_FLASHBACK" ? this.#changeNumber : undefined;
    if (name === "GETLENGTH" && packageName === "DBMS_LOB") return FUNCTIONS["LENGTH"];
    if (packageName !== undefined && packageName !== "STANDARD") return undefined;
    return FUNCTIONS[name];
  }

  flashback(table: Table, flashback: Flashback, bounds: readonly DbValue[], run: Run): FlashbackSource {
    const { user, isAdministrator } = run.session;
    const mayLookBack =
      isAdministrator ||
      this.rights.may(user, "FLASHBACK", table.label) ||
      this.rights.may(user, "FLASHBACK ANY TABLE");
    if (!mayLookBack) throw new DatabaseError(1031, "ORA-01031: insufficient privileges");
    return flashbackSource(table, flashback, bounds, run);
  }

  readDate(text: string, type: DbType, run: Run): string {
    const { settings } = run.session;
    const isZoned = type.kind === "timestamp" && type.zone !== "none";
    const names = isZoned
      ? ["NLS_TIMESTAMP_TZ_FORMAT", "NLS_TIMESTAMP_FORMAT"]
      : type.kind === "oracle_date"
        ? ["NLS_DATE_FORMAT"]
        : ["NLS_DATE_FORMAT", "NLS_TIMESTAMP_FORMAT"];
    let failure: unknown;
    for (const name of names) {
      try {
        return readDateText(text, settings.get(name)!);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  writeDate(value: string, type: DbType, run: Run): string {
    const { settings } = run.session;
    const isZoned = type.kind === "timestamp" && type.zone !== "none";
    const name = isZoned
      ? "NLS_TIMESTAMP_TZ_FORMAT"
      : type.kind === "timestamp"
        ? "NLS_TIMESTAMP_FORMAT"
        : "NLS_DATE_FORMAT";
    return formatDate(value, settings.get(name)!);
  }

  #sequenceValue(sequence: string, what: string): ScalarFunction | undefined {
    if (!this.sequences.has(sequence)) return undefined;
    return lenient(NUMBER, () => {
      const last = this.sequences.get(sequence)!;
      if (what === "CURRVAL") return String(last);
      this.sequences.set(sequence, last + 1n);
      return String(last + 1n);
    });
  }

  /** DBMS_FLASHBACK wants EXECUTE; without it the name is not even known. */
  #changeNumber: ScalarFunction = (args, run, scope) => {
    const { user, isAdministrator } = run.session;
    if (!isAdministrator && !this.rights.may(user, "EXECUTE", "sys.dbms_flashback")) {
      throw new DatabaseError(
        904,
        'ORA-00904: "DBMS_FLASHBACK"."GET_SYSTEM_CHANGE_NUMBER": invalid identifier',
      );
    }
    return FUNCTIONS["GET_SYSTEM_CHANGE_NUMBER"]!(args, run, scope);
  };

  #demandSelect(table: Table, _columns: ReadonlySet<string> | undefined, session: OracleSession): void {
    if (session.isAdministrator || table.schema === session.user.toUpperCase()) return;
    if (
      this.rights.may(session.user, "SELECT", table.label) ||
      this.rights.may(session.user, "READ", table.label)
    )
      return;
    throw this.rights.knows(session.user, table.label)
      ? new DatabaseError(1031, "ORA-01031: insufficient privileges")
      : unknownObject(table.label, "oracle");
  }
}
