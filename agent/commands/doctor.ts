// `doctor`: examines the installation, the way to the relay and each connection, with what to do about what is wrong.
import { DOCTOR_SECTIONS, type DoctorSection, type DoctorSectionName } from "#agent/core/doctor-report.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import {
  CONFIG_OPTION,
  EXIT_FAILURE,
  EXIT_OK,
  EXIT_USAGE,
  type Command,
  type CommandContext,
} from "./command.ts";
import { connectionNamed } from "./connection-named.ts";

const MARKS = { ok: "ok     ", warning: "WARNING", failed: "FAILED ", skipped: "-      " } as const;
const TITLES: Readonly<Record<DoctorSectionName, string>> = {
  configuration: "Configuration",
  installation: "Installation",
  permissions: "Permissions",
  disk: "Disk and buffers",
  network: "Way to the relay",
  clock: "Clock",
  relay: "Relay and enrolment",
  connections: "Connection",
};

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Examine everything: configuration, installation, disk, the way to the relay, each connection.",
  details:
    "Goes through the installation section by section and says of each check what was tried, what was seen and what to do: the configuration file; the installed files against their signed manifest; who may read what; disk space and what waits in the buffers; names, proxy, TLS and certificates on the way to the relay; the clock; whether the relay is the one of the enrolment and would let this agent in (asked without disturbing the running agent's session); then each source from login to first records. Reads one row of each entity; stores and sends nothing. The agent may be running or not, enrolled or not. Every step is bounded in time. Exit code 0: nothing failed, warnings allowed.",
  options: {
    only: {
      type: "string",
      value: "<section>",
      description: `Only these sections, separated by commas: ${DOCTOR_SECTIONS.join(", ")}.`,
    },
    "signing-key": {
      type: "string",
      value: "<file>",
      description: "Public key (PEM) that releases are signed with, to hold the installed manifest against.",
    },
    json: { type: "boolean", description: "Print JSON." },
    config: CONFIG_OPTION,
  },
  positionals: [
    { name: "connection", description: "Only this connection. Default: everything.", isRequired: false },
  ],
  examples: [
    "millrace-agent doctor",
    "millrace-agent doctor plant-erp",
    "millrace-agent doctor --only network,relay --json",
  ],
  run: async (args, context) => {
    const asked = args.text("only");
    const only = asked === undefined ? undefined : sectionsOf(asked, context);
    if (only === "unknown") return EXIT_USAGE;
    const config = args.text("config");
    const [connection] = args.positionals;
    if (connection !== undefined) connectionNamed(context.loadConfig(config).config, connection);
    const asJson = args.has("json");
    const report = await context.doctor({
      config,
      only: only ?? (connection === undefined ? undefined : new Set(["connections"])),
      connection,
      signingKeyFile: args.text("signing-key"),
      told: (section) => {
        if (!asJson) context.out(sectionText(section));
      },
      signal: context.signal,
    });
    if (asJson) context.out(`${JSON.stringify(report, undefined, 2)}\n`);
    else context.out(`${summary(report.sections)}\n`);
    return report.healthy ? EXIT_OK : EXIT_FAILURE;
  },
};

function sectionsOf(text: string, context: CommandContext): ReadonlySet<DoctorSectionName> | "unknown" {
  const names = text.split(",").map((name) => name.trim());
  const known: readonly string[] = DOCTOR_SECTIONS;
  for (const name of names)
    if (!known.includes(name)) {
      context.err(`--only: no section "${name}"${didYouMean(name, known)}; there: ${known.join(", ")}\n`);
      return "unknown";
    }
  return new Set(names as DoctorSectionName[]);
}

function sectionText({ section, connection, checks }: DoctorSection): string {
  const lines = checks.flatMap(({ outcome, text, more = [] }) => [
    `  ${MARKS[outcome]}  ${text.replaceAll("\n", "\n           ")}`,
    ...more.map((line) => `           ${line.replaceAll("\n", "\n           ")}`),
  ]);
  const title = connection === undefined ? TITLES[section] : `${TITLES[section]} ${connection}`;
  return `${title}\n${lines.join("\n")}\n\n`;
}

function summary(sections: readonly DoctorSection[]): string {
  const all = sections.flatMap(({ checks }) => checks);
  const count = (outcome: string): number => all.filter((one) => one.outcome === outcome).length;
  const failed = count("failed");
  const warnings = count("warning");
  const warned = warnings === 0 ? "" : `, ${warnings} warning${warnings === 1 ? "" : "s"}`;
  if (failed === 0) return `All ${all.length - count("skipped")} checks passed${warned}.`;
  return `${failed} of ${all.length} checks failed${warned}.`;
}
