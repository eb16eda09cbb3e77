// Dates and times as sources write them, to the unified model's UTC instants and calendar dates.
import type { TimestampFormat } from "../source/plan.ts";
import type { LocalTime } from "./local-time.ts";

const DAY_S = 86_400;
const WRITTEN =
  /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ]?(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?(?: ?(Z|[+-]\d{2}(?::?\d{2})?))?$/;
const FIRST_S = -62_135_596_800; // 0001-01-01
const END_S = 253_402_300_800; // 10000-01-01
/** Formatted days kept before the cache starts anew; entries. */
const MAX_CACHED_DAYS = 50_000;

/** What a value turned out to be: text, null for a date that stands for "none", undefined for no date at all. */
export type ReadTime = string | null | undefined;

export interface TimeReader {
  /** UTC instant of a timestamp; `timeOfDay` where the source keeps it in a column of its own (`HHMMSS` or `HH:MM:SS`). */
  instant(value: string | number | bigint, format: TimestampFormat, timeOfDay?: string | number): ReadTime;
  /** Calendar date as the source wrote it; epoch numbers become the date in the connection's zone. */
  date(value: string | number | bigint, format: TimestampFormat): ReadTime;
}

/** @param noDates dates that mean "no date", such as `1900-01-01` */
export function createTimeReader(zone: LocalTime, noDates: ReadonlySet<string>): TimeReader {
  /** `2026-07-01` → days since 1970; NaN for dates that need a closer look. Sources repeat their days. */
  const days = new Map<string, number>();
  const plainDay = (text: string): number => {
    let day = days.get(text);
    if (day === undefined) {
      const isPlain = /^\d{4}-\d{2}-\d{2}$/.test(text) && !isNoDate(text, noDates);
      const [year, month, date] = text.split("-").map(Number);
      day = (isPlain ? daysOf(year ?? 0, month ?? 0, date ?? 0) : undefined) ?? Number.NaN;
      if (days.size >= MAX_CACHED_DAYS) days.clear();
      days.set(text, day);
    }
    return day;
  };
  return {
    instant(value, format, timeOfDay) {
      if (format === "epoch_s" || format === "epoch_ms") return epochInstant(value, format);
      if (typeof value === "string" && value.length === 19 && timeOfDay === undefined) {
        const plainS = plainDay(value.slice(0, 10)) * DAY_S + plainClock(value);
        if (!Number.isNaN(plainS))
          return instantText(format === "utc" ? plainS : zone.toUtc(plainS), undefined);
      }
      const day = format === "cyyddd" ? dayOfCentury(String(value).trim()) : String(value).trim();
      if (day === undefined) return undefined;
      const text = withTimeOfDay(day, timeOfDay);
      const parts = WRITTEN.exec(text);
      if (parts === null) return isBlankDate(text) ? null : undefined;
      if (isNoDate(dateText(parts), noDates)) return null;
      const localS = secondsOf(parts);
      if (localS === undefined) return undefined;
      const [, , , , , , , fraction, offset] = parts;
      if (offset !== undefined) return instantText(localS - offsetSeconds(offset), fraction);
      return instantText(format === "utc" ? localS : zone.toUtc(localS), fraction);
    },
    date(value, format) {
      if (format === "epoch_s" || format === "epoch_ms") {
        const seconds = epochSeconds(value, format);
        if (seconds === undefined) return undefined;
        const whole = Math.floor(seconds);
        return isWritable(whole) ? dayText(Math.floor((whole + zone.offsetAt(whole)) / DAY_S)) : undefined;
      }
      const isPlain = typeof value === "string" && (value.length === 10 || !Number.isNaN(plainClock(value)));
      if (isPlain && !Number.isNaN(plainDay(value.slice(0, 10)))) return value.slice(0, 10);
      const text = format === "cyyddd" ? dayOfCentury(String(value).trim()) : String(value).trim();
      if (text === undefined) return undefined;
      const parts = WRITTEN.exec(text);
      if (parts === null) return isBlankDate(text) ? null : undefined;
      const date = dateText(parts);
      if (isNoDate(date, noDates)) return null;
      return secondsOf(parts) === undefined ? undefined : date;
    },
  };
}

/** Seconds of the day in `YYYY-MM-DD HH:MM:SS`, the form that most sources use; NaN for every other form. */
function plainClock(text: string): number {
  if (text.length !== 19 || text.charCodeAt(13) !== 58 || text.charCodeAt(16) !== 58) return Number.NaN;
  const separator = text.charCodeAt(10);
  if (separator !== 32 && separator !== 84) return Number.NaN;
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  return hour < 24 && minute < 60 && second < 60 ? hour * 3600 + minute * 60 + second : Number.NaN;
}

function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function withTimeOfDay(date: string, timeOfDay: string | number | undefined): string {
  if (timeOfDay === undefined) return date;
  const text = String(timeOfDay).trim();
  return `${date.slice(0, 10).trim()} ${/^\d{1,6}$/.test(text) ? text.padStart(6, "0") : text}`;
}

function isNoDate(date: string, noDates: ReadonlySet<string>): boolean {
  return date === "0000-00-00" || noDates.has(date);
}

/** CYYDDD as ISO text: centuries after 1900, year, day of the year. Zero is no date. */
function dayOfCentury(text: string): string | undefined {
  if (/^0*$/.test(text)) return "0000-00-00";
  const [, years = "", dayOfYear = ""] = /^(\d{0,3})(\d{3})$/.exec(text) ?? [];
  const year = 1900 + Number(years);
  const date = new Date(Date.UTC(year, 0, Number(dayOfYear)));
  return dayOfYear === "" || date.getUTCFullYear() !== year ? undefined : date.toISOString().slice(0, 10);
}

/** Nothing but zeros and punctuation: `0`, `000000`, `00:00`. */
function isBlankDate(text: string): boolean {
  return /^[0 :T.-]*$/.test(text);
}

function dateText(parts: RegExpExecArray): string {
  return `${parts[1]}-${parts[2]}-${parts[3]}`;
}

/** Seconds since 1970 as if the wall clock were UTC; undefined for a day or time that no calendar has. */
function secondsOf(parts: RegExpExecArray): number | undefined {
  const [, year, month, day, hour = "0", minute = "0", second = "0"] = parts;
  const days = daysOf(Number(year), Number(month), Number(day));
  if (days === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  return days * DAY_S + Number(hour) * 3600 + Number(minute) * 60 + Number(second);
}

function daysOf(year: number, month: number, day: number): number | undefined {
  if (year < 1 || month < 1 || month > 12 || day < 1) return undefined;
  if (day > 28 && day > new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()) return undefined;
  const past = month > 2 ? year : year - 1;
  const era = Math.floor(past / 400);
  const yearOfEra = past - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function offsetSeconds(offset: string): number {
  if (offset === "Z") return 0;
  const seconds = Number(offset.slice(1, 3)) * 3600 + Number(offset.slice(3).replace(":", "") || "0") * 60;
  return offset.startsWith("-") ? -seconds : seconds;
}

function epochSeconds(value: string | number | bigint, format: "epoch_s" | "epoch_ms"): number | undefined {
  const number = typeof value === "string" && value.trim() === "" ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) return undefined;
  return format === "epoch_s" ? number : number / 1000;
}

function epochInstant(value: string | number | bigint, format: "epoch_s" | "epoch_ms"): ReadTime {
  const seconds = epochSeconds(value, format);
  if (seconds === undefined) return undefined;
  const millis = Math.round(seconds * 1000);
  const whole = Math.floor(millis / 1000);
  return instantText(whole, String(millis - whole * 1000).padStart(3, "0"));
}

function isWritable(utcS: number): boolean {
  return utcS >= FIRST_S && utcS < END_S;
}

function instantText(utcS: number, fraction: string | undefined): string | undefined {
  if (!isWritable(utcS)) return undefined;
  const day = Math.floor(utcS / DAY_S);
  const second = utcS - day * DAY_S;
  const hour = Math.floor(second / 3600);
  const minute = Math.floor(second / 60) % 60;
  const clock = `${dayText(day)}T${TWO[hour]}:${TWO[minute]}:${TWO[second % 60]}`;
  const kept = fraction === undefined ? "" : fraction.slice(0, 9).replace(/0+$/, "");
  return kept === "" ? `${clock}Z` : `${clock}.${kept}Z`;
}

const TWO = Array.from({ length: 60 }, (_, index) => String(index).padStart(2, "0"));
const dayTexts = new Map<number, string>();

function dayText(day: number): string {
  const known = dayTexts.get(day);
  if (known !== undefined) return known;
  const text = new Date(day * DAY_S * 1000).toISOString().slice(0, 10);
  if (dayTexts.size >= MAX_CACHED_DAYS) dayTexts.clear();
  dayTexts.set(day, text);
  return text;
}
