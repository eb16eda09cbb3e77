// What a running agent says of freshness and lag, as the status page and metrics have it: from the source to what the relay lacks.
import { expect, test } from "vitest";
import type { AgentStatus, ConnectionStatus } from "#agent/core/agent-status.ts";
import { askAgent } from "#agent/platform/control-socket.ts";
import { AgentAtRelay } from "#test/support/agent-at-relay.ts";
import { Plant } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";

const WAIT_MS = 60_000;

test("each entity says when it was read, and a connection how long the oldest batch has waited for the relay", async () => {
  using plant = new Plant();
  const beganMs = Date.now();
  const { more, ...connection } = plant.connection();
  await using agent = await AgentAtRelay.start({ connections: [{ name: "plant", ...connection, ...more }] });
  await agent.online("plant");
  const status = async (): Promise<AgentStatus> =>
    (await askAgent(agent.dataDir, { command: "status" })) as AgentStatus;
  // The relay of this test acknowledges nothing: what was read first waits from then on.
  const waiting = await until(
    "every entity to be read, and a batch to wait",
    async (): Promise<ConnectionStatus | undefined> => {
      const [shown] = (await status()).connections;
      const entities = shown?.report?.entities ?? [];
      const isRead = entities.length > 0 && entities.every(({ read_at_ms: atMs }) => atMs !== undefined);
      return isRead && shown?.oldestUnsentAtMs !== undefined ? shown : undefined;
    },
    WAIT_MS,
  );
  const { relay } = await status();
  const nowMs = Date.now();
  const times = [
    relay.sinceMs,
    waiting.oldestUnsentAtMs,
    waiting.storedAtMs,
    ...(waiting.report?.entities ?? []).map(({ read_at_ms: atMs }) => atMs),
  ];
  for (const atMs of times) {
    expect(atMs).toBeGreaterThanOrEqual(beganMs);
    expect(atMs).toBeLessThanOrEqual(nowMs);
  }
  // It is the oldest, and stays so while more is read.
  plant.change(20);
  const stored = waiting.storedAtMs ?? 0;
  await until(
    "more to be stored",
    async () => ((await status()).connections[0]?.storedAtMs ?? 0) > stored,
    WAIT_MS,
  );
  expect((await status()).connections[0]?.oldestUnsentAtMs).toBe(waiting.oldestUnsentAtMs);
});
