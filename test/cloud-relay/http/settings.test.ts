// Desired settings by way of the API, with an agent that judges them.
import { afterAll, describe, expect, test, vi } from "vitest";
import type { DesiredSettings, ReportedSettings } from "#common/contract/settings.ts";
import type { DownMessage } from "#common/contract/messages.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { AgentPeer } from "#relay/core/agents/agent-watcher.ts";
import { SettingsDesk } from "#relay/core/settings/settings-desk.ts";
import { get, relayFixture, send, type RelayFixture } from "./relay-fixture.ts";

const relay: RelayFixture = await relayFixture();
const { acme, rival, store } = relay;
const { bus, clock } = relay.deps;
const desk = new SettingsDesk({ store, bus, clock, logger: silentLogger });
afterAll(() => relay[Symbol.asyncDispose]());

let made = 0;

interface Plant {
  readonly id: string;
  readonly at: string;
  readonly peer: AgentPeer;
  /** What the agent was sent of this kind. */
  readonly sent: DesiredSettings[];
  readonly token: string;
  readonly report: (
    more: Pick<ReportedSettings, "revision" | "state" | "in_effect"> & Partial<ReportedSettings>,
  ) => Promise<void>;
}

/** A connection with an agent's session that is not opened yet. */
async function plant(): Promise<Plant> {
  made += 1;
  const admin = acme.workspaceAdminToken;
  const { body } = await send(relay, "POST", "/admin/v1/connections", admin, { name: `plant-${made}` });
  const { id } = body;
  const agentId = `agt_${made}`;
  await store.directory.createAgent({
    id: agentId,
    workspaceId: acme.workspaceId,
    name: "plant",
    publicKey: "k",
    createdAtMs: 1,
    revokedAtMs: undefined,
    quarantinedAtMs: undefined,
    session: 0,
    instanceId: undefined,
    version: undefined,
    platform: undefined,
    connectedAtMs: undefined,
    lastSeenAtMs: undefined,
    isOnline: false,
  });
  await store.directory.bindConnections(acme.workspaceId, [id], agentId);
  const bound = { kind: "connection", connection_id: id, scopes: ["read", "write"] };
  const { token } = (await send(relay, "POST", "/admin/v1/tokens", admin, bound)).body;
  const sent: DesiredSettings[] = [];
  const peer: AgentPeer = {
    agentId,
    workspaceId: acme.workspaceId,
    session: 1,
    send: (message: DownMessage) => {
      if (message.type === "desired_settings") sent.push(message);
    },
  };
  const report: Plant["report"] = (more) =>
    desk.received(peer, { type: "reported_settings", connection_id: id, ...more });
  return { id, at: `/v1/connections/${id}/settings`, peer, sent, token, report };
}

const POLL = { schedules: { "*": { poll_s: 30 } } };

async function events(token: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const { body } = await get(relay, "/v1/events?limit=200&types=mapping.changed", token);
  return body.data;
}

