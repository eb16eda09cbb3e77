// Every command of the relay arrives here: is it one, does its connection exist, which way does it go.
import { commandBodyProblem, isCommandKind } from "#common/contract/checks.ts";
import type { Command, CommandResult } from "#common/contract/messages.ts";
import type { Directive } from "../uplink/uplink-session.ts";
import { CommandFailed, failed } from "./command-failure.ts";
import { directDetail, outcomeDetail } from "./audit-facts.ts";
import { BoundedTrail } from "./bounded-trail.ts";
import { logEnd } from "./command-log-line.ts";
import { type AskedCommand, DirectCommands } from "./direct-commands.ts";
import type { PlantPolicy } from "./plant-policy.ts";
import { WriteDesk, type WriteDeskDeps } from "./write-desk.ts";

/** Nesting of a command's body; deeper ones are nobody's values. */
const MAX_BODY_DEPTH = 20;

/** A connection of this agent, as its file has it. */
export interface PlantConnection {
  readonly name: string;
  /** IANA zone of its windows. */
  readonly timeZone: string;
  readonly policy: PlantPolicy;
}

export class PlantCommands {
  readonly desk: WriteDesk;
  readonly #deps: WriteDeskDeps;
  readonly #direct: DirectCommands;
  readonly #trail: BoundedTrail;

  constructor(deps: WriteDeskDeps) {
    this.#deps = deps;
    this.desk = new WriteDesk(deps);
    this.#trail = new BoundedTrail("asked", deps);
    this.#direct = new DirectCommands({
      toRoom: deps.toRoom,
      done: (result, asked) => {
        deps.answer(result);
        this.#note(result, asked);
      },
    });
  }

  start(): void {
    this.desk.start();
  }

  stop(): void {
    this.desk.stop();
  }

  take(directive: Extract<Directive, { readonly command_id: string }>): void {
    const { command_id: id } = directive;
    if (directive.type === "command") this.#command(directive);
    else if (directive.type === "command_settled") this.desk.settled(id);
    else if (!this.#direct.cancel(id)) this.desk.cancel(id);
  }

  /** A session began. */
  welcomed(): void {
    this.desk.welcomed();
  }

  /** A room's answer. */
  answered(result: CommandResult): void {
    if (!this.#direct.answered(result)) this.desk.answered(result);
  }

  roomEnded(connectionId: string): void {
    this.#direct.roomEnded(connectionId);
    this.desk.roomEnded(connectionId);
  }

  /** Once it is answered: nobody waits for the audit trail. Live reads and tests are noted only where the plant forbids them. */
  #note(result: CommandResult, { connectionId, kind, body, traceparent }: AskedCommand): void {
    const connection = this.#deps.connection(connectionId)?.name ?? connectionId;
    logEnd(this.#deps.logger, "debug", { connection, what: kind, traceparent }, result);
    if ((kind === "read" || kind === "test") && result.code !== "NOT_ALLOWED") return;
    const detail = { kind, ...directDetail(kind, body, this.#deps.sha256), ...outcomeDetail(result) };
    this.#trail.add({ id: result.command_id, connection }, detail);
  }

  #command(command: Command): void {
    const { command_id: id, kind, body = {}, connection_id: connectionId } = command;
    const refuse = (error: CommandFailed): void => void this.#deps.answer(failed(id, error));
    const connection = this.#deps.connection(connectionId);
    if (connection === undefined)
      return refuse(new CommandFailed("SYSTEM_UNREACHABLE", "this agent does not serve that connection"));
    if (!isCommandKind(kind))
      return refuse(new CommandFailed("UNKNOWN_COMMAND", `this agent knows no command of kind ${kind}`));
    const problem = isTooDeep(body) ? "is nested too deep" : commandBodyProblem(kind, body);
    if (problem !== undefined)
      return refuse(new CommandFailed("UNKNOWN_COMMAND", `the body of a ${kind}: ${problem}`));
    if (kind === "write") this.desk.take({ ...command, body }, connection);
    else this.#direct.take({ ...command, body }, kind, connection.policy);
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
