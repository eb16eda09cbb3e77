// Small builders of webhook rows, for the suites.
import type { AttemptRow, MessageRow } from "#relay/core/webhooks/delivery.ts";
import type { EndpointRow } from "#relay/core/webhooks/endpoint.ts";
import type { NewDelivery, Settlement } from "#relay/core/webhooks/webhook-store.ts";
import type { Store } from "#relay/core/store.ts";
import { CONNECTION, NOW_MS, WORKSPACE } from "./harness.ts";

export function endpoint(id: string, changes: Partial<EndpointRow> = {}): EndpointRow {
  return {
    id,
    workspaceId: WORKSPACE,
    connectionId: undefined,
    name: `endpoint ${id}`,
    transport: "http",
    url: `https://${id}.example.com/hook`,
    types: ["*"],
    origins: ["change"],
    echoes: true,
    condition: undefined,
    payload: "full",
    payloadVersion: 1,
    ordering: "none",
    perSecond: undefined,
    atOnce: 4,
    headers: [],
    secrets: [{ id: "whs_1", kind: "v1", sealed: "sealed", createdAtMs: NOW_MS, expiresAtMs: undefined }],
    disabled: undefined,
    fromPosition: 0,
    createdAtMs: NOW_MS,
    updatedAtMs: NOW_MS,
    ...changes,
  };
}

export function message(eventId: string, changes: Partial<MessageRow> = {}): MessageRow {
  return {
    eventId,
    workspaceId: WORKSPACE,
    connectionId: CONNECTION,
    position: NOW_MS * 1000,
    type: "work_order.updated",
    recordId: undefined,
    atMs: NOW_MS,
    full: `{"full":"${eventId}"}`,
    thin: undefined,
    ...changes,
  };
}

export function delivery(
  id: string,
  endpointId: string,
  eventId: string,
  changes: Partial<NewDelivery> = {},
): NewDelivery {
  return { id, endpointId, eventId, trigger: "automatic", dueAtMs: NOW_MS, ...changes };
}

/** One message for each of the endpoints, due at once: deliveries `<event>@<endpoint>`. */
export async function published(
  store: Store,
  eventId: string,
  endpointIds: readonly string[],
  changes: Partial<MessageRow> = {},
  atMs = NOW_MS,
): Promise<void> {
  await store.webhooks.publish({
    workspaceId: changes.workspaceId ?? WORKSPACE,
    messages: [message(eventId, changes)],
    deliveries: endpointIds.map((id) => delivery(`${eventId}@${id}`, id, eventId, { dueAtMs: atMs })),
    atMs,
  });
}

export function attempt(deliveryId: string, changes: Partial<AttemptRow> = {}): AttemptRow {
  return {
    deliveryId,
    number: 1,
    trigger: "automatic",
    atMs: NOW_MS,
    url: "https://example.com/hook",
    requestHeaders: { "webhook-id": "evt_1" },
    status: 200,
    error: undefined,
    detail: undefined,
    responseHeaders: { "content-type": "text/plain" },
    responseBody: "thanks",
    remoteAddress: "192.0.2.1",
    timings: { dnsMs: 1, connectMs: 2, tlsMs: 3, firstByteMs: 4, totalMs: 5 },
    ...changes,
  };
}

/** Delivered, unless it is said otherwise. */
export function settlement(
  deliveryId: string,
  changes: Partial<Omit<Settlement, "attempt">> = {},
  of: Partial<AttemptRow> = {},
): Settlement {
  return {
    attempt: attempt(deliveryId, of),
    endpointId: deliveryId.split("@")[1] ?? "",
    state: "delivered",
    nextAttemptAtMs: undefined,
    firstAttemptAtMs: NOW_MS,
    ...changes,
  };
}

export async function settle(store: Store, ...settlements: readonly Settlement[]): Promise<void> {
  await store.webhooks.settle({ settlements, endpoints: [], events: [] });
}

/** Ids of what is due. */
export async function due(
  store: Store,
  endpointId: string,
  nowMs = NOW_MS,
  except: readonly string[] = [],
): Promise<readonly string[]> {
  const asked = [{ endpointId, limit: 100, except: new Set(except) }];
  const found = await store.webhooks.due(asked, nowMs);
  return found.flat().map(({ id }) => id);
}

export async function leased(store: Store, nowMs = NOW_MS, leaseMs = 1_000): Promise<readonly string[]> {
  return (await store.webhooks.lease(nowMs, leaseMs, 100)).map(({ row }) => row.id);
}
