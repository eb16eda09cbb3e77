// A room file with everything in it, taken apart byte by byte: for the tests that damage it.
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import type { NewBatch, RoomStore, StoredBatch } from "#agent/core/room/room-store.ts";
import { BatchReader } from "#agent/outbox/batch-reader.ts";
import { PAGE_BYTES } from "#agent/outbox/room-schema.ts";
import { RoomFiles } from "#agent/outbox/room-files.ts";
import type { RepairReport } from "#agent/outbox/room-files.ts";
import { silentLogger } from "#common/runtime/logger.ts";

const ENTITIES = ["vendor", "purchase_order"] as const;
const KNOWN = 1500;
const SLOTS = ["vendor/incremental", "purchase_order/incremental"] as const;
const FRAME_BYTES = PAGE_BYTES + 24;

/** xorshift32: the same numbers for the same seed, everywhere. */
export function seeded(seed: number): (below: number) => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

export function randomBatch(random: (below: number) => number, size: number): NewBatch {
  const blob = Buffer.alloc(size);
  for (let at = 0; at < size; at += 1) blob[at] = random(256);
  const id = Array.from({ length: 16 }, () => random(16).toString(16)).join("");
  return { id, kind: random(3) === 0 ? "samples" : "records", entries: random(500), blob };
}

/** The gap's blob is its report, so that a test can read it back. */
export function testFiles(dir: string, random: (below: number) => number): RoomFiles {
  return new RoomFiles({
    dir,
    newId: () => randomBatch(random, 0).id,
    emptyBatch: () => ({ ...randomBatch(random, 0), kind: "records", entries: 0 }),
    beginBatch: (report) => ({
      ...randomBatch(random, 0),
      kind: "records",
      entries: 1,
      blob: Buffer.from(JSON.stringify(report)),
    }),
    releaseFile: () => Promise.resolve(),
    logger: silentLogger,
  });
}

export function gapIn(batch: StoredBatch | undefined): RepairReport {
  return JSON.parse(Buffer.from(batch?.blob ?? []).toString()) as RepairReport;
}

export interface Specimen {
  readonly dir: string;
  readonly name: string;
  readonly db: Buffer;
  readonly wal: Buffer;
  /** Everything that the store says of itself. */
  readonly content: unknown;
  readonly unacknowledged: readonly StoredBatch[];
  /** Body of the replaced batch before and after: where the later one is damaged, the earlier one may still be found. */
  readonly replaced: readonly [before: string, after: string];
}

/** A closed room of over 64 pages and a WAL of dozens of frames, with trimmed, kept, replaced and forgotten rows. */
export async function makeSpecimen(dir: string): Promise<Specimen> {
  const random = seeded(7);
  mkdirSync(dir);
  const { store } = await testFiles(dir, random).open();
  const { file } = store;
  for (let round = 0; round < 18; round += 1) fillRound(store, random, round);
  store.maintain(true);
  store.trim(9, 6);
  for (let round = 18; round < 23; round += 1) fillRound(store, random, round);
  const [before] = store.read(20, 1);
  store.replace(20, randomBatch(random, 900));
  const [after] = store.read(20, 1);
  if (before === undefined || after === undefined) throw new Error("batch 20 is not held");
  store.commit({ cursors: [{ slot: SLOTS[0], cursor: { at: "the last commit has no batch" } }] });
  const content = contentOf(store);
  const { ackedSeq } = store.position();
  const unacknowledged = store.read(ackedSeq + 1, 1e9);
  // A reader that is there last leaves the WAL as it is.
  const reader = BatchReader.open(file);
  reader.position();
  store.close();
  reader.close();
  return {
    dir,
    name: file.slice(dir.length + 1),
    db: readFileSync(file),
    wal: readFileSync(`${file}-wal`),
    content,
    unacknowledged,
    replaced: [bodyOf(before), bodyOf(after)],
  };
}

