// Decimals are compared as what they say, not as what a double makes of them.
import { describe, expect, it } from "vitest";
import { compareDecimals, decimalOf, isWithinStep } from "#agent/connectors/opc-ua/decimals.ts";

describe("decimals", () => {
  it.each([
    [0.1, "0.1"],
    [-0, "0"],
    [1e21, "1000000000000000000000"],
    [1.5e-9, "0.0000000015"],
    [-1.25e25, "-12500000000000000000000000"],
    [Number.NaN, null],
  ])("%d is written %s", (value, text) => {
    expect(decimalOf(value)).toBe(text);
  });

  it.each([
    ["1", "1.0", 0],
    ["-0.5", "-0.05", -1],
    ["0.1", "0.10000000149011612", -1],
    ["9007199254740993", "9007199254740992", 1],
    ["-3", "2", -1],
    ["-0", "0", 0],
  ])("%s against %s", (a, b, order) => {
    expect(compareDecimals(a, b)).toBe(order);
    expect(compareDecimals(b, a)).toBe(order === 0 ? 0 : -order);
  });

  it.each([
    ["1.0", "1.3", "0.3", true],
    ["1.0", "1.31", "0.3", false],
    ["1", "-1", "2", true],
    ["-1", "1.0001", "2", false],
    ["9223372036854775806", "9223372036854775807", "1", true],
  ])("from %s to %s within %s: %s", (a, b, step, isWithin) => {
    expect(isWithinStep(a, b, step)).toBe(isWithin);
    expect(isWithinStep(b, a, step)).toBe(isWithin);
  });
});
