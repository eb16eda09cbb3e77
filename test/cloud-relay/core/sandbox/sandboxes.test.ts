// Sandboxes by a clock that a test moves: they live while somebody asks, heal by themselves, and come back after a restart.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { batchCodec } from "#common/contract/batch.ts";
import { recordId } from "#common/contract/record-id.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import { createConnection, createWorkspace } from "#relay/core/administration.ts";
import { OperationJournal } from "#relay/core/operations/operation-journal.ts";
import type { OperationRow } from "#relay/core/operations/operation.ts";
import { Sandboxes } from "#relay/core/sandbox/sandboxes.ts";
import type { ConnectionRow, Scope } from "#relay/core/store.ts";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { until } from "#test/support/until.ts";
import { entropy } from "#test/cloud-relay/http/relay-fixture.ts";

const MINUTE_MS = 60_000;

const LISTED = {
  entity: "work_order",
  afterRevision: 0,
  beforeRevision: undefined,
  includeDeleted: false,
  includeRaw: false,
  limit: 1_000,
};

let clock: FakeClock;
let store: MemoryStore;
let bus: InProcessBus;
let stopping: AbortController;
let running: Promise<void>;
let connection: ConnectionRow;
let scope: Scope;

beforeEach(async () => {
  clock = new FakeClock(Date.parse("2026-03-02T10:00:00Z"));
  store = new MemoryStore({ newGeneration: () => "generation" });
  bus = new InProcessBus({ clock, onHandlerError: (error) => void expect.unreachable(String(error)) });
  stopping = new AbortController();
  running = Promise.resolve();
  const administration = { directory: store.directory, entropy, nowMs: () => clock.nowMs() };
  const { id: workspaceId } = await createWorkspace(administration, "acme");
  connection = await createConnection(administration, { workspaceId, name: "try", kind: "sandbox" });
  scope = { workspaceId, connectionIds: [connection.id] };
});

afterEach(async () => {
  stopping.abort();
  await running;
  await bus[Symbol.asyncDispose]();
});

function begin(): Sandboxes {
  const nowMs = (): number => clock.nowMs();
  const journal = new OperationJournal({ store, bus, clock, recordId });
  const ingest = { store, codec: batchCodec, nowMs, recordId, massDeleteFraction: 1 };
  const sandboxes = new Sandboxes({ ingest, entropy, bus, clock, logger: silentLogger, journal });
  running = sandboxes.run(stopping.signal);
  return sandboxes;
}

async function row(): Promise<ConnectionRow> {
  const found = await store.directory.connection(scope, connection.id);
  if (found === undefined) throw new TypeError("the connection is gone");
  return found;
}

async function filled(): Promise<Sandboxes> {
  const sandboxes = begin();
  await until("the sandbox to be online", async () => (await row()).state === "online");
  return sandboxes;
}

async function newest(): Promise<number> {
  const { newest: position } = await store.reader.feedBounds(connection.workspaceId);
  return position;
}

/** The loop has looked, and waits for its next time. */
async function looked(): Promise<void> {
  await until("the loop to wait", () => clock.pendingTimers > 0);
}

async function minutes(count: number): Promise<void> {
  for (let at = 0; at < count * 12; at += 1) {
    await looked();
    clock.advance(MINUTE_MS / 12);
  }
  await looked();
}

describe("a sandbox", () => {
  it("that a restart finds unfilled is filled", async () => {
    await filled();
    expect(await store.reader.countRecords(scope, "purchase_order")).toBe(186);
  });

  it("lives once a minute while somebody asks, and rests an hour after", async () => {
    const sandboxes = await filled();
    const atFirst = await newest();
    await minutes(3);
    expect(await newest()).toBe(atFirst);
    sandboxes.noticed(scope);
    await minutes(2);
    const afterTwo = await newest();
    expect(afterTwo).toBeGreaterThan(atFirst);
    clock.advance(61 * MINUTE_MS);
    await minutes(1);
    const atRest = await newest();
    await minutes(3);
    expect(await newest()).toBe(atRest);
  });

  it("that was told to fail heals by itself, and after a restart", async () => {
    const sandboxes = await filled();
    await sandboxes.put(connection, { state: "source_offline", delayMs: 0, errorRate: 0 }, MINUTE_MS);
    expect((await row()).state).toBe("offline");
    clock.advance(MINUTE_MS);
    await until("it to heal", async () => (await row()).state === "online");
    await sandboxes.put(connection, { state: "agent_offline", delayMs: 0, errorRate: 0 }, 10 * MINUTE_MS);
    expect((await row()).state).toBe("offline");
    begin();
    await until("the restart to heal it", async () => (await row()).state === "online");
  });

  it("takes up a write that a restart cut off, and changes nothing by it", async () => {
    await filled();
    const { workspaceId, id: connectionId } = connection;
    const body = { entity: "work_order", operation: "update", key: '["WO-20100"]', values: { title: "New" } };
    const nowMs = clock.nowMs();
    const cutOff: OperationRow = {
      id: "op_cut_off",
      workspaceId,
      connectionId,
      entity: "work_order",
      operation: "update",
      state: "accepted",
      body,
      mayQueue: false,
      isSandbox: true,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + MINUTE_MS,
      requestId: "req_1",
    };
    await store.operations.create([cutOff], undefined);
    const look = async () => (await store.reader.listRecords(scope, LISTED)).map(({ revision }) => revision);
    const before = await look();
    begin();
    const ended = await until("the write's end", async () => {
      const found = await store.operations.byId("op_cut_off");
      return found?.finishedAtMs === undefined ? undefined : found;
    });
    expect(ended).toMatchObject({ state: "succeeded", result: { record: { title: "New" }, is_dry: true } });
    expect(await look()).toEqual(before);
  });

  it("that is disconnected while it fails stays so", async () => {
    const sandboxes = await filled();
    await sandboxes.put(connection, { state: "source_offline", delayMs: 0, errorRate: 0 }, MINUTE_MS);
    await store.directory.disconnectConnection(connection.workspaceId, connection.id, clock.nowMs());
    const before = await newest();
    clock.advance(MINUTE_MS);
    await sandboxes.live(connection, 1);
    expect((await row()).state).toBe("offline");
    expect(await newest()).toBe(before);
  });
});
