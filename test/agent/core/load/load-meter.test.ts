// What a source was asked in the last minute.
import { expect, test } from "vitest";
import { LoadMeter } from "#agent/core/load/load-meter.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

test("is the average since the beginning, then of the last minute, and ends with it", () => {
  const clock = new FakeClock();
  const meter = new LoadMeter(clock);
  expect(meter.rates()).toEqual({ rowsPerSecond: 0, statementsPerSecond: 0 });
  meter.count(100, 4);
  clock.advance(1_000);
  meter.count(50, 1);
  expect(meter.rates()).toEqual({ rowsPerSecond: 75, statementsPerSecond: 2.5 });
  clock.advance(58_500);
  expect(meter.rates()).toEqual({ rowsPerSecond: 2.5, statementsPerSecond: 0.1 });
  clock.advance(500);
  expect(meter.rates().rowsPerSecond).toBe(0.8);
  clock.advance(1_000);
  expect(meter.rates()).toEqual({ rowsPerSecond: 0, statementsPerSecond: 0 });
});

test("forgets what is older, however long nobody has asked", () => {
  const clock = new FakeClock();
  const meter = new LoadMeter(clock);
  for (let second = 0; second < 200; second += 1) {
    meter.count(60, 6);
    clock.advance(1_000);
  }
  expect(meter.rates()).toEqual({ rowsPerSecond: 59, statementsPerSecond: 5.9 });
  clock.advance(3_600_000);
  expect(meter.rates()).toEqual({ rowsPerSecond: 0, statementsPerSecond: 0 });
});
