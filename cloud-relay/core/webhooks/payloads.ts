// The bodies of deliveries that are about to be sent: read once for all endpoints of an event, held for a moment, bounded.
import type { Clock } from "#common/runtime/clock.ts";
import type { DeliveryRow, MessageRow } from "./delivery.ts";
import type { EndpointRow } from "./endpoint.ts";
import type { WebhookStore } from "./webhook-store.ts";

/** Held at once, UTF-16 units. */
const MAX_HELD_CHARS = 16 * 1024 * 1024;
/** What was erased is not sent after that. */
const FRESH_MS = 1_000;

interface Held {
  /** Undefined: there is none, or it was erased. */
  readonly message: MessageRow | undefined;
  readonly chars: number;
  readonly readAtMs: number;
}

type Messages = ReadonlyMap<string, MessageRow | undefined>;

/** What is sent of an event to one endpoint. */
export interface Outgoing {
  /** JSON text in the endpoint's form; undefined: it was erased, and cannot be sent. */
  readonly body: string | undefined;
  /** Its message's. */
  readonly traceparent: string | undefined;
}

export class Payloads {
  readonly #webhooks: Pick<WebhookStore, "messages">;
  readonly #clock: Clock;
  /** By workspace and event; those that were read first come first. */
  readonly #held = new Map<string, Held>();
  readonly #reading = new Map<string, Promise<Messages>>();
  #chars = 0;

  constructor(webhooks: Pick<WebhookStore, "messages">, clock: Clock) {
    this.#webhooks = webhooks;
    this.#clock = clock;
  }

  /** Reads ahead what these need, in one go a workspace. Rejects as the store does. */
  async expect(deliveries: readonly DeliveryRow[]): Promise<void> {
    const missing = deliveries.filter((delivery) => this.#fresh(delivery) === undefined);
    const underWay = missing.map((delivery) => this.#reading.get(keyOf(delivery)));
    await Promise.all(new Set(underWay.filter((reading) => reading !== undefined)));
    const left = missing.filter((delivery) => this.#fresh(delivery) === undefined);
    const byWorkspace = Map.groupBy(left, ({ workspaceId }) => workspaceId);
    for (const [workspaceId, of] of byWorkspace) await this.#read(workspaceId, of);
  }

  /** Rejects as the store does. */
  async outgoing(delivery: DeliveryRow, endpoint: EndpointRow): Promise<Outgoing> {
    const held = this.#fresh(delivery);
    if (held !== undefined) return outgoingOf(held.message, endpoint);
    const key = keyOf(delivery);
    const found = await (this.#reading.get(key) ?? this.#read(delivery.workspaceId, [delivery]));
    return outgoingOf(found.get(key), endpoint);
  }

  /** Others that need the same meanwhile wait for this. */
  #read(workspaceId: string, deliveries: readonly DeliveryRow[]): Promise<Messages> {
    const wanted = new Map(deliveries.map((delivery) => [keyOf(delivery), delivery.eventId]));
    const reading = this.#readNow(workspaceId, wanted).finally(() => {
      for (const key of wanted.keys()) this.#reading.delete(key);
    });
    for (const key of wanted.keys()) this.#reading.set(key, reading);
    return reading;
  }

  async #readNow(workspaceId: string, wanted: ReadonlyMap<string, string>): Promise<Messages> {
    const found = await this.#webhooks.messages({ workspaceId }, [...wanted.values()]);
    const byEvent = new Map(found.map((message) => [message.eventId, message]));
    const messages = new Map([...wanted].map(([key, eventId]) => [key, byEvent.get(eventId)]));
    for (const [key, message] of messages) this.#hold(key, message);
    return messages;
  }

  #fresh(delivery: DeliveryRow): Held | undefined {
    const held = this.#held.get(keyOf(delivery));
    return held !== undefined && this.#clock.monotonicMs() - held.readAtMs < FRESH_MS ? held : undefined;
  }

  #hold(key: string, message: MessageRow | undefined): void {
    this.#drop(key);
    const chars = (message?.full?.length ?? 0) + (message?.thin?.length ?? 0);
    this.#held.set(key, { message, chars, readAtMs: this.#clock.monotonicMs() });
    this.#chars += chars;
    for (const [oldest, { readAtMs }] of this.#held) {
      const isOld = this.#clock.monotonicMs() - readAtMs >= FRESH_MS;
      if (!isOld && this.#chars <= MAX_HELD_CHARS) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#chars -= this.#held.get(key)?.chars ?? 0;
    this.#held.delete(key);
  }
}

function keyOf({ workspaceId, eventId }: DeliveryRow): string {
  return `${workspaceId} ${eventId}`;
}

function outgoingOf(message: MessageRow | undefined, { payload }: EndpointRow): Outgoing {
  const { full, thin, traceparent } = message ?? {};
  return { body: payload === "full" ? (full ?? thin) : (thin ?? full), traceparent };
}
