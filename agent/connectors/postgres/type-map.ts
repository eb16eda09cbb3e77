// PostgreSQL's own text of each value into exact values; nothing passes through a JavaScript Date or a float unasked.
import type { SourceValue } from "#agent/core/source/plan.ts";

/** Object ids of the built-in types, fixed for ever (src/include/catalog/pg_type.dat). */
const BOOL = 16;
const BYTEA = 17;
const INT2 = 21;
const INT4 = 23;
const FLOAT4 = 700;
const FLOAT8 = 701;
const TIMESTAMP = 1114;
const TIMESTAMPTZ = 1184;

/**
 * int8, numeric, date, json, arrays, enums, and anything unknown stay the text that the server wrote. The session must
 * run with DateStyle ISO, TimeZone UTC and bytea_output hex.
 */
export function exactValue(text: string | null, typeId: number): SourceValue {
  if (text === null) return null;
  switch (typeId) {
    case BOOL:
      return text === "t";
    case INT2:
    case INT4:
      return Number(text);
    case FLOAT4:
    case FLOAT8:
      return floatValue(text);
    case TIMESTAMP:
      return text.replace(" ", "T");
    case TIMESTAMPTZ:
      return utcText(text);
    case BYTEA:
      return bytesOf(text);
    default:
      return text;
  }
}

/** NaN and infinities stay text: JSON has no number for them. */
function floatValue(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** `2024-01-01 08:00:00.123456+00` → `2024-01-01T08:00:00.123456Z`; `infinity` and years before Christ stay as they are. */
function utcText(text: string): string {
  return text.endsWith("+00") ? `${text.slice(0, -3).replace(" ", "T")}Z` : text;
}

function bytesOf(text: string): SourceValue {
  return text.startsWith("\\x") ? new Uint8Array(Buffer.from(text.slice(2), "hex")) : text;
}
