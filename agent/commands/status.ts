// `status`: what the running agent says about itself; if it does not run, what agent.db knows.
import type { AgentStatus, ConnectionStatus } from "#agent/core/agent-status.ts";
import type { AgentEvent } from "#agent/core/agent-identity.ts";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import { formatSize } from "#common/runtime/units.ts";
import {
  CONFIG_OPTION,
  EXIT_FAILURE,
  EXIT_OK,
  type Command,
  type CommandArguments,
  type CommandContext,
} from "./command.ts";
import { bindingLines, startCommand } from "./enroll.ts";

const WATCH_EVERY_MS = 1_000;
const MAX_EVENTS = 5;
const CLEAR_SCREEN = "\u001B[H\u001B[2J";

export const statusCommand: Command = {
  name: "status",
  summary: "Show how the agent and its connections are.",
  details:
    "Asks the running agent. If it does not run, says so, shows what its database knows, and exits with 1. Rows and statements are what a source was asked, a second, on average over the last minute.",
  options: {
    json: { type: "boolean", description: "Print JSON." },
    entities: {
      type: "boolean",
      description: "Also show how each entity is followed, why so, and what would make it better.",
    },
    watch: { type: "boolean", description: "Show it anew every second, until Ctrl-C." },
    config: CONFIG_OPTION,
  },
  positionals: [],
  examples: ["millrace-agent status --watch", "millrace-agent status --entities"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    for (;;) {
      const { text, code } = await look(context, config, args);
      const isScreen = args.has("watch") && context.isTerminal && !args.has("json");
      context.out(`${isScreen ? CLEAR_SCREEN : ""}${text}`);
      if (!args.has("watch")) return code;
      await context.sleep(WATCH_EVERY_MS);
      if (context.signal.aborted) return EXIT_OK;
    }
  },
};

async function look(
  context: CommandContext,
  config: AgentConfig,
  args: CommandArguments,
): Promise<{ text: string; code: number }> {
  const asJson = args.has("json");
  let status: AgentStatus;
  try {
    status = (await context.askAgent(config.dataDir, { command: "status" })) as AgentStatus;
  } catch (error) {
    if ((error as { isNotRunning?: boolean }).isNotRunning !== true) throw error;
    return { text: knownAtRest(context, config, asJson), code: EXIT_FAILURE };
  }
  const text = asJson ? `${JSON.stringify(status)}\n` : formatStatus(status, args.has("entities"));
  return { text, code: EXIT_OK };
}

function knownAtRest(context: CommandContext, config: AgentConfig, asJson: boolean): string {
  using db = context.openExistingDatabase(config.dataDir);
  const identity = db?.identity();
  const bound = db?.connections() ?? [];
  const events = db?.recentEvents(MAX_EVENTS) ?? [];
  if (asJson) {
    const { agentId, name, workspaceName, relayUrl } = identity ?? {};
    return `${JSON.stringify({ running: false, agentId, name, workspace: workspaceName, relay: relayUrl, connections: bound, events })}\n`;
  }
  const lines = [`The agent does not run. Start it: ${startCommand(context.env)}`];
  if (identity === undefined)
    lines.push(`It is not enrolled: ${config.dataDir} holds no identity. Next: millrace-agent enroll`);
  else {
    lines.push(
      `Enrolled as ${identity.name} (${identity.agentId}) in workspace ${identity.workspaceName} at ${identity.relayUrl}.`,
      ...bindingLines(
        bound,
        config.connections.map(({ name }) => name),
      ),
    );
  }
  return `${[...lines, ...eventLines(events)].join("\n")}\n`;
}

