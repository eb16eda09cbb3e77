// Writes through the API: what is checked before the plant is asked, what goes to it, and what comes back.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import type { CommandCall } from "#relay/core/commands/command-target.ts";
import { Problem } from "#relay/core/problem.ts";
import { commitRecords, send } from "./relay-fixture.ts";
import { applied, writeFixture, type WriteFixture } from "./write-fixture.ts";

let relay: WriteFixture;
beforeEach(async () => {
  relay = await writeFixture();
});
afterEach(() => relay[Symbol.asyncDispose]());

type Headers = Readonly<Record<string, string>>;

function patch(body: object, headers: Headers = {}, query = "") {
  return send(relay, "PATCH", `/v1/work-orders/${relay.order.id}${query}`, relay.token, body, headers);
}

function post(path: string, body: object, headers: Headers = {}) {
  return send(relay, "POST", `/v1/${path}`, relay.token, body, headers);
}

const sent = (): CommandCall["body"] | undefined => relay.plants.commands.calls.at(-1)?.body;
const asked = (): number => relay.plants.commands.calls.length;
function plant(answer: (call: CommandCall) => Partial<CommandResult> | Promise<Partial<CommandResult>>) {
  relay.plants.commands.answer = answer;
}
const failed = (code: string, more: Partial<CommandResult> = {}): Partial<CommandResult> => ({
  outcome: "failed",
  code,
  ...more,
});

describe("a write that is done", () => {
  test("answers the record as the source has it, and is kept as an operation", async () => {
    const answer = await patch({ title: "new" });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      id: relay.order.id,
      connection_id: relay.acme.connectionId,
      remote_id: "WO1",
      title: "new",
      freshness: { state: "online" },
      written: { operation: "update", is_repeat: false, is_pending: false, dry_run: false, outputs: {} },
    });
    expect(answer.headers["etag"]).toBeUndefined();
    expect(answer.headers["content-location"]).toBe(`/v1/work-orders/${relay.order.id}`);
    expect(sent()).toMatchObject({
      entity: "work_order",
      operation: "update",
      key: '["WO1"]',
      values: { title: "new" },
    });
    expect(sent()).toHaveProperty("actor", expect.stringMatching(/^tok_/));
    const { operation_id: id } = answer.body.written;
    const operation = await send(relay, "GET", `/v1/operations/${id}`, relay.token);
    expect(operation.body).toMatchObject({
      id,
      state: "succeeded",
      is_finished: true,
      record_id: relay.order.id,
      error: null,
      result: { title: "new" },
    });
  });

  test("a create answers 201 with where the record will be; a delete and an action 200", async () => {
    const made = await post("work-orders", { number: "NEW", title: "x" });
    expect(made.status).toBe(201);
    expect(made.headers["location"]).toBe(`/v1/work-orders/${made.body.id}`);
    expect(sent()).not.toHaveProperty("key");
    expect(sent()).toMatchObject({ operation: "create", values: { number: "NEW", title: "x" } });
    const acted = await post(`work-orders/${relay.order.id}/actions/change_status`, { status: "closed" });
    expect(acted.status).toBe(200);
    expect(sent()).toMatchObject({
      operation: "change_status",
      key: '["WO1"]',
      values: { status: "closed" },
    });
    const gone = await send(relay, "DELETE", `/v1/work-orders/${relay.order.id}`, relay.token);
    expect([gone.status, gone.body.id]).toEqual([200, relay.order.id]);
    expect(sent()).toMatchObject({ operation: "delete", values: {} });
  });

  test("merge patch by its own media type; a dry run says so, to the plant too", async () => {
    const url = `/v1/work-orders/${relay.order.id}?dry_run=true`;
    const answer = await relay.app.inject({
      method: "PATCH",
      url,
      headers: {
        authorization: `Bearer ${relay.token}`,
        "content-type": "application/merge-patch+json",
      },
      payload: '{"title":null}',
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ written: { dry_run: true } });
    expect(sent()).toMatchObject({ dry_run: true, values: { title: null } });
  });

  test("references become the source's key; what the plant is told stays inside the connection", async () => {
    const item = { id: relay.asset.id };
    const parts = [{ item, planned_qty: "2.5" }];
    expect((await patch({ asset: { id: relay.asset.id }, parts })).status).toBe(200);
    expect(sent()).toMatchObject({
      values: {
        asset: { remote_key: ["P-101"] },
        parts: [{ item: { remote_key: ["P-101"] }, planned_qty: "2.5" }],
      },
    });
    await patch({ asset: { remote_id: "P-9" } });
    expect(sent()).toMatchObject({ values: { asset: { remote_id: "P-9" } } });
    const [foreign] = await commitRecords(relay, relay.rival, [{ entity: "asset", key: "X", fields: {} }]);
    const answer = await patch({ asset: { id: foreign?.id } });
    expect([answer.status, answer.body.errors]).toEqual([
      422,
      [
        {
          pointer: "#/asset/id",
          detail: expect.stringContaining("is not known to this connection") as unknown,
        },
      ],
    ]);
  });
});

