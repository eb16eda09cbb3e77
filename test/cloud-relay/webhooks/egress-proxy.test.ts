// Deliveries that leave by the operator's proxy: what goes through it, what it may refuse, and whose fault is what.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "#common/runtime/clock.ts";
import { Addresses } from "#relay/webhooks/addresses.ts";
import { egressProxy } from "#relay/webhooks/egress-proxy.ts";
import { HttpSender } from "#relay/webhooks/http-sender.ts";
import {
  startConnectProxy,
  type ConnectProxy,
  type ConnectProxyOptions,
} from "#test/support/connect-proxy.ts";
import { until } from "#test/support/until.ts";
import { authority, httpReceiver, httpsReceiver, type Receiver } from "./receivers.ts";

const LOOPBACK = { allowHttp: true, allowNetworks: ["127.0.0.0/8", "::1/128"] };
const PUBLIC = { allowHttp: false, allowNetworks: [] };

function credentialsFile(text: string, mode = 0o600): string {
  const dir = mkdtempSync(join(tmpdir(), "millrace-egress-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, "credentials");
  writeFileSync(file, text, { mode });
  return file;
}

async function proxied(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const proxy = await startConnectProxy(options);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

function senderBy(url: string, rules = LOOPBACK, file?: string) {
  const resolved: string[] = [];
  const sender = new HttpSender({
    addresses: new Addresses(rules),
    clock: systemClock,
    ca: authority.certificatePem,
    ownOrigins: () => [],
    resolve: (name) => {
      resolved.push(name);
      return Promise.resolve([]);
    },
    proxy: egressProxy({ url, credentialsFile: file }),
  });
  onTestFinished(() => sender[Symbol.asyncDispose]());
  const send = (to: string) =>
    sender.send({ endpointId: "whe_1", url: to, headers: {}, body: "{}" }, new AbortController().signal);
  return { send, resolved };
}

/** By name: the proxy finds it, nobody else does. */
async function named(receiver: Promise<Receiver>): Promise<string> {
  const made = await receiver;
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made.url.replace("127.0.0.1", "localhost");
}

describe("through the proxy", () => {
  test("names go unresolved, with its credentials, and the connection serves the next delivery", async () => {
    const proxy = await proxied({ credentials: { user: "millrace", password: "s3:cret" } });
    const seen: unknown[] = [];
    await using receiver = await httpReceiver((request, response) => {
      seen.push(request.headers["proxy-authorization"]);
      response.end("ok");
    });
    const { send, resolved } = senderBy(proxy.url, LOOPBACK, credentialsFile("millrace:s3:cret\n"));
    const url = receiver.url.replace("127.0.0.1", "localhost");
    const first = await send(url);
    expect(first).toMatchObject({ status: 200, body: "ok", error: undefined, remoteAddress: undefined });
    expect(await send(url)).toMatchObject({ status: 200 });
    expect(proxy.asked).toEqual([`localhost:${receiver.port}`]);
    expect([resolved, seen]).toEqual([[], [undefined, undefined]]);
  });

  test("TLS is with the receiver: its certificate is checked against its own name", async () => {
    const proxy = await proxied();
    await using receiver = await httpsReceiver((_request, response) => void response.end("ok"));
    const answer = await senderBy(proxy.url).send(receiver.url.replace("127.0.0.1", "localhost"));
    expect(proxy.tunnels).toBe(1);
    expect(answer).toMatchObject({ status: 200, body: "ok" });
    await using plain = await httpReceiver((_request, response) => void response.end("ok"));
    const wrong = await senderBy(proxy.url).send(`https://localhost:${plain.port}/hook`);
    expect(wrong).toMatchObject({ status: undefined, error: "tls_failed" });
  });

  test("addresses that are written out stay refused, and those of the operator's own networks go without it", async () => {
    const proxy = await proxied();
    await using receiver = await httpReceiver((_request, response) => void response.end("ok"));
    for (const url of [
      "https://10.0.0.1/",
      "https://[::1]/",
      "https://169.254.169.254/",
      "https://localhost/",
    ])
      expect(await senderBy(proxy.url, PUBLIC).send(url)).toMatchObject({ error: "blocked_address" });
    expect(await senderBy(proxy.url).send(receiver.url)).toMatchObject({ status: 200 });
    expect(proxy.asked).toEqual([]);
  });
});

describe("whose fault it is", () => {
  test.each([
    ["the proxy denies the target", { answer: 403 }, "blocked_address", /^blocked address/],
    ["the proxy cannot reach the receiver", { answer: 502 }, "connect_failed", /could not reach/],
    ["the proxy wants credentials", { scheme: "Basic" }, "local_fault", /other credentials/],
  ] as const)("%s", async (_what, options, error, detail) => {
    const proxy = await proxied(options);
    const url = await named(httpReceiver((_request, response) => void response.end("ok")));
    const answer = await senderBy(proxy.url).send(url);
    expect(answer).toMatchObject({ status: undefined, error, detail: expect.stringMatching(detail) });
    await until("its sockets to go", () => proxy.openSockets === 0, 30_000);
  });

  test("a proxy that is not there is the relay's own fault; one that falls silent is left in time", async () => {
    const gone = await startConnectProxy();
    await gone[Symbol.asyncDispose]();
    const url = await named(httpReceiver((_request, response) => void response.end("ok")));
    expect(await senderBy(gone.url).send(url)).toMatchObject({
      error: "local_fault",
      detail: "the egress proxy cannot be reached",
    });
    const silent = await proxied({ answer: "silent" });
    expect(await senderBy(silent.url).send(url)).toMatchObject({ error: "timed_out" });
    await until("its socket to go", () => silent.openSockets === 0, 30_000);
  });
});

describe("settings", () => {
  test.each([
    ["https://proxy:3128", undefined, /webhooks.proxy.*http:/],
    ["http://user:secret@proxy:3128", undefined, /proxy_credentials_file/],
    ["http://proxy:3128", "/no/such/file", /cannot be read/],
  ])("%s with %s is refused", (url, file, message) => {
    expect(() => egressProxy({ url, credentialsFile: file })).toThrow(message);
  });

  test("credentials that others may read, or that are none, are refused", () => {
    const url = "http://proxy:3128";
    expect(() => egressProxy({ url, credentialsFile: credentialsFile("user") })).toThrow(/user:password/);
    if (process.platform === "win32") return;
    expect(() => egressProxy({ url, credentialsFile: credentialsFile("a:b", 0o644) })).toThrow(/chmod 600/);
  });
});
