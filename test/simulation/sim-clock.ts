// Simulated time: timers fire in order, one at a time; between two of them every pending promise settles.
import type { Clock } from "#common/runtime/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
  readonly isAlive: () => boolean;
  isCancelled: boolean;
}

export class SimClock implements Clock {
  #nowMs = 0;
  #wallMs = Date.UTC(2026, 0, 5, 6);
  #order = 0;
  /** Binary heap by time, then by order of setting. */
  readonly #heap: Timer[] = [];

  nowMs(): number {
    return this.#wallMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    return this.setTimerFor(() => true, delayMs, callback);
  }

  /** A timer that dies with its process. */
  setTimerFor(isAlive: () => boolean, delayMs: number, callback: () => void): () => void {
    this.#order += 1;
    const timer: Timer = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order,
      callback,
      isAlive,
      isCancelled: false,
    };
    push(this.#heap, timer);
    return () => {
      timer.isCancelled = true;
    };
  }

  /** The wall clock is set; timers and the monotonic clock do not care. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** Runs until the time is over, `isDone` says so, or nothing is left to happen. */
  async run(forMs: number, isDone: () => boolean): Promise<void> {
    const endMs = this.#nowMs + forMs;
    await settled();
    while (!isDone()) {
      const timer = this.#heap[0];
      if (timer === undefined || timer.atMs > endMs) {
        this.#nowMs = endMs;
        return;
      }
      pop(this.#heap);
      if (timer.isCancelled || !timer.isAlive()) continue;
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      timer.callback();
      await settled();
    }
  }
}

/** Every microtask that is due has run when the event loop comes round. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Timer[], timer: Timer): void {
  let at = heap.push(timer) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !isBefore(timer, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    const leftTimer = heap[left];
    if (leftTimer === undefined) break;
    const rightTimer = heap[left + 1];
    const isRight = rightTimer !== undefined && isBefore(rightTimer, leftTimer);
    const child = isRight ? rightTimer : leftTimer;
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = isRight ? left + 1 : left;
  }
  heap[at] = last;
}
