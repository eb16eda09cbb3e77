// Asks agents and hears their answers: the node that holds an agent's session answers on the bus for it.
import type { CommandResult, CommandState } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { AgentPeer, AgentWatcher, SideMessage } from "../agents/agent-watcher.ts";
import { NoResponderError, subjects, type Bus } from "../bus.ts";
import { newId } from "../identifiers.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import { AgentCommands, type AskAnswer, type AskRequest, type Undone } from "./agent-commands.ts";
import { plantStatus } from "./command-problem.ts";
import type { CommandCall, CommandTarget } from "./command-target.ts";

export interface CommandDeskDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly randomBytes: Entropy["randomBytes"];
}

/** The node with the agent answers in time by itself; beyond this it is taken for gone. */
const BUS_GRACE_MS = 1_000;
const RETRY_AFTER_S = 5;

export class CommandDesk implements AgentWatcher, CommandTarget {
  readonly #deps: CommandDeskDeps;
  readonly #agents = new Map<string, AgentCommands>();

  constructor(deps: CommandDeskDeps) {
    this.#deps = deps;
  }

  async ask(call: CommandCall): Promise<CommandResult> {
    const { connection, kind, body, timeoutMs, signal } = call;
    const { bus, clock, randomBytes } = this.#deps;
    const { agentId } = connection;
    if (agentId === undefined) throw offline(connection);
    const commandId = call.commandId ?? newId("cmd", clock.nowMs(), randomBytes);
    const request: AskRequest = { commandId, connectionId: connection.id, kind, body, timeoutMs };
    const cancel = (): void => bus.publish(subjects.cancelCommand(agentId), commandId);
    if (signal?.aborted === true) throw undone("CANCELLED", connection);
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      const asked = bus.request(subjects.agent(agentId), request, timeoutMs + BUS_GRACE_MS);
      const answer = (await asked) as AskAnswer;
      if ("result" in answer) return answer.result;
      throw undone(answer.undone, connection);
    } catch (error) {
      if (error instanceof NoResponderError) throw offline(connection);
      if (error instanceof MillraceError) throw undone("SOURCE_TIMEOUT", connection);
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  async opened(peer: AgentPeer): Promise<void> {
    this.#agents.get(peer.agentId)?.close();
    this.#agents.set(peer.agentId, new AgentCommands(this.#deps, peer));
  }

  async received(peer: AgentPeer, message: SideMessage): Promise<void> {
    if (message.type === "command_result") this.#result(peer, message);
    else if (message.type === "command_state") this.#state(peer, message);
  }

  closed(peer: AgentPeer): void {
    const commands = this.#agents.get(peer.agentId);
    if (commands?.peer.session !== peer.session) return;
    this.#agents.delete(peer.agentId);
    commands.close();
  }

  #result(peer: AgentPeer, result: CommandResult): void {
    this.#agents.get(peer.agentId)?.result(result);
  }

  #state(_peer: AgentPeer, _state: CommandState): void {}
}

function offline(connection: ConnectionRow): Problem {
  const { state, reason, advice } = connection;
  const known = state === "offline" || state === "pending";
  const connectionStatus = known ? plantStatus({ state, reason, advice }) : { state: "offline" };
  return new Problem(
    "AGENT_OFFLINE",
    "The agent of this connection is not connected to the relay, so its source cannot be asked. Try again when it is back.",
    { connectionStatus, retryAfterSeconds: RETRY_AFTER_S },
  );
}

function undone(why: Undone, connection: ConnectionRow): Problem {
  switch (why) {
    case "AGENT_OFFLINE":
      return offline(connection);
    case "OVERLOADED":
      return new Problem(
        "OVERLOADED",
        "The agent has as many commands as it can take, and more wait for it. Try again in a moment.",
        { retryAfterSeconds: RETRY_AFTER_S },
      );
    case "SOURCE_TIMEOUT":
      return new Problem("SOURCE_TIMEOUT", "The plant did not answer in time. Try again, or ask for less.", {
        retryAfterSeconds: RETRY_AFTER_S,
      });
    default:
      return new Problem("CANCELLED", "The caller has gone before the answer came.");
  }
}
