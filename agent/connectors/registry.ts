// The one hand-written list of connectors. Each is loaded when asked for, so that a room loads its own driver alone.
import type { ConnectorDefinition } from "#agent/core/source/connector.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

/** Settings are checked by the definition itself; nobody else needs to know their type. */
export type AnyConnectorDefinition = ConnectorDefinition<unknown>;

const LOADERS: Readonly<Record<string, () => Promise<AnyConnectorDefinition>>> = {
  sqlite: async () => (await import("./sqlite/definition.ts")).sqliteDefinition,
  postgres: async () => (await import("./postgres/definition.ts")).postgresDefinition,
  "sql-server": async () => (await import("./sql-server/definition.ts")).sqlServerDefinition,
  oracle: async () => (await import("./oracle/definition.ts")).oracleDefinition,
  "opc-ua": async () => (await import("./opc-ua/definition.ts")).opcUaDefinition,
};

/** What may stand for `connector` in the configuration. */
export const CONNECTOR_TYPES: readonly string[] = Object.keys(LOADERS);

/** @throws ConfigError for a type that is not in the list, with the nearest one. */
export function loadConnector(type: string): Promise<AnyConnectorDefinition> {
  const load = Object.hasOwn(LOADERS, type) ? LOADERS[type] : undefined;
  if (load !== undefined) return load();
  const message = `unknown connector "${type}"${didYouMean(type, CONNECTOR_TYPES)}; known: ${CONNECTOR_TYPES.join(", ")}`;
  return Promise.reject(new ConfigError("connector", [{ path: "", message }]));
}
