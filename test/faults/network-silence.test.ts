// A line that goes silent without closing, as half-open sockets do: given up by both sides, nothing lost.
import { expect, test } from "vitest";
import {
  feedOf,
  feedProblems,
  gapReasons,
  Plant,
  plantStack,
  untilEqual,
} from "#test/support/plant-stack.ts";
import { startTcpProxy } from "#test/support/tcp-proxy.ts";

test("a line that goes silent is given up after 50 s on both sides, and what changed meanwhile comes", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  await using line = await startTcpProxy({ port: stack.relayPort });
  stack.agentPort = line.port;
  const agent = stack.startAgent();
  await untilEqual(stack, "plant", plant);
  line.goSilent();
  plant.change(20);
  await agent.says("nothing heard from the relay for 50 s", 75_000);
  await stack.relay?.says("agent disconnected", 75_000);
  line.speak();
  await untilEqual(stack, "plant", plant);
  expect(feedProblems(await feedOf(stack))).toEqual([]);
  expect(await gapReasons(stack, "plant")).toEqual([]);
});
