// Clones of one key take turns; a restarted agent does not.
import { expect, test } from "vitest";
import { CloneWatch } from "#relay/core/agents/clone-watch.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

function watch(): { clock: FakeClock; evictions: (...instances: string[]) => boolean[] } {
  const clock = new FakeClock();
  const clones = new CloneWatch(clock);
  return {
    clock,
    evictions: (...instances) =>
      instances.slice(1).map((to, index) => clones.evicted("agent", instances[index] ?? "", to)),
  };
}

test("the third time that two take turns is one too many", () => {
  expect(watch().evictions("a", "b", "a", "b")).toEqual([false, false, true]);
});

test("an agent that restarts again and again is always another instance, and no clone", () => {
  const { evictions } = watch();
  expect(evictions("a", "b", "c", "d", "e", "f", "g")).not.toContain(true);
});

test("an agent whose line breaks again and again is always the same instance", () => {
  expect(watch().evictions("a", "a", "a", "a", "a")).not.toContain(true);
});

test("turns that are far apart are no turns", () => {
  const { clock, evictions } = watch();
  expect(evictions("a", "b", "a")).toEqual([false, false]);
  clock.advance(600_000);
  expect(evictions("a", "b")).toEqual([false]);
});

test("after a quarantine the count begins anew", () => {
  const { evictions } = watch();
  expect(evictions("a", "b", "a", "b").at(-1)).toBe(true);
  expect(evictions("b", "a", "b")).toEqual([false, false]);
});
