// What tests do to a database: slow answers, hangs, errors on the next statement, killed sessions, refused logins.
import { DatabaseError } from "./session.ts";

interface Plan {
  readonly pattern: RegExp;
  left: number;
  readonly act: (signal: AbortSignal) => Promise<void>;
}

/** Ends every wait of this database; for the end of a test. */
export class Faults {
  readonly #plans: Plan[] = [];
  readonly #cancelled: () => DatabaseError;
  #refusal: DatabaseError | undefined;
  #released = Promise.withResolvers<void>();
  /** Statements that stand still because of `slow` or `hang`. */
  waiting = 0;

  constructor(cancelled: () => DatabaseError) {
    this.#cancelled = cancelled;
  }

  /** The next `count` statements that match wait for `delayMs`, or until they are cancelled. */
  slow(pattern: RegExp, delayMs: number, count = 1): void {
    this.#plan(pattern, count, (signal) => this.#wait(delayMs, signal));
  }

  /** The next statement that matches never ends, whatever the client does, until `release`. */
  hang(pattern: RegExp, count = 1): void {
    this.#plan(pattern, count, () => this.#wait(undefined, undefined));
  }

  /** The next `count` statements that match fail; 1205 and other errors that end a transaction end it. */
  failNext(pattern: RegExp, error: DatabaseError, count = 1): void {
    this.#plan(pattern, count, () => Promise.reject(error));
  }

  /** Runs `work` just before the next statement that matches: to change the data between two statements of a reader. */
  beforeNext(pattern: RegExp, work: () => void | Promise<void>): void {
    this.#plan(pattern, 1, async () => work());
  }

  refuseLogins(error: DatabaseError | undefined): void {
    this.#refusal = error;
  }

  /** Lets everything go on that stands still, and forgets what was planned. */
  release(): void {
    this.#plans.length = 0;
    this.#refusal = undefined;
    this.#released.resolve();
    this.#released = Promise.withResolvers<void>();
  }

  checkLogin(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  async beforeStatement(text: string, signal: AbortSignal): Promise<void> {
    const plan = this.#plans.find(({ pattern, left }) => left > 0 && pattern.test(text));
    if (plan === undefined) return;
    plan.left -= 1;
    if (plan.left <= 0) this.#plans.splice(this.#plans.indexOf(plan), 1);
    await plan.act(signal);
  }

  #plan(pattern: RegExp, left: number, act: Plan["act"]): void {
    this.#plans.push({ pattern, left, act });
  }

  async #wait(delayMs: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) throw this.#cancelled();
    this.waiting += 1;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = delayMs === undefined ? undefined : setTimeout(resolve, delayMs);
    const abort = (): void => reject(this.#cancelled());
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await Promise.race([promise, this.#released.promise]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      this.waiting -= 1;
    }
  }
}
