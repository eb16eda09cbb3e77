// Workspaces and connections of the directory.
import type { Directory } from "../../core/store.ts";
import { IN_SCOPE, inScope, unique, WORKSPACE_NO, type DirectoryIo } from "./directory-io.ts";
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

export function connectionsOf({
  write,
  read,
}: DirectoryIo): Pick<
  Directory,
  "createConnection" | "connection" | "connections" | "bindConnections" | "putReport" | "connectionsOfAgent"
> {
  const select = async (where: string, ...values: readonly unknown[]) => {
    const found = await read<ConnectionColumns>(`SELECT ${CONNECTION_COLUMNS} ${where}`, ...values);
    return found.map(connectionRow);
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
