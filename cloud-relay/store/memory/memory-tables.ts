// Everything the memory store holds, as overlay maps that commit and roll back together.
import type { AuditEntry } from "../../core/audit/audit-store.ts";
import type { StoredRequest } from "../../core/requests/request-store.ts";
import type * as directory from "../../core/directory.ts";
import type { ReportedSettings } from "#common/contract/settings.ts";
import type { ConnectionLinkRow } from "../../core/links/link-store.ts";
import type { OperationRow } from "../../core/operations/operation.ts";
import type * as port from "../../core/store.ts";
import type { RejectEntry } from "#common/contract/entry.ts";
import type { SessionRow, UserRow } from "../../core/users/user-store.ts";
import type { DesiredDocument } from "../../core/settings/settings-store.ts";
import type { AttemptRow } from "../../core/webhooks/delivery.ts";
import type { MemoryCounts, MemoryDelivery, MemoryEndpoint, MemoryMessage } from "./memory-webhook-rows.ts";
import { OverlayMap } from "./overlay-map.ts";

export interface MemorySample extends port.NewSample {
  readonly connectionId: string;
  /** Place on the time line: the source's time, else the server's, in µs. */
  readonly atMicros: number;
}

export interface MemoryRun {
  /** Order of first appearance. */
  readonly no: number;
  readonly run: port.SyncRun;
}

export interface UndecodableBatch {
  readonly connectionId: string;
  readonly epoch: string;
  readonly seq: number;
  readonly blob: Uint8Array;
  readonly reason: string;
}

export interface MemoryKey {
  readonly fingerprint: string;
  readonly atMs: number;
  readonly operationIds: readonly string[];
}

/** Map names and what their values are. Keys: ids, or parts joined by `keyOf`. */
export interface MemoryValues {
  workspaces: directory.WorkspaceRow;
  connections: port.ConnectionRow;
  agents: directory.AgentRow;
  tokens: directory.TokenRow;
  codes: directory.EnrollmentCodeRow;
  streams: port.StreamState;
  epochs: true;
  records: port.NewRecord;
  /** By the revision that took the version's place. */
  versions: port.NewRecord;
  events: port.StoredEvent;
  samples: MemorySample;
  lastSamples: MemorySample;
  gaps: port.StoredGap;
  rejects: RejectEntry & { readonly connectionId: string };
  runs: MemoryRun;
  undecodable: UndecodableBatch;
  operations: OperationRow;
  settings: DesiredDocument;
  links: ConnectionLinkRow;
  settingsReports: { readonly reported: ReportedSettings; readonly atMs: number };
  idempotencyKeys: MemoryKey;
  requests: StoredRequest;
  audit: AuditEntry;
  webhookEndpoints: MemoryEndpoint;
  webhookMessages: MemoryMessage;
  webhookDeliveries: MemoryDelivery;
  webhookAttempts: AttemptRow;
  webhookCounts: MemoryCounts;
  users: UserRow;
  userSessions: SessionRow;
  /** `generation`, by that one key. */
  texts: string;
  /** `last_revision`, `newest <workspace>`, `trimmed <workspace>`, `published <workspace>`, `webhook_no`. */
  numbers: number;
}

export type MemoryTables = { readonly [Name in keyof MemoryValues]: OverlayMap<MemoryValues[Name]> };
/** A copy of everything that was committed; rows are shared, because no row is ever changed in place. */
export type MemorySnapshot = {
  readonly [Name in keyof MemoryValues]: readonly (readonly [string, MemoryValues[Name]])[];
};

const NAMES: readonly (keyof MemoryValues)[] = [
  "workspaces",
  "connections",
  "agents",
  "tokens",
  "codes",
  "streams",
  "epochs",
  "records",
  "versions",
  "events",
  "samples",
  "lastSamples",
  "gaps",
  "rejects",
  "runs",
  "undecodable",
  "operations",
  "settings",
  "links",
  "settingsReports",
  "idempotencyKeys",
  "requests",
  "audit",
  "webhookEndpoints",
  "webhookMessages",
  "webhookDeliveries",
  "webhookAttempts",
  "webhookCounts",
  "users",
  "userSessions",
  "texts",
  "numbers",
];

export function memoryTables(snapshot?: MemorySnapshot): MemoryTables {
  return Object.fromEntries(
    NAMES.map((name) => [name, new OverlayMap<unknown>(snapshot?.[name])]),
  ) as unknown as MemoryTables;
}

export function snapshotOf(tables: MemoryTables): MemorySnapshot {
  return Object.fromEntries(
    NAMES.map((name) => [name, [...tables[name].committed]]),
  ) as unknown as MemorySnapshot;
}

export function commitAll(tables: MemoryTables): void {
  for (const name of NAMES) tables[name].commit();
}

export function rollbackAll(tables: MemoryTables): void {
  for (const name of NAMES) tables[name].rollback();
}

export function keyOf(...parts: readonly (string | number)[]): string {
  return JSON.stringify(parts);
}