describe("what is refused before the plant is asked", () => {
  test("every wrong value at once, with where it stands", async () => {
    const answer = await post("work-orders", {
      titel: "x",
      title: "much too long a title",
      priority: "urgent",
      asset: "P-101",
      estimated_labor_hours: "100",
      target_start: "2026-02-31T08:00:00Z",
      revision: 4,
      status: "completed",
      custom_fields: { LOT: [], LOTT: "1" },
      parts: [{ planned_qty: 1.5 }, "no"],
    });
    expect([answer.status, answer.body.code]).toEqual([422, "VALIDATION_FAILED"]);
    const errors = answer.body.errors as { pointer: string; detail: string }[];
    expect(Object.fromEntries(errors.map(({ pointer, detail }) => [pointer, detail]))).toMatchObject({
      "#/titel": expect.stringContaining('did you mean "title"') as unknown,
      "#/title": "has 21 characters; the source takes 10",
      "#/priority": 'must be one of low, high, not "urgent"',
      "#/asset": expect.stringContaining("must be a reference") as unknown,
      "#/estimated_labor_hours": "must be at most 99.5",
      "#/target_start": expect.stringContaining("must be an instant") as unknown,
      "#/revision": "is the relay's own; it cannot be written",
      "#/status": "is not written like this but by the action change_status",
      "#/number": "is required",
      "#/custom_fields/LOT": expect.stringContaining("must be text") as unknown,
      "#/custom_fields/LOTT": expect.stringContaining('did you mean "LOT"') as unknown,
      "#/parts/0/item": "is required",
      "#/parts/0/planned_qty": expect.stringContaining("must be a decimal as text") as unknown,
      "#/parts/1": 'must be an object, not "no"',
    });
    expect(errors).toHaveLength(14);
    expect(asked()).toBe(0);
  });

  test("operations that are not there, or that the plant does not allow", async () => {
    const missing = await post(`work-orders/${relay.order.id}/actions/change_state`, {});
    expect([missing.status, missing.body.code]).toEqual([501, "UNSUPPORTED_OPERATION"]);
    expect(missing.body.detail).toContain('did you mean "change_status"');
    const vendor = await post("vendors", { name: "x" });
    expect(vendor.body.detail).toContain("belong to the finance department");
    const location = await post("locations", { name: "x" });
    expect(location.body.detail).toContain("it has work_order, vendor");
    const refused = await post(`work-orders/${relay.order.id}/actions/purge`, {});
    expect([refused.status, refused.body.code]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
    expect(refused.body.detail).toContain("not from outside");
    expect(asked()).toBe(0);
  });

  test("a body that is no object, a record that is not there, a token that only reads", async () => {
    expect((await patch([1])).status).toBe(400);
    const url = "/v1/work-orders/0198f2c1-7a51-7c1e-9f6e-4a1b2c3d4e5f";
    expect((await send(relay, "PATCH", url, relay.token, { title: "x" })).status).toBe(404);
    const reader = await send(relay, "PATCH", url, relay.acme.connectionToken, { title: "x" });
    expect([reader.status, reader.body.code]).toEqual([403, "INSUFFICIENT_SCOPE"]);
    const own = `/v1/work-orders/${relay.order.id}`;
    expect((await send(relay, "PATCH", own, relay.rival.connectionToken, { title: "x" })).status).toBe(403);
  });

  test("a workspace's token must say which connection; parameters that do not go together", async () => {
    const { workspaceId, connectionId } = relay.acme;
    const token = relay.workspaceToken;
    const missing = await send(relay, "POST", "/v1/work-orders", token, { number: "1" });
    expect([missing.status, missing.body.errors[0].pointer]).toEqual([400, "#/connection_id"]);
    const wrong = await send(relay, "POST", "/v1/work-orders", token, {
      number: "1",
      connection_id: relay.rival.connectionId,
    });
    expect(wrong.status).toBe(404);
    const right = await send(relay, "POST", "/v1/work-orders", token, {
      number: "1",
      connection_id: connectionId,
    });
    expect([right.status, right.body.connection_id]).toEqual([201, connectionId]);
    expect(await relay.store.operations.list({ workspaceId }, { limit: 5 })).toHaveLength(1);
    for (const query of ["?ttl=x", "?dry_run=true&queue_if_offline=true", "?queue_if_offline=true&ttl=0"]) {
      expect([query, (await patch({ title: "x" }, {}, query)).status]).toEqual([query, 400]);
    }
  });
});

describe("If-Match", () => {
  const tag = (): string => `"${relay.order.revision}"`;

  test("goes on with the record as it is, and takes the source's version along", async () => {
    const got = await send(relay, "GET", `/v1/work-orders/${relay.order.id}`, relay.token);
    expect(got.headers["etag"]).toBe(tag());
    expect((await patch({ title: "new" }, { "if-match": tag() })).status).toBe(200);
    expect(sent()).toMatchObject({ if_version: "7" });
    expect((await patch({ title: "new" }, { "if-match": `"1", ${tag()}` })).status).toBe(200);
    expect((await patch({ title: "new" })).status).toBe(200);
    expect(sent()).not.toHaveProperty("if_version");
  });

  test("412 when the relay or the source has another state, with how it stands", async () => {
    const old = await patch({ title: "new" }, { "if-match": '"12"' });
    expect([old.status, old.body.code]).toEqual([412, "PRECONDITION_FAILED"]);
    expect(old.body.current).toMatchObject({ id: relay.order.id, title: "old" });
    expect(asked()).toBe(0);
    plant((call) => failed("VERSION_CONFLICT", { result: applied(call) }));
    const conflict = await patch({ title: "new" }, { "if-match": tag() });
    expect([conflict.status, conflict.body.code]).toEqual([412, "VERSION_CONFLICT"]);
    expect(conflict.body.current).toMatchObject({ remote_id: "WO1" });
  });
});

describe("what the plant says against it", () => {
  test.each([
    [failed("REFUSED_BY_SOURCE", { detail: "order is approved", source_code: "CK_1" }), 422, undefined],
    [failed("INVALID_VALUES", { errors: [{ field: "title", detail: "no" }] }), 422, undefined],
    [failed("NOT_ALLOWED"), 403, undefined],
    [failed("REAUTHORIZATION_REQUIRED"), 403, undefined],
    [failed("HALTED"), 503, "120"],
    [failed("RATE_LIMITED", { retry_after_ms: 9_000 }), 429, "9"],
    [failed("TIMEOUT"), 504, "10"],
    [failed("EXPIRED"), 504, "5"],
    [failed("INTERNAL"), 502, "10"],
  ] as const)(
    "%j answers %i with its operation, and when to try again",
    async (result, status, retryAfter) => {
      plant(() => result);
      const answer = await patch({ title: "new" });
      expect(answer.status).toBe(status);
      expect(answer.headers["content-type"]).toContain("application/problem+json");
      const operation = await send(relay, "GET", `/v1/operations/${answer.body.operation_id}`, relay.token);
      expect(operation.body.error).toMatchObject({ code: answer.body.code, status });
      expect(answer.headers["retry-after"]).toBe(retryAfter);
    },
  );

  test("nobody knows whether it was written: 502, not retryable, and what to look for", async () => {
    plant(() => ({ outcome: "unknown_outcome", detail: "the connection broke in the commit." }));
    const answer = await post("work-orders", { number: "WO9" });
    expect([answer.status, answer.body.code, answer.body.retryable]).toEqual([502, "UNKNOWN_OUTCOME", false]);
    expect(answer.body.detail).toContain('number = "WO9"');
    expect(answer.body.operation_id).toMatch(/^op_/);
  });

  test("an agent that is away: refused, or kept and told honestly", async () => {
    plant(() => {
      throw new Problem("AGENT_OFFLINE", "away");
    });
    const refused = await patch({ title: "new" });
    expect([refused.status, refused.body.code, refused.headers["retry-after"]]).toEqual([
      503,
      "AGENT_OFFLINE",
      "5",
    ]);
    const kept = await patch({ title: "new" }, {}, "?queue_if_offline=true&ttl=60");
    expect([kept.status, kept.body.state, kept.headers["location"]]).toEqual([
      202,
      "queued_offline",
      `/v1/operations/${kept.body.id}`,
    ]);
    const until = Date.parse(kept.body.expires_at) - Date.parse(kept.body.created_at);
    expect(until).toBe(60_000);
    const cancelled = await send(relay, "POST", `/v1/operations/${kept.body.id}/cancel`, relay.token);
    expect([cancelled.status, cancelled.body.state]).toEqual([200, "cancelled"]);
    expect(cancelled.body.error).toMatchObject({ code: "CANCELLED" });
  });
});

describe("what takes its time", () => {
  test("a held write answers 202 with its operation, whose end is told by it and the feed", async () => {
    const { promise, resolve } = Promise.withResolvers<Partial<CommandResult>>();
    plant(() => promise);
    const asking = patch({ title: "new" });
    await vi.waitFor(() => expect(asked()).toBe(1));
    const id = relay.plants.commands.calls[0]?.commandId ?? "";
    await relay.plants.journal.state("agt_plant", {
      type: "command_state",
      command_id: id,
      state: "held",
      detail: "waits for the shift lead",
    });
    const held = await asking;
    expect([held.status, held.body.state, held.body.detail]).toEqual([
      202,
      "held",
      "waits for the shift lead",
    ]);
    const listed = await send(relay, "GET", "/v1/operations?state=held,waiting_window", relay.token);
    expect(listed.body.data.map((one: { id: string }) => one.id)).toEqual([id]);
    resolve({ result: { key: '["WO1"]', is_repeat: false, is_pending: false, is_dry: false } });
    await vi.waitFor(async () =>
      expect((await send(relay, "GET", `/v1/operations/${id}`, relay.token)).body.state).toBe("succeeded"),
    );
    const feed = await send(relay, "GET", "/v1/events?types=command.finished", relay.token);
    expect(feed.body.data).toMatchObject([
      { record_id: relay.order.id, data: { command_id: id, outcome: "succeeded" } },
    ]);
    const over = await send(relay, "POST", `/v1/operations/${id}/cancel`, relay.token);
    expect([over.status, over.body.code]).toEqual([409, "CONFLICT"]);
  });

  test("what waits at the plant has a day to begin, or as long as its caller says", async () => {
    const { connectionId, workspaceId } = relay.acme;
    const row = await relay.store.directory.connection({ workspaceId }, connectionId);
    const text = JSON.stringify(row?.description).replaceAll('"policy":"apply"', '"policy":"hold"');
    await relay.store.directory.putDescription(JSON.parse(text) as ConnectionDescription);
    plant(() => new Promise(() => {}));
    for (const [query, seconds] of [
      ["", 86_400],
      ["?ttl=90", 90],
    ] as const) {
      const { body } = await patch({ title: "new" }, { prefer: "respond-async" }, query);
      expect(Date.parse(body.expires_at) - Date.parse(body.created_at)).toBe(seconds * 1_000);
    }
  });

  test("respond-async and wait=0 answer at once; the write goes on", async () => {
    const { promise, resolve } = Promise.withResolvers<Partial<CommandResult>>();
    plant(() => promise);
    const async = await patch({ title: "new" }, { prefer: "respond-async" });
    expect([async.status, async.headers["preference-applied"]]).toEqual([202, "respond-async"]);
    const waited = await patch({ title: "newer" }, { prefer: "wait=0" });
    expect(waited.status).toBe(202);
    resolve({ result: { is_repeat: false, is_pending: false, is_dry: false } });
    await vi.waitFor(async () =>
      expect(
        (await send(relay, "GET", "/v1/operations?state=succeeded", relay.token)).body.data,
      ).toHaveLength(2),
    );
  });
});

describe("Idempotency-Key", () => {
  const key = { "idempotency-key": "k-1" };

  test("a hundred at once have one effect; all get its answer or are told to wait", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    plant(async (call) => {
      await promise;
      return { result: applied(call) };
    });
    const all = Array.from({ length: 100 }, () => post("work-orders", { number: "NEW" }, key));
    await vi.waitFor(() => expect(asked()).toBe(1));
    await vi.waitFor(async () => {
      const waiting = await Promise.race([all.at(-1), Promise.resolve(undefined)]);
      expect(waiting?.body.code).toBe("IDEMPOTENCY_IN_PROGRESS");
    });
    resolve();
    const answers = await Promise.all(all);
    expect(asked()).toBe(1);
    const done = answers.filter(({ status }) => status === 201);
    expect(done.length).toBeGreaterThanOrEqual(1);
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
    const again = await post("work-orders", { number: "NEW" }, key);
    expect([again.status, again.headers["idempotency-replayed"]]).toEqual([201, "true"]);
    expect(again.body).toEqual(done[0]?.body);
    expect(
      await relay.store.operations.list({ workspaceId: relay.acme.workspaceId }, { limit: 9 }),
    ).toHaveLength(1);
    expect(sent()).toMatchObject({ idempotency_key: "k-1" });
  });

  test("another body is refused; a failure is repeated as it was; what may be tried again is tried", async () => {
    plant(() => failed("REFUSED_BY_SOURCE", { detail: "no" }));
    const first = await patch({ title: "new" }, key);
    const again = await patch({ title: "new" }, key);
    expect([again.status, again.body.detail, again.headers["idempotency-replayed"]]).toEqual([
      422,
      "no",
      "true",
    ]);
    expect(again.body.operation_id).toBe(first.body.operation_id);
    const other = await patch({ title: "other" }, key);
    expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
    expect(asked()).toBe(1);
    plant(() => failed("SYSTEM_UNREACHABLE"));
    const down = { "idempotency-key": "k-2" };
    expect((await patch({ title: "new" }, down)).status).toBe(503);
    plant((call) => ({ result: applied(call) }));
    expect((await patch({ title: "new" }, down)).status).toBe(200);
    expect(asked()).toBe(3);
  });

  test("a repeat finds its answer although the record has changed by it", async () => {
    const headers = { ...key, "if-match": `"${relay.order.revision}"` };
    expect((await patch({ title: "new" }, headers)).status).toBe(200);
    await commitRecords(relay, relay.acme, [{ entity: "work_order", key: "WO1", fields: { title: "new" } }]);
    expect((await patch({ title: "new" }, headers)).status).toBe(200);
    expect(asked()).toBe(1);
  });
});

