// Sessions at the relay: one for each agent, in order, alive, within their window; who is offline; who is a clone.
import { describe, expect, test, vi } from "vitest";
import type { Channel } from "#common/contract/channel.ts";
import { decodeDownFrame, encodeBatchFrame, encodeControl } from "#common/contract/frame.ts";
import { DEAD_AFTER_MS, MAX_FRAME_BYTES, PING_EVERY_MS } from "#common/contract/limits.ts";
import { CLOSE, type DownMessage, type UpMessage } from "#common/contract/messages.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import { AgentHub, OFFLINE_AFTER_MS, type HubSession } from "#relay/core/agents/agent-hub.ts";
import { disconnectConnection, reconnectConnection } from "#relay/core/connections/connection-life.ts";
import { StoreFullError, type IngestTx } from "#relay/core/store.ts";
import {
  AGENT,
  batchFrame,
  E1,
  E2,
  epoch,
  OTHER,
  PLANT,
  RelayRig,
  upsert,
  WORKSPACE,
} from "#test/cloud-relay/core/ingest/relay-rig.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import { until } from "#test/support/until.ts";

class AgentEnd implements Channel {
  readonly bufferedBytes = 0;
  readonly got: DownMessage[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  #session: HubSession | undefined;

  attach(session: HubSession): this {
    this.#session = session;
    return this;
  }

  send(frame: Uint8Array): void {
    if (this.closed === undefined) this.got.push(decodeDownFrame(frame));
  }

  close(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    this.closed = { code, reason };
    queueMicrotask(() => this.#session?.onClose());
  }

  /** The agent stops in order. */
  goodbye(): void {
    this.closed ??= { code: CLOSE.STOPPING, reason: "the agent is stopping" };
    this.#session?.onClose(this.closed.code);
  }

  /** The line breaks. */
  cut(): void {
    this.closed ??= { code: 1006, reason: "cut" };
    this.#session?.onClose();
  }

  say(message: UpMessage): void {
    this.#session?.onFrame(encodeControl(message));
  }

  raw(frame: Uint8Array): void {
    this.#session?.onFrame(frame);
  }

  batch(stream: number, seq: number, texts: readonly string[]): void {
    const { id, blob } = batchFrame(seq, texts);
    this.raw(encodeBatchFrame({ stream, seq, id, blob }));
  }

  open(connectionId: string, ofEpoch: string, next = 1): void {
    this.say({
      type: "stream_open",
      connection_id: connectionId,
      epoch: ofEpoch,
      first_seq: 1,
      next_seq: next,
      acked_seq: 0,
      tail_id: "",
    });
  }

  ofType<Type extends DownMessage["type"]>(type: Type): readonly Extract<DownMessage, { type: Type }>[] {
    return this.got.filter(
      (message): message is Extract<DownMessage, { type: Type }> => message.type === type,
    );
  }

  hears<Type extends DownMessage["type"]>(
    type: Type,
    count = 1,
  ): Promise<Extract<DownMessage, { type: Type }>> {
    return until(`${type} no. ${count}`, () => this.ofType(type)[count - 1]);
  }

  end(): Promise<{ readonly code: number; readonly reason: string }> {
    return until("the end of the session", () => this.closed);
  }
}

class HubRig {
  readonly core: RelayRig;
  readonly logger = recordingLogger();
  readonly bus: InProcessBus;
  readonly hub: AgentHub;

  private constructor(core: RelayRig, ingest?: <T>(work: (tx: IngestTx) => Promise<T>) => Promise<T>) {
    this.core = core;
    const { clock } = core;
    this.bus = new InProcessBus({
      clock,
      onHandlerError: (error) => {
        throw error;
      },
    });
    const { store } = core;
    const own =
      ingest === undefined ? store : Object.assign(Object.create(store) as typeof store, { ingest });
    this.hub = new AgentHub({
      ingest: { ...core.ingest, store: own },
      bus: this.bus,
      clock,
      logger: this.logger,
      watchers: [],
      ingested: () => {},
    });
  }

  static async create(
    ingest?: (store: RelayRig["store"]) => <T>(work: (tx: IngestTx) => Promise<T>) => Promise<T>,
  ): Promise<HubRig> {
    const core = await RelayRig.create();
    return new HubRig(core, ingest?.(core.store));
  }

  connect(instanceId = "one"): AgentEnd {
    const end = new AgentEnd();
    const proven = { agentId: AGENT, instanceId, agentVersion: "1", platform: "test" };
    return end.attach(this.hub.accept(proven, end));
  }

  async connected(instanceId = "one"): Promise<AgentEnd> {
    const end = this.connect(instanceId);
    await end.hears("welcome");
    return end;
  }

  async streaming(): Promise<AgentEnd> {
    const end = await this.connected();
    end.open(PLANT, E1);
    await end.hears("stream_ready");
    return end;
  }

  connection(): Promise<Awaited<ReturnType<RelayRig["store"]["directory"]["connection"]>>> {
    return this.core.store.directory.connection({ workspaceId: WORKSPACE }, PLANT);
  }
}

describe("a session", () => {
  test("welcomes with the connections, opens a stream, commits, acknowledges", async () => {
    const rig = await HubRig.create();
    const agent = await rig.streaming();
    expect(agent.ofType("welcome")[0]).toMatchObject({
      workspace_id: WORKSPACE,
      connections: [{ id: PLANT, name: "plant" }],
    });
    agent.batch(0, 1, [epoch(), upsert("a")]);
    expect(await agent.hears("ack")).toMatchObject({ stream: 0, seq: 1 });
    expect(await rig.core.records()).toHaveLength(1);
  });

  test("frames that come while the session is being claimed wait for it", async () => {
    const rig = await HubRig.create();
    const agent = rig.connect();
    agent.open(PLANT, E1);
    agent.batch(0, 1, [epoch(), upsert("a")]);
    await agent.hears("ack");
    expect(agent.got.map(({ type }) => type)).toEqual(["welcome", "stream_ready", "ack"]);
  });

  test("a rejected record is told back, an undecodable batch asks to read anew", async () => {
    const rig = await HubRig.create();
    const agent = await rig.streaming();
    agent.batch(0, 1, [epoch(), upsert("a", "a", { more: { connection_id: OTHER } })]);
    expect(await agent.hears("record_rejected")).toMatchObject({ connection_id: PLANT, key: '["a"]' });
    agent.batch(0, 2, ["{nope\n"]);
    expect(await agent.hears("resnapshot")).toMatchObject({
      connection_id: PLANT,
      reason: "undecodable_batch",
    });
  });

  test("a jump in seq closes it, and nothing of it is written", async () => {
    const rig = await HubRig.create();
    const agent = await rig.streaming();
    agent.batch(0, 2, [epoch(), upsert("a")]);
    expect(await agent.end()).toEqual({ code: CLOSE.PROTOCOL_ERROR, reason: "seq 2 came after 0" });
    expect(await rig.core.records()).toEqual([]);
  });

  test("a stream that was never opened closes it", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    agent.batch(7, 1, [epoch()]);
    expect(await agent.end()).toEqual({ code: CLOSE.PROTOCOL_ERROR, reason: "stream 7 was never opened" });
  });

  test("frames of an epoch that ended on the way are passed over", async () => {
    const rig = await HubRig.create();
    const agent = await rig.streaming();
    agent.open(PLANT, E2);
    agent.batch(0, 1, [epoch(), upsert("old")]);
    await agent.hears("stream_ready", 2);
    agent.batch(1, 1, [epoch(), upsert("new")]);
    await agent.hears("ack");
    expect((await rig.core.records()).map(({ key }) => key)).toEqual(['["new"]']);
    expect(agent.closed).toBeUndefined();
  });

  test("a stream that may not be opened is refused without ending the others", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    agent.open(OTHER, E1);
    expect(await agent.hears("stream_refused")).toMatchObject({ code: "CONNECTION_NOT_BOUND" });
    agent.open(PLANT, E1);
    expect(await agent.hears("stream_ready")).toMatchObject({ verdict: "resume", stream: 0 });
  });

  test("a frame that is none of ours closes it", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    agent.raw(Buffer.from("garbage"));
    expect((await agent.end()).code).toBe(CLOSE.PROTOCOL_ERROR);
  });

