// Deliveries as receivers see them: once, again, in order, fairly, and never by surprise.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StoreFullError } from "#relay/core/store.ts";
import { CONNECTION, NOW_MS } from "#test/conformance/relay-store/harness.ts";
import { SCOPE, turn, WebhookRig } from "./webhook-rig.ts";

const HOUR_MS = 3_600_000;

let rig: WebhookRig;
beforeEach(async () => {
  rig = await WebhookRig.open();
});
afterEach(() => rig.stop());

async function health(id: string) {
  const found = await rig.store.webhooks.endpoint(SCOPE, id);
  if (found === undefined) throw new Error("no endpoint");
  return { ...found.health, disabled: found.row.disabled };
}

describe("a delivery", () => {
  it("is signed with every living secret, has its headers, and is logged with its own masked", async () => {
    const endpoint = await rig.endpoint({ headers: { "X-Key": "canary" } });
    await rig.endpoints.rotate(SCOPE, endpoint.id, {});
    rig.start();
    await rig.change("1", { id: "evt_a" });
    await rig.pass(1_000);
    const [request] = rig.receiver.requests;
    expect(request?.headers).toMatchObject({
      "webhook-id": "evt_a",
      "webhook-timestamp": String(Math.floor((request?.atMs ?? 0) / 1_000)),
      "content-type": "application/json",
      "user-agent": "Millrace-Webhooks/test",
      "X-Key": "canary",
    });
    const signatures = request?.headers["webhook-signature"]?.split(" ") ?? [];
    expect(new Set(signatures).size).toBe(2);
    expect(signatures.every((signature) => signature.endsWith(`:evt_a:${Math.floor(NOW_MS / 1_000)}`))).toBe(
      true,
    );
    const [delivery] = await rig.deliveries();
    expect(delivery).toMatchObject({ state: "delivered", attempts: 1, lastStatus: 200 });
    const attempts = await rig.store.webhooks.attempts(SCOPE, delivery?.id ?? "");
    expect(attempts).toHaveLength(1);
    expect(JSON.stringify(attempts)).not.toContain("canary");
    expect(attempts[0]?.requestHeaders).toMatchObject({ "X-Key": "***", "webhook-id": "evt_a" });
    expect(rig.meter.attempts).toEqual(new Map([["2xx", 1]]));
    expect(rig.meter.ended).toEqual(new Map([["delivered", 1]]));
  });

  it("is not signed any more with a secret whose day is over, or that was revoked", async () => {
    const endpoint = await rig.endpoint({});
    const old = endpoint.secrets[0]?.id ?? "";
    await rig.endpoints.rotate(SCOPE, endpoint.id, {});
    await rig.endpoints.rotate(SCOPE, endpoint.id, {});
    rig.start();
    const signatures = async (): Promise<number> => {
      rig.receiver.requests.length = 0;
      await rig.change("1");
      await rig.pass(1_000);
      return rig.receiver.requests[0]?.headers["webhook-signature"]?.split(" ").length ?? 0;
    };
    expect(await signatures()).toBe(3);
    await rig.endpoints.revokeSecret(SCOPE, endpoint.id, old);
    expect(await signatures()).toBe(2);
    await rig.pass(24 * HOUR_MS, HOUR_MS);
    expect(await signatures()).toBe(1);
  });

  it("that fails is tried 15 times over 24 h with the same id, then given up, and told once", async () => {
    const endpoint = await rig.endpoint({});
    const watcher = await rig.endpoint({ types: ["webhook.delivery_exhausted"] });
    rig.receiver.answer = ({ endpointId }) => ({ status: endpointId === watcher.id ? 200 : 500 });
    rig.start();
    await rig.change("1", { id: "evt_a" });
    await rig.pass(25 * HOUR_MS, 30_000);
    const requests = rig.receiver.requests.filter(({ endpointId }) => endpointId === endpoint.id);
    expect(requests.map(({ headers }) => headers["webhook-id"])).toEqual(requests.map(() => "evt_a"));
    const [delivery] = await rig.deliveries(endpoint.id);
    expect(delivery).toMatchObject({ state: "exhausted", attempts: requests.length, lastStatus: 500 });
    expect(requests.length).toBeGreaterThanOrEqual(12);
    expect(requests.length).toBeLessThanOrEqual(15);
    const lastAfterMs = (requests.at(-1)?.atMs ?? 0) - (requests[0]?.atMs ?? 0);
    expect(Math.abs(lastAfterMs - 24 * HOUR_MS)).toBeLessThan(6 * 60_000);
    const told = rig.receiver.bodies.filter(({ type }) => type === "webhook.delivery_exhausted");
    expect(told).toHaveLength(1);
    expect(told[0]?.["data"]).toMatchObject({
      endpoint_id: endpoint.id,
      count: 1,
      deliveries: [{ delivery_id: delivery?.id, event_id: "evt_a", type: "work_order.updated" }],
    });
  });

  it.each([503, 500])("waits as long as the receiver asks with %i", async (status) => {
    await rig.endpoint({});
    let isFirst = true;
    rig.receiver.answer = () => {
      const answer = isFirst ? { status, headers: { "retry-after": "120" } } : { status: 200 };
      isFirst = false;
      return answer;
    };
    rig.start();
    await rig.change("1");
    await rig.pass(118_000, 1_000);
    expect(rig.receiver.requests).toHaveLength(1);
    await rig.pass(4_000, 500);
    expect(rig.receiver.requests).toHaveLength(2);
  });

  it("goes on in the trace of what caused it: each try to each endpoint is a span of its own", async () => {
    await rig.endpoint({});
    await rig.endpoint({});
    const trace = "0af7651916cd43dd8448eb211c80319c";
    const traceparent = `00-${trace}-b7ad6b7169203331-01`;
    rig.receiver.answer = () => ({ status: rig.receiver.requests.length > 2 ? 200 : 500 });
    rig.start();
    await rig.change("1", { data: JSON.stringify({ cause: { command_id: "op_1", traceparent } }) });
    await rig.pass(60_000);
    const spans = rig.receiver.requests.map(({ headers }) => headers["traceparent"] ?? "");
    expect(spans).toHaveLength(4);
    expect(new Set(spans).size).toBe(4);
    for (const span of spans) expect(span).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
    rig.receiver.requests.length = 0;
    await rig.change("2");
    await rig.pass(60_000);
    const anew = rig.receiver.requests.map(({ headers }) => headers["traceparent"]?.slice(3, 35));
    expect([anew.length > 2, new Set(anew).size, anew.includes(trace)]).toEqual([true, 1, false]);
    const [delivery] = await rig.deliveries();
    const attempts = await rig.store.webhooks.attempts(SCOPE, delivery?.id ?? "");
    expect(spans).toEqual(expect.arrayContaining(attempts.map((one) => one.requestHeaders["traceparent"])));
  });

  it("that fails by the relay's own fault is charged to nobody", async () => {
    const endpoint = await rig.endpoint({});
    rig.receiver.answer = () => ({ error: "local_fault", detail: "no network" });
    rig.start();
    await rig.change("1");
    await rig.pass(48 * HOUR_MS, 120_000);
    expect((await rig.deliveries())[0]).toMatchObject({ state: "pending", lastError: "local_fault" });
    expect(await health(endpoint.id)).toMatchObject({ breaker: "closed", consecutiveFailures: 0 });
    // Its 24 h have not even begun: a failure is not the last one.
    rig.receiver.answer = () => ({ status: 500 });
    await rig.pass(60_000, 10_000);
    expect((await rig.deliveries())[0]).toMatchObject({ state: "pending", lastStatus: 500 });
    rig.receiver.answer = () => ({ status: 200 });
    await rig.pass(480_000, 10_000);
    expect((await rig.deliveries())[0]?.state).toBe("delivered");
    expect(await rig.alerts()).toEqual([]);
  });

  it("ends with 410, and the endpoint with it; what else was due stays where it is", async () => {
    const endpoint = await rig.endpoint({ atOnce: 1 });
    rig.receiver.answer = () => ({ status: 410 });
    await rig.events([{}, {}, {}]);
    rig.start();
    await rig.pass(60_000, 1_000);
    expect(rig.receiver.requests).toHaveLength(1);
    expect((await health(endpoint.id)).disabled).toMatchObject({ reason: "gone" });
    const states = (await rig.deliveries(endpoint.id)).map(({ state }) => state);
    expect(states).toEqual(["exhausted", "pending", "pending"]);
    expect(await rig.alerts()).toEqual(["webhook.endpoint_disabled", "webhook.delivery_exhausted"]);
  });

  it("whose payload was erased is taken back", async () => {
    await rig.endpoint({});
    rig.receiver.answer = () => ({ status: 500 });
    rig.start();
    await rig.change("1", { id: "evt_a" });
    await rig.pass(1_000);
    await rig.store.webhooks.erase(SCOPE, { eventId: "evt_a" });
    await rig.pass(60_000, 1_000);
    expect(rig.receiver.requests).toHaveLength(1);
    expect((await rig.deliveries())[0]?.state).toBe("discarded");
  });

  it("cannot be sent where its secret does not open; it is not lost either", async () => {
    const endpoint = await rig.endpoint({});
    await rig.store.webhooks.changeEndpoint(endpoint.workspaceId, endpoint.id, (row) => ({
      ...row,
      secrets: row.secrets.map((secret) => Object.assign({}, secret, { sealed: "elsewhere|x" })),
    }));
    rig.start();
    await rig.change("1");
    await rig.pass(5_000);
    expect(rig.receiver.requests).toEqual([]);
    expect((await rig.deliveries())[0]).toMatchObject({ state: "pending", lastError: "local_fault" });
  });
});

