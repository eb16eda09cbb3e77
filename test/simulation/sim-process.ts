// A simulated process: everything it does goes through ports, and it can die before or after any of their calls.
import type { Clock } from "#common/runtime/clock.ts";
import type { SimClock } from "./sim-clock.ts";

/** Thrown out of a synchronous port when the process dies in it. Nothing that runs afterwards counts. */
export class Crash extends Error {
  override name = "Crash";
}

export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #onDeath: (() => void)[] = [];
  /** Aborts with the death: what waits on it ends, instead of holding this world in memory for ever. */
  readonly #end = new AbortController();
  #isDead = false;
  /** Port calls until death, counting "before" and "after" as one each; undefined: lives on. */
  #fuse: number | undefined;
  #calls = 0;

  constructor(name: string, clock: SimClock) {
    this.name = name;
    const isAlive = (): boolean => !this.#isDead;
    this.clock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) =>
        this.#isDead ? () => {} : clock.setTimerFor(isAlive, delayMs, () => this.guard(callback)),
    };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  get calls(): number {
    return this.#calls;
  }

  /** Dies at the n-th moment from now. */
  light(fuse: number): void {
    this.#fuse = fuse;
  }

  onDeath(callback: () => void): void {
    this.#onDeath.push(callback);
  }

  kill(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    for (const callback of this.#onDeath) callback();
    this.#end.abort();
  }

  /** Runs what comes from outside (a timer, a frame); a death in it ends there. */
  guard(work: () => void): void {
    try {
      if (!this.#isDead) work();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }

  /** A moment at which the process may die. */
  moment(): void {
    if (this.#isDead) throw new Crash(this.name);
    this.#calls += 1;
    if (this.#fuse === undefined) return;
    this.#fuse -= 1;
    if (this.#fuse > 0) return;
    this.kill();
    throw new Crash(this.name);
  }

  sync<T>(call: () => T): T {
    this.moment();
    const value = call();
    this.moment();
    return value;
  }

  /** A call whose answer the dead never get. */
  async async<T>(call: () => Promise<T>): Promise<T> {
    try {
      this.moment();
      const value = await call();
      this.moment();
      return value;
    } catch (error) {
      if (this.#isDead) return never();
      throw error;
    }
  }

  /** Wraps every method of a port. */
  port<T extends object>(target: T, kind: "sync" | "async"): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          const call = (): unknown => Reflect.apply(value, object, args);
          return kind === "sync" ? this.sync(call) : this.async(call as () => Promise<unknown>);
        };
      },
    });
  }
}

export function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
