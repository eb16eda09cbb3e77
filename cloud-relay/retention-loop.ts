// Removes what is older than the settings hold, in small steps between which ingest and reads go on.
import { sleep, type Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { Store } from "#relay/core/store.ts";
import type { Users } from "#relay/core/users/users.ts";

const LOOK_EVERY_MS = 15 * 60_000;
const BETWEEN_STEPS_MS = 20;

export interface RetentionDeps {
  readonly store: Store;
  readonly users: Users;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly eventsKeptMs: number;
  readonly samplesKeptMs: number;
  readonly versionsKeptMs: number;
  readonly requestsKeptMs: number;
  readonly webhookPayloadsKeptMs: number;
  readonly webhookLogKeptMs: number;
}

/** Runs until the signal; a failing round is logged and tried again at the next one. */
export async function runRetention(deps: RetentionDeps, signal: AbortSignal): Promise<void> {
  const { store, clock, logger } = deps;
  while (!signal.aborted) {
    const now = clock.nowMs();
    const before = {
      eventsMs: now - deps.eventsKeptMs,
      samplesMs: now - deps.samplesKeptMs,
      versionsMs: now - deps.versionsKeptMs,
    };
    const webhooksBefore = {
      payloadsMs: now - deps.webhookPayloadsKeptMs,
      deliveriesMs: now - deps.webhookLogKeptMs,
    };
    try {
      while (!signal.aborted && (await store.prune(before))) await sleep(clock, BETWEEN_STEPS_MS, signal);
      const requestsMs = now - deps.requestsKeptMs;
      await deps.users.prune();
      while (!signal.aborted && (await store.requests.prune(requestsMs)))
        await sleep(clock, BETWEEN_STEPS_MS, signal);
      while (!signal.aborted && (await store.webhooks.prune(webhooksBefore)))
        await sleep(clock, BETWEEN_STEPS_MS, signal);
    } catch (error) {
      logger.error({ err: error }, "removing what is no longer held failed; it is tried again later");
    }
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
}
