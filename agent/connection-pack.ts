// The pack of one connection: from its YAML file, or the connector's own where points need none.
import type { OpcUaSettings } from "#agent/connectors/opc-ua/settings.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { ConnectorDefinition } from "#agent/core/source/connector.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { ConfigError } from "#common/runtime/errors.ts";

/**
 * `settings` are the connection's own, as its definition parsed them: where the connector is its own pack, they say what may
 * be written (without them: nothing). `overlay` is what the relay has set on top, judged. @throws ConfigError when the pack is missing or wrong
 */
export async function connectionPack(
  connection: string,
  pack: string | undefined,
  definition: ConnectorDefinition<unknown>,
  packSettings: Readonly<Record<string, unknown>> = {},
  settings?: unknown,
  overlay?: ConnectionSettingsDocument,
): Promise<CompiledPack> {
  if (definition.shape === "telemetry") {
    const { opcUaPack } = await import("#agent/connectors/opc-ua/point-mapper.ts");
    // There is no other connector of this shape.
    return opcUaPack((settings as OpcUaSettings | undefined)?.write);
  }
  if (pack === undefined) {
    const message = `missing; the connector ${definition.type} needs a pack that maps its tables`;
    throw new ConfigError(`connection ${connection}`, [{ path: "pack", message }]);
  }
  const loaded = loadPack(pack, { connector: definition.type, settings: packSettings, overlay });
  if (!loaded.ok) throw new ConfigError(`pack ${pack}`, loaded.issues);
  return loaded.pack;
}
