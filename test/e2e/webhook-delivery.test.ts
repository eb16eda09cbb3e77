// A whole relay on its own store delivers to a receiver on this machine, which verifies with a library not ours.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLogger } from "#common/runtime/logger.ts";
import { startRelay, type Relay } from "#relay/compose.ts";
import { loadRelayConfig } from "#relay/config.ts";
import { CONNECTION, event, record, seed, WORKSPACE } from "#test/conformance/relay-store/harness.ts";
import { until } from "#test/support/until.ts";

const SCOPE = { workspaceId: WORKSPACE };
const PATIENCE_MS = 60_000;

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let dir: string;
let relay: Relay;
let receiver: Server;
let received: Received[];
let status: number;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "millrace-webhooks-"));
  received = [];
  status = 200;
  receiver = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => (body += text));
    request.on("end", () => {
      received.push({ headers: request.headers, body });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => void receiver.listen(0, "127.0.0.1", resolve));
  relay = await start();
  await seed(relay.store);
});

afterEach(async () => {
  await relay[Symbol.asyncDispose]();
  receiver.closeAllConnections();
  receiver.close();
  rmSync(dir, { recursive: true, force: true });
});

function start(): Promise<Relay> {
  const config = join(dir, "relay.yaml");
  writeFileSync(config, 'drain: 0s\nwebhooks:\n  allow_http: true\n  allow_networks: ["127.0.0.0/8"]\n');
  return startRelay({
    config: loadRelayConfig({ config, dataDir: join(dir, "data"), port: "0" }, {}),
    logger: silentLogger,
  });
}

function hook(): string {
  return `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
}

async function change(key: string, eventId: string): Promise<void> {
  await relay.store.ingest(async (tx) => {
    const revision = await tx.revisions(1, Date.now());
    const row = record(key, revision, { text: JSON.stringify({ remote_id: key, status: "open" }) });
    await tx.putRecords([row]);
    await tx.appendEvents([event(revision, { id: eventId, recordId: row.id, type: "work_order.created" })]);
  });
}

it("signed so that the published library accepts it, with the record, once, and logged", async () => {
  const { endpoint, secret } = await relay.webhooks.endpoints.create({
    ...SCOPE,
    url: hook(),
    connectionId: CONNECTION,
    types: ["work_order.*"],
    condition: 'event.data.record.status == "open"',
    headers: { Authorization: "Bearer canary" },
  });
  await change("7", "evt_a_1_0");
  await until("the delivery", () => received.length === 1, PATIENCE_MS);
  const [{ headers, body }] = received as [Received];
  expect(() => new Webhook(secret).verify(body, headers as Record<string, string>)).not.toThrow();
  expect(() => new Webhook(secret).verify(`${body} `, headers as Record<string, string>)).toThrow(
    /signature/i,
  );
  expect(headers).toMatchObject({ "webhook-id": "evt_a_1_0", authorization: "Bearer canary" });
  expect(headers["user-agent"]).toMatch(/^Millrace-Webhooks\/\d+\.\d+\.\d+/);
  expect(JSON.parse(body)).toMatchObject({
    type: "work_order.created",
    data: { record: { status: "open" } },
  });
  const { webhooks } = relay.store;
  const isDelivered = async (): Promise<boolean> =>
    (await webhooks.deliveries(SCOPE, { limit: 10 }))[0]?.state === "delivered";
  await until("the delivery's end", isDelivered, PATIENCE_MS);
  const [delivery] = await webhooks.deliveries(SCOPE, { endpointId: endpoint.row.id, limit: 10 });
  const attempts = await webhooks.attempts(SCOPE, delivery?.id ?? "");
  expect(attempts).toMatchObject([{ number: 1, status: 200, trigger: "automatic" }]);
  expect(JSON.stringify(attempts)).not.toContain("canary");
  const metrics = await (await fetch(`${relay.url}/metrics`)).text();
  expect(metrics).toContain('millrace_webhook_attempts_total{outcome="2xx"} 1');
  expect(metrics).toContain('millrace_webhook_deliveries_finished_total{state="delivered"} 1');
});

it("what was committed before a stop is delivered by the next start, with the secrets of before", async () => {
  const { secret } = await relay.webhooks.endpoints.create({ ...SCOPE, url: hook() });
  const stopping = relay[Symbol.asyncDispose]();
  await stopping;
  relay = await start();
  await change("8", "evt_a_2_0");
  await relay[Symbol.asyncDispose]();
  relay = await start();
  await until("the delivery", () => received.length > 0, PATIENCE_MS);
  const [{ headers, body }] = received as [Received];
  expect(headers["webhook-id"]).toBe("evt_a_2_0");
  expect(() => new Webhook(secret).verify(body, headers as Record<string, string>)).not.toThrow();
});

it("a failure is retried by hand, and a test arrives as what it is", async () => {
  const { endpoint } = await relay.webhooks.endpoints.create({ ...SCOPE, url: hook() });
  status = 503;
  await change("9", "evt_a_3_0");
  const { webhooks } = relay.store;
  const failed = async (): Promise<boolean> =>
    (await webhooks.deliveries(SCOPE, { limit: 10 }))[0]?.lastStatus === 503;
  await until("the failure", failed, PATIENCE_MS);
  status = 200;
  const [delivery] = await webhooks.deliveries(SCOPE, { limit: 10 });
  const sent = await relay.webhooks.retryNow(SCOPE, delivery?.id ?? "");
  expect(sent.attempt).toMatchObject({ status: 200, number: 2, trigger: "manual" });
  const test = await relay.webhooks.sendTest(SCOPE, endpoint.row.id, "purchase_order.updated");
  expect(test.attempt).toMatchObject({ status: 200, trigger: "test" });
  const last = JSON.parse(received.at(-1)?.body ?? "{}") as Record<string, unknown>;
  expect(last).toMatchObject({ type: "purchase_order.updated", test: true });
});
