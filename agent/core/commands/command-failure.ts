// Why a command failed, on its way to a CommandResult: one class, and what each failure of a source means.
import type { CommandFailure } from "#common/contract/commands.ts";
import { MAX_RESULT_BYTES } from "#common/contract/limits.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import { ConnectorError, MillraceError, messageOf, type ConnectorFailure } from "#common/runtime/errors.ts";

type Result = Omit<CommandResult, "type" | "command_id" | "outcome" | "code" | "detail">;

/** With this the source is untouched. The message is for whoever asked. */
export class CommandFailed extends MillraceError {
  override name = "CommandFailed";
  readonly code: CommandFailure;
  readonly more: Result;
  constructor(code: CommandFailure, message: string, more: Result = {}) {
    super(message);
    this.code = code;
    this.more = more;
  }
}

const MAX_DETAIL_CHARS = 2_000;

const CODES: Readonly<Record<ConnectorFailure, CommandFailure>> = {
  unavailable: "SYSTEM_UNREACHABLE",
  unauthorized: "REAUTHORIZATION_REQUIRED",
  misconfigured: "REFUSED_BY_SOURCE",
  cursor_lost: "SYSTEM_UNREACHABLE",
  bad_data: "REFUSED_BY_SOURCE",
};

/** A result that is too large for the wire becomes RESULT_TOO_LARGE. */
export function succeeded(id: string, answer: object | undefined): CommandResult {
  const result: CommandResult = {
    type: "command_result",
    command_id: id,
    outcome: "succeeded",
    ...(answer === undefined ? {} : { result: answer }),
  };
  return fitsWire(result) ? result : tooLarge(id);
}

export function failed(id: string, error: unknown): CommandResult {
  const { code, more } = failureOf(error);
  const result: CommandResult = {
    type: "command_result",
    command_id: id,
    outcome: "failed",
    code,
    detail: messageOf(error).slice(0, MAX_DETAIL_CHARS),
    ...more,
  };
  if (fitsWire(result)) return result;
  const { result: _, ...rest } = result;
  return rest;
}

export function unknownOutcome(id: string, detail: string, answer?: object): CommandResult {
  const result: CommandResult = {
    type: "command_result",
    command_id: id,
    outcome: "unknown_outcome",
    detail: detail.slice(0, MAX_DETAIL_CHARS),
  };
  const whole = { ...result, ...(answer === undefined ? {} : { result: answer }) };
  return fitsWire(whole) ? whole : result;
}

function failureOf(error: unknown): { readonly code: CommandFailure; readonly more: Result } {
  if (error instanceof CommandFailed) return error;
  if (error instanceof ConnectorError) return { code: CODES[error.kind], more: {} };
  return { code: "INTERNAL", more: {} };
}

function tooLarge(id: string): CommandResult {
  const limit = `${Math.round(MAX_RESULT_BYTES / 1024)} KiB`;
  return failed(
    id,
    new CommandFailed(
      "RESULT_TOO_LARGE",
      `the answer is above ${limit}; ask for fewer records, or without raw`,
    ),
  );
}

/** A UTF-16 unit takes three bytes of UTF-8 at most: counted exactly only where it can matter. */
export function fitsWire(message: object): boolean {
  const text = JSON.stringify(message);
  return text.length * 3 <= MAX_RESULT_BYTES || new TextEncoder().encode(text).length <= MAX_RESULT_BYTES;
}
