// Live values through outages: notifications become samples, what broke is repaired rung by rung, what was missed is
// filled from history or told as a gap.
//
// The rungs: ask for lost messages again (publisher.ts) - recreate the subscription - a new channel for the same session -
// a new session that takes the subscriptions over or recreates them, always with a new driver client - give up and let the
// runner open everything anew. Each new trouble before a sign of life starts one rung higher.
import type { DataChangeNotification, DataValue, NotificationMessage } from "node-opcua";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import { orAborted } from "./abort.ts";
import { Connection } from "./connection.ts";
import { opcua } from "./driver.ts";
import { asConnectorError } from "./failures.ts";
import { GapList } from "./gap-list.ts";
import { Backfill } from "./history.ts";
import {
  countItems,
  createGroup,
  deleteGroup,
  startSampling,
  transferGroups,
  type ItemGroup,
} from "./item-group.ts";
import type { Pending, PointState } from "./point-state.ts";
import { Publisher, type Trouble } from "./publisher.ts";
import type { SampleQueue } from "./sample-queue.ts";
import type { Restored } from "./telemetry-cursor.ts";
import { sampleOf } from "./type-map.ts";
import { Watchdog } from "./watchdog.ts";

/** Pauses before each try of one recovery, ms; after the last the runner takes over with its own backoff. */
const ATTEMPT_DELAYS_MS = [0, 500, 2_000];
/** A new item must show its current value within this, on top of two publishing intervals, ms. */
const FIRST_VALUE_MS = 3_000;

export interface LiveDeps {
  readonly states: readonly PointState[];
  readonly clock: Clock;
  readonly queue: SampleQueue;
  readonly historyMaxMs: number;
  /** Everybody else must use the new connection from now on. */
  readonly onConnection: (connection: Connection) => void;
}

export class LiveSession {
  readonly gaps = new GapList();
  readonly backfill: Backfill;
  readonly #deps: LiveDeps;
  readonly #watchdog = new Watchdog();
  readonly #pending = new Set<PointState>();
  #connection: Connection;
  #publisher: Publisher;
  #forgetLost: () => void = () => {};
  #groups: ItemGroup[];
  #troubles: Trouble[] = [];
  #rung = 0;
  /** Not heard of since the last repair; once all are, it has helped. */
  #unheard = new Set<ItemGroup>();
  /** Structures whose type must be learned first hold up what comes after them, to keep the order. */
  #learning: Promise<void> | undefined;

  constructor(connection: Connection, groups: readonly ItemGroup[], deps: LiveDeps) {
    this.#connection = connection;
    this.#groups = [...groups];
    this.#deps = deps;
    this.backfill = new Backfill({ gaps: this.gaps, nowMs: () => deps.clock.nowMs(), onDone: () => {} });
    this.#publisher = this.#newPublisher(connection);
  }

  get connection(): Connection {
    return this.#connection;
  }
  get hasTrouble(): boolean {
    return this.#troubles.length > 0 || this.#connection.isLost;
  }
  /** Nothing is missing before what was handed on. */
  get isComplete(): boolean {
    return this.#pending.size === 0 && this.backfill.isIdle;
  }

