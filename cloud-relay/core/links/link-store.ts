// The part of the store that keeps connection links: pages that lead people at a plant through connecting it.

export interface ConnectionLinkRow {
  readonly id: string;
  readonly workspaceId: string;
  readonly connectionId: string;
  /** SHA-256 of the link's token, hex; the token itself is shown once and never stored. */
  readonly hash: string;
  /** The enrolment code that goes with it. */
  readonly codeId: string;
  /** Name of the pack that the settings fragment is for. */
  readonly system: string | undefined;
  /** Where the workspace wants to be told of events. */
  readonly webhookUrl: string | undefined;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly revokedAtMs: number | undefined;
}

export interface LinkStore {
  create(row: ConnectionLinkRow): Promise<void>;
  /** By the hash alone: whoever has the link may see its page. None once its connection is deleted. */
  byHash(hash: string): Promise<ConnectionLinkRow | undefined>;
  /** In order of creation, then id; those of deleted connections are left out. */
  list(workspaceId: string): Promise<readonly ConnectionLinkRow[]>;
  /** With its enrolment code. False when it is unknown or revoked already. */
  revoke(workspaceId: string, id: string, atMs: number): Promise<boolean>;
}
