// Values from one type into another, exactly, with the refusals that the products give.
import { asInCodePage } from "./code-pages.ts";
import { collationOf } from "./collation.ts";
import { convertTemporal } from "./convert-temporal.ts";
import { textOf } from "./convert-text.ts";
import { type Decimal, formatDecimal, parseDecimal, rescale, trimmed, truncate } from "./decimal.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import type { EngineDialect } from "./tokens.ts";

export interface ConvertOptions {
  readonly dialect: EngineDialect;
  /** CONVERT's third argument. */
  readonly style?: number;
  /** The database's, for types that name none. */
  readonly collation?: string | undefined;
  /** A cast cuts what is too long; a column refuses it. */
  readonly mayCut: boolean;
  /** Oracle's implicit reading of text as a date, by the session's NLS settings; gives ISO text. */
  readonly readDate?: (text: string, type: DbType) => string;
  /** Oracle's implicit writing of dates. */
  readonly writeDate?: (value: string, type: DbType) => string;
}

/** @throws DatabaseError for values that the type cannot hold */
export function convertValue(value: DbValue, from: DbType, to: DbType, options: ConvertOptions): DbValue {
  if (value === null) return null;
  if (options.dialect === "oracle" && value === "") return null;
  switch (to.kind) {
    case "bit":
      return toBit(value, from);
    case "int":
      return toInteger(value, from, to.bits);
    case "float":
      return toFloat(value, to.bits);
    case "money":
      return toFixed(value, from, to.bits === 64 ? 19 : 10, 4, to);
    case "decimal":
      return toFixed(value, from, to.precision, to.scale, to);
    case "number":
      return toNumber(value, to);
    case "char":
    case "nchar":
    case "varchar":
    case "nvarchar":
      return fitText(textOf(value, from, options), from, to, options);
    case "xml":
    case "clob":
    case "nclob":
    case "long":
    case "rowid":
      return textOf(value, from, options);
    case "binary":
    case "varbinary":
    case "rowversion":
    case "raw":
    case "blob":
    case "long_raw":
      return toBytes(value, from, to as BinaryType, options);
    case "uniqueidentifier":
      return toGuid(value);
    case "sql_variant":
      return value;
    default:
      return convertTemporal(value, from, to, options);
  }
}

function toBit(value: DbValue, from: DbType): boolean {
  if (typeof value === "boolean") return value;
  if (typeof value === "string") {
    if (/^\s*true\s*$/i.test(value)) return true;
    if (/^\s*false\s*$/i.test(value)) return false;
  }
  const decimal = decimalOf(value);
  if (decimal === undefined) throw conversionFailed(value, from, "bit");
  return decimal.units !== 0n;
}

const LIMITS = { 8: [0n, 255n], 16: [-32768n, 32767n], 32: [-2147483648n, 2147483647n] } as const;
const INT_NAMES = { 8: "tinyint", 16: "smallint", 32: "int", 64: "bigint" } as const;

function toInteger(value: DbValue, from: DbType, bits: 8 | 16 | 32 | 64): number | bigint {
  let whole: bigint;
  if (typeof value === "bigint") whole = value;
  else if (typeof value === "string" && isText(from) && !/^\s*(?:[+-]?\d+)?\s*$/.test(value)) {
    throw conversionFailed(value, from, INT_NAMES[bits]);
  } else if (typeof value === "string" && value.trim() === "") whole = 0n;
  else {
    const decimal = decimalOf(value);
    if (decimal === undefined) throw conversionFailed(value, from, INT_NAMES[bits]);
    whole = truncate(decimal, 0).units;
  }
  if (bits === 64) {
    if (BigInt.asIntN(64, whole) !== whole) throw overflow(INT_NAMES[64]);
    return whole;
  }
  const [low, high] = LIMITS[bits];
  if (whole < low || whole > high) throw overflow(INT_NAMES[bits]);
  return Number(whole);
}

function toFloat(value: DbValue, bits: 32 | 64): number {
  const number = typeof value === "number" ? value : Number(typeof value === "string" ? value.trim() : value);
  if (Number.isNaN(number) && value !== "NaN" && typeof value !== "number") {
    throw new DatabaseError(8114, `Error converting data type to float: ${String(value)}.`);
  }
  return bits === 32 ? Math.fround(number) : number;
}