describe("bulk", () => {
  test("each item has its own result, in order, and is an operation of its own", async () => {
    plant((call) =>
      (call.body as { values: { title?: string } }).values.title === "bad"
        ? failed("REFUSED_BY_SOURCE", { detail: "no" })
        : { result: applied(call) },
    );
    const items = [
      { op: "create", values: { number: "NEW" } },
      { op: "update", id: relay.order.id, values: { title: "bad" } },
      { op: "update", id: relay.order.id, values: { titel: "x" } },
      { op: "change_status", id: relay.order.id, values: { status: "closed" } },
    ];
    const key = { "idempotency-key": "bulk" };
    const answer = await post("work-orders/bulk", { items }, key);
    expect(answer.status).toBe(200);
    const results = answer.body.results as { status: number; state: string; error: unknown }[];
    expect(results.map(({ status, state }) => [status, state])).toEqual([
      [201, "succeeded"],
      [422, "failed"],
      [422, "failed"],
      [200, "succeeded"],
    ]);
    expect(results[2]?.error).toMatchObject({ errors: [{ pointer: "#/items/2/values/titel" }] });
    expect(relay.plants.commands.calls.map(({ body }) => (body as { operation: string }).operation)).toEqual([
      "create",
      "update",
      "change_status",
    ]);
    const again = await post("work-orders/bulk", { items }, key);
    expect([again.headers["idempotency-replayed"], again.body]).toEqual(["true", answer.body]);
    expect(asked()).toBe(3);
  });

  test("its limits", async () => {
    const one = { op: "update", id: relay.order.id, values: { title: "x" } };
    expect((await post("work-orders/bulk", { items: Array.from({ length: 51 }, () => one) })).status).toBe(
      400,
    );
    expect((await post("work-orders/bulk", { items: [{ op: "update", values: {} }] })).status).toBe(400);
  });
});

