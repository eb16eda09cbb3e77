// Notices a silent peer: pings it now and then, and gives it up when nothing at all has come for too long.
import type { Clock } from "../runtime/clock.ts";
import { DEAD_AFTER_MS, PING_EVERY_MS } from "./limits.ts";

export interface LivenessDeps {
  readonly clock: Clock;
  /** Sends a ping; the number grows by one. */
  readonly ping: (n: number) => void;
  /** Nothing was heard for DEAD_AFTER_MS. Called once; nothing follows. */
  readonly dead: () => void;
}

export class Liveness {
  readonly #deps: LivenessDeps;
  #heardAtMs: number;
  #pings = 0;
  #cancel: () => void = () => {};

  /** The peer counts as heard now. */
  constructor(deps: LivenessDeps) {
    this.#deps = deps;
    this.#heardAtMs = deps.clock.monotonicMs();
  }

  start(): void {
    this.#schedule(PING_EVERY_MS);
  }

  /** Any frame is a sign of life. */
  heard(): void {
    this.#heardAtMs = this.#deps.clock.monotonicMs();
  }

  stop(): void {
    this.#cancel();
  }

  #schedule(delayMs: number): void {
    this.#cancel = this.#deps.clock.setTimer(delayMs, () => this.#look());
  }

  #look(): void {
    const silentMs = this.#deps.clock.monotonicMs() - this.#heardAtMs;
    if (silentMs >= DEAD_AFTER_MS) {
      this.#deps.dead();
      return;
    }
    this.#pings += 1;
    this.#deps.ping(this.#pings);
    this.#schedule(Math.min(PING_EVERY_MS, DEAD_AFTER_MS - silentMs));
  }
}
