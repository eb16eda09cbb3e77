// Tokens and enrolment codes of the directory.
import type { Directory } from "../../core/directory.ts";
import { unique, type DirectoryIo } from "./directory-io.ts";
import {
  CODE_COLUMNS,
  codeRow,
  TOKEN_COLUMNS,
  tokenRow,
  type CodeColumns,
  type TokenColumns,
} from "./directory-rows.ts";

export function tokensOf({
  write,
  read,
}: DirectoryIo): Pick<Directory, "createToken" | "tokenByHash" | "tokens" | "revokeToken"> {
  const select = async (where: string, value: string) =>
    (await read<TokenColumns>(`SELECT ${TOKEN_COLUMNS} ${where}`, value)).map(tokenRow);
  return {
    async createToken(row) {
      await unique(
        `the token ${row.id} exists already`,
        write(
          `INSERT INTO tokens (id, kind, workspace_id, connection_id, name, hash, hint, scopes, created_ms, expires_ms,
           revoked_ms, filter) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
          row.filter === undefined ? undefined : JSON.stringify(row.filter),
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

export function codesOf({
  write,
}: DirectoryIo): Pick<Directory, "createEnrollmentCode" | "useEnrollmentCode"> {
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
      const { rows } = await write(
        `UPDATE enrollment_codes SET used_ms = ?, agent_id = ? WHERE hash = ? AND used_ms IS NULL AND expires_ms > ?
         RETURNING ${CODE_COLUMNS}`,
        atMs,
        agentId,
        hash,
        atMs,
      );
      const [used] = rows as readonly CodeColumns[];
      return used === undefined ? undefined : codeRow(used);
    },
  };
}
