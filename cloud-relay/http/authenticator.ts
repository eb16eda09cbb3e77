// From a bearer token to who is asking. Rows are remembered for less than a second, so that a revocation by another
// process is noticed; one made in this process is told by the bus and takes effect at once.
import type { Clock } from "#common/runtime/clock.ts";
import { subjects, type Bus } from "#relay/core/bus.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Directory, TokenRow } from "#relay/core/directory.ts";
import { isTokenText, narrowedTo, principalOf, type Entropy, type Principal } from "#relay/core/tokens.ts";

/** How long a token's row is believed without asking the store. */
const REMEMBER_MS = 900;
/** Tokens remembered at once; beyond it all are forgotten. */
const MAX_REMEMBERED = 10_000;
/** Subject for changes of tokens that belong to no workspace. */
export const OPERATOR_DIRECTORY = "operator";

interface Remembered {
  readonly row: TokenRow;
  readonly principal: Principal;
  readonly untilMs: number;
}

export interface AuthenticatorDeps {
  readonly directory: Directory;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly sha256Hex: Entropy["sha256Hex"];
}

export class Authenticator implements Disposable {
  readonly #deps: AuthenticatorDeps;
  readonly #remembered = new Map<string, Remembered>();
  readonly #subscriptions = new Map<string, () => void>();

  constructor(deps: AuthenticatorDeps) {
    this.#deps = deps;
  }

  /** Who holds the token of the header, if that is known without asking the store. */
  remembered(header: string | undefined): Principal | undefined {
    if (header === undefined) return undefined;
    const entry = this.#remembered.get(header);
    if (entry === undefined || entry.untilMs <= this.#deps.clock.monotonicMs()) return undefined;
    const { expiresAtMs } = entry.row;
    return expiresAtMs !== undefined && expiresAtMs <= this.#deps.clock.nowMs() ? undefined : entry.principal;
  }

  /** @throws Problem AUTHENTICATION_REQUIRED, AUTHENTICATION_FAILED, TOKEN_EXPIRED or TOKEN_REVOKED */
  async authenticate(header: string | undefined): Promise<Principal> {
    const known = this.remembered(header);
    if (known !== undefined) return known;
    const token = bearerToken(header);
    const askedAtMs = this.#deps.clock.monotonicMs();
    const row = await this.#deps.directory.tokenByHash(this.#deps.sha256Hex(token));
    if (row === undefined) {
      throw refused(
        "The token is well formed, but this relay does not know it. Was it made by another relay?",
      );
    }
    const unbound = principalOf(row, this.#deps.clock.nowMs());
    const { workspaceId, filter } = row;
    const principal =
      unbound.isNarrowed && workspaceId !== undefined
        ? narrowedTo(unbound, filter, await this.#deps.directory.connections({ workspaceId }))
        : unbound;
    this.#remember(header ?? "", { row, principal, untilMs: askedAtMs + REMEMBER_MS });
    return principal;
  }

  [Symbol.dispose](): void {
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe();
    this.#subscriptions.clear();
    this.#remembered.clear();
  }

  #remember(header: string, entry: Remembered): void {
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(header, entry);
    const subject = subjects.directory(entry.row.workspaceId ?? OPERATOR_DIRECTORY);
    if (this.#subscriptions.has(subject)) return;
    this.#subscriptions.set(
      subject,
      this.#deps.bus.subscribe(subject, () => this.#remembered.clear()),
    );
  }
}

function bearerToken(header: string | undefined): string {
  if (header === undefined || header.trim() === "") {
    throw new Problem(
      "AUTHENTICATION_REQUIRED",
      "The request has no Authorization header. Send `Authorization: Bearer <token>`; `millrace-relay token create` makes a token.",
    );
  }
  const match = /^Bearer +(\S+) *$/i.exec(header);
  const token = match?.[1];
  if (token === undefined) {
    throw refused("The Authorization header is not of the form `Bearer <token>`.");
  }
  if (!isTokenText(token)) {
    throw refused(
      "That is not a token of Millrace: they begin with mr_live_, mr_test_, mr_ws_ or mr_admin_ and carry a checksum. Copy the whole token again.",
    );
  }
  return token;
}

function refused(detail: string): Problem {
  return new Problem("AUTHENTICATION_FAILED", detail);
}
