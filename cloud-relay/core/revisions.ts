// Between instants that people write and revisions, which are microseconds since the Unix epoch (store.ts).
import type { Revision } from "./store.ts";

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9}))?(Z|z|[+-]\d{2}:?\d{2})$/;

/** The revision at a date (its UTC midnight) or an ISO 8601 timestamp with a zone, to the microsecond; undefined when it is neither. */
export function revisionAt(text: string): Revision | undefined {
  if (DATE.test(text)) return micros(Date.parse(`${text}T00:00:00Z`), text, "0");
  const match = INSTANT.exec(text);
  if (match === null) return undefined;
  const [, date = "", time = "", fraction = "0", zone = "Z"] = match;
  return micros(Date.parse(`${date}T${time}${zone.toUpperCase()}`), date, fraction);
}

/** When the revision was committed, ISO 8601 in UTC with milliseconds. */
export function revisionInstant(revision: Revision): string {
  return instantOfMs(Math.floor(revision / 1000));
}

const DAY_MS = 86_400_000;
const TWO_DIGITS = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, "0"));
let lastDay = -1;
let lastDayText = "";
let lastMs = Number.NaN;
let lastText = "";

/** `Date.toISOString` of whole ms, several times as fast: a page of records has a hundred instants, mostly of few commits. */
export function instantOfMs(ms: number): string {
  if (ms === lastMs) return lastText;
  lastText = writtenOut(ms);
  lastMs = ms;
  return lastText;
}

function writtenOut(ms: number): string {
  const day = Math.floor(ms / DAY_MS);
  if (day !== lastDay) {
    lastDayText = new Date(ms).toISOString().slice(0, -13);
    lastDay = day;
  }
  const inDay = ms - day * DAY_MS;
  const seconds = Math.floor(inDay / 1000);
  const millis = inDay - seconds * 1000;
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const fraction = millis < 10 ? `00${millis}` : millis < 100 ? `0${millis}` : `${millis}`;
  return `${lastDayText}${TWO_DIGITS[hours]}:${TWO_DIGITS[minutes - hours * 60]}:${TWO_DIGITS[seconds - minutes * 60]}.${fraction}Z`;
}

/** An instant from ms since the epoch, with microseconds where it has them. */
export function instantOf(ms: number): string {
  const whole = Math.floor(ms);
  const text = instantOfMs(whole);
  const microsPart = Math.round((ms - whole) * 1000);
  return microsPart === 0 || microsPart === 1000
    ? text
    : text.replace("Z", `${String(microsPart).padStart(3, "0")}Z`);
}

function micros(ms: number, date: string, fraction: string): Revision | undefined {
  if (!Number.isFinite(ms) || !isCalendarDate(date)) return undefined;
  const revision = ms * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, revision));
}

/** `Date.parse` takes the 31st of February for a day in March. */
function isCalendarDate(date: string): boolean {
  const at = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(date);
}
