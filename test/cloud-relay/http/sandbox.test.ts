// An integrator's first day, with nothing but a sandbox's token: reading, paging, writing, and every answer that goes wrong.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError, everyItem, unwrap } from "#relay/client/api-client.ts";
import { until } from "#test/support/until.ts";
import { sandboxFixture, type SandboxFixture } from "./sandbox-fixture.ts";

let box: SandboxFixture;
beforeAll(async () => {
  box = await sandboxFixture();
}, 60_000);
afterAll(() => box[Symbol.asyncDispose]());

type Json = Readonly<Record<string, unknown>>;
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

async function ask(
  method: string,
  path: string,
  body?: object,
  headers?: Record<string, string>,
): Promise<Answer> {
  const response = await box.request(method, path, body, headers);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: JSON.parse(text === "" ? "{}" : text) as Json,
  };
}

function dataOf({ body }: Answer): readonly Json[] {
  return body["data"] as readonly Json[];
}

/** The one record of the path with the number. */
async function one(path: string, number: string): Promise<Json> {
  const [record] = dataOf(await ask("GET", `/v1/${path}?number=${number}`));
  if (record === undefined) throw new TypeError(`there is no ${number}`);
  return record;
}

const connection = (rest = ""): string => `/v1/connections/${box.connectionId}${rest}`;

/** Nothing may have changed, whatever was asked for in between: revisions and feed are as they were. */
async function unchanged(work: () => Promise<unknown>): Promise<void> {
  const look = async () => {
    const orders = dataOf(await ask("GET", "/v1/purchase-orders?limit=200"));
    const works = dataOf(await ask("GET", "/v1/work-orders?limit=200"));
    const items = dataOf(await ask("GET", "/v1/inventory-items?limit=200"));
    return [...orders, ...works, ...items].map(({ id, revision }) => [id, revision]);
  };
  const before = await look();
  expect(before.length).toBeGreaterThan(500);
  await work();
  expect(await look()).toEqual(before);
}

