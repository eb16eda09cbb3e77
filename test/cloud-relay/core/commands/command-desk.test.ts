// Asking agents: answers, deadlines, callers and agents that go away, and the limits of one agent.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { CommandResult, DownMessage } from "#common/contract/messages.ts";
import { recordId } from "#common/contract/record-id.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import type { AgentPeer } from "#relay/core/agents/agent-watcher.ts";
import { CommandDesk } from "#relay/core/commands/command-desk.ts";
import { MAX_UNDER_WAY, MAX_WAITING } from "#relay/core/commands/command-slots.ts";
import { liveRecords } from "#relay/core/commands/live-read.ts";
import { newConnectionRow } from "#relay/core/connections/new-connection.ts";
import { OperationJournal } from "#relay/core/operations/operation-journal.ts";
import { Operations } from "#relay/core/operations/operations.ts";
import type { OperationRow } from "#relay/core/operations/operation.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const connection: ConnectionRow = {
  ...newConnectionRow({
    id: "0190a000-0000-7000-8000-000000000001",
    workspaceId: "ws_1",
    name: "plant",
    reason: undefined,
    advice: undefined,
    createdAtMs: 0,
  }),
  agentId: "agt_1",
  state: "online",
};

class Peer implements AgentPeer {
  readonly agentId = "agt_1";
  readonly workspaceId = "ws_1";
  readonly session: number;
  readonly got: DownMessage[] = [];

  constructor(session = 1) {
    this.session = session;
  }

  send(message: DownMessage): void {
    this.got.push(message);
  }

  /** Ids of the commands that came. */
  commands(): readonly string[] {
    return this.got.flatMap((message) => (message.type === "command" ? message.command_id : []));
  }

  cancelled(): readonly string[] {
    return this.got.flatMap((message) => (message.type === "command_cancel" ? message.command_id : []));
  }
}

let clock: FakeClock;
let bus: InProcessBus;
let desk: CommandDesk;
let peer: Peer;
let store: MemoryStore;
let operations: Operations;

beforeEach(async () => {
  clock = new FakeClock();
  bus = new InProcessBus({ clock, onHandlerError: () => {} });
  store = new MemoryStore({ newGeneration: () => "g" });
  await store.directory.createWorkspace({ id: "ws_1", name: "w", createdAtMs: 0 });
  await store.directory.createConnection(connection);
  start();
  peer = new Peer();
  await desk.opened(peer);
});
/** A relay process over the store. */
function start(): void {
  const journal = new OperationJournal({ store, bus, clock, recordId });
  const logger = silentLogger;
  const randomBytes = (count: number): Uint8Array => new Uint8Array(count);
  desk = new CommandDesk({ bus, clock, randomBytes, store, journal, logger });
  operations = new Operations({ store, journal, carrier: desk, commands: desk, bus, clock, logger });
}

afterEach(() => bus[Symbol.asyncDispose]());

