// Connection links in SQLite.
import type { ConnectionLinkRow, LinkStore } from "../../core/links/link-store.ts";
import type { DirectoryIo } from "./directory-io.ts";

export const LINKS = `
CREATE TABLE connection_links (
  link_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace_id TEXT NOT NULL, connection_id TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE, code_id TEXT NOT NULL, system TEXT, webhook_url TEXT, created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL, revoked_ms INTEGER
);
CREATE INDEX connection_links_workspace ON connection_links (workspace_id);
CREATE INDEX connection_links_connection ON connection_links (connection_id);
`;

const LINK = `SELECT l.id, l.workspace_id AS workspaceId, l.connection_id AS connectionId, l.hash, l.code_id AS codeId,
  l.system, l.webhook_url AS webhookUrl, l.created_ms AS createdAtMs, l.expires_ms AS expiresAtMs,
  l.revoked_ms AS revokedAtMs FROM connection_links l JOIN connections c ON c.id = l.connection_id
  JOIN workspaces w ON w.workspace_no = c.workspace_no AND w.id = l.workspace_id`;

type Nullable = "system" | "webhookUrl" | "revokedAtMs";
type LinkColumns = Omit<ConnectionLinkRow, Nullable> & {
  readonly [Name in Nullable]: Exclude<ConnectionLinkRow[Name], undefined> | null;
};

export function sqliteLinks({ read, write, writeAll }: DirectoryIo): LinkStore {
  return {
    async create(row) {
      await write(
        `INSERT INTO connection_links (id, workspace_id, connection_id, hash, code_id, system, webhook_url, created_ms,
         expires_ms, revoked_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.workspaceId,
        row.connectionId,
        row.hash,
        row.codeId,
        row.system,
        row.webhookUrl,
        row.createdAtMs,
        row.expiresAtMs,
        row.revokedAtMs,
      );
    },
    async byHash(hash) {
      const [found] = await read<LinkColumns>(`${LINK} WHERE l.hash = ?`, hash);
      return found && linkRow(found);
    },
    list: async (workspaceId) =>
      (
        await read<LinkColumns>(`${LINK} WHERE l.workspace_id = ? ORDER BY l.created_ms, l.id`, workspaceId)
      ).map(linkRow),
    async revoke(workspaceId, id, atMs) {
      const changed = await writeAll(
        [
          "UPDATE connection_links SET revoked_ms = ? WHERE workspace_id = ? AND id = ? AND revoked_ms IS NULL",
          atMs,
          workspaceId,
          id,
        ],
        [
          `UPDATE enrollment_codes SET expires_ms = min(expires_ms, ?)
           WHERE id = (SELECT code_id FROM connection_links WHERE id = ?)`,
          atMs,
          id,
        ],
      );
      return changed > 0;
    },
  };
}

function linkRow(columns: LinkColumns): ConnectionLinkRow {
  const { system, webhookUrl, revokedAtMs } = columns;
  return {
    ...columns,
    system: system ?? undefined,
    webhookUrl: webhookUrl ?? undefined,
    revokedAtMs: revokedAtMs ?? undefined,
  };
}
