// Opens the relay's SQLite file: durability set and asserted, version checked, migrated.
import Database from "better-sqlite3";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import { StoreCorruptError } from "../../core/store.ts";
import { Checkpointer } from "./checkpointer.ts";
import { APPLICATION_ID, MIGRATIONS, type Migration } from "./migrations.ts";
import { SqliteStore, type SqliteStoreDeps } from "./sqlite-store.ts";
import { storeError } from "./store-errors.ts";

export interface OpenStoreOptions {
  readonly path: string;
  /** Looks through the whole file first; takes about a second per GB. */
  readonly quickCheck?: boolean;
  /** Copies the write-ahead log in a thread of its own: for who writes much, and answers while it does. */
  readonly checkpointThread?: boolean;
  /** False: earlier versions of records are not kept. */
  readonly keepsVersions?: boolean;
  /** For tests of upgrades. */
  readonly migrations?: readonly Migration[];
}

/** How long a statement waits for another process (the command line) to finish its transaction. */
const BUSY_TIMEOUT_MS = 5_000;
const WRITER_CACHE_KIB = 64 * 1024;
const READER_CACHE_KIB = 32 * 1024;
/** Pages of the WAL (4 KiB each) after which they are copied into the file: by the thread, if there is one… */
const CHECKPOINT_PAGES = 4_000;
/** …which looks this often; a commit then copies only what is left at this size. */
const CHECKPOINT_EVERY_MS = 200;
const CHECKPOINT_PAGES_AT_MOST = 16_000;
/** The WAL file shrinks back to this after a checkpoint. */
const MAX_WAL_BYTES = 64 * 1024 * 1024;

/**
 * @throws StoreCorruptError for a damaged file, StoreFullError, MillraceError for a file of something else or of a
 * newer Millrace
 */
export async function openSqliteStore(options: OpenStoreOptions): Promise<SqliteStore> {
  const { keepsVersions = true } = options;
  const connections = { ...openConnections(options), keepsVersions };
  if (options.checkpointThread !== true) return new SqliteStore(connections);
  connections.writer.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES_AT_MOST}`);
  const checkpointer = new Checkpointer({
    path: options.path,
    everyMs: CHECKPOINT_EVERY_MS,
    fromPages: CHECKPOINT_PAGES,
    busyTimeoutMs: BUSY_TIMEOUT_MS,
  });
  return new SqliteStore({ ...connections, checkpointer });
}

/** The two connections of a store, prepared. For tests that need their hands on the writer. */
export function openConnections(options: OpenStoreOptions): SqliteStoreDeps {
  const { path, migrations = MIGRATIONS } = options;
  let writer: Database.Database | undefined;
  let reader: Database.Database | undefined;
  try {
    writer = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    prepareWriter(writer, path);
    migrate(writer, path, migrations);
    if (options.quickCheck === true) quickCheck(writer, path);
    reader = new Database(path, { readonly: true, timeout: BUSY_TIMEOUT_MS });
    reader.pragma(`cache_size = -${READER_CACHE_KIB}`);
    reader.pragma("query_only = ON");
    return { writer, reader, path };
  } catch (error) {
    reader?.close();
    writer?.close();
    throw storeError(error, path);
  }
}

function prepareWriter(db: Database.Database, path: string): void {
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma(`cache_size = -${WRITER_CACHE_KIB}`);
  db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  db.pragma(`journal_size_limit = ${MAX_WAL_BYTES}`);
  db.pragma("temp_store = MEMORY");
  db.pragma("cell_size_check = ON");
  db.pragma("trusted_schema = OFF");
  // better-sqlite3's own default for WAL is NORMAL, which may lose acknowledged batches on power loss.
  const mode = db.pragma("journal_mode", { simple: true });
  const synchronous = db.pragma("synchronous", { simple: true });
  if (mode !== "wal" || synchronous !== 2) {
    throw new MillraceError(
      `opening the relay's store ${path} failed: the disk gives journal mode ${String(mode)} and synchronous ${String(synchronous)}, but WAL and FULL (2) are needed. Put the data directory on a local disk`,
    );
  }
}

function migrate(db: Database.Database, path: string, migrations: readonly Migration[]): void {
  db.transaction(() => {
    const version = Number(db.pragma("user_version", { simple: true }));
    refuseForeign(db, path, version);
    refuseNewer(db, path, version, migrations.length);
    const due = migrations.slice(version);
    if (due.length === 0) return;
    for (const { sql } of due) db.exec(sql);
    const minReader = Math.max(...due.map((step) => step.minReader));
    db.prepare("INSERT OR REPLACE INTO meta VALUES ('min_reader', ?)").run(String(minReader));
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${migrations.length}`);
  }).immediate();
}

function refuseForeign(db: Database.Database, path: string, version: number): void {
  const application = db.pragma("application_id", { simple: true });
  const tables = db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get();
  if (application === APPLICATION_ID || (version === 0 && tables === 0)) return;
  throw new MillraceError(
    `opening the relay's store failed: ${path} is a SQLite file of something else. Name another file or directory in the relay's settings`,
  );
}

function refuseNewer(db: Database.Database, path: string, version: number, known: number): void {
  if (version <= known) return;
  const minReader = Number(db.prepare("SELECT value FROM meta WHERE name = 'min_reader'").pluck().get());
  if (minReader <= known) return;
  throw new MillraceError(
    `opening the relay's store ${path} failed: it was written by a newer Millrace (schema ${version}, readable from ${minReader}; this one knows ${known}). Install that version again, or put back a backup from before the upgrade`,
  );
}

function quickCheck(db: Database.Database, path: string): void {
  const found = db.pragma("quick_check(1)", { simple: true });
  if (found === "ok") return;
  throw new StoreCorruptError(
    `the relay's store ${path} is damaged (${messageOf(found)}). Keep the file for analysis and put back the newest backup; agents send again what it lacks`,
  );
}
