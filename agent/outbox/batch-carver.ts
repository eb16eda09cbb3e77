// Finds batch rows in page images by their own shape, whatever became of the tree above them; a row's CRC is the only judge.
//
// A row of `batches` is a table leaf cell: payload size, rowid, then a record whose header begins with its length, a NULL (the
// rowid stands for `seq`) and serial type 28 (the 8 bytes of `id`). Format: sqlite.org/fileformat2.html, sections 1.6 and 2.1.
import type { PageImages, ImageRef } from "./page-images.ts";
import { PAGE_BYTES } from "./room-schema.ts";
import { isBatchRowSound } from "./room-rows.ts";
import type { BatchRow } from "./room-rows.ts";

const SHAPE = Buffer.from([0x00, 0x1c]);
const SHAPE_COLUMNS = 7;
const MAX_ROWID_BYTES = 5;
/** Payload that a leaf cell holds before it spills, and the least that stays when it does. */
const MAX_LOCAL = PAGE_BYTES - 35;
const MIN_LOCAL = Math.floor(((PAGE_BYTES - 12) * 32) / 255) - 23;
const SPILL_BYTES = PAGE_BYTES - 4;
const MAX_PAYLOAD = 64 * 1024 * 1024;

/** Where a sound row was found, so that it can be read again without keeping its bytes. */
export interface CarvedPlace {
  readonly seq: number;
  readonly rev: number;
  readonly image: ImageRef;
  /** Of the record within the image. */
  readonly at: number;
  readonly spilled: readonly ImageRef[];
}

interface Shape {
  readonly seq: number;
  readonly at: number;
  readonly headerBytes: number;
  readonly types: readonly number[];
  readonly payloadBytes: number;
}

export function* carveBatches(images: PageImages): Generator<CarvedPlace> {
  for (const [image, page] of images.all()) {
    for (let hit = page.indexOf(SHAPE); hit > 0; hit = page.indexOf(SHAPE, hit + 1)) {
      const shape = shapeAt(page, hit - 1);
      if (shape === undefined) continue;
      const place = soundPlace(images, image, page, shape);
      if (place !== undefined) yield place;
    }
  }
}

/** The row at a place that `carveBatches` found. */
export function rowAt(images: PageImages, place: CarvedPlace): BatchRow | undefined {
  const page = images.read(place.image);
  const shape = page === undefined ? undefined : shapeAt(page, place.at);
  return page === undefined || shape === undefined ? undefined : soundRow(images, page, shape, place.spilled);
}

/** What the bytes before and behind `at` say, if they can be a batch's cell. */
function shapeAt(page: Buffer, at: number): Shape | undefined {
  const headerBytes = page[at] ?? 0;
  if (headerBytes < SHAPE_COLUMNS + 1 || headerBytes > 16 || at + headerBytes > page.length) return undefined;
  const types: number[] = [];
  for (let next = at + 1; next < at + headerBytes;) {
    const [value, length] = varint(page, next);
    types.push(value);
    next += length;
  }
  if (types.length !== SHAPE_COLUMNS) return undefined;
  const payloadBytes = headerBytes + types.reduce((sum, type) => sum + serialBytes(type), 0);
  if (payloadBytes > MAX_PAYLOAD || (types[5] ?? 0) < 12) return undefined;
  const seq = rowidBefore(page, at, payloadBytes);
  return seq === undefined ? undefined : { seq, at, headerBytes, types, payloadBytes };
}

/** Cell start: the payload's size, then the rowid, then the record. */
function rowidBefore(page: Buffer, at: number, payloadBytes: number): number | undefined {
  const size = encodeVarint(payloadBytes);
  for (let length = 1; length <= MAX_ROWID_BYTES; length += 1) {
    const from = at - length;
    if (from - size.length < 0) return undefined;
    const [value, used] = varint(page, from);
    if (used === length && page.compare(size, 0, size.length, from - size.length, from) === 0) return value;
  }
  return undefined;
}

