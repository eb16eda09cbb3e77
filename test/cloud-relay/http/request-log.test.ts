// Every request can be found again by its id, without its secrets; every change is in the audit trail.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApiDocument } from "#relay/http/openapi-document.ts";
import { relayFixture, send, type RelayFixture } from "./relay-fixture.ts";

let relay: RelayFixture;
beforeAll(async () => {
  relay = await relayFixture();
});
afterAll(() => relay[Symbol.asyncDispose]());

const log = (query: string) =>
  send(relay, "GET", `/admin/v1/requests${query}`, relay.acme.workspaceAdminToken);

describe("the request log", () => {
  test("a refusal is found by the request id that its problem names, with both bodies", async () => {
    const { acme } = relay;
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const refused = await send(
      relay,
      "GET",
      "/v1/vendors/none?include=raw",
      acme.connectionToken,
      undefined,
      {
        traceparent: trace,
        "user-agent": "tests/1",
      },
    );
    const found = await send(
      relay,
      "GET",
      `/admin/v1/requests/${refused.body?.request_id}`,
      acme.workspaceAdminToken,
    );
    expect(found.status).toBe(200);
    expect(found.body).toMatchObject({
      id: refused.body?.request_id,
      connection_id: acme.connectionId,
      method: "GET",
      route: "/v1/vendors/{id}",
      url: "/v1/vendors/none?include=raw",
      status: 404,
      code: "NOT_FOUND",
      user_agent: "tests/1",
      traceparent: trace,
      request_body: null,
    });
    expect(JSON.parse(String(found.body?.["answer_body"]))).toMatchObject({ code: "NOT_FOUND" });
  });

  test("a write is kept with what was asked, and no secret of it", async () => {
    const { acme } = relay;
    const body = { kind: "connection", connection_id: acme.connectionId, name: "seen" };
    const made = await send(relay, "POST", "/admin/v1/tokens", acme.workspaceAdminToken, body);
    expect(made.status).toBe(201);
    const secret = String(made.body?.["token"]);
    expect(secret).toMatch(/^mr_/);
    const { text } = await log("?path=/admin/v1/tokens&method=POST");
    expect(text).toContain("seen");
    expect(text).not.toContain(secret.slice(8));
    expect(text).not.toContain(acme.workspaceAdminToken.slice(8));
  });

  test("filters, pages, and reads that went well without their bodies", async () => {
    const { acme } = relay;
    for (let n = 0; n < 3; n += 1) await send(relay, "GET", "/v1/assets?limit=1", acme.workspaceToken);
    const first = await log("?path=/v1/assets&status=200&limit=2");
    expect(first.body).toMatchObject({ data: [{ answer_body: null }, { request_body: null }] });
    const cursor = String(first.body?.["next_cursor"]);
    const second = await log(`?path=/v1/assets&status=200&limit=2&cursor=${cursor}`);
    expect(second.body).toMatchObject({ data: [{ route: "/v1/assets" }], next_cursor: null });
    const wrong = await log("?after=yesterday");
    expect(wrong.body).toMatchObject({ code: "INVALID_REQUEST", errors: [{ pointer: "#/query/after" }] });
  });

  test("another workspace's requests are not there", async () => {
    const { rival } = relay;
    await send(relay, "GET", "/v1/vendors?limit=7", relay.acme.workspaceToken);
    const own = await send(relay, "GET", "/admin/v1/requests?path=/v1/vendors", rival.workspaceAdminToken);
    expect(own.body).toMatchObject({ data: [] });
  });
});

describe("the audit trail", () => {
  test("tells of a change: who, what, to what, and never with which values", async () => {
    const { acme } = relay;
    const body = { name: "audited-connection", customer: "audit-canary" };
    const made = await send(relay, "POST", "/admin/v1/connections", acme.workspaceAdminToken, body);
    const trail = await send(relay, "GET", "/admin/v1/audit?limit=1", acme.workspaceAdminToken);
    expect(trail.body).toMatchObject({
      data: [
        {
          action: "createConnection",
          request_id: made.headers["x-request-id"],
          members: ["name", "customer"],
          digest: relay.deps.entropy.sha256Hex(JSON.stringify(body)),
        },
      ],
    });
    expect(trail.text).not.toContain("audit-canary");
    const verdict = await send(relay, "GET", "/admin/v1/audit/verdict", acme.workspaceAdminToken);
    expect(verdict.body).toMatchObject({ broken_at: null });
  });

  test("what was refused changed nothing and is not in it", async () => {
    const { acme } = relay;
    const before = await send(relay, "GET", "/admin/v1/audit/verdict", acme.workspaceAdminToken);
    await send(relay, "POST", "/admin/v1/connections", acme.workspaceAdminToken, { name: "bad name!" });
    const after = await send(relay, "GET", "/admin/v1/audit/verdict", acme.workspaceAdminToken);
    expect(after.body).toEqual(before.body);
  });

  test("every route that changes something is named in it by its operation", () => {
    const { paths } = openApiDocument(relay.app) as {
      readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId?: string }>>>>;
    };
    const changing = Object.values(paths).flatMap((methods) =>
      Object.entries(methods).filter(([method]) => method !== "get"),
    );
    expect(changing.length).toBeGreaterThan(20);
    expect(changing.filter(([, { operationId }]) => operationId === undefined)).toEqual([]);
  });
});
