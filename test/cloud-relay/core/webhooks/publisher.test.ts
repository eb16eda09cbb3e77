// What of the feed becomes deliveries, of which endpoints, and in which form.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_PAYLOAD_BYTES } from "#relay/core/webhooks/delivery.ts";
import { instantOf } from "#relay/core/revisions.ts";
import { Publisher } from "#relay/core/webhooks/publisher.ts";
import { CONNECTION, SECOND_CONNECTION, WORKSPACE } from "#test/conformance/relay-store/harness.ts";
import { SCOPE, WebhookRig } from "./webhook-rig.ts";

let rig: WebhookRig;
beforeEach(async () => {
  rig = await WebhookRig.open();
});
afterEach(() => rig.stop());

async function publish(): Promise<void> {
  const publisher = new Publisher(rig.publisherDeps);
  while (await publisher.publishRound());
}

async function typesFor(endpointId: string): Promise<string[]> {
  return (await rig.deliveries(endpointId)).map(({ type }) => type);
}

async function payload(eventId: string, form: "full" | "thin" = "full"): Promise<Record<string, unknown>> {
  const [message] = await rig.store.webhooks.messages(SCOPE, [eventId]);
  return JSON.parse(message?.[form] ?? "null") as Record<string, unknown>;
}

describe("matching", () => {
  it("by type, by group and by all", async () => {
    const one = await rig.endpoint({ types: ["work_order.created"] });
    const group = await rig.endpoint({ types: ["work_order.*", "sync.failed"] });
    const all = await rig.endpoint({});
    await rig.events([
      { type: "work_order.created" },
      { type: "work_order.updated" },
      { type: "sync.completed", origin: undefined },
      { type: "sync.failed", origin: undefined },
      { type: "work_orders.created" },
    ]);
    await publish();
    expect(await typesFor(one.id)).toEqual(["work_order.created"]);
    expect(await typesFor(group.id)).toEqual(["work_order.created", "work_order.updated", "sync.failed"]);
    expect(await typesFor(all.id)).toHaveLength(5);
  });

  it("by connection", async () => {
    const first = await rig.endpoint({ connectionId: CONNECTION });
    await rig.events([{}, { connectionId: SECOND_CONNECTION }, { connectionId: undefined }]);
    await publish();
    expect(await typesFor(first.id)).toHaveLength(1);
  });

  it("changes only, unless it asks for a re-sync as well; what has no origin always passes", async () => {
    const usual = await rig.endpoint({});
    const wide = await rig.endpoint({ origins: ["change", "snapshot", "reconcile"] });
    await rig.events([
      { origin: "change" },
      { origin: "snapshot" },
      { origin: "reconcile" },
      { origin: "remap" },
      { type: "gap.recorded", origin: undefined },
    ]);
    await publish();
    expect(await typesFor(usual.id)).toEqual(["work_order.updated", "gap.recorded"]);
    expect(await typesFor(wide.id)).toHaveLength(4);
  });

  it("without the echoes of one's own writes, where they are not wanted", async () => {
    const silent = await rig.endpoint({ echoes: false });
    const loud = await rig.endpoint({});
    await rig.events([
      { data: `{"remote_id":"1","cause":{"command_id":"op_1"}}` },
      { data: `{"remote_id":"1"}` },
      { type: "command.finished", origin: undefined, data: `{"command_id":"op_1"}` },
    ]);
    await publish();
    expect(await typesFor(silent.id)).toEqual(["work_order.updated", "command.finished"]);
    expect(await typesFor(loud.id)).toHaveLength(3);
  });

  it("by condition, on the full payload even where the endpoint gets the thin one", async () => {
    const endpoint = await rig.endpoint({ condition: "type=work_order.created", payload: "thin" });
    await rig.events([{ type: "work_order.created" }, { type: "work_order.updated" }]);
    await publish();
    expect(await typesFor(endpoint.id)).toEqual(["work_order.created"]);
  });

  it("an endpoint never hears of itself, and others do where they ask for such news", async () => {
    const one = await rig.endpoint({ types: ["*", "webhook.*"] });
    const other = await rig.endpoint({ types: ["webhook.endpoint_failing"] });
    const everything = await rig.endpoint({ types: ["*"] });
    const data = JSON.stringify({ endpoint_id: one.id });
    await rig.events([{ type: "webhook.endpoint_failing", origin: undefined, data }]);
    await publish();
    expect(await typesFor(one.id)).toEqual([]);
    expect(await typesFor(other.id)).toEqual(["webhook.endpoint_failing"]);
    expect(await typesFor(everything.id)).toEqual([]);
  });

  it("only what happens after it was made, and nothing while it is disabled", async () => {
    const first = await rig.endpoint({});
    await rig.events([{ type: "work_order.created" }]);
    const second = await rig.endpoint({});
    await rig.events([{ type: "work_order.updated" }]);
    await publish();
    await rig.endpoints.disable(SCOPE, first.id);
    await rig.events([{ type: "work_order.deleted" }]);
    await publish();
    expect(await typesFor(first.id)).toEqual(["work_order.created", "work_order.updated"]);
    expect(await typesFor(second.id)).toEqual(["work_order.updated", "work_order.deleted"]);
  });
});

