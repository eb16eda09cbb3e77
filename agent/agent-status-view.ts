// What `millrace-agent status` shows, put together from the agent's parts.
import type { AgentRooms } from "#agent/agent-rooms.ts";
import type { AgentConfig, ConnectionSettings } from "#agent/core/agent-config.ts";
import type { AgentEvent, AgentIdentity } from "#agent/core/agent-identity.ts";
import type { AgentStatus, ConnectionStatus } from "#agent/core/agent-status.ts";
import type { WriteDesk } from "#agent/core/commands/write-desk.ts";
import type { UplinkState } from "#agent/core/uplink/uplink.ts";
import { VERSION } from "#agent/platform/version.ts";
import type { RoomNews } from "#agent/room-news.ts";

export interface StatusParts {
  readonly config: AgentConfig;
  readonly identity: AgentIdentity;
  readonly startedAtMs: number;
  readonly uplink: UplinkState;
  readonly desk: WriteDesk;
  readonly rooms: AgentRooms;
  readonly news: RoomNews;
  readonly events: readonly AgentEvent[];
  readonly checks: AgentStatus["checks"];
}

export function agentStatus(parts: StatusParts): AgentStatus {
  const { config, identity, uplink, rooms, desk } = parts;
  const { agentId, name, workspaceName, relayUrl } = identity;
  return {
    version: VERSION,
    pid: process.pid,
    startedAtMs: parts.startedAtMs,
    agentId,
    name,
    workspace: workspaceName,
    relay: {
      url: config.relay.url ?? relayUrl,
      state: desk.halted.has("egress") ? "halted" : uplink.state,
      sinceMs: uplink.sinceMs,
      detail: desk.halted.has("egress") ? "" : (uplink.lastError ?? ""),
    },
    halted: [...desk.halted],
    held: desk.open.filter(({ state }) => state === "held").length,
    space: rooms.space,
    connections: config.connections.map((connection) => connectionStatus(connection, parts)),
    events: parts.events,
    checks: parts.checks,
  };
}

function connectionStatus(
  { name, connector }: ConnectionSettings,
  { rooms, news }: StatusParts,
): ConnectionStatus {
  const id = rooms.idOf(name);
  const room = id === undefined ? undefined : rooms.view(id);
  const report = id === undefined ? undefined : news.reports.get(id);
  // The room knows of an acknowledgement before its file shows it.
  const hasBacklog = report?.backlog_batches !== 0;
  return {
    name,
    id,
    connector,
    room: {
      phase: room?.phase ?? "stopped",
      pid: room?.pid,
      restarts: room?.restarts ?? 0,
      retryInMs: room?.retryInMs,
      lastExit: room?.lastExit?.detail,
      misconfigured: room?.misconfigured,
      rssBytes: room?.heartbeat?.rssBytes,
      outboxBytes: room?.heartbeat?.outboxBytes,
      knownBytes: room?.heartbeat?.knownBytes,
      changes: room?.heartbeat?.changes,
    },
    oldestUnsentAtMs: hasBacklog ? rooms.outboxes.get(name)?.oldestUnsentAtMs() : undefined,
    storedAtMs: id === undefined ? undefined : news.committedAtMs(id),
    report,
  };
}
