// Writes to a SQLite file: a handle of their own, one transaction at a time under the writer's lock.
import Database from "better-sqlite3";
import type { SqlStatement } from "#agent/core/sql/dialect.ts";
import type { SqlWriteSession, SqlWriteSource, WorkDone } from "#agent/core/sql/write-source.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { SQLITE_DIALECT, SqliteConnection } from "./connection.ts";
import type { SqliteSettings } from "./definition.ts";

/** While another program holds the lock. SQLite's own waiting would stop the whole process, and nobody could call the write off. */
const LOOK_EVERY_MS = 10;

export class SqliteWriteSource implements SqlWriteSource {
  readonly dialect = SQLITE_DIALECT;
  /** The whole file is locked. */
  readonly rowLock = {};
  readonly #settings: SqliteSettings;
  readonly #clock: Clock;
  #connection: SqliteConnection | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: SqliteSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  writeTransaction<T>(
    signal: AbortSignal,
    work: (session: SqlWriteSession) => Promise<WorkDone<T>>,
  ): Promise<T> {
    const turn = this.#turn.then(async () => {
      signal.throwIfAborted();
      const connection = (this.#connection ??= new SqliteConnection(this.#settings, "write"));
      const session: SqlWriteSession = {
        query: (statement: SqlStatement) => connection.query(statement),
        execute: (statement: SqlStatement) => connection.execute(statement),
      };
      await this.#begin(connection, signal);
      try {
        const { isKept, value } = await work(session);
        signal.throwIfAborted();
        if (isKept) connection.commit();
        return value;
      } finally {
        connection.end();
      }
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** @throws ConnectorError when the lock was not to be had in time; the signal's reason */
  async #begin(connection: SqliteConnection, signal: AbortSignal): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + this.#settings.busyTimeoutMs;
    for (;;) {
      try {
        connection.beginWrite();
        return;
      } catch (error) {
        if (!isLocked(error) || this.#clock.monotonicMs() >= untilMs) throw error;
      }
      await sleep(this.#clock, LOOK_EVERY_MS, signal);
      signal.throwIfAborted();
    }
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}

function isLocked(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Database.SqliteError && cause.code.startsWith("SQLITE_BUSY");
}
