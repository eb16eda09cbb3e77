// Pages of records that were sent before. What a revision looks like never changes, so a page whose revisions are the
// same is the same page: the store is asked for revisions only, which it reads from an index.
import type { Revision } from "#relay/core/store.ts";

/** All pages together. */
const MAX_BYTES = 64 * 1024 * 1024;
/** A longer page is not kept. */
const MAX_PAGE_BYTES = 1024 * 1024;
/** What a page costs beside its bytes: its name and up to 201 revisions. */
const OVERHEAD_BYTES = 2_048;
/** Names that were asked for once and are remembered; beyond that the memory starts anew. */
const MAX_CANDIDATES = 1_000;

interface Kept {
  readonly revisions: readonly Revision[];
  readonly bytes: Buffer;
}

export class PageCache {
  readonly #maxBytes: number;
  /** Longest unused first. */
  readonly #pages = new Map<string, Kept>();
  readonly #candidates = new Set<string>();
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  has(name: string): boolean {
    return this.#pages.has(name);
  }

  /** The page of that name, if it still consists of exactly these revisions. */
  get(name: string, revisions: readonly Revision[]): Buffer | undefined {
    const kept = this.#pages.get(name);
    if (kept === undefined || !isSame(kept.revisions, revisions)) return undefined;
    this.#pages.delete(name);
    this.#pages.set(name, kept);
    return kept.bytes;
  }

  /**
   * Whether `put` is worth its cost. Once there is no room, a page that comes for the first time is not: walks through
   * large lists, which see every page once, drive out nothing.
   */
  wants(name: string): boolean {
    const hasRoom = this.#bytes + MAX_PAGE_BYTES <= this.#maxBytes;
    if (hasRoom || this.#pages.has(name) || this.#candidates.delete(name)) return true;
    if (this.#candidates.size >= MAX_CANDIDATES) this.#candidates.clear();
    this.#candidates.add(name);
    return false;
  }

  put(name: string, revisions: readonly Revision[], bytes: Buffer): void {
    this.#remove(name);
    if (bytes.length > MAX_PAGE_BYTES) return;
    this.#pages.set(name, { revisions, bytes });
    this.#bytes += bytes.length + OVERHEAD_BYTES;
    for (const oldest of this.#pages.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(name: string): void {
    const kept = this.#pages.get(name);
    if (kept === undefined) return;
    this.#pages.delete(name);
    this.#bytes -= kept.bytes.length + OVERHEAD_BYTES;
  }
}

function isSame(a: readonly Revision[], b: readonly Revision[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}
