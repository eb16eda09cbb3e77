// Users and sessions of the memory store.
import { DuplicateError } from "../../core/store.ts";
import type { SessionRow, UserRow, UserStore } from "../../core/users/user-store.ts";
import type { MemoryTables } from "./memory-tables.ts";

export function memoryUsers(
  { users, userSessions }: MemoryTables,
  write: <T>(work: () => T) => Promise<T>,
  read: <T>(work: () => T) => Promise<T>,
): UserStore {
  const all = (): readonly UserRow[] => [...users.committed.values()];
  const sessionsOf = (userId: string): readonly SessionRow[] =>
    [...userSessions.committed.values()]
      .filter((row) => row.userId === userId)
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
  const endSessions = (rows: readonly SessionRow[]): void => {
    for (const { hash } of rows) userSessions.delete(hash);
  };
  return {
    create: (row) =>
      write(() => {
        if (all().some(({ email }) => email === row.email))
          throw new DuplicateError(`there is a user ${row.email} already`);
        users.set(row.id, row);
      }),
    byId: (id) => read(() => users.committed.get(id)),
    byEmail: (email) => read(() => all().find((row) => row.email === email)),
    list: (workspaceId) =>
      read(() =>
        all()
          .filter((row) => row.workspaceId === workspaceId)
          .sort((a, b) => a.createdAtMs - b.createdAtMs),
      ),
    change: (workspaceId, id, { disabledAtMs, ...changes }, endsSessions) =>
      write(() => {
        const row = users.get(id);
        if (row?.workspaceId !== workspaceId) return undefined;
        const disabled = disabledAtMs === undefined ? {} : { disabledAtMs: disabledAtMs ?? undefined };
        const changed = { ...row, ...changes, ...disabled };
        users.set(id, changed);
        if (endsSessions) endSessions(sessionsOf(id));
        return changed;
      }),
    remove: (workspaceId, id) =>
      write(() => {
        if (users.get(id)?.workspaceId !== workspaceId) return false;
        users.delete(id);
        endSessions(sessionsOf(id));
        return true;
      }),
    openSession: (row, most) =>
      write(() => {
        const user = users.get(row.userId);
        if (user !== undefined) users.set(user.id, { ...user, lastSignInAtMs: row.createdAtMs });
        endSessions(sessionsOf(row.userId).slice(most - 1));
        userSessions.set(row.hash, row);
      }),
    session: (hash) => read(() => userSessions.committed.get(hash)),
    touchSession: (hash, seenAtMs) =>
      write(() => {
        const row = userSessions.get(hash);
        if (row !== undefined) userSessions.set(hash, { ...row, seenAtMs: Math.max(row.seenAtMs, seenAtMs) });
      }),
    closeSession: (hash) => write(() => userSessions.delete(hash)),
    pruneSessions: (nowMs, unseenMs) =>
      write(() => {
        const ended = [...userSessions.committed.values()].filter(
          (row) => row.expiresAtMs <= nowMs || row.seenAtMs <= unseenMs,
        );
        endSessions(ended);
        return ended.length;
      }),
  };
}
