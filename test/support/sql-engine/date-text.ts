// Dates and times as ISO text: taken apart, moved, and written with any number of fractional digits.

/** Wall clock taken as UTC; `nanos` is the fraction of the second. */
export interface WallClock {
  /** Whole seconds since 1970. */
  readonly seconds: number;
  readonly nanos: number;
  readonly offsetMinutes: number | undefined;
}

const ISO =
  /^\s*(-?\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,:](\d{1,9}))?)?)?\s*(Z|[+-]\d{1,2}:\d{2})?\s*$/;
const COMPACT = /^\s*(\d{4})(\d{2})(\d{2})(?: +(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*$/;
const TIME = /^\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*$/;

/** Undefined for text that is no date or time, or does not exist (February 30th). */
export function parseWallClock(text: string): WallClock | undefined {
  const match = ISO.exec(text) ?? COMPACT.exec(text);
  if (match === null) {
    const time = TIME.exec(text);
    return time === null ? undefined : assemble(["1900", "01", "01", ...time.slice(1)], undefined);
  }
  return assemble(match.slice(1, 8), match[8]);
}

function assemble(parts: readonly (string | undefined)[], zone: string | undefined): WallClock | undefined {
  const [year, month, day, hour, minute, second] = parts.slice(0, 6).map((part) => Number(part ?? 0));
  const date = new Date(0);
  date.setUTCFullYear(year!, month! - 1, day);
  date.setUTCHours(hour!, minute, second);
  if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day! || hour! > 23) return undefined;
  if (minute! > 59 || second! > 59) return undefined;
  const nanos = Number((parts[6] ?? "").padEnd(9, "0"));
  return { seconds: date.getTime() / 1000, nanos, offsetMinutes: offsetOf(zone) };
}

export function offsetOf(zone: string | undefined): number | undefined {
  if (zone === undefined) return undefined;
  if (zone === "Z") return 0;
  const [hours, minutes] = zone.slice(1).split(":").map(Number);
  return (zone.startsWith("-") ? -1 : 1) * (hours! * 60 + minutes!);
}

export function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60), 2)}:${pad(size % 60, 2)}`;
}

export function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

/** `2026-05-04`. */
export function dateText(clock: WallClock): string {
  const date = new Date(clock.seconds * 1000);
  return `${pad(date.getUTCFullYear(), 4)}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`;
}

/** `10:00:00.1234567`; digits cut, not rounded. */
export function timeText(clock: WallClock, digits: number): string {
  const date = new Date(clock.seconds * 1000);
  const whole = `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}:${pad(date.getUTCSeconds(), 2)}`;
  return digits === 0 ? whole : `${whole}.${pad(clock.nanos, 9).slice(0, digits)}`;
}

export function dateTimeText(clock: WallClock, digits: number): string {
  return `${dateText(clock)} ${timeText(clock, digits)}`;
}

/** Rounded half up to `digits` of fraction. */
export function roundClock(clock: WallClock, digits: number): WallClock {
  const unit = 10 ** (9 - digits);
  return plusNanos({ ...clock, nanos: 0 }, Math.round(clock.nanos / unit) * unit);
}

export function plusNanos(clock: WallClock, nanos: number): WallClock {
  const total = clock.nanos + nanos;
  const carry = Math.floor(total / 1e9);
  return { ...clock, seconds: clock.seconds + carry, nanos: total - carry * 1e9 };
}

export function plusSeconds(clock: WallClock, seconds: number): WallClock {
  return { ...clock, seconds: clock.seconds + seconds };
}

/** DATETIME knows only 1/300 of a second: .000, .003, .007. */
export function roundToDatetime(clock: WallClock): WallClock {
  const ticks = Math.round((clock.nanos / 1e9) * 300);
  const carry = Math.floor(ticks / 300);
  const ms = Math.round(((ticks % 300) * 10) / 3);
  return { ...clock, seconds: clock.seconds + carry, nanos: ms * 1e6 };
}

export function clockOfMs(ms: number, nanosBelow = 0): WallClock {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) + nanosBelow, offsetMinutes: undefined };
}

/** The UTC instant of a zoned clock, without its zone. */
export function toUtc(clock: WallClock, defaultOffsetMinutes = 0): WallClock {
  const offset = clock.offsetMinutes ?? defaultOffsetMinutes;
  return { ...plusSeconds(clock, -offset * 60), offsetMinutes: undefined };
}

/** The same instant on the wall clock of an offset. */
export function atOffset(utc: WallClock, offsetMinutes: number): WallClock {
  return { ...plusSeconds(utc, offsetMinutes * 60), offsetMinutes };
}

/** Text in one width, so that it compares as time does. */
export function sortableTime(text: string): string {
  const clock = parseWallClock(text);
  return clock === undefined ? text : dateTimeText(clock, 9);
}

export function sortableInstant(text: string): string {
  const clock = parseWallClock(text);
  return clock === undefined ? text : dateTimeText(toUtc(clock), 9);
}
