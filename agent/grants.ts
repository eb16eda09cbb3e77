// The rights that a connection's pack needs, in the words of its source.
import { statSync } from "node:fs";
import { join } from "node:path";
import { connectionPack } from "#agent/connection-pack.ts";
import { loadConnector } from "#agent/connectors/registry.ts";
import type { ConnectionSettings } from "#agent/core/agent-config.ts";
import { readKept, SETTINGS_FACT } from "#agent/core/settings/kept-settings.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { ConfigError, MillraceError } from "#common/runtime/errors.ts";

/**
 * `dataDir`: of the agent, which knows what the relay has set for the connection: further columns and tables count as well.
 * @throws ConfigError, MillraceError for a source that has no such rights
 */
export async function connectionGrants(connection: ConnectionSettings, dataDir: string): Promise<string> {
  const definition = await loadConnector(connection.connector);
  const settings = definition.parseConfig(connection.settings);
  if (!settings.ok) throw new ConfigError(`settings of connection ${connection.name}`, settings.issues);
  if (definition.grantScript === undefined)
    throw new MillraceError(
      `the connector ${definition.type} makes no script of rights; its README says what it needs`,
    );
  const { name, pack: packName, packSettings } = connection;
  const overlay = settingsInEffect(name, dataDir);
  const pack = await connectionPack(name, packName, definition, packSettings, settings.value, overlay);
  return definition.grantScript(
    settings.value,
    pack.entities.map(({ plan }) => plan),
  );
}

/** Undefined: the relay has set nothing, or this account may not look. */
function settingsInEffect(name: string, dataDir: string): ConnectionSettingsDocument | undefined {
  const stats = statSync(join(dataDir, "agent.db"), { throwIfNoEntry: false });
  // SQLite leaves files of whoever opens a database: as root they would keep the agent's own account out.
  const isOurs = process.platform === "win32" || stats?.uid === process.getuid?.();
  if (stats === undefined || !isOurs) return undefined;
  using database = AgentDatabase.openExisting(join(dataDir, "agent.db"));
  const id = database?.connections().find((one) => one.name === name)?.id;
  return id === undefined ? undefined : readKept(database?.fact(id, SETTINGS_FACT)).inEffect?.document;
}
