// Opens a connection's source for a command, beside the agent that may be running; keeps nothing of it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadConnector } from "#agent/connectors/registry.ts";
import type { ConnectionSettings } from "#agent/core/agent-config.ts";
import type { Connector, ConnectorDefinition } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { silentLogger } from "#common/runtime/logger.ts";

/** A source that has not answered by then is not there. */
const TIMEOUT_MS = 60_000;

export interface SourceAccess {
  readonly definition: ConnectorDefinition<unknown>;
  /** As the definition parsed them. */
  readonly settings: unknown;
  /** Ends a command that waits in vain. */
  readonly signal: AbortSignal;
  /** Not opened yet; the caller disposes of it. */
  connector(plans: readonly EntityPlan[]): Connector;
}

/** @throws ConfigError for settings that the connector refuses */
export async function sourceAccess(
  connection: ConnectionSettings,
  agentDir: string,
  signal: AbortSignal,
): Promise<SourceAccess> {
  const definition = await loadConnector(connection.connector);
  const settings = definition.parseConfig(connection.settings);
  if (!settings.ok) throw new ConfigError(`settings of connection ${connection.name}`, settings.issues);
  const dataDir = join(agentDir, "preview", connection.name);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  return {
    definition,
    settings: settings.value,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    connector: (plans) =>
      definition.create(settings.value, {
        connection: connection.name,
        plans,
        timeZone: connection.timeZone,
        clock: systemClock,
        logger: silentLogger,
        dataDir,
      }),
  };
}
