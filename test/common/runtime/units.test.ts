// Durations and sizes as people write them.
import { describe, expect, it } from "vitest";
import { formatDuration, formatSize, parseDuration, parseSize } from "#common/runtime/units.ts";

describe("durations", () => {
  it.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["1.5m", 90_000],
    ["1h", 3_600_000],
    ["1d", 86_400_000],
    [" 2 s ", 2_000],
  ])("reads %s", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(["30", "s", "-1s", "1e3s", "1 week", "", "1h30m"])("refuses %j", (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it("writes the largest unit that divides it", () => {
    expect([250, 90_000, 3_600_000, 0].map(formatDuration)).toEqual(["250ms", "90s", "1h", "0ms"]);
  });
});

describe("sizes", () => {
  it.each([
    ["100B", 100],
    ["64KiB", 65_536],
    ["1.5GiB", 1_610_612_736],
    ["500MB", 500_000_000],
  ])("reads %s", (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(["64", "64k", "64 gib", "-1B"])("refuses %j", (text) => expect(parseSize(text)).toBeUndefined());

  it("writes exact sizes exactly and others with one decimal", () => {
    expect([512, 65_536, 4 * 2 ** 30, 1_500_000].map(formatSize)).toEqual([
      "512B",
      "64KiB",
      "4GiB",
      "1.4MiB",
    ]);
  });
});
