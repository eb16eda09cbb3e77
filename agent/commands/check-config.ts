// `check-config`: every problem of the configuration file, its connectors' settings and its packs.
import { formatIssue, type Issue } from "#common/runtime/errors.ts";
import { CONFIG_OPTION, EXIT_OK, EXIT_USAGE, type Command } from "./command.ts";

export const checkConfigCommand: Command = {
  name: "check-config",
  summary: "Check the configuration file, without touching any source.",
  details:
    "Reports every problem at once with file, line and column: the agent's own settings, each connector's settings, and the packs. Prints the settings as understood, secrets masked. Needs no network; secrets must be readable.",
  options: { config: CONFIG_OPTION },
  positionals: [],
  examples: ["millrace-agent check-config --config agent.yaml"],
  run: async (args, context) => {
    const loaded = context.loadConfig(args.text("config"));
    const { config } = loaded;
    const issues: Issue[] = [];
    for (const [index, connection] of config.connections.entries())
      for (const found of await context.checkConnection(connection))
        issues.push(...loaded.locate(index, found.part, found.issues));
    if (issues.length > 0) {
      const count = `${issues.length} problem${issues.length === 1 ? "" : "s"}`;
      context.err(`configuration ${config.file}: ${count}\n${issues.map(formatIssue).join("\n")}\n`);
      return EXIT_USAGE;
    }
    context.out(`${config.file} is good.\n`);
    for (const line of config.summary) context.out(`  ${line}\n`);
    for (const path of config.inlineSecrets ?? [])
      context.err(
        `warning: ${path} stands in the file as plain text; store it by millrace-agent secret set <name>, and write "{credential:<name>}" there\n`,
      );
    return EXIT_OK;
  },
};
