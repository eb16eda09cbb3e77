// Writes to a SQLite file: a handle of their own, one transaction at a time under the writer's lock.
import type { SqlStatement } from "#agent/core/sql/dialect.ts";
import type { SqlWriteSession, SqlWriteSource, WorkDone } from "#agent/core/sql/write-source.ts";
import { SQLITE_DIALECT, SqliteConnection } from "./connection.ts";
import type { SqliteSettings } from "./definition.ts";

export class SqliteWriteSource implements SqlWriteSource {
  readonly dialect = SQLITE_DIALECT;
  /** The whole file is locked. */
  readonly rowLock = {};
  readonly #settings: SqliteSettings;
  #connection: SqliteConnection | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: SqliteSettings) {
    this.#settings = settings;
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
      connection.beginWrite();
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

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}
