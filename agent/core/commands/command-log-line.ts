// One line of the agent's log for the end of each command: which, of whose trace, how. No values.
import type { CommandResult } from "#common/contract/messages.ts";
import type { Logger } from "#common/runtime/logger.ts";

export interface EndedCommand {
  /** Name of the connection. */
  readonly connection: string;
  /** Kind, or entity and operation of a write. */
  readonly what: string;
  readonly traceparent?: string | undefined;
}

export function logEnd(
  logger: Logger,
  level: "debug" | "info",
  { connection, what, traceparent }: EndedCommand,
  { command_id: command, outcome, code }: CommandResult,
): void {
  const how = { outcome, ...(code === undefined ? {} : { code }) };
  const trace = traceparent === undefined ? {} : { traceparent };
  logger[level]({ connection, command, ...how, ...trace }, `${what}: ${outcome}`);
}
