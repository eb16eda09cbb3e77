// What a source was asked in the last minute, counted by the second.
import type { Clock } from "#common/runtime/clock.ts";

const SECONDS = 60;

export interface LoadRates {
  readonly rowsPerSecond: number;
  readonly statementsPerSecond: number;
}

export class LoadMeter {
  readonly #clock: Clock;
  readonly #sinceS: number;
  readonly #rows = new Float64Array(SECONDS);
  readonly #statements = new Float64Array(SECONDS);
  #lastS: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceS = this.#nowS();
    this.#lastS = this.#sinceS;
  }

  count(rows: number, statements: number): void {
    const at = this.#moveOn() % SECONDS;
    this.#rows[at] = (this.#rows[at] ?? 0) + rows;
    this.#statements[at] = (this.#statements[at] ?? 0) + statements;
  }

  /** On average over the last minute, or since the beginning if that is less; one decimal. */
  rates(): LoadRates {
    const nowS = this.#moveOn();
    const seconds = Math.min(SECONDS, nowS - this.#sinceS + 1);
    const perSecond = (counts: Float64Array): number =>
      Math.round((counts.reduce((sum, count) => sum + count, 0) / seconds) * 10) / 10;
    return { rowsPerSecond: perSecond(this.#rows), statementsPerSecond: perSecond(this.#statements) };
  }

  /** Empties the seconds that have passed since the last call; the present one. */
  #moveOn(): number {
    const nowS = this.#nowS();
    const from = Math.max(this.#lastS + 1, nowS - SECONDS + 1);
    for (let second = from; second <= nowS; second += 1) {
      this.#rows[second % SECONDS] = 0;
      this.#statements[second % SECONDS] = 0;
    }
    this.#lastS = nowS;
    return nowS;
  }

  #nowS(): number {
    return Math.floor(this.#clock.monotonicMs() / 1_000);
  }
}
