// A clock that stands still until a test moves it.
import type { Clock } from "#common/runtime/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #monotonicMs = 0;
  #wallMs: number;
  readonly #timers = new Set<Timer>();

  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = nowMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#monotonicMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves both clocks, firing what falls due in order, each at its own time. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers)
        if (timer.dueMs <= endMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#moveTo(next.dueMs);
      next.callback();
    }
    this.#moveTo(endMs);
  }

  /** Time that passed while nothing could run (a suspended machine): what fell due fires late, all at the end. */
  freeze(ms: number): void {
    this.#moveTo(this.#monotonicMs + ms);
    this.advance(0);
  }

  /** The wall clock alone is set; timers do not care. */
  stepWallClock(ms: number): void {
    this.#wallMs += ms;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += Math.max(0, monotonicMs - this.#monotonicMs);
    this.#monotonicMs = Math.max(this.#monotonicMs, monotonicMs);
  }
}
