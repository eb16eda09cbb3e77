// How many rows a second may be read from a source: whoever read pays for it afterwards, by waiting.
import type { Clock } from "#common/runtime/clock.ts";

/** What follows changes, or what goes over everything: the first never waits for the second. */
export type LoadKind = "poll" | "pass";

/** Debts up to this long do not break off what is under way: many small pages would only cost statements. */
const TOLERATED_MS = 250;
/** A chunk is at most what may be read in this time. */
const CHUNK_MS = 1_000;

/**
 * Two buckets that hold nothing in advance. All rows fill the one that passes wait for, rows of polls also the one that polls
 * wait for. So passes take what polls leave, polls wait for polls alone, and in any time T no more is read than rate × T and
 * the chunk with which it began.
 */
export class RowAllowance {
  readonly #rowsPerSecond: number;
  readonly #clock: Clock;
  /** Monotonic: when everything that was read is paid for. */
  readonly #paidAtMs: Record<LoadKind, number> = {
    poll: Number.NEGATIVE_INFINITY,
    pass: Number.NEGATIVE_INFINITY,
  };

  /** `Infinity`: as many as there are. */
  constructor(rowsPerSecond: number, clock: Clock) {
    this.#rowsPerSecond = rowsPerSecond;
    this.#clock = clock;
  }

  /** Rows of one chunk, at most; at least one. */
  get chunkRows(): number {
    return Math.max(1, Math.floor((this.#rowsPerSecond * CHUNK_MS) / 1_000));
  }

  /** Counts rows that were read. */
  read(kind: LoadKind, rows: number): void {
    const nowMs = this.#clock.monotonicMs();
    const costMs = (rows * 1_000) / this.#rowsPerSecond;
    const paid = this.#paidAtMs;
    paid.pass = Math.max(nowMs, paid.pass) + costMs;
    if (kind === "poll") paid.poll = Math.max(nowMs, paid.poll) + costMs;
  }

  /** ms until reading may begin or go on; 0 when it may now. */
  waitMs(kind: LoadKind): number {
    return Math.max(0, this.#paidAtMs[kind] - this.#clock.monotonicMs());
  }

  /** Whether reading that is under way should break off. */
  isOverdrawn(kind: LoadKind): boolean {
    return this.waitMs(kind) > TOLERATED_MS;
  }
}