describe("an endpoint that fails", () => {
  it("is paused after ten failures, probed by its oldest delivery, and told of when it turns and when it heals", async () => {
    const endpoint = await rig.endpoint({});
    rig.receiver.answer = () => ({ status: 500 });
    rig.start();
    await rig.events(Array.from({ length: 40 }, (_, index) => ({ id: `evt_${index}` })));
    await rig.pass(5_000);
    // Ten failures open the breaker; those under way at that moment may end.
    expect(rig.receiver.requests).toHaveLength(10);
    expect(await health(endpoint.id)).toMatchObject({ breaker: "open" });
    await rig.pass(31_000, 1_000);
    expect(rig.receiver.requests).toHaveLength(11);
    expect(rig.receiver.requests[10]?.headers["webhook-id"]).toBe("evt_10");
    rig.receiver.answer = () => ({ status: 200 });
    await rig.pass(5 * 60_000, 5_000);
    expect((await rig.deliveries(endpoint.id)).map(({ state }) => state)).toEqual(
      Array.from({ length: 40 }, () => "delivered"),
    );
    expect(await health(endpoint.id)).toMatchObject({ breaker: "closed", parkedUntilMs: undefined });
    expect(await rig.alerts()).toEqual(["webhook.endpoint_failing", "webhook.endpoint_recovered"]);
  });

  it("is disabled after five days, and told of; enabled again it gets what waited", async () => {
    const endpoint = await rig.endpoint({});
    rig.receiver.answer = () => ({ error: "timed_out", takesMs: 10_000 });
    rig.start();
    for (let day = 0; day < 6; day += 1) {
      await rig.change(`r${day}`);
      await rig.pass(24 * HOUR_MS, 60_000);
    }
    expect((await health(endpoint.id)).disabled).toMatchObject({ reason: "failing" });
    expect(await rig.alerts()).toContain("webhook.endpoint_disabled");
    const before = rig.receiver.requests.length;
    await rig.pass(HOUR_MS, 60_000);
    expect(rig.receiver.requests).toHaveLength(before);
    rig.receiver.answer = () => ({ status: 200 });
    await rig.endpoints.enable(SCOPE, endpoint.id);
    await rig.pass(5_000);
    const states = new Set((await rig.deliveries(endpoint.id)).map(({ state }) => state));
    expect(states).toEqual(new Set(["exhausted", "delivered"]));
    expect(await health(endpoint.id)).toMatchObject({ breaker: "closed", consecutiveFailures: 0 });
  });

  it("feeds no other endpoint's failures: two dead ones that watch each other stay quiet", async () => {
    await rig.endpoint({});
    await rig.endpoint({});
    rig.receiver.answer = () => ({ status: 500 });
    rig.start();
    await rig.change("1");
    await rig.pass(3 * 24 * HOUR_MS, 120_000);
    // One each for turning, and one each for the delivery that nobody took; nothing about deliveries of those.
    const counts = Object.groupBy(await rig.alerts(), (type) => type);
    expect(counts["webhook.endpoint_failing"]).toHaveLength(2);
    expect(counts["webhook.delivery_exhausted"]).toHaveLength(2);
    expect(counts["webhook.endpoint_recovered"]).toBeUndefined();
  });
});

