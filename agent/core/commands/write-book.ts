// The writes that are open: in memory as the journal has them, with the audit trail and what the relay is told of each.
import type { CommandResult, CommandState } from "#common/contract/messages.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { StorageFullError } from "../room/storage-errors.ts";
import type { AuditFact } from "./audit-chain.ts";
import { settledEntry, type CommandJournal, type JournalEntry, type JournalState } from "./journal.ts";

/** Results that are sent again at once; the next follows when one is settled. */
const RESENT_AT_ONCE = 32;
/** What a full disk has refused is written again this often, ms. */
const SAVE_AGAIN_MS = 5_000;
/** A write that ends sooner is never told to be under way: that would cost the relay a commit before the one of its end. */
const EXECUTING_AFTER_MS = 200;
/**
 * What the relay holds is noted together, this late or when there are so many: nobody waits for it, and whoever waits for the
 * next write would. After a crash in between the result is told once more.
 */
const SETTLE_AFTER_MS = 500;
const SETTLE_AT = 64;

export interface WriteBookDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: CommandJournal;
  /** False: there is no session that could say it. */
  readonly answer: (answer: CommandResult | CommandState) => boolean;
}

const STATES: Readonly<Partial<Record<JournalState, CommandState["state"]>>> = {
  held: "held",
  waiting: "waiting_window",
  started: "executing",
};

export class WriteBook {
  readonly #deps: WriteBookDeps;
  /** Not settled, in the order in which they came. */
  readonly #open = new Map<string, JournalEntry>();
  /** Finished in a moment in which the disk was full. */
  readonly #unsaved = new Map<string, readonly AuditFact[]>();
  #cancelSave: (() => void) | undefined;
  /** Settled, and not noted yet. */
  #settled: JournalEntry[] = [];
  #cancelSettle: (() => void) | undefined;
  /** By the id of a write that has just begun. */
  readonly #beginnings = new Map<string, () => void>();
  /** Finished before this session; their results are still to be sent. */
  #toResend: string[] = [];

  constructor(deps: WriteBookDeps) {
    this.#deps = deps;
    for (const entry of deps.journal.open()) this.#open.set(entry.id, entry);
  }

  /** Open ones of these states, oldest first. */
  inState(...states: readonly JournalState[]): readonly JournalEntry[] {
    return [...this.#open.values()].filter(({ state }) => states.includes(state));
  }

  find(id: string): JournalEntry | undefined {
    return this.#open.get(id);
  }

  /** Durable when it returns; the relay is told, unless it has begun and ends at once. @throws StorageFullError; then nothing has changed */
  put(entry: JournalEntry, facts: readonly AuditFact[], detail?: string): void {
    this.#deps.journal.commit({ entries: [entry], facts });
    this.#open.set(entry.id, entry);
    if (entry.state === "started") this.#tellBeginning(entry);
    else this.#tellState(entry, detail);
  }

  /** The command's end: told even where there is no space to write it down now. */
  finish(entry: JournalEntry, result: CommandResult, facts: readonly AuditFact[]): void {
    const finishedAtMs = this.#deps.clock.nowMs();
    const finished: JournalEntry = { ...entry, state: "finished", result, finishedAtMs };
    this.#open.set(entry.id, finished);
    this.#forgetBeginning(entry.id);
    try {
      this.#deps.journal.commit({ entries: [finished], facts });
    } catch (error) {
      this.#saveLater(error, finished.id, facts);
    }
    this.#tell(result);
  }

  /** The relay holds the result. */
  settled(id: string): void {
    const entry = this.#open.get(id);
    if (entry?.state !== "finished") return;
    if (this.#unsaved.has(id)) this.#saveAgain();
    // What the disk still refuses stays open, and is told again in another session.
    if (!this.#unsaved.has(id)) {
      this.#open.delete(id);
      this.#settled.push(settledEntry(entry));
      if (this.#settled.length >= SETTLE_AT) this.#noteSettled();
      else this.#cancelSettle ??= this.#deps.clock.setTimer(SETTLE_AFTER_MS, () => this.#noteSettled());
    }
    this.#resend(1);
  }

  /** A session began: what is open is told again. */
  welcomed(): void {
    for (const entry of this.inState("held", "waiting", "started")) this.#tellState(entry);
    this.#toResend = this.inState("finished").map(({ id }) => id);
    this.#resend(RESENT_AT_ONCE);
  }

  /** Says a result again, or how far it is. */
  tellAgain(entry: JournalEntry): void {
    if (entry.result === undefined) this.#tellState(entry);
    else this.#tell(entry.result);
  }

  /** Notes what is left to be noted. */
  stop(): void {
    this.#noteSettled();
    this.#cancelSettle?.();
    this.#cancelSave?.();
    for (const cancel of this.#beginnings.values()) cancel();
  }

  #resend(count: number): void {
    for (const id of this.#toResend.splice(0, count)) {
      const result = this.#open.get(id)?.result;
      if (result !== undefined) this.#tell(result);
    }
  }

  /** With the trail's head of this moment: what is cut off its end later can be told by whoever has heard it. */
  #tell(result: CommandResult): void {
    const { seq, hash } = this.#deps.journal.auditBounds().head;
    this.#deps.answer({ ...result, audit_head: { seq, hash } });
  }

  #tellState({ id, state }: JournalEntry, detail?: string): void {
    const told = STATES[state];
    if (told === undefined) return;
    const why = detail === undefined ? {} : { detail: detail.slice(0, 2_000) };
    this.#deps.answer({ type: "command_state", command_id: id, state: told, ...why });
  }

  #tellBeginning(entry: JournalEntry): void {
    const tell = (): void => {
      this.#beginnings.delete(entry.id);
      this.#tellState(entry);
    };
    this.#beginnings.set(entry.id, this.#deps.clock.setTimer(EXECUTING_AFTER_MS, tell));
  }

  #forgetBeginning(id: string): void {
    this.#beginnings.get(id)?.();
    this.#beginnings.delete(id);
  }

  #noteSettled(): void {
    this.#cancelSettle?.();
    this.#cancelSettle = undefined;
    if (this.#settled.length === 0) return;
    try {
      this.#deps.journal.commit({ entries: this.#settled });
      this.#settled = [];
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
      this.#deps.logger.error({ commands: this.#settled.length }, error.message);
      this.#cancelSettle = this.#deps.clock.setTimer(SAVE_AGAIN_MS, () => this.#noteSettled());
    }
  }

  #saveLater(error: unknown, id: string, facts: readonly AuditFact[]): void {
    if (!(error instanceof StorageFullError)) throw error;
    this.#deps.logger.error({ command: id }, error.message);
    this.#unsaved.set(id, facts);
    this.#cancelSave ??= this.#deps.clock.setTimer(SAVE_AGAIN_MS, () => this.#saveAgain());
  }

  #saveAgain(): void {
    this.#cancelSave?.();
    this.#cancelSave = undefined;
    for (const [id, facts] of this.#unsaved) {
      const entry = this.#open.get(id);
      try {
        if (entry !== undefined) this.#deps.journal.commit({ entries: [entry], facts });
        this.#unsaved.delete(id);
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        this.#deps.logger.error({ command: id }, messageOf(error));
        this.#saveLater(error, id, facts);
        return;
      }
    }
  }
}
