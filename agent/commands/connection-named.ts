// The connection that a command line names.
import type { AgentConfig, ConnectionSettings } from "#agent/core/agent-config.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

/** @throws ConfigError with the nearest name */
export function connectionNamed(config: AgentConfig, name: string): ConnectionSettings {
  const connection = config.connections.find((each) => each.name === name);
  if (connection !== undefined) return connection;
  const names = config.connections.map((each) => each.name);
  const message = `no connection "${name}" in the configuration file${didYouMean(name, names)}; there: ${names.join(", ") || "none"}`;
  throw new ConfigError(`configuration ${config.file}`, [{ path: "connections", message }]);
}
