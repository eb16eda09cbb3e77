// Time as a port, so that simulation and tests can own it.

/** Timers and both clocks. Every wait in the product goes through one of these. */
export interface Clock {
  /** Wall clock, ms since the Unix epoch. May step backwards. */
  nowMs(): number;
  /** Monotonic clock, ms from an arbitrary origin. Never steps. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels it. Real timers do not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

/** Resolves after `delayMs`, or as soon as the signal aborts; never rejects: the caller looks at the signal. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.setTimer(delayMs, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
