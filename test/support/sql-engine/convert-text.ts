// Values as text: CONVERT's styles, and what a bare cast writes.
import type { ConvertOptions } from "./convert.ts";
import {
  dateText,
  dateTimeText,
  offsetText,
  parseWallClock,
  timeText,
  toUtc,
  type WallClock,
} from "./date-text.ts";
import { formatDecimal, parseDecimal, rescale } from "./decimal.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";

export function textOf(value: DbValue, from: DbType, options: ConvertOptions): string {
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "1" : "0";
  if (value instanceof Uint8Array) return bytesText(value, options);
  switch (from.kind) {
    case "float":
      return floatText(Number(value), options.style ?? 0);
    case "money":
      return moneyText(String(value), options.style ?? 0);
    case "date":
    case "datetime":
    case "smalldatetime":
    case "datetime2":
    case "datetimeoffset":
    case "time":
      return temporalText(String(value), from, options);
    case "oracle_date":
    case "timestamp":
      return options.writeDate === undefined ? String(value) : options.writeDate(String(value), from);
    default:
      return typeof value === "number" ? numberText(value) : String(value);
  }
}

function numberText(value: number): string {
  return Number.isInteger(value) ? String(BigInt(value)) : String(value);
}

function bytesText(value: Uint8Array, options: ConvertOptions): string {
  const hex = Buffer.from(value).toString("hex").toUpperCase();
  if (options.dialect === "oracle") return hex;
  if (options.style === 1) return `0x${hex}`;
  if (options.style === 2) return hex;
  return Buffer.from(value).toString("latin1");
}

function floatText(value: number, style: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (style === 3) return exponential(value, 16);
  if (style === 2) return exponential(value, 15);
  if (style === 1) return exponential(value, 7);
  const short = Number(value.toPrecision(6));
  return Math.abs(short) >= 1e6 || (short !== 0 && Math.abs(short) < 1e-4)
    ? exponential(short, 5).replace(/\.?0+e/, "e")
    : String(short);
}

function exponential(value: number, digits: number): string {
  const [mantissa = "", exponent = "0"] = value.toExponential(digits).split("e");
  const size = String(Math.abs(Number(exponent))).padStart(3, "0");
  return `${mantissa}e${exponent.startsWith("-") ? "-" : "+"}${size}`;
}

function moneyText(value: string, style: number): string {
  const decimal = parseDecimal(value) ?? { units: 0n, scale: 4 };
  const text = formatDecimal(rescale(decimal, style === 2 || style === 126 ? 4 : 2));
  return style === 1 ? text.replaceAll(/\B(?=(\d{3})+(?!\d)(?=.*\.|$))/g, ",") : text;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function digitsOf(type: DbType): number {
  if ("scale" in type && type.scale !== undefined) return type.scale;
  return type.kind === "datetime" ? 3 : 0;
}

function temporalText(value: string, from: DbType, options: ConvertOptions): string {
  const quick = quickText(value, from, options.style);
  if (quick !== undefined) return quick;
  const clock = parseWallClock(value);
  if (clock === undefined) return value;
  const usual = from.kind === "datetime" || from.kind === "smalldatetime" ? 0 : 121;
  const style = options.style === undefined || options.style === 0 ? usual : options.style;
  const digits = digitsOf(from);
  if (from.kind === "time") return timeText(clock, style === 108 || style === 8 ? 0 : digits);
  if (from.kind === "date" && style !== 112 && style < 126 && style !== 23) return dateOnly(clock, style);
  return styled(clock, from, style, digits);
}

/** Values are kept as ISO text, so the common styles need no reading. */
function quickText(value: string, from: DbType, style: number | undefined): string | undefined {
  if (from.kind !== "datetime2" && from.kind !== "datetime") return undefined;
  if (style === 121) return value;
  if (style !== 126) return undefined;
  const day = value.slice(0, 10);
  for (let at = 20; at < value.length; at += 1) if (value[at] !== "0") return `${day}T${value.slice(11)}`;
  return `${day}T${value.slice(11, 19)}`;
}

function dateOnly(clock: WallClock, style: number): string {
  return style === 0 || style === 100
    ? styled(clock, { kind: "date" }, 100, 0).slice(0, 11)
    : dateText(clock);
}

function styled(clock: WallClock, from: DbType, style: number, digits: number): string {
  const zone = from.kind === "datetimeoffset" ? offsetText(clock.offsetMinutes ?? 0) : "";
  const fraction = from.kind === "smalldatetime" ? 3 : digits;
  switch (style) {
    case 20:
    case 120:
      return dateTimeText(clock, 0) + (zone === "" ? "" : ` ${zone}`);
    case 21:
    case 25:
    case 121:
      return dateTimeText(clock, fraction) + (zone === "" ? "" : ` ${zone}`);
    case 23:
      return dateText(clock);
    case 112:
      return dateText(clock).replaceAll("-", "");
    case 8:
    case 108:
      return timeText(clock, 0);
    case 126:
      return from.kind === "date" ? dateText(clock) : isoText(clock, digits) + zone;
    case 127: {
      if (from.kind === "date") return dateText(clock);
      return zone === "" ? isoText(clock, digits) : `${isoText(toUtc(clock), digits)}Z`;
    }
    case 0:
    case 100: {
      const date = new Date(clock.seconds * 1000);
      const hour = date.getUTCHours() % 12 || 12;
      const half = date.getUTCHours() < 12 ? "AM" : "PM";
      const day = String(date.getUTCDate()).padStart(2, " ");
      const minute = String(date.getUTCMinutes()).padStart(2, "0");
      return `${MONTHS[date.getUTCMonth()]} ${day} ${date.getUTCFullYear()} ${String(hour).padStart(2, " ")}:${minute}${half}`;
    }
    default:
      throw new DatabaseError(281, `${style} is not a style that the test engine knows for ${from.kind}.`);
  }
}

/** Zero fractions are left out, as the product does. */
function isoText(clock: WallClock, digits: number): string {
  return dateTimeText(clock, clock.nanos === 0 ? 0 : digits).replace(" ", "T");
}
