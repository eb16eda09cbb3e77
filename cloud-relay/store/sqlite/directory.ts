// Workspaces, connections, agents, tokens and codes in SQLite. Writes go through the write queue, reads do not wait.
import type Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";
import { DuplicateError, type Directory, type Scope } from "../../core/store.ts";
import * as rows from "./directory-rows.ts";
import type { WriteQueue } from "./write-queue.ts";

export interface DirectoryDeps {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  readonly queue: WriteQueue;
}

export function sqliteDirectory(deps: DirectoryDeps): Directory {
  const io = statements(deps);
  return { ...workspacesOf(io), ...connectionsOf(io), ...agentsOf(io), ...tokensOf(io), ...codesOf(io) };
}

interface Io {
  /** Runs a statement in a transaction of its own; resolves with the rows changed or returned. */
  write<Row = never>(sql: string, ...values: readonly unknown[]): Promise<{ changes: number; rows: Row[] }>;
  read<Row>(sql: string, ...values: readonly unknown[]): Promise<Row[]>;
}

function statements({ writer, reader, queue }: DirectoryDeps): Io {
  const prepared = new Map<string, Database.Statement>();
  const prepare = (db: Database.Database, sql: string): Database.Statement => {
    const name = `${db === writer ? "w" : "r"} ${sql}`;
    const statement = prepared.get(name) ?? db.prepare(sql);
    prepared.set(name, statement);
    return statement;
  };
  return {
    write: <Row>(sql: string, ...values: readonly unknown[]) =>
      queue.run(() => {
        const statement = prepare(writer, sql);
        if (statement.reader) {
          const returned = statement.all(...values.map(column)) as Row[];
          return { changes: returned.length, rows: returned };
        }
        return { changes: statement.run(...values.map(column)).changes, rows: [] };
      }),
    read: async <Row>(sql: string, ...values: readonly unknown[]) =>
      prepare(reader, sql).all(...values.map(column)) as Row[],
  };
}

const WORKSPACE_NO = "(SELECT workspace_no FROM workspaces WHERE id = ?)";
/** The third `?` is null for the whole workspace. */
const IN_SCOPE = "w.id = ? AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))";

function workspacesOf({ write, read }: Io): Pick<Directory, "createWorkspace" | "workspace" | "workspaces"> {
  const columns = "SELECT id, name, created_ms AS createdAtMs FROM workspaces";
  return {
    async createWorkspace(row) {
      await unique(
        `the workspace ${row.id} exists already`,
        write(
          "INSERT INTO workspaces (id, name, created_ms) VALUES (?, ?, ?)",
          row.id,
          row.name,
          row.createdAtMs,
        ),
      );
    },
    workspace: async (id) => (await read<never>(`${columns} WHERE id = ?`, id))[0],
    workspaces: () => read(`${columns} ORDER BY created_ms, id`),
  };
}

function connectionsOf({
  write,
  read,
}: Io): Pick<
  Directory,
  "createConnection" | "connection" | "connections" | "bindConnections" | "putReport" | "connectionsOfAgent"
