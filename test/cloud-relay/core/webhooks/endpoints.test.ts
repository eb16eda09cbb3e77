// What an administrator may ask of endpoints, what is refused and why, and what happens on request.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Problem } from "#relay/core/problem.ts";
import { EVENT_TYPES, eventTypeOf, isTypePattern } from "#relay/core/webhooks/event-types.ts";
import { recover, retryNow, sendTest } from "#relay/core/webhooks/replay.ts";
import {
  CONNECTION,
  FOREIGN_CONNECTION,
  OTHER_WORKSPACE,
  WORKSPACE,
} from "#test/conformance/relay-store/harness.ts";
import { SCOPE, WebhookRig } from "./webhook-rig.ts";

const NARROW = { workspaceId: WORKSPACE, connectionIds: [CONNECTION] };
const FOREIGN = { workspaceId: OTHER_WORKSPACE };
const BASE = { workspaceId: WORKSPACE, url: "https://receiver.test/hook" };

let rig: WebhookRig;
beforeEach(async () => {
  rig = await WebhookRig.open();
});
afterEach(() => rig.stop());

async function problem(work: Promise<unknown>): Promise<Problem> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Problem)) throw new Error(`no problem: ${String(error)}`);
  return error;
}

describe("making one", () => {
  it("takes what is usual where nothing is said, and shows its secret this once", async () => {
    const made = await rig.endpoints.create(BASE);
    expect(made.secret).toMatch(/^secret-v1-/);
    expect(made.endpoint.row).toMatchObject({
      name: "receiver.test",
      transport: "http",
      types: ["*"],
      origins: ["change"],
      echoes: true,
      payload: "full",
      ordering: "none",
      atOnce: 4,
      perSecond: undefined,
      condition: undefined,
      disabled: undefined,
    });
    const [secret] = made.endpoint.row.secrets;
    expect(secret).toMatchObject({ id: made.secretId, kind: "v1", expiresAtMs: undefined });
    // Sealed for its own place.
    expect(secret?.sealed).toBe(`endpoint/${made.endpoint.row.id}/secret/${made.secretId}|${made.secret}`);
  });

  it("takes a secret that somebody brings along, and a pair of keys on request", async () => {
    const own = await rig.endpoints.create({ ...BASE, secret: "whsec_mine" });
    expect(own.secret).toBe("whsec_mine");
    const pair = await rig.endpoints.create({ ...BASE, signature: "v1a" });
    expect(pair.publicKey).toBe("whpk_public");
    expect(pair.endpoint.row.secrets[0]).toMatchObject({ kind: "v1a", publicKey: "whpk_public" });
    const refused = await problem(rig.endpoints.create({ ...BASE, secret: "mine" }));
    expect(refused.extras.errors).toEqual([{ pointer: "#/secret", detail: "a secret begins with whsec_" }]);
  });

  it("names everything that is wrong at once", async () => {
    const refused = await problem(
      rig.endpoints.create({
        workspaceId: WORKSPACE,
        url: "http://receiver.test/",
        name: " ",
        types: ["purchase_ordr.updated", "work_order.*"],
        origins: [],
        condition: "no condition",
        atOnce: 65,
        perSecond: 0,
        headers: {
          "Webhook-Id": "x",
          "X-Good": "good",
          "x-good": "again",
          "bad name": "x",
          "X-Line": "a\nb",
          Host: "h",
        },
      }),
    );
    expect(refused.code).toBe("INVALID_REQUEST");
    const errors = refused.extras.errors ?? [];
    expect(errors.map(({ pointer }) => pointer)).toEqual([
      "#/name",
      "#/url",
      "#/types/0",
      "#/origins",
      "#/condition",
      "#/per_second",
      "#/at_once",
      "#/headers/Webhook-Id",
      "#/headers/x-good",
      "#/headers/bad name",
      "#/headers/X-Line",
      "#/headers/Host",
    ]);
    expect(errors.find(({ pointer }) => pointer === "#/types/0")?.detail).toContain("purchase_order.updated");
  });

  it("for a connection of the workspace only", async () => {
    expect(
      (await rig.endpoints.create({ ...BASE, connectionId: CONNECTION })).endpoint.row.connectionId,
    ).toBe(CONNECTION);
    const refused = await problem(rig.endpoints.create({ ...BASE, connectionId: FOREIGN_CONNECTION }));
    expect(refused.code).toBe("NOT_FOUND");
  });

  it("is seen by its workspace and its connection only", async () => {
    const whole = await rig.endpoint({});
    const own = await rig.endpoint({ connectionId: CONNECTION });
    for (const id of [whole.id, own.id])
      expect((await problem(rig.endpoints.get(FOREIGN, id))).code).toBe("NOT_FOUND");
    expect((await problem(rig.endpoints.change(NARROW, whole.id, { name: "x" }))).code).toBe("NOT_FOUND");
    expect((await problem(rig.endpoints.remove(NARROW, whole.id))).code).toBe("NOT_FOUND");
    expect((await rig.endpoints.get(NARROW, own.id)).row.id).toBe(own.id);
  });
});

