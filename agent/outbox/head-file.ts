// The sidecar of a room's file: how far it had come, so that a cut WAL or an older copy of the file cannot pass unnoticed.
//
// SQLite ends a WAL at the first frame whose checksum fails and says nothing: the commits behind it are gone silently. This
// file counts commits outside the database. It is written after each commit and never synced: it can only lag behind a
// durable commit, never run ahead of it. Layout, big-endian: u64 commits, u64 next seq, u64 acked seq, u32 life, u32 CRC-32.
// Behind that stands what the epoch continues, as JSON and its CRC-32: a damaged meta row must not be the end of that.
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { TakenOver } from "#agent/core/room/room-store.ts";

const HEAD_BYTES = 32;

export interface Head {
  readonly commits: number;
  readonly nextSeq: number;
  readonly ackedSeq: number;
  readonly life: number;
}

/** What the head says of a file; `takenOver` is undefined where that part is missing or torn. */
export interface ReadHead extends Head {
  readonly takenOver: readonly TakenOver[] | undefined;
}

/** `<epoch>.db` → `<epoch>.head`. */
export function headPath(file: string): string {
  return file.replace(/\.db$/, ".head");
}

/** `undefined` when missing or torn (power loss): then the database stands for itself. */
export function readHead(file: string): ReadHead | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(headPath(file));
  } catch {
    return undefined;
  }
  if (bytes.length < HEAD_BYTES || crc32(bytes.subarray(0, 28)) !== bytes.readUInt32BE(28)) return undefined;
  return {
    commits: Number(bytes.readBigUInt64BE(0)),
    nextSeq: Number(bytes.readBigUInt64BE(8)),
    ackedSeq: Number(bytes.readBigUInt64BE(16)),
    life: bytes.readUInt32BE(24),
    takenOver: takenOverIn(bytes.subarray(HEAD_BYTES)),
  };
}

function takenOverIn(bytes: Buffer): readonly TakenOver[] | undefined {
  const text = bytes.subarray(0, -4);
  if (text.length === 0 || crc32(text) !== bytes.readUInt32BE(text.length)) return undefined;
  return JSON.parse(text.toString()) as TakenOver[];
}

export class HeadWriter {
  readonly #fd: number;
  readonly #bytes = Buffer.alloc(HEAD_BYTES);

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws ENOSPC, when it has to be created on a full volume */
  static open(file: string, takenOver: readonly TakenOver[]): HeadWriter {
    const fd = openSync(headPath(file), constants.O_RDWR | constants.O_CREAT, 0o600);
    const text = Buffer.from(JSON.stringify(takenOver));
    const tail = Buffer.alloc(text.length + 4);
    text.copy(tail);
    tail.writeUInt32BE(crc32(text), text.length);
    tryWrite(fd, tail, HEAD_BYTES);
    return new HeadWriter(fd);
  }

  /** Never throws: the commit that it tells of is durable already, and a lagging head is only a weaker check. */
  write(head: Head): void {
    const bytes = this.#bytes;
    writeU64(bytes, head.commits, 0);
    writeU64(bytes, head.nextSeq, 8);
    writeU64(bytes, head.ackedSeq, 16);
    bytes.writeUInt32BE(head.life, 24);
    bytes.writeUInt32BE(crc32(bytes.subarray(0, 28)), 28);
    tryWrite(this.#fd, bytes, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function tryWrite(fd: number, bytes: Buffer, position: number): void {
  try {
    writeSync(fd, bytes, 0, bytes.length, position);
  } catch {
    // A full volume.
  }
}

function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value % 2 ** 32, at + 4);
}