function toFixed(value: DbValue, from: DbType, precision: number, scale: number, to: DbType): string {
  const decimal =
    typeof value === "string" && to.kind === "money"
      ? decimalOf(value.replace(/^[$€£]/, ""))
      : decimalOf(value);
  if (decimal === undefined) {
    throw new DatabaseError(
      8114,
      `Error converting data type ${from.kind} to ${to.kind === "money" ? "money" : "numeric"}.`,
    );
  }
  const fitted = rescale(decimal, scale);
  if (digits(fitted) > precision) throw overflow(to.kind === "money" ? "money" : "numeric");
  return formatDecimal(fitted);
}

function toNumber(value: DbValue, to: DbType & { kind: "number" }): string {
  const decimal = decimalOf(value);
  if (decimal === undefined) throw new DatabaseError(1722, "ORA-01722: invalid number");
  if (to.precision === undefined) return formatDecimal(trimmed(significant(decimal)));
  const scale = to.scale ?? 0;
  const fitted = scale >= 0 ? rescale(decimal, scale) : decimal;
  if (digits(fitted) > to.precision) {
    throw new DatabaseError(1438, "ORA-01438: value larger than specified precision allowed for this column");
  }
  return formatDecimal(trimmed(fitted));
}

/** NUMBER keeps 40 significant digits at most. */
function significant(decimal: Decimal): Decimal {
  const excess = digits(decimal) - 40;
  return excess > 0 && decimal.scale >= excess ? rescale(decimal, decimal.scale - excess) : decimal;
}

function digits({ units }: Decimal): number {
  return String(units < 0n ? -units : units).length - (units === 0n ? 1 : 0);
}

/** Undefined for what is no number. */
export function decimalOf(value: DbValue): Decimal | undefined {
  if (typeof value === "string") return parseDecimal(value);
  if (typeof value === "bigint") return { units: value, scale: 0 };
  if (typeof value === "boolean") return { units: value ? 1n : 0n, scale: 0 };
  if (typeof value === "number") return Number.isFinite(value) ? parseDecimal(String(value)) : undefined;
  if (value instanceof Uint8Array) {
    return { units: value.length === 0 ? 0n : BigInt(`0x${Buffer.from(value).toString("hex")}`), scale: 0 };
  }
  return undefined;
}

function isText(type: DbType): boolean {
  return type.kind === "char" || type.kind === "varchar" || type.kind === "nchar" || type.kind === "nvarchar";
}

type CharacterType = DbType & { kind: "char" | "varchar" | "nchar" | "nvarchar" };

function fitText(text: string, from: DbType, to: CharacterType, options: ConvertOptions): string | null {
  const { length } = to;
  if (options.dialect === "oracle" && text === "") return null;
  const isNarrow = options.dialect === "tsql" && (to.kind === "char" || to.kind === "varchar");
  const collation = to.collation ?? options.collation;
  let fitted =
    isNarrow && collation !== undefined ? asInCodePage(text, collationOf(collation).codePage) : text;
  if (length !== "max" && text.length > length) {
    const rest = text.slice(length);
    if (!options.mayCut && (rest.trim() !== "" || options.dialect === "oracle")) {
      if (options.dialect === "oracle") {
        throw new DatabaseError(
          12899,
          `ORA-12899: value too large for column (actual: ${text.length}, maximum: ${length})`,
        );
      }
      throw new DatabaseError(
        2628,
        `String or binary data would be truncated. Truncated value: '${text.slice(0, length)}'.`,
      );
    }
    if (options.mayCut && !isText(from) && from.kind !== "binary" && from.kind !== "varbinary") {
      throw new DatabaseError(
        8115,
        `Arithmetic overflow error converting ${from.kind} to data type ${to.kind}.`,
      );
    }
    fitted = fitted.slice(0, length);
  }
  return (to.kind === "char" || to.kind === "nchar") && length !== "max"
    ? fitted.padEnd(length, " ")
    : fitted;
}

