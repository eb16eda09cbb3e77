// Quotas: what remains, when they are whole again, and that one key's use is nobody else's.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RateLimits, type Quota } from "#relay/core/limits/rate-limits.ts";

const connection: Quota = { name: "connection", requests: 3, windowMs: 60_000 };
const workspace: Quota = { name: "workspace", requests: 5, windowMs: 60_000 };

describe("one quota", () => {
  test("allows so many a window, says what remains, and begins anew after it", () => {
    const limits = new RateLimits();
    const take = (nowMs: number) => limits.take([{ quota: connection, key: "a" }], nowMs);
    expect([take(1_000)?.remaining, take(2_000)?.remaining, take(3_000)?.remaining]).toEqual([2, 1, 0]);
    expect(take(11_000)).toMatchObject({ isAllowed: false, remaining: 0, resetMs: 50_000 });
    expect(take(60_999)).toMatchObject({ isAllowed: false, resetMs: 1 });
    expect(take(61_000)).toMatchObject({ isAllowed: true, remaining: 2, resetMs: 60_000 });
  });

  test("is each key's own", () => {
    const limits = new RateLimits();
    for (let n = 0; n < 4; n += 1) limits.take([{ quota: connection, key: "a" }], 0);
    expect(limits.take([{ quota: connection, key: "a" }], 0)?.isAllowed).toBe(false);
    expect(limits.take([{ quota: connection, key: "b" }], 0)?.isAllowed).toBe(true);
  });
});

describe("two quotas", () => {
  const both = (key: string) => [
    { quota: connection, key },
    { quota: workspace, key: "w" },
  ];

  test("the one that is nearest to its end speaks; a refusal speaks before any allowance", () => {
    const limits = new RateLimits();
    expect(limits.take(both("a"), 0)).toMatchObject({ quota: connection, remaining: 2 });
    limits.take(both("b"), 0);
    limits.take(both("b"), 0);
    expect(limits.take(both("a"), 0)).toMatchObject({ quota: connection, remaining: 1 });
    expect(limits.take(both("c"), 0)).toMatchObject({ quota: workspace, remaining: 0 });
    expect(limits.take(both("d"), 0)).toMatchObject({ quota: workspace, isAllowed: false });
  });

  test("a refused request is counted nowhere", () => {
    const limits = new RateLimits();
    for (let n = 0; n < 10; n += 1) limits.take(both("a"), 0);
    // Three were counted: the workspace has two left for others.
    expect(limits.take(both("b"), 0)).toMatchObject({ quota: workspace, isAllowed: true, remaining: 1 });
  });
});

test("within one window no key ever gets more than its quota, in whatever order requests come", () => {
  const requests = fc.array(fc.record({ key: fc.constantFrom("a", "b", "c"), stepMs: fc.nat(20_000) }), {
    maxLength: 100,
  });
  fc.assert(
    fc.property(requests, (list) => {
      const limits = new RateLimits();
      const starts = new Map<string, number>();
      const used = new Map<string, number>();
      let nowMs = 0;
      for (const { key, stepMs } of list) {
        nowMs += stepMs;
        if (nowMs >= (starts.get(key) ?? -connection.windowMs) + connection.windowMs) {
          starts.set(key, nowMs);
          used.set(key, 0);
        }
        const standing = limits.take([{ quota: connection, key }], nowMs);
        const count = used.get(key) ?? 0;
        expect(standing?.isAllowed).toBe(count < connection.requests);
        if (standing?.isAllowed === true) used.set(key, count + 1);
      }
    }),
  );
});

test("keys are bounded: strangers cannot make the memory grow, and a new key is served all the same", () => {
  const limits = new RateLimits();
  const quota = { ...connection, windowMs: 1_000 };
  for (let n = 0; n < 50_000; n += 1) limits.take([{ quota, key: `k${n}` }], 0);
  for (let n = 0; n < 4; n += 1) limits.take([{ quota, key: "late" }], 500);
  expect(limits.take([{ quota, key: "late" }], 500)?.isAllowed).toBe(false);
  // The first one had to go to make room: its quota is whole.
  expect(limits.take([{ quota, key: "k0" }], 500)?.remaining).toBe(2);
});
