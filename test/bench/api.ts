// How fast the read API is beside bare Fastify sending the same bytes, in the same process and the same run.
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import Fastify from "fastify";
import { recordId } from "#common/contract/record-id.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import { createConnection, createToken, createWorkspace } from "#relay/core/administration.ts";
import type { NewRecord, Store } from "#relay/core/store.ts";
import { systemEntropy } from "#relay/entropy.ts";
import { HttpMetrics } from "#relay/http/metrics.ts";
import { RequestLog } from "#relay/core/requests/request-log.ts";
import { buildHttpServer } from "#relay/http/server.ts";
import { Users } from "#relay/core/users/users.ts";
import { ScryptPasswords } from "#relay/passwords.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { fakePlants } from "#test/support/fake-commands.ts";
import type { BenchRow } from "./bench-row.ts";
import type { LoadRequest, LoadResult } from "./http-load.ts";

const RECORDS = 20_000;
const PAGE = 50;
const LIST = `API list of ${PAGE}`;
const GET = "API get by id";
/** More than are asked for while it is measured: none comes twice. */
const UNSEEN_ADDRESSES = 30_000;
/** Addresses taken in turn, so that no answer is the previous one's. */
const ADDRESSES = 200;
const SOCKETS = 16;
const ROUNDS = 4;
const ROUND_MS = 900;
const FLOOR = 0.6;

/** About 20 s. Rounds of both servers alternate, so that what else the machine does hits both. */
export async function benchApi(): Promise<readonly BenchRow[]> {
  await using relay = await openRelay();
  const { port, token } = relay;
  const list = await compare(LIST, port, token, relay.listPaths);
  const unseen = await inTurn(`${LIST}, pages not kept`, port, token, unseenPages(), list.bare);
  const get = await compare(GET, port, token, every(relay.recordPaths, ADDRESSES));
  const cold = await inTurn(`${GET}, records not remembered`, port, token, relay.recordPaths, get.bare);
  const filtered = await inTurn(`${LIST}, filtered`, port, token, filteredPages(), list.bare);
  const needle = await inTurn(`API one of ${RECORDS} by a filter`, port, token, needles(), list.bare);
  return [...list.rows, ...unseen, ...filtered, ...needle, ...get.rows, ...cold];
}

function unseenPages(): readonly string[] {
  const from = `/v1/purchase-orders?limit=${PAGE}&modified_after=2001-01-01T00:00:00`;
  return Array.from({ length: UNSEEN_ADDRESSES }, (_, n) => `${from}.${String(n).padStart(6, "0")}Z`);
}

function filteredPages(): readonly string[] {
  return unseenPages().map((path) => `${path}&status=approved&currency=EUR`);
}

/** Every record is looked at for each of these. */
function needles(): readonly string[] {
  return Array.from({ length: ADDRESSES }, (_, n) => `/v1/purchase-orders?number=PO-${RECORDS - 1 - n}`);
}

/** Each answer is read from the store: an address comes once, or again when it is long forgotten. */
async function inTurn(
  name: string,
  port: number,
  token: string,
  paths: readonly string[],
  bare: Measured,
): Promise<readonly BenchRow[]> {
  const requests = paths.map((path) => requestText(path, token));
  const found = await measure({ requests, sockets: SOCKETS, durationMs: ROUND_MS * 2, port });
  const note = `${paths.length} addresses in turn: every answer is read from the store anew`;
  return [
    { name, value: Math.round(found.perSecond), unit: "requests/s", note },
    {
      name: `${name}: share of bare Fastify`,
      value: share(found.perCpuSecond, bare.perCpuSecond),
      unit: "ratio",
      note,
    },
  ];
}

