// Who may begin a handshake now: a token bucket, so that a herd of returning agents cannot starve those already here.
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

/** Spread of the retry hint, so that the refused do not come back together. */
const MIN_RETRY_MS = 1_000;

export class HandshakeAdmission {
  readonly #settings: AdmissionSettings;
  readonly #clock: Clock;
  readonly #random: () => number;
  #tokens: number;
  #filledAtMs: number;
  #running = 0;
  #refusedInRow = 0;

  constructor(settings: AdmissionSettings, clock: Clock, random: () => number) {
    this.#settings = settings;
    this.#clock = clock;
    this.#random = random;
    this.#tokens = settings.burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  get running(): number {
    return this.#running;
  }

  /** `ok` takes a place, which `leave` gives back. */
  enter(): Admission {
    this.#fill();
    if (this.#tokens < 1 || this.#running >= this.#settings.maxConcurrent) {
      this.#refusedInRow += 1;
      return { ok: false, retryAfterMs: this.#retryAfterMs() };
    }
    this.#refusedInRow = 0;
    this.#tokens -= 1;
    this.#running += 1;
    return { ok: true };
  }

  leave(): void {
    this.#running -= 1;
  }

  /** Twice the time in which the bucket could serve all who were refused since it last served one; drawn evenly. */
  #retryAfterMs(): number {
    const waveMs = (this.#refusedInRow / this.#settings.perSecond) * 2_000;
    return MIN_RETRY_MS + this.#random() * Math.min(Math.max(waveMs, MIN_RETRY_MS), 30_000);
  }

  #fill(): void {
    const { perSecond, burst } = this.#settings;
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * perSecond);
    this.#filledAtMs = nowMs;
  }
}
