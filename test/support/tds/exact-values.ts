// Decimals and dates between the engine's text and the whole numbers that TDS carries; never through a float.
import { TdsProtocolError } from "./byte-reader.ts";

const GUID_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;
const DAY_MS = 86_400_000;
/** 1970-01-01 in days since 0001-01-01, and 1900-01-01. */
const UNIX_DAY = 719_162;
export const DAY_1900 = 693_595;

/** `-12.3` at scale 4 is -123000. @throws TdsProtocolError for what the scale cannot hold */
export function unscaled(text: string, scale: number): bigint {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text);
  const [, sign = "", whole = "", fraction = ""] = match ?? [];
  if (match === null || whole + fraction === "")
    throw new TdsProtocolError(`the database gave ${JSON.stringify(text)} for a decimal`);
  if (/[1-9]/.test(fraction.slice(scale)))
    throw new TdsProtocolError(`the database gave ${text} for a decimal of scale ${scale}`);
  const digits = BigInt(whole + fraction.slice(0, scale).padEnd(scale, "0"));
  return sign === "-" ? -digits : digits;
}

/** The inverse: always with `scale` digits behind the point. */
export function scaled(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return value < 0n ? `-${text}` : text;
}

/** Days since 0001-01-01 of `2026-05-04`. */
export function daysOf(text: string): number {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) throw new TdsProtocolError(`the database gave ${JSON.stringify(text)} for a date`);
  const date = new Date(0);
  date.setUTCFullYear(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
  return date.getTime() / DAY_MS + UNIX_DAY;
}

export function dateText(days: number): string {
  return new Date((days - UNIX_DAY) * DAY_MS).toISOString().slice(0, 10);
}

/** Units of 10^-scale seconds since midnight of `10:00:00.1234567`. */
export function ticksOf(text: string, scale: number): bigint {
  const match = /^(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/.exec(text);
  if (match === null) throw new TdsProtocolError(`the database gave ${JSON.stringify(text)} for a time`);
  const [, hours = "0", minutes = "0", seconds = "0", fraction = ""] = match;
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  if (/[1-9]/.test(fraction.slice(scale)))
    throw new TdsProtocolError(`the database gave ${text} for a time of scale ${scale}`);
  return BigInt(`${whole}${fraction.slice(0, scale).padEnd(scale, "0")}`);
}

export function timeText(ticks: bigint, scale: number): string {
  const unit = 10n ** BigInt(scale);
  const whole = Number(ticks / unit);
  const two = (value: number): string => String(value).padStart(2, "0");
  const clock = `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return scale === 0 ? clock : `${clock}.${(ticks % unit).toString().padStart(scale, "0")}`;
}

/** `2026-05-04 10:00:00` apart; a date alone is its midnight. */
export function splitDateTime(text: string): { readonly date: string; readonly time: string } {
  const [date = "", time = "00:00:00"] = text.split(/[ T]/, 2);
  return { date, time };
}

export interface ZonedTicks {
  /** UTC. */
  readonly days: number;
  readonly ticks: bigint;
  readonly offsetMinutes: number;
}

/** `2026-05-04 10:00:00.1234567 +02:00`: TDS carries the instant in UTC and the offset beside it. */
export function zonedTicks(text: string, scale: number): ZonedTicks {
  const match = /^(.+?) ([+-])(\d{2}):(\d{2})$/.exec(text);
  if (match === null)
    throw new TdsProtocolError(`the database gave ${JSON.stringify(text)} for a datetimeoffset`);
  const [, local = "", sign, hours, minutes] = match;
  const offsetMinutes = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  const { date, time } = splitDateTime(local);
  return { ...shifted(daysOf(date), ticksOf(time, scale), scale, -offsetMinutes), offsetMinutes };
}

export function zonedText({ days, ticks, offsetMinutes }: ZonedTicks, scale: number): string {
  const local = shifted(days, ticks, scale, offsetMinutes);
  const minutes = Math.abs(offsetMinutes);
  const two = (value: number): string => String(value).padStart(2, "0");
  const offset = `${offsetMinutes < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${dateText(local.days)} ${timeText(local.ticks, scale)} ${offset}`;
}

function shifted(
  days: number,
  ticks: bigint,
  scale: number,
  minutes: number,
): { readonly days: number; readonly ticks: bigint } {
  const unit = 10n ** BigInt(scale);
  const dayTicks = 86_400n * unit;
  const moved = ticks + BigInt(minutes) * 60n * unit;
  const carry = moved < 0n ? -1 : moved >= dayTicks ? 1 : 0;
  return { days: days + carry, ticks: moved - BigInt(carry) * dayTicks };
}

/** Bytes of a time of this scale. */
export function timeBytes(scale: number): number {
  return scale <= 2 ? 3 : scale <= 4 ? 4 : 5;
}

/** Bytes of a decimal's magnitude. */
export function decimalBytes(precision: number): number {
  return precision <= 9 ? 4 : precision <= 19 ? 8 : precision <= 28 ? 12 : 16;
}

/** The first three groups of a uniqueidentifier are little-endian on the wire; the same both ways. */
export function inWireOrder(bytes: Buffer): Buffer {
  return Buffer.from(GUID_ORDER.map((index) => bytes[index] ?? 0));
}