> {
  const select = async (where: string, ...values: readonly unknown[]) => {
    const found = await read<rows.ConnectionColumns>(`SELECT ${rows.CONNECTION_COLUMNS} ${where}`, ...values);
    return found.map(rows.connectionRow);
  };
  return {
    async createConnection(row) {
      await unique(
        `the workspace ${row.workspaceId} has a connection named "${row.name}" already`,
        write(
          `INSERT INTO connections (workspace_no, id, name, customer, environment, labels, agent_id, system, created_ms,
           connected_ms, state, reason, advice, status_ms, last_sync_ms, report)
           VALUES (${WORKSPACE_NO}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          row.workspaceId,
          row.id,
          row.name,
          row.customer,
          row.environment,
          JSON.stringify(row.labels),
          row.agentId,
          row.system,
          row.createdAtMs,
          row.connectedAtMs,
          row.state,
          row.reason,
          row.advice,
          row.statusAtMs,
          row.lastSyncAtMs,
          row.report === undefined ? undefined : JSON.stringify(row.report),
        ),
      );
    },
    connection: async (scope, id) =>
      (await select(`WHERE ${IN_SCOPE} AND c.id = ?`, ...inScope(scope), id))[0],
    connections: (scope) => select(`WHERE ${IN_SCOPE} ORDER BY c.created_ms, c.id`, ...inScope(scope)),
    async bindConnections(workspaceId, connectionIds, agentId) {
      await write(
        `UPDATE connections SET agent_id = ? WHERE workspace_no = ${WORKSPACE_NO}
         AND id IN (SELECT value FROM json_each(?))`,
        agentId,
        workspaceId,
        JSON.stringify(connectionIds),
      );
    },
    async putReport(report) {
      await write(
        "UPDATE connections SET report = ?, system = coalesce(?, system) WHERE id = ?",
        JSON.stringify(report),
        report.system,
        report.connection_id,
      );
    },
    connectionsOfAgent: (agentId) => select("WHERE c.agent_id = ? ORDER BY c.created_ms, c.id", agentId),
  };
}

function agentsOf({
  write,
  read,
}: Io): Pick<
  Directory,
  | "createAgent"
  | "agentById"
  | "agents"
  | "claimSession"
  | "endSession"
  | "setAgentSeen"
  | "revokeAgent"
  | "setAgentQuarantined"
> {
  const select = async (where: string, ...values: readonly unknown[]) => {
    const found = await read<rows.AgentColumns>(`SELECT ${rows.AGENT_COLUMNS} ${where}`, ...values);
    return found.map(rows.agentRow);
  };
  return {
    async createAgent(row) {
      await unique(
        `the agent ${row.id} exists already`,
        write(
          `INSERT INTO agents (workspace_no, id, name, public_key, created_ms, revoked_ms, quarantined_ms, session,
           instance_id, version, platform, connected_ms, last_seen_ms, is_online)
           VALUES (${WORKSPACE_NO}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          row.workspaceId,
          row.id,
          row.name,
          row.publicKey,
          row.createdAtMs,
          row.revokedAtMs,
          row.quarantinedAtMs,
          row.session,
          row.instanceId,
          row.version,
          row.platform,
          row.connectedAtMs,
          row.lastSeenAtMs,
          row.isOnline,
        ),
      );
    },
    agentById: async (id) => (await select("WHERE a.id = ?", id))[0],
    agents: ({ workspaceId, connectionIds }) =>
      select(
        `WHERE w.id = ? AND (? IS NULL OR EXISTS (SELECT 1 FROM connections c WHERE c.agent_id = a.id
         AND c.workspace_no = a.workspace_no AND c.id IN (SELECT value FROM json_each(?))))
         ORDER BY a.created_ms, a.id`,
        ...inScope({ workspaceId, ...(connectionIds && { connectionIds }) }),
      ),
    async claimSession(agentId, instanceId, version, platform, atMs) {
      const { rows: claimed } = await write<{ readonly session: number }>(
        `UPDATE agents SET session = session + 1, instance_id = ?, version = ?, platform = ?, connected_ms = ?,
         last_seen_ms = ?, is_online = 1 WHERE id = ? RETURNING session`,
        instanceId,
        version,
        platform,
        atMs,
        atMs,
        agentId,
      );
      const [claim] = claimed;
      if (claim === undefined)
        throw new MillraceError(`claiming a session failed: there is no agent ${agentId}`);
      return claim.session;
    },
    async endSession(agentId, session, atMs) {
      await write(
        "UPDATE agents SET is_online = 0, last_seen_ms = ? WHERE id = ? AND session = ?",
        atMs,
        agentId,
        session,
      );
    },
    async setAgentSeen(agentId, atMs) {
      await write("UPDATE agents SET last_seen_ms = ? WHERE id = ?", atMs, agentId);
    },
    async revokeAgent(workspaceId, agentId, atMs) {
      const { changes } = await write(
        `UPDATE agents SET revoked_ms = ? WHERE workspace_no = ${WORKSPACE_NO} AND id = ? AND revoked_ms IS NULL`,
        atMs,
        workspaceId,
        agentId,
      );
      return changes > 0;
    },
    async setAgentQuarantined(agentId, atMs) {
      await write("UPDATE agents SET quarantined_ms = ? WHERE id = ?", atMs, agentId);
    },
  };
}

function tokensOf({
  write,
  read,
}: Io): Pick<Directory, "createToken" | "tokenByHash" | "tokens" | "revokeToken"> {
  const select = async (where: string, value: string) =>
    (await read<rows.TokenColumns>(`SELECT ${rows.TOKEN_COLUMNS} ${where}`, value)).map(rows.tokenRow);
  return {
    async createToken(row) {
      await unique(
        `the token ${row.id} exists already`,
        write(
          `INSERT INTO tokens (id, kind, workspace_id, connection_id, name, hash, hint, scopes, created_ms, expires_ms,
           revoked_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          row.id,
          row.kind,
          row.workspaceId,
          row.connectionId,
          row.name,
          row.hash,
          row.hint,
          JSON.stringify(row.scopes),
          row.createdAtMs,
          row.expiresAtMs,
          row.revokedAtMs,
        ),
      );
    },
    tokenByHash: async (hash) => (await select("WHERE hash = ?", hash))[0],
    tokens: (workspaceId) => select("WHERE workspace_id = ? ORDER BY created_ms, id", workspaceId),
    async revokeToken(workspaceId, id, atMs) {
      const { changes } = await write(
        "UPDATE tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL AND (? IS NULL OR workspace_id = ?)",
        atMs,
        id,
        workspaceId,
        workspaceId,
      );
      return changes > 0;
    },
  };
}

function codesOf({ write }: Io): Pick<Directory, "createEnrollmentCode" | "useEnrollmentCode"> {
  return {
    async createEnrollmentCode(row) {
      await unique(
        `the enrolment code ${row.id} exists already`,
        write(
          `INSERT INTO enrollment_codes (id, workspace_id, hash, connection_ids, created_ms, expires_ms, used_ms,
           agent_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
          row.id,
          row.workspaceId,
          row.hash,
          JSON.stringify(row.connectionIds),
          row.createdAtMs,
          row.expiresAtMs,
          row.usedAtMs,
          row.agentId,
        ),
      );
    },
    async useEnrollmentCode(hash, agentId, atMs) {
      const { rows: used } = await write<rows.CodeColumns>(
        `UPDATE enrollment_codes SET used_ms = ?, agent_id = ? WHERE hash = ? AND used_ms IS NULL AND expires_ms > ?
         RETURNING ${rows.CODE_COLUMNS}`,
        atMs,
        agentId,
        hash,
        atMs,
      );
      return used[0] === undefined ? undefined : rows.codeRow(used[0]);
    },
  };
}

function inScope({ workspaceId, connectionIds }: Scope): readonly unknown[] {
  const ids = connectionIds === undefined ? null : JSON.stringify(connectionIds);
  return [workspaceId, ids, ids];
}

function column(value: unknown): unknown {
  return typeof value === "boolean" ? Number(value) : (value ?? null);
}

async function unique(message: string, writing: Promise<unknown>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    throw error instanceof DuplicateError ? new DuplicateError(message, { cause: error }) : error;
  }
}
