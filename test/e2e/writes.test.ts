// Writes from the API through relay and agent, as processes, into a real database and back.
import { expect, test } from "vitest";
import { Plant } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import { WritingStack, type Answer } from "#test/support/writing-stack.ts";

const WAIT_MS = 60_000;

function titleOf(plant: Plant, number: string): unknown {
  return plant.db.prepare("SELECT DESCRIPTION FROM WORKORDER WHERE WONUM = ?").pluck().get(number);
}

async function firstOrder(api: WritingStack): Promise<Answer["body"]> {
  const { body } = await api.send("GET", "/v1/work-orders?limit=1");
  return body.data[0];
}

test("a work order is changed: in the answer, in the source, and in the feed; a repeated request is the same write", async () => {
  using plant = new Plant();
  await using api = await WritingStack.start(plant);
  const order = await firstOrder(api);
  const path = `/v1/work-orders/${order.id}`;
  const key = { "idempotency-key": "e2e-1" };
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const done = await api.send("PATCH", path, { title: "Seal replaced" }, { ...key, traceparent });
  expect([done.status, done.body.title, done.body.number]).toEqual([200, "Seal replaced", order.number]);
  expect(titleOf(plant, order.number)).toBe("Seal replaced");
  const atPlant = await until(
    "the write in the plant's journal",
    async () => ((await api.atPlant({ command: "commands" })) as readonly object[])[0],
    WAIT_MS,
  );
  expect(atPlant).toMatchObject({ id: done.body.written.operation_id, traceparent });
  expect(await api.stack.agent?.says(traceparent)).toContain(done.body.written.operation_id);
  const change = await until(
    "the change in the feed",
    async () => {
      const { body } = await api.send("GET", "/v1/events?types=work_order.updated");
      return body.data.find((event: { readonly record_id: string }) => event.record_id === order.id);
    },
    WAIT_MS,
  );
  expect(change.origin).toBe("change");
  expect((await api.send("GET", path)).body.title).toBe("Seal replaced");
  // The same request again is the same write.
  plant.db.prepare("UPDATE WORKORDER SET DESCRIPTION = 'by hand' WHERE WONUM = ?").run(order.number);
  const again = await api.send("PATCH", path, { title: "Seal replaced" }, key);
  expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
  expect(titleOf(plant, order.number)).toBe("by hand");
  const live = await api.send("GET", `${path}?source=live`);
  expect([live.status, live.body.title]).toEqual([200, "by hand"]);
});

interface ChangeEvent {
  readonly record_id: string;
  readonly data: {
    readonly cause?: {
      readonly command_id: string;
      readonly idempotency_key?: string;
      readonly traceparent?: string;
    };
  };
}

async function changesOf(api: WritingStack, recordId: string): Promise<readonly ChangeEvent[]> {
  const { body } = await api.send("GET", "/v1/events?types=work_order.updated&limit=200");
  return body.data.filter((event: ChangeEvent) => event.record_id === recordId);
}

test("every change names the write that it comes from, also when the relay starts anew in between; others name none", async () => {
  using plant = new Plant();
  await using api = await WritingStack.start(plant);
  const order = await firstOrder(api);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  for (let count = 1; count <= 20; count += 1) {
    const key = `cause-${count}`;
    const title = { title: `Seal replaced, ${count}` };
    const headers = { "idempotency-key": key, traceparent };
    const done = await api.send("PATCH", `/v1/work-orders/${order.id}`, title, headers);
    const changes = await until(
      `change ${count} in the feed`,
      async () => {
        const found = await changesOf(api, order.id);
        return found.length >= count ? found : undefined;
      },
      WAIT_MS,
    );
    const cause = { command_id: done.body.written.operation_id, idempotency_key: key, traceparent };
    expect(changes.at(-1)?.data.cause).toEqual(cause);
    expect(changes).toHaveLength(count);
  }
  // The relay goes while the plant writes: it hears of the change only after it has forgotten everything that is not durable.
  const waiting = await api.send("POST", `/v1/work-orders/${order.id}/actions/change_status`, {
    status: "completed",
  });
  expect(waiting.body.state).toBe("held");
  await api.stack.relay?.kill();
  await api.atPlant({ command: "approve", id: waiting.body.id, by: "anna" });
  await until(
    "the write at the source",
    () =>
      plant.db.prepare("SELECT STATUS FROM WORKORDER WHERE WONUM = ?").pluck().get(order.number) === "COMP",
    WAIT_MS,
  );
  await api.stack.startRelay();
  const after = await until(
    "its change",
    async () => {
      const found = await changesOf(api, order.id);
      return found.length > 20 ? found : undefined;
    },
    WAIT_MS,
  );
  expect(after.at(-1)?.data.cause).toEqual({ command_id: waiting.body.id });
  plant.db.prepare("UPDATE WORKORDER SET DESCRIPTION = 'by hand' WHERE WONUM = ?").run(order.number);
  const byHand = await until(
    "the change by hand",
    async () => {
      const found = await changesOf(api, order.id);
      return found.length > 21 ? found : undefined;
    },
    WAIT_MS,
  );
  expect(byHand.at(-1)?.data.cause).toBeUndefined();
});

