// Values on their way into keys and cursors and back: JSON that loses nothing.
import type { SourceKey } from "../source/connector.ts";
import type { SourceValue } from "../source/plan.ts";
import type { SqlParameter, SqlRow } from "./dialect.ts";

export type CursorValue = string | number | null;

/** Marks bytes among texts; no key of a real source begins so. */
const BYTES = "\u0000x";

export function cursorValue(value: SourceValue): CursorValue {
  if (typeof value === "string" || value === null) return value;
  if (typeof value === "number") return value;
  return value instanceof Uint8Array ? BYTES + hex(value) : String(value);
}

export function parameterOf(value: CursorValue): SqlParameter {
  return typeof value === "string" && value.startsWith(BYTES) ? bytesOf(value.slice(BYTES.length)) : value;
}

export function keyOf(row: SqlRow, places: readonly number[]): SourceKey {
  return places.map((at) => keyText(row[at]!));
}

/** The value as exact text; bytes as `\x` and hex. */
export function keyText(value: SourceValue): string | null {
  if (typeof value === "string" || value === null) return value;
  return value instanceof Uint8Array ? `\\x${hex(value)}` : String(value);
}

function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at += 1)
    bytes[at] = Number.parseInt(text.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}
