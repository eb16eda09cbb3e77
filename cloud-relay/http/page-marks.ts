// Where the pages of numbered walks ended, for a while. Pages by number shift when records move to the end of a list; a walk
// whose last page is remembered goes on right after it instead, and so skips nothing.
import type { Clock } from "#common/runtime/clock.ts";
import type { Revision } from "#relay/core/store.ts";

/** Ends of all walks together; the longest unused go first. */
const MAX_MARKS = 20_000;
/** A page asked for later than this after the one before it is counted off anew. */
const REMEMBERED_MS = 10 * 60_000;

interface Mark {
  readonly end: Revision;
  readonly atMs: number;
}

export class PageMarks {
  readonly #clock: Clock;
  readonly #marks = new Map<string, Mark>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Where the page ended for this walk: who asks for what, and how much at a time. */
  endOf(walk: string, page: number): Revision | undefined {
    const mark = this.#marks.get(`${page} ${walk}`);
    if (mark === undefined || this.#clock.monotonicMs() - mark.atMs > REMEMBERED_MS) return undefined;
    return mark.end;
  }

  put(walk: string, page: number, end: Revision): void {
    const name = `${page} ${walk}`;
    this.#marks.delete(name);
    this.#marks.set(name, { end, atMs: this.#clock.monotonicMs() });
    for (const oldest of this.#marks.keys()) {
      if (this.#marks.size <= MAX_MARKS) break;
      this.#marks.delete(oldest);
    }
  }
}
