// From the dashboard's cookie to who is asking. Sessions are remembered for less than a second, as tokens are.
import type { FastifyRequest } from "fastify";
import type { Clock } from "#common/runtime/clock.ts";
import { subjects, type Bus } from "#relay/core/bus.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Principal } from "#relay/core/tokens.ts";
import { principalOfUser, type SignedIn, type Users } from "#relay/core/users/users.ts";

export const SESSION_COOKIE = "mr_session";
const CSRF_HEADER = "x-csrf-token";
const REMEMBER_MS = 900;
const MAX_REMEMBERED = 1_000;
/** What we made ourselves is no longer. */
const MAX_COOKIE_CHARS = 200;
const COOKIE = new RegExp(`(?:^|;\\s*)${SESSION_COOKIE}=([A-Za-z0-9_-]{1,${MAX_COOKIE_CHARS}})(?:;|$)`);
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

interface Remembered {
  readonly signedIn: SignedIn;
  readonly principal: Principal;
  readonly untilMs: number;
}

export interface SessionAuthenticatorDeps {
  readonly users: Users;
  readonly bus: Bus;
  readonly clock: Clock;
  /** Where people reach the relay; undefined: by the Host of the request. */
  readonly publicUrl: string | undefined;
}

export class SessionAuthenticator implements Disposable {
  readonly #deps: SessionAuthenticatorDeps;
  readonly #remembered = new Map<string, Remembered>();
  readonly #subscriptions = new Map<string, () => void>();

  constructor(deps: SessionAuthenticatorDeps) {
    this.#deps = deps;
  }

  /** Whether the request comes with a session instead of a token. */
  isSession({ headers }: FastifyRequest): boolean {
    return headers.authorization === undefined && COOKIE.test(headers.cookie ?? "");
  }

  /** @throws Problem AUTHENTICATION_REQUIRED when the session has ended; INSUFFICIENT_SCOPE for a change that does not come from the dashboard */
  async authenticate(request: FastifyRequest): Promise<Principal> {
    const { signedIn, principal } = await this.#session(request);
    if (!SAFE_METHODS.has(request.method)) this.#checkOurs(request, signedIn);
    return principal;
  }

  /** For what a session does to itself. @throws as `authenticate` */
  async signedIn(request: FastifyRequest): Promise<SignedIn> {
    const { signedIn } = await this.#session(request);
    if (!SAFE_METHODS.has(request.method)) this.#checkOurs(request, signedIn);
    return signedIn;
  }

  /** Pages of others cannot make a browser change something here. @throws Problem INSUFFICIENT_SCOPE */
  checkOrigin({ headers }: FastifyRequest): void {
    const { origin, host } = headers;
    const { publicUrl } = this.#deps;
    if (origin === undefined || hostOf(origin) === host) return;
    if (publicUrl !== undefined && hostOf(origin) === hostOf(publicUrl)) return;
    throw new Problem("INSUFFICIENT_SCOPE", "The request comes from a page of another site.");
  }

  forget(): void {
    this.#remembered.clear();
  }

  [Symbol.dispose](): void {
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe();
    this.#subscriptions.clear();
    this.#remembered.clear();
  }

  async #session({ headers }: FastifyRequest): Promise<Remembered> {
    const cookie = COOKIE.exec(headers.cookie ?? "")?.[1];
    if (cookie === undefined) throw signedOut();
    const { clock, users } = this.#deps;
    const nowMs = clock.monotonicMs();
    const known = this.#remembered.get(cookie);
    if (known !== undefined && known.untilMs > nowMs) return known;
    const signedIn = await users.signedIn(cookie);
    if (signedIn === undefined) {
      this.#remembered.delete(cookie);
      throw signedOut();
    }
    const fresh = { signedIn, principal: principalOfUser(signedIn.user), untilMs: nowMs + REMEMBER_MS };
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(cookie, fresh);
    this.#follow(signedIn.user.workspaceId);
    return fresh;
  }

  #follow(workspaceId: string): void {
    const subject = subjects.directory(workspaceId);
    if (this.#subscriptions.has(subject)) return;
    this.#subscriptions.set(
      subject,
      this.#deps.bus.subscribe(subject, () => this.forget()),
    );
  }

  #checkOurs(request: FastifyRequest, { session }: SignedIn): void {
    this.checkOrigin(request);
    if (request.headers[CSRF_HEADER] === session.csrfToken) return;
    throw new Problem(
      "INSUFFICIENT_SCOPE",
      `A change within a session needs its csrf_token in the header ${CSRF_HEADER}; GET /v1/session tells it. Programs use tokens, which need none.`,
    );
  }
}

function signedOut(): Problem {
  return new Problem("AUTHENTICATION_REQUIRED", "You are not signed in, or not any more. Sign in again.");
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined;
}
