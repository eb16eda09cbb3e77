// Windows of a week in a zone: their days, over midnight, and through both clock changes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PassCalendar, WINDOW_PATTERN } from "#agent/core/load/pass-calendar.ts";

const HOUR_MS = 3_600_000;
const BERLIN = "Europe/Berlin";

function at(text: string): number {
  return Date.parse(text);
}

/** Hours until it opens, from each of the instants. */
function waits(calendar: PassCalendar, ...instants: readonly string[]): readonly number[] {
  return instants.map((text) => calendar.opensInMs(at(text)) / HOUR_MS);
}

describe("a window", () => {
  test.each([
    "22:00-05:00",
    "00:00-24:00",
    "sat-sun 00:00-24:00",
    "mon,wed,fri 12:00-13:30",
    "fri-mon,wed 22:00-05:00",
  ])("may be written %s", (text) => {
    expect(text).toMatch(new RegExp(WINDOW_PATTERN, "u"));
    expect(() => new PassCalendar([text], BERLIN)).not.toThrow();
  });

  test.each([
    "22:00",
    "22-05",
    "24:00-05:00",
    "22:00-25:00",
    "22:00-22:00",
    "mon 22:00-22:00",
    "Mon 22:00-05:00",
    "mon22:00-05:00",
    "mon-tue-wed 22:00-05:00",
    "mon, tue 22:00-05:00",
    " 22:00-05:00",
    "",
  ])("may not be written %j", (text) => {
    expect(text).not.toMatch(new RegExp(WINDOW_PATTERN, "u"));
    expect(() => new PassCalendar([text], BERLIN)).toThrow("is no window");
  });
});

describe("a calendar", () => {
  test("without windows is always open", () => {
    expect(new PassCalendar([], BERLIN).opensInMs(at("2026-07-01T12:00:00Z"))).toBe(0);
  });

  test("opens and closes by the wall clock of its zone, over midnight", () => {
    const calendar = new PassCalendar(["22:00-05:00"], BERLIN);
    // Summer: two hours ahead of UTC.
    expect(
      waits(
        calendar,
        "2026-07-01T19:00:00Z",
        "2026-07-01T19:59:59.999Z",
        "2026-07-01T20:00:00Z",
        "2026-07-02T02:59:59.999Z",
        "2026-07-02T03:00:00Z",
      ),
    ).toEqual([1, 1 / HOUR_MS, 0, 0, 17]);
  });

  test("is open when it is first asked after midnight in a window that began before", () => {
    expect(waits(new PassCalendar(["wed 22:00-05:00"], BERLIN), "2026-07-01T22:30:00Z")).toEqual([0]);
  });

  test("a window over midnight belongs to the day on which it begins", () => {
    const calendar = new PassCalendar(["fri 22:00-05:00"], "UTC");
    // 3 July 2026 is a Friday.
    expect(waits(calendar, "2026-07-03T04:00:00Z", "2026-07-03T22:00:00Z", "2026-07-04T04:59:00Z")).toEqual([
      18, 0, 0,
    ]);
    expect(waits(calendar, "2026-07-04T05:00:00Z")).toEqual([7 * 24 - 7]);
  });

  test("days go around the weekend, and windows that touch are one", () => {
    const calendar = new PassCalendar(["sat-mon 00:00-24:00", "tue 00:00-06:00"], "UTC");
    const open = ["2026-07-04", "2026-07-05", "2026-07-06", "2026-07-07"].map((day) => `${day}T03:00:00Z`);
    expect(waits(calendar, ...open)).toEqual([0, 0, 0, 0]);
    expect(waits(calendar, "2026-07-07T06:00:00Z")).toEqual([3 * 24 + 18]);
  });

  test("in the night in which the clock is put back, it is open an hour longer", () => {
    // 25 October 2026, 03:00 becomes 02:00.
    const calendar = new PassCalendar(["22:00-05:00"], BERLIN);
    expect(waits(calendar, "2026-10-24T20:00:00Z", "2026-10-25T03:59:00Z")).toEqual([0, 0]);
    expect(waits(calendar, "2026-10-25T04:00:00Z", "2026-10-25T21:00:00Z")).toEqual([17, 0]);
    // The hour that comes twice is one window.
    const twice = new PassCalendar(["02:00-03:00"], BERLIN);
    expect(
      waits(twice, "2026-10-24T23:59:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:59:00Z").map(Math.ceil),
    ).toEqual([1, 0, 0]);
    expect(waits(twice, "2026-10-25T02:00:00Z")).toEqual([23]);
  });

  test("in the night in which the clock is put forward, it is open an hour less", () => {
    // 29 March 2026, 02:00 becomes 03:00.
    const calendar = new PassCalendar(["22:00-05:00"], BERLIN);
    expect(waits(calendar, "2026-03-28T21:00:00Z", "2026-03-29T02:59:00Z")).toEqual([0, 0]);
    expect(waits(calendar, "2026-03-29T03:00:00Z")).toEqual([17]);
    // A window within the skipped hour comes after it; one that is the skipped hour comes the night after.
    const within = new PassCalendar(["02:15-02:45"], BERLIN);
    expect(waits(within, "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z", "2026-03-29T01:44:00Z")).toEqual([
      0.25, 0, 0,
    ]);
    const skipped = new PassCalendar(["02:00-03:00"], BERLIN);
    expect(waits(skipped, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z")).toEqual([23.5, 23]);
  });

  test("says in the zone's own time when it opens", () => {
    const calendar = new PassCalendar(["sat 22:00-23:00"], BERLIN);
    expect(calendar.opensAtText(at("2026-07-04T10:00:00Z"))).toBe("22:00 Europe/Berlin");
    expect(calendar.opensAtText(at("2026-07-01T10:00:00Z"))).toBe("sat 22:00 Europe/Berlin");
  });

  test("whoever waits as long as it says finds it open, and not a moment earlier, whatever the clock did before", () => {
    const window = fc
      .tuple(
        fc.constantFrom("", "mon ", "sat-sun ", "fri-mon ", "tue,thu "),
        fc.integer({ min: 0, max: 23 }),
        fc.constantFrom("00", "15", "59"),
        fc.integer({ min: 0, max: 23 }),
      )
      .map(([days, from, minute, to]) => {
        const two = (hour: number): string => String(hour).padStart(2, "0");
        return `${days}${two(from)}:${minute}-${two(to)}:30`;
      });
    const zone = fc.constantFrom(BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC");
    const instants = fc.array(fc.integer({ min: at("2026-01-01"), max: at("2027-01-01") }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(
        fc.array(window, { minLength: 1, maxLength: 3 }),
        zone,
        instants,
        (windows, name, times) => {
          const calendar = new PassCalendar(windows, name);
          for (const nowMs of times) {
            const inMs = calendar.opensInMs(nowMs);
            const fresh = new PassCalendar(windows, name);
            expect(fresh.opensInMs(nowMs)).toBe(inMs);
            expect(fresh.opensInMs(nowMs + inMs)).toBe(0);
            expect(fresh.opensInMs(nowMs + Math.max(0, inMs - 1))).toBe(Math.min(1, inMs));
          }
        },
      ),
    );
  });
});
