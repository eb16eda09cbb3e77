// Many things that end with one signal, each of which may leave before.
import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { whenAborted } from "#relay/webhooks/abort-group.ts";

it("ends everything that is still there, once, by a single listener", () => {
  const ended: string[] = [];
  const abort = new AbortController();
  const [, leaveB] = ["a", "b", "c"].map((name) => whenAborted(abort.signal, () => ended.push(name)));
  expect(getEventListeners(abort.signal, "abort")).toHaveLength(1);
  leaveB?.();
  abort.abort();
  abort.abort();
  expect(ended).toEqual(["a", "c"]);
  whenAborted(abort.signal, () => ended.push("late"));
  expect(ended).toEqual(["a", "c", "late"]);
});
