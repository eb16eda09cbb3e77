// Waiting for a condition that a benchmark watches from outside.
import { setTimeout } from "node:timers/promises";

/** Asks again every `everyMs`. @throws after `atMostMs`, naming what was waited for */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { everyMs = 100, atMostMs = 300_000 } = {},
): Promise<void> {
  const endMs = performance.now() + atMostMs;
  while (!(await holds())) {
    if (performance.now() > endMs)
      throw new TypeError(`gave up after ${atMostMs / 1000} s waiting for ${what}`);
    await setTimeout(everyMs);
  }
}

/** The value below which the share lies (nearest rank); NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
