// A relay's HTTP side over a real SQLite store in a temporary directory, with two tenants, for tests.
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordId } from "#common/contract/record-id.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { systemClock, type Clock } from "#common/runtime/clock.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import { createConnection, createToken, createWorkspace } from "#relay/core/administration.ts";
import { subjects } from "#relay/core/bus.ts";
import type { NewEvent, NewRecord, Store } from "#relay/core/store.ts";
import type { Entropy } from "#relay/core/tokens.ts";
import { RequestLog } from "#relay/core/requests/request-log.ts";
import type { RequestLimits } from "#relay/core/limits/rate-limits.ts";
import type { HttpDeps, HttpServer } from "#relay/http/http-types.ts";
import { ListenerHub } from "#relay/http/listener-hub.ts";
import { HttpMetrics } from "#relay/http/metrics.ts";
import { buildHttpServer } from "#relay/http/server.ts";
import { Users } from "#relay/core/users/users.ts";
import { ScryptPasswords } from "#relay/passwords.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { fakePlants, type FakePlants } from "#test/support/fake-commands.ts";
import { FakeSender, fakeWebhooks } from "#test/support/fake-webhooks.ts";

export const entropy: Entropy = {
  randomBytes: (count) => randomBytes(count),
  sha256Hex: (text) => createHash("sha256").update(text).digest("hex"),
};

export interface Tenant {
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly otherConnectionId: string;
  readonly workspaceToken: string;
  readonly workspaceAdminToken: string;
  readonly connectionToken: string;
}

export interface RelayFixture extends AsyncDisposable {
  readonly app: HttpServer;
  readonly store: Store;
  readonly bus: InProcessBus;
  readonly deps: HttpDeps;
  /** What the plants answer. */
  readonly plants: FakePlants;
  /** Where webhooks go. */
  readonly sender: FakeSender;
  readonly acme: Tenant;
  readonly rival: Tenant;
  readonly adminToken: string;
  readonly stop: AbortController;
}

/** Real, but quick: N = 2^10. */
const CHEAP_PASSWORDS = new ScryptPasswords({ N: 1_024, r: 8, p: 1 });

/** Tests ask more often than anybody should. */
const NO_LIMITS: RequestLimits = {
  connectionPerMinute: 1e9,
  workspacePerMinute: 1e9,
  workspaceAtOnce: 1e9,
};

