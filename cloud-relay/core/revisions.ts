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
  return new Date(Math.floor(revision / 1000)).toISOString();
}

/** An instant from ms since the epoch, with microseconds where it has them. */
export function instantOf(ms: number): string {
  const whole = Math.floor(ms);
  const text = new Date(whole).toISOString();
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
