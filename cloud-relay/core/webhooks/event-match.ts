// Which events an endpoint wants: by connection, type, origin and cause. Conditions are judged later, on the payload.
import type { StoredEvent } from "../store.ts";
import type { EndpointRow } from "./endpoint.ts";
import { ALERT_PREFIX, ALERT_TYPES, matchesType } from "./event-types.ts";

/** What matching reads of an event's `data`. */
export interface EventFacts {
  readonly event: StoredEvent;
  readonly data: Readonly<Record<string, unknown>>;
}

export function factsOf(event: StoredEvent): EventFacts {
  return { event, data: JSON.parse(event.data) as Record<string, unknown> };
}

/** Whatever an endpoint asks for: that something is missing of it, as far as it was there. */
export function isForAll({ type }: StoredEvent): boolean {
  return type === ALERT_TYPES.missed;
}

/** Says nothing about whether the endpoint is enabled, or of its condition. */
export function isWanted(endpoint: EndpointRow, { event, data }: EventFacts): boolean {
  const { type, origin, connectionId } = event;
  if (event.position <= endpoint.fromPosition) return false;
  if (isForAll(event)) return endpoint.fromPosition < Number(data["until_revision"]);
  if (endpoint.connectionId !== undefined && endpoint.connectionId !== connectionId) return false;
  if (!endpoint.types.some((pattern) => matchesType(pattern, type))) return false;
  if (origin !== undefined && !endpoint.origins.includes(origin)) return false;
  if (!endpoint.echoes && origin !== undefined && isPresent(data["cause"])) return false;
  // An endpoint that hears of its own failures would have one more to fail at.
  return !(type.startsWith(ALERT_PREFIX) && data["endpoint_id"] === endpoint.id);
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
