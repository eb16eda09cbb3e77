// The published figures of the retries, and that no schedule ever leaves its bounds.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  localRetry,
  nextAttemptAtMs,
  RETRY_HORIZON_MS,
  retryAfterMs,
} from "#relay/core/webhooks/retry-schedule.ts";

const FIRST_MS = 1_748_736_000_000;
const HOUR_MS = 3_600_000;

/** Attempts of one round, ms after the first one. */
function attempts(random: () => number, lateMs = 0): number[] {
  const all = [0];
  for (;;) {
    const atMs = FIRST_MS + (all.at(-1) ?? 0);
    const next = nextAttemptAtMs({
      firstAttemptAtMs: FIRST_MS,
      atMs,
      atLeastMs: undefined,
      random: random(),
    });
    if (next === undefined) return all;
    all.push(next - FIRST_MS + lateMs);
  }
}

describe("the schedule without jitter", () => {
  const all = attempts(() => 0.5);

  it("is 30 s doubled up to 4 h: 13 retries, the last at 20 h 15, and a final one at exactly 24 h", () => {
    const delays = all.slice(1).map((at, index) => (at - (all[index] ?? 0)) / 1_000);
    expect(delays.slice(0, 9)).toEqual([30, 60, 120, 240, 480, 960, 1_920, 3_840, 7_680]);
    expect(delays.slice(9, 13)).toEqual([14_400, 14_400, 14_400, 14_400]);
    expect(all).toHaveLength(15);
    expect(all[13]).toBe(72_930_000);
    expect(all[14]).toBe(24 * HOUR_MS);
  });
});

describe("every schedule", () => {
  it("stays within 20 % of its delay, grows, and ends with one attempt at 24 h", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1 }),
        (dice) => {
          let throws = 0;
          const all = attempts(() => dice[throws++ % dice.length] ?? 0);
          for (const [index, at] of all.slice(1).entries()) {
            const before = all[index] ?? 0;
            const plain = Math.min(4 * HOUR_MS, before + 30_000);
            expect(at - before).toBeLessThanOrEqual(plain * 1.2 + 1);
            const least = at === RETRY_HORIZON_MS ? 0 : plain * 0.8 - 1;
            expect(at - before).toBeGreaterThanOrEqual(least);
          }
          expect(all.at(-1)).toBe(RETRY_HORIZON_MS);
          expect(all.filter((at) => at === RETRY_HORIZON_MS)).toHaveLength(1);
        },
      ),
    );
  });

  it("makes fewer attempts where they come late, and still the last one", () => {
    const late = attempts(() => 0.5, 5 * 60_000);
    expect(late.length).toBeLessThan(attempts(() => 0.5).length);
    expect(late.at(-1)).toBeGreaterThanOrEqual(RETRY_HORIZON_MS);
  });
});

describe("what the receiver asks for", () => {
  const ask = (atLeastMs: number, atMs = FIRST_MS): number | undefined =>
    nextAttemptAtMs({ firstAttemptAtMs: FIRST_MS, atMs, atLeastMs, random: 0.5 });

  it("is a floor, bounded by 4 h and by the last attempt", () => {
    expect(ask(10_000)).toBe(FIRST_MS + 30_000);
    expect(ask(90_000)).toBe(FIRST_MS + 90_000);
    expect(ask(30 * HOUR_MS)).toBe(FIRST_MS + 4 * HOUR_MS);
    expect(ask(4 * HOUR_MS, FIRST_MS + 23 * HOUR_MS)).toBe(FIRST_MS + RETRY_HORIZON_MS);
  });

  it.each([
    ["120", 120_000],
    [" 0 ", 0],
    ["Sun, 01 Jun 2025 00:01:00 GMT", 60_000],
    ["Sat, 31 May 2025 00:01:00 GMT", 0],
    ["999999999", 4 * HOUR_MS],
    ["soon", undefined],
    ["-1", undefined],
    ["1.5", undefined],
    ["", undefined],
  ])("Retry-After: %s", (value, waitMs) => {
    expect(retryAfterMs(value, FIRST_MS)).toBe(waitMs);
  });
});

it("the relay's own faults do not shorten a delivery's time", () => {
  const atMs = FIRST_MS + HOUR_MS;
  const { nextAtMs, firstAttemptAtMs } = localRetry(FIRST_MS, atMs, 0.5);
  expect(nextAtMs).toBe(atMs + 30_000);
  expect(nextAtMs - firstAttemptAtMs).toBe(HOUR_MS);
});
