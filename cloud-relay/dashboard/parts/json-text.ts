// JSON cut into pieces for showing: keys, texts and the rest.

export interface JsonPiece {
  readonly kind: "key" | "text" | "other" | "plain";
  readonly text: string;
}

/** Longer ones are cut: a browser cannot show millions of pieces. */
export const MAX_SHOWN_CHARACTERS = 200_000;
const PIECE = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|true|false|null/g;

/** Indented by two. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "undefined";
}

export function jsonPieces(text: string): readonly JsonPiece[] {
  const pieces: JsonPiece[] = [];
  let at = 0;
  for (const match of text.slice(0, MAX_SHOWN_CHARACTERS).matchAll(PIECE)) {
    if (match.index > at) pieces.push({ kind: "plain", text: text.slice(at, match.index) });
    const [whole, quoted, colon] = match;
    if (quoted === undefined) pieces.push({ kind: "other", text: whole });
    else {
      pieces.push({ kind: colon === undefined ? "text" : "key", text: quoted });
      if (colon !== undefined) pieces.push({ kind: "plain", text: colon });
    }
    at = match.index + whole.length;
  }
  const end = Math.min(text.length, MAX_SHOWN_CHARACTERS);
  if (end > at) pieces.push({ kind: "plain", text: text.slice(at, end) });
  return pieces;
}