it("what ends after an endpoint was enabled again, and began before, disables nothing and is not told", async () => {
  const held = Promise.withResolvers<void>();
  rig.wrap = (webhooks) => ({
    ...webhooks,
    settle: async (settling) => {
      await held.promise;
      await webhooks.settle(settling);
    },
  });
  const { id } = await rig.endpoint({});
  rig.receiver.answer = () => ({ status: 410 });
  rig.start();
  await rig.change("1");
  await rig.pass(1_000);
  expect(rig.receiver.requests).toHaveLength(1);
  await rig.endpoints.disable(SCOPE, id);
  await rig.endpoints.enable(SCOPE, id);
  held.resolve();
  await rig.pass(1_000);
  expect((await rig.deliveries(id))[0]).toMatchObject({ state: "exhausted", lastStatus: 410 });
  expect(await health(id)).toMatchObject({ disabled: undefined, consecutiveFailures: 0, round: 1 });
  expect(await rig.alerts()).not.toContain("webhook.endpoint_disabled");
  // What it does from now on counts.
  await rig.change("2");
  await rig.pass(2_000);
  expect(await health(id)).toMatchObject({ disabled: { reason: "gone" } });
  expect(await rig.alerts()).toContain("webhook.endpoint_disabled");
});

describe("fairness", () => {
  it("an endpoint never has more under way than it allows, and one that is slow falls to one", async () => {
    await rig.endpoint({ atOnce: 4 });
    rig.receiver.answer = () => ({ status: 200, takesMs: 100 });
    rig.start();
    await rig.events(Array.from({ length: 100 }, () => ({})));
    await rig.pass(5_000, 50);
    expect(rig.receiver.requests).toHaveLength(100);
    expect(rig.receiver.mostUnderWay).toBe(4);
    rig.receiver.answer = () => ({ status: 200, takesMs: 5_000 });
    await rig.events(Array.from({ length: 30 }, () => ({})));
    await rig.pass(12_000, 50);
    rig.receiver.mostUnderWay = 0;
    await rig.pass(20_000, 50);
    expect(rig.receiver.mostUnderWay).toBe(1);
  });

  it("hanging endpoints take no more places than are theirs, and the others do not notice", async () => {
    const healthy = await rig.endpoint({ types: ["work_order.*"] });
    rig.start();
    await rig.change("first");
    await rig.pass(1_000);
    const dead = await Promise.all(
      Array.from({ length: 600 }, () => rig.endpoint({ types: ["sync.failed"] })),
    );
    const isDead = new Set(dead.map(({ id }) => id));
    rig.receiver.answer = ({ endpointId }) =>
      isDead.has(endpointId) ? { error: "timed_out", takesMs: 10_000 } : { status: 200 };
    await rig.events([{ type: "sync.failed", origin: undefined }]);
    const taken = (id: string): number =>
      rig.receiver.requests.filter(({ endpointId }) => endpointId === id).length;
    for (let round = 1; round < 20; round += 1) {
      await rig.pass(1_000);
      await rig.change(String(round));
      // No time goes by here: it is sent at once, with however many hanging.
      for (let turns = 0; turns < 5; turns += 1) await turn();
      expect(taken(healthy.id)).toBe(round + 1);
      expect(rig.receiver.underWay).toBeGreaterThanOrEqual(100);
      expect(rig.receiver.underWay).toBeLessThanOrEqual(384);
    }
    // One that nobody knows yet does not have to wait behind those that are known to hang.
    await rig.pass(60_000, 500);
    const late = await rig.endpoint({ types: ["vendor.*"] });
    await rig.change("v", { type: "vendor.created", entity: "vendor" });
    for (let turns = 0; turns < 5; turns += 1) await turn();
    expect(taken(late.id)).toBe(1);
  });

  it("keeps to an endpoint's own rate", async () => {
    await rig.endpoint({ perSecond: 5, atOnce: 10 });
    rig.start();
    await rig.events(Array.from({ length: 40 }, () => ({})));
    await rig.pass(8_500, 50);
    const seconds = rig.receiver.requests.map(({ atMs }) => Math.floor((atMs - NOW_MS) / 1_000));
    const each = Object.values(Object.groupBy(seconds, String)).map((all) => all?.length ?? 0);
    expect(Math.max(...each)).toBeLessThanOrEqual(6);
    expect(rig.receiver.requests).toHaveLength(40);
  });

  it("goes slower when it is told that it is too much, and gets there all the same", async () => {
    await rig.endpoint({ atOnce: 4 });
    let left = 6;
    rig.receiver.answer = () => ({ status: (left -= 1) >= 0 ? 429 : 200 });
    rig.start();
    await rig.events(Array.from({ length: 50 }, () => ({})));
    await rig.pass(3_000, 100);
    expect(rig.receiver.requests.length).toBeLessThan(15);
    await rig.pass(10 * 60_000, 1_000);
    expect((await rig.deliveries()).every(({ state }) => state === "delivered")).toBe(true);
  });
});

