// A real agent with 16 MiB of space and no relay: it stays within them, says what it gave up, and drains completely.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { feedOf, feedProblems, Plant, plantStack, untilEqual } from "#test/support/plant-stack.ts";
import { startTcpProxy } from "#test/support/tcp-proxy.ts";
import { until } from "#test/support/until.ts";
import type { ProcessStack } from "#test/support/process-stack.ts";

const MIB = 1024 * 1024;
const TOTAL_BYTES = 16 * MIB;
/** One commit may be written above the limit before it is seen: a chunk of rows, its log and the index. */
const SLACK_BYTES = 2 * MIB;

interface Status {
  readonly connections: readonly {
    readonly name: string;
    readonly room: { readonly outboxBytes?: number };
    readonly report?: { readonly status: string; readonly reason?: string };
  }[];
}

async function statusOf(stack: ProcessStack): Promise<Status> {
  return JSON.parse(await stack.command("agent", ["status", "--json"])) as Status;
}

function roomBytes(stack: ProcessStack): number {
  const folder = join(stack.agentDir, "rooms");
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) =>
        sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
}

test("driven to its quota: database reading pauses, says so, and a fresh change of another source overtakes the drain", async () => {
  using busy = new Plant({ scale: 0.1 });
  using calm = new Plant({ scale: 0.01, seed: 2 });
  await using stack = await plantStack({ busy, calm }, { agent: { space: { total: "16MiB" } } });
  // So slow that the backlog takes a while.
  await using line = await startTcpProxy({ port: stack.relayPort, delayMs: 50, chunkBytes: 32 * 1024 });
  stack.agentPort = line.port;
  stack.startAgent();
  await untilEqual(stack, "busy", busy);
  await untilEqual(stack, "calm", calm);
  await stack.stopRelay();

  // Long texts that hardly compress: each round changes every order.
  const touch = busy.db.prepare("UPDATE PO SET DESCRIPTION = hex(randomblob(10000))");
  let peak = 0;
  const said = await until(
    "the agent to pause reading",
    async () => {
      touch.run();
      for (let look = 0; look < 10; look += 1) {
        peak = Math.max(peak, roomBytes(stack));
        await new Promise((resolve) => {
          setTimeout(resolve, 50);
        });
      }
      const { connections } = await statusOf(stack);
      const report = connections.find(({ name }) => name === "busy")?.report;
      return report?.reason?.includes("outbox is full") === true ? report : undefined;
    },
    60_000,
  );
  expect(said.status).toBe("degraded");
  for (let round = 0; round < 5; round += 1) touch.run();
  expect(Math.max(peak, roomBytes(stack))).toBeLessThan(TOTAL_BYTES + SLACK_BYTES);
  // The other source has space of its own.
  const { connections } = await statusOf(stack);
  expect(connections.find(({ name }) => name === "calm")?.report?.status).toBe("online");

  calm.change(10);
  await stack.startRelay();
  await untilEqual(stack, "calm", calm);
  await expect(untilEqual(stack, "busy", busy, 0)).rejects.toThrow("not equal");
  await untilEqual(stack, "busy", busy);
  expect(feedProblems(await feedOf(stack))).toEqual([]);
  const after = await until(
    "the pause to end",
    async () => {
      const found = (await statusOf(stack)).connections.find(({ name }) => name === "busy")?.report;
      return found?.status === "online" ? found : undefined;
    },
    30_000,
  );
  expect(after.reason).toBeUndefined();
});
