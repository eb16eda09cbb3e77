// The hours in which passes over everything may run: windows of a week in one zone, through both clock changes.
import { invariant } from "#common/runtime/errors.ts";
import { LocalTime } from "../mapping/local-time.ts";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const DAY = `(?:${DAYS.join("|")})`;
const TIME = "(?:[01]\\d|2[0-3]):[0-5]\\d";

/** `22:00-05:00`, `sat-sun 00:00-24:00`, `mon,wed,fri 12:00-13:00`; from and to differ. */
export const WINDOW_PATTERN = `^(?!.*(\\d\\d:\\d\\d)-\\1$)(?:${DAY}(?:-${DAY})?(?:,${DAY}(?:-${DAY})?)* )?${TIME}-(?:${TIME}|24:00)$`;

/** One window on each of its days; minutes of the local day. An end before the beginning is on the next day. */
interface Window {
  /** 0 is Monday. */
  readonly days: readonly number[];
  readonly fromMinute: number;
  readonly toMinute: number;
}

const DAY_S = 86_400;
const DAY_MINUTES = 1_440;
/** 1 January 1970 was a Thursday. */
const FIRST_WEEKDAY = 3;
/** A weekly window may fall into the hour that spring skips: then it is the next week's. */
const LOOK_AHEAD_DAYS = 15;

/**
 * A window begins and ends when the clock on the wall says so: over a night in which the clock is put back it is an hour
 * longer, in spring an hour shorter. What begins in the skipped hour begins after it.
 */
export class PassCalendar {
  readonly #windows: readonly Window[];
  readonly #time: LocalTime;
  readonly #timeZone: string;
  /** What holds in [fromMs, toMs), as looked up last. */
  #known = { fromMs: 0, toMs: 0, isOpen: false };

  /** Without windows it is always open. `windows` match WINDOW_PATTERN. @throws RangeError when the zone is not known */
  constructor(windows: readonly string[], timeZone: string) {
    this.#windows = windows.map(parseWindow);
    this.#time = new LocalTime(timeZone);
    this.#timeZone = timeZone;
  }

  /** ms until passes may run; 0 while they may. */
  opensInMs(nowMs: number): number {
    if (this.#windows.length === 0) return 0;
    if (nowMs < this.#known.fromMs || nowMs >= this.#known.toMs) this.#known = this.#lookUp(nowMs);
    return this.#known.isOpen ? 0 : this.#known.toMs - nowMs;
  }

  /** When the wait ends, for people: `22:00 Europe/Berlin`, with the weekday if it is not within a day. */
  opensAtText(nowMs: number): string {
    const inMs = this.opensInMs(nowMs);
    const utcS = Math.round((nowMs + inMs) / 1_000);
    const localS = utcS + this.#time.offsetAt(utcS);
    const time = new Date(localS * 1_000).toISOString().slice(11, 16);
    const day = inMs < DAY_S * 1_000 ? "" : `${DAYS[weekday(Math.floor(localS / DAY_S))]} `;
    return `${day}${time} ${this.#timeZone}`;
  }

  #lookUp(nowMs: number): { fromMs: number; toMs: number; isOpen: boolean } {
    const nowS = nowMs / 1_000;
    const today = Math.floor((nowS + this.#time.offsetAt(Math.floor(nowS))) / DAY_S);
    let nextMs = (nowS + LOOK_AHEAD_DAYS * DAY_S) * 1_000;
    for (let day = today - 1; day <= today + LOOK_AHEAD_DAYS; day += 1) {
      for (const window of this.#windows) {
        if (!window.days.includes(weekday(day))) continue;
        const fromMs = this.#time.toUtc(day * DAY_S + window.fromMinute * 60) * 1_000;
        const toMs = this.#time.toUtc(day * DAY_S + window.toMinute * 60) * 1_000;
        if (fromMs <= nowMs && nowMs < toMs) return { fromMs, toMs, isOpen: true };
        if (fromMs > nowMs && toMs > fromMs) nextMs = Math.min(nextMs, fromMs);
      }
    }
    return { fromMs: nowMs, toMs: nextMs, isOpen: false };
  }
}

function weekday(day: number): number {
  return (((day + FIRST_WEEKDAY) % 7) + 7) % 7;
}

function parseWindow(text: string): Window {
  invariant(new RegExp(WINDOW_PATTERN, "u").test(text), `"${text}" is no window`);
  const [hours = "", days = ""] = text.split(" ").toReversed();
  const [fromMinute = 0, toMinute = 0] = hours.split("-").map(minuteOf);
  return {
    days: days === "" ? DAYS.map((_, at) => at) : days.split(",").flatMap(daysOf),
    fromMinute,
    toMinute: toMinute > fromMinute ? toMinute : toMinute + DAY_MINUTES,
  };
}

/** `fri-mon` goes around the weekend. */
function daysOf(range: string): readonly number[] {
  const [first = 0, last = first] = range.split("-").map((day) => DAYS.findIndex((name) => name === day));
  return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, at) => (first + at) % 7);
}

function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}