function formatStatus(status: AgentStatus, withEntities: boolean): string {
  const { relay, space } = status;
  const lines = [
    `${status.name} (${status.agentId}), workspace ${status.workspace}, Millrace ${status.version}, pid ${status.pid}`,
    `relay  ${relay.state.replace("_", " ")}: ${relay.url}${relay.detail === "" ? "" : ` (${relay.detail})`}`,
    `space  ${formatSize(space.usedBytes)} of ${formatSize(space.totalBytes)} used, ${formatSize(space.freeDiskBytes)} free on the disk${space.volumeFull ? ": THE DISK IS FULL, nothing new is read" : ""}`,
    ...haltedLines(status),
    ...checkLine(status),
    "",
    ...table([
      ["connection", "status", "backlog", "changes", "rows/s", "statements/s", "memory", "restarts"],
      ...status.connections.map(connectionRow),
    ]),
  ];
  const notes = status.connections.flatMap(connectionNotes);
  if (notes.length > 0) lines.push("", ...notes);
  if (withEntities) lines.push(...status.connections.flatMap(entityLines));
  return `${[...lines, ...eventLines(status.events.slice(0, MAX_EVENTS))].join("\n")}\n`;
}

/** What somebody must know who wonders why nothing is written or sent. */
function haltedLines({ halted, held }: AgentStatus): string[] {
  const stopped = halted.map((part) => `HALTED ${part}: millrace-agent unhalt ${part} allows it again`);
  if (held === 0) return stopped;
  const waiting = `${held} write${held === 1 ? " waits" : "s wait"} for approval: millrace-agent commands`;
  return [...stopped, waiting];
}

/** The weekly checks of database files, once there were some. */
function checkLine({ checks }: AgentStatus): string[] {
  const each = Object.entries(checks).map(
    ([name, { atMs, detail }]) => `${name} ${detail} on ${new Date(atMs).toISOString().slice(0, 10)}`,
  );
  return each.length === 0 ? [] : [`files  ${each.join("; ")}`];
}

function connectionRow({ name, id, room, report }: ConnectionStatus): string[] {
  const state = room.phase === "running" ? (report?.status ?? "starting") : room.phase;
  return [
    name,
    id === undefined ? "not bound" : room.misconfigured === undefined ? state : "misconfigured",
    report?.backlog_bytes === undefined ? "-" : formatSize(report.backlog_bytes),
    String(room.changes ?? "-"),
    String(report?.load?.rows_per_s ?? "-"),
    String(report?.load?.statements_per_s ?? "-"),
    room.rssBytes === undefined ? "-" : formatSize(room.rssBytes),
    String(room.restarts),
  ];
}

function entityLines({ name, report }: ConnectionStatus): string[] {
  const lines: string[] = [];
  for (const { entity, strategy = "-", state, total, reason, advice } of report?.entities ?? []) {
    if (lines.length === 0) lines.push("", name);
    lines.push(`  ${entity}: ${state} by ${strategy}${total === undefined ? "" : `, ${total} known`}`);
    if (reason !== undefined) lines.push(`      ${reason}`);
    if (advice !== undefined) lines.push(`      advice: ${advice}`);
  }
  return lines;
}

/** What needs words: why something is not as it should be, and what to do. */
function connectionNotes({ name, id, room, report }: ConnectionStatus): string[] {
  const notes: string[] = [];
  if (id === undefined)
    notes.push("the relay has no connection of this name for this agent; create it there");
  if (room.misconfigured !== undefined) notes.push(room.misconfigured);
  else if (room.phase === "waiting")
    notes.push(`${room.lastExit ?? "ended"}; next start in ${Math.ceil((room.retryInMs ?? 0) / 1000)} s`);
  if (report?.reason !== undefined) notes.push(report.reason);
  if (report?.advice !== undefined) notes.push(report.advice);
  for (const { entity, error, waits } of report?.entities ?? []) {
    if (error !== undefined) notes.push(`${entity}: ${error}`);
    if (waits !== undefined) notes.push(`${entity}: ${waits}`);
  }
  return notes.map((note) => `${name}: ${note}`);
}

function eventLines(events: readonly AgentEvent[]): string[] {
  if (events.length === 0) return [];
  return [
    "",
    "Latest events:",
    ...events.map(
      ({ atMs, level, connection, message }) =>
        `  ${new Date(atMs).toISOString()} ${level.padEnd(5)} ${connection === "" ? "" : `${connection}: `}${message}`,
    ),
  ];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
