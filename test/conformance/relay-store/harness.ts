// What a store must offer to be put through the suite, and small builders of rows.
import { recordId } from "#common/contract/record-id.ts";
import { newConnectionRow } from "#relay/core/connections/new-connection.ts";
import type { AgentRow } from "#relay/core/directory.ts";
import type { ConnectionRow, IngestTx, NewEvent, NewRecord, Store } from "#relay/core/store.ts";

export interface StoreHarness {
  /** A new, empty store. */
  open(): Promise<Store>;
  /** Closes the store in an orderly way and opens what it left behind. */
  reopen(store: Store): Promise<Store>;
  /** Ends everything this harness opened. */
  dispose(): Promise<void>;
}

/** 2025-06-01T00:00:00Z */
export const NOW_MS = 1_748_736_000_000;
export const WORKSPACE = "ws_a";
export const OTHER_WORKSPACE = "ws_b";
export const CONNECTION = "01900000-0000-7000-8000-000000000001";
export const SECOND_CONNECTION = "01900000-0000-7000-8000-000000000002";
export const FOREIGN_CONNECTION = "01900000-0000-7000-8000-000000000009";
export const EPOCH = "0123456789abcdef";
export const ALL = { workspaceId: WORKSPACE } as const;

/** Two workspaces; the first has two connections, the other one. */
export async function seed(store: Store): Promise<void> {
  const { directory } = store;
  for (const id of [WORKSPACE, OTHER_WORKSPACE]) {
    await directory.createWorkspace({ id, name: `Name of ${id}`, createdAtMs: NOW_MS });
  }
  await directory.createConnection(connectionRow(CONNECTION, WORKSPACE, "maximo"));
  await directory.createConnection(connectionRow(SECOND_CONNECTION, WORKSPACE, "scada"));
  await directory.createConnection(connectionRow(FOREIGN_CONNECTION, OTHER_WORKSPACE, "maximo"));
}

export function connectionRow(id: string, workspaceId: string, name: string): ConnectionRow {
  return newConnectionRow({
    id,
    workspaceId,
    name,
    reason: undefined,
    advice: undefined,
    createdAtMs: NOW_MS,
  });
}

export function agentRow(id: string, workspaceId = WORKSPACE): AgentRow {
  return {
    id,
    workspaceId,
    name: `agent ${id}`,
    publicKey: "key",
    createdAtMs: NOW_MS,
    revokedAtMs: undefined,
    quarantinedAtMs: undefined,
    session: 0,
    instanceId: undefined,
    version: undefined,
    platform: undefined,
    connectedAtMs: undefined,
    lastSeenAtMs: undefined,
    isOnline: false,
  };
}

export function record(key: string, revision: number, changes: Partial<NewRecord> = {}): NewRecord {
  const connectionId = changes.connectionId ?? CONNECTION;
  const entity = changes.entity ?? "work_order";
  return {
    id: recordId(connectionId, entity, key),
    connectionId,
    entity,
    key,
    text: `{"number":${JSON.stringify(key)}}`,
    raw: undefined,
    hash: "AAAAAAAAAAAAAAAAAAAAAA",
    version: undefined,
    revision,
    createdAtMs: NOW_MS,
    updatedAtMs: NOW_MS,
    deletedAtMs: undefined,
    presence: "present",
    deleteReason: undefined,
    incarnation: 1,
    origin: "change",
    mappingVersion: "00000000000000aa",
    epochNo: 1,
    ...changes,
  };
}

export function event(position: number, changes: Partial<NewEvent> = {}): NewEvent {
  return {
    position,
    id: `evt_r_${position}`,
    type: "work_order.updated",
    workspaceId: WORKSPACE,
    connectionId: CONNECTION,
    entity: "work_order",
    recordId: recordId(CONNECTION, "work_order", String(position)),
    origin: "change",
    atMs: NOW_MS,
    data: "{}",
    ...changes,
  };
}

/** Writes records with fresh revisions; returns the revisions. */
export async function putRecords(
  store: Store,
  keys: readonly string[],
  changes: Partial<NewRecord> = {},
  nowMs = NOW_MS,
): Promise<number[]> {
  return store.ingest(async (tx) => {
    const first = await tx.revisions(keys.length, nowMs);
    await tx.putRecords(keys.map((key, index) => record(key, first + index, changes)));
    return keys.map((_, index) => first + index);
  });
}

/** Appends events at fresh positions; returns the positions. */
export async function appendEvents(
  store: Store,
  all: readonly Partial<NewEvent>[],
  nowMs = NOW_MS,
): Promise<number[]> {
  return store.ingest(async (tx: IngestTx) => {
    const first = await tx.revisions(all.length, nowMs);
    await tx.appendEvents(all.map((changes, index) => event(first + index, changes)));
    return all.map((_, index) => first + index);
  });
}

export const EVERY_RECORD = {
  entity: "work_order",
  afterRevision: 0,
  beforeRevision: undefined,
  includeDeleted: false,
  includeRaw: false,
  limit: 1_000,
} as const;
