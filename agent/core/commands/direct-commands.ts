// Commands that change nothing at the source: decided by the plant's policy, passed to the room, answered; nothing is kept.
import type { CommandKind, OperateBody, QueryBody } from "#common/contract/commands.ts";
import type { Command, CommandResult } from "#common/contract/messages.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { ToRoom } from "../room/messages.ts";
import { CommandFailed, failed } from "./command-failure.ts";
import { namedQuery, type PlantPolicy } from "./plant-policy.ts";

/** Of one connection, under way and waiting in its room. The relay asks for no more; more would only be a flood. */
export const MAX_COMMANDS_PER_ROOM = 40;

export type DirectKind = Exclude<CommandKind, "write">;

export interface DirectCommandsDeps {
  /** False if the room is not there to hear it. */
  readonly toRoom: (connectionId: string, message: ToRoom) => boolean;
  readonly done: (result: CommandResult, asked: AskedCommand) => void;
}

/** What was asked for; the body fits its kind. */
export interface AskedCommand {
  readonly connectionId: string;
  readonly kind: DirectKind;
  readonly body: unknown;
  readonly traceparent?: string | undefined;
}

export class DirectCommands {
  readonly #deps: DirectCommandsDeps;
  /** By id, in the order in which they came. */
  readonly #pending = new Map<string, AskedCommand>();

  constructor(deps: DirectCommandsDeps) {
    this.#deps = deps;
  }

  /** The body fits its kind. One result follows. */
  take(
    { command_id: id, connection_id: connectionId, ttl_ms: ttlMs, body, traceparent }: Command,
    kind: DirectKind,
    policy: PlantPolicy,
  ): void {
    if (this.#pending.has(id)) return;
    const asked = { connectionId, kind, body, traceparent };
    const refusal = refusalOf(policy, kind, body) ?? this.#busy(connectionId);
    if (refusal !== undefined) {
      this.#deps.done(failed(id, refusal), asked);
      return;
    }
    const command = { id, kind, body, ttlMs, ...(traceparent === undefined ? {} : { traceparent }) };
    if (this.#deps.toRoom(connectionId, { type: "command", command })) this.#pending.set(id, asked);
    else this.#deps.done(failed(id, roomIsDown()), asked);
  }

  /** False: it is none of these. */
  cancel(id: string): boolean {
    const asked = this.#pending.get(id);
    if (asked === undefined) return false;
    // The room answers it, whatever came first.
    this.#deps.toRoom(asked.connectionId, { type: "command_cancel", id });
    return true;
  }

  /** The room's answer. False: it is to none of these. */
  answered(result: CommandResult): boolean {
    const asked = this.#pending.get(result.command_id);
    if (asked === undefined) return false;
    this.#pending.delete(result.command_id);
    this.#deps.done(result, asked);
    return true;
  }

  /** The room's process is gone, and with it what it was asked. */
  roomEnded(connectionId: string): void {
    for (const [id, asked] of this.#pending) {
      if (asked.connectionId !== connectionId) continue;
      this.#pending.delete(id);
      this.#deps.done(failed(id, roomIsDown()), asked);
    }
  }

  #busy(connectionId: string): CommandFailed | undefined {
    let count = 0;
    for (const asked of this.#pending.values()) if (asked.connectionId === connectionId) count += 1;
    if (count < MAX_COMMANDS_PER_ROOM) return undefined;
    return new CommandFailed("BUSY", `${count} commands wait at this connection already`);
  }
}

export function roomIsDown(): CommandFailed {
  return new CommandFailed(
    "SYSTEM_UNREACHABLE",
    "the process that reads this source is down; it is being started",
  );
}

/** Undefined: the plant's file allows it. */
function refusalOf(policy: PlantPolicy, kind: DirectKind, body: unknown): CommandFailed | undefined {
  const unless = (isAllowed: boolean, what: string, setting: string): CommandFailed | undefined =>
    isAllowed
      ? undefined
      : new CommandFailed("NOT_ALLOWED", `the plant does not allow ${what} on this connection (${setting})`);
  switch (kind) {
    case "read":
      return unless(policy.liveReads, "live reads", "allow.live_reads");
    case "browse":
      return unless(policy.browse, "its source's catalogue to be seen", "allow.browse");
    case "operate":
      return unless(policy.sync, `${(body as OperateBody).action} from outside`, "allow.sync");
    case "test":
      return unless(policy.liveReads || policy.sync, "tests", "allow.live_reads or allow.sync");
    default: {
      const { query } = body as QueryBody;
      const hint = didYouMean(query, Object.keys(policy.queries));
      return unless(namedQuery(policy, query) !== undefined, `the query ${query}${hint}`, "allow.queries");
    }
  }
}