describe("looking around", () => {
  it("has a test token, an environment that is not production, and says on each answer that it is a sandbox", async () => {
    expect(box.token).toMatch(/^mr_test_/);
    const { status, headers, body } = await ask("GET", connection());
    expect([status, headers.get("millrace-sandbox")]).toEqual([200, "true"]);
    expect(body).toMatchObject({ kind: "sandbox", environment: "sandbox", status: "online", agent_id: null });
  });

  it("shows a snapshot of every entity among its syncs, and what can be done with it", async () => {
    const syncs = dataOf(await ask("GET", connection("/syncs?limit=50")));
    const snapshots = syncs.filter(({ pass, state }) => pass === "snapshot" && state === "ok");
    expect(new Set(snapshots.map(({ entity }) => entity)).size).toBe(18);
    const { body } = await ask("GET", connection("/capabilities?entity=purchase_order"));
    expect(body).toMatchObject({
      known: true,
      entities: [{ create: true, update: true, delete: false, live: true }],
    });
    const mapping = await ask("GET", connection("/mapping?entity=purchase_order"));
    expect(JSON.stringify(mapping.body)).toContain("SB_PO_LINES.QUANTITY");
  });

  it("refuses to let an agent serve it, or to be production", async () => {
    const send = (path: string, body: object) =>
      fetch(`${box.relay.url}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${box.adminToken}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const code = await send("/admin/v1/enrollment-codes", { connections: ["try"] });
    expect(code.status).toBe(409);
    const production = await send("/admin/v1/connections", {
      name: "p",
      kind: "sandbox",
      environment: "production",
    });
    expect(production.status).toBe(400);
  });
});

describe("reading", () => {
  it("walks all orders by cursor and by page number, and finds the same", async () => {
    const byCursor: string[] = [];
    const page = (cursor: string | undefined) =>
      unwrap(
        box.client.GET("/v1/purchase-orders", {
          params: { query: cursor === undefined ? { limit: 50 } : { limit: 50, cursor } },
        }),
      );
    for await (const order of everyItem(page)) byCursor.push(order.id);
    const byNumber: string[] = [];
    for (let at = 1; at <= 4; at += 1) {
      const { data } = await unwrap(
        box.client.GET("/v1/purchase-orders", { params: { query: { page: at, per_page: 50 } } }),
      );
      byNumber.push(...data.map(({ id }) => id));
    }
    expect(byCursor.length).toBe(186);
    expect(byNumber.toSorted()).toEqual(byCursor.toSorted());
  });

  it("filters by status, takes raw rows along, and reads from the source itself", async () => {
    const sent = dataOf(await ask("GET", "/v1/purchase-orders?status=sent&include=raw&limit=100"));
    expect(sent.length).toBe(24);
    expect(sent[0]).toMatchObject({ status: "sent", native_status: "40-SENT", raw: { STATUS: "40-SENT" } });
    const id = String(sent[0]?.["id"]);
    const live = await ask("GET", `/v1/purchase-orders/${id}?source=live`);
    expect(live.body).toMatchObject({ id, number: sent[0]?.["number"], total: sent[0]?.["total"] });
  });

  it("gives telemetry with the gap that is known in it", async () => {
    const [point] = dataOf(await ask("GET", "/v1/telemetry-points?limit=1"));
    expect(point?.["last_value"]).not.toBeNull();
    const { body } = await ask("GET", `/v1/telemetry-points/${String(point?.["id"])}/samples?limit=1000`);
    expect((body["data"] as readonly unknown[]).length).toBeGreaterThan(250);
    expect(body["gaps"]).toMatchObject([{ reason: "reconnect" }]);
  });

  it("answers its two named queries", async () => {
    const orders = await ask("POST", "/v1/queries/open_orders_of_vendor", {
      parameters: { vendor: "V-1001" },
    });
    expect(orders.body).toMatchObject({ columns: ["PO_NO", "STATUS", "ORDER_DATE", "CURRENCY", "TOTAL"] });
    const low = await ask("POST", "/v1/queries/stock_below_minimum", { parameters: {} });
    expect(low.body["rows"]).toContainEqual(["IT-9001", "HAM-CENTRAL", "0", "2"]);
  });

  it("changes while somebody looks: what changed is found, with its history", async () => {
    const since = new Date().toISOString();
    const { body } = await ask("POST", connection("/sandbox/changes"), { count: 20 });
    expect(Number(body["records"])).toBeGreaterThanOrEqual(20);
    const paths = ["purchase-orders", "work-orders", "goods-receipts", "meters", "maintenance-requests"];
    const changed: Json[] = [];
    for (const path of paths) {
      changed.push(...dataOf(await ask("GET", `/v1/${path}?modified_after=${since}&limit=100`)));
    }
    expect(new Set(changed.map(({ origin }) => origin))).toEqual(new Set(["change"]));
    const old = changed.find(
      ({ incarnation, created_at, updated_at }) => incarnation === 1 && created_at !== updated_at,
    );
    const path = `/v1/${pathOf(old)}/${String(old?.["id"])}`;
    expect(dataOf(await ask("GET", `${path}/history`)).length).toBeGreaterThan(1);
  });
});

describe("writing", () => {
  it("answers the record as it would be, and changes nothing", async () => {
    await unchanged(async () => {
      const work = await one("work-orders", "WO-20100");
      const path = `/v1/work-orders/${String(work["id"])}`;
      const changed = await ask("PATCH", path, { title: "New seals", custom_fields: { PERMIT: "LOTO" } });
      expect(changed.status).toBe(200);
      expect(changed.body).toMatchObject({
        title: "New seals",
        number: "WO-20100",
        custom_fields: { PERMIT: "LOTO", SHIFT: expect.any(Number) },
        written: { sandbox: true, dry_run: false },
      });
      const after = await ask("GET", path);
      expect(after.body["title"]).toBe(work["title"]);
    });
  });

  it("works out totals of an order with its lines, exactly, and by reference to its records", async () => {
    await unchanged(async () => {
      const made = await ask("POST", "/v1/purchase-orders", {
        vendor: { remote_id: "V-1001" },
        description: "Seals",
        lines: [
          { item: { remote_id: "IT-1001" }, quantity: "3", unit_price: "19.99" },
          { item: { remote_id: "IT-1002" }, quantity: "2.5", unit_price: "4.20" },
        ],
      });
      expect(made.status).toBe(201);
      expect(made.body).toMatchObject({
        status: "draft",
        native_status: "10-DRAFT",
        currency: "EUR",
        subtotal: "70.47",
      });
      expect(made.body).toMatchObject({
        tax_total: "13.39",
        total: "83.86",
        vendor: { display: "Nordlager Bearings GmbH" },
      });
      const read = await ask("GET", `/v1/purchase-orders/${String(made.body["id"])}`);
      expect(read.status).toBe(404);
    });
  });

  it("does a dry run, an asynchronous one, and a repeat under the same key", async () => {
    await unchanged(async () => {
      const work = await one("work-orders", "WO-20101");
      const path = `/v1/work-orders/${String(work["id"])}`;
      const dry = await ask("PATCH", `${path}?dry_run=true`, { title: "Dry" });
      expect(dry.body).toMatchObject({ title: "Dry", written: { dry_run: true, sandbox: true } });
      const later = await ask("PATCH", path, { title: "Later" }, { prefer: "respond-async" });
      expect(later.status).toBe(202);
      const operation = `/v1/operations/${String(later.body["id"])}`;
      const ended = await until("the operation's end", async () => {
        const { body } = await ask("GET", operation);
        return body["is_finished"] === true ? body : undefined;
      });
      expect(ended).toMatchObject({ state: "succeeded", sandbox: true, result: { title: "Later" } });
      const key = { "idempotency-key": "first-day-1" };
      const first = await ask("PATCH", path, { title: "Once" }, key);
      const second = await ask("PATCH", path, { title: "Once" }, key);
      expect(second.headers.get("idempotency-replayed")).toBe("true");
      expect(second.body["written"]).toEqual(first.body["written"]);
      const other = await ask("PATCH", path, { title: "Other" }, key);
      expect([other.status, other.body["code"]]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
    });
  });

  it("moves stock, but not below zero", async () => {
    await unchanged(async () => {
      const item = await one("inventory-items", "IT-1001");
      const path = `/v1/inventory-items/${String(item["id"])}/actions/adjust`;
      const where = { location: { remote_id: "HAM-CENTRAL" } };
      const added = await ask("POST", path, { quantity: "5", ...where });
      expect(Number(added.body["quantity_on_hand"])).toBe(Number(item["quantity_on_hand"]) + 5);
      const taken = await ask("POST", path, { quantity: "-100000", ...where });
      expect([taken.status, taken.body["code"], taken.body["source_code"]]).toEqual([
        422,
        "REFUSED_BY_SOURCE",
        "SB-4001",
      ]);
    });
  });

  it("holds what its plant wants to see first, until it is approved, rejected or called off", async () => {
    await unchanged(async () => {
      const [order] = dataOf(await ask("GET", "/v1/purchase-orders?status=pending_approval&limit=1"));
      const path = `/v1/purchase-orders/${String(order?.["id"])}/actions/approve`;
      const held = await ask("POST", path, {}, { prefer: "wait=5" });
      expect([held.status, held.body["state"]]).toEqual([202, "held"]);
      const rejected = await ask("POST", path, {}, { prefer: "wait=5" });
      const calledOff = await ask("POST", path, {}, { prefer: "wait=5" });
      const sandbox = await ask("GET", connection("/sandbox"));
      expect(sandbox.body["held_operations"]).toEqual(
        [held, rejected, calledOff].map(({ body }) => body["id"]),
      );
      await ask("POST", connection("/sandbox/approve"), { operation_id: held.body["id"] });
      await ask("POST", connection("/sandbox/approve"), {
        operation_id: rejected.body["id"],
        approve: false,
      });
      await ask("POST", `/v1/operations/${String(calledOff.body["id"])}/cancel`);
      const ends = await until("the three ends", async () => {
        const all = await Promise.all(
          [held, rejected, calledOff].map(({ body }) => ask("GET", `/v1/operations/${String(body["id"])}`)),
        );
        return all.every(({ body }) => body["is_finished"] === true)
          ? all.map(({ body }) => body)
          : undefined;
      });
      expect(ends).toMatchObject([
        { state: "succeeded", result: { status: "approved" } },
        { state: "failed", error: { code: "REJECTED_AT_PLANT" } },
        { state: "cancelled", error: { code: "CANCELLED" } },
      ]);
      const nobody = await ask("POST", connection("/sandbox/approve"), { operation_id: "op_nobody" });
      expect(nobody.status).toBe(404);
    });
  });
});

describe("what goes wrong, by known keys", () => {
  const traps: readonly (readonly [number: string, status: number, code: string])[] = [
    ["WO-9001", 422, "REFUSED_BY_SOURCE"],
    ["WO-9002", 504, "SOURCE_TIMEOUT"],
    ["WO-9003", 502, "UNKNOWN_OUTCOME"],
    ["WO-9004", 412, "VERSION_CONFLICT"],
    ["WO-9005", 429, "RATE_LIMIT_EXCEEDED"],
    ["WO-9006", 503, "WRITES_HALTED"],
    ["WO-9007", 404, "NOT_FOUND"],
    ["WO-9008", 503, "SYSTEM_UNREACHABLE"],
    ["WO-9009", 403, "CONNECTION_REAUTH_REQUIRED"],
    ["WO-9010", 502, "SOURCE_ERROR"],
    ["WO-9011", 502, "RESULT_TOO_LARGE"],
    ["WO-9012", 403, "REJECTED_AT_PLANT"],
    ["WO-9013", 504, "EXPIRED"],
  ];

  it.each(traps)("%s answers %i %s", async (number, status, code) => {
    const work = await one("work-orders", number);
    const writing = unwrap(
      box.client.POST("/v1/work-orders/{id}/actions/{operation}", {
        params: { path: { id: String(work["id"]), operation: "change_status" } },
        body: { status: "cancelled" },
      }),
    );
    const error: unknown = await writing.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status, problem: { code } });
  });

  const refusals: readonly (readonly [
    what: string,
    path: string,
    body: object,
    status: number,
    code: string,
  ])[] = [
    [
      "a vendor that is not there",
      "purchase-orders",
      { vendor: { remote_id: "V-1" } },
      422,
      "VALIDATION_FAILED",
    ],
    ["a blocked vendor", "purchase-orders", { vendor: { remote_id: "V-9001" } }, 422, "REFUSED_BY_SOURCE"],
    ["an inactive vendor", "purchase-orders", { vendor: { remote_id: "V-9002" } }, 422, "REFUSED_BY_SOURCE"],
    ["a field that is missing", "purchase-orders", {}, 422, "VALIDATION_FAILED"],
    [
      "an unknown custom field",
      "work-orders",
      { title: "x", type: "safety", custom_fields: { NO: 1 } },
      422,
      "VALIDATION_FAILED",
    ],
    ["an order that is not approved", "goods-receipts", receipt("PO-10001"), 422, "REFUSED_BY_SOURCE"],
    ["an entity that cannot be created", "assets", { name: "x" }, 501, "UNSUPPORTED_OPERATION"],
  ];

  it.each(refusals)("%s is refused", async (_, path, body, status, code) => {
    const { status: found, body: problem } = await ask("POST", `/v1/${path}`, body);
    expect([found, problem["code"]]).toEqual([status, code]);
  });

  it("an approved order is not changed, nothing is deleted, and nothing is taken out that is not there", async () => {
    const [order] = dataOf(await ask("GET", "/v1/purchase-orders?status=approved&limit=1"));
    const path = `/v1/purchase-orders/${String(order?.["id"])}`;
    const changed = await ask("PATCH", path, { description: "x" });
    expect([changed.status, changed.body["source_code"]]).toEqual([422, "SB-2001"]);
    const deleted = await ask("DELETE", path);
    expect([deleted.status, deleted.body["code"]]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
    const item = await one("inventory-items", "IT-9001");
    const issue = { quantity: "1", location: { remote_id: "HAM-CENTRAL" } };
    const taken = await ask("POST", `/v1/inventory-items/${String(item["id"])}/actions/issue`, issue);
    expect([taken.status, taken.body["source_code"]]).toEqual([422, "SB-4001"]);
  });

  it("an old ETag is refused, the current one is not", async () => {
    const work = await one("work-orders", "WO-20102");
    const path = `/v1/work-orders/${String(work["id"])}`;
    const { headers } = await ask("GET", path);
    const fresh = await ask("PATCH", path, { title: "x" }, { "if-match": headers.get("etag") ?? "" });
    expect(fresh.status).toBe(200);
    const stale = await ask("PATCH", path, { title: "x" }, { "if-match": '"1"' });
    expect([stale.status, stale.body["code"]]).toEqual([412, "PRECONDITION_FAILED"]);
  });
});

function pathOf(record: Json | undefined): string {
  const { table } = (record?.["source"] ?? {}) as { readonly table?: string };
  const paths: Record<string, string> = {
    SB_PO: "purchase-orders",
    SB_WORKORDER: "work-orders",
    SB_METER: "meters",
  };
  return paths[table ?? ""] ?? "nowhere";
}

function receipt(order: string): object {
  return { purchase_order: { remote_id: order }, lines: [{ purchase_order_line: "1", quantity: "1" }] };
}

describe("being told to fail", () => {
  it("is as a plant whose source is away, whose login is refused, and is online again", async () => {
    const work = await one("work-orders", "WO-20103");
    const path = `/v1/work-orders/${String(work["id"])}`;
    const tell = (body: object) => ask("POST", connection("/sandbox/state"), body);
    for (const [state, status, code, live] of [
      ["source_offline", 503, "SYSTEM_UNREACHABLE", 503],
      ["reauthorization_required", 403, "CONNECTION_REAUTH_REQUIRED", 403],
      ["agent_offline", 503, "AGENT_OFFLINE", 503],
    ] as const) {
      const told = await tell({ state, for_seconds: 60 });
      expect(told.body).toMatchObject({ state, until: expect.any(String) });
      const written = await ask("PATCH", path, { title: "x" });
      expect([state, written.status, written.body["code"]]).toEqual([state, status, code]);
      expect((await ask("GET", `${path}?source=live`)).status).toBe(live);
      expect((await ask("GET", path)).status).toBe(200);
    }
    await tell({ state: "online" });
    expect((await ask("GET", connection("/health"))).body).toMatchObject({ status: "online" });
    expect((await ask("PATCH", path, { title: "x" })).status).toBe(200);
    const feed = dataOf(
      await ask("GET", "/v1/events?types=connection.offline,connection.authentication_required"),
    );
    expect(new Set(feed.map(({ type }) => type))).toEqual(
      new Set(["connection.offline", "connection.authentication_required"]),
    );
  });

  it("lets a write wait for its agent, and does it when the agent is back", async () => {
    const work = await one("work-orders", "WO-20104");
    await ask("POST", connection("/sandbox/state"), { state: "agent_offline", for_seconds: 60 });
    const path = `/v1/work-orders/${String(work["id"])}?queue_if_offline=true`;
    const queued = await ask("PATCH", path, { title: "Waited" });
    expect([queued.status, queued.body["state"]]).toEqual([202, "queued_offline"]);
    await ask("POST", connection("/sandbox/state"), { state: "online" });
    const ended = await until("the write to be done", async () => {
      const { body } = await ask("GET", `/v1/operations/${String(queued.body["id"])}`);
      return body["is_finished"] === true ? body : undefined;
    });
    expect(ended).toMatchObject({ state: "succeeded", result: { title: "Waited" } });
  });

  it("fails as often as it is told to", async () => {
    const work = await one("work-orders", "WO-20105");
    await ask("POST", connection("/sandbox/state"), { error_rate: 1 });
    const failed = await ask("PATCH", `/v1/work-orders/${String(work["id"])}`, { title: "x" });
    expect([failed.status, failed.body["code"]]).toEqual([503, "SYSTEM_UNREACHABLE"]);
    await ask("POST", connection("/sandbox/state"), {});
    expect((await ask("GET", connection("/sandbox"))).body).toMatchObject({ error_rate: 0, until: null });
  });
});

describe("its own life", () => {
  it("goes back to its beginning by a reset", async () => {
    const requests = async () => dataOf(await ask("GET", "/v1/maintenance-requests?limit=200")).length;
    await ask("POST", connection("/sandbox/reset"));
    const atFirst = await requests();
    const isTried = async () => {
      await ask("POST", connection("/sandbox/changes"), { count: 10 });
      return (await requests()) > atFirst;
    };
    await until("a fault to be reported", isTried, 30_000);
    const { status, body } = await ask("POST", connection("/sandbox/reset"));
    expect([status, body["connection_id"]]).toEqual([200, box.connectionId]);
    expect(await requests()).toBe(atFirst);
    expect(await ask("GET", connection())).toMatchObject({ body: { status: "online" } });
  });

  it("takes settings at once, pauses and goes on, as a plant that allows it", async () => {
    const put = await ask("PATCH", connection("/settings"), { schedules: { "*": { poll_s: 600 } } });
    expect(put.status).toBe(200);
    const settings = await ask("GET", connection("/settings"));
    expect(settings.body).toMatchObject({ state: "in_effect", desired: { revision: 1 } });
    expect((await ask("POST", connection("/pause"))).status).toBe(202);
    expect((await ask("GET", connection())).body).toMatchObject({ status: "paused" });
    expect((await ask("POST", connection("/resume"))).status).toBe(202);
    expect((await ask("GET", connection())).body).toMatchObject({ status: "online" });
    expect((await ask("POST", connection("/test"))).body).toMatchObject({ reachable: true });
    expect((await ask("POST", connection("/sync?entity=vendor"))).status).toBe(202);
  });
});
