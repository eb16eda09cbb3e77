// Webhooks over the API: endpoints and their secrets, tests, the delivery log, sending again, erasing, and the catalogue.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createToken } from "#relay/core/administration.ts";
import { EVENT_TYPES } from "#relay/core/webhooks/event-types.ts";
import { openApiDocument } from "#relay/http/openapi-document.ts";
import { verifyDelivery } from "#relay/webhooks/verify.ts";
import {
  commitRecords,
  entropy,
  relayFixture,
  send,
  type JsonAnswer,
  type RelayFixture,
} from "./relay-fixture.ts";

const SECRET = /^whsec_/;
let relay: RelayFixture;
let token = "";
/** Of the connection, with the scope write. */
let connectionToken = "";

beforeAll(async () => {
  relay = await relayFixture();
  const { acme, store } = relay;
  const administration = { directory: store.directory, entropy, nowMs: () => Date.now() };
  const { workspaceId, connectionId } = acme;
  const make = async (input: Parameters<typeof createToken>[1]) =>
    (await createToken(administration, input)).token;
  token = await make({ kind: "workspace", workspaceId, scopes: ["read", "write", "admin"] });
  connectionToken = await make({ kind: "connection", workspaceId, connectionId, scopes: ["read", "write"] });
});
afterAll(() => relay[Symbol.asyncDispose]());

const call = (
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  body?: object,
  as = token,
): Promise<JsonAnswer> => send(relay, method, `/v1/${path}`, as, body);

interface Made {
  readonly id: string;
  readonly secret: string;
}

async function make(body: object = {}, as = token): Promise<Made> {
  const answer = await call("POST", "webhook-endpoints", { url: "https://example.com/hook", ...body }, as);
  expect(answer.status).toBe(201);
  return answer.body;
}

async function sendTest(id: string, type = "vendor.created"): Promise<string> {
  const { body } = await call("POST", `webhook-endpoints/${id}/test`, { type });
  return (body as unknown as { delivery_id: string }).delivery_id;
}