describe("changing one", () => {
  it("changes what is named, null takes away, and the rest stays", async () => {
    const { id } = await rig.endpoint({ condition: "type=x", perSecond: 5, headers: { "X-A": "1" } });
    const { row } = await rig.endpoints.change(SCOPE, id, { condition: null, perSecond: null, name: "new" });
    expect(row).toMatchObject({ name: "new", condition: undefined, perSecond: undefined });
    expect(row.headers.map(({ name }) => name)).toEqual(["X-A"]);
    const second = await rig.endpoints.change(SCOPE, id, { headers: {} });
    expect(second.row).toMatchObject({ name: "new", headers: [] });
    expect((await problem(rig.endpoints.change(SCOPE, id, { atOnce: 1.5 }))).code).toBe("INVALID_REQUEST");
  });

  it("a listener's has no address that could be set", async () => {
    const { id } = await rig.endpoint({ transport: "listener", url: "listener:ws" });
    const refused = await problem(rig.endpoints.change(SCOPE, id, { url: "https://receiver.test/hook" }));
    expect(refused).toMatchObject({ code: "INVALID_REQUEST", extras: { errors: [{ pointer: "#/url" }] } });
    expect((await rig.endpoints.change(SCOPE, id, { name: "mine" })).row).toMatchObject({
      url: "listener:ws",
    });
  });

  it("turns secrets over: the old one signs for a day, or not any more", async () => {
    const { endpoint, secretId } = await rig.endpoints.create(BASE);
    const { id } = endpoint.row;
    const rotated = await rig.endpoints.rotate(SCOPE, id, {});
    const nowMs = rig.clock.nowMs();
    expect(rotated.endpoint.row.secrets.map((each) => [each.id, each.expiresAtMs])).toEqual([
      [rotated.secretId, undefined],
      [secretId, nowMs + 86_400_000],
    ]);
    const leaked = await rig.endpoints.rotate(SCOPE, id, { expiresNow: true, kind: "v1a" });
    expect(leaked.endpoint.row.secrets.map(({ kind }) => kind)).toEqual(["v1a"]);
  });

  it("refuses a sixth secret, and to take the current one away", async () => {
    const { id, secrets } = await rig.endpoint({});
    for (let index = 0; index < 4; index += 1) await rig.endpoints.rotate(SCOPE, id, {});
    expect((await problem(rig.endpoints.rotate(SCOPE, id, {}))).code).toBe("CONFLICT");
    const { row } = await rig.endpoints.revokeSecret(SCOPE, id, secrets[0]?.id ?? "");
    expect(row.secrets).toHaveLength(4);
    const current = row.secrets[0]?.id ?? "";
    expect((await problem(rig.endpoints.revokeSecret(SCOPE, id, current))).code).toBe("CONFLICT");
    expect((await problem(rig.endpoints.revokeSecret(SCOPE, id, "whs_x"))).code).toBe("NOT_FOUND");
    rig.clock.advance(86_400_001);
    expect((await rig.endpoints.rotate(SCOPE, id, {})).endpoint.row.secrets).toHaveLength(2);
  });
});

