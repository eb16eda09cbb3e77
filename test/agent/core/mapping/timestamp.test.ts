// Local wall-clock times to UTC, over both kinds of clock change, and dates that mean none.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LocalTime } from "#agent/core/mapping/local-time.ts";
import { createTimeReader, type TimeReader } from "#agent/core/mapping/timestamp.ts";

const NO_DATES = new Set(["1753-01-01", "1900-01-01", "9999-12-31"]);

function reader(timeZone: string): TimeReader {
  return createTimeReader(new LocalTime(timeZone), NO_DATES);
}

describe("instants of local wall clocks", () => {
  const berlin = reader("Europe/Berlin");

  test.each([
    ["2026-01-15 08:00:00", "2026-01-15T07:00:00Z", "winter"],
    ["2026-07-15T08:00:00", "2026-07-15T06:00:00Z", "summer"],
    ["2026-07-15 08:00:00.1230", "2026-07-15T06:00:00.123Z", "a fraction keeps its digits, not its zeros"],
    ["2026-07-15 08:00:00.1234567", "2026-07-15T06:00:00.1234567Z", "seven digits, as SQL Server has"],
    ["2026-03-29 01:59:59", "2026-03-29T00:59:59Z", "just before the clocks go forward"],
    ["2026-03-29 02:30:00", "2026-03-29T01:30:00Z", "skipped: moves forward by the gap"],
    ["2026-03-29 03:00:00", "2026-03-29T01:00:00Z", "just after"],
    ["2026-10-25 01:59:59", "2026-10-24T23:59:59Z", "just before the clocks go back"],
    ["2026-10-25 02:30:00", "2026-10-25T00:30:00Z", "twice: the first of the two"],
    ["2026-10-25 03:00:00", "2026-10-25T02:00:00Z", "just after"],
    ["20260715080000", "2026-07-15T06:00:00Z", "digits only"],
    ["2026-07-15", "2026-07-14T22:00:00Z", "a date alone is its local midnight"],
    ["2026-07-15T08:00:00Z", "2026-07-15T08:00:00Z", "an offset in the text wins"],
    ["2026-07-15T08:00:00+05:30", "2026-07-15T02:30:00Z", "any offset"],
  ])("%s is %s: %s", (written, utc) => {
    expect(berlin.instant(written, "local")).toBe(utc);
  });

  test("zones with odd offsets and half-hour changes", () => {
    expect(reader("Asia/Kathmandu").instant("2026-05-01 12:00:00", "local")).toBe("2026-05-01T06:15:00Z");
    expect(reader("Australia/Lord_Howe").instant("2026-04-05 01:45:00", "local")).toBe(
      "2026-04-04T14:45:00Z",
    );
    expect(reader("America/New_York").instant("2026-11-01 01:30:00", "local")).toBe("2026-11-01T05:30:00Z");
  });

  test("agrees with the platform's own local time in every hour of three years", () => {
    const zone = new LocalTime("Europe/Berlin");
    const format = new Intl.DateTimeFormat("sv-SE", {
      timeZone: "Europe/Berlin",
      dateStyle: "short",
      timeStyle: "medium",
    });
    const start = Date.UTC(2024, 0, 1) / 1000;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 * 365 * 24 * 4 }), (quarter) => {
        const utcS = start + quarter * 900;
        const local = Date.parse(`${format.format(utcS * 1000).replace(" ", "T")}Z`) / 1000;
        const back = zone.toUtc(local);
        // Of an hour that happens twice, the first is meant.
        expect([utcS, utcS - 3600]).toContain(back);
        expect(back + zone.offsetAt(back)).toBe(local);
      }),
      { numRuns: 500 },
    );
  });

  test("an unknown zone is refused", () => {
    expect(() => new LocalTime("Europe/Atlantis")).toThrow(RangeError);
  });
});

describe("other formats", () => {
  const utc = reader("Europe/Berlin");
  test("utc, epoch seconds and epoch milliseconds", () => {
    expect(utc.instant("2026-01-15 08:00:00", "utc")).toBe("2026-01-15T08:00:00Z");
    expect(utc.instant(1_768_464_000, "epoch_s")).toBe("2026-01-15T08:00:00Z");
    expect(utc.instant("1768464000250", "epoch_ms")).toBe("2026-01-15T08:00:00.25Z");
    expect(utc.date(1_768_431_600, "epoch_s")).toBe("2026-01-15");
  });

  test("date and time of day in two columns", () => {
    expect(utc.instant("20260115", "utc", 80_500)).toBe("2026-01-15T08:05:00Z");
    expect(utc.instant("2026-01-15 00:00:00", "utc", "08:05:30")).toBe("2026-01-15T08:05:30Z");
  });

  test("a date stays the date that was written", () => {
    expect(utc.date("2026-01-15 23:59:59", "local")).toBe("2026-01-15");
    expect(utc.date("20260115", "local")).toBe("2026-01-15");
    expect(utc.date("2024-02-29", "local")).toBe("2024-02-29");
  });

  test.each([
    "1753-01-01 00:00:00.000",
    "19000101",
    "00000000",
    "0000-00-00 00:00:00",
    "9999-12-31T23:59:59",
  ])("%s means none", (written) => {
    expect(utc.instant(written, "local")).toBeNull();
    expect(utc.date(written, "local")).toBeNull();
  });

  test.each([
    "2026-13-01",
    "2026-02-30",
    "2025-02-29",
    "2026-01-15 24:00:00",
    "2026-01-15 10:61:00",
    "15.01.2026",
    "soon",
    "1.5",
  ])("%s is none at all", (written) => {
    expect(utc.instant(written, "local")).toBeUndefined();
    expect(utc.date(written, "local")).toBeUndefined();
  });

  test("instants outside the calendar's years are refused", () => {
    expect(utc.instant("0001-01-01 00:00:00", "local")).toBeUndefined();
    expect(utc.instant(1e15, "epoch_s")).toBeUndefined();
    expect(utc.instant(Number.NaN, "epoch_ms")).toBeUndefined();
    expect(utc.date(1e15, "epoch_s")).toBeUndefined();
  });
});

describe("days counted through the century (CYYDDD)", () => {
  const denver = reader("America/Denver");

  test.each([
    [126124, "2026-05-04"],
    ["99365", "1999-12-31"],
    [124366, "2024-12-31"],
    [5001, "1905-01-01"],
    [0, null],
    ["000000", null],
    [125366, undefined],
    ["abc", undefined],
  ])("%s is %s", (value, date) => {
    expect(denver.date(value, "cyyddd")).toBe(date);
  });

  test("a time of day stands in a column of its own; without a date there is none", () => {
    expect(denver.instant(126124, "cyyddd", 93015)).toBe("2026-05-04T15:30:15Z");
    expect(denver.instant(126124, "cyyddd", 5)).toBe("2026-05-04T06:00:05Z");
    expect(denver.instant(0, "cyyddd", 93015)).toBeNull();
    expect(denver.instant("00000000", "yyyymmdd", "101500")).toBeNull();
  });
});
