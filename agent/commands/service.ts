// `service`: the agent's own service, in the words of no particular service manager.
import type { ServiceControl, ServiceStatus } from "#agent/core/service-control.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import {
  EXIT_FAILURE,
  EXIT_OK,
  type Command,
  type CommandArguments,
  type CommandContext,
} from "./command.ts";

const DEFAULT_LINES = 50;
const MAX_LINES = 100_000;

type Verb = (service: ServiceControl, args: CommandArguments, context: CommandContext) => Promise<number>;

const VERBS: Readonly<Record<string, Verb>> = {
  status: async (service, args, { out }) => {
    const status = await service.status();
    out(args.has("json") ? `${JSON.stringify(status)}\n` : statusText(status));
    return status.state === "running" ? EXIT_OK : EXIT_FAILURE;
  },
  start: async (service, _args, { out }) => {
    await service.start();
    return said(out, "The agent runs, and starts with this machine.");
  },
  stop: async (service, _args, { out }) => {
    await service.stop();
    return said(
      out,
      "The agent is stopped. It starts again with this machine, or by: millrace-agent service start",
    );
  },
  restart: async (service, _args, { out }) => {
    await service.restart();
    return said(out, "The agent runs anew.");
  },
  logs: async (service, args, { out, signal }) => {
    await service.logs({ lines: linesOf(args), follow: args.has("follow"), out, signal });
    return EXIT_OK;
  },
};

export const serviceCommand: Command = {
  name: "service",
  summary: "See, start and stop the agent's service on this machine, and read its log.",
  details:
    "For an agent installed from a package: systemd on Linux, the service manager on Windows. start, stop and restart need an administrator and return when the agent is up, or down; start also lets it start with the machine. status exits with 1 when the agent does not run.",
  options: {
    json: { type: "boolean", description: "status: print JSON." },
    lines: {
      type: "string",
      value: "<n>",
      description: `logs: the newest n lines. Default: ${DEFAULT_LINES}.`,
    },
    follow: { type: "boolean", description: "logs: go on as they come, until Ctrl-C." },
  },
  positionals: [{ name: "verb", description: "status, start, stop, restart or logs.", isRequired: true }],
  examples: ["millrace-agent service status", "millrace-agent service logs --follow"],
  run: async (args, context) => {
    const [name = ""] = args.positionals;
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
    if (verb === undefined) {
      const verbs = Object.keys(VERBS);
      throw new MillraceError(
        `service ${name}: no such verb${didYouMean(name, verbs)}; there are ${verbs.join(", ")}`,
      );
    }
    return await verb(await context.service(), args, context);
  },
};

function said(out: (text: string) => void, text: string): number {
  out(`${text}\n`);
  return EXIT_OK;
}

function linesOf(args: CommandArguments): number {
  const text = args.text("lines");
  if (text === undefined) return DEFAULT_LINES;
  const lines = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (lines < 1 || lines > MAX_LINES)
    throw new MillraceError(`--lines ${text} is no number from 1 to ${MAX_LINES}`);
  return lines;
}

const STATE_WORDS: Readonly<Record<ServiceStatus["state"], string>> = {
  running: "runs",
  starting: "is starting",
  stopping: "is stopping",
  stopped: "does not run",
  waiting: "ended by itself and is started again in a moment",
  failed: "could not be started",
  absent: "is not installed as a service on this machine",
};

function statusText({ state, startsAtBoot, pid, sinceMs, detail }: ServiceStatus): string {
  const process = pid === undefined ? "" : ` (process ${pid})`;
  const since = sinceMs === undefined ? "" : ` since ${new Date(sinceMs).toISOString()}`;
  const lines = [`The agent ${STATE_WORDS[state]}${process}${since}.`];
  if (state !== "absent")
    lines.push(
      startsAtBoot
        ? "It starts with this machine."
        : "It does not start with this machine; millrace-agent service start changes that.",
    );
  if (detail !== undefined) lines.push(detail);
  if (state === "waiting" || state === "failed") lines.push("Why: millrace-agent service logs");
  return `${lines.join("\n")}\n`;
}
