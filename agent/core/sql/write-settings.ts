// The settings of every connector that can write: nothing is written unless they say so.
import type { WriteOutcome } from "../source/write.ts";
import type { SettingsReader } from "./settings.ts";

export interface WriteSettings {
  readonly isAllowed: boolean;
  /** Name of the command-log table, with or without schema. */
  readonly commandLog: string | undefined;
}

/** `write: { allow: true, command_log: MILLRACE_COMMANDS }`. */
export function readWriteSettings(settings: SettingsReader): WriteSettings {
  return settings.group("write", (write) => ({
    isAllowed: write.flag("allow"),
    commandLog: write.optionalText("command_log"),
  }));
}

/** The answer of a connector that may not write. */
export const WRITES_ARE_OFF: WriteOutcome = {
  status: "rejected",
  code: "NOT_WRITABLE",
  message: "This connection only reads. Whoever runs the agent can change that: write: { allow: true }.",
};

/** The same from a connection's settings as its file has them, checked before; for those who do not know the connector. */
export function rawWriteSettings(settings: unknown): WriteSettings {
  const group = (settings as { readonly write?: unknown } | null | undefined)?.write;
  const write = (group ?? {}) as { readonly allow?: unknown; readonly command_log?: unknown };
  const log = write.command_log;
  return { isAllowed: write.allow === true, commandLog: typeof log === "string" ? log : undefined };
}
