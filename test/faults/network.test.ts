// A line that goes silent, breaks again and again, or is slow: noticed, and nothing lost or told twice.
import { describe, expect, test } from "vitest";
import {
  feedOf,
  feedProblems,
  gapReasons,
  Plant,
  plantStack,
  untilEqual,
} from "#test/support/plant-stack.ts";
import type { ProcessStack } from "#test/support/process-stack.ts";
import { startTcpProxy, type TcpProxy, type TcpProxyOptions } from "#test/support/tcp-proxy.ts";

/** The agent's way to the relay leads through a proxy from now on. */
async function through(stack: ProcessStack, options: Omit<TcpProxyOptions, "port">): Promise<TcpProxy> {
  const proxy = await startTcpProxy({ port: stack.relayPort, ...options });
  stack.agentPort = proxy.port;
  return proxy;
}

// Most of their time is waiting.
describe.concurrent("a line", () => {
  test("a line that goes silent is given up after 50 s on both sides, and what changed meanwhile comes", async () => {
    using plant = new Plant();
    await using stack = await plantStack({ plant });
    await using line = await through(stack, {});
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

  test("a line that breaks every two seconds during the first reading", async () => {
    using plant = new Plant({ scale: 0.1 });
    await using stack = await plantStack({ plant });
    await using line = await through(stack, { delayMs: 20, chunkBytes: 2_048, cutAfterMs: 2_000 });
    stack.startAgent();
    await untilEqual(stack, "plant", plant, 120_000);
    expect(line.connections).toBeGreaterThan(1);
    expect(feedProblems(await feedOf(stack))).toEqual([]);
    expect(await gapReasons(stack, "plant")).toEqual([]);
  });

  test("a line of a few kilobytes a second", async () => {
    using plant = new Plant();
    await using stack = await plantStack({ plant });
    await using _line = await through(stack, { delayMs: 50, chunkBytes: 512 });
    stack.startAgent();
    await untilEqual(stack, "plant", plant, 120_000);
    plant.change(20);
    await untilEqual(stack, "plant", plant);
    expect(feedProblems(await feedOf(stack))).toEqual([]);
  });
});
