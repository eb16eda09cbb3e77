// Endpoints, deliveries and attempts as the API answers them.
import type { Static } from "typebox";
import { instantOf } from "#relay/core/revisions.ts";
import type { AttemptRow, DeliveryRow } from "#relay/core/webhooks/delivery.ts";
import type { EndpointStats, StoredEndpoint } from "#relay/core/webhooks/webhook-store.ts";
import { nullableInstant } from "./connection-routes.ts";
import type {
  WebhookAttemptSchema,
  WebhookDeliverySchema,
  WebhookEndpointSchema,
} from "./webhook-schemas.ts";

const MASK = "***";

export function endpointView(
  { row, health }: StoredEndpoint,
  stats: EndpointStats | undefined,
): Static<typeof WebhookEndpointSchema> {
  const { disabled } = row;
  return {
    id: row.id,
    workspace_id: row.workspaceId,
    connection_id: row.connectionId ?? null,
    name: row.name,
    transport: row.transport,
    url: row.url,
    types: [...row.types],
    origins: [...row.origins],
    echoes: row.echoes,
    condition: row.condition ?? null,
    payload: row.payload,
    payload_version: row.payloadVersion,
    ordering: row.ordering,
    per_second: row.perSecond ?? null,
    at_once: row.atOnce,
    headers: Object.fromEntries(row.headers.map(({ name }) => [name, MASK])),
    secrets: row.secrets.map((secret) => ({
      id: secret.id,
      kind: secret.kind,
      public_key: secret.publicKey ?? null,
      created_at: instantOf(secret.createdAtMs),
      expires_at: nullableInstant(secret.expiresAtMs),
    })),
    disabled:
      disabled === undefined
        ? null
        : { reason: disabled.reason, detail: disabled.detail, at: instantOf(disabled.atMs) },
    health: {
      breaker: health.breaker,
      consecutive_failures: health.consecutiveFailures,
      failing_since: nullableInstant(health.failingSinceMs),
      last_success_at: nullableInstant(health.lastSuccessAtMs),
      last_failure_at: nullableInstant(health.lastFailureAtMs),
      parked_until: nullableInstant(health.parkedUntilMs),
    },
    stats: {
      pending: stats?.pending ?? 0,
      oldest_pending_at: nullableInstant(stats?.oldestPendingAtMs),
      delivered: stats?.delivered ?? 0,
      exhausted: stats?.exhausted ?? 0,
      attempts: stats?.attempts ?? 0,
      failed_attempts: stats?.failedAttempts ?? 0,
    },
    created_at: instantOf(row.createdAtMs),
    updated_at: instantOf(row.updatedAtMs),
  };
}

export function deliveryView(row: DeliveryRow): Static<typeof WebhookDeliverySchema> {
  return {
    id: row.id,
    endpoint_id: row.endpointId,
    event_id: row.eventId,
    type: row.type,
    connection_id: row.connectionId ?? null,
    record_id: row.recordId ?? null,
    revision: row.position,
    state: row.state,
    trigger: row.trigger,
    attempts: row.attempts,
    created_at: instantOf(row.createdAtMs),
    first_attempt_at: nullableInstant(row.firstAttemptAtMs),
    next_attempt_at: nullableInstant(row.nextAttemptAtMs),
    finished_at: nullableInstant(row.finishedAtMs),
    last_status: row.lastStatus ?? null,
    last_error: row.lastError ?? null,
  };
}

export function attemptView(row: AttemptRow): Static<typeof WebhookAttemptSchema> {
  const { timings } = row;
  return {
    number: row.number,
    trigger: row.trigger,
    at: instantOf(row.atMs),
    url: row.url,
    request_headers: { ...row.requestHeaders },
    status: row.status ?? null,
    error: row.error ?? null,
    detail: row.detail ?? null,
    response_headers: { ...row.responseHeaders },
    response_body: row.responseBody ?? null,
    remote_address: row.remoteAddress ?? null,
    timings: {
      dns_ms: timings.dnsMs ?? null,
      connect_ms: timings.connectMs ?? null,
      tls_ms: timings.tlsMs ?? null,
      first_byte_ms: timings.firstByteMs ?? null,
      total_ms: timings.totalMs,
    },
  };
}
