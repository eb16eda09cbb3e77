// The prepared statements of a room's file, typed.
import type Database from "better-sqlite3";
import { BATCH_COLUMNS } from "./room-rows.ts";
import type { BatchRow, KnownRow } from "./room-rows.ts";

type Write<Params extends unknown[]> = Database.Statement<Params>;
type Read<Params extends unknown[], Row> = Database.Statement<Params, Row>;

export interface RoomStatements {
  readonly insertBatch: Write<[number, Uint8Array, number, number, number, Uint8Array, number]>;
  readonly removeBatch: Write<[number]>;
  readonly deleteBelow: Write<[number]>;
  readonly getBatch: Read<[number], BatchRow>;
  readonly getId: Read<[number], Buffer>;
  /** From and to seq, inclusive. */
  readonly sumBytes: Read<[number, number], number | null>;
  /** From seq, kind, limit. */
  readonly oldest: Read<[number, number, number], BatchRow>;
  readonly putMeta: Write<(string | number)[]>;
  readonly insertEntity: Write<[number, string, number]>;
  readonly putKnown: Write<[number, string, Uint8Array | string, string | null, number, number]>;
  readonly forget: Write<[number, string]>;
  /** JSON array of keys, entity; one row for each key, in order, with nulls where the key is unknown. */
  readonly getKnown: Read<[string, number], KnownRow>;
  readonly unseenFirst: Read<[number, number, number], KnownRow>;
  readonly unseenAfter: Read<[number, string, number, number], KnownRow>;
  /** Entity, key, limit: the known records behind that one, of all entities. */
  readonly knownAfter: Read<[number, string, number], [...KnownRow, entity: number]>;
  readonly countKnown: Read<[number], number>;
  readonly countUnseen: Read<[number, number], number>;
  readonly getCursor: Read<[string], [text: string, crc: number]>;
  readonly putCursor: Write<[string, string, number]>;
  readonly removeCursor: Write<[string]>;
}

const META_ASSIGNMENTS =
  "min_reader = ?, epoch = ?, taken_over = ?, reason = ?, life = ?, commits = ?, first_seq = ?, next_seq = ?, acked_seq = ?, tail_id = ?, crc = ?";
const KNOWN_COLUMNS = "key, hash, version, seen, crc";

export function prepareStatements(db: Database.Database): RoomStatements {
  const row = <P extends unknown[], R>(sql: string): Read<P, R> => db.prepare<P, R>(sql).raw();
  const value = <P extends unknown[], R>(sql: string): Read<P, R> => db.prepare<P, R>(sql).pluck();
  const unseen = `SELECT ${KNOWN_COLUMNS} FROM known_records WHERE entity = ?`;
  return {
    insertBatch: db.prepare(`INSERT INTO batches (${BATCH_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`),
    removeBatch: db.prepare("DELETE FROM batches WHERE seq = ?"),
    deleteBelow: db.prepare("DELETE FROM batches WHERE seq < ?"),
    getBatch: row(`SELECT ${BATCH_COLUMNS} FROM batches WHERE seq = ?`),
    getId: value("SELECT id FROM batches WHERE seq = ?"),
    sumBytes: value("SELECT sum(length(blob)) FROM batches WHERE seq BETWEEN ? AND ?"),
    oldest: row(`SELECT ${BATCH_COLUMNS} FROM batches WHERE seq >= ? AND kind = ? ORDER BY seq LIMIT ?`),
    putMeta: db.prepare(`UPDATE meta SET ${META_ASSIGNMENTS} WHERE id = 1`),
    insertEntity: db.prepare("INSERT INTO entities (number, name, crc) VALUES (?, ?, ?)"),
    putKnown: db.prepare("INSERT OR REPLACE INTO known_records VALUES (?, ?, ?, ?, ?, ?)"),
    forget: db.prepare("DELETE FROM known_records WHERE entity = ? AND key = ?"),
    getKnown: row(
      `SELECT asked.value, hash, version, seen, crc FROM json_each(?) AS asked
       LEFT JOIN known_records AS known ON known.entity = ? AND known.key = asked.value ORDER BY asked.id`,
    ),
    unseenFirst: row(`${unseen} AND seen < ? ORDER BY key LIMIT ?`),
    unseenAfter: row(`${unseen} AND key > ? AND seen < ? ORDER BY key LIMIT ?`),
    knownAfter: row(
      `SELECT ${KNOWN_COLUMNS}, entity FROM known_records WHERE (entity, key) > (?, ?) ORDER BY entity, key LIMIT ?`,
    ),
    countKnown: value("SELECT count(*) FROM known_records WHERE entity = ?"),
    countUnseen: value("SELECT count(*) FROM known_records WHERE entity = ? AND seen < ?"),
    getCursor: row("SELECT cursor, crc FROM cursors WHERE slot = ?"),
    putCursor: db.prepare("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)"),
    removeCursor: db.prepare("DELETE FROM cursors WHERE slot = ?"),
  };
}