  test("more than the window closes it", async () => {
    const gate = Promise.withResolvers<undefined>();
    const rig = await HubRig.create((store) => async (work) => {
      const value = await store.ingest(work);
      await gate.promise;
      return value;
    });
    const agent = await rig.connected();
    agent.open(PLANT, E1);
    const blob = new Uint8Array(MAX_FRAME_BYTES - 100);
    for (let seq = 1; seq <= 11; seq += 1) {
      agent.raw(encodeBatchFrame({ stream: 0, seq, id: "00000000000000aa", blob }));
    }
    expect(await agent.end()).toEqual({
      code: CLOSE.PROTOCOL_ERROR,
      reason: "more was sent than the window allows",
    });
    gate.resolve(undefined);
  });

  test("what was worked off counts no more: a session may carry any amount", async () => {
    const rig = await HubRig.create();
    const agent = await rig.streaming();
    const reason = "x".repeat(2_000);
    // Some 12 MB, over the window in the end.
    for (let round = 1; round <= 12; round += 1) {
      for (let n = 0; n < 500; n += 1) {
        agent.say({ type: "connection_report", connection_id: PLANT, status: "online", reason });
      }
      agent.batch(0, round, round === 1 ? [epoch()] : [upsert(`v${round}`)]);
      await agent.hears("ack", round);
    }
    expect(agent.closed).toBeUndefined();
  });

