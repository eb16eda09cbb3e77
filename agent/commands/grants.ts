// `grants`: the script that gives a connection's user the rights it needs, and no more.
import { CONFIG_OPTION, EXIT_OK, type Command } from "./command.ts";
import { connectionNamed } from "./connection-named.ts";

export const grantsCommand: Command = {
  name: "grants",
  summary: "Print what a database administrator runs so that a connection can read.",
  details:
    "Makes a script from the connection's pack: the user, SELECT on exactly the tables that the pack reads (with the connection's pack_settings, and with what the relay has set), and, as comments, what would make changes cheaper or safer to follow. Where write.allow is set, also the rights that the pack's writes and the command log need. Touches no source; read it, then have an administrator run it.",
  options: { config: CONFIG_OPTION },
  positionals: [{ name: "connection", description: "Name of the connection.", isRequired: true }],
  examples: ["millrace-agent grants plant-erp > grants.sql"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    const [name = ""] = args.positionals;
    context.out(await context.grants(connectionNamed(config, name), config.dataDir));
    return EXIT_OK;
  },
};
