// Every way in which a request can fail, as a problem document.
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createToken, revokeToken } from "#relay/core/administration.ts";
import { PROBLEM_KINDS } from "#relay/core/problem.ts";
import { entropy, get, relayFixture, send, type JsonAnswer, type RelayFixture } from "./relay-fixture.ts";

let relay: RelayFixture;
beforeAll(async () => {
  relay = await relayFixture();
});
afterAll(() => relay[Symbol.asyncDispose]());

function expectProblem(answer: JsonAnswer, code: keyof typeof PROBLEM_KINDS): void {
  expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({
    code,
    status: PROBLEM_KINDS[code].status,
    retryable: PROBLEM_KINDS[code].retryable,
  });
  expect(answer.status).toBe(PROBLEM_KINDS[code].status);
  expect(answer.body.request_id).toBe(answer.headers["x-request-id"]);
  expect(answer.body.detail.length).toBeGreaterThan(20);
}

describe("authentication", () => {
  test("nothing, garbage, a wrong checksum and an unknown token are told apart", async () => {
    const missing = await get(relay, "/v1/vendors");
    expectProblem(missing, "AUTHENTICATION_REQUIRED");
    expect(missing.headers["www-authenticate"]).toBe('Bearer realm="millrace"');
    const details = new Set([missing.body.detail]);
    const mistyped = relay.acme.workspaceToken.replace(/.$/, (last) => (last === "a" ? "b" : "a"));
    const unknown = await unknownToken();
    for (const authorization of ["Basic dTpw", "Bearer garbage", `Bearer ${mistyped}`, `Bearer ${unknown}`]) {
      const answer = await get(relay, "/v1/vendors", undefined, { authorization });
      expectProblem(answer, "AUTHENTICATION_FAILED");
      expect(answer.headers["www-authenticate"]).toContain("invalid_token");
      details.add(answer.body.detail);
    }
    expect(details.size).toBe(4);
  });

  test("an expired token says when it expired", async () => {
    const { store } = relay;
    let nowMs = Date.now() - 10_000;
    const administration = { directory: store.directory, entropy, nowMs: () => nowMs };
    const minted = await createToken(administration, {
      kind: "workspace",
      workspaceId: relay.acme.workspaceId,
      expiresAtMs: nowMs + 5_000,
    });
    nowMs = Date.now();
    const answer = await get(relay, "/v1/vendors", minted.token);
    expectProblem(answer, "TOKEN_EXPIRED");
    expect(answer.body.detail).toContain(new Date(minted.row.expiresAtMs ?? 0).toISOString());
  });

  test("revoked through the API: refused by the very next request", async () => {
    const { acme, adminToken } = relay;
    const body = { kind: "connection", workspace_id: acme.workspaceId, connection_id: acme.connectionId };
    const made = await send(relay, "POST", "/admin/v1/tokens", adminToken, body);
    expect((await get(relay, "/v1/vendors", made.body.token)).status).toBe(200);
    expect((await send(relay, "DELETE", `/admin/v1/tokens/${made.body.id}`, adminToken)).status).toBe(204);
    expectProblem(await get(relay, "/v1/vendors", made.body.token), "TOKEN_REVOKED");
  });

  test("revoked by another process: refused within a second", async () => {
    const { acme, store } = relay;
    const administration = { directory: store.directory, entropy, nowMs: () => Date.now() };
    const { token, row } = await createToken(administration, {
      kind: "workspace",
      workspaceId: acme.workspaceId,
    });
    expect((await get(relay, "/v1/vendors", token)).status).toBe(200);
    await revokeToken(administration, undefined, row.id);
    await expect
      .poll(async () => (await get(relay, "/v1/vendors", token)).body.code, { timeout: 1_500 })
      .toBe("TOKEN_REVOKED");
  });

  async function unknownToken(): Promise<string> {
    const { tokenText } = await import("#relay/core/tokens.ts");
    return tokenText("mr_ws_", entropy);
  }
});

