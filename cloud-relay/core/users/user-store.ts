// People who sign in to the dashboard, and their sessions: rows and the part of the store that keeps them.

/** `viewer` reads; `operator` also writes; `admin` also administers the workspace. */
export type Role = "viewer" | "operator" | "admin";

export interface UserRow {
  /** `usr_…` */
  readonly id: string;
  readonly workspaceId: string;
  /** Lower case; unique in the relay. */
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  /** As `PasswordHasher` wrote it. */
  readonly passwordHash: string;
  readonly createdAtMs: number;
  readonly disabledAtMs: number | undefined;
  readonly lastSignInAtMs: number | undefined;
}

export interface SessionRow {
  /** SHA-256 of the cookie's value, hex; the value itself is never stored. */
  readonly hash: string;
  readonly userId: string;
  /** Must come back in a header with whatever changes something. */
  readonly csrfToken: string;
  readonly createdAtMs: number;
  readonly seenAtMs: number;
  /** However much it is used. */
  readonly expiresAtMs: number;
}

export type UserChanges = Partial<Pick<UserRow, "name" | "role" | "passwordHash">> & {
  /** null: enabled. */
  readonly disabledAtMs?: number | null;
};

/** Small and rarely written. */
export interface UserStore {
  /** @throws DuplicateError when the address is taken */
  create(row: UserRow): Promise<void>;
  byId(id: string): Promise<UserRow | undefined>;
  byEmail(email: string): Promise<UserRow | undefined>;
  /** In order of creation. */
  list(workspaceId: string): Promise<readonly UserRow[]>;
  /**
   * With `endsSessions`, everybody who is signed in as this user is signed out in the same transaction. Undefined: there is no such
   * user in the workspace.
   */
  change(
    workspaceId: string,
    id: string,
    changes: UserChanges,
    endsSessions: boolean,
  ): Promise<UserRow | undefined>;
  /** With its sessions. False: there is none. */
  remove(workspaceId: string, id: string): Promise<boolean>;
  /** Also notes the sign-in at the user; the user's oldest sessions beyond `most` end. */
  openSession(row: SessionRow, most: number): Promise<void>;
  session(hash: string): Promise<SessionRow | undefined>;
  touchSession(hash: string, seenAtMs: number): Promise<void>;
  closeSession(hash: string): Promise<void>;
  /** Sessions that ended, or were not seen since `unseenMs`; how many. */
  pruneSessions(nowMs: number, unseenMs: number): Promise<number>;
}
