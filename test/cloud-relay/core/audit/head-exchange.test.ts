// Plants' heads in the relay's trail: asked for when something was added, kept, and noticed when they go back.
import { beforeEach, expect, test, vi } from "vitest";
import type { DownMessage, PlantAudit } from "#common/contract/messages.ts";
import type { AgentPeer } from "#relay/core/agents/agent-watcher.ts";
import { HeadExchange, plantHeads } from "#relay/core/audit/head-exchange.ts";
import type { AuditEntry } from "#relay/core/audit/audit-store.ts";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

const HOUR_MS = 3_600_000;

class Peer implements AgentPeer {
  readonly agentId: string;
  readonly workspaceId = "ws_1";
  readonly session = 1;
  readonly got: DownMessage[] = [];

  constructor(agentId = "agt_1") {
    this.agentId = agentId;
  }

  send(message: DownMessage): void {
    this.got.push(message);
  }
}

let clock: FakeClock;
let store: MemoryStore;
let logger: ReturnType<typeof recordingLogger>;
let exchange: HeadExchange;

beforeEach(() => {
  clock = new FakeClock();
  logger = recordingLogger();
  store = new MemoryStore({ newGeneration: () => "g" });
  exchange = new HeadExchange({ audit: store.audit, clock, logger });
});

function act(action = "createToken"): Promise<AuditEntry> {
  const nothing = { requestId: undefined, target: {}, members: [], digest: undefined };
  return store.audit.append({ workspaceId: "ws_1", atMs: 0, actor: "tok_1", action, ...nothing });
}

function said(seq: number, hash = `${seq}`): PlantAudit {
  return { type: "plant_audit", seq, hash: hash.padStart(64, "0") };
}

test("an agent is told the newest entry; what it answers becomes an entry", async () => {
  const { number, hash } = await act();
  const peer = new Peer();
  await exchange.opened(peer);
  expect(peer.got).toEqual([{ type: "relay_audit", seq: number, hash }]);
  await exchange.received(peer, said(12));
  const [newest] = await store.audit.list("ws_1", { limit: 1 });
  expect(newest).toMatchObject({
    number: 2,
    actor: "agt_1",
    action: "plantAuditHead",
    target: { agent: "agt_1", seq: "12", hash: said(12).hash },
  });
  expect(await plantHeads(store.audit, "ws_1")).toMatchObject([{ agentId: "agt_1", seq: 12 }]);
});

test("an empty trail has no head; an answer that nobody asked for is not kept", async () => {
  const peer = new Peer();
  await exchange.opened(peer);
  expect(peer.got).toEqual([]);
  await exchange.received(peer, said(1));
  expect(await store.audit.list("ws_1", { limit: 1 })).toEqual([]);
});

test("again after an hour in which something was added, in whatever session; not sooner, and not for nothing", async () => {
  await act();
  const first = new Peer();
  await exchange.opened(first);
  await exchange.received(first, said(1));
  await act();
  exchange.closed(first);
  const second = new Peer();
  await exchange.opened(second);
  clock.advance(HOUR_MS - 1);
  expect(second.got).toEqual([]);
  clock.advance(1);
  await vi.waitFor(() => expect(second.got).toMatchObject([{ seq: 3 }]));
  await exchange.received(second, said(2));
  clock.advance(HOUR_MS);
  const list = vi.spyOn(store.audit, "list");
  clock.advance(HOUR_MS);
  await vi.waitFor(() => expect(list).toHaveBeenCalled());
  expect(second.got).toHaveLength(1);
  exchange.closed(second);
  await act();
  list.mockClear();
  clock.advance(2 * HOUR_MS);
  expect(list).not.toHaveBeenCalled();
});

test("a plant's trail that is not the one that it was is warned of, each agent's by itself", async () => {
  const others = new Peer("agt_2");
  await act();
  await exchange.opened(others);
  await exchange.received(others, said(1));
  for (const answer of [said(5), said(5, "other"), said(9), said(4)]) {
    const peer = new Peer();
    // Another process of the relay, which remembers nothing.
    exchange = new HeadExchange({ audit: store.audit, clock, logger });
    await exchange.opened(peer);
    await exchange.received(peer, answer);
    exchange.closed(peer);
  }
  const trail = await store.audit.list("ws_1", { limit: 4 });
  expect(trail.map(({ target }) => target["instead_of"])).toEqual(["9", undefined, "5", undefined]);
  expect(logger.lines.map(({ level }) => level)).toEqual(["warn", "warn"]);
});
