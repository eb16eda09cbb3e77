// Opens after failures in a row, or when most attempts of the last minutes failed; then nothing is sent but single probes.
import type { BreakerState, EndpointHealth } from "./endpoint.ts";

const OPENS_AFTER_FAILURES = 10;
/** Of the attempts in the window, if there are enough of them to say anything. */
const OPENS_AT_SHARE = 0.7;
const OPENS_AT_LEAST_ATTEMPTS = 10;
const WINDOW_MS = 5 * 60_000;
const WINDOW_SLICES = 10;
const PARK_FIRST_MS = 30_000;
const PARK_CAP_MS = 5 * 60_000;

/** Attempts of the last five minutes, in slices; kept in memory, a restart begins anew. */
export class AttemptWindow {
  readonly #slices: { slice: number; attempts: number; failures: number }[] = [];

  add(isFailure: boolean, nowMs: number): void {
    const slice = Math.floor(nowMs / (WINDOW_MS / WINDOW_SLICES));
    let last = this.#slices.at(-1);
    if (last?.slice !== slice) {
      last = { slice, attempts: 0, failures: 0 };
      this.#slices.push(last);
      while ((this.#slices[0]?.slice ?? slice) <= slice - WINDOW_SLICES) this.#slices.shift();
      if (this.#slices.length > WINDOW_SLICES) this.#slices.shift();
    }
    last.attempts += 1;
    if (isFailure) last.failures += 1;
  }

  clear(): void {
    this.#slices.length = 0;
  }

  get isBad(): boolean {
    let attempts = 0;
    let failures = 0;
    for (const slice of this.#slices) {
      attempts += slice.attempts;
      failures += slice.failures;
    }
    return attempts >= OPENS_AT_LEAST_ATTEMPTS && failures >= attempts * OPENS_AT_SHARE;
  }
}

/** Whether a breaker that is not open has seen enough. */
export function shouldOpen(consecutiveFailures: number, window: AttemptWindow): boolean {
  return consecutiveFailures >= OPENS_AFTER_FAILURES || window.isBad;
}

/** From 30 s up to 5 min: as long as it has been failing, so that each failed probe about doubles it. */
export function parkMs(failingSinceMs: number, nowMs: number): number {
  return Math.min(PARK_CAP_MS, Math.max(PARK_FIRST_MS, nowMs - failingSinceMs));
}

/** As it is shown: an open breaker whose time is over lets the next delivery probe. */
export function breakerAt({ breaker, parkedUntilMs }: EndpointHealth, nowMs: number): BreakerState {
  return breaker === "open" && (parkedUntilMs ?? 0) <= nowMs ? "half_open" : breaker;
}
