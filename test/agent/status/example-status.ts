// An agent's status as a test wants it: connections that are well, in trouble, or not there at all.
import type { AgentStatus, ConnectionStatus } from "#agent/core/agent-status.ts";
import type { AuditEntry } from "#agent/core/commands/audit-chain.ts";
import { MemoryJournal } from "#agent/core/commands/memory-journal.ts";
import { sha256 } from "#agent/platform/command-journal.ts";
import type { JournalEntry } from "#agent/core/commands/journal.ts";
import type { StatusSource } from "#agent/status/status-facts.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";

export const NOW_MS = Date.UTC(2026, 4, 4, 6, 0, 0);
const MIB = 2 ** 20;

export function exampleConnection(
  name: string,
  report: Partial<ConnectionReport> = {},
  more: Partial<ConnectionStatus> = {},
): ConnectionStatus {
  return {
    name,
    id: `c-${name}`,
    connector: "postgres",
    room: {
      phase: "running",
      pid: 4711,
      restarts: 0,
      retryInMs: undefined,
      lastExit: undefined,
      misconfigured: undefined,
      rssBytes: 96 * MIB,
      outboxBytes: 3 * MIB,
      knownBytes: 12 * MIB,
      changes: 51_234,
    },
    oldestUnsentAtMs: undefined,
    storedAtMs: NOW_MS - 4_000,
    report: {
      type: "connection_report",
      connection_id: `c-${name}`,
      status: "online",
      backlog_batches: 0,
      backlog_bytes: 0,
      load: { rows_per_s: 12.5, statements_per_s: 1.5 },
      entities: ["asset", "work_order"].map((entity, index) => ({
        entity,
        strategy: "row_version",
        state: "polling",
        total: 1_200 * (index + 1),
        read_at_ms: NOW_MS - 1_500 - index * 60_000,
      })),
      ...report,
    },
    ...more,
  };
}

/** Reads by a source that is away, with a backlog. */
export const TROUBLED = exampleConnection(
  "plant-cmms",
  {
    status: "degraded",
    reason: "work_order: column STATUS of WORKORDER does not exist",
    advice: "Correct the agent's configuration or the source's permissions.",
    backlog_batches: 41,
    backlog_bytes: 5 * MIB,
    entities: [
      {
        entity: "work_order",
        strategy: "full_scan",
        state: "failed",
        error: "column STATUS of WORKORDER does not exist",
        read_at_ms: NOW_MS - 7_200_000,
      },
    ],
  },
  { oldestUnsentAtMs: NOW_MS - 5_400_000, storedAtMs: NOW_MS - 7_200_000 },
);

export function exampleCommand(more: Partial<JournalEntry> = {}): JournalEntry {
  return {
    id: "cmd_1",
    connectionId: "c-plant-erp",
    connection: "plant-erp",
    state: "held",
    body: {
      entity: "work_order",
      operation: "update",
      key: '["WO-CANARY-KEY"]',
      values: { title: "CANARY-VALUE" },
      actor: "maria@example.com",
    },
    receivedAtMs: NOW_MS - 90_000,
    expiresAtMs: NOW_MS + 90_000,
    ...more,
  };
}

export function exampleStatus(more: Partial<AgentStatus> = {}): AgentStatus {
  return {
    version: "1.2.3",
    pid: 4242,
    startedAtMs: NOW_MS - 3_600_000,
    agentId: "agt_0123456789",
    name: "Plant Ulm",
    workspace: "Acme",
    relay: {
      url: "wss://relay.example.com/agent",
      state: "online",
      detail: "",
      sinceMs: NOW_MS - 3_590_000,
    },
    halted: [],
    held: 0,
    space: { totalBytes: 4 * 2 ** 30, usedBytes: 15 * MIB, freeDiskBytes: 80 * 2 ** 30, volumeFull: false },
    connections: [exampleConnection("plant-erp"), exampleConnection("plant-lines")],
    checks: {},
    events: [
      { atMs: NOW_MS - 3_590_000, level: "info", connection: "", message: "agent 1.2.3 started" },
      {
        atMs: NOW_MS - 7_200_000,
        level: "warn",
        connection: "plant-cmms",
        message: "room ended (crashed): out of memory",
      },
    ],
    ...more,
  };
}

export function exampleSource(
  status: Partial<AgentStatus> = {},
  commands: readonly JournalEntry[] = [],
  trail: readonly AuditEntry[] = exampleTrail(),
): StatusSource {
  return { status: () => exampleStatus(status), commands: () => commands, trail: () => trail };
}

/** As a plant's journal has written it. */
export function exampleTrail(): readonly AuditEntry[] {
  const journal = new MemoryJournal(sha256);
  const about = { atMs: NOW_MS - 60_000, connection: "plant-erp", commandId: "cmd_9" };
  const asked = { entity: "work_order", operation: "update", key: "CANARY-KEY", values: { title: "CANARY" } };
  journal.commit({
    facts: [
      { ...about, event: "received", detail: { ...asked, decision: "hold", actor: "maria@example.com" } },
      { ...about, event: "approved", detail: { by: "anna" } },
      { ...about, event: "finished", detail: { outcome: "succeeded" } },
      {
        ...about,
        event: "asked",
        commandId: "cmd_10",
        detail: { kind: "browse", path: ["CANARY"], outcome: "failed", code: "NOT_ALLOWED" },
      },
    ],
  });
  return journal.audit(0, 10);
}
