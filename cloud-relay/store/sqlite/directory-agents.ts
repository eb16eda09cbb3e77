// Agents and their sessions in the directory.
import { MillraceError } from "#common/runtime/errors.ts";
import type { Directory } from "../../core/directory.ts";
import { inScope, unique, WORKSPACE_NO, type DirectoryIo } from "./directory-io.ts";
import { AGENT_COLUMNS, agentRow, type AgentColumns } from "./directory-rows.ts";

export function agentsOf({
  write,
  read,
}: DirectoryIo): Pick<
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
    const found = await read<AgentColumns>(`SELECT ${AGENT_COLUMNS} ${where}`, ...values);
    return found.map(agentRow);
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
      const { rows } = await write(
        `UPDATE agents SET session = session + 1, instance_id = ?, version = ?, platform = ?, connected_ms = ?,
         last_seen_ms = ?, is_online = 1 WHERE id = ? RETURNING session`,
        instanceId,
        version,
        platform,
        atMs,
        atMs,
        agentId,
      );
      const [claim] = rows as readonly { readonly session: number }[];
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