function soundPlace(
  images: PageImages,
  image: ImageRef,
  page: Buffer,
  shape: Shape,
): CarvedPlace | undefined {
  for (const spilled of spillChains(images, page, shape)) {
    const row = soundRow(images, page, shape, spilled);
    if (row !== undefined) return { seq: row[0], rev: row[4], image, at: shape.at, spilled };
  }
  return undefined;
}

/** Ways to follow the overflow pages: newest images; the database's alone; newest with one unplaced frame in one place. */
function* spillChains(images: PageImages, page: Buffer, shape: Shape): Generator<readonly ImageRef[]> {
  const local = localBytes(shape.payloadBytes);
  if (local === shape.payloadBytes) {
    yield [];
    return;
  }
  const first = shape.at + local;
  if (first + 4 > page.length) return;
  const start = page.readUInt32BE(first);
  const length = Math.ceil((shape.payloadBytes - local) / SPILL_BYTES);
  yield follow(images, start, length, (number) => images.newest(number));
  yield follow(images, start, length, (number) => number);
  for (const frame of images.suspectFrames) {
    for (let place = 0; place < length; place += 1) {
      yield follow(images, start, length, (number, index) =>
        index === place ? frame : images.newest(number),
      );
    }
  }
}

function follow(
  images: PageImages,
  start: number,
  length: number,
  pick: (page: number, index: number) => ImageRef,
): readonly ImageRef[] {
  const chain: ImageRef[] = [];
  let next = start;
  while (chain.length < length) {
    const ref = pick(next, chain.length);
    chain.push(ref);
    next = images.read(ref)?.readUInt32BE(0) ?? 0;
  }
  return chain;
}

function soundRow(
  images: PageImages,
  page: Buffer,
  shape: Shape,
  spilled: readonly ImageRef[],
): BatchRow | undefined {
  const local = localBytes(shape.payloadBytes);
  if (shape.at + local > page.length) return undefined;
  const parts = [page.subarray(shape.at, shape.at + local)];
  for (const ref of spilled) parts.push((images.read(ref) ?? Buffer.alloc(PAGE_BYTES)).subarray(4));
  const payload = Buffer.concat(parts).subarray(0, shape.payloadBytes);
  if (payload.length !== shape.payloadBytes) return undefined;
  const row = toRow(payload, shape);
  return isBatchRowSound(row) ? row : undefined;
}

function toRow(payload: Buffer, shape: Shape): BatchRow {
  let at = shape.headerBytes;
  const take = (column: number): Buffer => {
    const bytes = payload.subarray(at, at + serialBytes(shape.types[column] ?? 0));
    at += bytes.length;
    return bytes;
  };
  const int = (column: number): number => {
    const type = shape.types[column] ?? 0;
    const bytes = take(column);
    if (type === 8 || type === 9) return type - 8;
    return bytes.length >= 1 && bytes.length <= 6 ? bytes.readIntBE(0, bytes.length) : Number.NaN;
  };
  const id = take(1);
  return [shape.seq, id, int(2), int(3), int(4), Buffer.from(take(5)), int(6)];
}

function localBytes(payloadBytes: number): number {
  if (payloadBytes <= MAX_LOCAL) return payloadBytes;
  const kept = MIN_LOCAL + ((payloadBytes - MIN_LOCAL) % SPILL_BYTES);
  return kept <= MAX_LOCAL ? kept : MIN_LOCAL;
}

/** Bytes of a value by its serial type. */
function serialBytes(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0][type] ?? 0;
}

/** Value and length. Eight bytes and more do not occur here. */
function varint(bytes: Buffer, at: number): readonly [value: number, length: number] {
  let value = 0;
  for (let length = 1; length <= 7; length += 1) {
    const byte = bytes[at + length - 1] ?? 0;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return [value, length];
  }
  return [Number.NaN, 7];
}

function encodeVarint(value: number): Buffer {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.unshift((rest % 128) | 0x80);
  }
  return Buffer.from(bytes);
}
