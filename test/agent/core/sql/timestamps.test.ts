// Marker arithmetic: the bound never sorts after what it must include.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  frameNowMs,
  implausibleFrom,
  largestBackwardStepMs,
  markerBefore,
  parseMarker,
  zoneOffsetMs,
} from "#agent/core/sql/timestamps.ts";

const HOUR_MS = 3_600_000;

describe("parseMarker", () => {
  test.each([
    ["2024-05-06", 86_400_000, ""],
    ["2024-05-06 07:08", 60_000, " "],
    ["2024-05-06T07:08:09", 1000, "T"],
    ["2024-05-06T07:08:09Z", 1000, "T"],
    ["2024-05-06 07:08:09.123456+00", 1, " "],
    ["2024-05-06 07:08:09,5", 1, " "],
  ])("%s", (text, granularityMs, separator) => {
    expect(parseMarker(text, "utc")).toMatchObject({ granularityMs, separator });
  });

  test.each(["", "yesterday", "20240506", "2024-05-06T07:08:09+02:00", "infinity", null])(
    "refuses %s",
    (text) => {
      expect(parseMarker(text, "utc")).toBeUndefined();
    },
  );

  test("epochs", () => {
    expect(parseMarker("1700000000", "epoch_s")?.ms).toBe(1_700_000_000_000);
    expect(parseMarker(1_700_000_000_123, "epoch_ms")?.ms).toBe(1_700_000_000_123);
    expect(parseMarker("soon", "epoch_s")).toBeUndefined();
  });
});

test("the bound sorts, as text, at or before every writing of an instant that it must include", () => {
  const instant = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2090, 0) });
  const writing = fc.constantFrom<(iso: string) => string>(
    (iso) => iso,
    (iso) => iso.slice(0, 19),
    (iso) => `${iso.slice(0, 19)}Z`,
    (iso) => iso.slice(0, 16),
    (iso) => iso.slice(0, 10),
  );
  fc.assert(
    fc.property(
      instant,
      fc.nat(10 * HOUR_MS),
      fc.nat(10 * HOUR_MS),
      writing,
      fc.boolean(),
      (ms, overlapMs, backMs, write, isBlank) => {
        const text = (atMs: number): string => {
          const written = write(new Date(atMs).toISOString());
          return isBlank ? written.replace("T", " ") : written;
        };
        const marker = parseMarker(text(ms), "utc")!;
        const bound = markerBefore(marker, overlapMs, "utc") as string;
        const included = text(marker.ms - Math.min(backMs, overlapMs));
        expect(bound <= included).toBe(true);
        expect(marker.ms - parseMarker(bound, "utc")!.ms).toBeLessThan(
          overlapMs + Math.max(1000, marker.granularityMs),
        );
      },
    ),
  );
});

test("zones: offsets, the largest step back, now in the column's frame", () => {
  const summer = Date.UTC(2026, 6, 1);
  expect(zoneOffsetMs("Europe/Berlin", summer)).toBe(2 * HOUR_MS);
  expect(zoneOffsetMs("America/St_Johns", Date.UTC(2026, 0, 1))).toBe(-3.5 * HOUR_MS);
  expect(zoneOffsetMs("UTC", summer)).toBe(0);
  expect(largestBackwardStepMs("Europe/Berlin", summer)).toBe(HOUR_MS);
  expect(largestBackwardStepMs("Australia/Lord_Howe", summer)).toBe(HOUR_MS / 2);
  expect(largestBackwardStepMs("Asia/Kolkata", summer)).toBe(0);
  expect(frameNowMs(summer, "local", "Europe/Berlin")).toBe(summer + 2 * HOUR_MS);
  expect(frameNowMs(summer, "epoch_s", "Europe/Berlin")).toBe(summer);
  expect(implausibleFrom(Date.UTC(2026, 6, 1, 23), "utc")).toBe("2026-07-03");
  expect(implausibleFrom(Date.UTC(2026, 6, 1, 23), "epoch_s")).toBe(Date.UTC(2026, 6, 3) / 1000);
});

describe("dates that are numbers or plain digits", () => {
  test.each([
    ["cyyddd", 126124, "2026-05-04"],
    ["cyyddd", "99365", "1999-12-31"],
    ["cyyddd", 124366, "2024-12-31"],
    ["yyyymmdd", "20260504", "2026-05-04"],
  ] as const)("%s %s is %s, all day long", (format, value, day) => {
    expect(parseMarker(value, format)).toMatchObject({ ms: Date.parse(day), granularityMs: 86_400_000 });
  });

  test.each([
    ["cyyddd", 0],
    ["cyyddd", 125366],
    ["yyyymmdd", "00000000"],
    ["yyyymmdd", "20260231"],
    ["yyyymmdd", "2026-05-04"],
  ] as const)("%s %s is no day", (format, value) => {
    expect(parseMarker(value, format)).toBeUndefined();
  });

  test("bounds are days in the column's own writing", () => {
    const HOUR = 3_600_000;
    expect(markerBefore(parseMarker(126001, "cyyddd")!, HOUR, "cyyddd")).toBe(125365);
    expect(markerBefore(parseMarker("20260301", "yyyymmdd")!, HOUR, "yyyymmdd")).toBe("20260228");
    expect(implausibleFrom(Date.parse("2026-12-31T10:00:00Z"), "cyyddd")).toBe(127002);
    expect(implausibleFrom(Date.parse("2026-12-31T10:00:00Z"), "yyyymmdd")).toBe("20270102");
  });
});
