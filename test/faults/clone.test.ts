// Two agents with copies of one folder: they evict each other until the key is quarantined, and an operator lets one in.
import { expect, test } from "vitest";
import {
  feedOf,
  feedProblems,
  gapReasons,
  Plant,
  plantStack,
  untilEqual,
} from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";

interface AgentList {
  readonly data: readonly { readonly id: string; readonly status: string }[];
}

test("a cloned agent is quarantined, told so on both sides, and released by an operator", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  stack.startAgent();
  await untilEqual(stack, "plant", plant);
  await stack.stopAgent();
  const copy = stack.copy(stack.agentDir, "agent-clone");
  const original = stack.startAgent();
  const clone = stack.startAgent(copy);
  const advice = "two installations share this agent's key";
  await Promise.all([
    original.says(advice, 60_000),
    clone.says(advice, 60_000),
    stack.relay?.says(advice, 60_000),
  ]);
  const [agent] = ((await stack.get("/v1/agents")).body as AgentList).data;
  expect(agent?.status).toBe("quarantined");

  await clone.stop();
  plant.change(30);
  await stack.command("relay", ["agent", "release", agent?.id ?? ""]);
  // A quarantined agent asks once a minute; a restart asks at once.
  await original.stop();
  stack.startAgent();
  await untilEqual(stack, "plant", plant);
  await until("the agent to be online", async () => {
    const [released] = ((await stack.get("/v1/agents")).body as AgentList).data;
    return released?.status === "online";
  });
  const reasons = await gapReasons(stack, "plant");
  expect(reasons.every((reason) => reason === "agent_restored")).toBe(true);
  expect(feedProblems(await feedOf(stack))).toEqual([]);
});
