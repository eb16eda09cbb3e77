// What the status page, its JSON and its metrics are made from; nothing of a record is in it.
import type { AgentStatus, ConnectionStatus } from "#agent/core/agent-status.ts";
import type { AuditEntry } from "#agent/core/commands/audit-chain.ts";
import type { JournalEntry } from "#agent/core/commands/journal.ts";

/** Where the facts come from: the running agent. */
export interface StatusSource {
  status(): AgentStatus;
  /** Open ones first, oldest first; then the last that are settled. */
  commands(): readonly JournalEntry[];
  /** The newest entries of the audit trail, oldest first. */
  trail(): readonly AuditEntry[];
}

/** One entry of the audit trail: who asked for what, what was decided, what came of it. Neither key nor values. */
export interface AskedFacts {
  readonly at: string;
  /** `received`, `refused`, `approved`, `finished`, `asked`, `halted`, … */
  readonly event: string;
  readonly connection: string;
  /** Entity and operation, or the kind of command and its name; empty where the command's first entry says it. */
  readonly what: string;
  readonly by: string;
  /** The decision, or the outcome with its code. */
  readonly result: string;
  readonly command: string;
}

/** One write of the relay: who asked for what, and what became of it. Neither key nor values. */
export interface CommandFacts {
  readonly id: string;
  readonly connection: string;
  readonly what: string;
  /** As the relay says; undefined: it does not say. */
  readonly actor: string | undefined;
  readonly receivedAtMs: number;
  readonly state: JournalEntry["state"];
  readonly outcome: string | undefined;
  readonly code: string | undefined;
  readonly approvedBy: string | undefined;
}

export interface StatusFacts extends AgentStatus {
  readonly atMs: number;
  readonly commands: readonly CommandFacts[];
  /** Newest first. */
  readonly trail: readonly AskedFacts[];
}

/** Of commands, shown. */
const MAX_COMMANDS = 50;

export function statusFacts(source: StatusSource, atMs: number): StatusFacts {
  return {
    ...source.status(),
    atMs,
    commands: source.commands().slice(0, MAX_COMMANDS).map(commandFacts),
    trail: source.trail().map(askedFacts).toReversed(),
  };
}

function commandFacts(entry: JournalEntry): CommandFacts {
  const { id, connection, body, receivedAtMs, state, result, approvedBy } = entry;
  return {
    id,
    connection,
    what: `${body.entity} ${body.operation}${body.dry_run === true ? " (dry run)" : ""}`,
    actor: body.actor,
    receivedAtMs,
    state,
    outcome: result?.outcome,
    code: result?.code,
    approvedBy,
  };
}

function askedFacts({ text }: AuditEntry): AskedFacts {
  const entry = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const word = (name: string): string => (typeof entry[name] === "string" ? entry[name] : "");
  const joined = (...names: readonly string[]): string =>
    names
      .map(word)
      .filter((part) => part !== "")
      .join(" ");
  return {
    at: word("at"),
    event: word("event"),
    connection: word("connection"),
    what: joined("kind", "entity", "operation", "query", "action", "part"),
    by: word("actor") || word("by"),
    result: joined("decision", "outcome", "code"),
    command: word("command"),
  };
}

/** In the words of `millrace-agent status`. */
export function connectionState({ id, room, report }: ConnectionStatus): string {
  if (id === undefined) return "not bound";
  if (room.misconfigured !== undefined) return "misconfigured";
  return room.phase === "running" ? (report?.status ?? "starting") : room.phase;
}

/** Last time that the source answered; undefined: not in this run. */
export function lastReadAtMs({ report }: ConnectionStatus): number | undefined {
  const times = (report?.entities ?? []).flatMap(({ read_at_ms: atMs }) =>
    atMs === undefined ? [] : [atMs],
  );
  return times.length === 0 ? undefined : Math.max(...times);
}

/** What needs somebody, in sentences; empty when all is well. */
export function concerns(facts: StatusFacts): readonly string[] {
  const { relay, space, halted, held, connections } = facts;
  const found: string[] = [];
  if (relay.state === "waiting" || relay.state === "not_started")
    found.push(`The relay is not reached${relay.detail === "" ? "." : `: ${relay.detail}`}`);
  if (space.volumeFull) found.push("The disk is full: nothing new is read until there is space again.");
  for (const part of halted)
    found.push(`Somebody has halted ${part}; millrace-agent unhalt ${part} allows it again.`);
  if (held > 0)
    found.push(`${held} write${held === 1 ? " waits" : "s wait"} for approval: millrace-agent commands`);
  if (connections.length === 0) found.push("The configuration file has no connections: nothing is read.");
  for (const connection of connections) {
    const why = concernOf(connection);
    if (why !== undefined) found.push(`${connection.name}: ${why}`);
  }
  return found;
}

function concernOf(connection: ConnectionStatus): string | undefined {
  const { id, room, report } = connection;
  if (id === undefined) return "the relay has no connection of this name for this agent; create it there";
  if (room.misconfigured !== undefined) return room.misconfigured;
  const state = connectionState(connection);
  if (state === "online" || state === "synchronizing" || state === "starting") return undefined;
  const said = [report?.reason ?? room.lastExit, report?.advice].filter((text) => text !== undefined);
  return [state.replaceAll("_", " "), said.join(". ")].filter((text) => text !== "").join(": ");
}