  test("what came whole before the line broke is committed all the same", async () => {
    const rig = await HubRig.create();
    const agent = await rig.streaming();
    for (let seq = 1; seq <= 20; seq += 1) agent.batch(0, seq, seq === 1 ? [epoch()] : [upsert(`v${seq}`)]);
    agent.cut();
    await until("all records", async () => (await rig.core.records()).length === 19);
    expect(agent.ofType("ack")).toEqual([]);
    const again = await rig.connected("two");
    again.open(PLANT, E1, 21);
    expect(await again.hears("stream_ready")).toMatchObject({ acked_seq: 20 });
  });

  test("a full disk closes it with a time to come back, and acknowledges nothing", async () => {
    let isFull = false;
    const rig = await HubRig.create((store) => (work) => {
      if (isFull) return Promise.reject(new StoreFullError("no space left"));
      return store.ingest(work);
    });
    const agent = await rig.streaming();
    isFull = true;
    agent.batch(0, 1, [epoch(), upsert("a")]);
    expect(await agent.end()).toEqual({
      code: CLOSE.INTERNAL,
      reason: "the relay's disk is full; retry_after_ms=30000",
    });
    expect(agent.ofType("ack")).toEqual([]);
    expect(rig.logger.lines).toContainEqual({
      level: "error",
      fields: { agent: AGENT },
      message: "ingest: no space left",
    });
  });

  test("pings, answers pings, and gives a silent agent up after 50 s", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    agent.say({ type: "ping", n: 4 });
    expect(agent.ofType("pong")).toEqual([{ type: "pong", n: 4 }]);
    rig.core.clock.advance(PING_EVERY_MS);
    expect(agent.ofType("ping")).toHaveLength(1);
    agent.say({ type: "pong", n: 1 });
    rig.core.clock.advance(DEAD_AFTER_MS - 1);
    expect(agent.closed).toBeUndefined();
    rig.core.clock.advance(1);
    expect(agent.closed?.code).toBe(CLOSE.SILENT);
  });
});

