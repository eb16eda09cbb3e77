// `enroll`: makes this agent known to a relay by a one-time code.
import { EnrollmentCodeError } from "#common/contract/enrollment-code.ts";
import { relayUrl } from "#agent/core/relay-url.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import type { BoundConnection } from "#common/contract/messages.ts";
import {
  CONFIG_OPTION,
  EXIT_FAILURE,
  EXIT_OK,
  EXIT_REFUSED,
  EXIT_USAGE,
  type Command,
  type CommandContext,
  type Enrolment,
  type CliDatabase,
} from "./command.ts";

export const enrollCommand: Command = {
  name: "enroll",
  summary: "Make this agent known to a relay, with a one-time code.",
  details:
    "The relay's operator creates the code (`millrace-relay enrollment-code`, or the admin API). The agent generates its own key; it never leaves this machine. Proxy and certificate authority come from the configuration file. Nothing is kept when it fails. The agent must not be running. Exits with 3 where trying again is of no use: the relay refuses the code, or the agent is enrolled already.",
  options: {
    relay: {
      type: "string",
      value: "<url>",
      description: "Address of the relay. Default: relay.url of the configuration file.",
    },
    code: {
      type: "string",
      value: "<code>",
      description:
        "The one-time code. Default: $MILLRACE_ENROLLMENT_CODE (an option shows in the list of processes, a variable does not).",
    },
    name: {
      type: "string",
      value: "<name>",
      description: "The agent's name for people. Default: this machine's name.",
    },
    "allow-insecure": { type: "boolean", description: "Allow ws:// to another machine." },
    replace: { type: "boolean", description: "Enrol again although this agent is enrolled already." },
    config: CONFIG_OPTION,
  },
  positionals: [],
  examples: ["millrace-agent enroll --relay wss://relay.example.com --code mre_…"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    const code = args.text("code") ?? context.env["MILLRACE_ENROLLMENT_CODE"];
    const address = args.text("relay") ?? config.relay.url;
    const problems: string[] = [];
    if (code === undefined) problems.push("--code <code> is missing");
    if (address === undefined)
      problems.push("--relay <url> is missing, and the configuration file has no relay.url");
    const allowInsecure = args.has("allow-insecure") || config.relay.allowInsecure;
    const checked = address === undefined ? undefined : relayUrl(address, allowInsecure);
    if (checked?.ok === false) problems.push(`--relay: ${checked.message}`);
    if (problems.length > 0 || code === undefined || checked?.ok !== true) {
      for (const problem of problems) context.err(`${problem}\n`);
      return EXIT_USAGE;
    }
    using _lock = context.lockDataDir(config.dataDir);
    const present = args.has("replace") ? undefined : presentEnrolment(context, config.dataDir);
    if (present !== undefined) {
      context.err(`${present}\n`);
      return EXIT_REFUSED;
    }
    let enrolment: Enrolment;
    try {
      enrolment = await context.enroll({
        relayUrl: checked.url,
        code,
        name: args.text("name") ?? context.hostName,
        relay: config.relay,
        allowInsecure,
        signal: context.signal,
      });
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      context.err(`Enrolment failed: ${messageOf(error)}\n`);
      const advice = adviceFor(error);
      if (advice !== undefined) context.err(`${advice}\n`);
      return isCodeRefused(error) ? EXIT_REFUSED : EXIT_FAILURE;
    }
    using db = context.openDatabase(config.dataDir);
    const before = args.has("replace") ? relayBefore(db) : undefined;
    db.saveEnrolment(enrolment.identity, enrolment.connections);
    noteEnrolment(enrolment.identity, before, context);
    context.out(
      describe(
        enrolment,
        config.connections.map(({ name }) => name),
        startCommand(context.env),
      ),
    );
    return EXIT_OK;
  },
};

/** A damaged identity had some relay too. */
function relayBefore(db: CliDatabase): string | undefined {
  try {
    return db.identity()?.relayUrl;
  } catch {
    return "unknown";
  }
}

function noteEnrolment(identity: AgentIdentity, before: string | undefined, context: CommandContext): void {
  const { relayUrl: relay, workspaceName: workspace, agentId: agent } = identity;
  const fields = { relay, workspace, agent, by: context.userName };
  if (before === undefined) context.security.note("enrolled", fields);
  else context.security.note("identity_replaced", { ...fields, before });
}

function presentEnrolment(context: CommandContext, dataDir: string): string | undefined {
  using db = context.openExistingDatabase(dataDir);
  const identity = db?.identity();
  if (identity === undefined) return undefined;
  return `this agent is enrolled already, as ${identity.name} (${identity.agentId}) in workspace ${identity.workspaceName} at ${identity.relayUrl}; --replace enrols it again`;
}

function isCodeRefused(error: MillraceError): boolean {
  if (error instanceof EnrollmentCodeError) return true;
  const { kind, closeCode } = error as MillraceError & { kind?: string; closeCode?: number };
  return kind === "refused" && closeCode === 4002;
}

/** What the failure's own message does not say: where to turn. Kinds are those of agent/uplink/uplink-error.ts. */
function adviceFor(error: MillraceError): string | undefined {
  const { kind } = error as MillraceError & { kind?: string };
  if (isCodeRefused(error))
    return "A code works once and for a limited time. Ask the relay's operator for a new one (millrace-relay enrollment-code).";
  if (kind === "proxy")
    return "Check relay.proxy, relay.proxy_user and relay.proxy_password in the configuration file.";
  if (kind === "untrusted")
    return "If the relay, or a proxy that inspects TLS, uses a certificate authority of your own, name its PEM file as relay.ca_file in the configuration file.";
  if (kind === "unreachable")
    return "The agent needs one outbound connection to the relay's port (443 as a rule); where only a proxy may go out, set relay.proxy in the configuration file.";
  return undefined;
}

/** Whoever installed the program names what starts it there; empty where enrolment itself does. */
export function startCommand(env: CommandContext["env"]): string {
  return env["MILLRACE_START_COMMAND"] ?? "millrace-agent run";
}

function describe(
  { identity, connections }: Enrolment,
  configured: readonly string[],
  start: string,
): string {
  const lines = [
    `Enrolled as ${identity.name} (${identity.agentId}) in workspace ${identity.workspaceName} at ${identity.relayUrl}.`,
    ...bindingLines(connections, configured),
    ...(start === "" ? [] : [`Start it: ${start}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** Names on one side alone are the commonest slip of a set-up. */
export function bindingLines(bound: readonly BoundConnection[], configured: readonly string[]): string[] {
  const names = new Set(bound.map(({ name }) => name));
  const both = configured.filter((name) => names.has(name));
  const lines = [`Connections: ${both.length === 0 ? "none yet" : both.join(", ")}.`];
  const unbound = configured.filter((name) => !names.has(name));
  if (unbound.length > 0)
    lines.push(`In the configuration file, but not bound to this agent at the relay: ${unbound.join(", ")}.`);
  const missing = [...names].filter((name) => !configured.includes(name));
  if (missing.length > 0)
    lines.push(`Bound to this agent at the relay, but not in the configuration file: ${missing.join(", ")}.`);
  return lines;
}
