// `preview`: the first records of an entity beside their source rows, read directly, kept nowhere.
import { connectionNamed } from "./connection-named.ts";
import { CONFIG_OPTION, EXIT_OK, EXIT_USAGE, type Command } from "./command.ts";

const MAX_ROWS = 100;

export const previewCommand: Command = {
  name: "preview",
  summary: "Show an entity's first records beside their source rows.",
  details:
    "Opens the source directly, reads a few rows, and shows each beside the unified record that the pack makes of it, after masking. Nothing is stored or sent; the agent may be running.",
  options: {
    limit: { type: "string", value: "<n>", description: `Rows to show, 1 to ${MAX_ROWS}. Default: 3.` },
    json: { type: "boolean", description: "Print JSON." },
    config: CONFIG_OPTION,
  },
  positionals: [
    { name: "connection", description: "Name of the connection.", isRequired: true },
    { name: "entity", description: "Entity of its pack, e.g. purchase_order.", isRequired: true },
  ],
  examples: ["millrace-agent preview plant-erp purchase_order --limit 1"],
  run: async (args, context) => {
    const limit = Number(args.text("limit") ?? 3);
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ROWS) {
      context.err(`--limit: expected a whole number from 1 to ${MAX_ROWS}, not "${args.text("limit")}"\n`);
      return EXIT_USAGE;
    }
    const { config } = context.loadConfig(args.text("config"));
    const [name = "", entity = ""] = args.positionals;
    const connection = connectionNamed(config, name);
    const { dataDir, file: configFile } = config;
    const asJson = args.has("json");
    context.out(
      await context.preview({
        connection,
        entity,
        limit,
        asJson,
        dataDir,
        configFile,
        signal: context.signal,
      }),
    );
    return EXIT_OK;
  },
};
