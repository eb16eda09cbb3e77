// Asks agents and hears their answers: the node that holds an agent's session answers on the bus for it.
import type { CommandResult } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { AgentPeer, AgentWatcher, SideMessage } from "../agents/agent-watcher.ts";
import { requireConnected } from "../connections/reachability.ts";
import { NoResponderError, subjects, type Bus } from "../bus.ts";
import { newId } from "../identifiers.ts";
import { Problem } from "../problem.ts";
import type { OperationJournal } from "../operations/operation-journal.ts";
import type { OperationRow } from "../operations/operation.ts";
import type { ConnectionRow, Store } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import {
  AgentCommands,
  requestOf,
  type AskAnswer,
  type AskRequest,
  type DeliverAnswer,
  type Undone,
} from "./agent-commands.ts";
import { plantStatus } from "./command-problem.ts";
import type { CommandCall, CommandTarget, Handover, OperationCarrier } from "./command-target.ts";
import { OperationResumer } from "./operation-resumer.ts";

export interface CommandDeskDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly randomBytes: Entropy["randomBytes"];
  readonly store: Pick<Store, "operations" | "directory">;
  readonly journal: OperationJournal;
  readonly logger: Logger;
}

/** The node with the agent answers in time by itself; beyond this it is taken for gone. */
const BUS_GRACE_MS = 1_000;
const RETRY_AFTER_S = 5;
/** Of the ids of operations, which are their commands' ids. */
const OPERATION_PREFIX = "op_";
/** Handing over does not wait for the plant. */
const HANDOVER_MS = 5_000;

export class CommandDesk implements AgentWatcher, CommandTarget, OperationCarrier {
  readonly #deps: CommandDeskDeps;
  readonly #agents = new Map<
    string,
    { readonly commands: AgentCommands; readonly resumer: OperationResumer }
  >();

  constructor(deps: CommandDeskDeps) {
    this.#deps = deps;
  }

  async ask(call: CommandCall): Promise<CommandResult> {
    const { connection, kind, body, timeoutMs, traceparent, signal } = call;
    const { bus, clock, randomBytes } = this.#deps;
    const { agentId } = connection;
    requireConnected(connection);
    if (agentId === undefined) throw offline(connection);
    const commandId = call.commandId ?? newId("cmd", clock.nowMs(), randomBytes);
    const connectionId = connection.id;
    const request: AskRequest = { type: "ask", commandId, connectionId, kind, body, timeoutMs, traceparent };
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

  async deliver(operation: OperationRow, agentId: string): Promise<Handover> {
    try {
      const asked = this.#deps.bus.request(subjects.agent(agentId), requestOf(operation), HANDOVER_MS);
      return ((await asked) as DeliverAnswer).handover;
    } catch (error) {
      if (error instanceof NoResponderError) return "offline";
      // A node that does not answer may have sent it: the agent's next session tells.
      if (error instanceof MillraceError) return "taken";
      throw error;
    }
  }

  callOff(operationId: string, agentId: string): void {
    this.#deps.bus.publish(subjects.cancelCommand(agentId), operationId);
  }

  queued(connectionId: string, agentId: string): void {
    this.#deps.bus.publish(subjects.queued(agentId), connectionId);
  }

  async opened(peer: AgentPeer): Promise<void> {
    const { bus, clock, journal, store } = this.#deps;
    this.#agents.get(peer.agentId)?.commands.close();
    const failed = (error: unknown): void => this.#failed(peer, error);
    const commands = new AgentCommands(
      {
        bus,
        clock,
        notes: {
          unsent: (id) => journal.unsent(id),
          expired: (id) => journal.expired(id),
          delivered: (id) => journal.delivered(id),
          cancelled: async (id) => void (await journal.cancel(id, true)),
        },
        queued: (connectionId) => resumer.queued(connectionId),
        failed,
      },
      peer,
    );
    const resumer = new OperationResumer({ store, journal, commands, failed });
    this.#agents.set(peer.agentId, { commands, resumer });
    // Not awaited: the agent's answers come by the very line that waits for this.
    resumer.start().catch(failed);
  }

  async received(peer: AgentPeer, message: SideMessage): Promise<void> {
    const { journal } = this.#deps;
    const { commands, resumer } = this.#agents.get(peer.agentId) ?? {};
    if (message.type === "command_result") {
      const id = message.command_id;
      if (id.startsWith(OPERATION_PREFIX)) {
        await journal.result(peer.agentId, message);
        // Also for an operation that is not known (any more): nobody else will ever take it.
        peer.send({ type: "command_settled", command_id: id });
      }
      commands?.result(message);
    } else if (message.type === "command_state") {
      await journal.state(peer.agentId, message);
      commands?.state(message);
    } else if (message.type === "connection_description") {
      commands?.ready(message.connection_id);
      resumer?.queued(message.connection_id);
    }
  }

  closed(peer: AgentPeer): void {
    const commands = this.#agents.get(peer.agentId)?.commands;
    if (commands?.peer.session !== peer.session) return;
    this.#agents.delete(peer.agentId);
    commands.close();
  }

  #failed(peer: AgentPeer, error: unknown): void {
    this.#deps.logger.error(
      { agent: peer.agentId },
      `operations: a step could not be kept; it is taken up again with the agent's next session: ${messageOf(error)}`,
    );
  }
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
