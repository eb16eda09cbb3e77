// Amounts and times as people read them.

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `just now`, `42 s ago`, `5 min ago`, `3 h ago`, `12 d ago`; `in 5 min` of what is to come. */
export function relativeTime(atMs: number, nowMs: number): string {
  const distanceMs = nowMs - atMs;
  if (Math.abs(distanceMs) < 5 * SECOND_MS) return "just now";
  const text = duration(Math.abs(distanceMs));
  return distanceMs > 0 ? `${text} ago` : `in ${text}`;
}

/** One unit, rounded down: `820 ms`, `42 s`, `5 min`, `3 h`, `12 d`. */
export function duration(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)} h`;
  return `${Math.floor(ms / DAY_MS)} d`;
}

/** In the reader's own zone, to the second, with the zone's name. */
export function exactTime(atMs: number): string {
  return new Date(atMs).toLocaleString(undefined, {
    year: "numeric",
    month: "short",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  });
}

/** `12,345`; of a fraction two digits. */
export function amount(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

/** `1 connection`, `2 connections`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${amount(count)} ${count === 1 ? noun : plural}`;
}

/** `914 B`, `1.9 KiB`. */
export function bytes(value: number): string {
  let unit = 0;
  let rest = value;
  while (rest >= 1_024 && unit < UNITS.length - 1) {
    rest /= 1_024;
    unit += 1;
  }
  return `${rest < 10 && unit > 0 ? rest.toFixed(1) : Math.round(rest)} ${UNITS[unit] ?? ""}`;
}

/** Of a share between 0 and 1: `100 %`, `99.98 %`, `0 %`; never 100 % when something is missing. */
export function percent(share: number): string {
  const value = share * 100;
  const shown = value > 99 && value < 100 ? Math.floor(value * 100) / 100 : Math.round(value * 10) / 10;
  return `${shown} %`;
}

/** Of a short span: `0.4 ms`, `12 ms`, `1.32 s`. */
export function milliseconds(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(2)} s`;
  return ms < 10 ? `${Math.round(ms * 10) / 10} ms` : `${Math.round(ms)} ms`;
}
