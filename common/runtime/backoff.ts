// Delays between attempts: exponential with full jitter, reset after a time of health, kept short after lasting progress.
import type { Clock } from "./clock.ts";

export interface BackoffSettings {
  readonly firstMs: number;
  readonly capMs: number;
  /** How long an attempt must have stayed healthy before the next failure starts from `firstMs` again. */
  readonly healthyAfterMs: number;
}

/** Failures that count at the most after an attempt that came to something. */
const FAILURES_AFTER_PROGRESS = 2;

/** Full jitter as in the AWS Architecture Blog, "Exponential Backoff And Jitter": uniform in [0, min(cap, first × 2^n)]. */
export class Backoff {
  readonly #settings: BackoffSettings;
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #healthySinceMs: number | undefined;
  #hasProgressed = false;

  constructor(settings: BackoffSettings, clock: Clock, random: () => number) {
    this.#settings = settings;
    this.#clock = clock;
    this.#random = random;
  }

  /** Consecutive failures since the last reset. */
  get failures(): number {
    return this.#failures;
  }

  /** Says that an attempt has begun to work; health counts from here. */
  succeeded(): void {
    this.#healthySinceMs ??= this.#clock.monotonicMs();
  }

  /**
   * Says that something lasting came of this attempt, however short its health: what works a few seconds at a time must
   * not wait a minute between them. The next delay is uniform in [first, first + 4 × first] instead of growing on; `first`
   * is then its floor, so that a peer that takes a little from everybody and fails again is not stormed.
   */
  progressed(): void {
    this.#hasProgressed = true;
  }

  /** Counts a failure and returns how long to wait, ms. A floor asked for by the peer is respected. */
  failed(atLeastMs = 0): number {
    const { firstMs, capMs, healthyAfterMs } = this.#settings;
    const healthy =
      this.#healthySinceMs !== undefined &&
      this.#clock.monotonicMs() - this.#healthySinceMs >= healthyAfterMs;
    if (healthy) this.#failures = 0;
    const isEased = this.#hasProgressed && this.#failures > FAILURES_AFTER_PROGRESS;
    if (isEased) this.#failures = FAILURES_AFTER_PROGRESS;
    this.#healthySinceMs = undefined;
    this.#hasProgressed = false;
    const floor = isEased ? firstMs : 0;
    const ceiling = Math.min(capMs, firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.max(atLeastMs, floor + Math.round(this.#random() * ceiling));
  }
}