describe("the payload", () => {
  it("has the event's members, the record as GET answers it, and what changed", async () => {
    await rig.endpoint({});
    await rig.endpoint({ payload: "thin" });
    const event = { type: "work_order.created", data: `{"remote_id":"7"}`, id: "evt_a_1_0" };
    await rig.change("7", event, { text: `{"remote_id":"7","status":"open","total":"1.0"}` });
    const cause = { command_id: "op_1", idempotency_key: "k" };
    const data = JSON.stringify({ remote_id: "7", cause });
    const position = await rig.change(
      "7",
      { id: "evt_a_2_0", data },
      { text: `{"remote_id":"7","status":"done","total":"1.0"}` },
    );
    await publish();
    const full = await payload("evt_a_2_0");
    const recordId = String(full["record_id"]);
    expect(full).toEqual({
      id: "evt_a_2_0",
      type: "work_order.updated",
      timestamp: "2025-06-01T00:00:00.000Z",
      workspace_id: WORKSPACE,
      connection_id: CONNECTION,
      entity: "work_order",
      record_id: recordId,
      revision: position,
      origin: "change",
      cause,
      changed_fields: ["status"],
      data: {
        remote_id: "7",
        cause,
        record: expect.objectContaining({ id: recordId, revision: position, status: "done", total: "1.0" }),
      },
      links: { record: `/v1/work-orders/${recordId}` },
    });
    const { data: thinData, ...thin } = await payload("evt_a_2_0", "thin");
    expect(thinData).toEqual({ remote_id: "7", cause });
    const { data: _, ...fullRest } = full;
    expect(thin).toEqual(fullRest);
    // The newest state is sent: its revision says that it is later than the event.
    const created = await payload("evt_a_1_0");
    expect(created).toMatchObject({ changed_fields: null, cause: null });
    expect(created["data"]).toMatchObject({ record: { revision: position, status: "done" } });
  });

  it("of a custom entity links to its own list; of an event without a record to nothing", async () => {
    await rig.endpoint({});
    const custom = { id: "evt_c", type: "tool.updated", entity: "tool" };
    await rig.change("1", custom, { entity: "tool" });
    await rig.events([
      {
        id: "evt_s",
        type: "sync.completed",
        origin: undefined,
        entity: "tool",
        recordId: undefined,
        data: `{"run":"r"}`,
      },
    ]);
    await publish();
    const { record_id, links } = await payload("evt_c");
    expect(links).toEqual({ record: `/v1/custom/tool/${String(record_id)}` });
    expect(await payload("evt_s")).toMatchObject({
      data: { run: "r" },
      record_id: null,
      links: { record: null },
    });
  });

  it("that is too large is sent thin, and says so", async () => {
    await rig.endpoint({});
    const text = JSON.stringify({ remote_id: "8", note: "ü".repeat(MAX_PAYLOAD_BYTES / 2) });
    await rig.change("8", { id: "evt_big" }, { text });
    await rig.change(
      "9",
      { id: "evt_fits" },
      { text: JSON.stringify({ note: "x".repeat(MAX_PAYLOAD_BYTES - 2_000) }) },
    );
    await publish();
    const big = await payload("evt_big");
    expect(big["truncated"]).toBe(true);
    expect(big["data"]).toEqual({});
    const fits = await payload("evt_fits");
    expect(fits["truncated"]).toBeUndefined();
    expect(fits["data"]).toHaveProperty("record");
  });

  it("is built once for all endpoints of a form, and not at all where nobody wants it", async () => {
    await rig.endpoint({ payload: "thin" });
    await rig.endpoint({ payload: "thin" });
    await rig.events([{ id: "evt_1" }, { id: "evt_2", origin: "snapshot" }]);
    await publish();
    const messages = await rig.store.webhooks.messages(SCOPE, ["evt_1", "evt_2"]);
    expect(messages.map(({ eventId, full }) => [eventId, full])).toEqual([["evt_1", undefined]]);
    expect(messages[0]?.thin).toBeDefined();
  });
});

