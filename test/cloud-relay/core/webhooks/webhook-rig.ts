// Publisher and deliverer over the memory store and a clock that stands still, with a receiver that tests script.
import { randomBytes } from "node:crypto";
import { silentLogger } from "#common/runtime/logger.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import type { NewEvent, NewRecord } from "#relay/core/store.ts";
import { CompiledConditions } from "#relay/core/webhooks/compiled-conditions.ts";
import { Deliverer, type DelivererDeps } from "#relay/core/webhooks/deliverer.ts";
import type { DeliveryRow } from "#relay/core/webhooks/delivery.ts";
import type { EndpointRow } from "#relay/core/webhooks/endpoint.ts";
import { Endpoints } from "#relay/core/webhooks/endpoints.ts";
import { Publisher, type PublisherDeps } from "#relay/core/webhooks/publisher.ts";
import type { ReplayDeps } from "#relay/core/webhooks/replay.ts";
import type {
  Conditions,
  OutgoingRequest,
  SecretBox,
  Sender,
  SendResult,
  Signer,
} from "#relay/core/webhooks/sender.ts";
import type { WebhookMeter } from "#relay/core/webhooks/webhook-meter.ts";
import type { WebhookStore } from "#relay/core/webhooks/webhook-store.ts";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import {
  appendEvents,
  event as eventRow,
  NOW_MS,
  record as recordRow,
  seed,
  WORKSPACE,
} from "#test/conformance/relay-store/harness.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

export const SCOPE = { workspaceId: WORKSPACE };

export type Answer = Partial<SendResult> & { readonly takesMs?: number };

