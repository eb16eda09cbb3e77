// From an attempt to all that follows: the delivery's state and next try, the endpoint's health, and what is told of it.
import { disabledAlert, failingAlert, recoveredAlert, type Alert } from "./alerts.ts";
import type { Attempt } from "./attempt.ts";
import type { DeliveryRow } from "./delivery.ts";
import type { EndpointDisabled, EndpointHealth, EndpointRow } from "./endpoint.ts";
import { healthAfter, type HealthChange } from "./endpoint-health.ts";
import { outcomeOf, type Outcome } from "./outcome.ts";
import { learn, type Standing } from "./places.ts";
import { localRetry, nextAttemptAtMs } from "./retry-schedule.ts";
import type { Ended } from "./settler.ts";
import type { Settlement } from "./webhook-store.ts";

export interface Judged {
  readonly ended: Ended;
  readonly health: EndpointHealth;
  /** Set when this attempt has disabled the endpoint. */
  readonly disabled: EndpointDisabled | undefined;
}

export interface Case {
  readonly endpoint: EndpointRow;
  readonly health: EndpointHealth;
  readonly standing: Standing;
  readonly delivery: DeliveryRow;
  /** False: its payload was erased, there was nothing to send. */
  readonly hasBody: boolean;
  readonly attempt: Attempt;
  /** Uniform in [0, 1). */
  readonly random: number;
}

export function judge(it: Case): Judged {
  const { endpoint, health, standing, delivery, attempt } = it;
  const outcome = outcomeOf(attempt.result, attempt.endedAtMs);
  // A test shows what would happen; that it failed is no news about deliveries, that it succeeded is.
  const isTrial = delivery.trigger === "test" && outcome.kind === "failed";
  const change: HealthChange = isTrial
    ? { health, turn: undefined, disables: undefined }
    : healthAfter(health, { ...attempt, outcome }, standing.window);
  if (outcome.kind !== "local" && !isTrial) {
    const isFailure = outcome.kind === "failed";
    const isThrottled = outcome.kind === "failed" && outcome.isThrottled;
    learn(standing, { isFailure, isThrottled, tookMs: attempt.tookMs }, endpoint.atOnce);
  }
  const disabled =
    change.disables === undefined || endpoint.disabled !== undefined
      ? undefined
      : { ...change.disables, atMs: attempt.endedAtMs };
  return {
    health: change.health,
    disabled,
    ended: {
      endpoint,
      delivery,
      settlement: settlementOf(it, outcome),
      settled: {
        endpointId: endpoint.id,
        health: change.health,
        ...(disabled === undefined ? {} : { disabled }),
      },
      alerts: alertsOf(it, outcome, change, disabled),
    },
  };
}

function settlementOf({ endpoint, delivery, hasBody, attempt, random }: Case, outcome: Outcome): Settlement {
  const { startedAtMs: atMs } = attempt;
  const firstAttemptAtMs = roundBegan(delivery, atMs);
  const over = (state: Settlement["state"]): Settlement => ({
    attempt: attempt.row,
    endpointId: endpoint.id,
    state,
    nextAttemptAtMs: undefined,
    firstAttemptAtMs,
  });
  if (!hasBody) return over("discarded");
  if (outcome.kind === "delivered") return over("delivered");
  if (delivery.trigger === "test") return over("exhausted");
  if (outcome.kind === "local") {
    const local = localRetry(firstAttemptAtMs, atMs, random);
    return { ...over("pending"), nextAttemptAtMs: local.nextAtMs, firstAttemptAtMs: local.firstAttemptAtMs };
  }
  if (outcome.isFinal) return over("exhausted");
  const atLeastMs = outcome.retryAfterMs;
  const next = nextAttemptAtMs({ firstAttemptAtMs, atMs, atLeastMs, random });
  return next === undefined ? over("exhausted") : { ...over("pending"), nextAttemptAtMs: next };
}

/** Time that passed because the relay itself could not try does not count: a retry after that may have come late as well. */
function roundBegan({ firstAttemptAtMs, nextAttemptAtMs, lastError }: DeliveryRow, atMs: number): number {
  if (firstAttemptAtMs === undefined) return atMs;
  const lateMs = lastError === "local_fault" ? Math.max(0, atMs - (nextAttemptAtMs ?? atMs)) : 0;
  return firstAttemptAtMs + lateMs;
}

function alertsOf(
  { endpoint, health, attempt }: Case,
  outcome: Outcome,
  change: HealthChange,
  disabled: EndpointDisabled | undefined,
): readonly Alert[] {
  const { endedAtMs } = attempt;
  const alerts: Alert[] = [];
  if (change.turn === "failing" && outcome.kind === "failed")
    alerts.push(failingAlert(endpoint, change.health, outcome.why, endedAtMs));
  if (change.turn === "recovered") alerts.push(recoveredAlert(endpoint, health, endedAtMs));
  if (disabled !== undefined) alerts.push(disabledAlert(endpoint, disabled));
  return alerts;
}
