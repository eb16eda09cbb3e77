// Rows of the directory between columns and the port's types.
import type {
  AgentRow,
  ConnectionRow,
  ConnectionState,
  EnrollmentCodeRow,
  TokenKind,
  TokenRow,
} from "../../core/store.ts";

type Nullable<Row> = { readonly [Name in keyof Row]: Exclude<Row[Name], undefined> | NullFor<Row[Name]> };
type NullFor<Value> = undefined extends Value ? null : never;

/** After SELECT; takes the workspace's public id along. */
export const CONNECTION_COLUMNS = `c.id, w.id AS workspaceId, c.name, c.customer, c.environment, c.labels,
  c.agent_id AS agentId, c.system, c.created_ms AS createdAtMs, c.connected_ms AS connectedAtMs, c.state, c.reason,
  c.advice, c.status_ms AS statusAtMs, c.last_sync_ms AS lastSyncAtMs, c.report
  FROM connections c JOIN workspaces w USING (workspace_no)`;

export type ConnectionColumns = Nullable<Omit<ConnectionRow, "labels" | "report" | "state">> & {
  readonly state: ConnectionState;
  readonly labels: string;
  readonly report: string | null;
};

export function connectionRow(columns: ConnectionColumns): ConnectionRow {
  return {
    ...(known(columns) as ConnectionRow),
    labels: JSON.parse(columns.labels) as ConnectionRow["labels"],
    report: columns.report === null ? undefined : (JSON.parse(columns.report) as ConnectionRow["report"]),
  };
}

export const AGENT_COLUMNS = `a.id, w.id AS workspaceId, a.name, a.public_key AS publicKey, a.created_ms AS createdAtMs,
  a.revoked_ms AS revokedAtMs, a.quarantined_ms AS quarantinedAtMs, a.session, a.instance_id AS instanceId, a.version,
  a.platform, a.connected_ms AS connectedAtMs, a.last_seen_ms AS lastSeenAtMs, a.is_online AS isOnline
  FROM agents a JOIN workspaces w USING (workspace_no)`;

export type AgentColumns = Nullable<Omit<AgentRow, "isOnline">> & { readonly isOnline: number };

export function agentRow(columns: AgentColumns): AgentRow {
  return { ...(known(columns) as AgentRow), isOnline: columns.isOnline === 1 };
}

export const TOKEN_COLUMNS = `id, kind, workspace_id AS workspaceId, connection_id AS connectionId, name, hash, hint,
  scopes, created_ms AS createdAtMs, expires_ms AS expiresAtMs, revoked_ms AS revokedAtMs FROM tokens`;

export type TokenColumns = Nullable<Omit<TokenRow, "scopes" | "kind">> & {
  readonly kind: TokenKind;
  readonly scopes: string;
};

export function tokenRow(columns: TokenColumns): TokenRow {
  return { ...(known(columns) as TokenRow), scopes: JSON.parse(columns.scopes) as string[] };
}

export const CODE_COLUMNS = `id, workspace_id AS workspaceId, hash, connection_ids AS connectionIds,
  created_ms AS createdAtMs, expires_ms AS expiresAtMs, used_ms AS usedAtMs, agent_id AS agentId`;

export type CodeColumns = Nullable<Omit<EnrollmentCodeRow, "connectionIds">> & {
  readonly connectionIds: string;
};

export function codeRow(columns: CodeColumns): EnrollmentCodeRow {
  return {
    ...(known(columns) as EnrollmentCodeRow),
    connectionIds: JSON.parse(columns.connectionIds) as string[],
  };
}

/** Columns that are NULL become members that are undefined. */
function known(columns: object): object {
  return Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, value ?? undefined]));
}
