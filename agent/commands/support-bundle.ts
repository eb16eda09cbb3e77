// `support-bundle`: one archive that says how this installation is, without a secret in it.
import { formatSize } from "#common/runtime/units.ts";
import { CONFIG_OPTION, EXIT_OK, EXIT_USAGE, type Command } from "./command.ts";

const DEFAULT_LINES = 2_000;
const MAX_LINES = 50_000;

export const supportBundleCommand: Command = {
  name: "support-bundle",
  summary: "Write an archive for whoever helps: findings, status, events, logs; no secrets, no records.",
  details:
    "A ZIP file, readable by its owner alone, with what doctor finds, the agent's status, the configuration as understood (masked), versions and the check of the installed files, the state of each connection's files, recent events, writes without keys and values, the last lines of the log, and metrics. Every secret that this installation knows is taken out of all of it in every spelling, and what looks like one too. The archive holds index.txt, which says what is in it and what was left out. Nothing is sent. The agent may be running or not.",
  options: {
    out: {
      type: "string",
      value: "<file>",
      description:
        "Where to write it. Default: millrace-agent-support-<time>.zip in this folder, or with the temporary files where this account may not write here.",
    },
    logs: {
      type: "string",
      value: "<n>",
      description: `Last lines of the log, 0 to ${MAX_LINES}. Default: ${DEFAULT_LINES}.`,
    },
    "log-file": {
      type: "string",
      value: "<file>",
      description: "The log, where neither systemd's journal nor the Windows service keeps it.",
    },
    config: CONFIG_OPTION,
  },
  positionals: [],
  examples: ["millrace-agent support-bundle", "millrace-agent support-bundle --out /tmp/mill.zip --logs 500"],
  run: async (args, context) => {
    const logLines = Number(args.text("logs") ?? DEFAULT_LINES);
    if (!Number.isInteger(logLines) || logLines < 0 || logLines > MAX_LINES) {
      context.err(`--logs: expected a whole number from 0 to ${MAX_LINES}, not "${args.text("logs")}"\n`);
      return EXIT_USAGE;
    }
    const { file, bytes, entries, missing } = await context.supportBundle({
      config: args.text("config"),
      out: args.text("out"),
      logLines,
      logFile: args.text("log-file"),
      signal: context.signal,
    });
    context.out(`${file} (${formatSize(bytes)}), readable by you alone: ${entries.join(", ")}\n`);
    for (const line of missing) context.out(`  not in it: ${line}\n`);
    context.out(
      "index.txt in it says what is in it and what was left out. Look through it before you send it.\n",
    );
    return EXIT_OK;
  },
};
