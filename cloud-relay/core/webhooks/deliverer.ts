// Sends what is due: leases endpoints, gives each its turn at the places there are, and has every outcome written down.
// A delivery stays due in the store until its outcome is durable: whatever ends this process, it is sent again.
import { sleep } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { Bell } from "../bell.ts";
import { subjects, type Bus } from "../bus.ts";
import type { Scope } from "../store.ts";
import { attempt, type Attempt, type AttemptDeps } from "./attempt.ts";
import type { AttemptRow, DeliveryRow } from "./delivery.ts";
import type { EndpointRow } from "./endpoint.ts";
import { judge } from "./judgement.ts";
import { Lane } from "./lane.ts";
import { outcomeLabel } from "./outcome.ts";
import { Payloads, type Outgoing } from "./payloads.ts";
import { paceWaitMs, Places, SLOW_MS, type Standing, type Trust } from "./places.ts";
import { Settler } from "./settler.ts";
import { TurnQueue } from "./turn-queue.ts";
import type { WebhookMeter } from "./webhook-meter.ts";
import type { StoredEndpoint, WebhookStore } from "./webhook-store.ts";

export interface DelivererDeps extends AttemptDeps {
  readonly webhooks: WebhookStore;
  readonly bus: Bus;
  readonly logger: Logger;
  readonly meter: WebhookMeter;
  /** Uniform in [0, 1): jitter of retries. */
  readonly random: () => number;
}

const LOOK_EVERY_MS = 500;
const LEASE_MS = 60_000;
const RENEW_AFTER_MS = LEASE_MS / 3;
/** Endpoints held at once, and leased at a time. */
const MAX_LANES = 10_000;
const LEASE_PAGE = 256;
/** An endpoint's row is read again after so long, and at once when somebody says that it changed. */
const ROW_FRESH_MS = 5_000;
/** Asked for what is due in one go: of those that are well, and beside them of those that may not be. */
const FETCH_PROVEN = 64;
const FETCH_OTHERS = 8;
/** Outcomes that are not durable yet; beyond that nothing begins. */
const MAX_UNSETTLED = 2_000;
/** When the relay stops: how long attempts under way may go on, and outcomes may take to be written. */
const STOP_GRACE_MS = 3_000;
const STOP_SETTLE_MS = 5_000;

