// Every image of every page that a closed room file still has: the database's and each WAL frame's, without SQLite's judgement.
// Format: sqlite.org/fileformat2.html, sections 1.3 and 4. Only for files that nobody has open: fs would drop SQLite's locks.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PAGE_BYTES } from "./room-schema.ts";

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
/** Read from disk at once, bytes. */
const CHUNK_BYTES = 1024 * 1024;

/** Database pages are 1, 2, …; WAL frames are -1, -2, …. */
export type ImageRef = number;

export class PageImages {
  #isOpen = true;
  readonly #db: number;
  readonly #wal: number | undefined;
  readonly #pages: number;
  readonly #frames: number;
  /** The newest frame of each page, of the WAL's present generation. */
  readonly #newest = new Map<number, ImageRef>();
  /** Frames whose own checksum fails: their page number may be wrong. */
  readonly #suspect: ImageRef[] = [];

  private constructor(db: number, wal: number | undefined) {
    this.#db = db;
    this.#wal = wal;
    // A truncated file ends in a partial page; a partial page is read with zeros behind it.
    this.#pages = Math.ceil(fstatSync(db).size / PAGE_BYTES);
    const walBytes = wal === undefined ? 0 : fstatSync(wal).size;
    this.#frames = Math.max(0, Math.floor((walBytes - WAL_HEADER_BYTES) / FRAME_BYTES));
  }

  static open(file: string): PageImages {
    const db = openSync(file, "r");
    let wal: number | undefined;
    try {
      wal = openSync(`${file}-wal`, "r");
    } catch {
      // Closed cleanly.
    }
    const images = new PageImages(db, wal);
    images.#indexWal();
    return images;
  }

  /** The page as SQLite would see it with every frame applied. */
  newest(page: number): ImageRef {
    return this.#newest.get(page) ?? page;
  }

  get suspectFrames(): readonly ImageRef[] {
    return this.#suspect;
  }

  read(ref: ImageRef): Buffer | undefined {
    if (ref > this.#pages || -ref > this.#frames || ref === 0) return undefined;
    const page = Buffer.alloc(PAGE_BYTES);
    if (ref > 0) readSync(this.#db, page, 0, PAGE_BYTES, (ref - 1) * PAGE_BYTES);
    else if (this.#wal !== undefined) {
      readSync(this.#wal, page, 0, PAGE_BYTES, framePosition(ref) + FRAME_HEADER_BYTES);
    }
    return page;
  }

  /** Database first, then frames in the order written. The buffer is good until the next one. */
  *all(): Generator<readonly [ImageRef, Buffer]> {
    let ref = 0;
    for (const page of slices(this.#db, 0, this.#pages, PAGE_BYTES)) yield [(ref += 1), page];
    if (this.#wal === undefined) return;
    ref = 0;
    for (const frame of slices(this.#wal, WAL_HEADER_BYTES, this.#frames, FRAME_BYTES)) {
      yield [(ref -= 1), frame.subarray(FRAME_HEADER_BYTES)];
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#db);
    if (this.#wal !== undefined) closeSync(this.#wal);
  }

  #indexWal(): void {
    if (this.#wal === undefined || this.#frames === 0) return;
    const header = Buffer.alloc(WAL_HEADER_BYTES);
    readSync(this.#wal, header, 0, WAL_HEADER_BYTES, 0);
    // 0x377f0682: checksums over little-endian words, 0x377f0683: big-endian.
    const bigEndian = header.readUInt32BE(0) === 0x377f0683;
    const salt = this.#presentSalt(header);
    let before: readonly [number, number] = [header.readUInt32BE(24), header.readUInt32BE(28)];
    let ref = 0;
    for (const frame of slices(this.#wal, WAL_HEADER_BYTES, this.#frames, FRAME_BYTES)) {
      ref -= 1;
      const own = [frame.readUInt32BE(16), frame.readUInt32BE(20)] as const;
      const present = frame.readBigUInt64BE(8) === salt;
      const [first, second] = frameChecksum(frame, before, bigEndian);
      if (!present || first !== own[0] || second !== own[1]) this.#suspect.push(ref);
      if (present) this.#newest.set(frame.readUInt32BE(0), ref);
      before = own;
    }
  }

  /** Frames of an older generation keep their salt. One of header and first two frames may be the damaged place. */
  #presentSalt(header: Buffer): bigint {
    const found = [header.readBigUInt64BE(16)];
    for (const frame of slices(this.#wal ?? -1, WAL_HEADER_BYTES, Math.min(2, this.#frames), FRAME_BYTES)) {
      found.push(frame.readBigUInt64BE(8));
    }
    return found.find((salt, index) => found.indexOf(salt) !== index) ?? found[0] ?? 0n;
  }
}

/** The checksum of one frame, chained to the one that the frame before it carries. */
function frameChecksum(
  frame: Buffer,
  before: readonly [number, number],
  bigEndian: boolean,
): readonly [number, number] {
  let [first, second] = before;
  const step = (at: number): void => {
    first = (first + (bigEndian ? frame.readUInt32BE(at) : frame.readUInt32LE(at)) + second) >>> 0;
    second = (second + (bigEndian ? frame.readUInt32BE(at + 4) : frame.readUInt32LE(at + 4)) + first) >>> 0;
  };
  step(0);
  for (let at = FRAME_HEADER_BYTES; at < FRAME_BYTES; at += 8) step(at);
  return [first, second];
}

function framePosition(ref: ImageRef): number {
  return WAL_HEADER_BYTES + (-ref - 1) * FRAME_BYTES;
}

/** `count` pieces of `size` bytes from `start`; places that cannot be read come as zeros. */
function* slices(fd: number, start: number, count: number, size: number): Generator<Buffer> {
  const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / size));
  const chunk = Buffer.alloc(perChunk * size);
  for (let done = 0; done < count; done += perChunk) {
    const wanted = Math.min(perChunk, count - done);
    fill(fd, chunk.subarray(0, wanted * size), start + done * size, size);
    for (let index = 0; index < wanted; index += 1) yield chunk.subarray(index * size, (index + 1) * size);
  }
}

function fill(fd: number, into: Buffer, position: number, size: number): void {
  into.fill(0);
  try {
    readSync(fd, into, 0, into.length, position);
  } catch {
    // A bad sector somewhere in the chunk: piece by piece, leaving out what cannot be read.
    for (let at = 0; at < into.length; at += size) {
      try {
        readSync(fd, into, at, size, position + at);
      } catch {
        into.fill(0, at, at + size);
      }
    }
  }
}
