// The token of commands that call a relay over its API: from a flag, a file, or the environment.
import { readFileSync } from "node:fs";
import { ConfigError, messageOf } from "#common/runtime/errors.ts";
import type { FlagValues } from "../command-line.ts";

export const TOKEN_VARIABLE = "MILLRACE_TOKEN";

/** @throws ConfigError with where it may come from */
export function tokenOf(values: FlagValues, env: NodeJS.ProcessEnv): string {
  const file = values.text("token-file");
  const token = file === undefined ? (values.text("token") ?? env[TOKEN_VARIABLE]) : readToken(file);
  if (token !== undefined && token.trim() !== "") return token.trim();
  const message = `is needed: --token, --token-file, or the variable ${TOKEN_VARIABLE}. A connection's token with the scope write listens to its connection, a workspace's with the scope admin to all`;
  throw new ConfigError("millrace-relay", [{ path: "a token", message }]);
}

function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const message = `${file} cannot be read: ${messageOf(error)}`;
    throw new ConfigError("millrace-relay", [{ path: "--token-file", message }]);
  }
}
