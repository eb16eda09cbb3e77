// A write that is to wait (for somebody's approval, for its hours) is encoded by its room first: what the pack refuses is refused at once.
import type { Command, CommandResult } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { ToRoom } from "../room/messages.ts";
import { CommandFailed } from "./command-failure.ts";

/** A room that does not say within this time lets the write wait unchecked: it is encoded again when it is done. */
const CHECK_MS = 5_000;
/** Refusals of the pack's. Everything else says nothing of the values. */
const REFUSALS = ["INVALID_VALUES", "NOT_WRITABLE", "NOT_ALLOWED", "UNKNOWN_COMMAND"] as const;

export interface WritePrecheckDeps {
  readonly clock: Clock;
  readonly toRoom: (connectionId: string, message: ToRoom) => boolean;
}

interface Check {
  readonly connectionId: string;
  readonly end: (failure?: CommandFailed) => void;
  readonly cancelTimer: () => void;
}

export class WritePrecheck {
  readonly #deps: WritePrecheckDeps;
  readonly #checks = new Map<string, Check>();

  constructor(deps: WritePrecheckDeps) {
    this.#deps = deps;
  }

  has(id: string): boolean {
    return this.#checks.has(id);
  }

  /** `end` is called once, unless it is called off: with what speaks against the write, or with nothing. */
  begin({ command_id: id, connection_id: connectionId, body }: Command, end: Check["end"]): void {
    const { clock, toRoom } = this.#deps;
    const cancelTimer = clock.setTimer(CHECK_MS, () => this.#end(id));
    this.#checks.set(id, { connectionId, end, cancelTimer });
    const command = { id, kind: "write", body, ttlMs: CHECK_MS, isCheck: true } as const;
    if (!toRoom(connectionId, { type: "command", command })) this.#end(id);
  }

  /** False: none of this id is under way. */
  cancel(id: string): boolean {
    this.#checks.get(id)?.cancelTimer();
    return this.#checks.delete(id);
  }

  /** The room's answer. False: it is to no check. */
  answered({ command_id: id, code, detail = "", errors }: CommandResult): boolean {
    if (!this.#checks.has(id)) return false;
    const refusal = REFUSALS.find((one) => one === code);
    const more = errors === undefined ? {} : { errors };
    this.#end(id, refusal && new CommandFailed(refusal, detail, more));
    return true;
  }

  roomEnded(connectionId: string): void {
    for (const [id, check] of this.#checks) if (check.connectionId === connectionId) this.#end(id);
  }

  stop(): void {
    for (const { cancelTimer } of this.#checks.values()) cancelTimer();
  }

  #end(id: string, failure?: CommandFailed): void {
    const check = this.#checks.get(id);
    this.cancel(id);
    check?.end(failure);
  }
}
