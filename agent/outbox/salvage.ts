// What can be saved of a damaged room file: every unacknowledged batch whose bytes are whole.
import Database from "better-sqlite3";
import type { StoredBatch } from "#agent/core/room/room-store.ts";
import { carveBatches, rowAt } from "./batch-carver.ts";
import type { CarvedPlace } from "./batch-carver.ts";
import { readHead } from "./head-file.ts";
import { PageImages } from "./page-images.ts";
import { toStoredBatch } from "./room-rows.ts";
import type { Meta } from "./room-rows.ts";
import { readMeta } from "./verify-file.ts";

export interface Salvage extends Disposable {
  /** Seq of the first batch that was not acknowledged, found or not. */
  readonly firstSeq: number;
  /** Seq behind the last batch that was committed, as far as is known. */
  readonly endSeq: number;
  /** Found whole and not acknowledged. */
  readonly found: number;
  /** Committed, not acknowledged, and not found. */
  readonly lost: number;
  /** In seq order, read from disk one by one. */
  batches(): Iterable<StoredBatch>;
}

/**
 * Reads the closed file and its WAL page by page. The file must be open nowhere in this process; it is not changed.
 * Of two bodies of one seq the later revision counts, then the one that came first: what stands behind it in the WAL was
 * rolled back.
 */
export function salvage(file: string): Salvage {
  const limits = salvageLimits(file);
  const images = PageImages.open(file);
  const places = new Map<number, CarvedPlace>();
  for (const place of carveBatches(images)) {
    if (place.seq <= limits.ackedSeq || place.seq >= limits.nextSeq) continue;
    const other = places.get(place.seq);
    if (other === undefined || other.rev < place.rev) places.set(place.seq, place);
  }
  const ordered = [...places.values()].sort((left, right) => left.seq - right.seq);
  const last = Number.isFinite(limits.nextSeq)
    ? limits.nextSeq - 1
    : (ordered.at(-1)?.seq ?? limits.ackedSeq);
  return {
    firstSeq: Number.isFinite(limits.nextSeq) ? limits.ackedSeq + 1 : (ordered[0]?.seq ?? 1),
    endSeq: last + 1,
    found: ordered.length,
    lost: Math.max(0, last - limits.ackedSeq - ordered.length),
    batches: () => readPlaces(file, images, ordered),
    [Symbol.dispose]: () => images.close(),
  };
}

function* readPlaces(
  file: string,
  images: PageImages,
  places: readonly CarvedPlace[],
): Generator<StoredBatch> {
  for (const place of places) {
    const row = rowAt(images, place);
    if (row !== undefined) yield toStoredBatch(row, file);
  }
}

/** What the head file and the file's own meta row, as far as they can be read, say of the batches to look for. */
function salvageLimits(file: string): { readonly ackedSeq: number; readonly nextSeq: number } {
  const sources = [readHead(file), tryMeta(file)].filter((source) => source !== undefined);
  if (sources.length === 0) return { ackedSeq: 0, nextSeq: Infinity };
  return {
    ackedSeq: Math.max(...sources.map(({ ackedSeq }) => ackedSeq)),
    nextSeq: Math.max(...sources.map(({ nextSeq }) => nextSeq)),
  };
}

/** The meta row of a file that may be damaged; `undefined` when it does not check out. */
export function tryMeta(file: string): Meta | undefined {
  let db: Database.Database | undefined;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true });
    return readMeta(db);
  } catch {
    return undefined;
  } finally {
    db?.close();
  }
}