describe("lists and queries", () => {
  test("operations page by page, newest first, in the caller's scope only", async () => {
    for (const title of ["a", "b", "c"]) await patch({ title });
    const first = await send(relay, "GET", "/v1/operations?limit=2", relay.token);
    const second = await send(
      relay,
      "GET",
      `/v1/operations?limit=2&cursor=${first.body.next_cursor}`,
      relay.token,
    );
    const titles = [...first.body.data, ...second.body.data].map((one) => one.result.title);
    expect([titles, second.body.next_cursor]).toEqual([["c", "b", "a"], null]);
    const foreign = await send(relay, "GET", "/v1/operations", relay.rival.connectionToken);
    expect(foreign.body.data).toEqual([]);
    const id = first.body.data[0].id as string;
    expect((await send(relay, "GET", `/v1/operations/${id}`, relay.rival.workspaceToken)).status).toBe(404);
    expect((await send(relay, "GET", "/v1/operations?state=done", relay.token)).status).toBe(400);
    const after = await send(relay, "GET", "/v1/operations?created_after=2126-01-01", relay.token);
    expect(after.body.data).toEqual([]);
  });

  test("a named query: listed, its parameters checked, its rows passed through", async () => {
    const list = await send(relay, "GET", "/v1/queries", relay.token);
    expect(list.body.data).toMatchObject([{ query: "open_orders", connection_id: relay.acme.connectionId }]);
    expect((await send(relay, "GET", "/v1/queries", relay.rival.workspaceToken)).body.data).toEqual([]);
    plant(() => ({ result: { columns: ["A"], rows: [["1"], [null]], is_truncated: false } }));
    const rows = await post("queries/open_orders", { parameters: { vendor: "V-1" } });
    expect(rows.body).toMatchObject({ query: "open_orders", columns: ["A"], rows: [["1"], [null]] });
    expect(sent()).toEqual({ query: "open_orders", parameters: { vendor: "V-1" } });
    const wrong = await post("queries/open_orders", { parameters: { limit: "x", vendo: 1 } });
    expect(wrong.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      "#/parameters/vendo",
      "#/parameters/vendor",
      "#/parameters/limit",
    ]);
    expect((await post("queries/other", {})).status).toBe(404);
    plant(() => ({ result: { columns: ["A"] } }));
    const bad = await post("queries/open_orders", { parameters: { vendor: "V-1" } });
    expect([bad.status, bad.body.code]).toEqual([502, "SOURCE_ERROR"]);
  });
});
