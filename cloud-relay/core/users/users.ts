// Users of a workspace: made, changed, signed in and out. A session answers the API as a token of its workspace would.
import { invalidRequest, workspaceById } from "../administration.ts";
import { newId } from "../identifiers.ts";
import { Problem, type ProblemIssue } from "../problem.ts";
import { DuplicateError, type Store } from "../store.ts";
import { base62Random, type Entropy, type Principal, type TokenScope } from "../tokens.ts";
import { SignInGuard } from "./sign-in-guard.ts";
import type { Role, SessionRow, UserRow } from "./user-store.ts";

export interface PasswordHasher {
  /** Parameters and salt are part of the text. */
  hash(password: string): Promise<string>;
  /** Takes its time for `undefined` too: nobody can tell from it whether there is such a user. */
  verify(password: string, hash: string | undefined): Promise<boolean>;
}

export interface UsersDeps {
  readonly store: Pick<Store, "users" | "directory">;
  readonly entropy: Entropy;
  readonly passwords: PasswordHasher;
  nowMs(): number;
  /** Who is signed in, or may be, is not what it was. */
  changed(workspaceId: string): void;
}

export interface NewUser {
  readonly workspaceId: string;
  readonly email: string;
  readonly name?: string | undefined;
  readonly role: Role;
  /** Made up where it is not given. */
  readonly password?: string | undefined;
}

export interface SignedIn {
  readonly user: UserRow;
  readonly session: SessionRow;
}

