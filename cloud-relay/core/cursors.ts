// Opaque positions in lists and in the feed. A cursor carries the store's generation, so that one from a history that
// was replaced by a restore is refused, and a fingerprint of the query, so that it is not used with another one.
import { Problem } from "./problem.ts";

export type CursorKind = "records" | "feed" | "page";

export interface Cursor {
  readonly kind: CursorKind;
  readonly generation: string;
  /** A revision or feed position; for `page` cursors whatever the list orders by. */
  readonly position: string;
  readonly fingerprint: string;
}

const VERSION = "1";
const KIND_LETTERS: Readonly<Record<CursorKind, string>> = { records: "r", feed: "f", page: "p" };
const MAX_CURSOR_CHARS = 1_000;
const SEPARATOR = "|";

export function encodeCursor(cursor: Cursor): string {
  const parts = [
    VERSION + KIND_LETTERS[cursor.kind],
    cursor.generation,
    cursor.fingerprint,
    encodeURIComponent(cursor.position),
  ];
  return btoa(parts.join(SEPARATOR)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * @throws Problem INVALID_CURSOR when it is no cursor of this kind and query, CURSOR_EXPIRED when the store was
 * replaced since it was made
 */
export function decodeCursor(text: string, expected: Omit<Cursor, "position">): string {
  const [head, generation, fingerprint, position, ...rest] = plainText(text).split(SEPARATOR);
  if (head?.slice(0, 1) !== VERSION || position === undefined || rest.length > 0) throw notACursor();
  if (head !== VERSION + KIND_LETTERS[expected.kind]) {
    throw invalid("The cursor comes from another kind of list. Use it only with the list that returned it.");
  }
  if (generation !== expected.generation) {
    throw new Problem(
      "CURSOR_EXPIRED",
      "The relay's store was restored or replaced since this cursor was made. Start again without `cursor`; revisions tell what you already have.",
    );
  }
  if (fingerprint !== expected.fingerprint) {
    throw invalid(
      "The cursor was made by a query with other filters. Repeat the filters of the first page, or start without `cursor`.",
    );
  }
  return decodePosition(position);
}

/** A revision out of a cursor's position. @throws Problem INVALID_CURSOR */
export function cursorRevision(position: string): number {
  const revision = Number(position);
  if (!/^\d{1,16}$/.test(position) || !Number.isSafeInteger(revision)) throw notACursor();
  return revision;
}

/** FNV-1a, 32 bits, hex: a guard against mistakes, not against malice (scopes guard against that). */
export function fingerprint(parts: readonly (string | number | boolean | undefined)[]): string {
  const text = JSON.stringify(parts.map((part) => part ?? null));
  let hash = 0x81_1c_9d_c5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01_00_01_93);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}

function plainText(text: string): string {
  if (text.length > MAX_CURSOR_CHARS || !/^[A-Za-z0-9_-]+$/.test(text)) throw notACursor();
  try {
    return atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw notACursor();
  }
}

function decodePosition(position: string): string {
  try {
    return decodeURIComponent(position);
  } catch {
    throw notACursor();
  }
}

function notACursor(): Problem {
  return invalid(
    "That is not a cursor of this API. Pass `next_cursor` exactly as an answer gave it, or start without `cursor`.",
  );
}

function invalid(detail: string): Problem {
  return new Problem("INVALID_CURSOR", detail, { errors: [{ pointer: "#/query/cursor", detail }] });
}
