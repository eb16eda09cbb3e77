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
  type AskAnswer,
  type AskRequest,
  type DeliverAnswer,
  type DeliverRequest,
  type Undone,
} from "./agent-commands.ts";
import { plantStatus } from "./command-problem.ts";
import type { CommandCall, CommandTarget, Handover, OperationCarrier } from "./command-target.ts";

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
/** Operations looked up at once when an agent comes back. */
const RESUME_PAGE = 100;

export class CommandDesk implements AgentWatcher, CommandTarget, OperationCarrier {
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
    requireConnected(connection);
    const connectionId = connection.id;
    const request: AskRequest = { type: "ask", commandId, connectionId, kind, body, timeoutMs };
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
      const { isTaken } = (await asked) as DeliverAnswer;
      return isTaken ? "taken" : "overloaded";
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

  async opened(peer: AgentPeer): Promise<void> {
    const { bus, clock, journal } = this.#deps;
    this.#agents.get(peer.agentId)?.close();
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
        failed: (error) => this.#failed(peer, error),
      },
      peer,
    );
    this.#agents.set(peer.agentId, commands);
    // Not awaited: the agent's answers to these come by the very line that waits for this.
    this.#resume(commands).catch((error: unknown) => this.#failed(peer, error));
  }

  async received(peer: AgentPeer, message: SideMessage): Promise<void> {
    const { journal } = this.#deps;
    const commands = this.#agents.get(peer.agentId);
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
    }
  }

  closed(peer: AgentPeer): void {
    const commands = this.#agents.get(peer.agentId);
    if (commands?.peer.session !== peer.session) return;
    this.#agents.delete(peer.agentId);
    commands.close();
  }

  /** What earlier sessions left: for each connection in the order in which it was asked for. */
  async #resume(commands: AgentCommands): Promise<void> {
    const connections = await this.#deps.store.directory.connectionsOfAgent(commands.peer.agentId);
    await Promise.all(connections.map(({ id }) => this.#resumeConnection(commands, id)));
  }

  async #resumeConnection(commands: AgentCommands, connectionId: string): Promise<void> {
    const { store, journal } = this.#deps;
    let afterId: string | undefined;
    for (;;) {
      const rows = await store.operations.unfinished(connectionId, afterId, RESUME_PAGE);
      for (const { id } of rows) {
        if (commands.isClosed) return;
        const before = await store.operations.byId(id);
        const row = await journal.sending(id);
        if (row === undefined || before === undefined) continue;
        const mayHaveBeenSent = before.state !== "queued_offline";
        // What is not wanted any more must not begin now: without time left, the agent only tells what it knows of it.
        const expiresAtMs = row.isCancelling === true ? 0 : row.expiresAtMs;
        await commands.again({ ...requestOf(row), expiresAtMs }, mayHaveBeenSent);
        if (row.isCancelling === true) commands.peer.send({ type: "command_cancel", command_id: id });
      }
      afterId = rows.at(-1)?.id;
      if (rows.length < RESUME_PAGE) return;
    }
  }

  #failed(peer: AgentPeer, error: unknown): void {
    this.#deps.logger.error(
      { agent: peer.agentId },
      `operations: a step could not be kept; it is taken up again with the agent's next session: ${messageOf(error)}`,
    );
  }
}

function requestOf({ id, connectionId, body, expiresAtMs }: OperationRow): DeliverRequest {
  return { type: "deliver", id, connectionId, body, expiresAtMs };
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
