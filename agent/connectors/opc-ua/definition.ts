// The `opc-ua` connector: any OPC UA server, its variables as telemetry points.
import type { ConnectorDefinition } from "#agent/core/source/connector.ts";
import { OpcUaConnector } from "./connector.ts";
import { parseOpcUaSettings, type OpcUaSettings } from "./settings.ts";

export const opcUaDefinition: ConnectorDefinition<OpcUaSettings> = {
  type: "opc-ua",
  title: "OPC UA",
  shape: "telemetry",
  parseConfig: parseOpcUaSettings,
  create: (settings, context) => new OpcUaConnector(settings, context),
};
