// Rows of the directory between columns and the port's types.
import type Database from "better-sqlite3";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { ConnectionRow, ConnectionState } from "../../core/store.ts";
import type { AgentRow, EnrollmentCodeRow, TokenFilter, TokenKind, TokenRow } from "../../core/directory.ts";

type Nullable<Row> = { readonly [Name in keyof Row]: Exclude<Row[Name], undefined> | NullFor<Row[Name]> };
type NullFor<Value> = undefined extends Value ? null : never;

/** After SELECT; takes the workspace's public id along. */
export const CONNECTION_COLUMNS = `c.id, w.id AS workspaceId, c.name, c.customer, c.environment, c.labels,
  c.agent_id AS agentId, c.system, c.created_ms AS createdAtMs, c.connected_ms AS connectedAtMs, c.state, c.reason,
  c.advice, c.status_ms AS statusAtMs, c.last_sync_ms AS lastSyncAtMs, c.report, c.kind, c.when_offline AS whenOffline,
  c.metadata, c.disconnected_ms AS disconnectedAtMs, c.description_no AS descriptionNo
  FROM connections c JOIN workspaces w USING (workspace_no)`;

type Parsed = "labels" | "metadata" | "report" | "description";
export type ConnectionColumns = Nullable<Omit<ConnectionRow, Parsed | "state" | "kind" | "whenOffline">> & {
  readonly state: ConnectionState;
  readonly kind: ConnectionRow["kind"];
  readonly whenOffline: ConnectionRow["whenOffline"];
  readonly labels: string;
  readonly metadata: string;
  readonly report: string | null;
  /** Of the description; grows when it changes, 0 while there is none. */
  readonly descriptionNo: number;
};

export function connectionRow(
  { descriptionNo, ...columns }: ConnectionColumns,
  descriptions: Descriptions,
): ConnectionRow {
  return {
    ...(known(columns) as ConnectionRow),
    labels: JSON.parse(columns.labels) as ConnectionRow["labels"],
    metadata: JSON.parse(columns.metadata) as ConnectionRow["metadata"],
    report: columns.report === null ? undefined : (JSON.parse(columns.report) as ConnectionRow["report"]),
    description: descriptions.of(columns.id, descriptionNo),
  };
}

/** Descriptions that are kept parsed; beyond it all are forgotten. */
const MAX_DESCRIPTIONS = 500;

/** Descriptions are long and rarely change: each is read and parsed once for each of its numbers. */
export class Descriptions {
  readonly #find: Database.Statement<[string], { readonly no: number; readonly text: string | null }>;
  readonly #kept = new Map<string, { readonly no: number; readonly description: ConnectionDescription }>();

  constructor(db: Database.Database) {
    this.#find = db.prepare("SELECT description_no AS no, description AS text FROM connections WHERE id = ?");
  }

  of(connectionId: string, no: number): ConnectionDescription | undefined {
    if (no === 0) return undefined;
    const kept = this.#kept.get(connectionId);
    if (kept?.no === no) return kept.description;
    const found = this.#find.get(connectionId);
    if (found === undefined || found.text === null) return undefined;
    const description = JSON.parse(found.text) as ConnectionDescription;
    if (this.#kept.size >= MAX_DESCRIPTIONS) this.#kept.clear();
    this.#kept.set(connectionId, { no: found.no, description });
    return description;
  }
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
  scopes, created_ms AS createdAtMs, expires_ms AS expiresAtMs, revoked_ms AS revokedAtMs, filter FROM tokens`;

export type TokenColumns = Nullable<Omit<TokenRow, "scopes" | "kind" | "filter">> & {
  readonly kind: TokenKind;
  readonly scopes: string;
  readonly filter: string | null;
};

export function tokenRow(columns: TokenColumns): TokenRow {
  const { filter, ...rest } = columns;
  return {
    ...(known(rest) as TokenRow),
    scopes: JSON.parse(columns.scopes) as string[],
    ...(filter !== null && { filter: JSON.parse(filter) as TokenFilter }),
  };
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
