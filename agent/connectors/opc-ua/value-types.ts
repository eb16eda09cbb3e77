// The values that may be written, type by type: what a caller may give, and what it is exactly. Knows no driver.
import { plainDecimal } from "#agent/core/mapping/decimal.ts";
import { decimalOf } from "./decimals.ts";

/** Built-in types (OPC 10000-6, 5.1.2) of which a single value can be given as JSON without doubt. */
export const VALUE_TYPES = [
  "Boolean",
  "SByte",
  "Byte",
  "Int16",
  "UInt16",
  "Int32",
  "UInt32",
  "Int64",
  "UInt64",
  "Float",
  "Double",
  "String",
  "DateTime",
  "ByteString",
  "LocalizedText",
] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** Characters of a text, at most. */
export const MAX_TEXT_LENGTH = 4_096;
/** Bytes of a byte string, at most. */
const MAX_BINARY_BYTES = 48 * 1024;

/** As samples show it: 64-bit integers as text, byte strings in base64, instants in ISO 8601. */
export type Scalar = string | number | boolean;

export type Decoded =
  | {
      readonly ok: true;
      readonly value: Scalar;
      /** Plain notation of what was given, before a Float rounds it; numbers only. */
      readonly decimal: string | undefined;
    }
  | { readonly ok: false; readonly message: string };

const INTEGERS: Readonly<Partial<Record<ValueType, readonly [bigint, bigint]>>> = {
  SByte: [-128n, 127n],
  Byte: [0n, 255n],
  Int16: [-32_768n, 32_767n],
  UInt16: [0n, 65_535n],
  Int32: [-(2n ** 31n), 2n ** 31n - 1n],
  UInt32: [0n, 2n ** 32n - 1n],
  Int64: [-(2n ** 63n), 2n ** 63n - 1n],
  UInt64: [0n, 2n ** 64n - 1n],
};

export function isNumericType(type: ValueType): boolean {
  return isIntegerType(type) || type === "Float" || type === "Double";
}

export function isIntegerType(type: ValueType): boolean {
  return INTEGERS[type] !== undefined;
}

/** Never throws. Numbers may also come as text, which is the only exact way for large ones. */
export function decodeValue(type: ValueType, given: unknown): Decoded {
  const range = INTEGERS[type];
  if (range !== undefined) return decodeInteger(type, range, given);
  switch (type) {
    case "Boolean":
      return typeof given === "boolean" ? good(given) : bad(`expected true or false, not ${shown(given)}`);
    case "Float":
    case "Double":
      return decodeReal(type, given);
    case "DateTime":
      return decodeInstant(given);
    case "ByteString":
      return decodeBinary(given);
    default:
      if (typeof given !== "string") return bad(`expected text, not ${shown(given)}`);
      return given.length <= MAX_TEXT_LENGTH
        ? good(given)
        : bad(`has ${given.length} characters; ${MAX_TEXT_LENGTH} are written at most`);
  }
}

function decodeInteger(type: ValueType, [least, most]: readonly [bigint, bigint], given: unknown): Decoded {
  if (typeof given === "number" && Number.isInteger(given) && !Number.isSafeInteger(given))
    return bad(`${given} is too large to be exact as a JSON number; give it as text`);
  const isWhole =
    typeof given === "number"
      ? Number.isInteger(given)
      : typeof given === "string" && /^-?\d{1,20}$/.test(given);
  if (!isWhole) return bad(`expected a whole number, not ${shown(given)}`);
  const value = BigInt(given as number | string);
  if (value < least || value > most) return bad(`${value} is outside ${type} (${least} to ${most})`);
  const isLong = type === "Int64" || type === "UInt64";
  return { ok: true, value: isLong ? value.toString() : Number(value), decimal: value.toString() };
}

function decodeReal(type: "Float" | "Double", given: unknown): Decoded {
  const decimal = realDecimal(given);
  if (decimal === undefined) return bad(`expected a number, not ${shown(given)}`);
  const value = type === "Float" ? Math.fround(Number(given)) : Number(given);
  if (!Number.isFinite(value)) return bad(`${shown(given)} is outside ${type}`);
  return { ok: true, value, decimal };
}

function realDecimal(given: unknown): string | undefined {
  if (typeof given === "number") return decimalOf(given) ?? undefined;
  return typeof given === "string" && given.trim() === given && given !== ""
    ? plainDecimal(given)
    : undefined;
}

function decodeInstant(given: unknown): Decoded {
  const wanted = `expected an instant such as 2026-05-04T08:00:00Z, not ${shown(given)}`;
  const written = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/;
  if (typeof given !== "string" || !written.test(given)) return bad(wanted);
  const ms = Date.parse(given);
  // OPC UA counts from 1601; earlier instants cannot be said.
  return Number.isNaN(ms) || ms < Date.UTC(1601, 0, 1) ? bad(wanted) : good(new Date(ms).toISOString());
}

function decodeBinary(given: unknown): Decoded {
  const isBase64 =
    typeof given === "string" && given.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(given);
  if (!isBase64) return bad(`expected bytes in base64, not ${shown(given)}`);
  const bytes = (given.length / 4) * 3;
  if (bytes > MAX_BINARY_BYTES) return bad(`has ${bytes} bytes; ${MAX_BINARY_BYTES} are written at most`);
  return good(given);
}

/** What was given, for a message: short, on one line. */
export function shown(given: unknown): string {
  const text = JSON.stringify(given) ?? String(given);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}

function good(value: Scalar): Decoded {
  return { ok: true, value, decimal: undefined };
}

function bad(message: string): Decoded {
  return { ok: false, message };
}
