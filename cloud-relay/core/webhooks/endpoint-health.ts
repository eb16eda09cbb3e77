// What an attempt's outcome does to its endpoint's health: breaker, parking, and when it has failed for too long.
import { parkMs, shouldOpen, type AttemptWindow } from "./breaker.ts";
import type { EndpointHealth } from "./endpoint.ts";
import type { Disabling, Outcome } from "./outcome.ts";

/** Nothing but failures for so long: disabled. */
const DISABLE_AFTER_MS = 5 * 86_400_000;
/** And not by a failure here and there: so many in a row, the one before the newest no longer ago than this. */
const DISABLE_AFTER_FAILURES = 12;
const DISABLE_RECENT_MS = 86_400_000;

export interface HealthChange {
  readonly health: EndpointHealth;
  /** News for whoever watches; undefined: it goes on as it did. */
  readonly turn: "failing" | "recovered" | undefined;
  readonly disables: Disabling | undefined;
}

export interface AttemptEnd {
  readonly outcome: Outcome;
  /** ms since the epoch: when the attempt began, and when it was over. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export function healthAfter(health: EndpointHealth, end: AttemptEnd, window: AttemptWindow): HealthChange {
  const { outcome, endedAtMs } = end;
  if (outcome.kind === "local") return { health, turn: undefined, disables: undefined };
  window.add(outcome.kind === "failed", endedAtMs);
  if (outcome.kind === "failed") return afterFailure(health, outcome, end, window);
  // What went before is no longer held against it: single failures from now on start a new count.
  if (health.breaker !== "closed") window.clear();
  return {
    health: {
      ...health,
      breaker: "closed",
      consecutiveFailures: 0,
      failingSinceMs: undefined,
      lastSuccessAtMs: endedAtMs,
      parkedUntilMs: health.breaker === "closed" ? health.parkedUntilMs : undefined,
    },
    turn: health.breaker === "closed" ? undefined : "recovered",
    disables: outcome.disables,
  };
}

function afterFailure(
  health: EndpointHealth,
  outcome: Extract<Outcome, { kind: "failed" }>,
  { startedAtMs, endedAtMs }: AttemptEnd,
  window: AttemptWindow,
): HealthChange {
  const failingSinceMs = health.failingSinceMs ?? startedAtMs;
  const consecutiveFailures = health.consecutiveFailures + 1;
  const wasOpen = health.breaker === "open";
  const isOpen = wasOpen || shouldOpen(consecutiveFailures, window);
  // An attempt that began before the breaker opened says nothing new of how long to wait.
  const parks = isOpen && !(wasOpen && startedAtMs < (health.parkedUntilMs ?? 0));
  const parkedUntilMs = latest(
    health.parkedUntilMs,
    parks ? endedAtMs + parkMs(failingSinceMs, endedAtMs) : undefined,
    outcome.isThrottled && outcome.retryAfterMs !== undefined ? endedAtMs + outcome.retryAfterMs : undefined,
  );
  const next: EndpointHealth = {
    round: health.round,
    breaker: isOpen ? "open" : "closed",
    consecutiveFailures,
    failingSinceMs,
    lastSuccessAtMs: health.lastSuccessAtMs,
    lastFailureAtMs: endedAtMs,
    parkedUntilMs,
  };
  const disables = outcome.disables ?? lasting(health, next);
  return { health: next, turn: isOpen && !wasOpen ? "failing" : undefined, disables };
}

function lasting(
  before: EndpointHealth,
  { failingSinceMs, consecutiveFailures, lastFailureAtMs }: EndpointHealth,
): Disabling | undefined {
  if (failingSinceMs === undefined || lastFailureAtMs === undefined) return undefined;
  const isRecent = lastFailureAtMs - (before.lastFailureAtMs ?? failingSinceMs) <= DISABLE_RECENT_MS;
  const isLong = lastFailureAtMs - failingSinceMs >= DISABLE_AFTER_MS;
  if (!isLong || !isRecent || consecutiveFailures < DISABLE_AFTER_FAILURES) return undefined;
  return {
    reason: "failing",
    detail: `Every delivery failed since ${new Date(failingSinceMs).toISOString()}: ${consecutiveFailures} attempts.`,
  };
}

function latest(...instants: readonly (number | undefined)[]): number | undefined {
  const known = instants.filter((instant) => instant !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
