// SQLite's error codes as the room's own errors.
import Database from "better-sqlite3";
import { StorageCorruptError, StorageFullError } from "#agent/core/room/storage-errors.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";

/** SQLite cannot grow the WAL's index on a full volume and calls that an I/O error. */
const FULL_CODES: ReadonlySet<string> = new Set(["SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "ENOSPC", "EDQUOT"]);
const CORRUPT_CODE = /^SQLITE_(CORRUPT|NOTADB|IOERR|FORMAT|MISMATCH)/;

/** What to throw across the port instead of what the driver threw. Our own errors pass unchanged. */
export function toStorageError(error: unknown, file: string, tried: string): unknown {
  if (error instanceof MillraceError) return error;
  const code = codeOf(error);
  const text = `room file ${file}: ${tried} failed with ${code}: ${messageOf(error)}`;
  if (FULL_CODES.has(code)) {
    return new StorageFullError(`${text}. Nothing was changed; free space on this volume`, { cause: error });
  }
  if (CORRUPT_CODE.test(code)) return new StorageCorruptError(text, { cause: error });
  if (error instanceof Database.SqliteError) {
    return new MillraceError(`${text}. Check that the data folder is on a local, writable disk`, {
      cause: error,
    });
  }
  return error;
}

/** Runs `action`; whatever the disk does comes out as a storage error. */
export function guarded<T>(file: string, tried: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toStorageError(error, file, tried);
  }
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "no code";
}
