// `run`: the agent itself, in the foreground, as a service manager wants it.
import { NotEnrolledError } from "#agent/core/agent-identity.ts";
import { CONFIG_OPTION, EXIT_OK, EXIT_USAGE, type Command } from "./command.ts";

export const runCommand: Command = {
  name: "run",
  summary: "Run the agent until it is told to stop.",
  details:
    "Starts one process for each connection and keeps the line to the relay. Logs JSON lines on stdout. Ends cleanly on SIGTERM, SIGINT, or `millrace-agent stop`. What is read while the relay is away waits on disk. Exits with 0 when it was asked to stop, 1 when it failed and is worth starting again, 2 when its configuration is wrong or it is not enrolled.",
  options: { config: CONFIG_OPTION },
  positionals: [],
  examples: ["millrace-agent run --config agent.yaml"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    try {
      await context.runAgent(config);
      return EXIT_OK;
    } catch (error) {
      if (!(error instanceof NotEnrolledError)) throw error;
      context.err(`${error.message}\n`);
      return EXIT_USAGE;
    }
  },
};
