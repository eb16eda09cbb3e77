// The layout of a room's file: tables, pragmas and the versions that say who may open it.
import type Database from "better-sqlite3";
import { StorageCorruptError } from "#agent/core/room/storage-errors.ts";
import { MillraceError } from "#common/runtime/errors.ts";

/** Written to `user_version`; grows with every change of the layout. */
export const FORMAT_VERSION = 1;
/** The oldest program that may open what this one writes. */
export const MIN_READER = 1;
/** "MLRM", so that a foreign SQLite file is told apart. */
export const APPLICATION_ID = 0x4d4c524d;
/** Measured: 4 and 8 KiB are alike, 16 KiB loses to the scattered keys of known records. */
export const PAGE_BYTES = 4096;
/** SQLite copies the WAL into the file at this size, passively… */
export const AUTOCHECKPOINT_PAGES = 2000;
/** …and `maintain` truncates it above this one, which a reader can keep it from shrinking to. */
export const MAX_WAL_BYTES = 64 * 1024 * 1024;
const INCREMENTAL = 2;
const CACHE_KIB = 8 * 1024;

// `blob` is never SQLite's to judge; `rev` counts replacements, so that salvage can tell a body from its successor.
const TABLES = [
  "CREATE TABLE meta (id INTEGER PRIMARY KEY, min_reader INTEGER, epoch TEXT, taken_over TEXT, reason TEXT, life INTEGER, commits INTEGER, first_seq INTEGER, next_seq INTEGER, acked_seq INTEGER, tail_id TEXT, crc INTEGER)",
  "CREATE TABLE batches (seq INTEGER PRIMARY KEY, id BLOB, kind INTEGER, entries INTEGER, rev INTEGER, blob BLOB, crc INTEGER)",
  "CREATE TABLE cursors (slot TEXT PRIMARY KEY, cursor TEXT, crc INTEGER) WITHOUT ROWID",
  "CREATE TABLE entities (number INTEGER PRIMARY KEY, name TEXT, crc INTEGER)",
  "CREATE TABLE known_records (entity INTEGER, key TEXT, hash BLOB, version TEXT, seen INTEGER, crc INTEGER, PRIMARY KEY (entity, key)) WITHOUT ROWID",
];

/** An empty database becomes a room's file. */
export function createSchema(db: Database.Database): void {
  db.pragma(`page_size = ${PAGE_BYTES}`);
  db.pragma("auto_vacuum = INCREMENTAL");
  configureWriter(db);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  for (const table of TABLES) db.exec(table);
  db.pragma(`user_version = ${FORMAT_VERSION}`);
}

/** Per-connection settings of the room's one writing handle. SQLite's default in WAL is NORMAL here: said and checked. */
export function configureWriter(db: Database.Database): void {
  const mode = db.pragma("journal_mode = WAL", { simple: true });
  db.pragma("synchronous = FULL");
  // Setting it writes, and a full disk must not keep a room from opening.
  if (db.pragma("auto_vacuum", { simple: true }) !== INCREMENTAL) db.pragma("auto_vacuum = INCREMENTAL");
  db.pragma(`wal_autocheckpoint = ${AUTOCHECKPOINT_PAGES}`);
  db.pragma(`journal_size_limit = ${MAX_WAL_BYTES}`);
  configureAny(db);
  const synchronous = db.pragma("synchronous", { simple: true });
  if (mode !== "wal" || synchronous !== 2) {
    throw new MillraceError(
      `room file ${db.name}: journal_mode is ${String(mode)} and synchronous ${String(synchronous)} where wal and 2 were set; commits would not be durable. Keep the data folder on a local disk`,
    );
  }
}

export function configureAny(db: Database.Database): void {
  db.pragma(`cache_size = -${CACHE_KIB}`);
  db.pragma("cell_size_check = ON");
  db.pragma("trusted_schema = OFF");
}

/** The tables are what this version wrote, letter by letter: a damaged definition would change the meaning of good rows. */
export function checkSchema(db: Database.Database): void {
  const found = db.prepare("SELECT sql FROM sqlite_schema ORDER BY rowid").pluck().all();
  if (found.length !== TABLES.length || TABLES.some((sql, index) => sql !== found[index])) {
    throw new StorageCorruptError(
      `room file ${db.name}: its table definitions are not those that Millrace wrote`,
    );
  }
  const written = db.pragma("user_version", { simple: true });
  const owner = db.pragma("application_id", { simple: true });
  if (written !== FORMAT_VERSION || owner !== APPLICATION_ID) {
    throw new StorageCorruptError(
      `room file ${db.name}: header says application ${String(owner)} version ${String(written)}, its tables say otherwise`,
    );
  }
}
