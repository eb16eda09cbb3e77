// How endpoints and deliveries are shown: one word for how each stands, and why.
import type { StatusLook } from "../parts/status.ts";
import { wordsOf } from "../parts/status.ts";
import { amount } from "../parts/text.ts";

export interface EndpointState {
  readonly disabled: { readonly reason: string; readonly detail: string } | null;
  readonly health: { readonly breaker: string; readonly consecutive_failures: number };
  /** Of the last 24 hours. */
  readonly stats?: { readonly attempts: number; readonly failed_attempts: number };
}

/** Events after which webhooks are looked at again: they tell of changes only, deliveries themselves are polled. */
export const WEBHOOK_EVENTS: readonly string[] = [
  "webhook.endpoint_failing",
  "webhook.endpoint_recovered",
  "webhook.endpoint_disabled",
  "webhook.delivery_exhausted",
  "webhook.events_missed",
];

const DELIVERY_LOOKS: Readonly<Record<string, StatusLook>> = {
  pending: { label: "Waiting", tone: "info", icon: "clock" },
  delivered: { label: "Delivered", tone: "good", icon: "check" },
  exhausted: { label: "Given up", tone: "bad", icon: "cross" },
  discarded: { label: "Discarded", tone: "idle", icon: "circle" },
};

/** States may be added to the API: one that is not known shows its own word. */
export function deliveryLook(state: string, attempts: number): StatusLook {
  if (state === "pending" && attempts > 0) return { label: "Waiting to retry", tone: "warn", icon: "sync" };
  return DELIVERY_LOOKS[state] ?? { label: wordsOf(state), tone: "idle", icon: "circle" };
}

export function endpointLook({ disabled, health, stats }: EndpointState): StatusLook {
  if (disabled !== null) {
    const isOwn = disabled.reason === "by_user";
    return { label: "Disabled", tone: isOwn ? "idle" : "bad", icon: isOwn ? "pause" : "cross" };
  }
  if (health.breaker === "open") return { label: "Paused: it fails", tone: "bad", icon: "pause" };
  if (health.breaker === "half_open") return { label: "Trying again", tone: "warn", icon: "sync" };
  if (health.consecutive_failures > 0)
    return { label: `${amount(health.consecutive_failures)} failed in a row`, tone: "warn", icon: "warning" };
  // What is the relay's own fault does not count against the endpoint, but works no better.
  if (stats !== undefined && stats.attempts > 0 && stats.failed_attempts === stats.attempts)
    return { label: "Nothing got through", tone: "warn", icon: "warning" };
  return { label: "Working", tone: "good", icon: "check" };
}

/** Where the API's own word, written out, would not be how people say it. */
const ERROR_WORDS: Readonly<Record<string, string>> = {
  blocked_address: "Address not allowed",
  dns_failed: "DNS failed",
  tls_failed: "TLS failed",
  local_fault: "The relay's own fault",
};

/** `HTTP 503`, or why no answer came; undefined before the first try. */
export function outcomeText(status: number | null, error: string | null): string | undefined {
  if (error === null) return status === null ? undefined : `HTTP ${status}`;
  const words = ERROR_WORDS[error] ?? wordsOf(error);
  return status === null ? words : `${words} (HTTP ${status})`;
}

/**
 * When a delivery that waits is tried next, ISO 8601: as its retries say, but not while its endpoint is parked by its
 * breaker. undefined: nothing is tried.
 */
export function nextTryAt(
  delivery: { readonly state: string; readonly next_attempt_at: string | null },
  endpoint: { readonly health: { readonly parked_until: string | null } } | undefined,
): string | undefined {
  const { state, next_attempt_at: own } = delivery;
  if (state !== "pending" || own === null) return undefined;
  const parked = endpoint?.health.parked_until ?? own;
  return Date.parse(parked) > Date.parse(own) ? parked : own;
}
