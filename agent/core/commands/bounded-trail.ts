// What outsiders can cause at will, in the audit trail: so many entries a minute, so that no flood fills the agent's disk.
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { StorageFullError } from "../room/storage-errors.ts";
import { entryFact } from "./audit-facts.ts";
import type { CommandJournal, JournalEntry } from "./journal.ts";

/** Noted one by one; of more, the next entry says how many. */
const ENTRIES_PER_MINUTE = 30;
const MINUTE_MS = 60_000;

export interface BoundedTrailDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: CommandJournal;
}

export class BoundedTrail {
  readonly #deps: BoundedTrailDeps;
  readonly #event: string;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #noted = 0;
  #unnoted = 0;

  /** Its entries are of one event: `refused`, or `asked`. */
  constructor(event: string, deps: BoundedTrailDeps) {
    this.#event = event;
    this.#deps = deps;
  }

  add(command: Pick<JournalEntry, "id" | "connection">, detail: Readonly<Record<string, unknown>>): void {
    const { clock, journal, logger } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#sinceMs >= MINUTE_MS) [this.#sinceMs, this.#noted] = [nowMs, 0];
    this.#noted += 1;
    if (this.#noted > ENTRIES_PER_MINUTE) {
      this.#unnoted += 1;
      return;
    }
    const more = this.#unnoted === 0 ? {} : { unnoted_before: this.#unnoted };
    try {
      journal.commit({ facts: [entryFact(this.#event, command, clock.nowMs(), { ...detail, ...more })] });
      this.#unnoted = 0;
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
      this.#unnoted += 1;
      logger.error({ connection: command.connection }, error.message);
    }
  }
}
