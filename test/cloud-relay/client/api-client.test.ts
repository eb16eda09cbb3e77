// The typed client against a relay: lists page after page, problems as errors, patience where the relay asks for it.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiError, apiClient, everyItem, unwrap } from "#relay/client/api-client.ts";
import { commitRecords, relayFixture, type RelayFixture } from "../http/relay-fixture.ts";

describe("against a relay", () => {
  let relay: RelayFixture;
  let url = "";
  beforeAll(async () => {
    relay = await relayFixture();
    url = await relay.app.listen({ host: "127.0.0.1", port: 0 });
    const names = ["Adler", "Borg", "Claes"];
    await commitRecords(
      relay,
      relay.acme,
      names.map((name) => ({ entity: "vendor", key: name, fields: { name } })),
    );
  });
  afterAll(() => relay[Symbol.asyncDispose]());

  test("walks a list page after page, with the fields' types", async () => {
    const client = apiClient({ url, token: relay.acme.connectionToken });
    const found = new Set<string | null | undefined>();
    const page = (cursor: string | undefined) => {
      const query = cursor === undefined ? { limit: 2 } : { limit: 2, cursor };
      return unwrap(client.GET("/v1/vendors", { params: { query } }));
    };
    for await (const vendor of everyItem(page)) found.add(vendor.name);
    expect(found).toEqual(new Set(["Adler", "Borg", "Claes"]));
  });

  test("a refusal is an error with the whole problem", async () => {
    const client = apiClient({ url, token: relay.acme.connectionToken });
    const asking = unwrap(client.GET("/v1/vendors/{id}", { params: { path: { id: "nobody" } } }));
    const error = await asking.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 404, problem: { code: "NOT_FOUND", retryable: false } });
    expect(String(error)).toContain("NOT_FOUND: There is no vendor with the id nobody");
  });
});

describe("a busy relay", () => {
  function answering(...statuses: readonly number[]) {
    const asked: Request[] = [];
    const fetch = (request: Request): Promise<Response> => {
      const status = statuses[asked.push(request) - 1] ?? 200;
      const headers = {
        "content-type": "application/json",
        ...(status === 200 ? {} : { "retry-after": "0" }),
      };
      return Promise.resolve(
        new Response(JSON.stringify({ data: [], next_cursor: null }), { status, headers }),
      );
    };
    return { asked, client: apiClient({ url: "http://relay.invalid", token: "t", retries: 2, fetch }) };
  }

  test("is asked again after 429 and 503, as often as allowed", async () => {
    const { asked, client } = answering(429, 503);
    expect((await client.GET("/v1/vendors")).response.status).toBe(200);
    expect(asked).toHaveLength(3);
    expect(asked[2]?.headers.get("authorization")).toBe("Bearer t");
    const stubborn = answering(429, 429, 429, 429);
    expect((await stubborn.client.GET("/v1/vendors")).response.status).toBe(429);
    expect(stubborn.asked).toHaveLength(3);
  });

  test("is not asked again for what might then be done twice", async () => {
    const { asked, client } = answering(503);
    const { response } = await client.POST("/admin/v1/workspaces", { body: { name: "x" } });
    expect([response.status, asked.length]).toEqual([503, 1]);
    const keyed = answering(503);
    await keyed.client.POST("/admin/v1/workspaces", {
      body: { name: "x" },
      headers: { "idempotency-key": "k" },
    });
    expect(keyed.asked).toHaveLength(2);
    expect(await keyed.asked[1]?.json()).toEqual({ name: "x" });
  });
});
