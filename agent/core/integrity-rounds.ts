// Weekly checks of a database file's structure: when one is due, who hears what came of it.
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";

/** What came of the last check of one file; `detail` is `ok`, what is wrong, or empty while there was none. */
export interface FileCheck {
  readonly atMs: number;
  readonly detail: string;
}

export interface IntegrityDeps {
  /** Resolves with `ok` or what is wrong; rejects when the file could not be looked at. */
  readonly check: (file: string) => Promise<string>;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly logger: Logger;
}

export interface CheckedFile {
  readonly file: string;
  /** As kept with the file; `undefined` for a new one. */
  readonly last: FileCheck | undefined;
  /** Keeps the outcome with the file, and tells it. What it throws is logged, and the check made again later. */
  readonly keep: (check: FileCheck) => void;
  readonly damaged: (detail: string) => void;
}

export const CHECK_EVERY_MS = 7 * 24 * 3_600_000;
/** A file that could not be looked at is tried again after this. */
const RETRY_MS = 3_600_000;

/** One check at a time: each reads a whole file. */
export class IntegrityRounds {
  readonly #deps: IntegrityDeps;
  #running: Promise<void> | undefined;
  #retryAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: IntegrityDeps) {
    this.#deps = deps;
  }

  /** Begins a check if one is due; called now and then. */
  look(target: CheckedFile): void {
    const nowMs = this.#deps.nowMs();
    if (this.#running !== undefined || nowMs < this.#retryAtMs) return;
    if (target.last === undefined) {
      // It was checked when it was opened. The files of one agent are not all due in the same minute.
      const atMs = Math.round(nowMs - this.#deps.random() * CHECK_EVERY_MS);
      this.#running = this.#guarded(target.file, async () => target.keep({ atMs, detail: "" }));
      return;
    }
    const { atMs } = target.last;
    // A wall clock that stepped back must not put it off.
    if (atMs <= nowMs && nowMs - atMs < CHECK_EVERY_MS) return;
    this.#running = this.#guarded(target.file, () => this.#check(target));
  }

  /** Resolves when nothing of this holds a file open. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #guarded(file: string, work: () => Promise<void>): Promise<void> {
    const { nowMs, logger } = this.#deps;
    try {
      await work();
    } catch (error) {
      this.#retryAtMs = nowMs() + RETRY_MS;
      logger.warn({ file }, `the weekly check is made again in an hour: ${messageOf(error)}`);
    } finally {
      this.#running = undefined;
    }
  }

  async #check({ file, keep, damaged }: CheckedFile): Promise<void> {
    const { check, nowMs, logger } = this.#deps;
    const detail = await check(file);
    if (detail === "ok") logger.info({ file }, "weekly check: ok");
    else {
      logger.error({ file }, `weekly check: ${detail}`);
      damaged(detail);
    }
    keep({ atMs: nowMs(), detail });
  }
}
