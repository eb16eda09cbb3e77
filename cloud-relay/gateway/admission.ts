// Who may begin a handshake now: a herd of returning agents is let in one by one, each at a time that it is told, so that
// nobody knocks in vain twice and those already here are not starved.
import type { Clock } from "#common/runtime/clock.ts";

export interface AdmissionSettings {
  /** Handshakes under way at once. */
  readonly maxConcurrent: number;
  /** Handshakes that may begin, per second, in the long run. */
  readonly perSecond: number;
  /** Handshakes that may begin at once after a quiet time. */
  readonly burst: number;
}

export type Admission = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number };

/** Before that nobody is asked to come again… */
const MIN_RETRY_MS = 1_000;
/** …and nobody is sent away for longer: for a larger herd, several are given the same time. */
const MAX_RETRY_MS = 60_000;
/** The rest is for those who come unasked. */
const PROMISED_SHARE = 0.9;
/** Over this time it is counted how many handshakes this machine manages. */
const RATE_WINDOW_MS = 2_000;
/** The machine may just be busy with something else. */
const MIN_PER_SECOND = 20;

export class HandshakeAdmission {
  readonly #settings: AdmissionSettings;
  readonly #clock: Clock;
  #tokens: number;
  #filledAtMs: number;
  #running = 0;
  /** Handshakes a second that this machine manages when it has as many as it can take. */
  #rate: number;
  #windowFromMs: number;
  #finished = 0;
  /** Up to here every place is promised to somebody who was sent away. */
  #promisedToMs = 0;

  constructor(settings: AdmissionSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#tokens = settings.burst;
    this.#rate = settings.perSecond;
    this.#filledAtMs = clock.monotonicMs();
    this.#windowFromMs = this.#filledAtMs;
  }

  get running(): number {
    return this.#running;
  }

  /** `ok` takes a place, which `leave` gives back. */
  enter(): Admission {
    const nowMs = this.#clock.monotonicMs();
    this.#fill(nowMs);
    if (this.#tokens < 1 || this.#running >= this.#settings.maxConcurrent) {
      return { ok: false, retryAfterMs: this.#promise(nowMs) };
    }
    this.#tokens -= 1;
    this.#running += 1;
    return { ok: true };
  }

  leave(): void {
    this.#running -= 1;
    this.#finished += 1;
  }

  /** The next place that nobody has been promised yet, as ms from now. */
  #promise(nowMs: number): number {
    this.#measure(nowMs);
    const atMs = Math.max(nowMs + MIN_RETRY_MS, this.#promisedToMs);
    this.#promisedToMs = Math.min(atMs + 1_000 / (this.#rate * PROMISED_SHARE), nowMs + MAX_RETRY_MS);
    return Math.min(atMs - nowMs, MAX_RETRY_MS);
  }

  /** Only while somebody is sent away: otherwise few finished because few came. */
  #measure(nowMs: number): void {
    const elapsedMs = nowMs - this.#windowFromMs;
    if (elapsedMs < RATE_WINDOW_MS) return;
    const isWhole = elapsedMs < 2 * RATE_WINDOW_MS;
    const managed = (this.#finished * 1_000) / elapsedMs;
    if (isWhole) this.#rate = Math.min(this.#settings.perSecond, Math.max(MIN_PER_SECOND, managed));
    this.#windowFromMs = nowMs;
    this.#finished = 0;
  }

  #fill(nowMs: number): void {
    const { perSecond, burst } = this.#settings;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * perSecond);
    this.#filledAtMs = nowMs;
  }
}
