// `run`: the agent itself, in the foreground, as a service manager wants it.
import { CONFIG_OPTION, EXIT_OK, type Command } from "./command.ts";

export const runCommand: Command = {
  name: "run",
  summary: "Run the agent until it is told to stop.",
  details:
    "Starts one process for each connection and keeps the line to the relay. Logs JSON lines on stdout. Ends cleanly on SIGTERM, SIGINT, or `millrace-agent stop`. What is read while the relay is away waits on disk.",
  options: { config: CONFIG_OPTION },
  positionals: [],
  examples: ["millrace-agent run --config agent.yaml"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    await context.runAgent(config);
    return EXIT_OK;
  },
};