describe("event types", () => {
  it("are each known by name, by group and by all, with an example", () => {
    for (const { type, description } of EVENT_TYPES) {
      expect(isTypePattern(type, new Set())).toBe(true);
      expect(isTypePattern(`${type.split(".")[0]}.*`, new Set())).toBe(true);
      expect(description.length).toBeGreaterThan(10);
      expect(eventTypeOf(type)).toBeDefined();
    }
    expect(new Set(EVENT_TYPES.map(({ type }) => type)).size).toBe(EVENT_TYPES.length);
  });

  it.each(["tool.updated", "tool.*"])("%s only where a connection offers the entity", (pattern) => {
    expect(isTypePattern(pattern, new Set())).toBe(false);
    expect(isTypePattern(pattern, new Set(["tool"]))).toBe(true);
  });

  it.each([
    "",
    ".",
    ".*",
    "**",
    "work_order",
    "work_order.",
    "work_order.gone",
    "sync.created",
    "a.b.*",
    "*.updated",
  ])("%j is none", (pattern) => expect(isTypePattern(pattern, new Set(["tool"]))).toBe(false));
});

describe("a test delivery", () => {
  it("is made of a real record of that connection, says that it is a test, and is logged as one", async () => {
    const { id } = await rig.endpoint({ connectionId: CONNECTION, types: ["sync.failed"] });
    await rig.change("77", {}, { text: `{"remote_id":"77","status":"open"}` });
    rig.start();
    const sent = await sendTest(rig.replayDeps, SCOPE, id, "work_order.updated");
    expect(sent.attempt).toMatchObject({ status: 200, trigger: "test" });
    const [body] = rig.receiver.bodies;
    expect(body).toMatchObject({
      type: "work_order.updated",
      test: true,
      connection_id: CONNECTION,
      data: { remote_id: "77", record: { status: "open" } },
    });
    expect(String(body?.["id"])).toMatch(/^evt_test_[0-9a-f]+$/);
    expect((await rig.deliveries(id))[0]).toMatchObject({ state: "delivered", trigger: "test" });
  });

  it("is made of an example where there is no record yet, of every type", async () => {
    const { id } = await rig.endpoint({});
    rig.start();
    for (const { type, entity } of EVENT_TYPES) {
      await sendTest(rig.replayDeps, SCOPE, id, type);
      const body = rig.receiver.bodies.at(-1);
      expect(body).toMatchObject({ type, test: true, ...(entity && { data: { record: { entity } } }) });
    }
    expect((await problem(sendTest(rig.replayDeps, SCOPE, id, "no.such"))).code).toBe("INVALID_REQUEST");
  });

  it("that fails is not tried again and breaks nothing; to an open breaker it goes, and closes it when it succeeds", async () => {
    const { id } = await rig.endpoint({});
    rig.receiver.answer = () => ({ status: 500 });
    rig.start();
    const failed = await sendTest(rig.replayDeps, SCOPE, id, "vendor.created");
    expect(failed.attempt?.status).toBe(500);
    const state = async () => (await rig.store.webhooks.endpoint(SCOPE, id))?.health;
    expect((await state())?.consecutiveFailures).toBe(0);
    await rig.events(Array.from({ length: 12 }, () => ({})));
    await rig.pass(5_000);
    expect((await state())?.breaker).toBe("open");
    const before = rig.receiver.requests.length;
    rig.receiver.answer = () => ({ status: 200 });
    await sendTest(rig.replayDeps, SCOPE, id, "vendor.created");
    expect(rig.receiver.requests).toHaveLength(before + 1);
    expect(await state()).toMatchObject({ breaker: "closed", parkedUntilMs: undefined });
    await rig.pass(60_000, 1_000);
    const tests = (await rig.deliveries(id)).filter(({ trigger }) => trigger === "test");
    expect(tests.map(({ attempts }) => attempts)).toEqual([1, 1]);
    expect(await rig.alerts()).toEqual(["webhook.endpoint_failing", "webhook.endpoint_recovered"]);
  });

  it("also goes to a disabled endpoint, which stays disabled", async () => {
    const { id } = await rig.endpoint({});
    await rig.endpoints.disable(SCOPE, id);
    rig.start();
    expect((await sendTest(rig.replayDeps, SCOPE, id, "vendor.created")).attempt?.status).toBe(200);
    expect((await rig.endpoints.get(SCOPE, id)).row.disabled).toMatchObject({ reason: "by_user" });
  });
});