/** Answers as it is told, at the clock's time; remembers what came. */
export class FakeReceiver implements Sender {
  readonly requests: (OutgoingRequest & { readonly atMs: number })[] = [];
  answer: (request: OutgoingRequest) => Answer = () => ({ status: 200 });
  underWay = 0;
  mostUnderWay = 0;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async send(request: OutgoingRequest): Promise<SendResult> {
    this.requests.push({ ...request, atMs: this.#clock.nowMs() });
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    const { takesMs = 0, ...answer } = this.answer(request);
    if (takesMs > 0) await new Promise<void>((resolve) => void this.#clock.setTimer(takesMs, resolve));
    this.underWay -= 1;
    return { ...EMPTY, ...answer };
  }

  refusal(url: string): string | undefined {
    return url.startsWith("https://") ? undefined : "must begin with https://";
  }

  /** Types of what came, in order. */
  get types(): string[] {
    return this.bodies.map(({ type }) => String(type));
  }

  get bodies(): Record<string, unknown>[] {
    return this.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const EMPTY: SendResult = {
  status: undefined,
  error: undefined,
  detail: undefined,
  headers: {},
  body: undefined,
  remoteAddress: undefined,
  timings: { dnsMs: undefined, connectMs: undefined, tlsMs: undefined, firstByteMs: undefined, totalMs: 1 },
};

export const fakeSigner: Signer = {
  newSecret: (kind) => ({
    secret: `secret-${kind}-${randomBytes(4).toString("hex")}`,
    publicKey: kind === "v1a" ? "whpk_public" : undefined,
  }),
  adopt: (secret) => {
    if (!secret.startsWith("whsec_")) throw new MillraceError("a secret begins with whsec_");
    return { kind: "v1", publicKey: undefined };
  },
  sign: (secrets, id, timestamp) => secrets.map((secret) => `${secret}:${id}:${timestamp}`).join(" "),
};

export const fakeBox: SecretBox = {
  seal: (text, place) => `${place}|${text}`,
  open: (sealed, place) => {
    if (!sealed.startsWith(`${place}|`)) throw new MillraceError("the sealed text was moved");
    return sealed.slice(place.length + 1);
  },
};

/** `<member>=<text>` of the payload's top level. */
export const fakeConditions: Conditions = {
  compile: (source) => {
    const [member = "", wanted, ...rest] = source.split("=");
    if (wanted === undefined || rest.length > 0) throw new MillraceError("expected one =");
    return (event) => String(event[member]) === wanted;
  },
};

export class CountingMeter implements WebhookMeter {
  readonly attempts = new Map<string, number>();
  readonly ended = new Map<string, number>();
  deliveries = 0;
  lagMs = 0;
  published(_messages: number, deliveries: number): void {
    this.deliveries += deliveries;
  }
  publishLag(lagMs: number): void {
    this.lagMs = lagMs;
  }
  attempted(outcome: string): void {
    this.attempts.set(outcome, (this.attempts.get(outcome) ?? 0) + 1);
  }
  finished(state: string, count: number): void {
    this.ended.set(state, (this.ended.get(state) ?? 0) + count);
  }
  underWay(): void {}
}

/** Lets everything run that only waits for promises. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

export class WebhookRig {
  readonly clock = new FakeClock(NOW_MS);
  readonly bus = new InProcessBus({
    clock: this.clock,
    onHandlerError: (error) => {
      throw error;
    },
  });
  readonly receiver = new FakeReceiver(this.clock);
  readonly meter = new CountingMeter();
  store: MemoryStore;
  /** Between deliverer and store; tests put faults here. */
  wrap: (webhooks: WebhookStore) => WebhookStore = (webhooks) => webhooks;
  sender: Sender = this.receiver;
  #running: { readonly stopping: AbortController; readonly done: Promise<unknown> } | undefined;
  deliverer: Deliverer | undefined;

  private constructor(store: MemoryStore) {
    this.store = store;
  }

  static async open(): Promise<WebhookRig> {
    let generation = 0;
    const store = new MemoryStore({ newGeneration: () => String((generation += 1)) });
    await seed(store);
    return new WebhookRig(store);
  }

  get endpoints(): Endpoints {
    return new Endpoints({ ...this.#parts(), store: this.store });
  }

  get publisherDeps(): PublisherDeps {
    const webhooks = this.wrap(this.store.webhooks);
    return {
      ...this.#parts(),
      store: { reader: this.store.reader, webhooks },
      conditions: new CompiledConditions(fakeConditions, silentLogger),
    };
  }

  get delivererDeps(): DelivererDeps {
    return { ...this.#parts(), webhooks: this.wrap(this.store.webhooks) };
  }

  get replayDeps(): ReplayDeps {
    if (this.deliverer === undefined) throw new Error("start it first");
    return {
      ...this.publisherDeps,
      deliverer: this.deliverer,
      exampleRecord: (entity) => JSON.stringify({ id: "example-1", remote_id: "E-1", entity }),
    };
  }

  /** Runs both until `stop`. */
  start(): Deliverer {
    const stopping = new AbortController();
    const deliverer = new Deliverer(this.delivererDeps);
    const publisher = new Publisher(this.publisherDeps);
    const done = Promise.all([publisher.run(stopping.signal), deliverer.run(stopping.signal)]);
    this.#running = { stopping, done };
    this.deliverer = deliverer;
    return deliverer;
  }

  /** As a signal would: what is under way may end. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.stopping.abort();
    const over = new AbortController();
    const done = running.done.finally(() => over.abort());
    for (let waited = 0; !over.signal.aborted && waited < 1_000; waited += 1) await this.pass(100, 100);
    await done;
  }

  /** Time goes by in steps; after each, all that can happen happens. */
  async pass(ms: number, stepMs = 250): Promise<void> {
    await turn();
    for (let gone = 0; gone < ms; gone += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - gone));
      await turn();
      await turn();
    }
  }

  /** An endpoint with a secret, ready to take deliveries. */
  async endpoint(settings: Partial<Parameters<Endpoints["create"]>[0]> = {}): Promise<EndpointRow> {
    const made = await this.endpoints.create({
      workspaceId: WORKSPACE,
      url: "https://receiver.test/hook",
      ...settings,
    });
    return made.endpoint.row;
  }

  /** A record is written with its event, as ingest does it. Resolves with the event's position. */
  async change(key: string, event: Partial<NewEvent> = {}, record: Partial<NewRecord> = {}): Promise<number> {
    const position = await this.store.ingest(async (tx) => {
      const first = await tx.revisions(1, this.clock.nowMs());
      const hash = String(first).padStart(22, "A");
      const row = recordRow(key, first, { updatedAtMs: this.clock.nowMs(), hash, ...record });
      await tx.putRecords([row]);
      await tx.appendEvents([eventRow(first, { recordId: row.id, atMs: this.clock.nowMs(), ...event })]);
      return first;
    });
    this.bus.publish(`feed.${WORKSPACE}`, 1);
    return position;
  }

  events(all: readonly Partial<NewEvent>[]): Promise<number[]> {
    return appendEvents(this.store, all, this.clock.nowMs());
  }

  /** Types of the alerts in the feed. */
  async alerts(): Promise<string[]> {
    const events = await this.store.reader.listEvents(SCOPE, 0, 10_000);
    return events.map(({ type }) => type).filter((type) => type.startsWith("webhook."));
  }

  async deliveries(endpointId?: string): Promise<readonly DeliveryRow[]> {
    const query = { limit: 10_000, ...(endpointId === undefined ? {} : { endpointId }) };
    return (await this.store.webhooks.deliveries(SCOPE, query)).toReversed();
  }

  #parts() {
    const { bus, clock, meter } = this;
    return {
      bus,
      clock,
      meter,
      logger: silentLogger,
      randomBytes: (count: number) => new Uint8Array(randomBytes(count)),
      random: () => 0.5,
      senders: { http: this.sender },
      signer: fakeSigner,
      box: fakeBox,
      conditions: fakeConditions,
      userAgent: "Millrace-Webhooks/test",
    };
  }
}
