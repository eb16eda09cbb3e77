// Telemetry charts: what is not known is not drawn, and a range is read without losing what lies on its edges.
import { describe, expect, test } from "vitest";
import { instantOfSample, windowsOf } from "#relay/dashboard/api/sample-windows.ts";
import { timeMarks } from "#relay/dashboard/screens/telemetry-axis.ts";
import { drawnValue, seriesOf } from "#relay/dashboard/screens/telemetry-series.ts";
import { toneOfQuality, valueText } from "#relay/dashboard/screens/telemetry-value.ts";

const T0 = Date.parse("2026-03-02T08:00:00Z");

function sample(seconds: number, value: unknown, quality = "good") {
  return {
    value,
    quality,
    source_timestamp: new Date(T0 + seconds * 1_000).toISOString(),
    server_timestamp: null,
  };
}

function gap(fromSeconds: number | null, toSeconds: number) {
  return {
    id: `gap ${fromSeconds}`,
    reason: "reconnect",
    from: fromSeconds === null ? null : new Date(T0 + fromSeconds * 1_000).toISOString(),
    to: new Date(T0 + toSeconds * 1_000).toISOString(),
  };
}

describe("a chart's series", () => {
  test("breaks where a gap begins, between two good samples", () => {
    const series = seriesOf([sample(0, 1), sample(60, 2)], [gap(10, 50)], T0, T0 + 60_000);
    expect(series.ys).toEqual([1, null, 2]);
    expect(series.xs).toEqual(series.xs.toSorted((a, b) => a - b));
    expect(series.bands).toEqual([{ kind: "gap", fromMs: T0 + 10_000, toMs: T0 + 50_000 }]);
  });

  test("cuts gaps to what is shown, those without a beginning too, and leaves out those elsewhere", () => {
    const { bands } = seriesOf([], [gap(null, 10), gap(50, 500), gap(100, 200)], T0, T0 + 60_000);
    expect(bands.map(({ fromMs, toMs }) => [fromMs - T0, toMs - T0])).toEqual([
      [0, 10_000],
      [50_000, 60_000],
    ]);
  });

  test("breaks at bad quality, which holds until a better sample comes", () => {
    const samples = [sample(0, 1), sample(10, 1, "bad"), sample(20, 1, "bad"), sample(30, 3, "uncertain")];
    const series = seriesOf(samples, [], T0, T0 + 60_000);
    expect(series.ys).toEqual([1, null, null, 3]);
    expect(series.bands).toEqual([{ kind: "bad", fromMs: T0 + 10_000, toMs: T0 + 30_000 }]);
    const open = seriesOf([sample(10, 1, "bad")], [], T0, T0 + 60_000);
    expect(open.bands).toEqual([{ kind: "bad", fromMs: T0 + 10_000, toMs: T0 + 60_000 }]);
  });

  test("takes numbers, truth values and large integers; counts what it cannot draw", () => {
    expect([1.5, true, false, "9223372036854775807", "True", "", null, [1], "NaN"].map(drawnValue)).toEqual([
      1.5,
      1,
      0,
      2 ** 63,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(seriesOf([sample(0, "Running"), sample(1, 2)], [], T0, T0 + 9)).toMatchObject({
      ys: [null, 2],
      undrawn: 1,
    });
  });

  test("orders samples by the source's clock, else by its server's", () => {
    expect(instantOfSample({ source_timestamp: null, server_timestamp: "2026-03-02T08:00:00.123456Z" })).toBe(
      T0 + 123,
    );
    expect(instantOfSample({ source_timestamp: null, server_timestamp: null })).toBeUndefined();
    expect(seriesOf([sample(5, 2), sample(0, 1)], [], T0, T0 + 9).ys).toEqual([1, 2]);
  });
});

describe("a range", () => {
  test("is read in pieces that meet, newest first, and cover all of it", () => {
    for (const spanMs of [900_000, 3_600_000, 7 * 86_400_000, 1_001]) {
      const windows = windowsOf(T0, T0 + spanMs);
      expect(windows[0]?.[1]).toBe(T0 + spanMs);
      expect(windows.at(-1)?.[0]).toBe(T0);
      for (const [index, [fromMs, toMs]] of windows.entries()) {
        expect(fromMs).toBeLessThan(toMs);
        expect(windows[index + 1]?.[1] ?? T0).toBe(fromMs);
      }
      expect(windows.length).toBeLessThan(12);
    }
  });
});

describe("a time axis", () => {
  const marksOf = (stepS: number, count: number): readonly string[] =>
    timeMarks(
      Array.from({ length: count }, (_, n) => new Date(2026, 2, 1, 23, 50, n * stepS).getTime() / 1_000),
      stepS,
    );
  const numbersOf = (mark = ""): readonly string[] => mark.split("\n")[0]?.match(/\d+/g) ?? [];

  test("names the day below the first mark, and where it changes", () => {
    expect(marksOf(300, 4).map((mark) => mark.split("\n").length)).toEqual([2, 1, 2, 1]);
  });

  test("has seconds only where marks are less than a minute apart, and days alone where these are days", () => {
    expect(numbersOf(marksOf(300, 2)[1])).toHaveLength(2);
    expect(numbersOf(marksOf(10, 2)[1])).toHaveLength(3);
    expect(marksOf(86_400, 3).map((mark) => numbersOf(mark).length)).toEqual([1, 1, 1]);
  });
});

describe("a value", () => {
  test("is shown short, with its unit", () => {
    expect(valueText(1234.567, "rpm")).toBe("1,234.57 rpm");
    expect([0.0034215678, 999.12345, -12_345_678.5, 0].map((value) => valueText(value, null))).toEqual([
      "0.00342157",
      "999.123",
      "-12,345,678.5",
      "0",
    ]);
    expect(valueText("9223372036854775807", null)).toBe("9223372036854775807");
    expect(valueText([1, 2], "")).toBe("[1,2]");
    expect(valueText("x".repeat(100), null)).toHaveLength(61);
  });

  test("has the look of its quality", () => {
    expect(["good", "uncertain", "bad", "of tomorrow"].map(toneOfQuality)).toEqual([
      "good",
      "warn",
      "bad",
      "warn",
    ]);
  });
});
