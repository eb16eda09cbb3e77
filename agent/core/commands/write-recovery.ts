// Writes whose process died after they had begun: asked about again and again until the source tells, or for as long as is honest.
import type { CommandResult } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { RoomCommand, ToRoom } from "../room/messages.ts";
import { unknownOutcome } from "./command-failure.ts";
import type { JournalEntry } from "./journal.ts";

const ASK_EVERY_MS = 2_000;
/** A source that does not answer for this long: the caller is told that nobody knows. */
export const RECOVER_FOR_MS = 10 * 60_000;
/** Answers that say nothing about the write. */
const NOT_YET: ReadonlySet<string> = new Set([
  "SYSTEM_UNREACHABLE",
  "REAUTHORIZATION_REQUIRED",
  "TIMEOUT",
  "BUSY",
  "INTERNAL",
]);

export interface WriteRecoveryDeps {
  readonly clock: Clock;
  readonly toRoom: (connectionId: string, message: ToRoom) => boolean;
  readonly find: (id: string) => JournalEntry | undefined;
  /** What remains of its time to begin, ms; 0: it is not begun any more. */
  readonly ttlMs: (entry: JournalEntry) => number;
  readonly done: (entry: JournalEntry, result: CommandResult) => void;
}

interface Case {
  readonly untilMs: number;
  /** Its room has been asked, and has not answered yet. */
  isAsked: boolean;
}

export class WriteRecovery {
  readonly #deps: WriteRecoveryDeps;
  readonly #cases = new Map<string, Case>();
  #cancelTimer: (() => void) | undefined;

  constructor(deps: WriteRecoveryDeps) {
    this.#deps = deps;
  }

  /** The process that had it is gone. */
  begin(entry: JournalEntry): void {
    const { clock } = this.#deps;
    const known = this.#cases.get(entry.id);
    const untilMs = known?.untilMs ?? clock.monotonicMs() + RECOVER_FOR_MS;
    this.#cases.set(entry.id, { untilMs, isAsked: false });
    this.#cancelTimer ??= clock.setTimer(ASK_EVERY_MS, () => this.#ask());
  }

  /** What the room's answer comes to; undefined: it says nothing about the write, and is asked again. */
  judge(result: CommandResult): CommandResult | undefined {
    const one = this.#cases.get(result.command_id);
    if (one === undefined) return result;
    const isNotYet = result.outcome === "failed" && NOT_YET.has(result.code ?? "");
    if (isNotYet && this.#deps.clock.monotonicMs() < one.untilMs) {
      one.isAsked = false;
      return undefined;
    }
    this.#cases.delete(result.command_id);
    return isNotYet ? gaveUp(result.command_id) : result;
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  #ask(): void {
    const { clock, toRoom, find, ttlMs, done } = this.#deps;
    this.#cancelTimer = undefined;
    for (const [id, one] of this.#cases) {
      const entry = find(id);
      if (entry?.state !== "started") this.#cases.delete(id);
      else if (!one.isAsked) {
        const { connectionId, body, traceparent } = entry;
        const trace = traceparent === undefined ? {} : { traceparent };
        const asked = { id, kind: "write", body, ttlMs: ttlMs(entry), ...trace } as const;
        const command: RoomCommand = { ...asked, isRecovery: true };
        one.isAsked = toRoom(connectionId, { type: "command", command });
        if (one.isAsked || clock.monotonicMs() < one.untilMs) continue;
        this.#cases.delete(id);
        done(entry, gaveUp(id));
      }
    }
    if (this.#cases.size > 0) this.#cancelTimer = clock.setTimer(ASK_EVERY_MS, () => this.#ask());
  }
}

function gaveUp(id: string): CommandResult {
  return unknownOutcome(
    id,
    `the agent's process ended while this was being written, and the source could not be asked for ${RECOVER_FOR_MS / 60_000} minutes: look at the record`,
  );
}