  /** Starts sampling; with a cursor, whatever happened since it is filled or told. */
  async begin(restored: Restored | undefined, signal: AbortSignal): Promise<void> {
    if (restored !== undefined) this.#expectSince(restored);
    for (const group of this.#groups) await startSampling(this.#connection, group, signal);
    for (const group of this.#groups) this.#publisher.add(group);
  }

  end(): void {
    this.#publisher.stop();
    this.#forgetLost();
    const limit = AbortSignal.timeout(1_000);
    for (const group of this.#groups) void deleteGroup(this.#connection, group, limit);
    this.#groups = [];
  }

  /** When `check` should be called again at the latest, ms from now. */
  nextCheckMs(atMost: number): number {
    return this.#watchdog.nextLookMs(this.#groups, this.#deps.clock.monotonicMs(), atMost);
  }

  /** Looks for silence and for values that did not come; called at least every keep-alive interval. */
  check(): void {
    const monotonicMs = this.#deps.clock.monotonicMs();
    for (const group of this.#watchdog.silent(this.#groups, monotonicMs)) {
      this.#report({
        kind: "subscription",
        group,
        detail: "no sign of life within 1.5 keep-alive intervals",
      });
    }
    const nowMs = this.#deps.clock.nowMs();
    for (const state of this.#pending) {
      if (state.pending !== undefined && state.pending.untilMs <= monotonicMs) this.#settle(state, nowMs);
    }
  }

  /** @throws ConnectorError unavailable when nothing helped; other kinds at once */
  async recover(signal: AbortSignal): Promise<void> {
    let failure: unknown;
    for (const [attempt, delayMs] of ATTEMPT_DELAYS_MS.entries()) {
      await sleep(this.#deps.clock, delayMs, signal);
      if (signal.aborted) return;
      try {
        await this.#climb(this.#rung + attempt, signal);
        this.#rung += 1;
        this.#unheard = new Set(this.#groups);
        return;
      } catch (error) {
        failure = asConnectorError(error, "restoring subscriptions", this.#connection.failureContext);
        if (failure instanceof ConnectorError && failure.kind !== "unavailable") throw failure;
      }
    }
    throw new ConnectorError(
      "unavailable",
      `${messageOf(failure)} (after ${ATTEMPT_DELAYS_MS.length} tries; everything is opened anew)`,
      { cause: failure },
    );
  }

  async #climb(rung: number, signal: AbortSignal): Promise<void> {
    const troubles = this.#troubles;
    this.#troubles = [];
    if (rung > ATTEMPT_DELAYS_MS.length) {
      throw new ConnectorError(
        "unavailable",
        `subscriptions stay silent: ${troubles[0]?.detail ?? "no notification"}`,
      );
    }
    const sick = new Set(
      troubles.map((trouble) => (trouble.kind === "subscription" ? trouble.group : undefined)),
    );
    if (rung === 0 && !this.#connection.isLost && !sick.has(undefined)) {
      for (const group of sick) if (group !== undefined) await this.#recreate(group, signal);
      return;
    }
    this.#publisher.stop();
    this.#forgetLost();
    const resumed = rung <= 1 ? await Connection.resume(this.#connection, signal) : undefined;
    if (resumed === undefined) await this.#renew(rung, signal);
    else await this.#resume(resumed, sick, signal);
  }

  /** The server still has the session: its subscriptions go on, lost messages are asked for again. */
  async #resume(
    connection: Connection,
    sick: ReadonlySet<ItemGroup | undefined>,
    signal: AbortSignal,
  ): Promise<void> {
    this.#adopt(connection);
    for (const group of this.#groups) {
      if (sick.has(group) || !(await this.#takeUp(group, signal))) await this.#recreate(group, signal);
    }
  }

  /** A new session; subscriptions that the server hands over lose nothing, the others are made anew. */
  async #renew(rung: number, signal: AbortSignal): Promise<void> {
    const old = this.#connection;
    const connection = await Connection.open(old.deps, signal);
    if (connection.identity !== old.identity) {
      await connection.close();
      throw new ConnectorError(
        "unavailable",
        `another server answers at ${old.deps.settings.endpoint}; opening anew`,
      );
    }
    old.detach();
    this.#adopt(connection);
    const isSame = connection.namespaces.equals(old.namespaces);
    if (!isSame) {
      for (const { point } of this.#deps.states) {
        point.nodeId = connection.namespaces.resolve(point.key);
        if (point.nodeId === undefined) point.problem = "the server does not have this namespace";
      }
    }
    const kept = isSame && rung <= 1 ? await this.#transfer(connection, signal) : new Set<ItemGroup>();
    for (const group of this.#groups) {
      if (!kept.has(group) || !(await this.#takeUp(group, signal))) await this.#recreate(group, signal);
    }
  }

  async #transfer(connection: Connection, signal: AbortSignal): Promise<ReadonlySet<ItemGroup>> {
    try {
      const response = await transferGroups(connection, this.#groups, signal);
      return new Set(
        this.#groups.filter((_, index) => response.results?.[index]?.statusCode.isGood() === true),
      );
    } catch {
      // Many servers do not know this service; a broken channel shows itself at the next call.
      return new Set();
    }
  }

  /** Catches up and verifies a subscription on a new channel; false when it is not whole there. */
  async #takeUp(group: ItemGroup, signal: AbortSignal): Promise<boolean> {
    if (!(await orAborted(this.#publisher.catchUp(group), signal))) return false;
    const count = await countItems(this.#connection, group, signal);
    if (count !== undefined && count < group.itemCount) return false;
    this.#publisher.add(group);
    return true;
  }

  /** A new subscription for the same points: from now on live again, and what lies between is owed. */
  async #recreate(group: ItemGroup, signal: AbortSignal): Promise<void> {
    this.#publisher.remove(group);
    await deleteGroup(this.#connection, group, signal);
    const options = { isDisabled: false, monotonicMs: this.#deps.clock.monotonicMs(), signal };
    for (const state of group.states) this.#expect(state, state.liveMs, "reconnect", group.publishingMs);
    const usable = group.states.filter(({ point }) => point.nodeId !== undefined);
    const fresh = await createGroup(this.#connection, usable, options);
    this.#groups = this.#groups.map((one) => (one === group ? fresh : one));
    this.#publisher.add(fresh);
  }

  #adopt(connection: Connection): void {
    this.#connection = connection;
    this.#publisher = this.#newPublisher(connection);
    this.backfill.restart();
    this.#deps.onConnection(connection);
  }

  #newPublisher(connection: Connection): Publisher {
    this.#forgetLost = connection.onLost(() =>
      this.#report({ kind: "channel", detail: "the connection broke" }),
    );
    const events = {
      onAlive: (group: ItemGroup) => {
        if (this.#unheard.delete(group) && this.#unheard.size === 0) this.#rung = 0;
      },
      onMessage: (_: ItemGroup, message: NotificationMessage) => this.#receive(message),
      onLost: (group: ItemGroup) => {
        for (const state of group.states) this.#expect(state, state.liveMs, "reconnect", group.publishingMs);
      },
      onTrouble: (trouble: Trouble) => this.#report(trouble),
    };
    return new Publisher(connection, events, () => this.#deps.clock.monotonicMs());
  }

  #report(trouble: Trouble): void {
    if (trouble.kind === "subscription" && !this.#groups.includes(trouble.group)) return;
    if (this.#troubles.length < this.#groups.length + 2) this.#troubles.push(trouble);
    this.#deps.queue.wake();
  }

  #receive(message: NotificationMessage): void {
    for (const data of message.notificationData ?? []) {
      if (!(data instanceof opcua.DataChangeNotification)) continue;
      if (this.#learning === undefined && !hasOpaque(data)) this.#takeAll(data);
      else this.#learn(data);
    }
  }

  /** Learns the types of unknown structures from the server; a type that it does not describe stays raw. */
  #learn(data: DataChangeNotification): void {
    const learned = (this.#learning ?? Promise.resolve())
      .then(() => opcua.promoteOpaqueStructureInNotificationData(this.#connection.session, [data]))
      .catch(() => {})
      .finally(() => {
        this.#takeAll(data);
        if (this.#learning === learned) this.#learning = undefined;
      });
    this.#learning = learned;
  }

  #takeAll(data: DataChangeNotification): void {
    for (const { clientHandle, value } of data.monitoredItems ?? []) {
      const state = this.#deps.states[clientHandle - 1];
      if (state !== undefined) this.#take(state, value);
    }
  }

  #take(state: PointState, value: DataValue): void {
    const sample = sampleOf(state.point.key, value);
    const atMs = sample.sourceMs ?? sample.serverMs ?? this.#deps.clock.nowMs();
    // Servers show current values again after a new item, a transfer or a new channel.
    if (state.isKnown(sample, atMs)) {
      this.#forgive(state);
      return;
    }
    if (state.floorMs !== undefined) {
      if (atMs <= state.floorMs) return;
      state.floorMs = undefined;
    }
    if (value.statusCode.hasOverflowBit) this.#expect(state, state.liveMs, "queue_overflow", 0);
    if (state.pending !== undefined) this.#settle(state, atMs);
    state.saw(sample, atMs);
    this.#deps.queue.push({ state, sample, atMs });
  }

  /** Values of this point may be missing from `fromMs` on. */
  #expect(
    state: PointState,
    fromMs: number | undefined,
    reason: Pending["reason"],
    publishingMs: number,
  ): void {
    if (fromMs === undefined || state.pending !== undefined) return;
    const untilMs = this.#deps.clock.monotonicMs() + 2 * publishingMs + FIRST_VALUE_MS;
    state.pending = { fromMs, reason, untilMs };
    this.#pending.add(state);
  }

  #expectSince({ watermarkMs, points }: Restored): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const state of this.#deps.states) {
      if (state.point.problem !== undefined) continue;
      if (!state.point.historizing) {
        this.gaps.add(
          state,
          "no_history",
          watermarkMs,
          nowMs,
          "not watched in this time, and the server keeps no history of it",
        );
        continue;
      }
      state.deliveredMs = points.get(state.point.key) ?? watermarkMs;
      this.#expect(state, state.deliveredMs, "no_history", this.#groups[0]?.publishingMs ?? 0);
    }
  }

  /** Somebody else's call found the session gone. */
  sessionLost(detail: string): void {
    this.#report({ kind: "session", detail });
  }

  /** Samples that the runner was too slow for. */
  tellDropped(dropped: ReadonlyMap<PointState, number>): void {
    for (const [state, fromMs] of dropped) {
      const toMs = state.liveMs ?? fromMs;
      this.gaps.add(
        state,
        "queue_overflow",
        fromMs,
        toMs,
        "the agent could not take values as fast as they came",
      );
    }
  }

  #settle(state: PointState, toMs: number): void {
    const { pending } = state;
    this.#forgive(state);
    if (pending === undefined || pending.fromMs >= toMs) return;
    if (state.point.historizing && this.#deps.historyMaxMs > 0) {
      this.backfill.add({ state, fromMs: pending.fromMs, toMs }, this.#deps.historyMaxMs);
      return;
    }
    const detail =
      pending.reason === "queue_overflow"
        ? "the server's queue for this point ran over; raise `queue_size` or lower `publishing_ms`"
        : "the subscription had to be rebuilt, and the server keeps no history of this point";
    this.gaps.add(state, pending.reason, pending.fromMs, toMs, detail);
  }

  #forgive(state: PointState): void {
    state.pending = undefined;
    this.#pending.delete(state);
    state.promise();
  }
}

function hasOpaque(data: DataChangeNotification): boolean {
  return (
    data.monitoredItems?.some(({ value }) => value.value?.dataType === opcua.DataType.ExtensionObject) ??
    false
  );
}