describe("who is who", () => {
  test("a newer session fences the older, which is told", async () => {
    const rig = await HubRig.create();
    const first = await rig.connected();
    const second = await rig.connected();
    expect((await first.end()).code).toBe(CLOSE.FENCED);
    expect(second.closed).toBeUndefined();
    expect(rig.hub.size).toBe(1);
  });

  test("two that take turns are quarantined, both are told, and neither commits", async () => {
    const rig = await HubRig.create();
    const ends: AgentEnd[] = [];
    for (const instance of ["a", "b", "a"]) ends.push(await rig.connected(instance));
    const last = rig.connect("b");
    const evicted = ends[2] as AgentEnd;
    expect((await last.end()).code).toBe(CLOSE.QUARANTINED);
    expect((await evicted.end()).code).toBe(CLOSE.QUARANTINED);
    expect((await evicted.end()).reason).toContain("millrace-relay agent release");
    const agent = await rig.core.store.directory.agentById(AGENT);
    expect(agent?.quarantinedAtMs).toBeDefined();
    await vi.waitFor(() => expect(rig.hub.size).toBe(0));
    expect(rig.logger.lines.some(({ level }) => level === "error")).toBe(true);
  });

  test("a revoked agent is sent away, one whose connections changed is told", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    await rig.core.store.directory.bindConnections(WORKSPACE, [OTHER], AGENT);
    await rig.hub.refreshSome();
    expect(
      agent
        .ofType("bindings")[0]
        ?.connections.map(({ name }) => name)
        .sort(),
    ).toEqual(["other", "plant"]);
    await rig.core.store.directory.revokeAgent(WORKSPACE, AGENT, 1);
    await rig.hub.refreshSome();
    expect(await agent.end()).toEqual({ code: CLOSE.UNAUTHENTICATED, reason: "this agent was revoked" });
  });

  test("a disconnected connection is bound no more: its stream is refused, its batches and reports are not taken", async () => {
    const rig = await HubRig.create();
    const { store, clock } = rig.core;
    const life = { store, nowMs: () => clock.nowMs() };
    const agent = await rig.streaming();
    agent.batch(0, 1, [epoch(), upsert("a")]);
    await agent.hears("ack");
    await disconnectConnection(life, WORKSPACE, PLANT);
    await rig.hub.refreshSome();
    expect(agent.ofType("bindings").at(-1)?.connections).toEqual([]);
    agent.say({ type: "connection_report", connection_id: PLANT, status: "online" });
    agent.batch(0, 2, [upsert("b")]);
    expect((await agent.end()).code).toBe(CLOSE.PROTOCOL_ERROR);
    expect(await rig.core.records()).toHaveLength(1);
    const again = await rig.connected("two");
    expect(again.ofType("welcome")[0]?.connections).toEqual([]);
    again.open(PLANT, E1, 3);
    expect(await again.hears("stream_refused")).toMatchObject({ code: "CONNECTION_DISCONNECTED" });
    expect(await rig.connection()).toMatchObject({
      state: "offline",
      reason: "This connection was disconnected.",
      report: undefined,
    });
    const { events } = await reconnectConnection(life, WORKSPACE, PLANT);
    expect(events).toBe(0);
    await rig.hub.refreshSome();
    again.open(PLANT, E1, 3);
    expect(await again.hears("stream_ready")).toMatchObject({ verdict: "resume", acked_seq: 1 });
    again.batch(0, 2, [upsert("b")]);
    await again.hears("ack");
    expect(await rig.core.records()).toHaveLength(2);
  });

  test("a relay that drains says so, closes, and takes nobody in", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    await rig.hub.drain(4_000);
    expect(agent.ofType("drain")).toEqual([{ type: "drain", reconnect_in_ms: 4_000 }]);
    expect(agent.closed?.code).toBe(CLOSE.RESTARTING);
    expect((await rig.connect().end()).code).toBe(CLOSE.RESTARTING);
  });
});

