// The one writer: transactions queue up here in order, and those that wait for a commit share the next one.
import { setImmediate } from "node:timers/promises";
import type Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";

/** Transactions that share one commit at most; each still succeeds or fails on its own. */
const MAX_GROUP = 32;

interface Job {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriteQueueDeps {
  readonly db: Database.Database;
  /** For messages. */
  readonly path: string;
  readonly translate: (error: unknown) => unknown;
  /** After any rollback: what was cached of the lost transaction must be forgotten. */
  readonly onRollback: () => void;
}

export class WriteQueue {
  readonly #db: Database.Database;
  readonly #deps: WriteQueueDeps;
  #waiting: Job[] = [];
  #draining: Promise<void> | undefined;
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

  /** Refuses new work and waits for what was accepted. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#draining;
  }

  async #drain(): Promise<void> {
    // Lets callers of the same turn join the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#commitTogether(this.#waiting.splice(0, MAX_GROUP));
      // Between two commits sockets and timers get their turn: whoever waited for this one asks for the next at once.
      await setImmediate();
    }
    this.#draining = undefined;
  }

  async #commitTogether(jobs: readonly Job[]): Promise<void> {
    if (!this.#attempt(jobs, "BEGIN IMMEDIATE")) return;
    const isShared = jobs.length > 1;
    const kept: { readonly job: Job; readonly value: unknown }[] = [];
    for (const [index, job] of jobs.entries()) {
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
        this.#waiting.unshift(...jobs.slice(index + 1));
        return;
      }
    }
    const owners = kept.map(({ job }) => job);
    if (!this.#attempt(owners, "COMMIT")) return;
    for (const { job, value } of kept) job.resolve(value);
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
