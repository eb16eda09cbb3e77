// Wall-clock times of one IANA zone to UTC, by Intl alone and with cached offsets.

const DAY_S = 86_400;
/** Zone offsets change on quarter hours (since 1970), so one lookup serves a quarter. */
const SLOT_S = 900;
/** Cached offsets before the caches start anew; entries. */
const MAX_CACHED = 50_000;
/** By zone: making one takes most of a millisecond, and there are a few hundred zones at most. */
const formats = new Map<string, Intl.DateTimeFormat>();

export class LocalTime {
  readonly #format: Intl.DateTimeFormat;
  /** Local day → offset in seconds, NaN on days near a change of offset. */
  readonly #days = new Map<number, number>();
  readonly #slots = new Map<number, number>();

  /** @throws RangeError when the zone is not known */
  constructor(timeZone: string) {
    this.#format = formatOf(timeZone);
  }

  /**
   * UTC seconds of a wall-clock time, given as if it were UTC seconds. A time that happened twice is the first of the
   * two; one that was skipped moves forward by the length of the gap (as Temporal's `compatible` does).
   */
  toUtc(localS: number): number {
    const day = Math.floor(localS / DAY_S);
    let offset = this.#days.get(day);
    if (offset === undefined) {
      offset = this.#offsetOfDay(day);
      remember(this.#days, day, offset);
    }
    return Number.isNaN(offset) ? this.#nearChange(localS) : localS - offset;
  }

  /** Seconds east of UTC at a UTC instant. */
  offsetAt(utcS: number): number {
    if (utcS < 0) return this.#lookUp(utcS);
    const slot = Math.floor(utcS / SLOT_S);
    let offset = this.#slots.get(slot);
    if (offset === undefined) {
      offset = this.#lookUp(slot * SLOT_S);
      remember(this.#slots, slot, offset);
    }
    return offset;
  }

  #offsetOfDay(day: number): number {
    const start = this.offsetAt((day - 1) * DAY_S);
    const middle = this.offsetAt(day * DAY_S);
    return start === middle && middle === this.offsetAt((day + 2) * DAY_S) ? middle : Number.NaN;
  }

  #nearChange(localS: number): number {
    const before = this.offsetAt(localS - DAY_S);
    const after = this.offsetAt(localS + DAY_S);
    const first = localS - before;
    const second = localS - after;
    if (this.offsetAt(first) === before) return first;
    return this.offsetAt(second) === after ? second : first;
  }

  #lookUp(utcS: number): number {
    const part: Record<string, string> = {};
    for (const { type, value } of this.#format.formatToParts(utcS * 1000)) part[type] = value;
    const year = part["era"] === "BC" ? 1 - Number(part["year"]) : Number(part["year"]);
    const local = new Date(0);
    local.setUTCFullYear(year, Number(part["month"]) - 1, Number(part["day"]));
    local.setUTCHours(Number(part["hour"]), Number(part["minute"]), Number(part["second"]));
    return local.getTime() / 1000 - Math.floor(utcS);
  }
}

function remember(cache: Map<number, number>, key: number, value: number): void {
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, value);
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    era: "short",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(timeZone, format);
  return format;
}