describe("settings", () => {
  test("begin as the plant has them", async () => {
    const { at, token } = await plant();
    const { body, headers } = await get(relay, at, token);
    expect(body).toMatchObject({
      state: "default",
      desired: { revision: 0, document: {} },
      in_effect: { revision: 0, document: null },
      allowed: null,
    });
    expect(headers["etag"]).toBe('"0"');
  });

  test("go to an agent that is there, and to one that comes back, until it has judged them", async () => {
    const { at, token, peer, sent, report } = await plant();
    await desk.opened(peer);
    const put = await send(relay, "PUT", at, token, POLL);
    expect([put.status, put.body.state, put.body.desired.revision]).toEqual([200, "pending", 1]);
    await vi.waitFor(() => expect(sent.map(({ revision }) => revision)).toEqual([1]));
    expect(sent[0]?.document).toEqual(POLL);
    desk.closed(peer);
    await send(relay, "PATCH", at, token, { initial_window_days: 30 });
    expect(sent).toHaveLength(1);
    await desk.opened(peer);
    expect(sent.map(({ revision }) => revision)).toEqual([1, 2]);
    expect(sent[1]?.document).toEqual({ ...POLL, initial_window_days: 30 });
    await report({ revision: 2, state: "applied", in_effect: 2 });
    desk.closed(peer);
    await desk.opened(peer);
    expect(sent).toHaveLength(2);
    const { body } = await get(relay, at, token);
    expect(body).toMatchObject({
      state: "in_effect",
      in_effect: { revision: 2, document: { initial_window_days: 30 } },
      reported_at: expect.any(String),
    });
    desk.closed(peer);
  });

  test("that the plant refuses leave the ones before in effect, and say why", async () => {
    const { at, token, report } = await plant();
    await send(relay, "PUT", at, token, POLL);
    await report({ revision: 1, state: "applied", in_effect: 1 });
    await send(relay, "PATCH", at, token, { entities: ["vendor"] });
    expect((await get(relay, at, token)).body).toMatchObject({ state: "pending", problems: [] });
    const problems = [{ pointer: "/entities/0", detail: "the pack has no vendor" }];
    await report({ revision: 2, state: "refused", in_effect: 1, problems });
    const { body } = await get(relay, at, token);
    expect(body).toMatchObject({ state: "refused", problems, in_effect: { revision: 1, document: POLL } });
    await report({ revision: 2, state: "reverted", in_effect: 1 });
    expect((await get(relay, at, token)).body.state).toBe("reverted");
  });

  test("are patched by merging; null removes; what would not be valid is refused member by member", async () => {
    const { at, token } = await plant();
    await send(relay, "PUT", at, token, { ...POLL, initial_window_days: null, entities: ["vendor"] });
    const patch = { schedules: { asset: { poll_s: 5 } }, entities: null };
    const { body } = await send(relay, "PATCH", at, token, patch);
    expect(body.desired.document).toEqual({
      schedules: { "*": { poll_s: 30 }, asset: { poll_s: 5 } },
      initial_window_days: null,
    });
    const bad = await send(relay, "PATCH", at, token, { schedules: { asset: { poll_s: 0 } }, password: "x" });
    expect([bad.status, bad.body.code]).toEqual([400, "INVALID_REQUEST"]);
    const pointers = bad.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers).toContain("#/schedules/asset/poll_s");
    expect((await send(relay, "PUT", at, token, { password: "x" })).status).toBe(400);
    expect((await get(relay, at, token)).body.desired.revision).toBe(2);
  });

  test("are held against what the plant allows", async () => {
    const { at, id, token, peer } = await plant();
    await desk.received(peer, {
      type: "connection_description",
      connection_id: id,
      connector: "sqlite",
      mapping_version: "1",
      entities: [],
      queries: [],
      browse: false,
      settings_allowed: ["schedules"],
    });
    expect((await send(relay, "PUT", at, token, POLL)).status).toBe(200);
    const refused = await send(relay, "PUT", at, token, { ...POLL, entities: ["vendor"] });
    expect([refused.status, refused.body.code]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
    expect(refused.body.errors).toEqual([{ pointer: "#/entities", detail: expect.any(String) }]);
    expect((await get(relay, at, token)).body.allowed).toEqual(["schedules"]);
  });

  test("are changed by who has seen the newest, and by one of two at once", async () => {
    const { at, token } = await plant();
    const first = await send(relay, "PUT", at, token, POLL, { "if-match": '"0"' });
    expect([first.status, first.headers["etag"]]).toEqual([200, '"1"']);
    const late = await send(relay, "PUT", at, token, {}, { "if-match": '"0"' });
    expect([late.status, late.body.code]).toEqual([412, "PRECONDITION_FAILED"]);
    expect((await send(relay, "PUT", at, token, {}, { "if-match": "abc" })).status).toBe(400);
    expect((await send(relay, "PUT", at, token, POLL, { "if-match": "*" })).status).toBe(200);
    const patches = await Promise.all(
      ["a", "b", "c"].map((entity) =>
        send(relay, "PATCH", at, token, { schedules: { [entity]: { poll_s: 9 } } }),
      ),
    );
    expect(patches.map(({ status }) => status)).toEqual([200, 200, 200]);
    const { body } = await get(relay, at, token);
    expect(Object.keys(body.desired.document.schedules).toSorted()).toEqual(["*", "a", "b", "c"]);
  });

  test("need the scope write, the connection, and one that is not disconnected", async () => {
    const { at, id } = await plant();
    expect((await send(relay, "PUT", at, acme.workspaceToken, POLL)).status).toBe(403);
    expect((await get(relay, at, rival.workspaceToken)).status).toBe(404);
    const { body } = await send(relay, "POST", "/admin/v1/tokens", acme.workspaceAdminToken, {
      kind: "workspace",
      scopes: ["write"],
    });
    await store.directory.disconnectConnection(acme.workspaceId, id, clock.nowMs());
    expect((await send(relay, "PUT", at, body.token, POLL)).status).toBe(409);
  });
});

describe("an agent's words", () => {
  test("of a changed mapping become events", async () => {
    const { at, id, token, peer, report } = await plant();
    await send(relay, "PUT", at, token, POLL);
    await report({ revision: 1, state: "applied", in_effect: 1 });
    expect(await events(token)).toEqual([]);
    await send(relay, "PATCH", at, token, { custom_fields: { asset: ["EXT1"] } });
    await report({ revision: 2, state: "applied", in_effect: 2 });
    await report({ revision: 2, state: "applied", in_effect: 2 });
    expect((await events(token)).map(({ data }) => data)).toMatchObject([
      { settings_revision: 2, previous_revision: 1, changed: ["custom_fields"] },
    ]);
    const description = {
      type: "connection_description",
      connection_id: id,
      connector: "sqlite",
      entities: [],
      queries: [],
      browse: false,
      settings_allowed: [],
    } as const;
    for (const mapping_version of ["1", "1", "2"]) {
      await desk.received(peer, {
        ...description,
        mapping_version,
        entities: [],
        queries: [],
        settings_allowed: [],
      });
    }
    expect((await events(token)).map(({ data }) => data)[1]).toMatchObject({
      mapping_version: "2",
      previous_mapping_version: "1",
    });
  });

  test("of a connection that it does not serve are not heard", async () => {
    const [one, other] = [await plant(), await plant()];
    await send(relay, "PUT", other.at, other.token, POLL);
    await desk.received(one.peer, {
      type: "reported_settings",
      connection_id: other.id,
      revision: 1,
      state: "applied",
      in_effect: 1,
    });
    expect((await get(relay, other.at, other.token)).body.state).toBe("pending");
    await desk.opened(one.peer);
    expect(one.sent).toEqual([]);
    desk.closed(one.peer);
  });
});
