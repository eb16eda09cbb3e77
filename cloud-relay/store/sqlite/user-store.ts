// Users and their sessions in SQLite.
import type { SessionRow, UserRow, UserStore } from "../../core/users/user-store.ts";
import { unique, type DirectoryIo } from "./directory-io.ts";

export const USERS = `
CREATE TABLE users (
  user_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace_id TEXT NOT NULL, email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, role TEXT NOT NULL, password_hash TEXT NOT NULL, created_ms INTEGER NOT NULL, disabled_ms INTEGER,
  last_sign_in_ms INTEGER
);
CREATE INDEX users_workspace ON users (workspace_id);
CREATE TABLE sessions (
  hash TEXT PRIMARY KEY, user_id TEXT NOT NULL, csrf_token TEXT NOT NULL, created_ms INTEGER NOT NULL,
  seen_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, created_ms);
`;

const USER = `SELECT id, workspace_id AS workspaceId, email, name, role, password_hash AS passwordHash,
  created_ms AS createdAtMs, disabled_ms AS disabledAtMs, last_sign_in_ms AS lastSignInAtMs FROM users`;
const SESSION = `SELECT hash, user_id AS userId, csrf_token AS csrfToken, created_ms AS createdAtMs, seen_ms AS seenAtMs,
  expires_ms AS expiresAtMs FROM sessions`;

type Nullable = "disabledAtMs" | "lastSignInAtMs";
type UserColumns = Omit<UserRow, Nullable> & { readonly [Name in Nullable]: number | null };

export function sqliteUsers({ read, write, writeAll }: DirectoryIo): UserStore {
  const one = async (where: string, value: string): Promise<UserRow | undefined> => {
    const [found] = await read<UserColumns>(`${USER} WHERE ${where} = ?`, value);
    return found && userRow(found);
  };
  return {
    create: (row) =>
      unique(
        `there is a user ${row.email} already`,
        write(
          `INSERT INTO users (id, workspace_id, email, name, role, password_hash, created_ms, disabled_ms, last_sign_in_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          row.id,
          row.workspaceId,
          row.email,
          row.name,
          row.role,
          row.passwordHash,
          row.createdAtMs,
          row.disabledAtMs,
          row.lastSignInAtMs,
        ),
      ),
    byId: (id) => one("id", id),
    byEmail: (email) => one("email", email),
    list: async (workspaceId) =>
      (await read<UserColumns>(`${USER} WHERE workspace_id = ? ORDER BY user_no`, workspaceId)).map(userRow),
    async change(workspaceId, id, { name, role, passwordHash, disabledAtMs }, endsSessions) {
      const update = [
        `UPDATE users SET name = coalesce(?, name), role = coalesce(?, role), password_hash = coalesce(?, password_hash),
         disabled_ms = CASE WHEN ? THEN ? ELSE disabled_ms END WHERE workspace_id = ? AND id = ?`,
        name,
        role,
        passwordHash,
        disabledAtMs !== undefined,
        disabledAtMs,
        workspaceId,
        id,
      ] as const;
      const changed = endsSessions
        ? await writeAll(update, ["DELETE FROM sessions WHERE user_id = ?", id])
        : await writeAll(update);
      return changed === 0 ? undefined : one("id", id);
    },
    async remove(workspaceId, id) {
      const removed = await writeAll(
        ["DELETE FROM users WHERE workspace_id = ? AND id = ?", workspaceId, id],
        ["DELETE FROM sessions WHERE user_id = ?", id],
      );
      return removed > 0;
    },
    async openSession({ hash, userId, csrfToken, createdAtMs, seenAtMs, expiresAtMs }, most) {
      await writeAll(
        [
          "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
          hash,
          userId,
          csrfToken,
          createdAtMs,
          seenAtMs,
          expiresAtMs,
        ],
        ["UPDATE users SET last_sign_in_ms = ? WHERE id = ?", createdAtMs, userId],
        [
          `DELETE FROM sessions WHERE user_id = ? AND hash NOT IN
           (SELECT hash FROM sessions WHERE user_id = ? ORDER BY created_ms DESC LIMIT ?)`,
          userId,
          userId,
          most,
        ],
      );
    },
    session: async (hash) => (await read<SessionRow>(`${SESSION} WHERE hash = ?`, hash))[0],
    async touchSession(hash, seenAtMs) {
      await write("UPDATE sessions SET seen_ms = max(seen_ms, ?) WHERE hash = ?", seenAtMs, hash);
    },
    async closeSession(hash) {
      await write("DELETE FROM sessions WHERE hash = ?", hash);
    },
    pruneSessions: async (nowMs, unseenMs) =>
      (await write("DELETE FROM sessions WHERE expires_ms <= ? OR seen_ms <= ?", nowMs, unseenMs)).changes,
  };
}

function userRow(columns: UserColumns): UserRow {
  const { disabledAtMs, lastSignInAtMs } = columns;
  return {
    ...columns,
    disabledAtMs: disabledAtMs ?? undefined,
    lastSignInAtMs: lastSignInAtMs ?? undefined,
  };
}
