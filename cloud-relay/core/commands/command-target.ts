// Where commands go: the agent at the plant, or whatever stands for one.
import type { CommandKind } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import type { OperationRow } from "../operations/operation.ts";
import type { ConnectionRow } from "../store.ts";

export interface CommandCall {
  readonly connection: ConnectionRow;
  readonly kind: CommandKind;
  /** Of COMMAND_BODIES for the kind. */
  readonly body: object;
  /** From now until the answer, waiting for a place included. */
  readonly timeoutMs: number;
  /** Made up where it is not given. */
  readonly commandId?: string;
  /** W3C Trace Context of whoever asks, as it came. */
  readonly traceparent?: string | undefined;
  /** The caller has gone: the agent is told, the call rejects with Problem CANCELLED. */
  readonly signal?: AbortSignal;
}

export interface CommandTarget {
  /**
   * Resolves with the agent's result, whatever its outcome (`problemOf` turns a failed one into a Problem).
   * @throws Problem AGENT_OFFLINE, OVERLOADED (the agent has enough to do), SOURCE_TIMEOUT, CANCELLED
   */
  ask(call: CommandCall): Promise<CommandResult>;
}

/** `taken`: sent or in line; its journal tells the rest. `offline` and `overloaded`: certainly not sent. */
export type Handover = "taken" | "offline" | "overloaded";

/** Carries operations, which are durable, to their agents. */
export interface OperationCarrier {
  deliver(operation: OperationRow, agentId: string): Promise<Handover>;
  /** Tells the agent, if it is there, that the operation is not wanted any more; its result says whether that was in time. */
  callOff(operationId: string, agentId: string): void;
  /** Operations of the connection wait: they are sent as soon as their source is open. */
  queued(connectionId: string, agentId: string): void;
}
