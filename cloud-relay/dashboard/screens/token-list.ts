// Tokens of one connection, and how each of them stands.

export interface ListedToken {
  readonly kind: string;
  readonly connection_id: string | null;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
}

export type TokenState = "valid" | "expired" | "revoked";

/** The newest first. */
export function tokensOf<Token extends ListedToken>(
  tokens: readonly Token[],
  connectionId: string,
): readonly Token[] {
  return tokens
    .filter(({ connection_id: own }) => own === connectionId)
    .toSorted((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
}

export function tokenState(token: ListedToken, nowMs: number): TokenState {
  if (token.revoked_at !== null) return "revoked";
  return token.expires_at !== null && Date.parse(token.expires_at) <= nowMs ? "expired" : "valid";
}

/** Of a date as a date field gives it, in the reader's own zone: what the API takes as an end. */
export function endOfDay(date: string): string {
  return new Date(`${date}T23:59:59`).toISOString();
}
