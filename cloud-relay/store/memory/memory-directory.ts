// The directory of the memory store.
import { MillraceError } from "#common/runtime/errors.ts";
import type { AgentRow, Directory } from "../../core/directory.ts";
import { DuplicateError, type ConnectionRow, type Scope } from "../../core/store.ts";
import { forgetConnection } from "./memory-removal.ts";
import type { MemoryTables } from "./memory-tables.ts";
import type { OverlayMap } from "./overlay-map.ts";

interface Created {
  readonly id: string;
  readonly createdAtMs: number;
}

/** `write` queues a transaction; reads see what was committed. */
export function memoryDirectory(
  tables: MemoryTables,
  write: <T>(work: () => T) => Promise<T>,
  read: <T>(work: () => T) => Promise<T>,
): Directory {
  const { workspaces, connections, agents, tokens, codes } = tables;
  const changeAgent = (id: string, change: (row: AgentRow) => Partial<AgentRow> | undefined) =>
    write(() => {
      const row = agents.get(id);
      const changed = row === undefined ? undefined : change(row);
      if (row === undefined || changed === undefined) return false;
      agents.set(id, { ...row, ...changed });
      return true;
    });
  return {
    createWorkspace: (row) => write(() => create(workspaces, row, `the workspace ${row.id} exists already`)),
    workspace: (id) => read(() => workspaces.committed.get(id)),
    workspaces: () => read(() => ordered(workspaces.committed.values())),
    createConnection: (row) =>
      write(() => {
        const message = `the workspace ${row.workspaceId} has a connection named "${row.name}" already`;
        if (!workspaces.has(row.workspaceId)) {
          throw new MillraceError(`the relay's store has no workspace ${row.workspaceId}`);
        }
        for (const other of connections.values()) {
          if (other.workspaceId === row.workspaceId && other.name === row.name)
            throw new DuplicateError(message);
        }
        create(connections, row, message);
      }),
    connection: (scope, id) =>
      read(() => {
        const row = connections.committed.get(id);
        return row !== undefined && isInScope(scope, row) ? row : undefined;
      }),
    connections: (scope) =>
      read(() => ordered(connections.committed.values()).filter((row) => isInScope(scope, row))),
    bindConnections: (workspaceId, connectionIds, agentId) =>
      write(() => {
        for (const id of connectionIds) {
          const row = connections.get(id);
          if (row?.workspaceId === workspaceId) connections.set(id, { ...row, agentId });
        }
      }),
    putReport: (report) =>
      write(() => {
        const row = connections.get(report.connection_id);
        if (row === undefined) return;
        connections.set(row.id, { ...row, report, system: report.system ?? row.system });
      }),
    putDescription: (description) =>
      write(() => {
        const row = connections.get(description.connection_id);
        if (row !== undefined) connections.set(row.id, { ...row, description });
      }),
    changeConnection: (workspaceId, id, { customer, labels, metadata, whenOffline }) =>
      write(() => {
        const row = connections.get(id);
        if (row?.workspaceId !== workspaceId) return undefined;
        const changed = {
          ...row,
          ...(customer !== undefined && { customer: customer ?? undefined }),
          ...(labels && { labels }),
          ...(metadata && { metadata }),
          ...(whenOffline && { whenOffline }),
        };
        connections.set(id, changed);
        return changed;
      }),
    disconnectConnection: (workspaceId, id, atMs) =>
      write(() => {
        const row = connections.get(id);
        if (row?.workspaceId !== workspaceId || row.disconnectedAtMs !== undefined) return false;
        connections.set(id, { ...row, disconnectedAtMs: atMs });
        for (const token of tokens.values()) {
          if (token.connectionId !== id || token.revokedAtMs !== undefined) continue;
          tokens.set(token.id, { ...token, revokedAtMs: atMs });
        }
        return true;
      }),
    reconnectConnection: (workspaceId, id) =>
      write(() => {
        const row = connections.get(id);
        if (row?.workspaceId !== workspaceId || row.disconnectedAtMs === undefined) return false;
        connections.set(id, { ...row, disconnectedAtMs: undefined });
        return true;
      }),
    deleteConnection: (workspaceId, id) => write(() => forgetConnection(tables, workspaceId, id)),
    createAgent: (row) => write(() => create(agents, row, `the agent ${row.id} exists already`)),
    agentById: (id) => read(() => agents.committed.get(id)),
    agents: (scope) =>
      read(() => {
        const serving = new Set<string | undefined>();
        for (const row of connections.committed.values()) if (isInScope(scope, row)) serving.add(row.agentId);
        return ordered(agents.committed.values()).filter(
          (row) =>
            row.workspaceId === scope.workspaceId &&
            (scope.connectionIds === undefined || serving.has(row.id)),
        );
      }),
    connectionsOfAgent: (agentId) =>
      read(() => ordered(connections.committed.values()).filter((row) => row.agentId === agentId)),
    claimSession: (agentId, instanceId, version, platform, atMs) =>
      write(() => {
        const row = agents.get(agentId);
        if (row === undefined)
          throw new MillraceError(`claiming a session failed: there is no agent ${agentId}`);
        const session = row.session + 1;
        const seen = { connectedAtMs: atMs, lastSeenAtMs: atMs, isOnline: true };
        agents.set(agentId, { ...row, session, instanceId, version, platform, ...seen });
        return session;
      }),
    endSession: async (agentId, session, atMs) => {
      await changeAgent(agentId, (row) =>
        row.session === session ? { isOnline: false, lastSeenAtMs: atMs } : undefined,
      );
    },
    setAgentSeen: async (agentId, atMs) => {
      await changeAgent(agentId, () => ({ lastSeenAtMs: atMs }));
    },
    revokeAgent: (workspaceId, agentId, atMs) =>
      changeAgent(agentId, (row) =>
        row.workspaceId === workspaceId && row.revokedAtMs === undefined ? { revokedAtMs: atMs } : undefined,
      ),
    setAgentQuarantined: async (agentId, atMs) => {
      await changeAgent(agentId, () => ({ quarantinedAtMs: atMs }));
    },
    createToken: (row) =>
      write(() => {
        const message = `the token ${row.id} exists already`;
        for (const other of tokens.values()) if (other.hash === row.hash) throw new DuplicateError(message);
        create(tokens, row, message);
      }),
    tokenByHash: (hash) => read(() => tokens.committed.values().find((row) => row.hash === hash)),
    tokens: (workspaceId) =>
      read(() => ordered(tokens.committed.values()).filter((row) => row.workspaceId === workspaceId)),
    revokeToken: (workspaceId, id, atMs) =>
      write(() => {
        const row = tokens.get(id);
        if (row === undefined || row.revokedAtMs !== undefined) return false;
        if (workspaceId !== undefined && row.workspaceId !== workspaceId) return false;
        tokens.set(id, { ...row, revokedAtMs: atMs });
        return true;
      }),
    createEnrollmentCode: (row) =>
      write(() => {
        const message = `the enrolment code ${row.id} exists already`;
        for (const other of codes.values()) if (other.hash === row.hash) throw new DuplicateError(message);
        create(codes, row, message);
      }),
    useEnrollmentCode: (hash, agentId, atMs) =>
      write(() => {
        const row = [...codes.values()].find((code) => code.hash === hash);
        if (row === undefined || row.usedAtMs !== undefined || row.expiresAtMs <= atMs) return undefined;
        const used = { ...row, usedAtMs: atMs, agentId };
        codes.set(row.id, used);
        return used;
      }),
  };
}

export function isInScope(scope: Scope, connection: ConnectionRow | undefined): connection is ConnectionRow {
  if (connection?.workspaceId !== scope.workspaceId) return false;
  return scope.connectionIds === undefined || scope.connectionIds.includes(connection.id);
}

function create<Row extends Created>(table: OverlayMap<Row>, row: Row, message: string): void {
  if (table.has(row.id)) throw new DuplicateError(message);
  table.set(row.id, row);
}

function ordered<Row extends Created>(rows: Iterable<Row>): Row[] {
  return [...rows].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
}
