// The log of webhook deliveries in the memory store: found, tried again, taken back, counted, erased, pruned.
import type { WebhookStore } from "../../core/webhooks/webhook-store.ts";
import type { Scope } from "../../core/store.ts";
import { keyOf, type MemoryTables } from "./memory-tables.ts";
import {
  committedOf,
  discarded,
  foundDeliveries,
  isEndpointInScope,
  stepOf,
  type MemoryDelivery,
  type MemoryMessage,
} from "./memory-webhook-rows.ts";
import type { Read, Transaction } from "./memory-webhooks.ts";

/** Rows of one kind that one step removes at most. */
const PRUNE_ROWS = 2_000;

type Log = Pick<
  WebhookStore,
  | "delivery"
  | "deliveries"
  | "countDeliveries"
  | "attempts"
  | "retry"
  | "discard"
  | "stats"
  | "erase"
  | "prune"
>;

export function memoryWebhookLog(tables: MemoryTables, transaction: Transaction, read: Read): Log {
  const { webhookDeliveries, webhookMessages, webhookAttempts } = tables;
  const view = committedOf(tables);
  const visible = (scope: Scope, id: string): MemoryDelivery | undefined => {
    const found = view.webhookDeliveries.get(id);
    const endpoint = view.webhookEndpoints.get(found?.row.endpointId ?? "");
    return endpoint !== undefined && isEndpointInScope(endpoint, scope) ? found : undefined;
  };
  return {
    delivery: (scope, id) => read(() => visible(scope, id)?.row),
    deliveries: (scope, query) =>
      read(() =>
        foundDeliveries(view, scope, query)
          .slice(query.skip ?? 0, (query.skip ?? 0) + query.limit)
          .map(({ row }) => row),
      ),
    countDeliveries: (scope, query) =>
      read(() => Math.min(query.limit, foundDeliveries(view, scope, query).length)),
    attempts: (scope, deliveryId) =>
      read(() =>
        visible(scope, deliveryId) === undefined
          ? []
          : [...webhookAttempts.committed.values()]
              .filter((attempt) => attempt.deliveryId === deliveryId)
              .sort((a, b) => a.number - b.number),
      ),
    retry: (scope, query, trigger, nowMs) =>
      transaction(async () => {
        const all = foundDeliveries(tables, scope, query)
          .toReversed()
          .filter((delivery) => canBeSent(tables, delivery));
        const chosen = all.slice(0, query.limit);
        for (const delivery of chosen) {
          const round = { firstAttemptAtMs: undefined, nextAttemptAtMs: nowMs, finishedAtMs: undefined };
          const row = { ...delivery.row, ...round, state: "pending" as const, trigger };
          webhookDeliveries.set(row.id, { ...delivery, row });
        }
        return { count: chosen.length, hasMore: all.length > chosen.length };
      }),
    discard: (scope, query, nowMs) =>
      transaction(async () => {
        const pending = foundDeliveries(tables, scope, query)
          .toReversed()
          .filter(({ row }) => row.state === "pending")
          .slice(0, query.limit);
        for (const delivery of pending) webhookDeliveries.set(delivery.row.id, discarded(delivery, nowMs));
        return pending.length;
      }),
    stats: (scope, sinceMs) => read(() => statsOf(tables, scope, sinceMs)),
    erase: ({ workspaceId, connectionIds }, { connectionId, recordId, eventId }) =>
      transaction(async () => {
        const wanted = [...webhookMessages.values()].filter(
          ({ row }) =>
            row.workspaceId === workspaceId &&
            (connectionIds?.includes(row.connectionId ?? "") ?? true) &&
            (connectionId === undefined || row.connectionId === connectionId) &&
            (recordId === undefined || row.recordId === recordId) &&
            (eventId === undefined || row.eventId === eventId),
        );
        for (const message of wanted) {
          eraseAnswers(tables, message);
          erasePayload(tables, message);
        }
        return wanted.filter(({ payloadAtMs }) => payloadAtMs !== undefined).length;
      }),
    prune: (before) => transaction(async () => prune(tables, before)),
  };
}

function canBeSent({ webhookEndpoints, webhookMessages }: MemoryTables, { row }: MemoryDelivery): boolean {
  const endpoint = webhookEndpoints.get(row.endpointId);
  const isReceiving = endpoint?.isDeleted === false && endpoint.row.disabled === undefined;
  return isReceiving && webhookMessages.get(keyOf(row.workspaceId, row.eventId))?.payloadAtMs !== undefined;
}

