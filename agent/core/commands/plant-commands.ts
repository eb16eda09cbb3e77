// Every command of the relay arrives here: is it one, does its connection exist, which way does it go.
import { commandBodyProblem, isCommandKind } from "#common/contract/checks.ts";
import type { Command, CommandResult } from "#common/contract/messages.ts";
import type { Directive } from "../uplink/uplink-session.ts";
import { CommandFailed, failed } from "./command-failure.ts";
import { DirectCommands, type DirectCommandsDeps } from "./direct-commands.ts";
import type { PlantPolicy } from "./plant-policy.ts";

/** Nesting of a command's body; deeper ones are nobody's values. */
const MAX_BODY_DEPTH = 20;

/** A connection of this agent, as its file has it. */
export interface PlantConnection {
  readonly name: string;
  readonly policy: PlantPolicy;
}

export interface PlantCommandsDeps extends Pick<DirectCommandsDeps, "toRoom"> {
  /** By the relay's id. */
  readonly connection: (id: string) => PlantConnection | undefined;
  /** False: there is no session that could say it. */
  readonly answer: (result: CommandResult) => boolean;
}

export class PlantCommands {
  readonly #deps: PlantCommandsDeps;
  readonly #direct: DirectCommands;

  constructor(deps: PlantCommandsDeps) {
    this.#deps = deps;
    const done = (result: CommandResult): void => void deps.answer(result);
    this.#direct = new DirectCommands({ toRoom: deps.toRoom, done });
  }

  take(directive: Exclude<Directive, { type: "desired_settings" }>): void {
    if (directive.type === "command") this.#command(directive);
    else if (directive.type === "command_cancel") this.#direct.cancel(directive.command_id);
  }

  /** A room's answer. */
  answered(result: CommandResult): void {
    this.#direct.answered(result);
  }

  roomEnded(connectionId: string): void {
    this.#direct.roomEnded(connectionId);
  }

  #command(command: Command): void {
    const { command_id: id, kind, body, connection_id: connectionId } = command;
    const refuse = (error: CommandFailed): void => void this.#deps.answer(failed(id, error));
    const connection = this.#deps.connection(connectionId);
    if (connection === undefined)
      return refuse(new CommandFailed("SYSTEM_UNREACHABLE", "this agent does not serve that connection"));
    if (!isCommandKind(kind))
      return refuse(new CommandFailed("UNKNOWN_COMMAND", `this agent knows no command of kind ${kind}`));
    const problem = isTooDeep(body) ? "is nested too deep" : commandBodyProblem(kind, body ?? {});
    if (problem !== undefined)
      return refuse(new CommandFailed("UNKNOWN_COMMAND", `the body of a ${kind}: ${problem}`));
    if (kind === "write") return refuse(new CommandFailed("NOT_ALLOWED", "the plant allows no writes"));
    this.#direct.take({ ...command, body: body ?? {} }, kind, connection.policy);
  }
}

function isTooDeep(body: unknown): boolean {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_BODY_DEPTH) return true;
    level = level.flatMap((value) =>
      typeof value === "object" && value !== null ? (Object.values(value) as unknown[]) : [],
    );
  }
  return false;
}
