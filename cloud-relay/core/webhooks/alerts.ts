// What the relay tells about endpoints themselves, as events of their workspace's feed: on transitions only.
import { instantOf } from "../revisions.ts";
import type { NewEvent, Revision } from "../store.ts";
import type { DeliveryRow } from "./delivery.ts";
import type { EndpointDisabled, EndpointHealth, EndpointRow } from "./endpoint.ts";
import { ALERT_TYPES } from "./event-types.ts";

export type Alert = Omit<NewEvent, "position" | "id">;

/** Deliveries that one event names; the others are counted. */
const MAX_NAMED = 100;

export function failingAlert(
  endpoint: EndpointRow,
  health: EndpointHealth,
  lastError: string,
  atMs: number,
): Alert {
  return alert(ALERT_TYPES.failing, endpoint, atMs, {
    consecutive_failures: health.consecutiveFailures,
    failing_since: instantOrNull(health.failingSinceMs),
    parked_until: instantOrNull(health.parkedUntilMs),
    last_error: lastError,
  });
}

/** `before`: its health before the attempt that succeeded. */
export function recoveredAlert(endpoint: EndpointRow, before: EndpointHealth, atMs: number): Alert {
  return alert(ALERT_TYPES.recovered, endpoint, atMs, {
    failing_since: instantOrNull(before.failingSinceMs),
  });
}

export function disabledAlert(endpoint: EndpointRow, { reason, detail, atMs }: EndpointDisabled): Alert {
  return alert(ALERT_TYPES.disabled, endpoint, atMs, { reason, detail });
}

/** Of a workspace's feed: what is behind `from`, up to and with `until`, was removed before it was published. */
export function missedAlert(workspaceId: string, from: Revision, until: Revision, atMs: number): Alert {
  const data = {
    from: from === 0 ? null : instantOf(from / 1_000),
    until: instantOf(until / 1_000),
    from_revision: from,
    until_revision: until,
    detail:
      "These events were older than the relay keeps events before they could be sent. Read the records that changed since then: lists take modified_after.",
  };
  return {
    type: ALERT_TYPES.missed,
    workspaceId,
    connectionId: undefined,
    entity: undefined,
    recordId: undefined,
    origin: undefined,
    atMs,
    data: JSON.stringify(data),
  };
}

/** Of one endpoint. Deliveries of alerts themselves make none: two endpoints that fail must not feed each other. */
export function exhaustedAlert(
  endpoint: EndpointRow,
  exhausted: readonly DeliveryRow[],
  atMs: number,
): Alert | undefined {
  const own: readonly string[] = Object.values(ALERT_TYPES);
  const told = exhausted.filter(({ type, trigger }) => trigger !== "test" && !own.includes(type));
  if (told.length === 0) return undefined;
  return alert(ALERT_TYPES.exhausted, endpoint, atMs, {
    count: told.length,
    deliveries: told
      .slice(0, MAX_NAMED)
      .map(({ id, eventId, type }) => ({ delivery_id: id, event_id: eventId, type })),
  });
}

function alert(
  type: string,
  { id, name, workspaceId, connectionId }: EndpointRow,
  atMs: number,
  data: Readonly<Record<string, unknown>>,
): Alert {
  return {
    type,
    workspaceId,
    connectionId,
    entity: undefined,
    recordId: undefined,
    origin: undefined,
    atMs,
    data: JSON.stringify({ endpoint_id: id, name, ...data }),
  };
}

function instantOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : instantOf(ms);
}
