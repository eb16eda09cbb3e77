// `millrace-relay listen` in a process of its own against a relay in another: real events, verified, handed on, answered.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const BIN = resolve(import.meta.dirname, "../../cloud-relay/bin.mjs");
const WAIT = { timeout: 120_000, interval: 100 };

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let dir = "";
let relayUrl = "";
let token = "";
let relay: ReturnType<typeof start>;
let connectionId = "";
const children: ChildProcess[] = [];
const received: Received[] = [];
let receiver: Server;
/** What the developer's own receiver answers. */
let status = 200;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "millrace-listen-"));
  received.length = 0;
  status = 200;
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.once("end", () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(status, { "content-type": "text/plain" }).end("from the developer");
    });
  });
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  const config = join(dir, "relay.yaml");
  writeFileSync(config, "log_level: error\nwebhooks:\n  allow_networks: [127.0.0.0/8]\n");
  await serve("0");
  const { id } = await json("workspace", "create", "--name", "acme");
  const scopes = ["read", "write", "admin"].flatMap((scope) => ["--scope", scope]);
  token = (await json("token", "create", "--workspace", id ?? "", ...scopes))["token"] ?? "";
  const made = await api("POST", "/admin/v1/connections", { name: "plant", kind: "sandbox" });
  connectionId = (made.body as { id: string }).id;
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  receiver.closeAllConnections();
  await new Promise((done) => receiver.close(done));
  rmSync(dir, { recursive: true, force: true });
});

test("events arrive with their signature, are handed on and answered, stored and sent again; the endpoint ends with it", async () => {
  const forward = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const store = join(dir, "deliveries.ndjson");
  const flags = ["--url", relayUrl, "--forward", forward, "--store", store, "--connection", connectionId];
  const listening = start("listen", "--json", ...flags, "--types", "*");
  const { endpoint_id: id, secret } = JSON.parse(await listening.line(0)) as Record<string, string>;

  await vi.waitFor(async () => {
    await api("POST", `/v1/connections/${connectionId}/sandbox/changes`, { count: 1 });
    expect(received.length).toBeGreaterThan(0);
  }, WAIT);
  const [first] = received;
  // The published verifier, as a receiver would have it.
  const headers = first?.headers as Record<string, string>;
  expect(new Webhook(secret ?? "").verify(first?.body ?? "", headers)).toMatchObject({
    connection_id: connectionId,
  });
  await vi.waitFor(async () => {
    expect(await delivered(`${id}&state=delivered&event_id=${headers["webhook-id"]}`)).toHaveLength(1);
  }, WAIT);

  status = 503;
  const failed = await api("POST", `/v1/webhook-endpoints/${id}/test`, { type: "sync.failed" });
  expect(failed.body).toMatchObject({ attempt: { status: 503, response_body: "from the developer" } });
  status = 200;
  const { delivery_id: deliveryId } = failed.body as { delivery_id: string };
  const again = await run("listen", "replay", deliveryId, "--url", relayUrl);
  expect(again).toMatchObject({ code: 0, stdout: `${deliveryId}: 200\n` });

  // Several come at once: they are stored as they are answered.
  const stored = readFileSync(store, "utf8").trim().split("\n");
  const entries = stored.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(entries.find(({ body }) => body === first?.body)).toMatchObject({ is_verified: true, status: 200 });
  const before = received.length;
  const replayed = await run("listen", "replay", store, "--forward", forward, "--secret", secret ?? "");
  expect(replayed.code).toBe(0);
  expect(received.length - before).toBeGreaterThanOrEqual(stored.length);
  // Live ones may come in between.
  const copy = received.slice(before).find(({ body }) => body === first?.body);
  expect(
    new Webhook(secret ?? "").verify(copy?.body ?? "", copy?.headers as Record<string, string>),
  ).toBeTruthy();

  listening.child.kill("SIGTERM");
  await listening.ended;
  expect((await api("GET", `/v1/webhook-endpoints/${id}`)).status).toBe(404);
});

