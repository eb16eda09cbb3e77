// When two values are equal and which comes first, by their types; what indexes and ORDER BY stand on.
import { collationKey, collationOf } from "./collation.ts";
import { sortableInstant, sortableTime } from "./date-text.ts";
import { compareDecimals, type Decimal, parseDecimal, trimmed } from "./decimal.ts";
import type { DbType, DbValue } from "./session.ts";

/** A value so written that `compare` needs no type. Numbers, big integers and decimals compare with each other. */
export type Comparable = null | number | bigint | string | Decimal;

/** What two sides of a comparison have to become; the later wins. */
export type Category = "binary" | "text" | "guid" | "number" | "time" | "datetime" | "zoned" | "other";

const RANK: readonly Category[] = ["other", "binary", "text", "guid", "number", "time", "datetime", "zoned"];

export function categoryOf(type: DbType): Category {
  switch (type.kind) {
    case "bit":
    case "int":
    case "float":
    case "money":
    case "decimal":
    case "number":
      return "number";
    case "char":
    case "varchar":
    case "nchar":
    case "nvarchar":
    case "xml":
    case "clob":
    case "nclob":
    case "long":
    case "rowid":
      return "text";
    case "binary":
    case "varbinary":
    case "rowversion":
    case "raw":
    case "blob":
    case "long_raw":
      return "binary";
    case "uniqueidentifier":
      return "guid";
    case "time":
      return "time";
    case "date":
    case "datetime":
    case "smalldatetime":
    case "datetime2":
    case "oracle_date":
      return "datetime";
    case "timestamp":
      return type.zone === "none" ? "datetime" : "zoned";
    case "datetimeoffset":
      return "zoned";
    default:
      return type.base === undefined ? "other" : categoryOf(type.base);
  }
}

export function strongerCategory(left: Category, right: Category): Category {
  return RANK.indexOf(left) > RANK.indexOf(right) ? left : right;
}

/** How texts compare: a collation's name, or Oracle's binary order with or without blank padding. */
export type TextRule =
  | { readonly kind: "collation"; readonly name: string }
  | { readonly kind: "binary"; readonly isPadded: boolean };

/** The comparable of a value that already is of the category. */
export function comparableOf(value: DbValue, category: Category, text: TextRule): Comparable {
  if (value === null) return null;
  switch (category) {
    case "number":
      return numberComparable(value);
    case "text":
      return textComparable(String(value), text);
    case "binary":
      return bytesComparable(value);
    case "guid":
      return guidComparable(String(value));
    case "time":
    case "datetime":
      return sortableTime(String(value));
    case "zoned":
      return sortableInstant(String(value));
    default:
      return typeof value === "string" ? textComparable(value, text) : numberComparable(value);
  }
}

function numberComparable(value: DbValue): Comparable {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "bigint") return smallest(value);
  if (value instanceof Uint8Array)
    return value.length === 0 ? 0 : smallest(BigInt(`0x${Buffer.from(value).toString("hex")}`));
  const text = String(value);
  if (text.length < 16 && /^-?\d+$/.test(text)) return Number(text);
  const decimal = parseDecimal(text);
  if (decimal === undefined) return Number(text);
  const short = trimmed(decimal);
  return short.scale === 0 ? smallest(short.units) : short;
}

function smallest(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;
}

function textComparable(text: string, rule: TextRule): string {
  if (rule.kind === "collation") return collationKey(text, collationOf(rule.name));
  const value = rule.isPadded ? text.replace(/ +$/, "") : text;
  // By bytes of UTF-8, as AL32UTF8 does.
  for (let at = 0; at < value.length; at += 1) {
    if (value.charCodeAt(at) > 0x7f) return Buffer.from(value, "utf8").toString("latin1");
  }
  return value;
}

function bytesComparable(value: DbValue): string {
  const bytes = value instanceof Uint8Array ? value : Buffer.from(String(value), "hex");
  return Buffer.from(bytes).toString("latin1");
}

/** SQL Server sorts by the last group first, and the first three from their end. */
function guidComparable(text: string): string {
  const [first = "", second = "", third = "", fourth = "", last = ""] = text.toUpperCase().split("-");
  return last + fourth + turned(third) + turned(second) + turned(first);
}

function turned(hex: string): string {
  return (hex.match(/../g) ?? []).toReversed().join("");
}

/** Nulls equal each other and come first; whoever wants them last says so where keys are compared. */
export function compare(left: Comparable, right: Comparable): number {
  if (left === null || right === null) return left === right ? 0 : left === null ? -1 : 1;
  if (typeof left === "object" || typeof right === "object") return compareExact(left, right);
  return left < right ? -1 : left > right ? 1 : 0;
}

function compareExact(left: Comparable, right: Comparable): number {
  if (typeof left === "number" && !Number.isInteger(left)) return Math.sign(left - toNumber(right));
  if (typeof right === "number" && !Number.isInteger(right)) return Math.sign(toNumber(left) - right);
  return compareDecimals(toDecimal(left), toDecimal(right));
}

function toNumber(value: Comparable): number {
  if (value !== null && typeof value === "object") return Number(value.units) / 10 ** value.scale;
  return Number(value);
}

function toDecimal(value: Comparable): Decimal {
  if (value !== null && typeof value === "object") return value;
  return { units: BigInt(value ?? 0), scale: 0 };
}

/** Text that is equal exactly when the comparables are. */
export function comparableText(values: readonly Comparable[]): string {
  let text = "";
  for (const value of values) {
    if (value === null) text += "~";
    else if (typeof value === "object") text += `d${value.units}e${value.scale}`;
    else text += typeof value === "string" ? `s${value.length}:${value}` : `n${value}`;
    text += "|";
  }
  return text;
}