describe("an endpoint", () => {
  test("is made with its secret, which is shown once, and headers, which never are", async () => {
    const answer = await call("POST", "webhook-endpoints", {
      name: "ERP bridge",
      url: "https://example.com/hook",
      types: ["purchase_order.*", "sync.failed"],
      condition: 'event.data.record.status == "approved"',
      payload: "thin",
      per_second: 20,
      headers: { "X-Api-Key": "canary-key" },
    });
    expect(answer).toMatchObject({
      status: 201,
      body: {
        name: "ERP bridge",
        types: ["purchase_order.*", "sync.failed"],
        origins: ["change"],
        echoes: true,
        payload: "thin",
        per_second: 20,
        at_once: 4,
        headers: { "X-Api-Key": "***" },
        disabled: null,
        health: { breaker: "closed", consecutive_failures: 0 },
        stats: { pending: 0, delivered: 0 },
        secret: expect.stringMatching(SECRET) as string,
        public_key: null,
      },
    });
    expect(answer.headers["cache-control"]).toBe("no-store");
    const { id, secret } = answer.body as unknown as Made;
    for (const path of [`webhook-endpoints/${id}`, "webhook-endpoints"]) {
      const { text } = await call("GET", path);
      expect(text).toContain(id);
      for (const hidden of [secret, "canary-key", "whsec_"]) expect(text).not.toContain(hidden);
    }
  });

  test.each([
    [{ url: "http://example.com/" }, "#/url"],
    [{ types: ["purchase_order.approved"] }, "#/types/0"],
    [{ condition: "event.type ==" }, "#/condition"],
    [{ condition: 'event.type.matches("a+")' }, "#/condition"],
    [{ headers: { "webhook-id": "mine" } }, "#/headers/webhook-id"],
    [{ secret: "whsec_tooshort" }, "#/secret"],
    [{ at_once: 0 }, "#/at_once"],
  ])("like %j is refused at %s", async (body, pointer) => {
    const answer = await call("POST", "webhook-endpoints", { url: "https://example.com/", ...body });
    expect(answer).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST", errors: [{ pointer }] } });
  });

  test("changes by what is given, and a limit is taken away by null", async () => {
    const { id } = await make({ per_second: 5, condition: "true" });
    const changed = await call("PATCH", `webhook-endpoints/${id}`, {
      name: "other",
      per_second: null,
      condition: null,
      types: ["*"],
    });
    expect(changed).toMatchObject({
      status: 200,
      body: {
        name: "other",
        per_second: null,
        condition: null,
        types: ["*"],
        url: "https://example.com/hook",
      },
    });
  });

  test("turns its secret over: both sign, then the old one is revoked; at once when it has leaked", async () => {
    const { id, secret: first } = await make();
    const rotated = await call("POST", `webhook-endpoints/${id}/secrets`, {});
    const { secret: second } = rotated.body as unknown as Made;
    expect(rotated.status).toBe(201);
    await sendTest(id);
    expect(verifies([first])).toBe(true);
    expect(verifies([second])).toBe(true);
    const { secrets } = rotated.body as unknown as { secrets: { id: string; expires_at: string | null }[] };
    const old = secrets.find(({ expires_at }) => expires_at !== null);
    expect((await call("DELETE", `webhook-endpoints/${id}/secrets/${old?.id}`)).status).toBe(200);
    await sendTest(id);
    expect(verifies([first])).toBe(false);
    expect(verifies([second])).toBe(true);
    const leaked = await call("POST", `webhook-endpoints/${id}/secrets`, {
      expire_now: true,
      signature: "v1a",
    });
    const { secret: third, public_key: publicKey } = leaked.body as unknown as Made & { public_key: string };
    await sendTest(id);
    expect(third).toMatch(/^whsk_/);
    expect(verifies([publicKey])).toBe(true);
    expect(verifies([second])).toBe(false);
    const current = leaked.body as unknown as { secrets: { id: string }[] };
    expect(await call("DELETE", `webhook-endpoints/${id}/secrets/${current.secrets[0]?.id}`)).toMatchObject({
      status: 409,
    });
  });

  test("is switched off and on, and deleted", async () => {
    const { id } = await make();
    expect(await call("POST", `webhook-endpoints/${id}/disable`)).toMatchObject({
      body: { disabled: { reason: "by_user" } },
    });
    expect(
      await call("POST", `webhook-endpoints/${id}/recover`, { since: "2026-01-01T00:00:00Z" }),
    ).toMatchObject({
      status: 409,
    });
    expect(await call("POST", `webhook-endpoints/${id}/enable`)).toMatchObject({ body: { disabled: null } });
    expect((await call("DELETE", `webhook-endpoints/${id}`)).status).toBe(204);
    expect((await call("GET", `webhook-endpoints/${id}`)).status).toBe(404);
  });

  test("of a connection's token belongs to that connection; others are not seen", async () => {
    const { acme } = relay;
    const { id: ofWorkspace } = await make();
    const { id } = await make({}, connectionToken);
    const answer = await call("GET", `webhook-endpoints/${id}`, undefined, connectionToken);
    expect(answer).toMatchObject({ status: 200, body: { connection_id: acme.connectionId } });
    const foreign = { url: "https://example.com/", connection_id: acme.otherConnectionId };
    expect((await call("POST", "webhook-endpoints", foreign, connectionToken)).status).toBe(404);
    const path = `webhook-endpoints/${ofWorkspace}`;
    for (const method of ["GET", "DELETE"] as const)
      expect((await call(method, path, undefined, connectionToken)).status).toBe(404);
    expect((await call("GET", "webhook-endpoints", undefined, connectionToken)).text).not.toContain(
      ofWorkspace,
    );
  });

  test("lists go on by cursor", async () => {
    for (let count = 0; count < 3; count++) await make();
    const ids: string[] = [];
    for (let cursor = ""; ;) {
      const { body } = await call("GET", `webhook-endpoints?limit=2${cursor}`);
      const page = body as unknown as { data: Made[]; next_cursor: string | null };
      ids.push(...page.data.map(({ id }) => id));
      if (page.next_cursor === null) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(3);
  });
});

describe("a test", () => {
  test("is a sample made of a real record of the connection, and says that it is one", async () => {
    const { acme, sender } = relay;
    await commitRecords(relay, acme, [{ entity: "asset", key: "P-1", fields: { name: "Pump 1" } }]);
    const { id } = await make({ connection_id: acme.connectionId });
    const answer = await call("POST", `webhook-endpoints/${id}/test`, { type: "asset.updated" });
    expect(answer).toMatchObject({
      status: 200,
      body: { attempt: { number: 1, status: 200, trigger: "test", timings: { tls_ms: 3, total_ms: 10 } } },
    });
    const payload = JSON.parse(sender.sent.at(-1)?.body ?? "") as Record<string, unknown>;
    expect(payload).toMatchObject({
      type: "asset.updated",
      test: true,
      connection_id: acme.connectionId,
      data: { record: { name: "Pump 1" } },
    });
    expect(await call("POST", `webhook-endpoints/${id}/test`, { type: "asset.exploded" })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: "#/type" }] },
    });
  });
});