export const ROLES: readonly Role[] = ["viewer", "operator", "admin"];
const SCOPES_OF: Record<Role, readonly TokenScope[]> = {
  viewer: ["read"],
  operator: ["read", "write"],
  admin: ["read", "write", "admin"],
};
export const MIN_PASSWORD_CHARS = 10;
export const MAX_PASSWORD_CHARS = 200;
/** A session ends after this, and when it was not used for that long. */
const SESSION_MS = 7 * 24 * 3_600_000;
const IDLE_MS = 12 * 3_600_000;
/** How exactly it is known when a session was used last. */
const TOUCH_MS = 5 * 60_000;
const MAX_SESSIONS = 20;
const MAX_USERS = 500;
/** Of 62 possible ones each: 256 and 119 bits. */
const SECRET_CHARS = 43;
const MADE_UP_CHARS = 20;
const EMAIL = /^[^\s@"'<>,;]{1,64}@[^\s@"'<>,;]{1,190}$/;

export class Users {
  readonly #deps: UsersDeps;
  readonly #guard = new SignInGuard();

  constructor(deps: UsersDeps) {
    this.#deps = deps;
  }

  /** The password is in the answer only where it was made up. @throws Problem NOT_FOUND, CONFLICT, INVALID_REQUEST */
  async create(input: NewUser): Promise<{ readonly user: UserRow; readonly password: string | undefined }> {
    const { store, entropy, passwords } = this.#deps;
    await workspaceById(store.directory, input.workspaceId);
    const email = input.email.trim().toLowerCase();
    const issues: ProblemIssue[] = [];
    if (!EMAIL.test(email)) issues.push({ pointer: "#/email", detail: "must be an e-mail address" });
    if (input.password !== undefined) issues.push(...passwordIssues(input.password));
    if (issues.length > 0) throw invalidRequest("The user cannot be made", issues);
    if ((await store.users.list(input.workspaceId)).length >= MAX_USERS)
      throw new Problem(
        "CONFLICT",
        `The workspace has ${MAX_USERS} users, which is as many as there can be.`,
      );
    const madeUp = input.password === undefined ? this.newPassword() : undefined;
    const createdAtMs = this.#deps.nowMs();
    const user: UserRow = {
      id: newId("usr", createdAtMs, entropy.randomBytes),
      workspaceId: input.workspaceId,
      email,
      name: input.name?.trim() || (email.split("@")[0] ?? email),
      role: input.role,
      passwordHash: await passwords.hash(input.password ?? madeUp ?? ""),
      createdAtMs,
      disabledAtMs: undefined,
      lastSignInAtMs: undefined,
    };
    try {
      await store.users.create(user);
    } catch (error) {
      if (!(error instanceof DuplicateError)) throw error;
      throw new Problem("CONFLICT", `There is a user ${email} already.`);
    }
    return { user, password: madeUp };
  }

  newPassword(): string {
    return this.#secret(MADE_UP_CHARS);
  }

  list(workspaceId: string): Promise<readonly UserRow[]> {
    return this.#deps.store.users.list(workspaceId);
  }

  /** A new role, password or being disabled signs the user out everywhere. @throws Problem NOT_FOUND, CONFLICT, INVALID_REQUEST */
  async change(
    workspaceId: string,
    id: string,
    changes: {
      readonly name?: string | undefined;
      readonly role?: Role | undefined;
      readonly password?: string | undefined;
      readonly disabled?: boolean | undefined;
    },
  ): Promise<UserRow> {
    const { store, passwords } = this.#deps;
    const { name, role, password, disabled } = changes;
    const issues = password === undefined ? [] : passwordIssues(password);
    if (issues.length > 0) throw invalidRequest("The user cannot be changed", issues);
    if (disabled === true || (role !== undefined && role !== "admin"))
      await this.#keepAnAdmin(workspaceId, id);
    const passwordHash = password === undefined ? undefined : await passwords.hash(password);
    const disabledAtMs = disabled === undefined ? undefined : disabled ? this.#deps.nowMs() : null;
    const endsSessions = role !== undefined || password !== undefined || disabled === true;
    const user = await store.users.change(
      workspaceId,
      id,
      {
        ...(name === undefined ? {} : { name }),
        ...(role === undefined ? {} : { role }),
        ...(passwordHash === undefined ? {} : { passwordHash }),
        ...(disabledAtMs === undefined ? {} : { disabledAtMs }),
      },
      endsSessions,
    );
    if (user === undefined) throw notFound(id);
    if (endsSessions) this.#deps.changed(workspaceId);
    return user;
  }

  /** @throws Problem NOT_FOUND, CONFLICT for the last admin */
  async remove(workspaceId: string, id: string): Promise<void> {
    await this.#keepAnAdmin(workspaceId, id);
    if (!(await this.#deps.store.users.remove(workspaceId, id))) throw notFound(id);
    this.#deps.changed(workspaceId);
  }

  /** `place`: where it comes from. The cookie's value is in the answer only. @throws Problem AUTHENTICATION_FAILED, RATE_LIMIT_EXCEEDED */
  async signIn(
    email: string,
    password: string,
    place: string,
  ): Promise<SignedIn & { readonly cookie: string }> {
    const { store, entropy, passwords } = this.#deps;
    const address = email.trim().toLowerCase();
    const waitMs = this.#guard.waitMs(address, place, this.#deps.nowMs());
    if (waitMs > 0) {
      const retryAfterSeconds = Math.ceil(waitMs / 1_000);
      throw new Problem(
        "RATE_LIMIT_EXCEEDED",
        `Too many attempts failed. Try again in ${Math.ceil(retryAfterSeconds / 60)} minutes, or have an admin set a new password.`,
        { retryAfterSeconds },
      );
    }
    const user = await store.users.byEmail(address);
    const isRight = await passwords.verify(password, user?.passwordHash);
    if (user === undefined || !isRight || user.disabledAtMs !== undefined) {
      this.#guard.failed(address, place, this.#deps.nowMs());
      throw new Problem("AUTHENTICATION_FAILED", "The e-mail address or the password is not right.");
    }
    this.#guard.succeeded(address);
    const nowMs = this.#deps.nowMs();
    const cookie = this.#secret(SECRET_CHARS);
    const session: SessionRow = {
      hash: entropy.sha256Hex(cookie),
      userId: user.id,
      csrfToken: this.#secret(SECRET_CHARS),
      createdAtMs: nowMs,
      seenAtMs: nowMs,
      expiresAtMs: nowMs + SESSION_MS,
    };
    await store.users.openSession(session, MAX_SESSIONS);
    return { user: { ...user, lastSignInAtMs: nowMs }, session, cookie };
  }

  /** Who is signed in by this cookie; undefined: nobody, any more. */
  async signedIn(cookie: string): Promise<SignedIn | undefined> {
    const { store, entropy } = this.#deps;
    const nowMs = this.#deps.nowMs();
    const session = await store.users.session(entropy.sha256Hex(cookie));
    if (session === undefined || session.expiresAtMs <= nowMs || session.seenAtMs <= nowMs - IDLE_MS)
      return undefined;
    const user = await store.users.byId(session.userId);
    if (user === undefined || user.disabledAtMs !== undefined) return undefined;
    if (nowMs - session.seenAtMs > TOUCH_MS) await store.users.touchSession(session.hash, nowMs);
    return { user, session };
  }

  async signOut({ user, session }: SignedIn): Promise<void> {
    await this.#deps.store.users.closeSession(session.hash);
    this.#deps.changed(user.workspaceId);
  }

  /** Sets the user's own password; every other session ends too. @throws Problem AUTHENTICATION_FAILED, INVALID_REQUEST */
  async changeOwnPassword({ user }: SignedIn, current: string, wanted: string, place: string): Promise<void> {
    const { passwords } = this.#deps;
    const isRight =
      this.#guard.waitMs(user.email, place, this.#deps.nowMs()) === 0 &&
      (await passwords.verify(current, user.passwordHash));
    if (!isRight) {
      this.#guard.failed(user.email, place, this.#deps.nowMs());
      throw new Problem("AUTHENTICATION_FAILED", "The current password is not right.");
    }
    await this.change(user.workspaceId, user.id, { password: wanted });
  }

  prune(): Promise<number> {
    const nowMs = this.#deps.nowMs();
    return this.#deps.store.users.pruneSessions(nowMs, nowMs - IDLE_MS);
  }

  /** @throws Problem CONFLICT: nobody else could administer the workspace in the dashboard */
  async #keepAnAdmin(workspaceId: string, id: string): Promise<void> {
    const users = await this.#deps.store.users.list(workspaceId);
    const admins = users.filter(({ role, disabledAtMs }) => role === "admin" && disabledAtMs === undefined);
    if (admins.length !== 1 || admins[0]?.id !== id) return;
    throw new Problem("CONFLICT", "This is the workspace's last admin. Make another one first.");
  }

  #secret(chars: number): string {
    return base62Random(chars, this.#deps.entropy);
  }
}

/** What a signed-in user may do, in the terms of tokens. */
export function principalOfUser({ id, workspaceId, role }: UserRow): Principal {
  return {
    tokenId: id,
    kind: "workspace",
    scope: { workspaceId },
    scopes: SCOPES_OF[role],
    isNarrowed: false,
  };
}

function passwordIssues(password: string): readonly ProblemIssue[] {
  if (password.length >= MIN_PASSWORD_CHARS && password.length <= MAX_PASSWORD_CHARS) return [];
  const detail = `must have from ${MIN_PASSWORD_CHARS} to ${MAX_PASSWORD_CHARS} characters`;
  return [{ pointer: "#/password", detail }];
}

function notFound(id: string): Problem {
  return new Problem("NOT_FOUND", `There is no user ${id} in this workspace.`);
}
