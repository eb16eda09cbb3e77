// The one writer: transactions queue up here in order, and those that wait for a commit share the next one.
import { setImmediate } from "node:timers/promises";
import type Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";

/** Transactions that share one commit at most; each still succeeds or fails on its own… */
const MAX_GROUP = 32;
/** …and none joins a commit that has been prepared for longer than this: those in it wait. */
const MAX_GROUP_MS = 40;
/** What one job may take while others wait, and for this long after somebody had to: whoever came once comes again. */
const SHARE_MS = 5;
const COMPANY_MS = 300;

interface Job {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Kept {
  readonly job: Job;
  readonly value: unknown;
}

export interface WriteQueueDeps {
  readonly db: Database.Database;
  /** For messages. */
  readonly path: string;
  readonly translate: (error: unknown) => unknown;
  /** After any rollback: what was cached of the lost transaction must be forgotten. */
  readonly onRollback: () => void;
  /** Before whoever waited for it goes on: what was read before may be another now. */
  readonly onCommit: () => void;
}

export class WriteQueue {
  readonly #db: Database.Database;
  readonly #deps: WriteQueueDeps;
  #waiting: Job[] = [];
  #draining: Promise<void> | undefined;
  /** When the open transaction began, the job under way in it, and when somebody had to wait; `performance.now()`. */
  #begunMs = 0;
  #jobBegunMs = 0;
  #companyMs = Number.NEGATIVE_INFINITY;
  /** Jobs that are done and wait for the open transaction's commit. */
  #kept: readonly Kept[] = [];
  #isClosed = false;

  constructor(deps: WriteQueueDeps) {
    this.#db = deps.db;
    this.#deps = deps;
  }

  /** Resolves after the durable commit; rejects when nothing of `work` was kept. */
  run<T>(work: () => Promise<T> | T): Promise<T> {
    if (this.#isClosed) {
      return Promise.reject(new MillraceError(`the relay's store ${this.#deps.path} is closed`));
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as Job["resolve"], reject });
      this.#draining ??= this.#drain();
    });
  }

  /** For the job under way: lets the process do other things. True: it is not alone, and has had its share. */
  async pause(): Promise<boolean> {
    await setImmediate();
    const nowMs = performance.now();
    if (this.#waiting.length > 0 || this.#kept.length > 0) this.#companyMs = nowMs;
    return nowMs - this.#companyMs < COMPANY_MS && nowMs - this.#jobBegunMs >= SHARE_MS;
  }

  /** Refuses new work and waits for what was accepted. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#draining;
  }

  async #drain(): Promise<void> {
    // Lets callers of the same turn join the first group.
    await Promise.resolve();
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      await this.#commitTogether(job);
      // Between two commits sockets and timers get their turn: whoever waited for this one asks for the next at once.
      await setImmediate();
    }
    this.#draining = undefined;
  }

  /** One transaction with this job, and with those that come while it is under way. */
  async #commitTogether(first: Job): Promise<void> {
    if (!this.#attempt([first], "BEGIN IMMEDIATE")) return;
    this.#begunMs = performance.now();
    const kept: Kept[] = [];
    this.#kept = kept;
    for (let job: Job | undefined = first; job !== undefined; job = this.#joining()) {
      const isShared = kept.length > 0;
      this.#jobBegunMs = performance.now();
      try {
        if (isShared) this.#db.exec("SAVEPOINT job");
        const value = await job.work();
        if (!this.#db.inTransaction) throw new MillraceError("the transaction ended under its work");
        if (isShared) this.#db.exec("RELEASE job");
        kept.push({ job, value });
      } catch (error) {
        this.#deps.onRollback();
        job.reject(this.#deps.translate(error));
        if (this.#undo(isShared)) continue;
        // SQLite gave up the whole transaction (no space): who shared it lost too; who had not begun tries again.
        for (const { job: other } of kept) other.reject(this.#deps.translate(error));
        return;
      }
    }
    const owners = kept.map(({ job }) => job);
    if (!this.#attempt(owners, "COMMIT")) return;
    this.#deps.onCommit();
    for (const { job, value } of kept) job.resolve(value);
  }

  #joining(): Job | undefined {
    const isFull = this.#kept.length >= MAX_GROUP || performance.now() - this.#begunMs >= MAX_GROUP_MS;
    return isFull ? undefined : this.#waiting.shift();
  }

  /** Takes back one job. False when the whole transaction is gone. */
  #undo(isShared: boolean): boolean {
    if (!this.#db.inTransaction) return false;
    try {
      this.#db.exec(isShared ? "ROLLBACK TO job; RELEASE job" : "ROLLBACK; BEGIN IMMEDIATE");
      return true;
    } catch {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      return false;
    }
  }

  #attempt(jobs: readonly Job[], sql: string): boolean {
    try {
      this.#db.exec(sql);
      return true;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      this.#deps.onRollback();
      for (const job of jobs) job.reject(this.#deps.translate(error));
      return false;
    }
  }
}
