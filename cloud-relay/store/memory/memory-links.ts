// Connection links of the memory store.
import type { ConnectionLinkRow, LinkStore } from "../../core/links/link-store.ts";
import type { MemoryTables } from "./memory-tables.ts";

export function memoryLinks(
  { links, codes, connections }: MemoryTables,
  write: <T>(work: () => T) => Promise<T>,
  read: <T>(work: () => T) => Promise<T>,
): LinkStore {
  const isThere = ({ connectionId }: ConnectionLinkRow): boolean => connections.committed.has(connectionId);
  return {
    create: (row) => write(() => links.set(row.id, row)),
    byHash: (hash) =>
      read(() => [...links.committed.values()].find((row) => row.hash === hash && isThere(row))),
    list: (workspaceId) =>
      read(() =>
        [...links.committed.values()]
          .filter((row) => row.workspaceId === workspaceId && isThere(row))
          .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1)),
      ),
    revoke: (workspaceId, id, atMs) =>
      write(() => {
        const row = links.get(id);
        if (row?.workspaceId !== workspaceId || row.revokedAtMs !== undefined) return false;
        links.set(id, { ...row, revokedAtMs: atMs });
        const code = codes.get(row.codeId);
        if (code !== undefined) {
          codes.set(code.id, { ...code, expiresAtMs: Math.min(code.expiresAtMs, atMs) });
        }
        return true;
      }),
  };
}
