// How many statements are under way at a source at once: others wait, those that follow changes or serve a person go first.
import type { Lane } from "../sql/sql-source.ts";

export class StatementGate {
  readonly #limit: number;
  #underWay = 0;
  /** As many as there are callers, and each reads one thing at a time. */
  readonly #waiting: Readonly<Record<Lane, (() => void)[]>> = { live: [], bulk: [] };

  /** `Infinity`: nobody waits. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs `work` when there is room for it; undefined when the signal aborted before. What `work` throws is thrown. */
  async run<T>(lane: Lane, signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    if (!(await this.#enter(lane, signal))) return undefined;
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(lane: Lane, signal: AbortSignal): Promise<boolean> {
    if (this.#underWay < this.#limit) {
      this.#underWay += 1;
      return true;
    }
    if (signal.aborted) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const queue = this.#waiting[lane];
    const enter = (): void => resolve(true);
    const giveUp = (): void => {
      const at = queue.indexOf(enter);
      if (at >= 0) queue.splice(at, 1);
      // Without effect on whoever has been let in.
      resolve(false);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    queue.push(enter);
    const isIn = await promise;
    signal.removeEventListener("abort", giveUp);
    return isIn;
  }

  /** The place is handed on, so that nobody slips in between. */
  #leave(): void {
    const next = this.#waiting.live.shift() ?? this.#waiting.bulk.shift();
    if (next === undefined) this.#underWay -= 1;
    else next();
  }
}
