// Checks a whole room file through a read-only handle, so that a damaged one stays as it was found.
import Database from "better-sqlite3";
import { StorageCorruptError } from "#agent/core/room/storage-errors.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { readHead } from "./head-file.ts";
import { FORMAT_VERSION, checkSchema, configureAny } from "./room-schema.ts";
import { BATCH_COLUMNS, META_COLUMNS, isBatchRowSound, textCrc, toKnownRecord, toMeta } from "./room-rows.ts";
import type { BatchRow, KnownRow, Meta } from "./room-rows.ts";
import { guarded } from "./sqlite-failures.ts";

/** Known records checked before a room starts, about a second's worth; `maintain` checks the others in its rounds. */
const MAX_KNOWN_AT_OPEN = 200_000;

export interface VerifiedFile {
  readonly meta: Meta;
  readonly entities: ReadonlyMap<string, number>;
  /** Blob bytes of all batches, and of those not yet acknowledged: counted anew, never trusted after a crash. */
  readonly heldBytes: number;
  readonly backlogBytes: number;
}

/** The handle stays open until `close`: while it is, a writing handle that closes first does not touch the WAL. */
export interface FileCheck extends Disposable {
  readonly verified: VerifiedFile;
  close(): void;
}

/**
 * Reads everything once (of very many known records a part): structure (`quick_check`), definitions, and every row against its checksum. A flipped byte in a
 * value passes SQLite's own checks, and a damaged WAL frame ends the WAL without a word: the head file tells.
 * @throws StorageCorruptError
 * @throws MillraceError when a newer Millrace wrote the file
 */
export function verifyFile(file: string): FileCheck {
  return guarded(file, "checking it", () => {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    const close = (): void => void db.close();
    try {
      return { verified: verifyDatabase(db), close, [Symbol.dispose]: close };
    } catch (error) {
      close();
      // A damaged definition or format byte shows as a statement that does not compile or a format unknown to SQLite.
      const code = (error as { code?: unknown }).code;
      if (code === "SQLITE_ERROR" || code === "SQLITE_READONLY") {
        throw new StorageCorruptError(`room file ${file}: ${(error as Error).message}`, { cause: error });
      }
      throw error;
    }
  });
}

function verifyDatabase(db: Database.Database): VerifiedFile {
  configureAny(db);
  // One read transaction: all of it is one state.
  db.exec("BEGIN");
  const meta = readMeta(db);
  checkSchema(db);
  checkHead(db.name, meta);
  const report = db.pragma("quick_check(1)", { simple: true });
  if (report !== "ok")
    throw new StorageCorruptError(`room file ${db.name}: quick_check says ${String(report)}`);
  const entities = readEntities(db);
  checkCursors(db);
  checkKnown(db, entities);
  const bytes = checkBatches(db, meta);
  db.exec("COMMIT");
  return { meta, entities, ...bytes };
}

/** @throws StorageCorruptError */
export function readMeta(db: Database.Database): Meta {
  const version = Number(db.pragma("user_version", { simple: true }));
  const meta = toMeta(db.prepare(`SELECT ${META_COLUMNS} FROM meta WHERE id = 1`).raw().get(), db.name);
  if (meta.minReader > FORMAT_VERSION) {
    throw new MillraceError(
      `room file ${db.name}: format ${version} needs a Millrace that reads format ${meta.minReader}; this one reads ${FORMAT_VERSION}. Install the newer version again`,
    );
  }
  return meta;
}

function checkHead(file: string, meta: Meta): void {
  const head = readHead(file);
  if (head === undefined || head.commits <= meta.commits) return;
  throw new StorageCorruptError(
    `room file ${file}: holds ${meta.commits} commits where ${head.commits} were made: its WAL is damaged or it is an older copy`,
  );
}

function readEntities(db: Database.Database): Map<string, number> {
  const entities = new Map<string, number>();
  const rows = db.prepare<[], [number, string, number]>("SELECT number, name, crc FROM entities").raw().all();
  for (const [number, name, crc] of rows) {
    if (textCrc(number, name) !== crc || entities.has(name)) throw damagedRow(db, "entities", number);
    entities.set(name, number);
  }
  return entities;
}

function checkCursors(db: Database.Database): void {
  const rows = db.prepare<[], [string, string, number]>("SELECT slot, cursor, crc FROM cursors").raw().all();
  for (const [slot, cursor, crc] of rows) {
    if (textCrc(slot, cursor) !== crc) throw damagedRow(db, "cursors", slot);
  }
}

function checkKnown(db: Database.Database, entities: ReadonlyMap<string, number>): void {
  const numbers = new Set(entities.values());
  const rows = db.prepare<[], [...KnownRow, entity: number]>(
    `SELECT key, hash, version, seen, crc, entity FROM known_records LIMIT ${MAX_KNOWN_AT_OPEN}`,
  );
  for (const [key, hash, version, seen, crc, entity] of rows.raw().iterate()) {
    if (!numbers.has(entity)) throw damagedRow(db, "known_records", key);
    toKnownRecord([key, hash, version, seen, crc], entity, db.name);
  }
}

/** By seq, one after the other: a row that a damaged inner page hides is missing here as it would be for the uplink. */
function checkBatches(
  db: Database.Database,
  meta: Meta,
): { readonly heldBytes: number; readonly backlogBytes: number } {
  const get = db.prepare<[number], BatchRow>(`SELECT ${BATCH_COLUMNS} FROM batches WHERE seq = ?`).raw();
  let heldBytes = 0;
  let backlogBytes = 0;
  for (let seq = meta.firstSeq; seq < meta.nextSeq; seq += 1) {
    const row = get.get(seq);
    if (row === undefined || !isBatchRowSound(row)) throw damagedRow(db, "batches", seq);
    heldBytes += row[5].length;
    if (seq > meta.ackedSeq) backlogBytes += row[5].length;
  }
  const count = Number(db.prepare("SELECT count(*) FROM batches").pluck().get());
  if (count !== meta.nextSeq - meta.firstSeq) throw damagedRow(db, "batches", `count ${count}`);
  return { heldBytes, backlogBytes };
}

function damagedRow(db: Database.Database, table: string, row: string | number): StorageCorruptError {
  return new StorageCorruptError(
    `room file ${db.name}, table ${table}, row ${row}: missing or does not match its checksum`,
  );
}
