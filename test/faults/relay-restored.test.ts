// An older copy of the relay's store is put back: what the agent still holds is replayed, cursors of the lost future are refused.
import { expect, test } from "vitest";
import {
  feedOf,
  feedProblems,
  gapReasons,
  Plant,
  plantStack,
  untilEqual,
  untilSettled,
} from "#test/support/plant-stack.ts";

interface Page {
  readonly next_cursor: string;
  readonly code?: string;
}

test("an older copy of the relay's store: replayed, a new generation, revisions only grow", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  stack.startAgent();
  await untilEqual(stack, "plant", plant);
  await stack.stopRelay();
  const copy = stack.copy(stack.relayDir, "relay-copy");
  await stack.startRelay();
  plant.change(60);
  await untilEqual(stack, "plant", plant);
  await untilSettled(stack);
  const lost = await feedOf(stack);
  const { next_cursor: cursor } = (await stack.get("/v1/events?cursor=latest")).body as Page;
  expect((await stack.get(`/v1/events?cursor=${cursor}`)).status).toBe(200);

  await stack.stopRelay();
  stack.restore(copy, stack.relayDir);
  plant.change(30);
  const relay = await stack.startRelay();
  await relay.says("this store was restored from an older copy: a new generation begins");
  await untilEqual(stack, "plant", plant);
  const answer = await stack.get(`/v1/events?cursor=${cursor}`);
  expect([answer.status, (answer.body as Page).code]).toEqual([410, "CURSOR_EXPIRED"]);
  const events = await feedOf(stack);
  expect(feedProblems(events)).toEqual([]);
  // Everything since the copy has a position above all that was ever given.
  const newest = lost.at(-1)?.position ?? 0;
  const known = new Set(lost.map(({ position }) => position));
  const again = events.filter(({ position }) => !known.has(position));
  expect(again.length).toBeGreaterThan(0);
  expect(Math.min(...again.map(({ position }) => position))).toBeGreaterThan(newest);
  // The agent held what was lost: nothing had to be read anew.
  expect(await gapReasons(stack, "plant")).toEqual([]);
});
