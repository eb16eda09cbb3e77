// One agent per data folder: a lock that the operating system lets go of when its holder dies, however that happens.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";

/** Another process holds the folder. */
export class FolderInUseError extends MillraceError {
  override name = "FolderInUseError";
}

/**
 * Holds `<dataDir>/lock.db` by an exclusive SQLite transaction, until disposed of or until this process ends.
 * @throws FolderInUseError
 */
export function lockDataDir(dataDir: string): Disposable {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const db = new Database(join(dataDir, "lock.db"), { timeout: 0 });
  try {
    db.pragma("journal_mode = DELETE");
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (!(error instanceof Database.SqliteError) || !error.code.startsWith("SQLITE_BUSY")) throw error;
    throw new FolderInUseError(
      `another Millrace agent is using ${dataDir}; stop it first (millrace-agent stop), or give this one a data_dir of its own`,
      { cause: error },
    );
  }
  return { [Symbol.dispose]: () => void db.close() };
}
