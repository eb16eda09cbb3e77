// `doctor`: each connection from its settings to its first records, with what to do about what is wrong.
import { CONFIG_OPTION, EXIT_FAILURE, EXIT_OK, type Command, type DoctorReport } from "./command.ts";
import { connectionNamed } from "./connection-named.ts";

const MARKS = { ok: "ok     ", warning: "WARNING", failed: "FAILED " } as const;

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Examine connections: settings, login, rights, tables, how changes are followed, first records.",
  details:
    "Opens each source as the agent would and goes through it step by step; says what is wrong and what to do, and what a database administrator could allow to make it better; whether the connection may write, and by what. Reads one row of each entity; stores and sends nothing. The agent may be running.",
  options: { json: { type: "boolean", description: "Print JSON." }, config: CONFIG_OPTION },
  positionals: [
    { name: "connection", description: "Name of the connection. Default: all of them.", isRequired: false },
  ],
  examples: ["millrace-agent doctor", "millrace-agent doctor plant-erp --json"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    const [name] = args.positionals;
    const connections = name === undefined ? config.connections : [connectionNamed(config, name)];
    const { dataDir, file: configFile } = config;
    const reports: DoctorReport[] = [];
    for (const connection of connections) {
      const report = await context.doctor({ connection, dataDir, configFile, signal: context.signal });
      reports.push(report);
      if (!args.has("json")) context.out(textOf(report));
    }
    if (args.has("json")) context.out(`${JSON.stringify(reports, undefined, 2)}\n`);
    else if (connections.length === 0) context.out("The configuration file has no connections.\n");
    const isHealthy = reports.every(({ steps }) => steps.every(({ outcome }) => outcome !== "failed"));
    return isHealthy ? EXIT_OK : EXIT_FAILURE;
  },
};

function textOf({ connection, steps }: DoctorReport): string {
  const lines = steps.flatMap(({ outcome, text, more = [] }) => [
    `  ${MARKS[outcome]}  ${text.replaceAll("\n", "\n           ")}`,
    ...more.map((line) => `           ${line}`),
  ]);
  return `${connection}\n${lines.join("\n")}\n`;
}
