// Rows a second: the average is kept whatever is read, and polls wait for polls alone.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RowAllowance, type LoadKind } from "#agent/core/load/row-allowance.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

describe("the allowance", () => {
  test("is paid for afterwards, by the time that the rows were worth", () => {
    const clock = new FakeClock();
    const allowance = new RowAllowance(2_000, clock);
    expect(allowance.waitMs("pass")).toBe(0);
    allowance.read("pass", 1_000);
    expect(allowance.waitMs("pass")).toBe(500);
    clock.advance(300);
    expect(allowance.waitMs("pass")).toBe(200);
    clock.advance(10_000);
    allowance.read("pass", 1_000);
    expect(allowance.waitMs("pass")).toBe(500);
  });

  test("breaks off only what is well in debt", () => {
    const allowance = new RowAllowance(1_000, new FakeClock());
    allowance.read("poll", 250);
    expect(allowance.isOverdrawn("poll")).toBe(false);
    allowance.read("poll", 1);
    expect(allowance.isOverdrawn("poll")).toBe(true);
  });

  test("lets polls go before passes: they never wait for what a pass has read", () => {
    const allowance = new RowAllowance(100, new FakeClock());
    allowance.read("pass", 100_000);
    expect(allowance.waitMs("poll")).toBe(0);
    allowance.read("poll", 100);
    expect(allowance.waitMs("poll")).toBe(1_000);
    expect(allowance.waitMs("pass")).toBe(1_001_000);
  });

  test("without a limit nobody waits, and chunks are as large as wished", () => {
    const allowance = new RowAllowance(Infinity, new FakeClock());
    allowance.read("poll", 1e9);
    expect([allowance.waitMs("poll"), allowance.waitMs("pass"), allowance.chunkRows]).toEqual([
      0,
      0,
      Infinity,
    ]);
  });

  test("in any time no more is read than the rate and the chunks that were under way at its beginning", () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom<LoadKind>("poll", "pass"),
        rows: fc.integer({ min: 0, max: 100 }),
        idleMs: fc.integer({ min: 0, max: 400 }),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), steps, (rate, reads) => {
        const clock = new FakeClock();
        const allowance = new RowAllowance(rate, clock);
        const done: { readonly atMs: number; readonly rows: number }[] = [];
        for (const { kind, rows, idleMs } of reads) {
          clock.advance(idleMs + allowance.waitMs(kind));
          const capped = Math.min(rows, allowance.chunkRows);
          allowance.read(kind, capped);
          done.push({ atMs: clock.monotonicMs(), rows: capped });
        }
        const endMs = clock.monotonicMs();
        for (const [from, { atMs }] of done.entries()) {
          const read = done.slice(from).reduce((sum, { rows }) => sum + rows, 0);
          // One chunk of a poll and one of a pass may have been begun just before.
          expect(read).toBeLessThanOrEqual((rate * (endMs - atMs)) / 1_000 + 2 * allowance.chunkRows + 1e-6);
        }
      }),
    );
  });
});
