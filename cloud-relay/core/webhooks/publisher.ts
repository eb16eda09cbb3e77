// Turns the feed into deliveries: reads each workspace's events behind what was published, and writes messages, deliveries and
// the new position in one transaction. Ingest knows nothing of it.
import type { Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { Bell } from "../bell.ts";
import { subjects, type Bus } from "../bus.ts";
import type { Reader, Revision, Scope } from "../store.ts";
import { missedAlert } from "./alerts.ts";
import { draftPublication, type DraftDeps } from "./publication-draft.ts";
import type { WebhookMeter } from "./webhook-meter.ts";
import type { FeedToPublish, WebhookStore } from "./webhook-store.ts";

/** Hints wake it sooner; looking this often is what counts. */
const LOOK_EVERY_MS = 500;
const PAGE_EVENTS = 500;
/** Feeds looked at in one round; each gets one page of it. */
const FEEDS_A_ROUND = 100;
/** Workspaces whose hints it listens to; the others wait for the next look. */
const MAX_WATCHED = 10_000;

export interface PublisherDeps extends Omit<DraftDeps, "reader"> {
  readonly store: { readonly reader: Reader; readonly webhooks: WebhookStore };
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: WebhookMeter;
}

export class Publisher {
  readonly #deps: PublisherDeps;
  readonly #bell = new Bell();
  readonly #watched = new Map<string, () => void>();

  constructor(deps: PublisherDeps) {
    this.#deps = deps;
  }

  /** Until the signal; what fails is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    try {
      while (!signal.aborted) {
        this.#bell.reset();
        let hasMore = false;
        try {
          hasMore = await this.publishRound();
        } catch (error) {
          logger.error({}, `webhooks: the feeds could not be looked at: ${messageOf(error)}`);
        }
        if (!hasMore) await this.#bell.rung(clock, LOOK_EVERY_MS, signal);
      }
    } finally {
      for (const stop of this.#watched.values()) stop();
      this.#watched.clear();
    }
  }

  /** One page of each feed that has something; whether there is more to do at once. */
  async publishRound(): Promise<boolean> {
    const { store, logger, clock, meter } = this.#deps;
    const feeds = await store.webhooks.feedsToPublish(FEEDS_A_ROUND);
    let hasMore = false;
    let lagMs = 0;
    for (const feed of feeds) {
      this.#watch(feed.workspaceId);
      // A position is the instant of its commit, in microseconds; a feed of which nothing was published yet has none.
      if (feed.published > 0) lagMs = Math.max(lagMs, clock.nowMs() - feed.published / 1_000);
      try {
        if ((await this.#page(feed)) || feeds.length === FEEDS_A_ROUND) hasMore = true;
      } catch (error) {
        const { workspaceId } = feed;
        // The others go on; this one is tried again at the next look.
        logger.error({ workspaceId }, `webhooks: events could not be published: ${messageOf(error)}`);
      }
    }
    meter.publishLag(feeds.length === 0 ? 0 : Math.max(0, lagMs));
    return hasMore;
  }

  async #page(feed: FeedToPublish): Promise<boolean> {
    const { store, bus, clock, meter } = this.#deps;
    const { workspaceId, published, newest } = feed;
    const scope: Scope = { workspaceId };
    const events = await store.reader.listEvents(scope, published, PAGE_EVENTS);
    // Asked for after the events: what was removed meanwhile is missing in them.
    const { oldest } = await store.reader.feedBounds(workspaceId);
    if (published < oldest - 1) return this.#missed(feed, oldest - 1);
    // Asked for after the events: an endpoint that is made after this begins behind all of them.
    const endpoints = (await store.webhooks.endpoints(scope))
      .map(({ row }) => row)
      .filter(({ disabled }) => disabled === undefined);
    const atMs = clock.nowMs();
    const draft = await draftPublication(
      { ...this.#deps, reader: store.reader },
      { scope, events, endpoints, trigger: "automatic", nowMs: atMs },
    );
    const last = events.at(-1)?.position ?? published;
    const end = events.length < PAGE_EVENTS || endpoints.length === 0 ? Math.max(newest, last) : last;
    const to = draft.endedAt ?? end;
    const { messages, deliveries } = draft;
    const isDone = await store.webhooks.publish({
      workspaceId,
      advance: { from: published, to },
      messages,
      deliveries,
      atMs,
    });
    if (!isDone) return true;
    if (deliveries.length > 0) {
      meter.published(messages.length, deliveries.length);
      bus.publish(subjects.webhooksDue, 1);
    }
    return to < newest;
  }

  /** Events were removed by age before they were published: every endpoint is told, by an event of its own. */
  async #missed({ workspaceId, published }: FeedToPublish, until: Revision): Promise<boolean> {
    const { store, bus, clock, logger } = this.#deps;
    const atMs = clock.nowMs();
    const alert = missedAlert(workspaceId, published, until, atMs);
    logger.error(
      { workspaceId, from: published, until },
      "webhooks: events were removed by their age before they could be published; the endpoints are told. Is keep_events long enough?",
    );
    const advance = { from: published, to: until };
    await store.webhooks.publish({
      workspaceId,
      advance,
      messages: [],
      deliveries: [],
      events: [alert],
      atMs,
    });
    bus.publish(subjects.feed(workspaceId), 1);
    return true;
  }

  #watch(workspaceId: string): void {
    if (this.#watched.has(workspaceId) || this.#watched.size >= MAX_WATCHED) return;
    const stop = this.#deps.bus.subscribe(subjects.feed(workspaceId), () => this.#bell.ring());
    this.#watched.set(workspaceId, stop);
  }
}
