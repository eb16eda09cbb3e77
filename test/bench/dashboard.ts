// The dashboard in Chromium: what the first load weighs, how soon it can be used, and how soon a filtered page of a long log is there.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { firstLoad } from "#relay/dashboard/build.mjs";
import { newId } from "#relay/core/identifiers.ts";
import type { AttemptRow } from "#relay/core/webhooks/delivery.ts";
import { systemEntropy } from "#relay/entropy.ts";
import { buildIfStale, isChromiumThere, launchBrowser } from "#test/support/dashboard-browser.ts";
import { WebhookRelay } from "#test/support/webhook-relay.ts";
import type { BenchOptions, BenchRow } from "./bench-row.ts";
import { quantile } from "./public-api-client.ts";

const EMAIL = "bench@example.com";
const ENDPOINTS = 20;
const LOGGED = 100_000;
const QUICK_LOGGED = 10_000;
const ROUNDS = 9;
const QUICK_ROUNDS = 3;
/** One in so many deliveries has failed. */
const FAILED_EVERY = 400;
const PAGE_ROWS = 50;
const HOUR_MS = 3_600_000;
const READY_MS = 120_000;
const MAX_FIRST_BYTES = 60_000;

/** About a minute; without Chromium the page's weight and the API's part of it. */
export async function benchDashboard({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  await buildIfStale();
  const rounds = isQuick ? QUICK_ROUNDS : ROUNDS;
  await using relay = await WebhookRelay.create();
  const endpoints: string[] = [];
  for (let n = 0; n < ENDPOINTS; n += 1) endpoints.push((await relay.endpoint(`http://127.0.0.1:9/${n}`)).id);
  say("filling the log");
  const count = isQuick ? QUICK_LOGGED : LOGGED;
  await fillLog(relay, endpoints, count);
  const password = await relay.user(EMAIL, "admin");
  await relay.start();
  const [endpointId = ""] = endpoints;
  const filter = `endpoint_id=${endpointId}&state=exhausted`;
  const rows = [...weight(), await listed(relay, filter, rounds, count)];
  if (!isChromiumThere()) {
    say("no Chromium on this machine (apt-get install chromium): nothing was measured in a browser");
    return rows;
  }
  say("in Chromium");
  const browser = await launchBrowser();
  try {
    return [...rows, ...(await inBrowser({ browser, relay, password, endpointId, rounds, count }))];
  } finally {
    await browser.close();
  }
}

/** What the build says, whatever the browser. */
function weight(): readonly BenchRow[] {
  const files = firstLoad().map((file) => readFileSync(file));
  const raw = files.reduce((sum, { length }) => sum + length, 0);
  const zipped = files.reduce((sum, bytes) => sum + gzipSync(bytes).length, 0);
  const note = `${files.length} files: the page, its entry, styles; the first screen's own code comes after`;
  return [
    { name: "dashboard: build, gzipped", value: zipped, unit: "bytes", ceiling: MAX_FIRST_BYTES, note },
    { name: "dashboard: build", value: raw, unit: "bytes" },
  ];
}

/** The API's part of a filtered list. */
async function listed(relay: WebhookRelay, filter: string, rounds: number, count: number): Promise<BenchRow> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const startMs = performance.now();
    const response = await fetch(`${relay.url}/v1/webhook-deliveries?${filter}&limit=${PAGE_ROWS}`, {
      headers: { authorization: `Bearer ${relay.token}` },
    });
    const { data } = (await response.json()) as { readonly data: readonly unknown[] };
    times.push(performance.now() - startMs);
    if (data.length === 0) throw new TypeError(`the filtered log is empty: ${response.status}`);
  }
  const note = `first ${PAGE_ROWS} by endpoint and state from ${count} over HTTP, median of ${rounds}`;
  return { name: "dashboard: deliveries filtered, the API", value: quantile(times, 0.5), unit: "ms", note };
}

interface BrowserRun {
  readonly browser: Browser;
  readonly relay: WebhookRelay;
  readonly password: string;
  readonly endpointId: string;
  readonly rounds: number;
  readonly count: number;
}

async function inBrowser(run: BrowserRun): Promise<readonly BenchRow[]> {
  const { browser, relay, password, endpointId, rounds, count } = run;
  const [signIn, overview, filtered]: [Load[], Load[], Load[]] = [[], [], []];
  for (let round = 0; round < rounds; round += 1) {
    // A context of its own has nothing in its cache.
    const context = await browser.newContext({ baseURL: relay.url });
    signIn.push(await load(context, "/dashboard", 'input[type="password"]'));
    await context.close();
    const member = await browser.newContext({ baseURL: relay.url });
    const signedIn = await member.request.post("/v1/session", { data: { email: EMAIL, password } });
    if (!signedIn.ok()) throw new TypeError(`signing in was answered ${signedIn.status()}`);
    overview.push(await load(member, "/dashboard", ".figures"));
    const query = `endpoint_id=${endpointId}&state=exhausted`;
    filtered.push(await load(member, `/dashboard/webhooks/deliveries?${query}`, "tbody tr td a"));
    await member.close();
  }
  const of = `nothing cached, over loopback, median of ${rounds}`;
  const log = `from the address to rows: ${count} by endpoint and state, median of ${rounds}`;
  return [
    ...loadRows("dashboard: sign-in", signIn, of),
    ...loadRows("dashboard: overview", overview, of),
    median("dashboard: deliveries filtered, on the screen", "ms", filtered, ({ readyMs }) => readyMs, log),
  ];
}

