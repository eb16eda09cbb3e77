// Reads while a plant is away, and reads of the source itself.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CommandResult } from "#common/contract/messages.ts";
import type { CommandCall, CommandTarget } from "#relay/core/commands/command-target.ts";
import { Problem } from "#relay/core/problem.ts";
import type { ConnectionState } from "#relay/core/store.ts";
import { HttpMetrics } from "#relay/http/metrics.ts";
import { buildHttpServer } from "#relay/http/server.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { commitRecords, get, relayFixture, type RelayFixture } from "./relay-fixture.ts";

const clock = new FakeClock(Date.parse("2026-03-02T08:00:00Z"));
let relay: RelayFixture;
let url = "";
let calls: CommandCall[] = [];
let answer: (call: CommandCall) => Promise<CommandResult>;
const commands: CommandTarget = {
  ask(call) {
    calls.push(call);
    return answer(call);
  },
};

beforeAll(async () => {
  const fixture = await relayFixture({ clock });
  const app = await buildHttpServer({ ...fixture.deps, commands, metrics: new HttpMetrics() });
  relay = { ...fixture, app };
  const [record] = await commitRecords(relay, relay.acme, [
    { entity: "vendor", key: "V1", fields: { name: "stored" }, raw: '{"N":"stored"}' },
  ]);
  url = `/v1/vendors/${record?.id}`;
  await relay.store.ingest((tx) =>
    tx.putSyncRuns([
      {
        connectionId: relay.acme.connectionId,
        entity: "vendor",
        run: "r1",
        pass: "incremental",
        started_ms: clock.nowMs() - 5_000,
        ended_ms: clock.nowMs() - 4_000,
        outcome: "ok",
      },
    ]),
  );
});
afterAll(() => relay[Symbol.asyncDispose]());
beforeEach(() => {
  calls = [];
});

async function setState(state: ConnectionState): Promise<void> {
  clock.advance(1_000);
  await relay.store.ingest((tx) =>
    tx.setConnectionStatus(
      relay.acme.connectionId,
      { state, reason: "because", advice: undefined },
      clock.nowMs(),
    ),
  );
}

const read = (query = "") => get(relay, url + query, relay.acme.connectionToken);
const list = (query = "", token = relay.acme.connectionToken) => get(relay, `/v1/vendors?${query}`, token);

describe("while the plant is away", () => {
  test("stored answers say how current they are; else only on request", async () => {
    await setState("online");
    expect((await read()).body).not.toHaveProperty("freshness");
    expect((await list()).body).not.toHaveProperty("freshness");
    const asked = await read("?include=freshness");
    expect(asked.body.freshness).toEqual({
      as_of: new Date(clock.nowMs()).toISOString(),
      source_watermark: "2026-03-02T07:59:55.000Z",
      state: "online",
    });
    await setState("offline");
    const lost = new Date(clock.nowMs()).toISOString();
    clock.advance(60_000);
    const away = await read();
    expect(away.body.freshness).toMatchObject({ as_of: lost, state: "offline" });
    expect((await list()).body.freshness).toMatchObject({ as_of: lost, state: "offline" });
    expect((await list("page=1")).body.freshness).toMatchObject({ state: "offline" });
    expect((await list("", relay.acme.workspaceToken)).body).not.toHaveProperty("freshness");
    const etag = String(away.headers["etag"]);
    await setState("online");
    expect(String((await read()).headers["etag"])).not.toBe(etag);
  });

  test("when_offline: refuse gives 503, and 403 where a login must be renewed", async () => {
    const { acme, store } = relay;
    await store.directory.changeConnection(acme.workspaceId, acme.connectionId, { whenOffline: "refuse" });
    await setState("online");
    expect((await read()).status).toBe(200);
    await setState("offline");
    for (const refused of [await read(), await list(), await read("?as_of=2026-03-03")]) {
      expect([refused.status, refused.body.code]).toEqual([503, "AGENT_OFFLINE"]);
      expect(refused.body.connection_status).toEqual({ state: "offline", reason: "because" });
      expect(refused.headers["retry-after"]).toBe("30");
    }
    expect((await list("", acme.workspaceToken)).status).toBe(200);
    await setState("reauthorization_required");
    const login = await read();
    expect([login.status, login.body.code]).toEqual([403, "CONNECTION_REAUTH_REQUIRED"]);
    await store.directory.changeConnection(acme.workspaceId, acme.connectionId, { whenOffline: "serve" });
    await setState("online");
  });
});

describe("source=live", () => {
  const succeed = (records: readonly object[]) => async (call: CommandCall) => ({
    type: "command_result" as const,
    command_id: call.commandId ?? "c",
    outcome: "succeeded" as const,
    result: { records },
  });
  const live = (name: string) => ({
    key: '["V1"]',
    record: {
      remote_id: "V1",
      remote_key: { ID: "V1" },
      source: { system: "test", table: "T" },
      name,
    },
    version: "8",
  });

  test("asks the agent for the record's key, and stores nothing", async () => {
    answer = succeed([live("fresh")]);
    const found = await read("?source=live");
    expect(found.status).toBe(200);
    expect(found.body).toMatchObject({ name: "fresh", remote_version: "8", presence: "present" });
    expect(found.body.freshness).toMatchObject({ as_of: new Date(clock.nowMs()).toISOString() });
    expect(found.headers["cache-control"]).toBe("no-store");
    expect(calls.map(({ kind, body }) => [kind, body])).toEqual([
      ["read", { entity: "vendor", keys: ['["V1"]'] }],
    ]);
    expect((await read()).body.name).toBe("stored");
    const etag = String(found.headers["etag"]);
    clock.advance(5_000);
    const same = await get(relay, `${url}?source=live`, relay.acme.connectionToken, {
      "if-none-match": etag,
    });
    expect([same.status, calls.length]).toEqual([304, 2]);
    answer = succeed([live("fresher")]);
    const changed = await get(relay, `${url}?source=live`, relay.acme.connectionToken, {
      "if-none-match": etag,
    });
    expect([changed.status, changed.body.name]).toEqual([200, "fresher"]);
    expect((await read("?source=live&fields=name")).body).toMatchObject({ name: "fresher" });
  });

  test("what is gone from the source, refused or out of reach is told as such", async () => {
    answer = succeed([]);
    const gone = await read("?source=live");
    expect([gone.status, gone.body.code]).toEqual([404, "NOT_FOUND"]);
    answer = async (call) => ({
      type: "command_result",
      command_id: call.commandId ?? "c",
      outcome: "failed",
      code: "NOT_ALLOWED",
    });
    const refused = await read("?source=live");
    expect([refused.status, refused.body.code]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
    answer = async () => {
      throw new Problem("AGENT_OFFLINE", "away", { retryAfterSeconds: 5 });
    };
    expect((await read("?source=live")).status).toBe(503);
    const both = await read("?source=live&as_of=2026-01-01");
    expect([both.status, both.body.errors[0].pointer]).toEqual([400, "#/query/as_of"]);
  });

  test("another tenant's record is not even asked for", async () => {
    answer = succeed([live("secret")]);
    const foreign = await get(relay, `${url}?source=live`, relay.rival.workspaceToken);
    expect([foreign.status, calls]).toEqual([404, []]);
  });
});