describe("order", () => {
  it("of each record is kept where it is asked for, whatever fails in between; records do not wait for each other", async () => {
    await rig.endpoint({ ordering: "record", atOnce: 8 });
    let fails = 0;
    rig.receiver.answer = ({ body }) => {
      const { id } = JSON.parse(body) as { id: string };
      if (id === "evt_a_2" && (fails += 1) <= 2) return { status: 500 };
      return { status: 200, takesMs: id.startsWith("evt_b") ? 10 : 200 };
    };
    rig.start();
    for (let index = 0; index < 5; index += 1)
      for (const key of ["a", "b"]) await rig.change(key, { id: `evt_${key}_${index}` });
    await rig.pass(10_000, 50);
    const ids = (): string[] => rig.receiver.requests.map(({ headers }) => headers["webhook-id"] ?? "");
    expect(ids().filter((id) => id.startsWith("evt_b"))).toEqual(
      [0, 1, 2, 3, 4].map((index) => `evt_b_${index}`),
    );
    expect(ids().filter((id) => id.startsWith("evt_a"))).toEqual(["evt_a_0", "evt_a_1", "evt_a_2"]);
    await rig.pass(120_000, 500);
    expect(ids().filter((id) => id.startsWith("evt_a"))).toEqual([
      "evt_a_0",
      "evt_a_1",
      "evt_a_2",
      "evt_a_2",
      "evt_a_2",
      "evt_a_3",
      "evt_a_4",
    ]);
  });
});

