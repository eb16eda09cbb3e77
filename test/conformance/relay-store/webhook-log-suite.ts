// What a store's log of webhook deliveries must do: found by every filter, tried again, counted, erased, pruned.
import { expect, test } from "vitest";
import { recordId } from "#common/contract/record-id.ts";
import { STATS_STEP_MS } from "#relay/core/webhooks/webhook-store.ts";
import type { Store } from "#relay/core/store.ts";
import { ALL, CONNECTION, NOW_MS, OTHER_WORKSPACE, SECOND_CONNECTION, WORKSPACE } from "./harness.ts";
import { delivery, due, endpoint, leased, message, published, settle, settlement } from "./webhook-rows.ts";

const RECORD = recordId(CONNECTION, "work_order", "1");

export function webhookLogSuite(open: () => Promise<Store>): void {
  test("webhook log: found by each filter and all of them, newest first, page by page, in one's own scope", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("own", { connectionId: CONNECTION }));
    await webhooks.createEndpoint(endpoint("all"));
    await webhooks.createEndpoint(endpoint("b", { workspaceId: OTHER_WORKSPACE }));
    await published(store, "e1", ["own", "all"], { recordId: RECORD });
    await published(
      store,
      "e2",
      ["all"],
      { connectionId: SECOND_CONNECTION, type: "vendor.created" },
      NOW_MS + 1,
    );
    await published(store, "e3", ["own"], {}, NOW_MS + 2);
    await published(
      store,
      "e4",
      ["b"],
      { workspaceId: OTHER_WORKSPACE, connectionId: undefined },
      NOW_MS + 3,
    );
    await settle(
      store,
      settlement("e1@own"),
      settlement("e1@all", { state: "exhausted" }, { status: undefined, error: "reset" }),
    );
    const ids = async (query: object, scope: object = {}): Promise<readonly string[]> => {
      const found = await webhooks.deliveries({ ...ALL, ...scope }, { limit: 10, ...query });
      return found.map(({ id }) => id);
    };
    expect(await ids({})).toEqual(["e3@own", "e2@all", "e1@all", "e1@own"]);
    expect(await ids({ limit: 2 })).toEqual(["e3@own", "e2@all"]);
    expect(await ids({ limit: 2, skip: 1 })).toEqual(["e2@all", "e1@all"]);
    expect(await ids({ limit: 2, skip: 1, endpointId: "own" })).toEqual(["e1@own"]);
    expect(await ids({ skip: 4 })).toEqual([]);
    const count = (query: object): Promise<number> => webhooks.countDeliveries(ALL, { limit: 10, ...query });
    expect([await count({}), await count({ endpointId: "own" }), await count({ limit: 3 })]).toEqual([
      4, 2, 3,
    ]);
    expect([await count({ states: ["exhausted", "pending"] }), await count({ eventId: "e1" })]).toEqual([
      3, 2,
    ]);
    expect(await ids({ limit: 1, afterId: "e2@all" })).toEqual(["e1@all"]);
    expect(await ids({ afterId: "nothing" })).toEqual([]);
    expect(await ids({ endpointId: "own" })).toEqual(["e3@own", "e1@own"]);
    expect(await ids({ endpointId: "b" })).toEqual([]);
    expect(await ids({ connectionId: SECOND_CONNECTION })).toEqual(["e2@all"]);
    expect(await ids({ states: ["pending"] })).toEqual(["e3@own", "e2@all"]);
    expect(await ids({ states: ["delivered", "exhausted"] })).toEqual(["e1@all", "e1@own"]);
    expect(await ids({ types: ["vendor.created", "no.such"] })).toEqual(["e2@all"]);
    expect(await ids({ eventId: "e1" })).toEqual(["e1@all", "e1@own"]);
    expect(await ids({ recordId: RECORD, endpointId: "all" })).toEqual(["e1@all"]);
    expect(await ids({ status: 200 })).toEqual(["e1@own"]);
    expect(await ids({ status: 0, states: ["exhausted"] })).toEqual(["e1@all"]);
    expect(await ids({ afterMs: NOW_MS + 1, beforeMs: NOW_MS + 2 })).toEqual(["e2@all"]);
    const own = { connectionIds: [CONNECTION] };
    expect(await ids({}, own)).toEqual(["e3@own", "e1@own"]);
    expect(await ids({ eventId: "e1" }, own)).toEqual(["e1@own"]);
    expect(await ids({ endpointId: "all" }, own)).toEqual([]);
    const narrow = { ...ALL, ...own };
    expect(await webhooks.delivery(narrow, "e1@all")).toBeUndefined();
    expect(await webhooks.attempts(narrow, "e1@all")).toEqual([]);
    expect(await webhooks.attempts(narrow, "e1@own")).toHaveLength(1);
    expect(await webhooks.delivery(ALL, "e4@b")).toBeUndefined();
    expect((await webhooks.messages(narrow, ["e1", "e2"])).map(({ eventId }) => eventId)).toEqual(["e1"]);
  });

  test("webhook log: attempts are in order of their number over all rounds", async () => {
    const store = await open();
    await store.webhooks.createEndpoint(endpoint("e"));
    await published(store, "e1", ["e"]);
    const again = { state: "pending", nextAttemptAtMs: NOW_MS + 1 } as const;
    await settle(store, settlement("e1@e", again, { status: 500 }));
    await settle(store, settlement("e1@e", { state: "exhausted" }, { number: 2, status: 500 }));
    const round = await store.webhooks.retry(ALL, { eventId: "e1", limit: 5 }, "recover", NOW_MS + 5);
    expect(round).toEqual({ count: 1, hasMore: false });
    expect(await store.webhooks.delivery(ALL, "e1@e")).toMatchObject({
      state: "pending",
      trigger: "recover",
      attempts: 2,
      firstAttemptAtMs: undefined,
      nextAttemptAtMs: NOW_MS + 5,
      finishedAtMs: undefined,
    });
    await settle(store, settlement("e1@e", {}, { number: 3, trigger: "recover" }));
    const attempts = await store.webhooks.attempts(ALL, "e1@e");
    expect(attempts.map(({ number, status }) => [number, status])).toEqual([
      [1, 500],
      [2, 500],
      [3, 200],
    ]);
  });

  test("webhook log: a retry takes the oldest first and says whether more are left; not what cannot be sent", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("e"));
    await webhooks.createEndpoint(endpoint("off"));
    for (const event of ["e1", "e2", "e3", "e4"]) await published(store, event, ["e", "off"]);
    const ended = ["e1", "e2", "e3", "e4"].flatMap((event) =>
      ["e", "off"].map((id) => settlement(`${event}@${id}`, { state: "exhausted" }, { status: 500 })),
    );
    await settle(store, ...ended);
    const disabled = { reason: "by_user", detail: "", atMs: NOW_MS } as const;
    await webhooks.changeEndpoint(WORKSPACE, "off", (row) => ({ ...row, disabled }));
    expect(await webhooks.erase(ALL, { eventId: "e2" })).toBe(1);
    const query = { states: ["exhausted"], limit: 2 } as const;
    expect(await webhooks.retry(ALL, query, "manual", NOW_MS + 1)).toEqual({ count: 2, hasMore: true });
    expect(await due(store, "e", NOW_MS + 1)).toEqual(["e1@e", "e3@e"]);
    expect(await webhooks.retry(ALL, query, "manual", NOW_MS + 2)).toEqual({ count: 1, hasMore: false });
    expect(await webhooks.retry(ALL, query, "manual", NOW_MS + 3)).toEqual({ count: 0, hasMore: false });
    expect(await leased(store, NOW_MS + 3)).toEqual(["e"]);
  });

  test("webhook log: only what is pending is taken back, oldest first", async () => {
    const store = await open();
    await store.webhooks.createEndpoint(endpoint("e"));
    for (const event of ["e1", "e2", "e3"]) await published(store, event, ["e"]);
    await settle(store, settlement("e1@e"));
    const delivered = { states: ["delivered"], limit: 9 } as const;
    expect(await store.webhooks.discard(ALL, delivered, NOW_MS)).toBe(0);
    expect(await store.webhooks.discard(ALL, { limit: 1 }, NOW_MS)).toBe(1);
    expect(await due(store, "e")).toEqual(["e3@e"]);
  });

  test("webhook log: endpoints are counted since an instant, step by step, and what is pending now", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("e", { connectionId: CONNECTION }));
    await webhooks.createEndpoint(endpoint("idle"));
    for (const [n, event] of ["e1", "e2", "e3", "e4"].entries())
      await published(store, event, ["e"], {}, NOW_MS + n);
    await settle(store, settlement("e1@e"));
    const later = NOW_MS + 2 * STATS_STEP_MS;
    await settle(
      store,
      settlement("e2@e", { state: "exhausted" }, { atMs: later, status: 500 }),
      settlement("e3@e", { state: "pending", nextAttemptAtMs: later }, { atMs: later, status: undefined }),
    );
    const none = {
      pending: 0,
      oldestPendingAtMs: undefined,
      delivered: 0,
      exhausted: 0,
      attempts: 0,
      failedAttempts: 0,
    };
    const all = {
      pending: 2,
      oldestPendingAtMs: NOW_MS + 2,
      delivered: 1,
      exhausted: 1,
      attempts: 3,
      failedAttempts: 2,
    };
    expect(await webhooks.stats(ALL, NOW_MS)).toEqual([
      { endpointId: "e", ...all },
      { endpointId: "idle", ...none },
    ]);
    const recent = { ...all, delivered: 0, attempts: 2 };
    const scope = { ...ALL, connectionIds: [CONNECTION] };
    expect(await webhooks.stats(scope, later + 1)).toEqual([{ endpointId: "e", ...recent }]);
  });

  test("webhook log: what is erased is gone from messages and answers, of a record, an event or a connection", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("e", { ordering: "record" }));
    await published(store, "e1", ["e"], { recordId: RECORD, thin: "t" });
    await published(store, "e2", ["e"]);
    await published(store, "e3", ["e"], { connectionId: SECOND_CONNECTION });
    await settle(store, settlement("e1@e"), settlement("e3@e"));
    expect(await webhooks.erase({ ...ALL, connectionIds: [SECOND_CONNECTION] }, { recordId: RECORD })).toBe(
      0,
    );
    expect(await webhooks.erase(ALL, { recordId: RECORD })).toBe(1);
    expect(await webhooks.erase(ALL, { recordId: RECORD })).toBe(0);
    expect(await webhooks.messages(ALL, ["e1"])).toEqual([
      message("e1", { recordId: RECORD, full: undefined }),
    ]);
    const answer = async (id: string): Promise<unknown> =>
      (await webhooks.attempts(ALL, id))[0]?.responseBody;
    expect(await answer("e1@e")).toBeUndefined();
    expect(await answer("e3@e")).toBe("thanks");
    expect(await webhooks.erase(ALL, { connectionId: CONNECTION })).toBe(1);
    expect(await due(store, "e")).toEqual(["e2@e"]);
    expect(await webhooks.messages(ALL, ["e2"])).toMatchObject([{ full: undefined, thin: undefined }]);
    expect(await webhooks.erase(ALL, { eventId: "e3" })).toBe(1);
    expect(await answer("e3@e")).toBeUndefined();
  });

  test("webhook log: pruning removes old payloads and answers, then what is finished and old; nothing else", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("e"));
    await webhooks.createEndpoint(endpoint("gone"));
    const later = NOW_MS + 1_000;
    await published(store, "old", ["e", "gone"]);
    await published(store, "waits", ["e"]);
    await published(store, "new", ["e"], {}, later);
    await settle(
      store,
      settlement("old@e"),
      settlement("old@gone"),
      settlement("new@e", {}, { atMs: later }),
    );
    await webhooks.deleteEndpoint(WORKSPACE, "gone", later);
    expect(await webhooks.prune({ payloadsMs: NOW_MS + 1, deliveriesMs: NOW_MS })).toBe(false);
    const texts = (await webhooks.messages(ALL, ["old", "waits", "new"])).map(({ full }) => full);
    expect(texts).toEqual([undefined, undefined, `{"full":"new"}`]);
    expect((await webhooks.attempts(ALL, "old@e"))[0]).toMatchObject({
      status: 200,
      responseBody: undefined,
    });
    expect((await webhooks.attempts(ALL, "new@e"))[0]).toMatchObject({ responseBody: "thanks" });
    await webhooks.prune({ payloadsMs: NOW_MS + 1, deliveriesMs: NOW_MS + 500 });
    const ids = (await webhooks.deliveries(ALL, { limit: 10 })).map(({ id }) => id);
    expect(ids).toEqual(["new@e", "waits@e"]);
    expect(await webhooks.attempts(ALL, "old@e")).toEqual([]);
    const left = (await webhooks.messages(ALL, ["old", "waits", "new"])).map(({ eventId }) => eventId);
    expect(left).toEqual(["waits", "new"]);
    // Published again, it has a payload again, and is kept anew.
    await webhooks.publish({
      workspaceId: WORKSPACE,
      messages: [message("waits")],
      deliveries: [delivery("t", "e", "waits", { trigger: "test", dueAtMs: later })],
      atMs: later,
    });
    await webhooks.prune({ payloadsMs: NOW_MS + 1, deliveriesMs: NOW_MS + 500 });
    expect((await webhooks.messages(ALL, ["waits"]))[0]?.full).toBe(`{"full":"waits"}`);
  });

  test("webhooks: a deleted endpoint is gone at once, what it was sent stays in the log, what is pending is taken back", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("e"));
    await webhooks.createEndpoint(endpoint("f"));
    await published(store, "evt_1", ["e", "f"]);
    await published(store, "evt_2", ["e"]);
    await settle(store, settlement("evt_1@e"));
    expect(await webhooks.deleteEndpoint(OTHER_WORKSPACE, "e", NOW_MS)).toBe(false);
    expect(await webhooks.deleteEndpoint(WORKSPACE, "e", NOW_MS + 7)).toBe(true);
    expect(await webhooks.deleteEndpoint(WORKSPACE, "e", NOW_MS + 8)).toBe(false);
    expect(await webhooks.endpoint(ALL, "e")).toBeUndefined();
    expect((await webhooks.endpoints(ALL)).map(({ row }) => row.id)).toEqual(["f"]);
    expect(await webhooks.changeEndpoint(WORKSPACE, "e", (row) => row)).toBeUndefined();
    expect(await leased(store)).toEqual(["f"]);
    const log = await webhooks.deliveries(ALL, { endpointId: "e", limit: 10 });
    expect(log).toMatchObject([
      { id: "evt_2@e", state: "discarded", finishedAtMs: NOW_MS + 7 },
      { id: "evt_1@e", state: "delivered", finishedAtMs: NOW_MS + 5 },
    ]);
    expect(await webhooks.retry(ALL, { endpointId: "e", limit: 9 }, "manual", NOW_MS)).toEqual({
      count: 0,
      hasMore: false,
    });
    await published(store, "evt_3", ["e"]);
    expect(await webhooks.delivery(ALL, "evt_3@e")).toBeUndefined();
  });

  test("webhooks: with a connection go its endpoints, its messages and all that was sent of them", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("own", { connectionId: CONNECTION }));
    await webhooks.createEndpoint(endpoint("all"));
    await published(store, "evt_1", ["own", "all"]);
    await published(store, "evt_2", ["all"], { connectionId: SECOND_CONNECTION }, NOW_MS + 50);
    await settle(store, settlement("evt_1@own"));
    await store.directory.disconnectConnection(WORKSPACE, CONNECTION, NOW_MS);
    await store.directory.deleteConnection(WORKSPACE, CONNECTION);
    // At once nothing shows it, and nothing of it is sent.
    expect((await webhooks.endpoints(ALL)).map(({ row }) => row.id)).toEqual(["all"]);
    const shown = await webhooks.deliveries(ALL, { limit: 10 });
    expect(shown.map(({ id }) => id)).toEqual(["evt_2@all"]);
    expect(await webhooks.delivery(ALL, "evt_1@own")).toBeUndefined();
    expect(await webhooks.attempts(ALL, "evt_1@own")).toEqual([]);
    expect(await webhooks.messages(ALL, ["evt_1", "evt_2"])).toHaveLength(1);
    while (await store.prune({ eventsMs: 0, samplesMs: 0 }));
    expect(await due(store, "all", NOW_MS)).toEqual([]);
    expect(await leased(store, NOW_MS + 49)).toEqual([]);
    expect(await leased(store, NOW_MS + 50)).toEqual(["all"]);
  });
}
