// Workspaces, connections, agents, tokens and enrolment codes: rows and the part of the store that keeps them.
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import type { ConnectionRow, Scope, WhenOffline } from "./store.ts";

export interface WorkspaceRow {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
}

/** What an administrator may change; absent members stay. */
export interface ConnectionChanges {
  /** null: none any more. */
  readonly customer?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly whenOffline?: WhenOffline;
}

export interface AgentRow {
  readonly id: string;
  readonly workspaceId: string;
  readonly name: string;
  /** Raw Ed25519 public key, base64url. */
  readonly publicKey: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | undefined;
  readonly quarantinedAtMs: number | undefined;
  readonly session: number;
  readonly instanceId: string | undefined;
  readonly version: string | undefined;
  readonly platform: string | undefined;
  readonly connectedAtMs: number | undefined;
  readonly lastSeenAtMs: number | undefined;
  readonly isOnline: boolean;
}

export type TokenKind = "workspace" | "connection" | "admin";

export interface TokenRow {
  readonly id: string;
  readonly kind: TokenKind;
  readonly workspaceId: string | undefined;
  readonly connectionId: string | undefined;
  readonly name: string;
  /** SHA-256 of the whole token, hex; the token itself is shown once and never stored. */
  readonly hash: string;
  /** First characters, for people. */
  readonly hint: string;
  readonly scopes: readonly string[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number | undefined;
  readonly revokedAtMs: number | undefined;
  /** Narrows a workspace's token; absent for all of its data. */
  readonly filter?: TokenFilter | undefined;
}

/** What a workspace's token may see; a connection must fit every member that is there. */
export interface TokenFilter {
  readonly connectionIds?: readonly string[];
  /** Labels that a connection must have, with these values. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly entities?: readonly string[];
}

export interface EnrollmentCodeRow {
  readonly id: string;
  readonly workspaceId: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  /** Connections that the enrolled agent will serve. */
  readonly connectionIds: readonly string[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly usedAtMs: number | undefined;
  readonly agentId: string | undefined;
}

/**
 * Workspaces, connections, agents, tokens and codes. Small and rarely written. Writes queue up with `ingest`: awaiting
 * one from within `ingest` would wait for itself. Creating what already exists throws DuplicateError.
 */
export interface Directory {
  createWorkspace(row: WorkspaceRow): Promise<void>;
  workspace(id: string): Promise<WorkspaceRow | undefined>;
  workspaces(): Promise<readonly WorkspaceRow[]>;
  /** @throws DuplicateError when the workspace has a connection of that name */
  createConnection(row: ConnectionRow): Promise<void>;
  connection(scope: Scope, id: string): Promise<ConnectionRow | undefined>;
  /** In order of creation, then id. */
  connections(scope: Scope): Promise<readonly ConnectionRow[]>;
  bindConnections(workspaceId: string, connectionIds: readonly string[], agentId: string): Promise<void>;
  /** Keeps the report and its `system`; the status is ingest's (`setConnectionStatus`). */
  putReport(report: ConnectionReport, atMs: number): Promise<void>;
  /** Keeps what the connection offers. Writes nothing where it is the same. */
  putDescription(description: ConnectionDescription): Promise<void>;
  /** Undefined when the workspace has no such connection; otherwise as it is then. */
  changeConnection(
    workspaceId: string,
    id: string,
    changes: ConnectionChanges,
  ): Promise<ConnectionRow | undefined>;
  /** Marks it and revokes its tokens, in one transaction. False when it is unknown or disconnected already. */
  disconnectConnection(workspaceId: string, id: string, atMs: number): Promise<boolean>;
  /** Revoked tokens stay dead. False when it is unknown or was not disconnected. */
  reconnectConnection(workspaceId: string, id: string): Promise<boolean>;
  /**
   * Takes a disconnected connection out of its workspace, with its agent's binding: nothing shows it any more, and its name
   * is free. What it held is removed by `Store.prune`. False when it is unknown or not disconnected.
   */
  deleteConnection(workspaceId: string, id: string): Promise<boolean>;
  createAgent(row: AgentRow): Promise<void>;
  /** By id alone: for the gateway, before any scope is known. */
  agentById(id: string): Promise<AgentRow | undefined>;
  /** With `connectionIds`, only the agents that serve one of them. In order of creation, then id. */
  agents(scope: Scope): Promise<readonly AgentRow[]>;
  connectionsOfAgent(agentId: string): Promise<readonly ConnectionRow[]>;
  /** Takes the next session number for the agent; every older session is fenced from then on. */
  claimSession(
    agentId: string,
    instanceId: string,
    version: string,
    platform: string,
    atMs: number,
  ): Promise<number>;
  /** Only when the session is still the newest. */
  endSession(agentId: string, session: number, atMs: number): Promise<void>;
  setAgentSeen(agentId: string, atMs: number): Promise<void>;
  /** False when the workspace has no such agent, or it is revoked already. */
  revokeAgent(workspaceId: string, agentId: string, atMs: number): Promise<boolean>;
  setAgentQuarantined(agentId: string, atMs: number | undefined): Promise<void>;
  createToken(row: TokenRow): Promise<void>;
  tokenByHash(hash: string): Promise<TokenRow | undefined>;
  tokens(workspaceId: string): Promise<readonly TokenRow[]>;
  /** False when there is no such token, or it is revoked already. Without a workspace, an operator means any token. */
  revokeToken(workspaceId: string | undefined, id: string, atMs: number): Promise<boolean>;
  createEnrollmentCode(row: EnrollmentCodeRow): Promise<void>;
  /** Single use: exactly one caller gets the row; later ones, and expired codes, get undefined. */
  useEnrollmentCode(hash: string, agentId: string, atMs: number): Promise<EnrollmentCodeRow | undefined>;
}