describe("changes take effect at once", () => {
  it("of the address, of the switch, and of an endpoint's end", async () => {
    const endpoint = await rig.endpoint({ atOnce: 1, connectionId: CONNECTION });
    rig.receiver.answer = () => ({ status: 200, takesMs: 100 });
    rig.start();
    await rig.events(Array.from({ length: 200 }, () => ({})));
    await rig.pass(1_000, 50);
    await rig.endpoints.change(SCOPE, endpoint.id, { url: "https://moved.test/" });
    await rig.pass(1_000, 50);
    expect(rig.receiver.requests.at(-1)?.url).toBe("https://moved.test/");
    await rig.endpoints.disable(SCOPE, endpoint.id);
    await rig.pass(500, 50);
    const atOff = rig.receiver.requests.length;
    await rig.pass(3_000, 50);
    expect(rig.receiver.requests).toHaveLength(atOff);
    await rig.endpoints.enable(SCOPE, endpoint.id);
    await rig.pass(1_000, 50);
    expect(rig.receiver.requests.length).toBeGreaterThan(atOff);
    await rig.endpoints.remove(SCOPE, endpoint.id);
    await rig.pass(500, 50);
    const atEnd = rig.receiver.requests.length;
    await rig.pass(3_000, 50);
    expect(rig.receiver.requests).toHaveLength(atEnd);
  });
});

