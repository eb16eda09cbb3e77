// Operations and idempotency keys of the memory store.
import type { OperationRow } from "../../core/operations/operation.ts";
import type { Created, IdempotencyClaim, OperationStore } from "../../core/operations/operation-store.ts";
import type { IngestTx, Scope } from "../../core/store.ts";
import { keyOf, type MemoryTables } from "./memory-tables.ts";

/** Rows of one kind that one step removes at most. */
const PRUNE_ROWS = 2_000;

export function memoryOperations(
  tables: MemoryTables,
  transaction: <T>(work: (tx: IngestTx) => Promise<T>) => Promise<T>,
  read: <T>(work: () => T) => Promise<T>,
): OperationStore {
  const { operations, idempotencyKeys } = tables;
  const taken = (claim: IdempotencyClaim): Created | undefined => {
    const found = idempotencyKeys.get(keyOfClaim(claim));
    if (found === undefined) return undefined;
    const rows = found.operationIds.map((id) => operations.get(id)).filter((row) => row !== undefined);
    return { kind: "taken", fingerprint: found.fingerprint, operations: rows };
  };
  const all = (): readonly OperationRow[] => [...operations.committed.values()];
  return {
    create: (rows, claim) =>
      transaction(async () => {
        const before = claim === undefined ? undefined : taken(claim);
        if (before !== undefined) return before;
        if (claim !== undefined) {
          const { fingerprint, atMs } = claim;
          const operationIds = rows.map(({ id }) => id);
          idempotencyKeys.set(keyOfClaim(claim), { fingerprint, atMs, operationIds });
        }
        for (const row of rows) operations.set(row.id, row);
        return { kind: "created" };
      }),
    claimed: (claim) => read(() => taken(claim) ?? { kind: "created" }),
    get: (scope, id) =>
      read(() => {
        const row = operations.committed.get(id);
        return row !== undefined && isInScope(tables, scope, row) ? row : undefined;
      }),
    byId: (id) => read(() => operations.committed.get(id)),
    list: (scope, { states, createdAfterMs, createdBeforeMs, afterId, limit }) =>
      read(() => {
        const newestFirst = all().toReversed();
        const start = afterId === undefined ? 0 : newestFirst.findIndex(({ id }) => id === afterId) + 1;
        if (afterId !== undefined && start === 0) return [];
        const found = newestFirst
          .slice(start)
          .filter((row) => isInScope(tables, scope, row))
          .filter(({ state }) => states?.includes(state) ?? true)
          .filter(({ createdAtMs }) => createdAfterMs === undefined || createdAtMs > createdAfterMs)
          .filter(({ createdAtMs }) => createdBeforeMs === undefined || createdAtMs < createdBeforeMs);
        return found.slice(0, limit);
      }),
    unfinished: (connectionId, afterId, limit) =>
      read(() => {
        const oldestFirst = all();
        const start = afterId === undefined ? 0 : oldestFirst.findIndex(({ id }) => id === afterId) + 1;
        if (afterId !== undefined && start === 0) return [];
        const found = oldestFirst
          .slice(start)
          .filter(({ finishedAtMs }) => finishedAtMs === undefined)
          .filter((row) => connectionId === undefined || row.connectionId === connectionId);
        return found.slice(0, limit);
      }),
    change: (id, decide) =>
      transaction(async (tx) => {
        const before = operations.get(id);
        const change = before === undefined ? undefined : decide(before);
        if (change === undefined) return before;
        const { row, event, freesKey = false } = change;
        operations.set(id, row);
        if (freesKey) freeKey(tables, id);
        if (event !== undefined) {
          const position = await tx.revisions(1, event.atMs);
          await tx.appendEvents([{ ...event, position, id: `evt_r_${position}` }]);
        }
        return row;
      }),
    prune: ({ operationsMs, keysMs }) =>
      transaction(async () => {
        const old = all().filter(({ finishedAtMs }) => (finishedAtMs ?? operationsMs) < operationsMs);
        for (const { id } of old.slice(0, PRUNE_ROWS)) operations.delete(id);
        const keys = [...idempotencyKeys.committed].filter(([, { atMs }]) => atMs < keysMs);
        for (const [key] of keys.slice(0, PRUNE_ROWS)) idempotencyKeys.delete(key);
        return old.length >= PRUNE_ROWS || keys.length >= PRUNE_ROWS;
      }),
  };
}

function freeKey({ idempotencyKeys }: MemoryTables, id: string): void {
  for (const [key, { operationIds }] of idempotencyKeys.committed) {
    if (operationIds.length === 1 && operationIds[0] === id) idempotencyKeys.delete(key);
  }
}

function isInScope({ connections }: MemoryTables, scope: Scope, row: OperationRow): boolean {
  if (row.workspaceId !== scope.workspaceId) return false;
  if (scope.connectionIds?.includes(row.connectionId) === false) return false;
  return connections.committed.get(row.connectionId)?.workspaceId === row.workspaceId;
}

function keyOfClaim({ workspaceId, connectionId, key }: IdempotencyClaim): string {
  return keyOf(workspaceId, connectionId, key);
}
