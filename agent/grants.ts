// The rights that a connection's pack needs, in the words of its source.
import { connectionPack } from "#agent/connection-pack.ts";
import { loadConnector } from "#agent/connectors/registry.ts";
import type { ConnectionSettings } from "#agent/core/agent-config.ts";
import { ConfigError, MillraceError } from "#common/runtime/errors.ts";

/** @throws ConfigError, MillraceError for a source that has no such rights */
export async function connectionGrants(connection: ConnectionSettings): Promise<string> {
  const definition = await loadConnector(connection.connector);
  const settings = definition.parseConfig(connection.settings);
  if (!settings.ok) throw new ConfigError(`settings of connection ${connection.name}`, settings.issues);
  if (definition.grantScript === undefined)
    throw new MillraceError(
      `the connector ${definition.type} makes no script of rights; its README says what it needs`,
    );
  const pack = await connectionPack(connection.name, connection.pack, definition, connection.packSettings);
  return definition.grantScript(
    settings.value,
    pack.entities.map(({ plan }) => plan),
  );
}
