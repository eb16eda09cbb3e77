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

export class Payloads {
  readonly #webhooks: Pick<WebhookStore, "messages">;
  readonly #clock: Clock;
  /** By workspace and event; those that were read first come first. */
  readonly #held = new Map<string, Held>();
  #chars = 0;

  constructor(webhooks: Pick<WebhookStore, "messages">, clock: Clock) {
    this.#webhooks = webhooks;
    this.#clock = clock;
  }

  /** Reads ahead what these need, in one go. All of one workspace. Rejects as the store does. */
  async expect(deliveries: readonly DeliveryRow[]): Promise<void> {
    const missing = new Map(
      deliveries
        .filter((delivery) => this.#fresh(delivery) === undefined)
        .map((delivery) => [delivery.eventId, delivery]),
    );
    const [first] = missing.values();
    if (first === undefined) return;
    const { workspaceId } = first;
    const found = await this.#webhooks.messages({ workspaceId }, [...missing.keys()]);
    const byEvent = new Map(found.map((message) => [message.eventId, message]));
    for (const delivery of missing.values()) this.#hold(delivery, byEvent.get(delivery.eventId));
  }

  /** JSON text in the endpoint's form; undefined: it was erased, and cannot be sent. Rejects as the store does. */
  async body(delivery: DeliveryRow, endpoint: EndpointRow): Promise<string | undefined> {
    const held = this.#fresh(delivery);
    if (held !== undefined) return bodyOf(held.message, endpoint);
    const { workspaceId, eventId } = delivery;
    const [message] = await this.#webhooks.messages({ workspaceId }, [eventId]);
    this.#hold(delivery, message);
    return bodyOf(message, endpoint);
  }

  #fresh(delivery: DeliveryRow): Held | undefined {
    const held = this.#held.get(keyOf(delivery));
    return held !== undefined && this.#clock.monotonicMs() - held.readAtMs < FRESH_MS ? held : undefined;
  }

  #hold(delivery: DeliveryRow, message: MessageRow | undefined): void {
    const key = keyOf(delivery);
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

function bodyOf(message: MessageRow | undefined, { payload }: EndpointRow): string | undefined {
  return payload === "full" ? (message?.full ?? message?.thin) : (message?.thin ?? message?.full);
}
