// What a store of webhooks must do: endpoints and their feeds, what is published once, who holds what, what is due, what came of it.
import { expect, test } from "vitest";
import { recordId } from "#common/contract/record-id.ts";
import { HEALTHY } from "#relay/core/webhooks/endpoint.ts";
import { DuplicateError, type Store } from "#relay/core/store.ts";
import {
  ALL,
  appendEvents,
  CONNECTION,
  event as eventRow,
  FOREIGN_CONNECTION,
  NOW_MS,
  OTHER_WORKSPACE,
  WORKSPACE,
} from "./harness.ts";
import { delivery, due, endpoint, leased, message, published, settle, settlement } from "./webhook-rows.ts";

const RECORD = recordId(CONNECTION, "work_order", "1");
const OF_CONNECTION = { ...ALL, connectionIds: [CONNECTION] };

export function webhooksSuite(open: () => Promise<Store>, reopen: (store: Store) => Promise<Store>): void {
  test("webhooks: endpoints are kept as they are, in order, per workspace; a connection sees its own", async () => {
    let store = await open();
    const own = endpoint("whe_2", {
      connectionId: CONNECTION,
      ordering: "record",
      condition: "event.x == 1",
    });
    await store.webhooks.createEndpoint(endpoint("whe_9"));
    await store.webhooks.createEndpoint(own);
    await store.webhooks.createEndpoint(endpoint("whe_b", { workspaceId: OTHER_WORKSPACE }));
    await expect(store.webhooks.createEndpoint(endpoint("whe_9"))).rejects.toThrow(DuplicateError);
    const foreign = endpoint("whe_x", { connectionId: FOREIGN_CONNECTION });
    await expect(store.webhooks.createEndpoint(foreign)).rejects.toThrow(/has no connection/);
    store = await reopen(store);
    expect(await store.webhooks.endpoints(ALL)).toEqual([
      { row: endpoint("whe_9"), health: HEALTHY },
      { row: own, health: HEALTHY },
    ]);
    expect((await store.webhooks.endpoints(OF_CONNECTION)).map(({ row }) => row.id)).toEqual(["whe_2"]);
    expect(await store.webhooks.endpoint(OF_CONNECTION, "whe_9")).toBeUndefined();
    expect(await store.webhooks.endpoint(ALL, "whe_b")).toBeUndefined();
    expect(await store.webhooks.endpoint(ALL, "whe_2")).toEqual({ row: own, health: HEALTHY });
  });

  test("webhooks: a change is decided by what is there; health is kept unless it is reset", async () => {
    const store = await open();
    await store.webhooks.createEndpoint(endpoint("e"));
    const health = { ...HEALTHY, consecutiveFailures: 3, parkedUntilMs: NOW_MS + 5 };
    await store.webhooks.settle({ settlements: [], endpoints: [{ endpointId: "e", health }], events: [] });
    const renamed = { ...endpoint("e"), name: "new" };
    expect(await store.webhooks.changeEndpoint(WORKSPACE, "e", () => renamed)).toEqual({
      row: renamed,
      health,
    });
    const untouched = await store.webhooks.changeEndpoint(WORKSPACE, "e", () => undefined, true);
    expect(untouched).toEqual({ row: renamed, health });
    const reset = await store.webhooks.changeEndpoint(WORKSPACE, "e", (row) => row, true);
    expect(reset).toEqual({ row: renamed, health: { ...HEALTHY, round: 1 } });
    expect(await store.webhooks.endpoint(ALL, "e")).toEqual(reset);
    expect(await store.webhooks.changeEndpoint(OTHER_WORKSPACE, "e", (row) => row)).toBeUndefined();
  });

  test("webhooks: a feed is published from where its first endpoint was made, position by position", async () => {
    const store = await open();
    const { webhooks } = store;
    await appendEvents(store, [{}, {}]);
    expect(await webhooks.feedsToPublish(10)).toEqual([]);
    const { newest } = await store.reader.feedBounds(WORKSPACE);
    await webhooks.createEndpoint(endpoint("e"));
    expect(await webhooks.feedsToPublish(10)).toEqual([]);
    const [position = 0] = await appendEvents(store, [{}], NOW_MS + 1);
    const feed = { workspaceId: WORKSPACE, published: newest, newest: position };
    expect(await webhooks.feedsToPublish(10)).toEqual([feed]);
    // A second endpoint does not move it.
    await webhooks.createEndpoint(endpoint("f"));
    expect(await webhooks.feedsToPublish(10)).toEqual([feed]);
    const publication = {
      workspaceId: WORKSPACE,
      advance: { from: newest, to: position },
      messages: [message("evt_1", { position })],
      deliveries: [delivery("d", "e", "evt_1")],
      atMs: NOW_MS,
    };
    const stale = { ...publication, advance: { from: newest - 1, to: position } };
    expect(await webhooks.publish(stale)).toBe(false);
    expect(await webhooks.deliveries(ALL, { limit: 10 })).toEqual([]);
    const { connectionId: _, ...news } = { ...eventRow(0), type: "webhook.events_missed", data: "{}" };
    const events = [
      { ...news, connectionId: undefined, entity: undefined, recordId: undefined, origin: undefined },
    ];
    expect(await webhooks.publish({ ...stale, events })).toBe(false);
    expect(await webhooks.publish({ ...publication, events })).toBe(true);
    expect(await webhooks.publish({ ...publication, events })).toBe(false);
    const told = (await store.reader.listEvents(ALL, position, 10)).map(({ type }) => type);
    expect(told).toEqual(["webhook.events_missed"]);
    const [behind] = await webhooks.feedsToPublish(10);
    expect(behind?.published).toBe(position);
    const next = { from: position, to: behind?.newest ?? 0 };
    await webhooks.publish({ ...publication, advance: next, messages: [], deliveries: [] });
    expect(await webhooks.feedsToPublish(10)).toEqual([]);
    expect(await webhooks.deliveries(ALL, { limit: 10 })).toHaveLength(1);
    // Without an endpoint nothing is published; the next first one begins at the newest.
    await webhooks.deleteEndpoint(WORKSPACE, "e", NOW_MS);
    await webhooks.deleteEndpoint(WORKSPACE, "f", NOW_MS);
    await appendEvents(store, [{}], NOW_MS + 2);
    expect(await webhooks.feedsToPublish(10)).toEqual([]);
    await webhooks.createEndpoint(endpoint("g"));
    expect(await webhooks.feedsToPublish(10)).toEqual([]);
  });

  test("webhooks: of more feeds than are asked for, those that are furthest behind come first", async () => {
    const store = await open();
    const foreign = { workspaceId: OTHER_WORKSPACE, connectionId: FOREIGN_CONNECTION };
    await appendEvents(store, [foreign]);
    await store.webhooks.createEndpoint(endpoint("b", { workspaceId: OTHER_WORKSPACE }));
    await store.webhooks.createEndpoint(endpoint("e"));
    await appendEvents(store, [foreign], NOW_MS + 5);
    const [position = 0] = await appendEvents(store, [{}], NOW_MS + 6);
    const feeds = await store.webhooks.feedsToPublish(1);
    expect(feeds.map(({ workspaceId }) => workspaceId)).toEqual([WORKSPACE]);
    await store.webhooks.publish({
      workspaceId: WORKSPACE,
      advance: { from: 0, to: position },
      messages: [],
      deliveries: [],
      atMs: NOW_MS,
    });
    expect(await store.webhooks.feedsToPublish(10)).toMatchObject([{ workspaceId: OTHER_WORKSPACE }]);
  });

  test("webhooks: an endpoint has one delivery of an event, but for tests; a message gains the form it lacks", async () => {
    const store = await open();
    const { webhooks } = store;
    for (const id of ["full", "thin"]) {
      await webhooks.createEndpoint(endpoint(id, { payload: id === "thin" ? "thin" : "full" }));
    }
    await published(store, "evt_1", ["full"]);
    await webhooks.publish({
      workspaceId: WORKSPACE,
      messages: [message("evt_1", { full: "changed", thin: "thin text" })],
      deliveries: [
        delivery("again", "full", "evt_1"),
        delivery("test", "full", "evt_1", { trigger: "test", dueAtMs: NOW_MS + 1 }),
        delivery("d2", "thin", "evt_1"),
        delivery("nobody", "gone", "evt_1"),
      ],
      atMs: NOW_MS,
    });
    const ids = (await webhooks.deliveries(ALL, { limit: 10 })).map(({ id }) => id);
    expect(ids).toEqual(["d2", "test", "evt_1@full"]);
    expect(await webhooks.messages(ALL, ["nothing", "evt_1"])).toEqual([
      message("evt_1", { thin: "thin text" }),
    ]);
    expect(await due(store, "full")).toEqual(["evt_1@full"]);
    expect(await due(store, "thin")).toEqual(["d2"]);
    const unknown = { workspaceId: WORKSPACE, messages: [message("evt_2")], atMs: NOW_MS };
    const lost = [delivery("d3", "full", "evt_2"), delivery("d4", "full", "evt_9")];
    await expect(webhooks.publish({ ...unknown, deliveries: lost })).rejects.toThrow(/no webhook message/);
    expect(await webhooks.messages(ALL, ["evt_2"])).toEqual([]);
    expect(await webhooks.delivery(ALL, "d3")).toBeUndefined();
  });

  test("webhooks: a delivery says all of its event, also after a restart", async () => {
    let store = await open();
    await store.webhooks.createEndpoint(endpoint("e"));
    await published(store, "evt_1", ["e"], { recordId: RECORD, position: 77 });
    store = await reopen(store);
    expect(await store.webhooks.delivery(ALL, "evt_1@e")).toEqual({
      id: "evt_1@e",
      endpointId: "e",
      workspaceId: WORKSPACE,
      eventId: "evt_1",
      position: 77,
      type: "work_order.updated",
      connectionId: CONNECTION,
      recordId: RECORD,
      state: "pending",
      trigger: "automatic",
      attempts: 0,
      createdAtMs: NOW_MS,
      firstAttemptAtMs: undefined,
      nextAttemptAtMs: NOW_MS,
      finishedAtMs: undefined,
      lastStatus: undefined,
      lastError: undefined,
    });
    expect(await leased(store)).toEqual(["e"]);
  });

  test("webhooks: an endpoint is leased while something is due, by one at a time, longest waiting first", async () => {
    const store = await open();
    const { webhooks } = store;
    for (const id of ["a", "b", "c", "idle"]) await webhooks.createEndpoint(endpoint(id));
    await published(store, "evt_1", ["a"], {}, NOW_MS + 20);
    await published(store, "evt_2", ["b"], {}, NOW_MS + 10);
    await published(store, "evt_3", ["c"], {}, NOW_MS + 30);
    expect(await leased(store)).toEqual([]);
    expect(await leased(store, NOW_MS + 20, 100)).toEqual(["b", "a"]);
    expect(await leased(store, NOW_MS + 20)).toEqual([]);
    // c is due before the leases of the others end.
    expect(await webhooks.renew("b", NOW_MS + 50, 100)).toBe(true);
    expect(await leased(store, NOW_MS + 120, 1_000)).toEqual(["a", "c"]);
    await webhooks.release(["a"]);
    expect(await webhooks.renew("a", NOW_MS + 121, 100)).toBe(false);
    expect(await leased(store, NOW_MS + 121)).toEqual(["a"]);
    expect((await webhooks.lease(NOW_MS + 200, 10, 1)).map(({ row }) => row.id)).toEqual(["b"]);
  });

  test("webhooks: what is parked or disabled is not leased; a restart ends all leases", async () => {
    let store = await open();
    for (const id of ["parked", "off", "on"]) await store.webhooks.createEndpoint(endpoint(id));
    await published(store, "evt_1", ["parked", "off", "on"]);
    const disabled = { reason: "gone", detail: "answered 410", atMs: NOW_MS } as const;
    await store.webhooks.settle({
      settlements: [],
      endpoints: [
        { endpointId: "parked", health: { ...HEALTHY, breaker: "open", parkedUntilMs: NOW_MS + 40 } },
        { endpointId: "off", health: HEALTHY, disabled },
      ],
      events: [],
    });
    expect(await leased(store)).toEqual(["on"]);
    store = await reopen(store);
    expect(await leased(store)).toEqual(["on"]);
    expect(await leased(store, NOW_MS + 40)).toEqual(["parked"]);
    expect((await store.webhooks.endpoint(ALL, "off"))?.row.disabled).toEqual(disabled);
    await store.webhooks.changeEndpoint(WORKSPACE, "off", (row) => ({ ...row, disabled: undefined }));
    expect(await leased(store, NOW_MS + 40)).toEqual(["off"]);
  });

  test("webhooks: what is due longest comes first, then the feed's order; nothing that is under way", async () => {
    const store = await open();
    await store.webhooks.createEndpoint(endpoint("e"));
    await published(store, "late", ["e"], { position: 1 }, NOW_MS + 50);
    await published(store, "second", ["e"], { position: 3 }, NOW_MS);
    await published(store, "first", ["e"], { position: 2 }, NOW_MS);
    expect(await due(store, "e", NOW_MS + 49)).toEqual(["first@e", "second@e"]);
    expect(await due(store, "e", NOW_MS + 50)).toEqual(["first@e", "second@e", "late@e"]);
    expect(await due(store, "e", NOW_MS + 50, ["second@e", "x"])).toEqual(["first@e", "late@e"]);
    const none = new Set<string>();
    const asked = [
      { endpointId: "nobody", limit: 1, except: none },
      { endpointId: "e", limit: 1, except: new Set(["first@e"]) },
      { endpointId: "e", limit: 2, except: none },
    ];
    const found = await store.webhooks.due(asked, NOW_MS + 50);
    expect(found.map((of) => of.map(({ id }) => id))).toEqual([[], ["second@e"], ["first@e", "second@e"]]);
    expect(await due(store, "nobody")).toEqual([]);
  });

  test("webhooks: where order is kept, a record's next event waits; other records do not", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("e", { ordering: "record" }));
    const other = recordId(CONNECTION, "work_order", "2");
    await published(store, "a1", ["e"], { recordId: RECORD, position: 1 });
    await published(store, "a2", ["e"], { recordId: RECORD, position: 2 });
    await published(store, "b1", ["e"], { recordId: other, position: 3 });
    await published(store, "none", ["e"], { position: 4 });
    expect(await due(store, "e")).toEqual(["a1@e", "b1@e", "none@e"]);
    expect(await due(store, "e", NOW_MS, ["a1@e"])).toEqual(["b1@e", "none@e"]);
    const failed = { state: "pending", nextAttemptAtMs: NOW_MS + 30 } as const;
    await settle(
      store,
      settlement("a1@e", failed, { status: 500 }),
      settlement("b1@e"),
      settlement("none@e"),
    );
    // Its follower waits with it: nothing to lease before.
    expect(await leased(store, NOW_MS + 29)).toEqual([]);
    expect(await due(store, "e", NOW_MS + 30)).toEqual(["a1@e"]);
    await settle(store, settlement("a1@e", { state: "exhausted" }, { number: 2, status: 500 }));
    expect(await due(store, "e", NOW_MS + 30)).toEqual(["a2@e"]);
    // What is tried again stands before its followers again.
    await webhooks.retry(ALL, { eventId: "a1", limit: 1 }, "manual", NOW_MS + 31);
    expect(await due(store, "e", NOW_MS + 31)).toEqual(["a1@e"]);
    await webhooks.changeEndpoint(WORKSPACE, "e", (row) => ({ ...row, ordering: "none" }));
    expect(await due(store, "e", NOW_MS + 31)).toEqual(["a2@e", "a1@e"]);
    await webhooks.changeEndpoint(WORKSPACE, "e", (row) => ({ ...row, ordering: "record" }));
    expect(await due(store, "e", NOW_MS + 31)).toEqual(["a1@e"]);
  });

  test("webhooks: outcomes, health, what it means for the endpoint, and events are written together", async () => {
    let store = await open();
    await store.webhooks.createEndpoint(endpoint("e"));
    await published(store, "evt_1", ["e"]);
    await published(store, "evt_2", ["e"]);
    const event = {
      type: "webhook.endpoint_failing",
      workspaceId: WORKSPACE,
      connectionId: undefined,
      entity: undefined,
      recordId: undefined,
      origin: undefined,
      atMs: NOW_MS + 9,
      data: '{"endpoint_id":"e"}',
    };
    const health = { ...HEALTHY, consecutiveFailures: 1, failingSinceMs: NOW_MS, lastFailureAtMs: NOW_MS };
    const ok = settlement("evt_1@e", { firstAttemptAtMs: NOW_MS + 1 }, { atMs: NOW_MS + 1 });
    const error = {
      status: undefined,
      error: "timed_out",
      detail: "no answer",
      responseBody: undefined,
    } as const;
    const failed = settlement("evt_2@e", { state: "pending", nextAttemptAtMs: NOW_MS + 30_000 }, error);
    await store.webhooks.settle({
      settlements: [ok, failed],
      endpoints: [{ endpointId: "e", health }],
      events: [event, event],
    });
    store = await reopen(store);
    expect(await store.webhooks.delivery(ALL, "evt_1@e")).toMatchObject({
      state: "delivered",
      attempts: 1,
      firstAttemptAtMs: NOW_MS + 1,
      nextAttemptAtMs: undefined,
      finishedAtMs: NOW_MS + 6,
      lastStatus: 200,
    });
    expect(await store.webhooks.delivery(ALL, "evt_2@e")).toMatchObject({
      state: "pending",
      nextAttemptAtMs: NOW_MS + 30_000,
      finishedAtMs: undefined,
      lastStatus: undefined,
      lastError: "timed_out",
    });
    expect(await store.webhooks.attempts(ALL, "evt_1@e")).toEqual([ok.attempt]);
    expect(await store.webhooks.attempts(ALL, "evt_2@e")).toEqual([failed.attempt]);
    expect((await store.webhooks.endpoint(ALL, "e"))?.health).toEqual(health);
    const events = await store.reader.listEvents(ALL, 0, 10);
    expect(events).toMatchObject([event, event]);
    expect(events.map(({ id }) => id)).toEqual(events.map(({ position }) => `evt_r_${position}`));
    // Somebody has its failures forgotten: what is known of before is passed over, with what it would tell.
    await store.webhooks.changeEndpoint(WORKSPACE, "e", (row) => ({ ...row, name: "anew" }), true);
    const disabled = { reason: "failing", detail: "", atMs: NOW_MS } as const;
    const late = { endpointId: "e", health, disabled, events: [event] };
    await store.webhooks.settle({ settlements: [], endpoints: [late], events: [] });
    const kept = await store.webhooks.endpoint(ALL, "e");
    expect(kept?.row.disabled).toBeUndefined();
    expect(kept?.health).toEqual({ ...HEALTHY, round: 1 });
    expect(await store.reader.listEvents(ALL, 0, 10)).toHaveLength(2);
    const now = { ...late, health: { ...health, round: 1 } };
    await store.webhooks.settle({ settlements: [], endpoints: [now], events: [] });
    const settled = await store.webhooks.endpoint(ALL, "e");
    expect(settled?.row.disabled).toEqual(disabled);
    expect(settled?.health).toEqual(now.health);
    expect(await store.reader.listEvents(ALL, 0, 10)).toHaveLength(3);
    // The event cannot be written: nothing is.
    const broken = { ...event, connectionId: "no-such-connection" };
    const again = settlement("evt_2@e", {}, { number: 2 });
    await expect(
      store.webhooks.settle({ settlements: [again], endpoints: [], events: [broken] }),
    ).rejects.toThrow(/no-such-connection/);
    expect(await store.webhooks.attempts(ALL, "evt_2@e")).toHaveLength(1);
    expect(await due(store, "e", NOW_MS + 30_000)).toEqual(["evt_2@e"]);
  });

  test("webhooks: what was taken back while it was under way stays so, unless it was delivered after all", async () => {
    const store = await open();
    const { webhooks } = store;
    await webhooks.createEndpoint(endpoint("e"));
    await published(store, "evt_1", ["e"]);
    await published(store, "evt_2", ["e"]);
    expect(await webhooks.discard(ALL, { endpointId: "e", limit: 10 }, NOW_MS + 1)).toBe(2);
    expect(await leased(store, NOW_MS + 9)).toEqual([]);
    const failed = { state: "pending", nextAttemptAtMs: NOW_MS + 5 } as const;
    await settle(store, settlement("evt_1@e", failed, { status: 500 }), settlement("evt_2@e"));
    await settle(store, settlement("evt_9@e"));
    const [second, first] = await webhooks.deliveries(ALL, { limit: 10 });
    expect(first).toMatchObject({
      state: "discarded",
      attempts: 1,
      lastStatus: 500,
      finishedAtMs: NOW_MS + 1,
    });
    expect(second).toMatchObject({ state: "delivered", attempts: 1 });
    expect(await webhooks.attempts(ALL, "evt_1@e")).toHaveLength(1);
    expect(await webhooks.attempts(ALL, "evt_9@e")).toEqual([]);
    expect(await due(store, "e", NOW_MS + 9)).toEqual([]);
  });
}
