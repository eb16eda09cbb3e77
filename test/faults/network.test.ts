// A line that breaks again and again, or is slow: nothing is lost or told twice.
import { afterEach, expect, test } from "vitest";
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

let proxy: TcpProxy | undefined;
afterEach(async () => {
  await proxy?.[Symbol.asyncDispose]();
  proxy = undefined;
});

/** The agent's way to the relay leads through a proxy from now on. */
async function through(stack: ProcessStack, options: Omit<TcpProxyOptions, "port">): Promise<TcpProxy> {
  proxy = await startTcpProxy({ port: stack.relayPort, ...options });
  stack.agentPort = proxy.port;
  return proxy;
}

test("a line that breaks every two seconds during the first reading", async () => {
  using plant = new Plant({ scale: 0.1 });
  await using stack = await plantStack({ plant });
  const line = await through(stack, { delayMs: 20, chunkBytes: 2_048, cutAfterMs: 2_000 });
  stack.startAgent();
  await untilEqual(stack, "plant", plant, 120_000);
  expect(line.connections).toBeGreaterThan(1);
  expect(feedProblems(await feedOf(stack))).toEqual([]);
  expect(await gapReasons(stack, "plant")).toEqual([]);
});

test("a line of a few kilobytes a second", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  await through(stack, { delayMs: 50, chunkBytes: 512 });
  stack.startAgent();
  await untilEqual(stack, "plant", plant, 120_000);
  plant.change(20);
  await untilEqual(stack, "plant", plant);
  expect(feedProblems(await feedOf(stack))).toEqual([]);
});