function requestText(path: string, token: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`;
}

async function compare(
  name: string,
  port: number,
  token: string,
  paths: readonly string[],
): Promise<{ readonly rows: readonly BenchRow[]; readonly bare: Measured }> {
  const bodies = new Map<string, Sent>();
  for (const path of paths) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const headers = Object.fromEntries([...answer.headers].filter(([name]) => !MADE_BY_NODE.has(name)));
    bodies.set(path, { headers, body: await answer.text() });
  }
  await using bare = await openBare(bodies);
  const requests = paths.map((path) => requestText(path, token));
  const load = { requests, sockets: SOCKETS, durationMs: ROUND_MS };
  await inWorker({ ...load, port });
  await inWorker({ ...load, port: bare.port });
  const [ours, theirs]: [Measured[], Measured[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await measure({ ...load, port }));
    theirs.push(await measure({ ...load, port: bare.port }));
  }
  const bytes = Math.round(
    [...bodies.values()].reduce((sum, { body }) => sum + Buffer.byteLength(body), 0) / bodies.size,
  );
  const shown = `${SOCKETS} sockets, ${ADDRESSES} addresses in turn, ${bytes} bytes each, median of ${ROUNDS} rounds`;
  const [relay, plain] = [median(ours), median(theirs)];
  const rows: readonly BenchRow[] = [
    { name, value: Math.round(relay.perSecond), unit: "requests/s", note: shown },
    {
      name: `${name}: bare Fastify, same bytes`,
      value: Math.round(plain.perSecond),
      unit: "requests/s",
      note: shown,
    },
    {
      name: `${name}: share of bare Fastify`,
      value: share(relay.perCpuSecond, plain.perCpuSecond),
      unit: "ratio",
      floor: FLOOR,
      note: `by processor time of the serving thread (by the clock ${share(relay.perSecond, plain.perSecond)}); with authentication, validation, SQLite and metrics against a string at hand and the same headers`,
    },
  ];
  return { rows, bare: plain };
}

function share(ours: number, theirs: number): number {
  return Number((ours / theirs).toFixed(3));
}

/** What goes over the line for one address: the bare server sends the same headers too. */
interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const MADE_BY_NODE = new Set(["content-length", "date", "connection", "keep-alive"]);

async function openBare(
  bodies: ReadonlyMap<string, Sent>,
): Promise<AsyncDisposable & { readonly port: number }> {
  const app = Fastify();
  app.get("/*", (request, reply) => {
    const sent = bodies.get(request.url);
    return sent === undefined ? reply.callNotFound() : reply.headers(sent.headers).send(sent.body);
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  return { port: (app.server.address() as AddressInfo).port, [Symbol.asyncDispose]: () => app.close() };
}

async function openRelay() {
  const directory = await mkdtemp(join(tmpdir(), "millrace-bench-api-"));
  const store = await openSqliteStore({ path: join(directory, "relay.db") });
  const bus = new InProcessBus({ clock: systemClock, onHandlerError: () => {} });
  const stop = new AbortController();
  const plants = fakePlants(store, bus, systemClock);
  const app = await buildHttpServer({
    store,
    bus,
    commands: plants.commands,
    operations: plants.operations,
    users: new Users({
      store,
      entropy: systemEntropy,
      passwords: new ScryptPasswords(),
      nowMs: () => Date.now(),
      changed: () => {},
    }),
    clock: systemClock,
    entropy: systemEntropy,
    logger: silentLogger,
    metrics: new HttpMetrics(),
    requestLog: new RequestLog({ store: store.requests, clock: systemClock, logger: silentLogger }),
    limits: { connectionPerMinute: 1e9, workspacePerMinute: 1e9, workspaceAtOnce: 1e6 },
    relayPublicKey: randomBytes(32).toString("base64url"),
    stopping: stop.signal,
  });
  const administration = { directory: store.directory, entropy: systemEntropy, nowMs: () => Date.now() };
  const { id: workspaceId } = await createWorkspace(administration, "bench");
  const connection = await createConnection(administration, { workspaceId, name: "bench" });
  const { token } = await createToken(administration, {
    kind: "connection",
    workspaceId,
    connectionId: connection.id,
  });
  const records = await fill(store, connection.id);
  await app.listen({ host: "127.0.0.1", port: 0 });
  const port = (app.server.address() as AddressInfo).port;
  return {
    port,
    token,
    listPaths: await walkedPaths(port, token),
    recordPaths: records.map((record) => `/v1/purchase-orders/${record.id}`),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await app.close();
      await bus[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The pages of a walk, as a consumer would ask for them. */
async function walkedPaths(port: number, token: string): Promise<readonly string[]> {
  const first = `/v1/purchase-orders?limit=${PAGE}`;
  const paths = [first];
  while (paths.length < ADDRESSES) {
    const answer = await fetch(`http://127.0.0.1:${port}${paths.at(-1)}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { next_cursor: cursor } = (await answer.json()) as { next_cursor: string | null };
    if (cursor === null) break;
    paths.push(`${first}&cursor=${cursor}`);
  }
  return paths;
}

