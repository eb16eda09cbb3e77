// Arithmetic on marker timestamps in the source's own writing, without ever changing how they sort.
import type { TimestampFormat } from "../source/plan.ts";

const DAY_MS = 86_400_000;
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:([ T])(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?\s*(?:Z|[+-]00(?::?00)?)?$/;

/** A marker read apart. `ms` is in the frame of the column: UTC for `utc`, wall clock taken as UTC for `local`. */
export interface ParsedMarker {
  readonly ms: number;
  /** How long after `ms` the same text may still be written: a day for a date, a second without fractions. */
  readonly granularityMs: number;
  readonly separator: "" | " " | "T";
}

/** Undefined for null and for anything that is not a time in this format. */
export function parseMarker(
  value: string | number | null,
  format: TimestampFormat,
): ParsedMarker | undefined {
  if (value === null) return undefined;
  if (isDateOnly(format)) {
    const ms = dayMs(String(value).trim(), format);
    return ms === undefined ? undefined : { ms, granularityMs: DAY_MS, separator: "" };
  }
  if (format === "epoch_s" || format === "epoch_ms") {
    const unitMs = format === "epoch_s" ? 1000 : 1;
    const ms = Number(value) * unitMs;
    return Number.isFinite(ms) ? { ms, granularityMs: unitMs, separator: "" } : undefined;
  }
  const match = ISO.exec(String(value));
  if (match === null) return undefined;
  const [, year, month, day, separator, hour, minute, second, fraction] = match;
  const wholeMs = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour ?? 0),
    Number(minute ?? 0),
    Number(second ?? 0),
  );
  return {
    ms: wholeMs + (fraction === undefined ? 0 : Math.floor(Number(`0.${fraction}`) * 1000)),
    granularityMs:
      separator === undefined ? DAY_MS : second === undefined ? 60_000 : fraction === undefined ? 1000 : 1,
    separator: (separator ?? "") as ParsedMarker["separator"],
  };
}

/**
 * A lower bound `byMs` before the marker, in the marker's own writing and rounded down to its granularity (whole
 * seconds at the finest): as text it sorts before every marker of that instant, with or without fraction or zone.
 */
export function markerBefore(marker: ParsedMarker, byMs: number, format: TimestampFormat): string | number {
  const ms = marker.ms - byMs;
  if (format === "epoch_s") return Math.floor(ms / 1000);
  if (format === "epoch_ms") return Math.floor(ms);
  if (isDateOnly(format)) return dayText(ms, format);
  const iso = new Date(ms).toISOString();
  if (marker.granularityMs >= DAY_MS) return iso.slice(0, 10);
  const length = marker.granularityMs >= 60_000 ? 16 : 19;
  return iso.slice(0, length).replace("T", marker.separator);
}

/** The first instant that cannot be a plausible marker: the day after tomorrow begins, in the column's frame and format. */
export function implausibleFrom(nowFrameMs: number, format: TimestampFormat): string | number {
  return dayMarker((Math.floor(nowFrameMs / DAY_MS) + 2) * DAY_MS, format);
}

/** The beginning of a day (ms, midnight in the column's frame) in a column's own writing. */
export function dayMarker(ms: number, format: TimestampFormat): string | number {
  if (format === "epoch_s") return ms / 1000;
  if (isDateOnly(format)) return dayText(ms, format);
  return format === "epoch_ms" ? ms : new Date(ms).toISOString().slice(0, 10);
}

/** Markers below this are no dates, but how products write "none": 1753-01-01, 1900-01-01, zeros, nothing. */
export function noDateBelow(format: TimestampFormat): string | number {
  const isEpoch = format === "epoch_s" || format === "epoch_ms";
  return dayMarker(isEpoch ? DAY_MS : Date.UTC(1900, 0, 2), format);
}

/** Now in the frame of a column: wall clock of the zone for `local`, UTC otherwise. */
export function frameNowMs(nowMs: number, format: TimestampFormat, timeZone: string): number {
  return isWallClock(format) ? nowMs + zoneOffsetMs(timeZone, nowMs) : nowMs;
}

/** Markers in the connection's zone. */
export function isWallClock(format: TimestampFormat): boolean {
  return format === "local" || isDateOnly(format);
}

type DateFormat = "yyyymmdd" | "cyyddd";

function isDateOnly(format: TimestampFormat): format is DateFormat {
  return format === "yyyymmdd" || format === "cyyddd";
}

/** Midnight of the day; undefined for zero and for what is no day. */
function dayMs(text: string, format: DateFormat): number | undefined {
  const [, head = "", tail = ""] =
    (format === "yyyymmdd" ? /^(\d{4})(\d{4})$/ : /^(\d{1,3})(\d{3})$/).exec(text) ?? [];
  if (head === "" || Number(tail) === 0) return undefined;
  const ms =
    format === "yyyymmdd"
      ? Date.UTC(Number(head), Number(tail.slice(0, 2)) - 1, Number(tail.slice(2)))
      : Date.UTC(1900 + Number(head), 0, Number(tail));
  return dayText(ms, format) === (format === "yyyymmdd" ? text : Number(text)) ? ms : undefined;
}

function dayText(ms: number, format: DateFormat): string | number {
  const date = new Date(ms);
  if (format === "yyyymmdd") return date.toISOString().slice(0, 10).replaceAll("-", "");
  const dayOfYear = Math.floor((ms - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;
  return (date.getUTCFullYear() - 1900) * 1000 + dayOfYear;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Wall clock minus UTC at an instant. @throws RangeError for an unknown zone */
export function zoneOffsetMs(timeZone: string, atMs: number): number {
  let formatter = formatters.get(timeZone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
    formatters.set(timeZone, formatter);
  }
  const name = formatter.formatToParts(atMs).find((part) => part.type === "timeZoneName")?.value ?? "GMT";
  const match = /GMT([+-])(\d{2}):(\d{2})(?::(\d{2}))?/.exec(name);
  if (match === null) return 0;
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4] ?? 0);
  return (match[1] === "-" ? -1 : 1) * seconds * 1000;
}

const backwardSteps = new Map<string, number>();

/** The most that the zone's wall clock goes back at once (end of summer time), over the years around `nowMs`. */
export function largestBackwardStepMs(timeZone: string, nowMs: number): number {
  const year = new Date(nowMs).getUTCFullYear();
  const cacheKey = `${timeZone} ${year}`;
  const known = backwardSteps.get(cacheKey);
  if (known !== undefined) return known;
  let largest = 0;
  let previous = zoneOffsetMs(timeZone, Date.UTC(year - 1, 0, 1));
  for (let atMs = Date.UTC(year - 1, 0, 2); atMs < Date.UTC(year + 2, 0, 1); atMs += DAY_MS) {
    const offset = zoneOffsetMs(timeZone, atMs);
    largest = Math.max(largest, previous - offset);
    previous = offset;
  }
  backwardSteps.set(cacheKey, largest);
  return largest;
}
