// Delays between attempts: exponential with full jitter, reset only after a time of health.
import type { Clock } from "./clock.ts";

export interface BackoffSettings {
  readonly firstMs: number;
  readonly capMs: number;
  /** How long an attempt must have stayed healthy before the next failure starts from `firstMs` again. */
  readonly healthyAfterMs: number;
}

/** Full jitter as in the AWS Architecture Blog, "Exponential Backoff And Jitter": uniform in [0, min(cap, first × 2^n)]. */
export class Backoff {
  readonly #settings: BackoffSettings;
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #healthySinceMs: number | undefined;

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

  /** Counts a failure and returns how long to wait, ms. A floor asked for by the peer is respected. */
  failed(atLeastMs = 0): number {
    const { firstMs, capMs, healthyAfterMs } = this.#settings;
    const healthy =
      this.#healthySinceMs !== undefined &&
      this.#clock.monotonicMs() - this.#healthySinceMs >= healthyAfterMs;
    if (healthy) this.#failures = 0;
    this.#healthySinceMs = undefined;
    const ceiling = Math.min(capMs, firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.max(atLeastMs, Math.round(this.#random() * ceiling));
  }
}
