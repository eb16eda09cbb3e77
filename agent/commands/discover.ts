// `discover`: what a source holds, as far as its user may see.
import { CONFIG_OPTION, EXIT_OK, type Command } from "./command.ts";
import { connectionNamed } from "./connection-named.ts";

export const discoverCommand: Command = {
  name: "discover",
  summary: "Show a source's schemas, tables and columns, or its nodes, and which pack fits.",
  details:
    "Opens the source directly and lists what the connection's user may see, one level at a time. The connection needs no pack yet: at the top it is said which bundled packs read tables that are there. Nothing is stored or sent.",
  options: {
    json: { type: "boolean", description: "Print JSON." },
    config: CONFIG_OPTION,
  },
  positionals: [
    { name: "connection", description: "Name of the connection.", isRequired: true },
    { name: "schema", description: "Schema whose tables are shown; OPC UA: a node's id.", isRequired: false },
    { name: "table", description: "Table whose columns are shown.", isRequired: false },
  ],
  examples: ["millrace-agent discover plant-erp", "millrace-agent discover plant-erp dbo WORKORDER"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    const [name = "", ...path] = args.positionals;
    const connection = connectionNamed(config, name);
    const { dataDir, file: configFile } = config;
    const asJson = args.has("json");
    context.out(
      await context.discover({ connection, path, asJson, dataDir, configFile, signal: context.signal }),
    );
    return EXIT_OK;
  },
};
