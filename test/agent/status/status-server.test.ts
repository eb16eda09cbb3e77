// The status page: what it shows, to whom it answers, and what it withstands.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { connect } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { SecurityEvents } from "#agent/core/security-events.ts";
import { metricNames } from "#agent/status/metrics.ts";
import { StatusServer } from "#agent/status/status-server.ts";
import type { StatusSource } from "#agent/status/status-facts.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import { exampleCommand, exampleConnection, exampleSource, NOW_MS, TROUBLED } from "./example-status.ts";

interface Served extends AsyncDisposable {
  readonly server: StatusServer;
  readonly url: string;
  readonly clock: FakeClock;
  readonly logger: ReturnType<typeof recordingLogger>;
  readonly noted: unknown[][];
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Response>;
}

async function serve(source: StatusSource = exampleSource(), port = 0): Promise<Served> {
  const logger = recordingLogger();
  const clock = new FakeClock(NOW_MS);
  const noted: unknown[][] = [];
  const security: SecurityEvents = { note: (...event) => void noted.push(event) };
  const server = new StatusServer({ listen: { host: "127.0.0.1", port }, source, security, logger, clock });
  await server.start();
  const url = `http://127.0.0.1:${server.port}`;
  return {
    server,
    url,
    clock,
    logger,
    noted,
    get: (path, headers = {}, method = "GET") => fetch(`${url}${path}`, { headers, method }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A request as it stands; the answer, once the line is closed. */
async function exchange(port: number, request: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.write(request);
  await once(socket, "close");
  return text;
}

afterEach(() => vi.restoreAllMocks());

describe("the page", () => {
  it("says that all is well, and shows each connection, entity and event", async () => {
    await using served = await serve();
    const response = await served.get("/");
    const text = await response.text();
    expect(response.headers.get("content-type")).toContain("text/html");
    for (const words of [
      "All is well.",
      "Plant Ulm",
      "plant-erp",
      "plant-lines",
      "work_order",
      "agent 1.2.3 started",
    ])
      expect(text).toContain(words);
    expect(text).toContain('<meta http-equiv="refresh"');
    expect(text).not.toContain("<script");
    expect(await (await served.get("/?still")).text()).not.toContain("http-equiv");
  });

  it("says what needs attention, and why", async () => {
    const relay = {
      url: "wss://r",
      state: "waiting",
      detail: "connect ECONNREFUSED",
      sinceMs: NOW_MS,
    } as const;
    const connections = [exampleConnection("plant-erp"), TROUBLED];
    await using served = await serve(exampleSource({ relay, connections, held: 2, halted: ["egress"] }));
    const text = await (await served.get("/")).text();
    expect(text).toContain("4 things need attention.");
    expect(text).toContain("The relay is not reached: connect ECONNREFUSED");
    expect(text).toContain("plant-cmms: degraded: work_order: column STATUS of WORKORDER does not exist");
    expect(text).toContain("2 h ago");
  });

  it("says so when there is no connection", async () => {
    await using served = await serve(exampleSource({ connections: [] }));
    expect(await (await served.get("/")).text()).toContain("has no connections: nothing is read");
  });

  it("shows who asked for which write and what came of it, and nothing of the record", async () => {
    const result = {
      type: "command_result",
      command_id: "cmd_1",
      outcome: "failed",
      code: "CONFLICT",
      result: { title: "CANARY-RESULT" },
    } as const;
    await using served = await serve(
      exampleSource({}, [exampleCommand({ state: "settled", result, approvedBy: "anna" })]),
    );
    for (const path of ["/", "/status.json", "/metrics"]) {
      const text = await (await served.get(path)).text();
      expect(text).not.toMatch(/CANARY/);
      if (path === "/metrics") continue;
      for (const words of [
        "received",
        "hold",
        "browse",
        "cmd_10",
        "maria@example.com",
        "work_order update",
        "failed",
        "CONFLICT",
        "anna",
      ])
        expect(text).toContain(words);
    }
  });

  it("escapes what comes from outside", async () => {
    const connections = [
      exampleConnection("plant-erp", { status: "degraded", reason: "<script>alert(1)</script>\"'&" }),
    ];
    await using served = await serve(exampleSource({ connections }));
    const text = await (await served.get("/")).text();
    expect(text).not.toContain("<script>");
    expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;");
  });
});

describe("for programs", () => {
  it("gives the status as JSON, without what is not known", async () => {
    await using served = await serve();
    const facts = await (await served.get("/status.json")).json();
    expect(facts).toMatchObject({
      atMs: NOW_MS,
      agentId: "agt_0123456789",
      connections: [{ name: "plant-erp" }, {}],
    });
  });

  it("gives every metric there is, with connections as the only labels", async () => {
    await using served = await serve(
      exampleSource({ connections: [exampleConnection("plant-erp"), TROUBLED] }),
    );
    const text = await (await served.get("/metrics")).text();
    for (const [name] of metricNames()) expect(text).toContain(`\n${name}`);
    expect(text).toContain('millrace_agent_connection_up{connection="plant-cmms"} 0');
    expect(text).toContain('millrace_agent_connection_backlog_batches{connection="plant-cmms"} 41');
    expect(text).toContain('millrace_agent_connection_oldest_unsent_seconds{connection="plant-cmms"} 5400');
    expect(text).toContain("millrace_agent_relay_connected 1");
    // A second look counts nothing twice.
    const again = await (await served.get("/metrics")).text();
    expect(again).toContain('millrace_agent_connection_changes_total{connection="plant-erp"} 51234');
  });

  it("forgets a connection that is gone", async () => {
    let connections = [exampleConnection("plant-erp"), TROUBLED];
    await using served = await serve({
      ...exampleSource(),
      status: () => exampleSource({ connections }).status(),
    });
    expect(await (await served.get("/metrics")).text()).toContain("plant-cmms");
    connections = [exampleConnection("plant-erp")];
    expect(await (await served.get("/metrics")).text()).not.toContain("plant-cmms");
  });
});

describe("its doors", () => {
  it.each(["127.0.0.1", "localhost", "127.0.0.1:8692", "[::1]:8692", "LOCALHOST:1"])(
    "answers to %s",
    async (host) => {
      await using served = await serve();
      const text = await exchange(
        served.server.port ?? 0,
        `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      expect(text).toMatch(/^HTTP\/1\.1 200/);
    },
  );

  it.each([
    "evil.example.com",
    "127.0.0.1.evil.example.com",
    "localhost.evil.example.com",
    "10.0.0.5:8692",
    "",
    "[::2]",
  ])("does not answer to %j, and notes it", async (host) => {
    await using served = await serve();
    const text = await exchange(
      served.server.port ?? 0,
      `GET /status.json HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 421/);
    expect(text).not.toContain("agt_");
    expect(served.noted).toEqual([["foreign_host_refused", { host }]]);
  });

  it.each(["POST", "PUT", "DELETE", "OPTIONS"])("takes no %s", async (method) => {
    await using served = await serve();
    const response = await served.get("/", {}, method);
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("answers HEAD without a body, and 404 elsewhere", async () => {
    await using served = await serve();
    const head = await served.get("/", {}, "HEAD");
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect((await served.get("/../etc/passwd?x=1")).status).toBe(404);
  });

  it("lets a browser run, load, frame and keep nothing", async () => {
    await using served = await serve();
    const response = await served.get("/");
    const { headers } = response;
    const text = response.text();
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("unsafe");
    const [, sheet = ""] = /<style>([^]*)<\/style>/.exec(await text) ?? [];
    expect(policy).toContain(`style-src 'sha256-${createHash("sha256").update(sheet).digest("base64")}'`);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  it("refuses heads that are too large", async () => {
    await using served = await serve();
    const text = await exchange(
      served.server.port ?? 0,
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 431/);
  });

  it("holds so many lines at once, and no more", async () => {
    await using served = await serve();
    const port = served.server.port ?? 0;
    const sockets = Array.from({ length: 40 }, () => connect(port, "127.0.0.1").on("error", () => {}));
    await vi.waitFor(() => expect(sockets.filter(({ closed }) => closed)).toHaveLength(8), {
      timeout: 30_000,
    });
    for (const socket of sockets) socket.destroy();
  });
});

it("says so when its port is taken, and takes it once it is free", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  await using served = await serve(exampleSource(), port);
  expect(served.server.port).toBeUndefined();
  expect(served.logger.lines.at(-1)).toMatchObject({
    level: "warn",
    message: expect.stringContaining("another program has that port"),
  });
  await new Promise((resolve) => other.close(resolve));
  served.clock.advance(30_000);
  await vi.waitFor(() => expect(served.server.port).toBe(port), { timeout: 30_000 });
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
});

it("is told of in docs/operations.md, every metric with its meaning", () => {
  const page = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
  for (const [name, help] of metricNames()) expect(page).toContain(`| \`${name}\` | ${help} |`);
});