export class Deliverer {
  readonly #deps: DelivererDeps;
  readonly #places = new Places();
  readonly #settler: Settler;
  readonly #payloads: Payloads;
  readonly #bell = new Bell();
  readonly #lanes = new Map<string, Lane>();
  readonly #queue = new TurnQueue<Lane, Trust>(
    ["proven", "new", "suspect"],
    ({ standing }) => standing.trust,
  );
  /** Sent outside of their lane's turn. */
  readonly #sentNow = new Set<string>();
  readonly #attempts = new Set<Promise<unknown>>();
  readonly #cutting = new AbortController();
  #toRelease: string[] = [];
  readonly #toFetch: Record<"proven" | "others", Lane[]> = { proven: [], others: [] };
  #isFetching = false;
  #isStopping = false;

  constructor(deps: DelivererDeps) {
    this.#deps = deps;
    this.#payloads = new Payloads(deps.webhooks, deps.clock);
    this.#settler = new Settler({ ...deps, isBusy: () => this.#attempts.size > 0 });
  }

  /** Until the signal, and then until what is under way has ended or its grace is over. */
  async run(signal: AbortSignal): Promise<void> {
    const { bus, clock, logger } = this.#deps;
    const stops = [
      bus.subscribe(subjects.webhooksDue, () => this.#lookAgain()),
      bus.subscribe(subjects.webhookEndpoints, (id) => this.#changed(id)),
    ];
    while (!signal.aborted) {
      this.#bell.reset();
      try {
        await this.#round();
      } catch (error) {
        logger.error({}, `webhooks: endpoints could not be leased: ${messageOf(error)}`);
      }
      await this.#bell.rung(clock, LOOK_EVERY_MS, signal);
    }
    for (const stop of stops) stop();
    await this.#stop();
  }

  /**
   * Sends one delivery at once, whatever its endpoint's breaker, pace and switch say: a test, or a retry that somebody waits
   * for. Resolves with the attempt when it is durable; undefined: there is no such delivery, or it is under way already.
   */
  async sendNow(scope: Scope, deliveryId: string): Promise<AttemptRow | undefined> {
    const { webhooks, clock } = this.#deps;
    if (this.#isStopping || this.#sentNow.has(deliveryId)) return undefined;
    this.#sentNow.add(deliveryId);
    try {
      const delivery = await webhooks.delivery(scope, deliveryId);
      const stored = delivery && (await webhooks.endpoint(scope, delivery.endpointId));
      if (delivery === undefined || stored === undefined) return undefined;
      const held = this.#lanes.get(stored.row.id);
      if (held?.underWay.has(deliveryId) === true) return undefined;
      const lane = held ?? new Lane(stored, this.#standingOf(stored), clock.monotonicMs());
      // Nobody holds its lease for this: nothing else of it may begin here.
      if (held === undefined) lane.isClosed = true;
      return await this.#deliver(lane, stored.row, delivery);
    } finally {
      this.#sentNow.delete(deliveryId);
      this.#pump();
    }
  }

  async #round(): Promise<void> {
    await this.#release();
    await this.#renew();
    for (const lane of this.#lanes.values()) this.#advance(lane);
    const { webhooks, clock } = this.#deps;
    for (;;) {
      const limit = Math.min(LEASE_PAGE, MAX_LANES - this.#lanes.size);
      if (limit <= 0 || this.#isStopping) return;
      const leased = await webhooks.lease(clock.nowMs(), LEASE_MS, limit);
      for (const stored of leased) {
        const lane = new Lane(stored, this.#standingOf(stored), clock.monotonicMs());
        this.#lanes.set(lane.endpointId, lane);
        this.#advance(lane);
      }
      if (leased.length < limit) return;
    }
  }

  #standingOf({ row, health }: StoredEndpoint): Standing {
    return this.#places.standing(row.id, health, row.atOnce);
  }

  /** Whatever the lane can do next: begin, fetch, or be given back. */
  #advance(lane: Lane): void {
    const { clock } = this.#deps;
    const nowMs = clock.nowMs();
    if (lane.canBegin(nowMs)) this.#line(lane);
    else if (!this.#isStopping && lane.shouldFetch(nowMs, clock.monotonicMs())) this.#fetch(lane);
    else if (!lane.isQueued && lane.isIdle(nowMs)) this.#drop(lane);
  }

  #line(lane: Lane): void {
    if (lane.isQueued) return;
    lane.isQueued = true;
    this.#queue.push(lane);
    this.#pump();
  }

  #pump(): void {
    const { clock } = this.#deps;
    while (!this.#isStopping && this.#settler.pending < MAX_UNSETTLED) {
      const lane = this.#queue.next((trust) => this.#places.hasRoom(trust));
      if (lane === undefined) return;
      lane.isQueued = false;
      if (!lane.canBegin(clock.nowMs())) this.#advance(lane);
      else this.#begin(lane);
    }
  }

  #begin(lane: Lane): void {
    const { clock } = this.#deps;
    const waitMs = paceWaitMs(lane.standing, lane.row.perSecond, clock.monotonicMs());
    if (waitMs > 0) {
      lane.isQueued = true;
      clock.setTimer(waitMs, () => {
        lane.isQueued = false;
        this.#advance(lane);
      });
      return;
    }
    const delivery = lane.begin();
    if (delivery === undefined) return;
    if (this.#sentNow.has(delivery.id)) lane.done(delivery.id);
    else void this.#deliver(lane, lane.row, delivery);
    this.#advance(lane);
  }

  /** Never rejects. Undefined: the relay stopped before it ended, or the store could not say what is sent. */
  async #deliver(lane: Lane, endpoint: EndpointRow, delivery: DeliveryRow): Promise<AttemptRow | undefined> {
    lane.underWay.set(delivery.id, delivery.recordId);
    const place = this.#places.take(lane.standing);
    this.#report();
    const stopWatch = this.#deps.clock.setTimer(SLOW_MS, () => this.#places.lasts(place));
    const sending = this.#send(endpoint, delivery);
    this.#attempts.add(sending);
    const sent = await sending.finally(() => {
      this.#attempts.delete(sending);
      stopWatch();
      this.#places.free(place);
    });
    if (sent === undefined) {
      // Given back, and leased again at the next look.
      lane.isClosed = true;
      lane.done(delivery.id);
      this.#report();
      this.#advance(lane);
      // Its place is somebody else's now.
      this.#pump();
      return undefined;
    }
    const { made, hasBody } = sent;
    // Cut off by the relay's own end: nobody knows what came of it, so it is made again.
    if (this.#cutting.signal.aborted) return undefined;
    const { meter, random } = this.#deps;
    meter.attempted(
      outcomeLabel(made.result),
      made.tookMs,
      Math.max(0, made.startedAtMs - (delivery.nextAttemptAtMs ?? made.startedAtMs)),
    );
    const { ended, health, disabled } = judge({
      endpoint,
      health: lane.health,
      standing: lane.standing,
      delivery,
      hasBody,
      attempt: made,
      random: random(),
    });
    lane.health = health;
    if (disabled !== undefined) lane.row = { ...lane.row, disabled };
    this.#report();
    const settled = this.#settler.settle(ended);
    this.#advance(lane);
    this.#pump();
    await settled;
    const { state } = ended.settlement;
    if (state !== "pending") meter.finished(state, 1);
    lane.done(delivery.id);
    this.#advance(lane);
    this.#pump();
    return made.row;
  }

  /** Undefined: the store could not say what is sent (logged). Never rejects. */
  async #send(
    endpoint: EndpointRow,
    delivery: DeliveryRow,
  ): Promise<{ readonly made: Attempt; readonly hasBody: boolean } | undefined> {
    let outgoing: Outgoing;
    try {
      outgoing = await this.#payloads.outgoing(delivery, endpoint);
    } catch (error) {
      const problem = `webhooks: a payload could not be read: ${messageOf(error)}`;
      this.#deps.logger.error({ endpoint: endpoint.id, delivery: delivery.id }, problem);
      return undefined;
    }
    const made = await attempt(this.#deps, endpoint, delivery, outgoing, this.#cutting.signal);
    return { made, hasBody: outgoing.body !== undefined };
  }

  /** Lanes that want more in the same turn are asked for together. */
  #fetch(lane: Lane): void {
    lane.isFetching = true;
    this.#toFetch[lane.standing.trust === "proven" ? "proven" : "others"].push(lane);
    if (!this.#isFetching) void this.#fetchAll();
  }

  async #fetchAll(): Promise<void> {
    this.#isFetching = true;
    await Promise.resolve();
    const { proven, others } = this.#toFetch;
    while (proven.length + others.length > 0) {
      const lanes = [...proven.splice(0, FETCH_PROVEN), ...others.splice(0, FETCH_OTHERS)];
      await this.#fetchFor(lanes);
      for (const lane of lanes) {
        lane.isFetching = false;
        this.#advance(lane);
      }
    }
    this.#isFetching = false;
  }

  async #fetchFor(lanes: readonly Lane[]): Promise<void> {
    const { webhooks, clock, logger } = this.#deps;
    try {
      for (const lane of lanes) {
        if (clock.monotonicMs() - lane.readAtMs < ROW_FRESH_MS) continue;
        const { workspaceId } = lane.row;
        lane.refresh(await webhooks.endpoint({ workspaceId }, lane.endpointId), clock.monotonicMs());
      }
      const nowMs = clock.nowMs();
      const open = lanes.filter((lane) => !lane.isShut(nowMs));
      const asked = open.map((lane) => ({
        endpointId: lane.endpointId,
        limit: lane.fetchLimit,
        except: new Set([...lane.underWay.keys(), ...this.#sentNow]),
      }));
      const found = await webhooks.due(asked, nowMs);
      await this.#payloads.expect(found.flat());
      open.forEach((lane, at) => {
        lane.fetched(found[at] ?? [], asked[at]?.limit ?? 0, clock.monotonicMs());
      });
    } catch (error) {
      logger.error({}, `webhooks: due deliveries could not be read: ${messageOf(error)}`);
      // Given back, and leased again at the next look.
      for (const lane of lanes) lane.isClosed = true;
    }
  }

  #drop(lane: Lane): void {
    if (this.#lanes.get(lane.endpointId) !== lane) return;
    this.#lanes.delete(lane.endpointId);
    this.#toRelease.push(lane.endpointId);
  }

  async #release(): Promise<void> {
    const ids = this.#toRelease;
    if (ids.length === 0) return;
    this.#toRelease = [];
    await this.#deps.webhooks.release(ids);
  }

  async #renew(): Promise<void> {
    const { webhooks, clock } = this.#deps;
    for (const lane of this.#lanes.values()) {
      if (clock.monotonicMs() - lane.leasedAtMs < RENEW_AFTER_MS) continue;
      if (await webhooks.renew(lane.endpointId, clock.nowMs(), LEASE_MS)) {
        lane.leasedAtMs = clock.monotonicMs();
      } else lane.isClosed = true;
    }
  }

  #lookAgain(): void {
    for (const lane of this.#lanes.values()) lane.expectMore();
    this.#bell.ring();
  }

  #changed(id: unknown): void {
    const lane = this.#lanes.get(String(id));
    if (lane !== undefined) {
      lane.readAtMs = Number.NEGATIVE_INFINITY;
      lane.waiting.length = 0;
      lane.expectMore();
    }
    this.#bell.ring();
  }

  #report(): void {
    this.#deps.meter.underWay(this.#places.taken, this.#places.takenBySuspects);
  }

  async #stop(): Promise<void> {
    const { clock, webhooks, logger } = this.#deps;
    this.#isStopping = true;
    await this.#ended(STOP_GRACE_MS);
    this.#cutting.abort();
    await this.#ended(STOP_GRACE_MS);
    const endMs = clock.monotonicMs() + STOP_SETTLE_MS;
    while (this.#settler.pending > 0 && clock.monotonicMs() < endMs) await sleep(clock, 10);
    try {
      await webhooks.release([...this.#toRelease, ...this.#lanes.keys()]);
    } catch (error) {
      logger.warn(
        {},
        `webhooks: endpoints could not be given back, their leases run out: ${messageOf(error)}`,
      );
    }
  }

  async #ended(atMostMs: number): Promise<void> {
    const waiting = new AbortController();
    const all = Promise.allSettled(this.#attempts).then(() => waiting.abort());
    await Promise.race([all, sleep(this.#deps.clock, atMostMs, waiting.signal)]);
  }
}
