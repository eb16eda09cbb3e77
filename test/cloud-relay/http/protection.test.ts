// What one caller may ask: quotas with their headers, requests at once, and that others do not notice.
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { relayFixture, send, type RelayFixture } from "./relay-fixture.ts";

describe("quotas", () => {
  const clock = new FakeClock();
  let relay: RelayFixture;
  beforeAll(async () => {
    const limits = { connectionPerMinute: 2, workspacePerMinute: 4, workspaceAtOnce: 100 };
    relay = await relayFixture({ clock, limits });
  });
  afterAll(() => relay[Symbol.asyncDispose]());

  test("every answer says what remains; beyond it 429 with Retry-After and the registered type", async () => {
    const { acme } = relay;
    const ask = () => send(relay, "GET", "/v1/vendors", acme.connectionToken);
    const first = await ask();
    expect(first.headers).toMatchObject({
      "ratelimit-policy": '"connection";q=2;w=60, "workspace";q=4;w=60',
      ratelimit: '"connection";r=1;t=60',
    });
    clock.advance(15_000);
    expect((await ask()).headers["ratelimit"]).toBe('"connection";r=0;t=45');
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(refused.headers["retry-after"]).toBe("45");
    expect(refused.body).toMatchObject({
      type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
      code: "RATE_LIMIT_EXCEEDED",
      retryable: true,
    });
    expect(refused.body?.detail).toContain("2 requests a minute");
  });

  test("the workspace's other tokens have what is left of the workspace's quota, another workspace its own", async () => {
    const { acme, rival } = relay;
    const own = () => send(relay, "GET", "/v1/vendors", acme.workspaceToken);
    expect([(await own()).status, (await own()).status, (await own()).status]).toEqual([200, 200, 429]);
    expect((await send(relay, "GET", "/v1/vendors", rival.connectionToken)).status).toBe(200);
  });

  test("health and metrics are never limited; after the window all is well again", async () => {
    expect((await send(relay, "GET", "/healthz")).status).toBe(200);
    expect((await send(relay, "GET", "/metrics")).headers["ratelimit"]).toBeUndefined();
    clock.advance(60_000);
    expect((await send(relay, "GET", "/v1/vendors", relay.acme.connectionToken)).status).toBe(200);
  });

  test("who is not known is refused as that, and has no quota to look into", async () => {
    const stranger = await send(relay, "GET", "/v1/vendors", "mr_ws_nobody");
    expect([stranger.status, stranger.headers["ratelimit"]]).toEqual([401, undefined]);
  });
});

test("requests at once: event streams hold their place until they end, then it is free", async () => {
  await using relay = await relayFixture({
    limits: { connectionPerMinute: 1e6, workspacePerMinute: 1e6, workspaceAtOnce: 2 },
  });
  await relay.app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = relay.app.server.address() as AddressInfo;
  const { acme, rival } = relay;
  const open = async () => {
    const socket = connect(port, "127.0.0.1");
    socket.write(
      `GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${acme.workspaceToken}\r\n\r\n`,
    );
    await new Promise((resolve) => socket.once("data", resolve));
    return socket;
  };
  const streams = [await open(), await open()];
  const refused = await send(relay, "GET", "/v1/vendors", acme.workspaceToken);
  expect([refused.status, refused.body?.code]).toEqual([429, "RATE_LIMIT_EXCEEDED"]);
  expect((await send(relay, "GET", "/v1/vendors", rival.workspaceToken)).status).toBe(200);
  streams[0]?.destroy();
  await vi.waitFor(async () => {
    expect((await send(relay, "GET", "/v1/vendors", acme.workspaceToken)).status).toBe(200);
  });
  streams[1]?.destroy();
});
