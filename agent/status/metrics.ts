// The agent's metrics in Prometheus' text format: taken from its status when they are asked for.
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import type { AgentStatus, ConnectionStatus } from "#agent/core/agent-status.ts";
import { connectionState, lastReadAtMs, type StatusSource } from "./status-facts.ts";

const PREFIX = "millrace_agent_";

type MetricFacts = AgentStatus & { readonly atMs: number };

/** Of the agent as a whole. */
const AGENT_GAUGES: readonly (readonly [string, string, (facts: MetricFacts) => number])[] = [
  [
    "start_time_seconds",
    "When the main process began, since the epoch.",
    ({ startedAtMs }) => startedAtMs / 1_000,
  ],
  [
    "relay_connected",
    "1 while a session with the relay is up.",
    ({ relay }) => (relay.state === "online" ? 1 : 0),
  ],
  [
    "relay_state_since_seconds",
    "Since when the line is in its state, since the epoch.",
    ({ relay }) => relay.sinceMs / 1_000,
  ],
  [
    "writes_halted",
    "1 while somebody has halted writes.",
    ({ halted }) => (halted.includes("writes") ? 1 : 0),
  ],
  [
    "egress_halted",
    "1 while somebody has halted egress.",
    ({ halted }) => (halted.includes("egress") ? 1 : 0),
  ],
  ["writes_held", "Writes that wait for somebody's approval.", ({ held }) => held],
  [
    "space_used_bytes",
    "Used by outboxes and known records of all connections.",
    ({ space }) => space.usedBytes,
  ],
  ["space_limit_bytes", "What they may use (space.total).", ({ space }) => space.totalBytes],
  ["disk_free_bytes", "Free on the data folder's volume.", ({ space }) => space.freeDiskBytes],
  ["disk_full", "1 while nothing new is read for want of space.", ({ space }) => (space.volumeFull ? 1 : 0)],
];

type OfConnection = (connection: ConnectionStatus, facts: MetricFacts) => number | undefined;

/** With the label `connection`; absent where nobody knows. */
const CONNECTION_GAUGES: readonly (readonly [string, string, OfConnection])[] = [
  ["connection_up", "1 while the source is read (online or synchronizing).", (each) => (isUp(each) ? 1 : 0)],
  [
    "connection_backlog_batches",
    "Batches that the relay does not hold yet.",
    ({ report }) => report?.backlog_batches,
  ],
  ["connection_backlog_bytes", "Bytes of these batches.", ({ report }) => report?.backlog_bytes],
  [
    "connection_oldest_unsent_seconds",
    "Age of the oldest of these batches; 0 when there is none.",
    ({ oldestUnsentAtMs: atMs }, facts) => (atMs === undefined ? 0 : Math.max(0, facts.atMs - atMs) / 1_000),
  ],
  [
    "connection_read_time_seconds",
    "When the source last answered a poll or a pass, since the epoch.",
    (each) => seconds(lastReadAtMs(each)),
  ],
  [
    "connection_stored_time_seconds",
    "When something was last stored, since the epoch.",
    ({ storedAtMs }) => seconds(storedAtMs),
  ],
  [
    "connection_entities_failed",
    "Entities that cannot be read.",
    ({ report }) => report?.entities?.filter(({ error }) => error !== undefined).length,
  ],
  [
    "connection_rows_per_second",
    "Rows asked of the source, average of the last minute.",
    ({ report }) => report?.load?.rows_per_s,
  ],
  [
    "connection_statements_per_second",
    "Statements asked of the source, average of the last minute.",
    ({ report }) => report?.load?.statements_per_s,
  ],
  ["connection_outbox_bytes", "Size of the outbox.", ({ room }) => room.outboxBytes],
  ["connection_known_bytes", "Size of the known records.", ({ room }) => room.knownBytes],
  ["connection_memory_bytes", "Resident memory of the connection's process.", ({ room }) => room.rssBytes],
];

const CONNECTION_COUNTERS: readonly (readonly [string, string, OfConnection])[] = [
  [
    "connection_restarts_total",
    "How often the connection's process was started again.",
    ({ room }) => room.restarts,
  ],
  [
    "connection_changes_total",
    "Changes and samples written by this run of the connection's process.",
    ({ room }) => room.changes,
  ],
];

export class AgentMetrics {
  readonly #registry = new Registry();
  readonly contentType = this.#registry.contentType;
  readonly #source: Pick<StatusSource, "status">;
  readonly #nowMs: () => number;
  readonly #set: (facts: MetricFacts) => void;

  constructor(source: Pick<StatusSource, "status"> & Partial<StatusSource>, nowMs: () => number) {
    this.#source = source;
    this.#nowMs = nowMs;
    const registers = [this.#registry];
    const labelNames = ["connection"];
    collectDefaultMetrics({ register: this.#registry, prefix: PREFIX });
    const info = new Gauge({
      name: `${PREFIX}info`,
      help: "Always 1.",
      labelNames: ["version", "agent_id"],
      registers,
    });
    const agent = AGENT_GAUGES.map(([name, help, read]) => ({
      read,
      metric: new Gauge({ name: PREFIX + name, help, registers }),
    }));
    const gauges = CONNECTION_GAUGES.map(([name, help, read]) => ({
      read,
      metric: new Gauge({ name: PREFIX + name, help, labelNames, registers }),
    }));
    const counters = CONNECTION_COUNTERS.map(([name, help, read]) => ({
      read,
      metric: new Counter({ name: PREFIX + name, help, labelNames, registers }),
    }));
    this.#set = (facts) => {
      info.set({ version: facts.version, agent_id: facts.agentId }, 1);
      for (const { metric, read } of agent) metric.set(read(facts));
      for (const { metric } of [...gauges, ...counters]) metric.reset();
      for (const connection of facts.connections) {
        const label = { connection: connection.name };
        for (const { metric, read } of gauges) {
          const value = read(connection, facts);
          if (value !== undefined) metric.set(label, value);
        }
        for (const { metric, read } of counters) metric.inc(label, read(connection, facts) ?? 0);
      }
    };
  }

  /** All of them, as they are now. */
  text(): Promise<string> {
    this.#set({ ...this.#source.status(), atMs: this.#nowMs() });
    return this.#registry.metrics();
  }
}

/** For docs/operations.md: name and meaning of each metric of our own. */
export function metricNames(): readonly (readonly [string, string])[] {
  const all = [...AGENT_GAUGES, ...CONNECTION_GAUGES, ...CONNECTION_COUNTERS];
  return all.map(([name, help]) => [PREFIX + name, help]);
}

function isUp(connection: ConnectionStatus): boolean {
  const state = connectionState(connection);
  return state === "online" || state === "synchronizing";
}

function seconds(atMs: number | undefined): number | undefined {
  return atMs === undefined ? undefined : atMs / 1_000;
}
