// Exact decimals: what sources write becomes plain text, and sums are exact at any size.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plainDecimal, shiftDecimal, sumDecimals } from "#agent/core/mapping/decimal.ts";

describe("plainDecimal", () => {
  test.each([
    ["1250.00", "1250.00"],
    ["+007.50", "7.50"],
    [".5", "0.5"],
    ["5.", "5"],
    ["-0", "0"],
    ["-0.00", "0.00"],
    ["-0.10", "-0.10"],
    [" 12 ", "12"],
    ["1e-7", "0.0000001"],
    ["1.5E+3", "1500"],
    [1e21, "1000000000000000000000"],
    [0.1, "0.1"],
    [-0, "0"],
    [1.5e-9, "0.0000000015"],
    [9_007_199_254_740_993n, "9007199254740993"],
  ])("%s becomes %s", (written, plain) => {
    expect(plainDecimal(written)).toBe(plain);
  });

  test.each(["", "-", ".", "1,5", "abc", "1e400", "0x10", "1_000", "9".repeat(61), Number.NaN, Infinity])(
    "%s is none",
    (written) => {
      expect(plainDecimal(written)).toBeUndefined();
    },
  );

  test("every finite number keeps its value", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }), (number) => {
        const text = plainDecimal(number) ?? "none";
        expect(text).not.toMatch(/\de/);
        expect(text === "none" ? Math.abs(number) < 1e-30 : Number(text) === number).toBe(true);
      }),
    );
  });
});

describe("sumDecimals", () => {
  test("does not drift as floats do", () => {
    expect(sumDecimals(["0.1", "0.2"])).toBe("0.3");
    expect(sumDecimals(Array.from({ length: 10 }, () => "0.10"))).toBe("1.00");
    expect(sumDecimals(["9007199254740993.01", "0.99"])).toBe("9007199254740994.00");
  });

  test("takes away, and shows no negative zero", () => {
    expect(sumDecimals(["10"], ["2.5", "0.05"])).toBe("7.45");
    expect(sumDecimals(["1.0"], ["1"])).toBe("0.0");
    expect(sumDecimals([], ["3"])).toBe("-3");
    expect(sumDecimals([])).toBe("0");
  });

  test("agrees with integer arithmetic in hundredths", () => {
    const cents = fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { maxLength: 30 });
    const write = (value: number): string => shiftDecimal(String(value), 2) ?? "";
    fc.assert(
      fc.property(cents, (values) => {
        const sum = values.reduce((total, value) => total + value, 0);
        expect(Number(sumDecimals(values.map(write)))).toBe(sum / 100);
      }),
    );
  });

  test("a sum too long for the model is none", () => {
    expect(sumDecimals(["9".repeat(60), "1"])).toBeUndefined();
  });
});

test("shiftDecimal moves the point to the left", () => {
  expect(shiftDecimal("1250", 2)).toBe("12.50");
  expect(shiftDecimal("-5", 3)).toBe("-0.005");
  expect(shiftDecimal("1.5", 0)).toBe("1.5");
});