describe("requests that cannot be served", () => {
  test("an unknown parameter names the nearest known one; all problems come at once", async () => {
    const answer = await get(
      relay,
      "/v1/work-orders?limitt=3&limit=900&include=rawr",
      relay.acme.workspaceToken,
    );
    expectProblem(answer, "INVALID_REQUEST");
    const pointers = answer.body.errors.map((issue: { pointer: string }) => issue.pointer);
    expect(pointers.toSorted()).toEqual(["#/query/include", "#/query/limit", "#/query/limitt"]);
    expect(answer.body.detail).toContain('did you mean "limit"?');
  });

  test.each([
    ["limit=0", "#/query/limit"],
    ["limit=ten", "#/query/limit"],
    ["limit=1&limit=2", "#/query/limit"],
    ["include_deleted=perhaps", "#/query/include_deleted"],
    ["modified_after=yesterday", "#/query/modified_after"],
    ["modified_after=2026-02-31", "#/query/modified_after"],
    ["modified_before=2026-03-02T08:15:00", "#/query/modified_before"],
    ["cursor=bm90IGEgY3Vyc29y", "#/query/cursor"],
    ["cursor=%00", "#/query/cursor"],
  ])("?%s is refused with its place", async (query, pointer) => {
    const answer = await get(relay, `/v1/purchase-orders?${query}`, relay.acme.workspaceToken);
    expectProblem(answer, query.startsWith("cursor") ? "INVALID_CURSOR" : "INVALID_REQUEST");
    expect(answer.body.errors[0].pointer).toBe(pointer);
  });

  test("a mistyped address names the nearest one", async () => {
    const answer = await get(relay, "/v1/purchase-order", relay.acme.workspaceToken);
    expectProblem(answer, "ROUTE_NOT_FOUND");
    expect(answer.body.detail).toContain("/v1/purchase-orders");
  });

  test("another method says which are possible", async () => {
    const answer = await send(relay, "PUT", "/v1/sync-status", relay.acme.workspaceToken, {});
    expectProblem(answer, "METHOD_NOT_ALLOWED");
    expect(answer.headers["allow"]).toBe("GET, HEAD");
  });

  test("bodies: too large, of another type, not JSON, missing", async () => {
    const url = "/admin/v1/workspaces";
    const { adminToken } = relay;
    expectProblem(
      await send(relay, "POST", url, adminToken, { name: "x".repeat(70_000) }),
      "PAYLOAD_TOO_LARGE",
    );
    const raw = (payload: string, type: string) =>
      relay.app.inject({
        method: "POST",
        url,
        payload,
        headers: { authorization: `Bearer ${adminToken}`, "content-type": type },
      });
    for (const [payload, type, code] of [
      ["name=acme", "application/x-www-form-urlencoded", "UNSUPPORTED_MEDIA_TYPE"],
      ["acme", "text/plain", "UNSUPPORTED_MEDIA_TYPE"],
      ['{"name":', "application/json", "INVALID_REQUEST"],
      ["", "application/json", "INVALID_REQUEST"],
      ["[]", "application/json", "INVALID_REQUEST"],
    ] as const) {
      const answer = await raw(payload, type);
      expect([answer.headers["content-type"], answer.json().code]).toEqual([
        "application/problem+json; charset=utf-8",
        code,
      ]);
    }
    expectProblem(await send(relay, "POST", url, adminToken), "INVALID_REQUEST");
  });

  test.each([
    [`/v1/vendors?cursor=${"a".repeat(9_000)}`, "URI_TOO_LONG"],
    [`/v1/vendors/${"a".repeat(600)}`, "URI_TOO_LONG"],
    ["/v1/vendors/%zz", "INVALID_REQUEST"],
  ] as const)("an address that is too long or badly encoded (%#)", async (url, code) => {
    const answer = await get(relay, url, relay.acme.workspaceToken);
    expect(answer.body.code).toBe(code);
    expectProblem(answer, code);
  });

  test("a format that is not served", async () => {
    const answer = await get(relay, "/v1/events", relay.acme.workspaceToken, { accept: "text/csv" });
    expect(answer.status).toBe(406);
    expectProblem(answer, "NOT_ACCEPTABLE");
  });

  test("a failing store answers 500 without its inner message", async () => {
    const broken = await relayFixture();
    await broken.store[Symbol.asyncDispose]();
    const answer = await get(broken, "/v1/vendors", broken.acme.workspaceToken);
    expectProblem(answer, "INTERNAL_ERROR");
    expect(answer.text).not.toMatch(/sqlite|database|stack|\.ts/i);
    expectProblem(await get(broken, "/readyz"), "OVERLOADED");
    await broken[Symbol.asyncDispose]();
  });
});

describe("request ids and headers", () => {
  test("a harmless id of the caller is kept, another is replaced", async () => {
    const kept = await get(relay, "/healthz", undefined, { "x-request-id": "trace-42.a" });
    expect(kept.headers["x-request-id"]).toBe("trace-42.a");
    const made = await get(relay, "/healthz", undefined, { "x-request-id": "a b\t<script>" });
    expect(made.headers["x-request-id"]).toMatch(/^req_[0-9a-f]{32}$/);
  });

  test("every answer forbids sniffing and framing", async () => {
    for (const url of ["/healthz", "/v1/vendors", "/nowhere"]) {
      const { headers } = await get(relay, url);
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
    }
  });
});

describe("what is not HTTP", () => {
  beforeAll(() => relay.app.listen({ host: "127.0.0.1", port: 0 }));

  test.each([
    ["NONSENSE\r\n\r\n", 400, "INVALID_REQUEST"],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431, "HEADERS_TOO_LARGE"],
  ])("%#: is answered with a problem and the line is closed", async (request, status, code) => {
    const text = await exchange(request);
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toContain("application/problem+json");
    expect(JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4))).toMatchObject({ code, status });
  });

  function exchange(request: string): Promise<string> {
    const { port } = relay.app.server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      let text = "";
      const socket = connect(port, "127.0.0.1", () => socket.write(request));
      socket.setEncoding("utf8");
      socket.on("data", (chunk: string) => (text += chunk));
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    });
  }
});
