// `discover`: what a source holds, as far as its user may see.
import { CONFIG_OPTION, EXIT_OK, EXIT_USAGE, type Command } from "./command.ts";
import { connectionNamed } from "./connection-named.ts";

export const discoverCommand: Command = {
  name: "discover",
  summary: "Show a source's schemas, tables and columns, or its nodes, and which pack fits.",
  details:
    "Opens the source directly and lists what the connection's user may see, one level at a time. The connection needs no pack yet: at the top it is said which bundled packs read tables that are there. Nothing is stored or sent. With --draft it says instead how much of each bundled pack's tables and columns is there; where none fits, it drafts a pack from the names of tables and columns, each guess marked CHECK; the draft passes check-config and preview works with it. For OPC UA it drafts the list of points.",
  options: {
    draft: { type: "boolean", description: "Suggest a bundled pack, or draft one (OPC UA: points)." },
    "pack-out": {
      type: "string",
      value: "<file>",
      description:
        "With --draft: write the draft to this file, which must not be there yet. Default: show it.",
    },
    json: { type: "boolean", description: "Print JSON." },
    config: CONFIG_OPTION,
  },
  positionals: [
    { name: "connection", description: "Name of the connection.", isRequired: true },
    { name: "schema", description: "Schema whose tables are shown; OPC UA: a node's id.", isRequired: false },
    { name: "table", description: "Table whose columns are shown.", isRequired: false },
  ],
  examples: [
    "millrace-agent discover plant-erp",
    "millrace-agent discover plant-erp dbo WORKORDER",
    "millrace-agent discover plant-erp --draft --pack-out plant-erp.yaml",
  ],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    const [name = "", ...path] = args.positionals;
    const connection = connectionNamed(config, name);
    const { dataDir, file: configFile } = config;
    const asJson = args.has("json");
    const packOut = args.text("pack-out");
    if (packOut !== undefined && !args.has("draft")) {
      context.err("--pack-out has no meaning without --draft\n");
      return EXIT_USAGE;
    }
    const draft = args.has("draft") ? { draft: { packOut: packOut } } : {};
    context.out(
      await context.discover({
        connection,
        path,
        asJson,
        dataDir,
        configFile,
        signal: context.signal,
        ...draft,
      }),
    );
    return EXIT_OK;
  },
};