interface Load {
  /** From the navigation's start until it is on the screen and nothing is fetched any more. */
  readonly readyMs: number;
  readonly requests: number;
  /** With headers, as compressed. */
  readonly wireBytes: number;
  readonly bodyBytes: number;
}

async function load(context: BrowserContext, path: string, selector: string): Promise<Load> {
  const page = await context.newPage();
  page.setDefaultTimeout(READY_MS);
  const traffic = await countTraffic(page);
  await page.goto(path, { waitUntil: "commit" });
  const isReady = `document.querySelector(${JSON.stringify(selector)}) !== null && document.querySelector("[aria-busy=true], .skeleton") === null`;
  // Frame by frame: the page's policy refuses waitForFunction, which compiles text there.
  const readyMs = await page.evaluate<number>(
    `new Promise((resolve) => { const look = () => { if (${isReady}) resolve(performance.now()); else requestAnimationFrame(look); }; look(); })`,
  );
  const sums = traffic();
  await page.close();
  return { readyMs, ...sums };
}

/** Of answers that have come whole: the stream of events never does. */
async function countTraffic(page: Page): Promise<() => Omit<Load, "readyMs">> {
  const protocol = await page.context().newCDPSession(page);
  const [sums, bodies] = [{ requests: 0, wireBytes: 0 }, new Map<string, number>()];
  protocol.on("Network.dataReceived", ({ requestId, dataLength }) => {
    bodies.set(requestId, (bodies.get(requestId) ?? 0) + dataLength);
  });
  protocol.on("Network.loadingFinished", ({ encodedDataLength }) => {
    sums.requests += 1;
    sums.wireBytes += encodedDataLength;
  });
  await protocol.send("Network.enable");
  return () => ({ ...sums, bodyBytes: [...bodies.values()].reduce((sum, length) => sum + length, 0) });
}

function loadRows(name: string, loads: readonly Load[], note: string): readonly BenchRow[] {
  return [
    median(`${name}, ready`, "ms", loads, ({ readyMs }) => readyMs, note),
    median(
      `${name}, over the wire`,
      "bytes",
      loads,
      ({ wireBytes }) => wireBytes,
      "with headers and the API's answers",
    ),
    median(`${name}, unpacked`, "bytes", loads, ({ bodyBytes }) => bodyBytes),
    median(`${name}, answers`, "requests", loads, ({ requests }) => requests),
  ];
}

function median(
  name: string,
  unit: string,
  loads: readonly Load[],
  of: (load: Load) => number,
  note?: string,
): BenchRow {
  return { name, value: quantile(loads.map(of), 0.5), unit, ...(note === undefined ? {} : { note }) };
}

async function fillLog(relay: WebhookRelay, endpoints: readonly string[], count: number): Promise<void> {
  const { store, workspaceId } = relay;
  // Of the last hour: nothing is old enough to be pruned.
  const firstMs = Date.now() - HOUR_MS;
  const events = count / endpoints.length;
  for (let n = 0; n < events; n += 1) {
    const atMs = firstMs + Math.floor((n * HOUR_MS) / events);
    const eventId = `evt_log_${n}`;
    const message = {
      eventId,
      workspaceId,
      connectionId: undefined,
      recordId: undefined,
      type: "work_order.updated",
      position: n,
      atMs,
      full: JSON.stringify({ id: eventId, type: "work_order.updated" }),
      thin: undefined,
    };
    const made = endpoints.map((endpointId, at) => {
      const id = newId("whd", atMs, systemEntropy.randomBytes);
      return { id, endpointId, isFailed: (n + at) % FAILED_EVERY === 0 };
    });
    const deliveries = made.map(({ id, endpointId }) => {
      return { id, endpointId, eventId, trigger: "automatic" as const, dueAtMs: atMs };
    });
    await store.webhooks.publish({ workspaceId, messages: [message], deliveries, atMs });
    await store.webhooks.settle({
      settlements: made.map(({ id, endpointId, isFailed }) => ({
        endpointId,
        state: isFailed ? "exhausted" : "delivered",
        nextAttemptAtMs: undefined,
        firstAttemptAtMs: atMs,
        attempt: attempt(id, atMs, isFailed ? 500 : 200),
      })),
      endpoints: [],
      events: [],
    });
  }
}

function attempt(deliveryId: string, atMs: number, status: number): AttemptRow {
  return {
    deliveryId,
    number: 1,
    trigger: "automatic",
    atMs,
    url: "http://127.0.0.1:9/",
    requestHeaders: {},
    status,
    error: undefined,
    detail: undefined,
    responseHeaders: {},
    responseBody: undefined,
    remoteAddress: undefined,
    timings: { dnsMs: undefined, connectMs: 1, tlsMs: 2, firstByteMs: 3, totalMs: 4 },
  };
}