describe("deliveries", () => {
  test("are listed by every filter, and shown with what was sent and every try", async () => {
    const { id } = await make({ headers: { "X-Api-Key": "canary-key" } });
    relay.sender.answer = { status: 503, headers: { "retry-after": "60" }, body: "busy" };
    const failed = await sendTest(id);
    relay.sender.answer = {};
    const good = await sendTest(id, "sync.completed");
    const list = async (query: string): Promise<readonly string[]> => {
      const { body } = await call("GET", `webhook-deliveries?endpoint_id=${id}${query}`);
      return (body as unknown as { data: Made[] }).data.map((row) => row.id);
    };
    expect(await list("")).toEqual([good, failed]);
    expect(await list("&type=sync.completed")).toEqual([good]);
    expect(await list("&state=delivered")).toEqual([good]);
    expect(await list("&status=503")).toEqual([failed]);
    expect(await list("&created_before=2026-01-01")).toEqual([]);
    const detail = await call("GET", `webhook-deliveries/${failed}`);
    expect(detail).toMatchObject({
      status: 200,
      body: {
        type: "vendor.created",
        last_status: 503,
        body: expect.stringContaining('"test":true') as string,
        attempt_log: [
          {
            status: 503,
            response_body: "busy",
            response_headers: { "retry-after": "60" },
            request_headers: {
              "X-Api-Key": "***",
              "webhook-signature": expect.stringMatching(/^v1,/) as string,
            },
          },
        ],
      },
    });
    expect(detail.text).not.toContain("canary-key");
  });

  test("are gone through by page number as well, with their count; the cursor goes on from there", async () => {
    const { id } = await make();
    const sent: string[] = [];
    for (let count = 0; count < 5; count += 1) sent.unshift(await sendTest(id));
    const page = async (query: string) => {
      const { body } = await call("GET", `webhook-deliveries?endpoint_id=${id}&${query}`);
      const found = body as unknown as { data: Made[]; next_cursor: string | null; meta?: object };
      return { ...found, ids: found.data.map((row) => row.id) };
    };
    const second = await page("page=2&per_page=2");
    expect(second.ids).toEqual(sent.slice(2, 4));
    expect(second.meta).toEqual({ current_page: 2, last_page: 3, per_page: 2, total: 5 });
    const rest = await page(`limit=2&cursor=${second.next_cursor}`);
    expect([rest.ids, rest.next_cursor, rest.meta]).toEqual([sent.slice(4), null, undefined]);
    expect(await page("page=4&per_page=2")).toMatchObject({ ids: [], next_cursor: null, meta: { total: 5 } });
    expect((await page("page=1&state=exhausted")).meta).toEqual({
      current_page: 1,
      last_page: 1,
      per_page: 50,
      total: 0,
    });
  });

  test.each([
    "page=201&per_page=50",
    "page=0",
    "limit=5&page=1",
    "cursor=x&per_page=5",
    "state=open",
    "type=purchase",
    "created_after=yesterday",
    "status=900",
    "unknown=1",
  ])("filtered by %s are refused with the parameter's name", async (query) => {
    const answer = await call("GET", `webhook-deliveries?${query}`);
    const pointer = `#/query/${query.split("=")[0]}`;
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
  });

  test("one is sent again with the same id, whatever became of it", async () => {
    const { id } = await make();
    const deliveryId = await sendTest(id);
    const first = relay.sender.sent.at(-1);
    const again = await call("POST", `webhook-deliveries/${deliveryId}/retry`);
    expect(again).toMatchObject({ status: 200, body: { attempt: { number: 2, trigger: "manual" } } });
    const second = relay.sender.sent.at(-1);
    expect(second).not.toBe(first);
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
    expect(second?.body).toBe(first?.body);
  });

  test("many are sent again by a filter; without one it is refused", async () => {
    const { id } = await make();
    await sendTest(id);
    await sendTest(id);
    const retry = (body: object) => call("POST", "webhook-deliveries/retry", body);
    expect(await retry({ endpoint_id: id })).toMatchObject({ body: { count: 0, has_more: false } });
    expect(await retry({ endpoint_id: id, state: "delivered" })).toMatchObject({
      status: 200,
      body: { count: 2, has_more: false },
    });
    expect((await retry({})).status).toBe(400);
  });

  test("payloads and answers are erased, and the log stays", async () => {
    const { id } = await make();
    relay.sender.answer = { body: "canary-answer" };
    const deliveryId = await sendTest(id);
    relay.sender.answer = {};
    const before = await call("GET", `webhook-deliveries/${deliveryId}`);
    expect(before.text).toContain("canary-answer");
    const { event_id: eventId } = before.body as unknown as { event_id: string };
    expect(await call("POST", "webhook-deliveries/erase", { event_id: eventId })).toMatchObject({
      status: 200,
      body: { count: 1 },
    });
    const after = await call("GET", `webhook-deliveries/${deliveryId}`);
    expect(after).toMatchObject({
      status: 200,
      body: { body: null, attempt_log: [{ response_body: null }] },
    });
    expect((await call("POST", `webhook-deliveries/${deliveryId}/retry`)).status).toBe(409);
  });
});

