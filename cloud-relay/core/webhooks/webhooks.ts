// All of webhooks in one place, for whoever composes a relay and for the routes: endpoints, publishing, delivering, replays.
import type { Clock } from "#common/runtime/clock.ts";
import type { Entity } from "#common/contract/model/entities.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { Bus } from "../bus.ts";
import type { Scope, Store } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import type { AttemptDeps } from "./attempt.ts";
import { CompiledConditions } from "./compiled-conditions.ts";
import { Deliverer } from "./deliverer.ts";
import { Endpoints } from "./endpoints.ts";
import { Publisher } from "./publisher.ts";
import { recover, retryNow, sendTest, type Recovery, type ReplayDeps, type SentNow } from "./replay.ts";
import type { Conditions } from "./sender.ts";
import type { WebhookMeter } from "./webhook-meter.ts";

export interface WebhooksDeps extends AttemptDeps {
  readonly store: Pick<Store, "directory" | "reader" | "webhooks">;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly randomBytes: Entropy["randomBytes"];
  readonly conditions: Conditions;
  readonly meter: WebhookMeter;
  /** A record as GET answers it, JSON text, for test deliveries where there is no real one. */
  readonly exampleRecord: (entity: Entity) => string;
}

export class Webhooks {
  readonly endpoints: Endpoints;
  readonly #publisher: Publisher;
  readonly #deliverer: Deliverer;
  readonly #replay: ReplayDeps;

  constructor(deps: WebhooksDeps) {
    const { store, randomBytes, logger } = deps;
    const conditions = new CompiledConditions(deps.conditions, logger);
    this.endpoints = new Endpoints(deps);
    this.#publisher = new Publisher({ ...deps, conditions });
    const random = (): number => (randomBytes(1)[0] ?? 0) / 256;
    this.#deliverer = new Deliverer({ ...deps, webhooks: store.webhooks, random });
    this.#replay = { ...deps, conditions, deliverer: this.#deliverer };
  }

  /** Publishes and delivers until the signal; resolves when what was under way has ended or its grace is over. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#publisher.run(signal), this.#deliverer.run(signal)]);
  }

  /** Sends a sample of the type at once; resolves with the attempt. @throws Problem NOT_FOUND, INVALID_REQUEST */
  sendTest(scope: Scope, endpointId: string, type: string): Promise<SentNow> {
    return sendTest(this.#replay, scope, endpointId, type);
  }

  /** Sends one delivery again at once. @throws Problem NOT_FOUND, CONFLICT */
  retryNow(scope: Scope, deliveryId: string): Promise<SentNow> {
    return retryNow(this.#replay, scope, deliveryId);
  }

  /** What the endpoint never got since a time. @throws Problem NOT_FOUND, CONFLICT */
  recover(
    scope: Scope,
    endpointId: string,
    span: { readonly sinceMs: number; readonly untilMs?: number | undefined },
  ): Promise<Recovery> {
    return recover(this.#replay, scope, endpointId, span);
  }
}
