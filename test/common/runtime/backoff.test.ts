// Delays between attempts: how they grow, what resets them, and what keeps them short.
import { expect, test } from "vitest";
import { Backoff } from "#common/runtime/backoff.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const SETTINGS = { firstMs: 1_000, capMs: 60_000, healthyAfterMs: 60_000 };

function failing(backoff: Backoff, times: number): readonly number[] {
  return Array.from({ length: times }, () => backoff.failed());
}

test("delays grow to the cap, and a time of health begins them anew", () => {
  const clock = new FakeClock();
  const backoff = new Backoff(SETTINGS, clock, () => 1);
  expect(failing(backoff, 8)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  backoff.succeeded();
  clock.advance(59_999);
  expect(backoff.failed()).toBe(60_000);
  backoff.succeeded();
  clock.advance(60_000);
  expect(backoff.failed()).toBe(1_000);
});

test.each([
  [0, 1_000],
  [0.5, 3_000],
  [1, 5_000],
])("progress brings a long delay back to a short one with a floor (random %d)", (random, delayMs) => {
  const backoff = new Backoff(SETTINGS, new FakeClock(), () => random);
  failing(backoff, 8);
  backoff.progressed();
  expect(backoff.failed()).toBe(delayMs);
  // Once: without further progress they grow again.
  expect(backoff.failed()).toBe(random * 8_000);
});

test("progress makes no early delay longer, and the peer's own wish counts", () => {
  const backoff = new Backoff(SETTINGS, new FakeClock(), () => 0.5);
  backoff.progressed();
  expect(backoff.failed()).toBe(500);
  failing(backoff, 5);
  backoff.progressed();
  expect(backoff.failed(30_000)).toBe(30_000);
});