function statsOf(tables: MemoryTables, scope: Scope, sinceMs: number): Awaited<ReturnType<Log["stats"]>> {
  const endpoints = [...tables.webhookEndpoints.committed.values()]
    .filter((endpoint) => !endpoint.isDeleted && isEndpointInScope(endpoint, scope))
    .sort((a, b) => a.no - b.no);
  return endpoints.map(({ row: { id } }) => {
    const pending = [...tables.webhookDeliveries.committed.values()]
      .filter(({ row }) => row.endpointId === id && row.state === "pending")
      .map(({ row }) => row.createdAtMs);
    const counts = [...tables.webhookCounts.committed.values()].filter(
      ({ endpointId, fromMs }) => endpointId === id && fromMs >= stepOf(sinceMs),
    );
    const sum = (name: "delivered" | "exhausted" | "attempts" | "failedAttempts"): number =>
      counts.reduce((total, of) => total + of[name], 0);
    return {
      endpointId: id,
      pending: pending.length,
      oldestPendingAtMs: pending.length === 0 ? undefined : Math.min(...pending),
      delivered: sum("delivered"),
      exhausted: sum("exhausted"),
      attempts: sum("attempts"),
      failedAttempts: sum("failedAttempts"),
    };
  });
}

function erasePayload({ webhookMessages }: MemoryTables, { no, row }: MemoryMessage): void {
  const erased = { ...row, full: undefined, thin: undefined };
  webhookMessages.set(keyOf(row.workspaceId, row.eventId), { no, row: erased, payloadAtMs: undefined });
}

function eraseAnswers({ webhookDeliveries, webhookAttempts }: MemoryTables, { row }: MemoryMessage): void {
  for (const [key, attempt] of webhookAttempts.entries()) {
    const delivery = webhookDeliveries.get(attempt.deliveryId)?.row;
    if (delivery?.workspaceId !== row.workspaceId || delivery.eventId !== row.eventId) continue;
    webhookAttempts.set(key, { ...attempt, responseBody: undefined });
  }
}

function prune(
  tables: MemoryTables,
  { payloadsMs, deliveriesMs }: { readonly payloadsMs: number; readonly deliveriesMs: number },
): boolean {
  const { webhookMessages, webhookAttempts, webhookDeliveries, webhookCounts, webhookEndpoints } = tables;
  const payloads = [...webhookMessages.values()]
    .filter(({ payloadAtMs = payloadsMs }) => payloadAtMs < payloadsMs)
    .slice(0, PRUNE_ROWS);
  for (const message of payloads) erasePayload(tables, message);
  for (const [key, attempt] of webhookAttempts.entries()) {
    if (attempt.responseBody === undefined || attempt.atMs >= payloadsMs) continue;
    webhookAttempts.set(key, { ...attempt, responseBody: undefined });
  }
  const old = [...webhookDeliveries.values()]
    .filter(({ row }) => row.createdAtMs < deliveriesMs && (row.finishedAtMs ?? deliveriesMs) < deliveriesMs)
    .slice(0, PRUNE_ROWS);
  const gone = new Set(old.map(({ row }) => row.id));
  for (const id of gone) webhookDeliveries.delete(id);
  for (const [key, { deliveryId }] of webhookAttempts.entries()) {
    if (gone.has(deliveryId)) webhookAttempts.delete(key);
  }
  for (const [key, { fromMs }] of webhookCounts.entries()) {
    if (fromMs < stepOf(deliveriesMs)) webhookCounts.delete(key);
  }
  const held = new Set([...webhookDeliveries.values()].map(({ row }) => keyOf(row.workspaceId, row.eventId)));
  const receivers = new Set([...webhookDeliveries.values()].map(({ row }) => row.endpointId));
  for (const [key, { payloadAtMs }] of webhookMessages.entries()) {
    if (payloadAtMs === undefined && !held.has(key)) webhookMessages.delete(key);
  }
  for (const [id, { isDeleted }] of webhookEndpoints.entries()) {
    if (isDeleted && !receivers.has(id)) webhookEndpoints.delete(id);
  }
  return old.length === PRUNE_ROWS || payloads.length === PRUNE_ROWS;
}
