// What the connector remembers of one point while it is subscribed: what was seen, and what the cursor may promise.
import type { SourceSample } from "#agent/core/source/connector.ts";
import type { Point } from "./points.ts";

/** Something may be missing since `fromMs`; settled by the first live value, by history, or by a gap. */
export interface Pending {
  readonly fromMs: number;
  readonly reason: "reconnect" | "no_history" | "queue_overflow";
  /** Monotonic clock, ms: without a live value by then, the interval ends now. */
  readonly untilMs: number;
}

export class PointState {
  readonly point: Point;
  /** The client handle: which point a notification is about. */
  readonly handle: number;
  /** The server's id of the monitored item; undefined while there is none. */
  itemId: number | undefined;
  /** Newest source time seen, ms. */
  liveMs: number | undefined;
  /** Source time up to which everything was handed on; what the cursor says. Stands still while something is pending. */
  deliveredMs: number | undefined;
  /** History was read up to here, ms: live values that are not newer are known already. */
  floorMs: number | undefined;
  pending: Pending | undefined;
  /** Intervals being filled from history. */
  backfills = 0;
  #takenMs: number | undefined;
  #lastStatus: number | undefined;
  #lastValue: unknown;

  constructor(point: Point, handle: number) {
    this.point = point;
    this.handle = handle;
  }

  /** Whether this is what was seen last, shown once more. */
  isKnown(sample: SourceSample, atMs: number): boolean {
    if (atMs !== this.liveMs || this.#lastStatus !== sample.status) return false;
    return sameValue(sample.value, this.#lastValue);
  }

  saw(sample: SourceSample, atMs: number): void {
    if (this.liveMs === undefined || atMs > this.liveMs) this.liveMs = atMs;
    this.#lastStatus = sample.status;
    this.#lastValue = sample.value;
  }

  /** Called when a live sample is in a batch. */
  delivered(atMs: number): void {
    if (this.#takenMs === undefined || atMs > this.#takenMs) this.#takenMs = atMs;
    this.promise();
  }

  /** Called when a sample from history is in a batch: these come in order, so the promise moves with them. */
  deliveredHistory(atMs: number): void {
    if (this.deliveredMs === undefined || atMs > this.deliveredMs) this.deliveredMs = atMs;
  }

  /** Lets the cursor catch up with what was handed on, unless something is still missing before it. */
  promise(): void {
    if (this.pending !== undefined || this.backfills > 0 || this.#takenMs === undefined) return;
    if (this.deliveredMs === undefined || this.#takenMs > this.deliveredMs) this.deliveredMs = this.#takenMs;
  }
}

function sameValue(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || left === null) return false;
  return JSON.stringify(left) === JSON.stringify(right);
}
