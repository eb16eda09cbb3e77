// An older copy of the agent's files is put back: noticed, said, and repaired by a new epoch.
import { expect, test } from "vitest";
import {
  feedOf,
  feedProblems,
  gapReasons,
  Plant,
  plantStack,
  untilEqual,
} from "#test/support/plant-stack.ts";

test("an older copy of the agent's files: gap agent_restored, a new epoch, the end state equals the plant", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  stack.startAgent();
  await untilEqual(stack, "plant", plant);
  await stack.stopAgent();
  const copy = stack.copy(stack.agentDir, "agent-copy");
  stack.startAgent();
  plant.change(60);
  await untilEqual(stack, "plant", plant);
  await stack.stopAgent();
  const before = (await feedOf(stack)).length;
  stack.restore(copy, stack.agentDir);
  plant.change(30);
  const agent = stack.startAgent();
  await agent.says("a new epoch begins");
  await untilEqual(stack, "plant", plant);
  expect(await gapReasons(stack, "plant")).toContain("agent_restored");
  const events = await feedOf(stack);
  expect(feedProblems(events)).toEqual([]);
  // What did not change meanwhile was compared, not told again.
  const told = events.slice(before).filter(({ recordId }) => recordId !== undefined);
  expect(told.length).toBeLessThan(200);
});