async function fill(store: Store, connectionId: string): Promise<readonly NewRecord[]> {
  const all: NewRecord[] = [];
  for (let from = 0; from < RECORDS; from += 1_000) {
    const records = await store.ingest(async (tx) => {
      const revision = await tx.revisions(1_000, Date.now());
      const made = Array.from({ length: 1_000 }, (_, n) =>
        purchaseOrder(connectionId, from + n, revision + n),
      );
      await tx.putRecords(made);
      return made;
    });
    all.push(...records);
  }
  return all;
}

function purchaseOrder(connectionId: string, n: number, revision: number): NewRecord {
  const number = `PO-${n}`;
  const line = {
    line_number: "1",
    type: "item",
    item_code: `I-${n}`,
    quantity: "10",
    uom: "EA",
    unit_price: "12.50",
    line_total: "125.00",
  };
  const text = JSON.stringify({
    remote_id: number,
    remote_key: { PONUM: number, SITEID: "BEDFORD" },
    source: { system: "maximo", table: "PO" },
    number,
    status: "approved",
    native_status: "APPR",
    description: `Bearings and seals for line ${n % 40}`,
    order_date: "2026-02-27",
    currency: "EUR",
    total: "250.00",
    lines: [line, { ...line, line_number: "2" }],
    custom_fields: { PROJECT: "LINE-3" },
  });
  const key = JSON.stringify([number]);
  return {
    id: recordId(connectionId, "purchase_order", key),
    connectionId,
    entity: "purchase_order",
    key,
    text,
    raw: undefined,
    hash: createHash("sha256").update(text).digest("base64url").slice(0, 22),
    version: String(n),
    revision,
    createdAtMs: Math.floor(revision / 1_000),
    updatedAtMs: Math.floor(revision / 1_000),
    deletedAtMs: undefined,
    presence: "present",
    deleteReason: undefined,
    incarnation: 1,
    origin: "snapshot",
    mappingVersion: "0011223344556677",
    epochNo: 1,
  };
}

/** The load comes from a thread of its own: the servers' thread does nothing but serve. */
function inWorker(load: LoadRequest): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("http-load.ts", import.meta.url), { workerData: load });
    worker.once("error", reject);
    worker.once("message", (message: { result?: LoadResult; error?: string }) => {
      if (message.result === undefined) reject(new TypeError(message.error ?? "no result"));
      else resolve(message.result);
    });
  });
}

interface Measured {
  readonly perSecond: number;
  /** Requests per second of the serving thread's own processor time: what else the machine does hardly shows in it. */
  readonly perCpuSecond: number;
}

async function measure(load: LoadRequest): Promise<Measured> {
  const before = process.threadCpuUsage();
  const { answers, elapsedMs } = await inWorker(load);
  const used = process.threadCpuUsage(before);
  return {
    perSecond: (answers / elapsedMs) * 1_000,
    perCpuSecond: (answers / (used.user + used.system)) * 1_000_000,
  };
}

function median(rounds: readonly Measured[]): Measured {
  return {
    perSecond: middle(rounds.map((round) => round.perSecond)),
    perCpuSecond: middle(rounds.map((round) => round.perCpuSecond)),
  };
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.floor(half)] ?? 0) + (sorted[Math.ceil(half) - 1] ?? 0)) / 2;
}

function every<Item>(items: readonly Item[], count: number): readonly Item[] {
  const step = Math.max(1, Math.floor(items.length / count));
  return items.filter((_, index) => index % step === 0).slice(0, count);
}
