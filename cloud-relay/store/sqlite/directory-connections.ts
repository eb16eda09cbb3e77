// Workspaces and connections of the directory.
import type { Directory } from "../../core/directory.ts";
import { DELETED, IN_SCOPE, inScope, unique, WORKSPACE_NO, type DirectoryIo } from "./directory-io.ts";
import { FORGET_ENDPOINTS, FORGET_IDLE_FEEDS, SHUT_ENDPOINTS } from "./webhook-tables.ts";
import { CONNECTION_COLUMNS, connectionRow, type ConnectionColumns } from "./directory-rows.ts";

export function workspacesOf({
  write,
  read,
}: DirectoryIo): Pick<Directory, "createWorkspace" | "workspace" | "workspaces"> {
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

export function connectionsOf(
  { write, writeAll, read, descriptions }: DirectoryIo,
  onDeleted: () => void,
): Pick<
  Directory,
  | "createConnection"
  | "connection"
  | "connections"
  | "bindConnections"
  | "putReport"
  | "putDescription"
  | "changeConnection"
  | "disconnectConnection"
  | "reconnectConnection"
  | "deleteConnection"
  | "connectionsOfAgent"
> {
  const select = async (where: string, ...values: readonly unknown[]) => {
    const found = await read<ConnectionColumns>(`SELECT ${CONNECTION_COLUMNS} ${where}`, ...values);
    return found.map((columns) => connectionRow(columns, descriptions));
  };
  return {
    async createConnection(row) {
      await unique(
        `the workspace ${row.workspaceId} has a connection named "${row.name}" already`,
        write(
          `INSERT INTO connections (workspace_no, id, name, customer, environment, labels, agent_id, system, created_ms,
           connected_ms, state, reason, advice, status_ms, last_sync_ms, report, kind, when_offline, metadata,
           disconnected_ms, description_no, description)
           VALUES (${WORKSPACE_NO}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
          row.kind,
          row.whenOffline,
          JSON.stringify(row.metadata),
          row.disconnectedAtMs,
          row.description === undefined ? 0 : 1,
          row.description === undefined ? undefined : JSON.stringify(row.description),
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
    async putDescription(description) {
      const text = JSON.stringify(description);
      await write(
        `UPDATE connections SET description = ?, description_no = description_no + 1
         WHERE id = ? AND description IS NOT ?`,
        text,
        description.connection_id,
        text,
      );
    },
    async changeConnection(workspaceId, id, { customer, labels, metadata, whenOffline }) {
      await write(
        `UPDATE connections SET customer = iif(?, ?, customer), labels = coalesce(?, labels),
         metadata = coalesce(?, metadata), when_offline = coalesce(?, when_offline)
         WHERE workspace_no = ${WORKSPACE_NO} AND id = ?`,
        customer !== undefined,
        customer,
        labels === undefined ? undefined : JSON.stringify(labels),
        metadata === undefined ? undefined : JSON.stringify(metadata),
        whenOffline,
        workspaceId,
        id,
      );
      return (await select(`WHERE ${IN_SCOPE} AND c.id = ?`, ...inScope({ workspaceId }), id))[0];
    },
    async disconnectConnection(workspaceId, id, atMs) {
      const changed = await writeAll(
        [
          `UPDATE connections SET disconnected_ms = ? WHERE workspace_no = ${WORKSPACE_NO} AND id = ?
           AND disconnected_ms IS NULL`,
          atMs,
          workspaceId,
          id,
        ],
        ["UPDATE tokens SET revoked_ms = ? WHERE connection_id = ? AND revoked_ms IS NULL", atMs, id],
      );
      return changed > 0;
    },
    async reconnectConnection(workspaceId, id) {
      const { changes } = await write(
        `UPDATE connections SET disconnected_ms = NULL WHERE workspace_no = ${WORKSPACE_NO} AND id = ?
         AND disconnected_ms IS NOT NULL`,
        workspaceId,
        id,
      );
      return changes > 0;
    },
    async deleteConnection(workspaceId, id) {
      // The row stays without a workspace: numbers that were given to it are never given to another.
      const changed = await writeAll(
        [
          `UPDATE connections SET workspace_no = ${DELETED}, name = id, customer = NULL, labels = '{}', metadata = '{}',
           agent_id = NULL, report = NULL, description = NULL, description_no = 0
           WHERE workspace_no = ${WORKSPACE_NO} AND id = ? AND disconnected_ms IS NOT NULL`,
          workspaceId,
          id,
        ],
        [
          `UPDATE feeds SET workspace_no = ${DELETED}
           WHERE connection_no = (SELECT connection_no FROM connections WHERE id = ?)`,
          id,
        ],
        ["DELETE FROM tokens WHERE connection_id = ?", id],
        [SHUT_ENDPOINTS, id],
        [FORGET_ENDPOINTS, id],
        [FORGET_IDLE_FEEDS],
      );
      if (changed > 0) onDeleted();
      return changed > 0;
    },
    connectionsOfAgent: (agentId) => select("WHERE c.agent_id = ? ORDER BY c.created_ms, c.id", agentId),
  };
}
