// Live samples on their way from the driver to the runner: bounded, and honest about what it dropped.
import type { SourceSample } from "#agent/core/source/connector.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { PointState } from "./point-state.ts";

/** Samples that wait for a slow runner, at most (some 10 MB); then the oldest goes for each new one. */
export const MAX_QUEUED_SAMPLES = 50_000;

export interface QueuedSample {
  readonly state: PointState;
  readonly sample: SourceSample;
  readonly atMs: number;
}

export class SampleQueue {
  readonly #clock: Clock;
  readonly #limit: number;
  #items: QueuedSample[] = [];
  #head = 0;
  #firstAtMs = 0;
  #wake: (() => void) | undefined;
  /** Oldest dropped source time of each point. */
  #dropped = new Map<PointState, number>();

  constructor(clock: Clock, limit = MAX_QUEUED_SAMPLES) {
    this.#clock = clock;
    this.#limit = limit;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  get hasDropped(): boolean {
    return this.#dropped.size > 0;
  }

  push(item: QueuedSample): void {
    if (this.size === 0) this.#firstAtMs = this.#clock.monotonicMs();
    if (this.size >= this.#limit) this.#dropOldest();
    this.#items.push(item);
    this.wake();
  }

  /** Ends the current or the next `wait` early. */
  wake(): void {
    this.#wake?.();
  }

  /** The oldest samples, in order. */
  take(most: number): readonly QueuedSample[] {
    const taken = this.#items.slice(this.#head, this.#head + most);
    this.#head += taken.length;
    if (this.#head > 4_096 || this.#head === this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    this.#firstAtMs = this.#clock.monotonicMs();
    return taken;
  }

  /** Points whose samples were dropped since the last call, with the oldest dropped source time. */
  takeDropped(): ReadonlyMap<PointState, number> {
    const dropped = this.#dropped;
    this.#dropped = new Map();
    return dropped;
  }

  /** Resolves when `most` samples wait, the first is `ageMs` old, `wake` was asked for otherwise, or `limitMs` is over. */
  async wait(
    most: number,
    ageMs: number,
    limitMs: number,
    isUrgent: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    while (!signal.aborted && !isUrgent() && this.size < most) {
      const nowMs = this.#clock.monotonicMs();
      const dueMs =
        this.size > 0 ? Math.min(this.#firstAtMs + ageMs, startedMs + limitMs) : startedMs + limitMs;
      if (nowMs >= dueMs) return;
      await this.#pause(dueMs - nowMs, signal);
    }
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener("abort", finish);
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#clock.setTimer(delayMs, finish);
      signal.addEventListener("abort", finish, { once: true });
      this.#wake = finish;
    });
  }

  #dropOldest(): void {
    const oldest = this.#items[this.#head];
    if (oldest === undefined) return;
    this.#head += 1;
    const { state, atMs } = oldest;
    this.#dropped.set(state, Math.min(atMs, this.#dropped.get(state) ?? atMs));
    if (this.#head > this.#limit) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }
}