describe("status", () => {
  test("reports become the connection's status, and only news becomes events", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    const statuses = [
      "synchronizing",
      "online",
      "degraded",
      "offline",
      "degraded",
      "online",
      "reauthorization_required",
    ] as const;
    for (const status of statuses) {
      agent.say({ type: "connection_report", connection_id: PLANT, status, reason: `now ${status}` });
    }
    await vi.waitFor(async () => expect((await rig.connection())?.state).toBe("reauthorization_required"));
    expect((await rig.connection())?.reason).toBe("now reauthorization_required");
    expect(await rig.core.eventTypes()).toEqual([
      "connection.online",
      "system.error",
      "connection.offline",
      // Back, and not as it should be: both are news.
      "connection.online",
      "system.error",
      "connection.authentication_required",
    ]);
  });

  test("an agent speaks for its own connections only", async () => {
    const rig = await HubRig.create();
    const agent = await rig.streaming();
    agent.say({ type: "connection_report", connection_id: OTHER, status: "online" });
    agent.batch(0, 1, [epoch()]);
    await agent.hears("ack");
    const other = await rig.core.store.directory.connection({ workspaceId: WORKSPACE }, OTHER);
    expect(other?.state).toBe("pending");
  });

  test("an agent that stays away makes its connections offline, one that comes back in time does not", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    agent.say({ type: "connection_report", connection_id: PLANT, status: "online" });
    await vi.waitFor(async () => expect((await rig.connection())?.state).toBe("online"));
    agent.cut();
    await vi.waitFor(() => expect(rig.hub.size).toBe(0));
    rig.core.clock.advance(OFFLINE_AFTER_MS - 1);
    const again = await rig.connected();
    rig.core.clock.advance(OFFLINE_AFTER_MS);
    expect((await rig.connection())?.state).toBe("online");
    again.cut();
    await vi.waitFor(() => expect(rig.hub.size).toBe(0));
    rig.core.clock.advance(OFFLINE_AFTER_MS);
    await vi.waitFor(async () => expect((await rig.connection())?.state).toBe("offline"));
    expect((await rig.connection())?.reason).toBe("the agent is not connected to the relay");
    expect(await rig.core.eventTypes()).toEqual(["connection.online", "connection.offline"]);
    expect((await rig.core.store.directory.agentById(AGENT))?.isOnline).toBe(false);
  });

  test("an agent that says goodbye makes its connections offline at once, and a report before it counts", async () => {
    const rig = await HubRig.create();
    const agent = await rig.connected();
    agent.say({ type: "connection_report", connection_id: PLANT, status: "online" });
    agent.goodbye();
    await vi.waitFor(async () => expect((await rig.connection())?.state).toBe("offline"));
    expect((await rig.connection())?.reason).toMatch(/stopped.*at the plant/);
    expect(await rig.core.eventTypes()).toEqual(["connection.online", "connection.offline"]);
    expect((await rig.core.store.directory.agentById(AGENT))?.isOnline).toBe(false);
    const again = await rig.connected();
    again.say({ type: "connection_report", connection_id: PLANT, status: "online" });
    await vi.waitFor(async () => expect((await rig.connection())?.state).toBe("online"));
  });

  test("agents that a relay left behind as online when it died get the usual time", async () => {
    const first = await HubRig.create();
    const agent = await first.connected();
    agent.say({ type: "connection_report", connection_id: PLANT, status: "online" });
    await vi.waitFor(async () => expect((await first.connection())?.state).toBe("online"));
    const hub = new AgentHub({
      ingest: first.core.ingest,
      bus: first.bus,
      clock: first.core.clock,
      logger: first.logger,
      watchers: [],
      ingested: () => {},
    });
    await hub.start();
    first.core.clock.advance(OFFLINE_AFTER_MS);
    await vi.waitFor(async () => expect((await first.connection())?.state).toBe("offline"));
  });
});
