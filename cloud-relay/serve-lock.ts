// One serving relay per data directory: a lock that the operating system lets go of when its holder dies.
import { join } from "node:path";
import Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";

/** Another relay serves from the directory. */
export class DataDirInUseError extends MillraceError {
  override name = "DataDirInUseError";
}

/** Held by an exclusive SQLite transaction until disposed of. The other commands do not take it. @throws DataDirInUseError */
export function lockForServing(dataDir: string): Disposable {
  const db = new Database(join(dataDir, "serve.lock"), { timeout: 0 });
  try {
    db.pragma("journal_mode = DELETE");
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (!(error instanceof Database.SqliteError) || !error.code.startsWith("SQLITE_BUSY")) throw error;
    throw new DataDirInUseError(
      `another relay serves from ${dataDir}; stop it first, or give this one a --data-dir of its own`,
      { cause: error },
    );
  }
  return { [Symbol.dispose]: () => void db.close() };
}
