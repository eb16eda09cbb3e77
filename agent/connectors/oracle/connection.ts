// One lane: a connection of its own, short READ ONLY transactions one after another, every call bounded.
import oracledb from "oracledb";
import type { SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { OracleSettings } from "./definition.ts";
import { bindsOf } from "./dialect.ts";
import { connect, destroy, limitAnswer, prepareDriver, targetLabel } from "./driver.ts";
import { CONNECTING, failureOf } from "./failures.ts";
import {
  CommitUnknown,
  type SqlWriteSession,
  type WorkDone,
  WriteRefused,
} from "#agent/core/sql/write-source.ts";
import { fetchRows } from "./row-fetcher.ts";
import { plainValue, tooLong } from "./type-map.ts";
import type { QueryAnswer } from "#agent/core/sql/named-query.ts";
import { giveAnswer } from "./named-queries.ts";
import { refusalOf } from "./write-failures.ts";

/** Beyond the driver's own time limit: then the server does not answer at all, and the connection is destroyed. */
const SILENCE_GRACE_MS = 5000;
/** How long a server has to confirm that it stopped a statement; a farewell is not worth waiting longer for either. */
const BREAK_TIMEOUT_MS = 500;
const CLOSE_TIMEOUT_MS = 500;
/**
 * How values are written and compared, whatever the server, its logon triggers and this machine say. Calendar and time
 * zone decide what TO_CHAR writes, the sort order what equal means.
 */
const SESSION_SETTINGS =
  "ALTER SESSION SET NLS_CALENDAR = 'GREGORIAN' NLS_NUMERIC_CHARACTERS = '.,' NLS_COMP = 'BINARY' " +
  "NLS_SORT = 'BINARY' TIME_ZONE = '+00:00'";

/** One transaction's view of the source. */
export interface OracleSession extends SqlSession {
  /** A system change number at or before the one that this transaction sees; undefined where none may be asked for. */
  readonly scn: string | undefined;
  /** `1901000000` is 19.1. */
  readonly serverVersion: number;
  /** What the server said at the login although it let us in: the password expires soon. */
  readonly warning: string | undefined;
}

export class OracleConnection implements AsyncDisposable {
  readonly #settings: OracleSettings;
  readonly #clock: Clock;
  #connection: oracledb.Connection | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #scnQuery: string | undefined;
  #isClosed = false;
  readonly #doing: "Reading" | "Writing";

  constructor(settings: OracleSettings, clock: Clock, doing: "Reading" | "Writing" = "Reading") {
    this.#settings = settings;
    this.#doing = doing;
    this.#clock = clock;
  }

  /** From now on every transaction asks for the system change number before it begins. */
  set scnQuery(query: string | undefined) {
    this.#scnQuery = query;
  }

  /** Connects if need be, and runs `work` in one read-only transaction. @throws ConnectorError */
  transaction<T>(
    signal: AbortSignal,
    work: (session: OracleSession) => Promise<T>,
    wantsScn = true,
  ): Promise<T> {
    const scnQuery = wantsScn ? this.#scnQuery : undefined;
    const turn = this.#turn.then(() => this.#bounded(signal, work, scnQuery));
    this.#turn = turn.catch(() => {});
    return orAborted(turn, signal);
  }

  /** The rows of any query, some at a time until `answer` has enough, in one read-only transaction. @throws ConnectorError */
  answer(signal: AbortSignal, statement: SqlStatement, answer: QueryAnswer): Promise<void> {
    const work = (): Promise<void> => {
      const connection = this.#connection!;
      return giveAnswer(connection, statement, answer, (call, maxBytes) =>
        this.#call(connection, statement.text, call, maxBytes),
      );
    };
    return this.transaction(signal, work, false);
  }

  /** Connects if need be, and runs `work` in one transaction that may write. @throws as SqlWriteSource.writeTransaction */
  write<T>(signal: AbortSignal, work: (session: SqlWriteSession) => Promise<WorkDone<T>>): Promise<T> {
    const turn = this.#turn.then(() => this.#boundedWrite(signal, work));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    const closed = connection.close().catch(() => {});
    await this.#within(CLOSE_TIMEOUT_MS, closed, () => destroy(connection));
  }

  async #bounded<T>(
    signal: AbortSignal,
    work: (session: OracleSession) => Promise<T>,
    scnQuery: string | undefined,
  ): Promise<T> {
    signal.throwIfAborted();
    const cut = (): void => this.#cancel();
    signal.addEventListener("abort", cut, { once: true });
    let connection: oracledb.Connection | undefined;
    try {
      const open = this.#connection ?? (await this.#connect(signal));
      connection = open;
      const query = (statement: SqlStatement): Promise<readonly SqlRow[]> => this.#query(open, statement);
      // Before the transaction: what commits after this number may not be seen by it, what committed before it is.
      const scn = scnQuery === undefined ? undefined : await readScn(query, scnQuery);
      await this.#execute(open, "SET TRANSACTION READ ONLY");
      const warning = open.warning?.message;
      const result = await work({ query, scn, serverVersion: open.oracleServerVersion, warning });
      await this.#call(open, "COMMIT", () => open.commit());
      return result;
    } catch (error) {
      // Whatever the transaction's state is now: a new connection has none.
      if (connection !== undefined) this.#drop(connection);
      throw failureOf(error, this.#settings, { doing: this.#doing });
    } finally {
      signal.removeEventListener("abort", cut);
    }
  }

  async #boundedWrite<T>(
    signal: AbortSignal,
    work: (session: SqlWriteSession) => Promise<WorkDone<T>>,
  ): Promise<T> {
    signal.throwIfAborted();
    const cut = (): void => this.#cancel();
    signal.addEventListener("abort", cut, { once: true });
    let connection: oracledb.Connection | undefined;
    let done: WorkDone<T>;
    try {
      connection = this.#connection ?? (await this.#connect(signal));
      await this.#execute(connection, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
      done = await work(this.#writeSession(connection));
      signal.throwIfAborted();
      if (!done.isKept) await this.#rollback(connection);
    } catch (error) {
      const failure = refusalOf(error) ?? failureOf(error, this.#settings, { doing: this.#doing });
      // A refusal leaves the session sound, and a login is dear.
      const isSound = failure instanceof WriteRefused && !signal.aborted && connection !== undefined;
      if (isSound) await this.#rollback(connection!).catch(() => this.#drop(connection!));
      else if (connection !== undefined) this.#drop(connection);
      throw failure;
    } finally {
      // From here on the commit is waited for: cutting it off would leave its outcome open.
      signal.removeEventListener("abort", cut);
    }
    if (done.isKept) await this.#commit(connection);
    return done.value;
  }

  #writeSession(connection: oracledb.Connection): SqlWriteSession {
    return {
      query: (statement) =>
        isBlock(statement) ? this.#callBlock(connection, statement) : this.#query(connection, statement),
      execute: async (statement) => {
        const { rowsAffected = 0 } = await this.#call(connection, statement.text, () =>
          connection.execute(statement.text, bindsOf(statement)),
        );
        return rowsAffected;
      },
    };
  }

  /** What a PL/SQL block gives back, as its only row. */
  async #callBlock(connection: oracledb.Connection, statement: SqlStatement): Promise<readonly SqlRow[]> {
    const { outBinds = [] } = await this.#call(connection, statement.text, () =>
      connection.execute<unknown[]>(statement.text, bindsOf(statement)),
    );
    return [outBinds.map(plainValue)];
  }

  async #rollback(connection: oracledb.Connection): Promise<void> {
    await this.#call(connection, "ROLLBACK", () => connection.rollback());
  }

  /** @throws WriteRefused, CommitUnknown */
  async #commit(connection: oracledb.Connection): Promise<void> {
    try {
      await this.#call(connection, "COMMIT", () => connection.commit());
    } catch (error) {
      this.#drop(connection);
      // Constraints that are checked at the end: then the server has rolled back.
      const refused = refusalOf(error);
      if (refused !== undefined) throw refused;
      throw new CommitUnknown(`The connection was lost while committing (${messageOf(error)}).`, {
        cause: error,
      });
    }
  }

  #query(connection: oracledb.Connection, statement: SqlStatement): Promise<readonly SqlRow[]> {
    return fetchRows(connection, statement, this.#settings.client.mode, (call, maxBytes) =>
      this.#call(connection, statement.text, call, maxBytes),
    );
  }

  async #execute(connection: oracledb.Connection, text: string): Promise<void> {
    await this.#call(connection, text, () => connection.execute(text));
  }

  /** One round trip or a few, at most for the time limit and a little, and within `maxBytes`. @throws ConnectorError, driver errors */
  async #call<T>(
    connection: oracledb.Connection,
    text: string,
    call: () => Promise<T>,
    maxBytes?: number,
  ): Promise<T> {
    const deadlineMs = this.#settings.statementTimeoutMs + SILENCE_GRACE_MS;
    const { promise: silence, reject } = Promise.withResolvers<never>();
    silence.catch(() => {});
    const cancel = this.#clock.setTimer(deadlineMs, () => {
      reject(
        new ConnectorError(
          "unavailable",
          `The Oracle server (${targetLabel(this.#settings)}) has not answered for ${deadlineMs} ms; the connection was cut.`,
        ),
      );
      destroy(connection);
    });
    const unlimit =
      maxBytes === undefined
        ? undefined
        : limitAnswer(connection, maxBytes, () => {
            reject(tooLong("A LONG or LOB of these rows", `more than ${maxBytes} bytes`));
            destroy(connection);
          });
    try {
      return await Promise.race([call(), silence]);
    } catch (error) {
      throw failureOf(error, this.#settings, { doing: this.#doing, text });
    } finally {
      cancel();
      unlimit?.();
    }
  }

  async #connect(signal: AbortSignal): Promise<oracledb.Connection> {
    const settings = this.#settings;
    prepareDriver(settings);
    let connection: oracledb.Connection;
    try {
      connection = await this.#open();
    } catch (error) {
      throw failureOf(error, settings, { doing: CONNECTING });
    }
    // A login cannot be called off; nobody waits for this one any more.
    if (signal.aborted || this.#isClosed) {
      destroy(connection);
      throw new ConnectorError("unavailable", "Connecting to Oracle was called off.");
    }
    this.#connection = connection;
    connection.callTimeout = settings.statementTimeoutMs;
    try {
      await this.#execute(connection, SESSION_SETTINGS);
    } catch (error) {
      this.#drop(connection);
      throw error;
    }
    return connection;
  }

  /** The driver bounds each step by itself; a server that trickles is bounded here. */
  async #open(): Promise<oracledb.Connection> {
    const opening = connect(this.#settings);
    const deadlineMs = this.#settings.connectTimeoutMs + SILENCE_GRACE_MS;
    const { promise: silence, reject } = Promise.withResolvers<never>();
    silence.catch(() => {});
    const cancel = this.#clock.setTimer(deadlineMs, () => {
      opening.then(destroy, () => {});
      reject(
        new ConnectorError(
          "unavailable",
          `Connecting (Oracle ${targetLabel(this.#settings)}): no login within ${deadlineMs} ms. Check listener and database.`,
        ),
      );
    });
    try {
      return await Promise.race([opening, silence]);
    } finally {
      cancel();
    }
  }

  /** Has the server stop the statement; its answer ends the call. Without one the connection is destroyed. */
  #cancel(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    // Whoever comes next gets another one: the break may still be on its way.
    this.#connection = undefined;
    connection.break().catch(() => {});
    this.#clock.setTimer(BREAK_TIMEOUT_MS, () => this.#drop(connection));
  }

  #drop(connection: oracledb.Connection): void {
    if (this.#connection === connection) this.#connection = undefined;
    destroy(connection);
  }

  async #within(limitMs: number, work: Promise<unknown>, onTimeout: () => void): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.setTimer(limitMs, () => {
      onTimeout();
      resolve();
    });
    await Promise.race([work, late]);
    cancel();
  }
}

function isBlock({ text }: SqlStatement): boolean {
  return text.startsWith("BEGIN ");
}

async function readScn(
  query: (statement: SqlStatement) => Promise<readonly SqlRow[]>,
  text: string,
): Promise<string> {
  const [row] = await query({ text, parameters: [] });
  return String(row?.[0]);
}

/** Whoever only waits for the lane leaves at once. */
function orAborted<T>(turn: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const leave = (): void => reject(new ConnectorError("unavailable", "The read was called off."));
  signal.addEventListener("abort", leave, { once: true });
  turn.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  return promise;
}