export async function relayFixture(
  options: { readonly clock?: Clock; readonly limits?: RequestLimits } = {},
): Promise<RelayFixture> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-http-"));
  const clock = options.clock ?? systemClock;
  const store = await openSqliteStore({ path: join(directory, "relay.db") });
  const bus = new InProcessBus({
    clock,
    onHandlerError: (error) => {
      throw error;
    },
  });
  const stop = new AbortController();
  const plants = fakePlants(store, bus, clock);
  const sender = new FakeSender();
  const listeners = new ListenerHub({ clock, newTicket: () => randomBytes(16).toString("base64url") });
  const deps: HttpDeps = {
    webhooks: fakeWebhooks({ store, bus, entropy, clock, sender, listener: listeners }),
    listeners,
    store,
    bus,
    commands: plants.commands,
    operations: plants.operations,
    users: new Users({
      store,
      entropy,
      passwords: CHEAP_PASSWORDS,
      nowMs: () => clock.nowMs(),
      changed: (workspaceId) => bus.publish(subjects.directory(workspaceId), {}),
    }),
    clock,
    entropy,
    logger: silentLogger,
    metrics: new HttpMetrics(),
    limits: options.limits ?? NO_LIMITS,
    // Busy machines run tests too.
    loopDelayMs: () => 0,
    requestLog: new RequestLog({ store: store.requests, clock, logger: silentLogger }),
    relayPublicKey: randomBytes(32).toString("base64url"),
    stopping: stop.signal,
  };
  const app = await buildHttpServer(deps);
  const administration = { directory: store.directory, entropy, nowMs: () => clock.nowMs() };
  const admin = await createToken(administration, { kind: "admin" });
  return {
    app,
    store,
    bus,
    deps,
    plants,
    sender,
    stop,
    acme: await tenant(administration, "acme"),
    rival: await tenant(administration, "rival"),
    adminToken: admin.token,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await app.close();
      await bus[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function tenant(administration: Parameters<typeof createToken>[0], name: string): Promise<Tenant> {
  const workspace = await createWorkspace(administration, name);
  const workspaceId = workspace.id;
  const connection = await createConnection(administration, { workspaceId, name: "maximo" });
  const other = await createConnection(administration, { workspaceId, name: "press", environment: "test" });
  const connectionId = connection.id;
  return {
    workspaceId,
    connectionId,
    otherConnectionId: other.id,
    workspaceToken: (await createToken(administration, { kind: "workspace", workspaceId })).token,
    workspaceAdminToken: (
      await createToken(administration, { kind: "workspace", workspaceId, scopes: ["admin"] })
    ).token,
    connectionToken: (await createToken(administration, { kind: "connection", workspaceId, connectionId }))
      .token,
  };
}

export interface RecordSeed {
  readonly entity: string;
  readonly key: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly raw?: string;
}

/** Commits records and their events in one transaction, as ingest does; returns the records. */
export async function commitRecords(
  fixture: RelayFixture,
  at: { readonly workspaceId: string; readonly connectionId: string },
  seeds: readonly RecordSeed[],
): Promise<readonly NewRecord[]> {
  const nowMs = fixture.deps.clock.nowMs();
  const written = await fixture.store.ingest(async (tx) => {
    const first = await tx.revisions(seeds.length, nowMs);
    const made = seeds.map((seed, index) => newRecord(at.connectionId, seed, first + index, nowMs));
    const ids = made.map(({ id }) => id);
    const known = await tx.recordStates(at.connectionId, ids);
    const records = made.map((record) =>
      Object.assign(record, { createdAtMs: known.get(record.id)?.createdAtMs ?? nowMs }),
    );
    await tx.putRecords(records);
    await tx.appendEvents(records.map((record) => newEvent(at.workspaceId, record)));
    return records;
  });
  fixture.bus.publish(subjects.feed(at.workspaceId), {});
  return written;
}

function newRecord(connectionId: string, seed: RecordSeed, revision: number, nowMs: number): NewRecord {
  const remoteId = seed.key;
  const text = JSON.stringify({
    remote_id: remoteId,
    remote_key: { ID: remoteId },
    source: { system: "test", table: "T" },
    ...seed.fields,
  });
  const key = JSON.stringify([remoteId]);
  return {
    id: recordId(connectionId, seed.entity, key),
    connectionId,
    entity: seed.entity,
    key,
    text,
    raw: seed.raw,
    hash: createHash("sha256").update(text).digest("base64url").slice(0, 22),
    version: "7",
    revision,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    deletedAtMs: undefined,
    presence: "present",
    deleteReason: undefined,
    incarnation: 1,
    origin: "change",
    mappingVersion: "0011223344556677",
    epochNo: 1,
  };
}

function newEvent(workspaceId: string, record: NewRecord): NewEvent {
  return {
    position: record.revision,
    id: `evt_r_${record.revision}`,
    type: `${record.entity}.created`,
    workspaceId,
    connectionId: record.connectionId,
    entity: record.entity,
    recordId: record.id,
    origin: "change",
    atMs: record.updatedAtMs,
    data: JSON.stringify({ revision: record.revision }),
  };
}

export interface JsonAnswer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into arbitrary answers
  readonly body: any;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export async function get(
  fixture: RelayFixture,
  url: string,
  token?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<JsonAnswer> {
  return send(fixture, "GET", url, token, undefined, headers);
}

export async function send(
  fixture: RelayFixture,
  method: "GET" | "POST" | "DELETE" | "PUT" | "PATCH",
  url: string,
  token?: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<JsonAnswer> {
  const answer = await fixture.app.inject({
    method,
    url,
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { payload: body }),
  });
  const isJson = /[/+]json/.test(String(answer.headers["content-type"]));
  return {
    status: answer.statusCode,
    body: isJson && answer.body !== "" ? JSON.parse(answer.body) : undefined,
    headers: answer.headers,
    text: answer.body,
  };
}