test("an order is created with its lines, or not at all; what the source refuses is told in its words", async () => {
  using plant = new Plant();
  await using api = await WritingStack.start(plant);
  const vendor = await until(
    "a vendor",
    async () => {
      const { body } = await api.send("GET", "/v1/vendors?limit=1");
      return body.data[0];
    },
    WAIT_MS,
  );
  const items = plant.db
    .prepare("SELECT DISTINCT ITEMNUM FROM POLINE WHERE ITEMNUM IS NOT NULL LIMIT 2")
    .pluck();
  const [one, other] = items.all() as string[];
  const site = plant.db.prepare("SELECT SITEID FROM PO LIMIT 1").pluck().get() as string;
  const order = {
    connection_id: api.connectionId,
    site,
    description: "Bearings for line 3",
    vendor: { id: vendor.id },
    lines: [
      { item_code: one, description: "Bearing", quantity: "4", unit_price: "12.50" },
      { item_code: other, description: "Seal", quantity: "2", unit_price: "3.10" },
    ],
  };
  const made = await api.send("POST", "/v1/purchase-orders", order);
  expect([made.status, made.body.detail]).toEqual([201, undefined]);
  const { number, lines } = made.body;
  expect(lines).toHaveLength(2);
  const count = plant.db.prepare("SELECT count(*) FROM POLINE WHERE PONUM = ?").pluck();
  expect(count.get(number)).toBe(2);
  await until(
    "the order at its address",
    async () => {
      const stored = await api.send("GET", made.headers.get("location") ?? "");
      return stored.status === 200 && stored.body.lines.length === 2;
    },
    WAIT_MS,
  );
  const orders = plant.db.prepare("SELECT count(*) FROM PO").pluck();
  const before = orders.get();
  const unknown = { ...order.lines[1], item_code: "NO-SUCH" };
  const refused = await api.send("POST", "/v1/purchase-orders", {
    ...order,
    lines: [...order.lines, unknown],
  });
  expect([refused.status, refused.body.code]).toEqual([422, "REFUSED_BY_SOURCE"]);
  expect(refused.body.detail).toContain("this item is not known");
  const wrong = await api.send("POST", "/v1/purchase-orders", { ...order, lines: [{ quantity: 1.5 }] });
  expect([wrong.status, wrong.body.errors.map((one: { pointer: string }) => one.pointer)]).toEqual([
    422,
    ["#/lines/0/quantity", "#/lines/0/unit_price"],
  ]);
  expect(orders.get()).toBe(before);
  const dry = await api.send("POST", "/v1/purchase-orders?dry_run=true", order);
  expect([dry.status, dry.body.written.dry_run]).toEqual([200, true]);
  expect(orders.get()).toBe(before);
});

test("a held write waits for somebody at the plant; one for an agent that is away waits for it", async () => {
  using plant = new Plant();
  await using api = await WritingStack.start(plant);
  const order = await firstOrder(api);
  const path = `/v1/work-orders/${order.id}`;
  const held = await api.send("POST", `${path}/actions/change_status`, { status: "completed" });
  expect([held.status, held.body.state]).toEqual([202, "held"]);
  await api.atPlant({ command: "approve", id: held.body.id, by: "anna" });
  expect(await api.ended(held.body.id)).toMatchObject({
    state: "succeeded",
    result: { status: "completed" },
  });

  await api.stack.stopAgent();
  await api.stack.relay?.says("agent disconnected", WAIT_MS);
  const refused = await api.send("PATCH", path, { title: "too late" });
  expect([refused.status, refused.body.code, refused.body.retryable]).toEqual([503, "AGENT_OFFLINE", true]);
  const waiting = await api.send("PATCH", `${path}?queue_if_offline=true&ttl=3600`, {
    title: "when you are back",
  });
  const short = await api.send("PATCH", `${path}?queue_if_offline=true&ttl=1`, { title: "only now" });
  expect([waiting.body.state, short.body.state]).toEqual(["queued_offline", "queued_offline"]);
  expect(await api.ended(short.body.id)).toMatchObject({ state: "expired", error: { code: "EXPIRED" } });
  api.stack.startAgent();
  expect(await api.ended(waiting.body.id)).toMatchObject({ state: "succeeded" });
  expect(titleOf(plant, order.number)).toBe("when you are back");

  // Each side has the other's newest entry in its own trail, and knows it again.
  const atRelay = await until(
    "the plant's head in the relay's trail",
    async () => {
      const text = await api.stack.command("relay", ["audit", "verify", "--workspace", "stack", "--json"]);
      return (JSON.parse(text) as { plants: { seq: number; hash: string }[] }).plants[0];
    },
    WAIT_MS,
  );
  const verify = ["audit", "verify", "--has", `${atRelay.seq}:${atRelay.hash}`, "--json"];
  const { relay_head: head } = JSON.parse(await api.stack.command("agent", verify));
  const known = ["audit", "verify", "--workspace", "stack", "--has", `${head.seq}:${head.hash}`];
  expect(await api.stack.command("relay", known)).toContain(`it has entry ${head.seq}`);
});
