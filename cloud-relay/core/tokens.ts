// API tokens: how they look, how they are made, and what a token lets its holder see.
import { crc32 } from "./crc32.ts";
import { Problem } from "./problem.ts";
import type { TokenFilter, TokenKind, TokenRow } from "./directory.ts";
import type { ConnectionRow, Scope } from "./store.ts";

/** What minting needs from the outside: the core has neither randomness nor hashing of its own. */
export interface Entropy {
  readonly randomBytes: (count: number) => Uint8Array;
  /** SHA-256 of the UTF-8 text, hex. */
  readonly sha256Hex: (text: string) => string;
}

/** A new token: the row is stored, the text is shown once. */
export interface MintedToken {
  readonly token: string;
  readonly row: TokenRow;
}

export const TOKEN_SCOPES = ["read", "write", "admin"] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** Who is asking. `scope` is absent for the operator's admin tokens, which belong to no workspace. */
export interface Principal {
  readonly tokenId: string;
  readonly kind: TokenKind;
  readonly scope: Scope | undefined;
  readonly scopes: readonly string[];
  /** Entities that it may see; absent: all. */
  readonly entities?: readonly string[];
  /** Whether it sees some connections of its workspace only, by the token's filter. */
  readonly isNarrowed: boolean;
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARS = 32;
const CHECK_CHARS = 6;
const TOKEN = /^(mr_live|mr_test|mr_ws|mr_admin)_([0-9A-Za-z]{38})$/;
/** Longer header values are not looked at. */
const MAX_TOKEN_CHARS = 64;

/** Live for production, test for every other environment of a connection. */
export function tokenPrefix(kind: TokenKind, environment: string | undefined): string {
  if (kind === "admin") return "mr_admin_";
  if (kind === "workspace") return "mr_ws_";
  return environment === undefined || environment === "production" ? "mr_live_" : "mr_test_";
}

/** `<prefix><32 base62 random><6 base62 CRC-32 of what stands before>` */
export function tokenText(prefix: string, entropy: Entropy): string {
  const head = prefix + base62Random(RANDOM_CHARS, entropy);
  return head + checkDigits(head);
}

/** Whether the text has a token's shape and its checksum is right. Says nothing about whether it exists. */
export function isTokenText(text: string): boolean {
  if (text.length > MAX_TOKEN_CHARS || !TOKEN.test(text)) return false;
  const head = text.slice(0, -CHECK_CHARS);
  return checkDigits(head) === text.slice(-CHECK_CHARS);
}

/** @throws Problem TOKEN_REVOKED or TOKEN_EXPIRED */
export function principalOf(row: TokenRow, nowMs: number): Principal {
  if (row.revokedAtMs !== undefined && row.revokedAtMs <= nowMs) {
    const at = new Date(row.revokedAtMs).toISOString();
    throw new Problem("TOKEN_REVOKED", `The token ${row.hint}… was revoked at ${at}. Ask for a new one.`);
  }
  if (row.expiresAtMs !== undefined && row.expiresAtMs <= nowMs) {
    const at = new Date(row.expiresAtMs).toISOString();
    throw new Problem("TOKEN_EXPIRED", `The token ${row.hint}… expired at ${at}. Ask for a new one.`);
  }
  const { entities, connectionIds, labels } = row.filter ?? {};
  return {
    tokenId: row.id,
    kind: row.kind,
    scope: scopeOf(row),
    scopes: row.scopes,
    ...(entities !== undefined && { entities }),
    isNarrowed: connectionIds !== undefined || labels !== undefined,
  };
}

/** The principal's scope narrowed to the connections that fit the token's filter as they are now. */
export function narrowedTo(
  principal: Principal,
  filter: TokenFilter | undefined,
  connections: readonly ConnectionRow[],
): Principal {
  if (!principal.isNarrowed || principal.scope === undefined || filter === undefined) return principal;
  const connectionIds = connections.filter((row) => fits(row, filter)).map(({ id }) => id);
  return { ...principal, scope: { ...principal.scope, connectionIds } };
}

function fits({ id, labels }: ConnectionRow, filter: TokenFilter): boolean {
  if (filter.connectionIds?.includes(id) === false) return false;
  return Object.entries(filter.labels ?? {}).every(([name, value]) => labels[name] === value);
}

function scopeOf(row: TokenRow): Scope | undefined {
  if (row.kind === "admin" || row.workspaceId === undefined) return undefined;
  if (row.kind === "workspace") {
    // Until its connections are known (`narrowedTo`), a narrowed token sees none.
    const { connectionIds, labels } = row.filter ?? {};
    const isNarrowed = connectionIds !== undefined || labels !== undefined;
    return { workspaceId: row.workspaceId, ...(isNarrowed && { connectionIds: [] }) };
  }
  return { workspaceId: row.workspaceId, connectionIds: [row.connectionId ?? ""] };
}

function checkDigits(head: string): string {
  let value = crc32(head);
  let digits = "";
  for (let index = 0; index < CHECK_CHARS; index += 1) {
    digits = (ALPHABET[value % 62] ?? "") + digits;
    value = Math.floor(value / 62);
  }
  return digits;
}

/** Rejection sampling, so that every character is equally likely. */
export function base62Random(chars: number, entropy: Entropy): string {
  let text = "";
  while (text.length < chars) {
    for (const byte of entropy.randomBytes(chars)) {
      if (byte < 248 && text.length < chars) text += ALPHABET[byte % 62] ?? "";
    }
  }
  return text;
}
