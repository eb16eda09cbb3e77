// Turns what SQLite throws into the errors of the store's port, with what to do next.
import Database from "better-sqlite3";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import { DuplicateError, StoreCorruptError, StoreFullError } from "../../core/store.ts";

export function storeError(error: unknown, path: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const { code } = error;
  const cause = { cause: error };
  if (code === "SQLITE_FULL" || code === "SQLITE_IOERR_SHMSIZE") {
    return new StoreFullError(
      `writing the relay's store ${path} failed: no space is left. Nothing of the transaction was kept; free some disk space or move the data directory, and the relay goes on by itself`,
      cause,
    );
  }
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") {
    return new StoreCorruptError(
      `the relay's store ${path} is damaged (${messageOf(error)}). Stop the relay, keep the file for analysis and put back the newest backup; agents send again what it lacks`,
      cause,
    );
  }
  if (code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY") {
    return new DuplicateError(`writing the relay's store failed: ${messageOf(error)}`, cause);
  }
  return new MillraceError(
    `using the relay's store ${path} failed: ${messageOf(error)} (${code}). Check the disk and the rights on the data directory`,
    cause,
  );
}