describe("what changed", () => {
  it("is told of the event's own version, also when the record has moved on, as far back as is looked", async () => {
    await rig.endpoint({});
    for (let index = 0; index < 20; index += 1) {
      const text = JSON.stringify({ number: "1", [`f${index}`]: index });
      await rig.change(
        "1",
        { id: `evt_${index}`, type: index === 0 ? "work_order.created" : "work_order.updated" },
        { text },
      );
    }
    await publish();
    const told = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => (await payload(`evt_${index}`))["changed_fields"]),
    );
    expect(told[0]).toBeNull();
    expect(told[1]).toBeNull();
    expect(told[19]).toEqual(["f18", "f19"]);
    expect(told[12]).toEqual(["f11", "f12"]);
  });
});

describe("publishing", () => {
  it("takes a long feed page by page, each event once for each endpoint, in order", async () => {
    await rig.endpoint({});
    await rig.endpoint({ payload: "thin" });
    const ids = Array.from({ length: 1_300 }, (_, index) => `evt_n_${index}`);
    await rig.events(ids.map((id) => ({ id })));
    await publish();
    const [first, second] = await rig.store.webhooks.endpoints(SCOPE);
    for (const endpoint of [first, second]) {
      const deliveries = await rig.deliveries(endpoint?.row.id ?? "");
      expect(deliveries.map(({ eventId }) => eventId)).toEqual(ids);
    }
    expect(rig.meter.deliveries).toBe(2_600);
  });

  it("ends a publication at its limits, and goes on behind them", async () => {
    for (let index = 0; index < 12; index += 1) await rig.endpoint({});
    await rig.events(Array.from({ length: 500 }, () => ({})));
    const publisher = new Publisher(rig.publisherDeps);
    expect(await publisher.publishRound()).toBe(true);
    expect(rig.meter.deliveries).toBeLessThan(6_000);
    while (await publisher.publishRound());
    expect(rig.meter.deliveries).toBe(6_000);
    expect(await rig.deliveries()).toHaveLength(6_000);
  });

  it("tells every endpoint that was there, once, what was removed by its age before it was published", async () => {
    const narrow = await rig.endpoint({ connectionId: SECOND_CONNECTION, types: ["vendor.created"] });
    const strict = await rig.endpoint({ types: ["work_order.*"], condition: "type=work_order.created" });
    const [, lost = 0] = await rig.events([{ type: "work_order.created" }, { type: "work_order.created" }]);
    rig.clock.advance(60_000);
    await rig.events([{ type: "work_order.created", atMs: rig.clock.nowMs() }]);
    const late = await rig.endpoint({});
    const before = { eventsMs: rig.clock.nowMs() - 30_000, samplesMs: 0, versionsMs: 0 };
    while (await rig.store.prune(before));
    await publish();
    await publish();
    expect(await typesFor(narrow.id)).toEqual(["webhook.events_missed"]);
    expect(await typesFor(strict.id)).toEqual(["work_order.created", "webhook.events_missed"]);
    expect(await typesFor(late.id)).toEqual([]);
    const [told] = await rig.deliveries(narrow.id);
    expect(await payload(told?.eventId ?? "")).toMatchObject({
      type: "webhook.events_missed",
      data: { from: null, until: instantOf(lost / 1_000), until_revision: lost },
    });
  });

  it("by two publishers at once makes nothing twice", async () => {
    await rig.endpoint({});
    await rig.events(Array.from({ length: 700 }, () => ({})));
    await Promise.all([publish(), publish()]);
    expect(await rig.deliveries()).toHaveLength(700);
  });

  it("of one workspace goes on where another's fails", async () => {
    await rig.endpoint({});
    const { endpoint: foreign } = await rig.endpoints.create({
      workspaceId: "ws_b",
      url: "https://other.test/",
    });
    await rig.events([{}, { workspaceId: "ws_b", connectionId: undefined }]);
    const { wrap } = rig;
    rig.wrap = (webhooks) => ({
      ...webhooks,
      publish: async (publication) => {
        if (publication.workspaceId === WORKSPACE) throw new Error("planted");
        return webhooks.publish(publication);
      },
    });
    await publish();
    const of = (workspaceId: string) => rig.store.webhooks.deliveries({ workspaceId }, { limit: 10 });
    expect(await of("ws_b")).toMatchObject([{ endpointId: foreign.row.id }]);
    expect(await of(WORKSPACE)).toEqual([]);
    rig.wrap = wrap;
    await publish();
    expect(await of(WORKSPACE)).toHaveLength(1);
  });

  it("is woken by the feed's hints, and without them looks by itself", async () => {
    await rig.endpoint({});
    rig.start();
    await rig.pass(250);
    await rig.events([{}]);
    await rig.pass(1_000);
    expect(rig.receiver.requests).toHaveLength(1);
    await rig.change("1");
    // No time goes by here.
    await rig.pass(0);
    await rig.pass(0);
    expect(rig.receiver.requests).toHaveLength(2);
  });
});
