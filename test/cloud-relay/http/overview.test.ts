// The workspace's figures: of what the token may see, and of nobody else.
import { afterAll, beforeAll, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { addAgent } from "./isolation-victim.ts";
import { relayFixture, type RelayFixture } from "./relay-fixture.ts";

let relay: RelayFixture;
const clock = new FakeClock();

beforeAll(async () => {
  relay = await relayFixture({ clock });
});
afterAll(() => relay[Symbol.asyncDispose]());

const overview = async (token: string) => {
  const answer = await relay.app.inject({
    url: "/v1/overview",
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.statusCode).toBe(200);
  return answer.json();
};

it("counts connections, agents, what waits, and how requests went", async () => {
  const { acme, store } = relay;
  const before = await overview(acme.workspaceToken);
  await addAgent(relay, "press", acme.connectionId);
  const nowMs = clock.nowMs();
  await store.ingest(async (tx) => {
    await tx.setConnectionStatus(
      acme.connectionId,
      { state: "degraded", reason: undefined, advice: undefined },
      nowMs,
    );
    const run = {
      connectionId: acme.connectionId,
      entity: "vendor",
      run: "r1",
      started_ms: nowMs - 20,
      ended_ms: nowMs - 10,
    };
    await tx.putSyncRuns([{ ...run, kind: "snapshot", outcome: "ok" } as never]);
  });
  await store.directory.putReport(
    {
      type: "connection_report",
      connection_id: acme.connectionId,
      status: "degraded",
      backlog_batches: 3,
      backlog_bytes: 700,
    },
    nowMs,
  );
  await relay.app.inject({
    url: "/v1/vendors/none",
    headers: { authorization: `Bearer ${acme.workspaceToken}` },
  });
  await relay.deps.requestLog.flush();
  const after = await overview(acme.workspaceToken);
  expect(after).toMatchObject({
    connections: { total: before.connections.total, by_status: { degraded: 1 } },
    agents: { total: before.agents.total + 1, online: 0 },
    syncs: { never: before.syncs.never - 1, stalest_at: new Date(nowMs - 10).toISOString() },
    backlog: { connections: 1, batches: 3, bytes: 700 },
    requests: { client_errors: before.requests.client_errors + 1, server_errors: 0 },
    webhooks: { endpoints: 0, pending: 0, oldest_pending_at: null },
  });
  const rival = await overview(relay.rival.workspaceToken);
  expect(rival).toMatchObject({
    backlog: { batches: 0 },
    agents: { total: 0 },
    requests: { client_errors: 0 },
  });
  expect(Object.keys(rival.connections.by_status)).not.toContain("degraded");
});
