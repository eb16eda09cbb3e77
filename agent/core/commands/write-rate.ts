// How many writes of one connection are accepted in a minute: a sliding window, by the monotonic clock.
import type { Clock } from "#common/runtime/clock.ts";

const MINUTE_MS = 60_000;

export class WriteRate {
  readonly #clock: Clock;
  /** By connection, oldest first; never more than the limit. */
  readonly #taken = new Map<string, number[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one write. 0: it may go on; otherwise ms until one may. */
  take(connectionId: string, perMinute: number): number {
    const nowMs = this.#clock.monotonicMs();
    const recent = (this.#taken.get(connectionId) ?? []).filter((atMs) => atMs > nowMs - MINUTE_MS);
    this.#taken.set(connectionId, recent);
    const [oldest] = recent;
    if (recent.length < perMinute || oldest === undefined) {
      recent.push(nowMs);
      return 0;
    }
    return Math.max(1, Math.ceil(oldest + MINUTE_MS - nowMs));
  }
}
