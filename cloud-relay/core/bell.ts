// Wakes one who waits: a ring that comes between looking and waiting is not lost.
import { sleep, type Clock } from "#common/runtime/clock.ts";

export class Bell {
  #ringing = new AbortController();

  ring(): void {
    this.#ringing.abort();
  }

  /** From here on a ring counts for the next wait. */
  reset(): void {
    if (this.#ringing.signal.aborted) this.#ringing = new AbortController();
  }

  /** Until it has rung since the last reset, the time is over, or the signal aborts. */
  rung(clock: Clock, atMostMs: number, signal: AbortSignal): Promise<void> {
    return sleep(clock, atMostMs, AbortSignal.any([this.#ringing.signal, signal]));
  }
}