function fillRound(store: RoomStore, random: (below: number) => number, round: number): void {
  const sizes = [30 + random(400), 1500 + random(2500), 4000 + random(16_000)];
  const records = Array.from({ length: KNOWN / 12 }, (_, index) => ({
    key: `["${(index * 37 + round * 1009) % KNOWN}","PLANT"]`,
    hash: randomBatch(random, 16).blob as Buffer,
    version: random(2) === 0 ? undefined : `v${random(1e6)}`,
    seen: round,
  }));
  store.commit({
    batches: sizes.map((size) => randomBatch(random, size)),
    known: ENTITIES.map((entity) => ({
      entity,
      records: records.map((record) => ({ ...record, hash: record.hash.toString("base64url") })),
    })),
    forgotten: [{ entity: ENTITIES[0], keys: records.slice(0, 3).map(({ key }) => key) }],
    cursors: SLOTS.map((slot) => ({ slot, cursor: { round, slot } })),
  });
}

export function contentOf(store: RoomStore): unknown {
  const keys = Array.from({ length: KNOWN }, (_, index) => `["${index}","PLANT"]`);
  return {
    position: store.position(),
    batches: plain(store.read(1, 1e9)),
    known: ENTITIES.map((entity) => store.known(entity, keys)),
    unseen: ENTITIES.map((entity) => store.unseen(entity, 1000, undefined, 10_000)),
    cursors: SLOTS.map((slot) => store.cursor(slot)),
  };
}

export function plain(batches: readonly StoredBatch[]): unknown[] {
  return batches.map((batch) => ({ ...batch, blob: Buffer.from(batch.blob).toString("base64") }));
}

/** A body, whatever its seq and id have become. */
export function bodyOf(batch: StoredBatch): string {
  return `${batch.kind},${batch.entries},${Buffer.from(batch.blob).toString("base64")}`;
}

export function copySpecimen(specimen: Specimen, to: string): void {
  cpSync(specimen.dir, to, { recursive: true });
}

export function walFrames(wal: Buffer): number {
  return Math.floor((wal.length - 32) / FRAME_BYTES);
}

export const walFrameAt = (frame: number): number => 32 + frame * FRAME_BYTES;
export const WAL_FRAME_BYTES = FRAME_BYTES;

/**
 * The batches that a byte belongs to, found without knowing the format: the byte is in a page that holds a piece of the
 * batch's blob, inside that piece or within `margin` bytes of it (row header, id, checksum), or in the page's first four
 * bytes when the piece is a spilled one (link to the next page).
 */
export function ownersOf(
  specimen: Specimen,
  part: "db" | "wal",
  offset: number,
  margin: number,
): readonly StoredBatch[] {
  const bytes = part === "db" ? specimen.db : specimen.wal;
  const start =
    part === "db"
      ? Math.floor(offset / PAGE_BYTES) * PAGE_BYTES
      : walFrameAt(Math.floor((offset - 32) / FRAME_BYTES)) + 24;
  const page = bytes.subarray(start, start + PAGE_BYTES);
  const at = offset - start;
  return specimen.unacknowledged.filter(({ blob }) =>
    piecesIn(page, Buffer.from(blob)).some(
      ([from, to]) => (at >= from - margin && at < to + margin) || (margin > 0 && from === 4 && at < 4),
    ),
  );
}

function piecesIn(page: Buffer, blob: Buffer): readonly (readonly [from: number, to: number])[] {
  const pieces: (readonly [number, number])[] = [];
  const head = page.indexOf(blob.subarray(0, 16));
  if (head >= 0) pieces.push([head, head + equalLength(page, head, blob, 0)]);
  const spilled = blob.indexOf(page.subarray(4, 20));
  if (spilled >= 0) pieces.push([4, 4 + equalLength(page, 4, blob, spilled)]);
  return pieces;
}

function equalLength(page: Buffer, at: number, blob: Buffer, from: number): number {
  let length = 0;
  while (
    at + length < page.length &&
    from + length < blob.length &&
    page[at + length] === blob[from + length]
  ) {
    length += 1;
  }
  return length;
}