type BinaryType = DbType & { kind: "binary" | "varbinary" | "rowversion" | "raw" | "blob" | "long_raw" };

function toBytes(value: DbValue, from: DbType, to: BinaryType, options: ConvertOptions): Uint8Array {
  const bytes = bytesOf(value, from, to, options);
  const length = to.kind === "rowversion" ? 8 : "length" in to ? to.length : "max";
  if (length === "max") return bytes;
  if (bytes.length > length) {
    if (!options.mayCut) throw new DatabaseError(2628, "String or binary data would be truncated.");
    return typeof value === "string" || value instanceof Uint8Array
      ? bytes.slice(0, length)
      : bytes.slice(-length);
  }
  if (bytes.length === length || (to.kind !== "binary" && to.kind !== "rowversion")) return bytes;
  const padded = new Uint8Array(length);
  // Numbers are padded in front, bytes behind.
  padded.set(bytes, value instanceof Uint8Array || typeof value === "string" ? 0 : length - bytes.length);
  return padded;
}

function bytesOf(value: DbValue, from: DbType, to: BinaryType, options: ConvertOptions): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string" && from.kind === "uniqueidentifier") return guidBytes(value);
  if (typeof value === "string" && !["decimal", "money", "number"].includes(from.kind)) {
    if (to.kind === "raw" || options.style === 1 || options.style === 2) {
      return new Uint8Array(Buffer.from(value.replace(/^0x/i, ""), "hex"));
    }
    const encoding = from.kind === "nvarchar" || from.kind === "nchar" ? "utf16le" : "latin1";
    return new Uint8Array(Buffer.from(value, encoding));
  }
  const size = from.kind === "int" ? from.bits / 8 : 8;
  const whole = BigInt.asUintN(size * 8, truncate(decimalOf(value) ?? { units: 0n, scale: 0 }, 0).units);
  return new Uint8Array(Buffer.from(whole.toString(16).padStart(size * 2, "0"), "hex"));
}

function guidBytes(text: string): Uint8Array {
  const [first = "", second = "", third = "", fourth = "", last = ""] = text.split("-");
  const turned = [first, second, third].map((part) => (part.match(/../g) ?? []).toReversed().join(""));
  return new Uint8Array(Buffer.from(turned.join("") + fourth + last, "hex"));
}

function toGuid(value: DbValue): string {
  if (value instanceof Uint8Array) {
    const hex = Buffer.from(value).toString("hex").toUpperCase().padEnd(32, "0");
    const turned = (from: number, to: number): string =>
      (hex.slice(from, to).match(/../g) ?? []).toReversed().join("");
    return `${turned(0, 8)}-${turned(8, 12)}-${turned(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
  }
  const text = String(value)
    .replace(/^\{(.*)\}$/, "$1")
    .toUpperCase();
  if (!/^[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}/.test(text)) {
    throw new DatabaseError(
      8169,
      "Conversion failed when converting from a character string to uniqueidentifier.",
    );
  }
  return text.slice(0, 36);
}

function conversionFailed(value: DbValue, from: DbType, to: string): DatabaseError {
  return new DatabaseError(
    245,
    `Conversion failed when converting the ${from.kind} value '${String(value)}' to data type ${to}.`,
  );
}

function overflow(type: string): DatabaseError {
  return new DatabaseError(8115, `Arithmetic overflow error converting expression to data type ${type}.`);
}

/** The type that a value handed over by a test has. */
export function naturalType(value: DbValue, dialect: EngineDialect): DbType {
  switch (typeof value) {
    case "boolean":
      return { kind: "bit" };
    case "bigint":
      return { kind: "int", bits: 64 };
    case "number":
      if (!Number.isInteger(value)) return { kind: "float", bits: 64 };
      return dialect === "oracle"
        ? { kind: "number" }
        : { kind: "int", bits: Math.abs(value) < 2 ** 31 ? 32 : 64 };
    case "string":
      return { kind: "nvarchar", length: "max" };
    default:
      return value === null ? { kind: "int", bits: 32 } : { kind: "varbinary", length: "max" };
  }
}
