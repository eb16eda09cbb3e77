// The request log and the audit trail of the memory store.
import { FIRST_HASH, sealedText, type AuditEntry, type AuditStore } from "../../core/audit/audit-store.ts";
import type { RequestStore } from "../../core/requests/request-store.ts";
import { keyOf, type MemoryTables } from "./memory-tables.ts";

type Run = <T>(work: () => T) => Promise<T>;

export function memoryRequests({ requests }: MemoryTables, write: Run, read: Run): RequestStore {
  let place = 0;
  for (const row of requests.committed.values()) place = Math.max(place, row.place);
  return {
    append: (rows) =>
      write(() => {
        for (const row of rows) {
          place += 1;
          requests.set(String(place), { ...row, place });
        }
      }),
    list: ({ workspaceId, connectionIds }, query) =>
      read(() => {
        const { id, connectionId, method, status, code, path, afterMs, beforeMs, olderThan, limit } = query;
        const wanted = [...requests.committed.values()].filter(
          (row) =>
            row.workspaceId === workspaceId &&
            (connectionIds === undefined || connectionIds.includes(row.connectionId ?? "")) &&
            (id === undefined || row.id === id) &&
            (connectionId === undefined || row.connectionId === connectionId) &&
            (method === undefined || row.method === method) &&
            (status === undefined || row.status === status) &&
            (code === undefined || row.code === code) &&
            (path === undefined || row.url.startsWith(path)) &&
            row.atMs >= (afterMs ?? Number.NEGATIVE_INFINITY) &&
            row.atMs < (beforeMs ?? Number.POSITIVE_INFINITY) &&
            row.place < (olderThan ?? Number.POSITIVE_INFINITY),
        );
        return wanted.sort((one, other) => other.place - one.place).slice(0, limit);
      }),
    counts: ({ workspaceId, connectionIds }, sinceMs) =>
      read(() => {
        const rows = [...requests.committed.values()].filter(
          (row) =>
            row.workspaceId === workspaceId &&
            row.atMs >= sinceMs &&
            (connectionIds === undefined || connectionIds.includes(row.connectionId ?? "")),
        );
        const clientErrors = rows.filter(({ status }) => status >= 400 && status < 500).length;
        const serverErrors = rows.filter(({ status }) => status >= 500).length;
        return { requests: rows.length, clientErrors, serverErrors };
      }),
    prune: (beforeMs) =>
      write(() => {
        for (const [key, { atMs }] of requests.entries()) if (atMs < beforeMs) requests.delete(key);
        return false;
      }),
  };
}

/** `sha256Hex` is handed in: this folder knows no modules of Node. */
export function memoryAudit(
  { audit }: MemoryTables,
  sha256Hex: (text: string) => string,
  write: Run,
  read: Run,
): AuditStore {
  const trail = (rows: Iterable<AuditEntry>, workspaceId: string | undefined): AuditEntry[] =>
    [...rows]
      .filter((row) => row.workspaceId === workspaceId)
      .sort((one, other) => other.number - one.number);
  return {
    append: (entry) =>
      write(() => {
        const [last = { number: 0, hash: FIRST_HASH }] = trail(audit.values(), entry.workspaceId);
        const number = last.number + 1;
        const row = { ...entry, number, hash: sha256Hex(sealedText(last.hash, number, entry)) };
        audit.set(keyOf(entry.workspaceId ?? "", number), row);
        return row;
      }),
    list: (workspaceId, { below = Number.MAX_SAFE_INTEGER, limit }) =>
      read(() =>
        trail(audit.committed.values(), workspaceId)
          .filter(({ number }) => number < below)
          .slice(0, limit),
      ),
  };
}
