// How a sandbox says that a command failed, in the words of an agent.
import type { CommandFailure } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";

export type Failure = Omit<CommandResult, "type" | "command_id" | "outcome">;

/** Thrown within the sandbox; its target turns it into a result. */
export class SandboxFailure extends Error {
  override name = "SandboxFailure";
  readonly failure: Failure;

  constructor(code: CommandFailure, detail: string, more: Omit<Failure, "code" | "detail"> = {}) {
    super(detail);
    this.failure = { code, detail, ...more };
  }
}

/** The product's own rules; `code` is its number. */
export function refused(code: string, detail: string): SandboxFailure {
  return new SandboxFailure("REFUSED_BY_SOURCE", `${code}: ${detail}`, { source_code: code });
}

export function invalid(field: string, detail: string): SandboxFailure {
  return new SandboxFailure("INVALID_VALUES", `The values cannot be written: ${field}: ${detail}.`, {
    errors: [{ field, detail }],
  });
}