describe("a store in trouble", () => {
  it("that is full holds the outcomes up, and nothing is sent twice or lost", async () => {
    await rig.endpoint({});
    let isFull = true;
    rig.wrap = (webhooks) => ({
      ...webhooks,
      settle: async (settling) => {
        if (isFull) throw new StoreFullError("the disk is full");
        return webhooks.settle(settling);
      },
    });
    rig.start();
    await rig.events(Array.from({ length: 20 }, () => ({})));
    await rig.pass(60_000, 1_000);
    expect(rig.receiver.requests).toHaveLength(20);
    isFull = false;
    await rig.pass(30_000, 1_000);
    expect((await rig.deliveries()).every(({ state }) => state === "delivered")).toBe(true);
    expect(rig.receiver.requests).toHaveLength(20);
  });

  it("that chokes on one outcome stores the others; that one is sent again", async () => {
    await rig.endpoint({});
    let chokes = true;
    rig.wrap = (webhooks) => ({
      ...webhooks,
      settle: async (settling) => {
        const ids = await Promise.all(
          settling.settlements.map(({ attempt }) => webhooks.delivery(SCOPE, attempt.deliveryId)),
        );
        if (chokes && ids.some((row) => row?.eventId === "evt_3")) throw new Error("planted");
        return webhooks.settle(settling);
      },
    });
    rig.start();
    await rig.events(Array.from({ length: 8 }, (_, index) => ({ id: `evt_${index}` })));
    await rig.pass(20_000, 500);
    const open = (await rig.deliveries()).filter(({ state }) => state === "pending");
    expect(open.map(({ eventId }) => eventId)).toEqual(["evt_3"]);
    chokes = false;
    await rig.pass(60_000, 500);
    expect((await rig.deliveries()).every(({ state }) => state === "delivered")).toBe(true);
  });

  it("whose reads fail for a while is asked again", async () => {
    await rig.endpoint({});
    let fails = true;
    const planted = async (): Promise<never> => {
      throw new Error("planted");
    };
    rig.wrap = (webhooks) => ({
      ...webhooks,
      lease: (...args) => (fails ? planted() : webhooks.lease(...args)),
      due: (...args) => (fails ? planted() : webhooks.due(...args)),
      feedsToPublish: (...args) => (fails ? planted() : webhooks.feedsToPublish(...args)),
    });
    rig.start();
    await rig.change("1");
    await rig.pass(3_000);
    fails = false;
    await rig.pass(3_000);
    expect(rig.receiver.requests).toHaveLength(1);
  });

  it("that cannot say for a while what is sent is asked again, and nothing counts as tried", async () => {
    // One a second: what was read ahead for the later ones is not taken for true any more.
    await rig.endpoint({ perSecond: 1 });
    let [fails, failures] = [false, 0];
    rig.wrap = (webhooks) => ({
      ...webhooks,
      messages: async (...args) => {
        if (!fails) return await webhooks.messages(...args);
        failures += 1;
        throw new Error("planted");
      },
    });
    await rig.events(Array.from({ length: 3 }, (_, index) => ({ id: `evt_${index}` })));
    rig.start();
    await rig.pass(900, 50);
    expect(rig.receiver.requests).toHaveLength(1);
    fails = true;
    await rig.pass(4_000, 100);
    expect(rig.receiver.requests).toHaveLength(1);
    expect(failures).toBeGreaterThan(0);
    fails = false;
    await rig.pass(6_000, 100);
    expect(rig.receiver.requests).toHaveLength(3);
    expect((await rig.deliveries()).map(({ state, attempts }) => [state, attempts])).toEqual(
      Array.from({ length: 3 }, () => ["delivered", 1]),
    );
  });
});

describe("stopping", () => {
  it("lets what is under way end, writes it down and gives the endpoints back", async () => {
    await rig.endpoint({});
    rig.receiver.answer = () => ({ status: 200, takesMs: 2_000 });
    rig.start();
    await rig.change("1");
    await rig.pass(500);
    expect(rig.receiver.underWay).toBe(1);
    await rig.stop();
    expect((await rig.deliveries())[0]?.state).toBe("delivered");
    expect(await rig.store.webhooks.lease(rig.clock.nowMs(), 1_000, 10)).toEqual([]);
  });

  it("does not wait for what hangs: it is due as before", async () => {
    await rig.endpoint({});
    rig.receiver.answer = () => ({ status: 200, takesMs: HOUR_MS });
    rig.start();
    await rig.change("1");
    await rig.pass(500);
    await rig.stop();
    expect((await rig.deliveries())[0]).toMatchObject({ state: "pending", attempts: 0 });
    expect(await rig.store.webhooks.lease(rig.clock.nowMs(), 1_000, 10)).toHaveLength(1);
    await turn();
  });
});
