// Asking agents: answers, deadlines, callers and agents that go away, and the limits of one agent.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DownMessage } from "#common/contract/messages.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import type { AgentPeer } from "#relay/core/agents/agent-watcher.ts";
import { CommandDesk } from "#relay/core/commands/command-desk.ts";
import { MAX_UNDER_WAY, MAX_WAITING } from "#relay/core/commands/command-slots.ts";
import { liveRecords } from "#relay/core/commands/live-read.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const connection = {
  id: "0190a000-0000-7000-8000-000000000001",
  workspaceId: "ws_1",
  agentId: "agt_1",
  state: "online",
} as ConnectionRow;

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

beforeEach(async () => {
  clock = new FakeClock();
  bus = new InProcessBus({ clock, onHandlerError: () => {} });
  desk = new CommandDesk({ bus, clock, randomBytes: (count) => new Uint8Array(count) });
  peer = new Peer();
  await desk.opened(peer);
});
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
