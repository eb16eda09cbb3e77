// Rows of a room's file as they are stored: packing, checksums and the check at every read.
import { crc32 } from "node:zlib";
import type { KnownRecord, StoredBatch, TakenOver } from "#agent/core/room/room-store.ts";
import { StorageCorruptError } from "#agent/core/room/storage-errors.ts";

/** seq, id, kind, entries, rev, blob, crc. */
export type BatchRow = [
  seq: number,
  id: Buffer,
  kind: number,
  entries: number,
  rev: number,
  blob: Buffer,
  crc: number,
];
/** key, hash, version, seen, crc. */
export type KnownRow = [
  key: string,
  hash: Buffer | string,
  version: string | null,
  seen: number,
  crc: number,
];

/** The one row of `meta`, without its checksum. */
export interface Meta {
  readonly minReader: number;
  readonly epoch: string;
  /** What this epoch continues (takeOver in room-store.ts); never changes. */
  readonly takenOver: readonly TakenOver[];
  /** Why this epoch began. */
  readonly reason: string;
  /** Counts the files of this room: the highest is the current one. */
  readonly life: number;
  readonly commits: number;
  readonly firstSeq: number;
  readonly nextSeq: number;
  readonly ackedSeq: number;
  readonly tailId: string;
}

export const BATCH_COLUMNS = "seq, id, kind, entries, rev, blob, crc";
export const META_COLUMNS =
  "min_reader, epoch, taken_over, reason, life, commits, first_seq, next_seq, acked_seq, tail_id, crc";

/** A full 128-bit hash takes 16 bytes; anything else (empty: dead-lettered) is stored as text. */
const FULL_HASH = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/** CRC-32 as SQLite stores it cheapest: a signed 32-bit integer. */
export function batchCrc(
  seq: number,
  id: Uint8Array,
  kind: number,
  entries: number,
  rev: number,
  blob: Uint8Array,
): number {
  return crc32(blob, crc32(id, crc32(`${seq},${kind},${entries},${rev},`))) | 0;
}

export function isBatchRowSound(row: BatchRow): boolean {
  const [seq, id, kind, entries, rev, blob, crc] = row;
  const typed = Buffer.isBuffer(id) && Buffer.isBuffer(blob) && (kind === 1 || kind === 2);
  return typed && batchCrc(seq, id, kind, entries, rev, blob) === crc;
}

/** @throws StorageCorruptError */
export function toStoredBatch(row: BatchRow, file: string): StoredBatch {
  if (!isBatchRowSound(row)) {
    throw new StorageCorruptError(
      `room file ${file}, table batches, row ${row[0]}: does not match its checksum`,
    );
  }
  const [seq, id, kind, entries, , blob] = row;
  return { seq, id: id.toString("hex"), kind: kind === 1 ? "records" : "samples", entries, blob };
}

export function packHash(hash: string): Buffer | string {
  return FULL_HASH.test(hash) ? Buffer.from(hash, "base64url") : hash;
}

export function knownCrc(
  entity: number,
  key: string,
  hash: string,
  version: string | undefined,
  seen: number,
): number {
  return crc32(`${entity},${key},${hash},${seen},${version ?? "\0"}`) | 0;
}

/** @throws StorageCorruptError */
export function toKnownRecord(row: KnownRow, entity: number, file: string): KnownRecord {
  const [key, stored, storedVersion, seen, crc] = row;
  const hash = Buffer.isBuffer(stored) ? stored.toString("base64url") : stored;
  const version = storedVersion ?? undefined;
  if (knownCrc(entity, key, hash, version, seen) !== crc) {
    throw new StorageCorruptError(
      `room file ${file}, table known_records, entity ${entity}, key ${key}: does not match its checksum`,
    );
  }
  return { key, hash, version, seen };
}

export function textCrc(name: string | number, value: string): number {
  return crc32(`${name},${value}`) | 0;
}

export function metaRow(meta: Meta): [...(string | number)[], number] {
  const { minReader, epoch, takenOver, reason, life, commits } = meta;
  const { firstSeq, nextSeq, ackedSeq, tailId } = meta;
  const values = [
    minReader,
    epoch,
    JSON.stringify(takenOver),
    reason,
    life,
    commits,
    firstSeq,
    nextSeq,
    ackedSeq,
    tailId,
  ];
  return [...values, textCrc("meta", JSON.stringify(values))];
}

/** @throws StorageCorruptError */
export function toMeta(row: unknown, file: string): Meta {
  const values = Array.isArray(row) ? (row as (string | number)[]) : [];
  const crc = values.at(-1);
  if (values.length !== 11 || textCrc("meta", JSON.stringify(values.slice(0, -1))) !== crc) {
    throw new StorageCorruptError(`room file ${file}, table meta: missing or does not match its checksum`);
  }
  const [minReader, epoch, takenOver, reason, life, commits, firstSeq, nextSeq, ackedSeq, tailId] =
    values as [number, string, string, string, number, number, number, number, number, string, number];
  const counters = { commits, firstSeq, nextSeq, ackedSeq, tailId };
  // Behind the checksum: the text is the one that metaRow wrote.
  return { minReader, epoch, takenOver: JSON.parse(takenOver) as TakenOver[], reason, life, ...counters };
}
