// Pages of lists: reading `limit` and `cursor`, and cutting a page so that nothing is skipped or repeated.
import { decodeCursor, encodeCursor, type Cursor } from "#relay/core/cursors.ts";
import type { Store } from "#relay/core/store.ts";

export const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 200;

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly nextCursor: string | null;
}

export interface CursorContext {
  readonly generation: string;
  readonly fingerprint: string;
}

/** Where the query's cursor points, or undefined without one. @throws Problem INVALID_CURSOR, CURSOR_EXPIRED */
export function cursorPosition(
  text: string | undefined,
  kind: Cursor["kind"],
  context: CursorContext,
): string | undefined {
  return text === undefined ? undefined : decodeCursor(text, { kind, ...context });
}

export async function cursorContext(store: Store, fingerprint: string): Promise<CursorContext> {
  return { generation: await store.generation(), fingerprint };
}

/** For short lists that are at hand in full: the page after the row whose key the cursor names. */
export function pageOf<Row>(
  all: readonly Row[],
  keyOf: (row: Row) => string,
  query: { readonly limit?: number; readonly cursor?: string },
  context: CursorContext,
): Page<Row> {
  const limit = query.limit ?? DEFAULT_LIMIT;
  const after = cursorPosition(query.cursor, "page", context);
  const start = after === undefined ? 0 : all.findIndex((row) => keyOf(row) === after) + 1;
  const rows = all.slice(start, start + limit);
  const last = rows.at(-1);
  const more = last !== undefined && start + limit < all.length;
  return {
    rows,
    nextCursor: more ? encodeCursor({ kind: "page", position: keyOf(last), ...context }) : null,
  };
}

/** How many rows a page may grow to when more than `limit` share one instant. */
const MAX_TIED_ROWS = 10_000;

/**
 * A page of rows that are ordered by an instant only: it ends between two instants, never inside one, so that the next
 * page can go on strictly after it. `read` gets how many rows to fetch.
 */
export async function pageByInstant<Row>(
  limit: number,
  read: (limit: number) => Promise<readonly Row[]>,
  instantOf: (row: Row) => number,
): Promise<{ readonly rows: readonly Row[]; readonly lastMs: number | undefined }> {
  const rows = await read(limit + 1);
  const next = rows[limit];
  if (next === undefined) return { rows, lastMs: undefined };
  const cut = rows.filter((row) => instantOf(row) < instantOf(next));
  const last = cut.at(-1);
  if (last !== undefined) return { rows: cut, lastMs: instantOf(last) };
  const tied = (await read(MAX_TIED_ROWS)).filter((row) => instantOf(row) === instantOf(next));
  return { rows: tied, lastMs: instantOf(next) };
}