describe("sending again", () => {
  it("one delivery at once, with the same id, even while its endpoint is paused", async () => {
    const { id } = await rig.endpoint({});
    rig.receiver.answer = () => ({ status: 500 });
    rig.start();
    await rig.events(Array.from({ length: 10 }, (_, index) => ({ id: `evt_${index}` })));
    await rig.pass(5_000);
    const target = (await rig.deliveries(id)).find(({ eventId }) => eventId === "evt_4");
    rig.receiver.answer = () => ({ status: 200 });
    const sent = await retryNow(rig.replayDeps, SCOPE, target?.id ?? "");
    expect(sent.attempt).toMatchObject({ status: 200, trigger: "manual", number: 2 });
    expect(rig.receiver.requests.at(-1)?.headers["webhook-id"]).toBe("evt_4");
    expect((await problem(retryNow(rig.replayDeps, FOREIGN, target?.id ?? ""))).code).toBe("NOT_FOUND");
    await rig.endpoints.disable(SCOPE, id);
    expect((await problem(retryNow(rig.replayDeps, SCOPE, target?.id ?? ""))).code).toBe("CONFLICT");
  });

  it("everything since a time: what it never got, and what was given up, and nothing twice", async () => {
    rig.start();
    const early = await rig.endpoint({ types: ["work_order.*"] });
    rig.receiver.answer = ({ headers }) => ({ status: headers["webhook-id"] === "evt_1" ? 410 : 200 });
    const sinceMs = rig.clock.nowMs();
    await rig.change("a", { id: "evt_0" });
    await rig.pass(1_000);
    await rig.change("a", { id: "evt_1" });
    await rig.pass(1_000);
    // It is disabled from here on: these make no deliveries.
    await rig.change("b", { id: "evt_2" });
    await rig.change("c", { id: "evt_3", type: "vendor.updated" });
    await rig.pass(1_000);
    expect((await problem(recover(rig.replayDeps, SCOPE, early.id, { sinceMs }))).code).toBe("CONFLICT");
    await rig.endpoints.enable(SCOPE, early.id);
    rig.receiver.answer = () => ({ status: 200 });
    const before = rig.receiver.requests.length;
    const done = await recover(rig.replayDeps, SCOPE, early.id, { sinceMs });
    expect(done).toEqual({ matched: 3, retried: 1, resumeAtMs: undefined, missingUntilMs: undefined });
    await rig.pass(2_000);
    const ids = rig.receiver.requests.slice(before).map(({ headers }) => headers["webhook-id"]);
    expect(ids).toHaveLength(2);
    expect(new Set(ids)).toEqual(new Set(["evt_1", "evt_2"]));
    expect(new Set((await rig.deliveries(early.id)).map(({ state }) => state))).toEqual(
      new Set(["delivered"]),
    );
  });

  it("says from when on there is nothing to recover any more", async () => {
    const sinceMs = rig.clock.nowMs();
    const [lost = 0] = await rig.events([{ id: "evt_0" }]);
    rig.clock.advance(60_000);
    const { id } = await rig.endpoint({});
    await rig.events([{ id: "evt_1" }]);
    const before = { eventsMs: rig.clock.nowMs() - 30_000, samplesMs: 0, versionsMs: 0 };
    while (await rig.store.prune(before));
    rig.start();
    const done = await recover(rig.replayDeps, SCOPE, id, { sinceMs });
    expect(done).toMatchObject({ matched: 1, missingUntilMs: lost / 1_000 });
    const later = await recover(rig.replayDeps, SCOPE, id, { sinceMs: sinceMs + 30_000 });
    expect(later.missingUntilMs).toBeUndefined();
  });

  it("since a time before the endpoint was there, until a time", async () => {
    const sinceMs = rig.clock.nowMs();
    await rig.change("a", { id: "evt_0" });
    rig.clock.advance(10_000);
    const untilMs = rig.clock.nowMs();
    await rig.change("b", { id: "evt_1" });
    const { id } = await rig.endpoint({});
    rig.start();
    const done = await recover(rig.replayDeps, SCOPE, id, { sinceMs, untilMs });
    expect(done.matched).toBe(1);
    await rig.pass(1_000);
    expect(rig.receiver.requests.map(({ headers }) => headers["webhook-id"])).toEqual(["evt_0"]);
    expect((await rig.deliveries(id))[0]).toMatchObject({ trigger: "recover", state: "delivered" });
  });
});