test("the catalogue names every type with an example that has its shape, as the document does", async () => {
  const { body } = await call("GET", "webhook-event-types");
  const { data } = body as unknown as { data: { type: string; example: Record<string, unknown> }[] };
  expect(data.map(({ type }) => type)).toEqual(EVENT_TYPES.map(({ type }) => type));
  const order = data.find(({ type }) => type === "purchase_order.updated");
  expect(order?.example).toMatchObject({
    type: "purchase_order.updated",
    data: { record: { presence: "present" } },
  });
  const { id } = await make();
  await sendTest(id, "purchase_order.updated");
  const sent = JSON.parse(relay.sender.sent.at(-1)?.body ?? "") as Record<string, unknown>;
  expect(Object.keys(sent).filter((name) => name !== "test")).toEqual(Object.keys(order?.example ?? {}));
  const { webhooks } = openApiDocument(relay.app) as { webhooks: object };
  expect(Object.keys(webhooks)).toEqual(data.map(({ type }) => type));
});

/** Of what was sent last. */
function verifies(keys: readonly string[]): boolean {
  const { headers = {}, body = "" } = relay.sender.sent.at(-1) ?? {};
  const delivery = {
    id: headers["webhook-id"] ?? "",
    timestamp: headers["webhook-timestamp"] ?? "",
    signature: headers["webhook-signature"] ?? "",
    body,
  };
  return verifyDelivery(delivery, keys, Date.now()).ok;
}