test("one listens at a time: who comes later takes the place, and the one before says so", async () => {
  const forward = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const listening = start("listen", "--json", "--url", relayUrl, "--forward", forward);
  const { endpoint_id: id } = JSON.parse(await listening.line(0)) as Record<string, string>;
  await vi.waitFor(async () => {
    const sent = await api("POST", `/v1/webhook-endpoints/${id}/test`, { type: "sync.completed" });
    expect(sent.body).toMatchObject({ attempt: { status: 200 } });
  }, WAIT);
  const taking = await fetch(`${relayUrl}/v1/webhook-listeners/${id}/deliveries`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await listening.ended;
  expect(listening.errors()).toMatch(/another listener has taken this place/);
  await taking.body?.cancel();
});

test("what was before it is delivered at once, where that is asked for", async () => {
  // Nobody is there: what is bound for it shows what there was.
  const made = await api("POST", "/v1/webhook-endpoints", { url: "https://127.0.0.1:9/hook", types: ["*"] });
  const { id: other } = made.body as { readonly id: string };
  const changes = async (): Promise<readonly string[]> => {
    await api("POST", `/v1/connections/${connectionId}/sandbox/changes`, { count: 2 });
    const bound = (await delivered(`${other}&limit=200`)) as readonly { readonly event_id: string }[];
    return bound.map(({ event_id: id }) => id);
  };
  const had = (ids: readonly string[]): void => {
    const seen = new Set(received.map(({ headers }) => headers["webhook-id"]));
    expect(ids.filter((id) => !seen.has(id))).toEqual([]);
  };
  let before: readonly string[] = [];
  await vi.waitFor(async () => {
    before = await changes();
    expect(before.length).toBeGreaterThan(0);
  }, WAIT);
  const forward = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const listening = start("listen", "--json", "--url", relayUrl, "--forward", forward, "--since", "1h");
  await listening.line(0);
  await vi.waitFor(() => had(before), WAIT);
});

test("it outlives the relay's restart: what came meanwhile is delivered when it is back", async () => {
  const forward = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const listening = start("listen", "--json", "--url", relayUrl, "--forward", forward);
  await listening.line(0);
  // Nobody is there: what is bound for it shows what the listener must get, which was there before it.
  const made = await api("POST", "/v1/webhook-endpoints", { url: "https://127.0.0.1:9/hook", types: ["*"] });
  const { id: other } = made.body as { readonly id: string };
  const bound = async (): Promise<readonly string[]> => {
    const all = (await delivered(`${other}&limit=200`)) as readonly { readonly event_id: string }[];
    return all.map(({ event_id: id }) => id);
  };
  const missing = async (): Promise<readonly string[]> => {
    const seen = new Set(received.map(({ headers }) => headers["webhook-id"]));
    return (await bound()).filter((id) => !seen.has(id));
  };
  await vi.waitFor(async () => {
    await api("POST", `/v1/connections/${connectionId}/sandbox/changes`, { count: 1 });
    expect(received.length).toBeGreaterThan(0);
  }, WAIT);

  relay.child.kill("SIGKILL");
  await relay.ended;
  await serve(new URL(relayUrl).port);
  // It looks again within seconds; these are made before it is back, or just after.
  const before = (await bound()).length;
  await api("POST", `/v1/connections/${connectionId}/sandbox/changes`, { count: 3 });
  await vi.waitFor(async () => {
    expect((await bound()).length).toBeGreaterThan(before);
    expect(await missing()).toEqual([]);
  }, WAIT);
  expect(listening.child.exitCode).toBeNull();
  expect(listening.lines.join("\n")).toMatch(/trying again/);
});

test("endpoints are made, tried and looked at from the command line", async () => {
  const webhook = (...args: string[]) => run("webhook", ...args, "--url", relayUrl);
  const closed = await webhook("add", "--address", "https://10.0.0.1/hook");
  expect([closed.code, closed.stderr]).toEqual([1, expect.stringContaining("blocked address")]);
  // Nothing listens at that port, and nothing leaves this machine.
  const made = await webhook("add", "--address", "https://127.0.0.1:9/hook", "--name", "nowhere", "--json");
  const { id = "", secret = "" } = JSON.parse(made.stdout) as Record<string, string>;
  expect((await webhook("list")).stdout).toMatch(/nowhere +closed +\d+ +\* +https:\/\/127\.0\.0\.1:9/);
  const tried = await webhook("test", id, "--type", "sync.failed", "--json");
  const { delivery_id: deliveryId } = JSON.parse(tried.stdout) as Record<string, string>;
  expect((await webhook("deliveries", "--endpoint", id)).stdout).toContain(`${deliveryId} `);
  expect((await webhook("retry", "--delivery", deliveryId ?? "")).stdout).toContain(`${deliveryId}: `);
  expect((await webhook("retry", "--endpoint", id)).stdout).toMatch(/^0 deliveries/);
  expect((await webhook("retry")).code).toBe(2);
  // What is stored shows the endpoint, and not what signs for it.
  const data = join(dir, "relay");
  const files = readdirSync(data).filter((name) => name.startsWith("relay.db"));
  const stored = files.map((name) => readFileSync(join(data, name), "latin1")).join("");
  const found = ["nowhere", secret.slice("whsec_".length)].map((text) => stored.includes(text));
  expect(found).toEqual([true, false]);
});

test("without a token, or with one that may not, it says what to do", async () => {
  token = "";
  const none = await run("listen", "--url", relayUrl);
  expect(none.code).toBe(2);
  expect(none.stderr).toMatch(/MILLRACE_TOKEN/);
  const wrong = await run("listen", "--url", relayUrl, "--token", "mr_ws_wrong");
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toMatch(/POST \/v1\/webhook-endpoints was refused/);
});

async function serve(port: string): Promise<void> {
  const where = ["--data-dir", join(dir, "relay"), "--config", join(dir, "relay.yaml")];
  relay = start("serve", "--json", "--port", port, ...where);
  relayUrl = (JSON.parse(await relay.line(0)) as { readonly url: string }).url;
}

async function delivered(query: string): Promise<readonly unknown[]> {
  const { body } = await api("GET", `/v1/webhook-deliveries?endpoint_id=${query}`);
  return (body as { data: readonly unknown[] }).data;
}

async function api(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${relayUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
}

function start(...args: string[]) {
  const child = spawn(process.execPath, [BIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, MILLRACE_TOKEN: token },
  });
  children.push(child);
  const lines: string[] = [];
  let errors = "";
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const ended = once(child, "close");
  const line = (at: number): Promise<string> =>
    vi.waitFor(() => {
      const found = lines[at];
      if (found === undefined) throw new Error(`${args[0]} has not said so much: ${errors}`);
      return found;
    }, WAIT);
  return { child, line, ended, errors: () => errors, lines };
}

async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { child, lines, ended, errors } = start(...args);
  await ended;
  return { code: child.exitCode, stdout: lines.map((line) => `${line}\n`).join(""), stderr: errors() };
}

async function json(...args: string[]): Promise<Record<string, string>> {
  const { stdout, stderr } = await run(...args, "--data-dir", join(dir, "relay"), "--json");
  expect(stderr).toBe("");
  return JSON.parse(stdout) as Record<string, string>;
}