function ask(
  commandId: string,
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
) {
  const { timeoutMs = 5_000, signal } = options;
  const body = { entity: "work_order", keys: ['["1"]'] };
  return desk.ask({
    connection,
    kind: "read",
    body,
    commandId,
    timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
}

function done(command_id: string, result: unknown = {}): Promise<void> {
  return desk.received(peer, { type: "command_result", command_id, outcome: "succeeded", result });
}

/** Lets what was asked reach the peer. */
function arrives(count: number): Promise<void> {
  return vi.waitFor(() => expect(peer.commands()).toHaveLength(count));
}

test("a command goes to the agent with its time, and its result comes back", async () => {
  const asked = ask("a", { timeoutMs: 1_500 });
  await arrives(1);
  expect(peer.got).toEqual([
    {
      type: "command",
      command_id: "a",
      connection_id: connection.id,
      kind: "read",
      ttl_ms: 1_500,
      body: { entity: "work_order", keys: ['["1"]'] },
    },
  ]);
  await done("a", { records: [] });
  expect(await asked).toMatchObject({ outcome: "succeeded", result: { records: [] } });
  expect(clock.pendingTimers).toBe(0);
});

test("without a session the agent is offline at once; a connection without an agent too", async () => {
  desk.closed(peer);
  await expect(ask("a")).rejects.toMatchObject({
    code: "AGENT_OFFLINE",
    extras: { connectionStatus: { state: "offline" }, retryAfterSeconds: 5 },
  });
  const unbound = { ...connection, agentId: undefined };
  await expect(desk.ask({ connection: unbound, kind: "test", body: {}, timeoutMs: 1 })).rejects.toMatchObject(
    { code: "AGENT_OFFLINE" },
  );
});

test("an agent that goes while it is asked leaves nobody waiting; a session that was replaced says nothing more", async () => {
  const asked = ask("a");
  await arrives(1);
  desk.closed(peer);
  await expect(asked).rejects.toMatchObject({ code: "AGENT_OFFLINE" });
  const next = new Peer(2);
  await desk.opened(next);
  desk.closed(peer);
  const again = ask("b");
  await vi.waitFor(() => expect(next.commands()).toEqual(["b"]));
  await desk.received(next, { type: "command_result", command_id: "b", outcome: "succeeded" });
  expect(await again).toMatchObject({ outcome: "succeeded" });
});

test("what is not answered in time is called off", async () => {
  const asked = ask("a", { timeoutMs: 2_000 });
  asked.catch(() => {});
  await arrives(1);
  clock.advance(1_999);
  expect(peer.cancelled()).toEqual([]);
  clock.advance(1);
  await expect(asked).rejects.toMatchObject({ code: "SOURCE_TIMEOUT" });
  expect(peer.cancelled()).toEqual(["a"]);
  // A late answer is nobody's.
  await done("a");
});

test("a caller who goes away has the command called off, or never sent", async () => {
  const caller = new AbortController();
  const asked = ask("a", { signal: caller.signal });
  await arrives(1);
  caller.abort();
  await expect(asked).rejects.toMatchObject({ code: "CANCELLED" });
  expect(peer.cancelled()).toEqual(["a"]);
  await expect(ask("b", { signal: caller.signal })).rejects.toMatchObject({ code: "CANCELLED" });
  expect(peer.commands()).toEqual(["a"]);
});

test("only so many are under way, so many wait, and the rest is refused; who leaves the line makes room", async () => {
  const caller = new AbortController();
  const all: Promise<unknown>[] = [];
  for (let n = 0; n < MAX_UNDER_WAY; n += 1) all.push(ask(`run-${n}`));
  const left = ask("left", { signal: caller.signal });
  for (let n = 1; n < MAX_WAITING; n += 1) all.push(ask(`wait-${n}`));
  await arrives(MAX_UNDER_WAY);
  await expect(ask("over")).rejects.toMatchObject({ code: "OVERLOADED" });
  caller.abort();
  await expect(left).rejects.toMatchObject({ code: "CANCELLED" });
  all.push(ask("late"));
  await done("run-0");
  await arrives(MAX_UNDER_WAY + 1);
  expect(peer.commands().at(-1)).toBe("wait-1");
  expect(peer.cancelled()).toEqual([]);
  for (let n = 1; n < MAX_UNDER_WAY; n += 1) await done(`run-${n}`);
  for (let n = 1; n < MAX_WAITING; n += 1) await done(`wait-${n}`);
  await arrives(MAX_UNDER_WAY + MAX_WAITING);
  await done("late");
  await Promise.all(all);
});

test("who waits too long for a place was never sent", async () => {
  for (let n = 0; n < MAX_UNDER_WAY; n += 1) void ask(`run-${n}`, { timeoutMs: 60_000 }).catch(() => {});
  await arrives(MAX_UNDER_WAY);
  const asked = ask("late", { timeoutMs: 500 });
  asked.catch(() => {});
  await vi.waitFor(() => expect(clock.pendingTimers).toBeGreaterThan(MAX_UNDER_WAY * 2));
  clock.advance(500);
  await expect(asked).rejects.toMatchObject({ code: "OVERLOADED" });
  expect(peer.cancelled()).toEqual([]);
  desk.closed(peer);
});

test("a live read gives the records as text, leaves out what was not asked, and refuses what is no record", async () => {
  const record = { remote_id: "1", remote_key: { ID: "1" }, source: { system: "s", table: "T" }, title: "x" };
  const read = (answer: unknown) => {
    const commands = {
      ask: async () => ({
        type: "command_result" as const,
        command_id: "c",
        outcome: "succeeded" as const,
        result: answer,
      }),
    };
    return liveRecords({ commands }, connection, "work_order", ['["1"]'], { timeoutMs: 1_000, raw: true });
  };
  const own = { key: '["1"]', record, raw: { ID: 1 }, version: "7" };
  expect(await read({ records: [own, { ...own, key: '["2"]' }] })).toEqual([
    { key: '["1"]', text: JSON.stringify(record), raw: '{"ID":1}', version: "7" },
  ]);
  for (const bad of [{}, { records: [{ ...own, record: { ...record, id: "mine" } }] }, undefined]) {
    await expect(read(bad)).rejects.toMatchObject({ code: "SOURCE_ERROR" });
  }
});

const DESCRIPTION: Omit<ConnectionDescription, "connection_id"> = {
  type: "connection_description",
  connector: "sqlite",
  mapping_version: "1",
  entities: [],
  queries: [],
  browse: false,
  settings_allowed: [],
};
const KEY = '["1"]';
const RECORD = { remote_id: "1", remote_key: { ID: "1" }, source: { system: "s", table: "T" }, title: "x" };
const ANSWER = { key: KEY, record: RECORD, version: "8", is_repeat: false, is_pending: false, is_dry: false };
const NEVER = new AbortController().signal;

function write(id: string, changes: Partial<OperationRow> = {}): OperationRow {
  const nowMs = clock.nowMs();
  return {
    id,
    workspaceId: "ws_1",
    connectionId: connection.id,
    entity: "work_order",
    operation: "update",
    recordId: recordId(connection.id, "work_order", KEY),
    state: "accepted",
    body: { entity: "work_order", operation: "update", key: KEY, values: { title: "x" } },
    mayQueue: false,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + 60_000,
    requestId: "req_1",
    ...changes,
  };
}

function submit(...rows: readonly OperationRow[]): Promise<unknown> {
  return operations.submit(
    rows.map((row) => ({ row, connection })),
    undefined,
  );
}

function tell(from: Peer, command_id: string, changes: Partial<CommandResult> = {}): Promise<void> {
  return desk.received(from, {
    type: "command_result",
    command_id,
    outcome: "succeeded",
    result: ANSWER,
    ...changes,
  });
}

async function state(id: string): Promise<string | undefined> {
  return (await store.operations.byId(id))?.state;
}

function settledAt(from: Peer): readonly string[] {
  return from.got.flatMap((message) => (message.type === "command_settled" ? message.command_id : []));
}

/** The relay dies and starts again over what is durable; the agent comes back. */
async function restart(session = 2, isSourceOpen = true): Promise<Peer> {
  await bus[Symbol.asyncDispose]();
  store = new MemoryStore({ newGeneration: () => "g", snapshot: store.crash() });
  bus = new InProcessBus({ clock, onHandlerError: () => {} });
  start();
  const next = new Peer(session);
  await desk.opened(next);
  if (isSourceOpen) await describe(next);
  return next;
}

/** The agent tells what the connection offers: its source is open. */
function describe(from: Peer): Promise<void> {
  return desk.received(from, { ...DESCRIPTION, connection_id: connection.id });
}

test("a write: durable, sent, its result durable before the agent may forget it, told in the feed", async () => {
  await submit(write("op_1", { idempotencyKey: "k" }));
  await arrives(1);
  expect(peer.got[0]).toMatchObject({ kind: "write", command_id: "op_1", ttl_ms: 60_000 });
  await tell(peer, "op_1");
  const [row] = await operations.settled(["op_1"], 0, NEVER);
  expect(row).toMatchObject({ state: "succeeded", result: ANSWER });
  expect(settledAt(peer)).toEqual(["op_1"]);
  const [event] = await store.reader.listEvents({ workspaceId: "ws_1" }, 0, 10);
  expect(event).toMatchObject({ type: "command.finished", recordId: row?.recordId });
  expect(JSON.parse(event?.data ?? "")).toEqual({
    command_id: "op_1",
    operation: "update",
    outcome: "succeeded",
    idempotency_key: "k",
  });
});

test("a caller's trace goes along with its writes, also when they are sent again, and with its reads", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await submit(write("op_1", { traceparent }));
  await arrives(1);
  expect(peer.got[0]).toMatchObject({ command_id: "op_1", traceparent });
  desk.closed(peer);
  const next = new Peer(2);
  await desk.opened(next);
  await vi.waitFor(() => expect(next.got[0]).toMatchObject({ command_id: "op_1", traceparent }));
  const reading = desk.ask({ connection, kind: "test", body: {}, timeoutMs: 1_000, traceparent });
  await vi.waitFor(() => expect(next.got[1]).toMatchObject({ kind: "test", traceparent }));
  clock.advance(1_000);
  await expect(reading).rejects.toMatchObject({ code: "SOURCE_TIMEOUT" });
});

test("the head of the plant's audit trail is kept with the operation, whatever its end", async () => {
  const ends = [
    { outcome: "succeeded", result: ANSWER },
    { outcome: "failed", code: "REFUSED_BY_SOURCE", detail: "no" },
  ] as const;
  for (const [n, end] of ends.entries()) {
    const id = `op_${n}`;
    const head = { seq: 7 + n, hash: "ab" };
    await submit(write(id));
    await arrives(n + 1);
    await desk.received(peer, { type: "command_result", command_id: id, ...end, audit_head: head });
    const [row] = await operations.settled([id], 0, NEVER);
    expect(row).toMatchObject({ state: end.outcome, plantAudit: head });
  }
});

test("an agent speaks only for its own connections' operations; what nobody knows is settled", async () => {
  await submit(write("op_1"));
  await arrives(1);
  const stranger = Object.assign(new Peer(), { agentId: "agt_2" });
  await desk.opened(stranger);
  await tell(stranger, "op_1");
  expect(await state("op_1")).toBe("accepted");
  await tell(peer, "op_unknown");
  expect(settledAt(peer)).toEqual(["op_unknown"]);
});

test("an agent that is away: the write fails and was never sent, or it waits, is sent once it is back, and expires", async () => {
  desk.closed(peer);
  await submit(write("op_1"), write("op_2", { mayQueue: true }), write("op_3", { mayQueue: true }));
  await vi.waitFor(async () => expect(await state("op_3")).toBe("queued_offline"));
  expect(await store.operations.byId("op_1")).toMatchObject({
    state: "failed",
    error: { code: "AGENT_OFFLINE" },
  });
  expect(await state("op_2")).toBe("queued_offline");
  clock.advance(30_000);
  await submit(write("op_4", { mayQueue: true }));
  await vi.waitFor(async () => expect(await state("op_4")).toBe("queued_offline"));
  clock.advance(40_000);
  await operations.sweep();
  expect([await state("op_2"), await state("op_3")]).toEqual(["expired", "expired"]);
  const next = await restart();
  await vi.waitFor(() => expect(next.commands()).toEqual(["op_4"]));
  expect(next.got.at(-1)).toMatchObject({ ttl_ms: 20_000 });
  await tell(next, "op_4");
  expect(await state("op_4")).toBe("succeeded");
});

test("what may wait does so until its source is open, also where only the agent is there", async () => {
  await submit(write("op_1", { mayQueue: true }));
  await vi.waitFor(async () => expect(await state("op_1")).toBe("queued_offline"));
  expect(peer.commands()).toEqual([]);
  await describe(peer);
  await arrives(1);
  await tell(peer, "op_1");
  // The source is open now: the next goes at once.
  await submit(write("op_2", { mayQueue: true }));
  await arrives(2);
  await tell(peer, "op_2");
  const next = await restart(2, false);
  desk.closed(next);
  await submit(write("op_3", { mayQueue: true }));
  await vi.waitFor(async () => expect(await state("op_3")).toBe("queued_offline"));
  const last = await (async () => {
    const back = new Peer(3);
    await desk.opened(back);
    return back;
  })();
  await operations.sweep();
  expect(last.commands()).toEqual([]);
  await describe(last);
  await vi.waitFor(() => expect(last.commands()).toEqual(["op_3"]));
  // From the moment it is sent nobody may say that it never was.
  expect(await state("op_3")).toBe("accepted");
  clock.advance(61_000);
  await operations.sweep();
  expect(await state("op_3")).not.toBe("expired");
});

test("a relay that dies between accepting, sending and hearing sends again under the same id, one after the other", async () => {
  await store.operations.create([write("op_1"), write("op_2")], undefined);
  await submit(write("op_3"));
  await arrives(1);
  const next = await restart();
  await vi.waitFor(() => expect(next.commands()).toEqual(["op_1"]));
  await tell(next, "op_1");
  await vi.waitFor(() => expect(next.commands()).toEqual(["op_1", "op_2"]));
  // One that is held lets the others pass.
  await desk.received(next, { type: "command_state", command_id: "op_2", state: "held", detail: "waits" });
  await vi.waitFor(() => expect(next.commands()).toEqual(["op_1", "op_2", "op_3"]));
  expect(await store.operations.byId("op_2")).toMatchObject({ state: "held", detail: "waits" });
  await tell(next, "op_3", { outcome: "unknown_outcome", detail: "the room died." });
  expect(await store.operations.byId("op_3")).toMatchObject({
    state: "unknown_outcome",
    error: { code: "UNKNOWN_OUTCOME" },
  });
});

test("what may have begun and is out of time is asked about, not given up; after a week nobody knows", async () => {
  await submit(write("op_1"), write("op_2"));
  await arrives(1);
  desk.closed(peer);
  clock.advance(3_600_000);
  await operations.sweep();
  expect(await state("op_1")).toBe("accepted");
  const next = await restart();
  await vi.waitFor(() => expect(next.commands()).toEqual(["op_1"]));
  expect(next.got[0]).toMatchObject({ ttl_ms: 0 });
  await tell(next, "op_1", { outcome: "failed", code: "EXPIRED" });
  expect(await state("op_1")).toBe("expired");
  desk.closed(next);
  clock.advance(8 * 86_400_000);
  await operations.sweep();
  expect(await state("op_2")).toBe("unknown_outcome");
});

test("a cancel ends what was never sent, and asks the plant about the rest", async () => {
  const scope = { workspaceId: "ws_1" };
  await submit(write("op_1"));
  await arrives(1);
  const cancelling = operations.cancel(scope, "op_1", NEVER);
  await vi.waitFor(() => expect(peer.cancelled()).toEqual(["op_1"]));
  await tell(peer, "op_1", { outcome: "failed", code: "CANCELLED" });
  expect((await cancelling).state).toBe("cancelled");
  desk.closed(peer);
  await submit(write("op_2", { mayQueue: true }));
  await vi.waitFor(async () => expect(await state("op_2")).toBe("queued_offline"));
  expect((await operations.cancel(scope, "op_2", NEVER)).state).toBe("cancelled");
  // Sent, and the agent is away: it must not begin when it comes back.
  await store.operations.create([write("op_3")], undefined);
  const waiting = operations.cancel(scope, "op_3", AbortSignal.abort());
  expect((await waiting).isCancelling).toBe(true);
  const next = await restart();
  await vi.waitFor(() => expect(next.got.at(-1)).toMatchObject({ command_id: "op_3", ttl_ms: 0 }));
  await tell(next, "op_3", { outcome: "failed", code: "EXPIRED" });
  expect(await state("op_3")).toBe("cancelled");
  await expect(operations.cancel({ workspaceId: "ws_2" }, "op_3", NEVER)).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
});

test("a store that cannot keep the result ends the session: the agent sends it again", async () => {
  await submit(write("op_1"));
  await arrives(1);
  const change = vi.spyOn(store.operations, "change").mockRejectedValueOnce(new Error("disk full"));
  await expect(tell(peer, "op_1")).rejects.toThrow("disk full");
  expect(settledAt(peer)).toEqual([]);
  await tell(peer, "op_1");
  expect(change).toHaveBeenCalledTimes(2);
  expect(settledAt(peer)).toEqual(["op_1"]);
});

test("a record that is none is left out of the result", async () => {
  await submit(write("op_1"));
  await arrives(1);
  await tell(peer, "op_1", { result: { ...ANSWER, record: { ...RECORD, revision: 9 } } });
  const row = await store.operations.byId("op_1");
  expect(row).toMatchObject({ state: "succeeded", result: { key: KEY } });
  expect(row?.result?.record).toBeUndefined();
});
