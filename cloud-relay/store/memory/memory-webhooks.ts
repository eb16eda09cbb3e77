// Webhook endpoints of the memory store: made and changed, leased, published to and settled.
import { MillraceError } from "#common/runtime/errors.ts";
import { appendNewEvents } from "../../core/webhooks/append-events.ts";
import { HEALTHY } from "../../core/webhooks/endpoint.ts";
import type {
  NewDelivery,
  Publication,
  Settlement,
  Settling,
  StoredEndpoint,
  WebhookStore,
} from "../../core/webhooks/webhook-store.ts";
import { DuplicateError, type IngestTx } from "../../core/store.ts";
import { keyOf, type MemoryTables } from "./memory-tables.ts";
import { memoryWebhookLog } from "./memory-webhook-log.ts";
import {
  committedOf,
  count,
  discarded,
  endedAtMs,
  hasFailed,
  isEndpointInScope,
  nextNo,
  readyDeliveries,
  type MemoryEndpoint,
  type WebhookView,
} from "./memory-webhook-rows.ts";

export type Transaction = <T>(work: (tx: IngestTx) => Promise<T>) => Promise<T>;
export type Read = <T>(work: () => T) => Promise<T>;

export function memoryWebhooks(tables: MemoryTables, transaction: Transaction, read: Read): WebhookStore {
  return {
    ...endpointsOf(tables, transaction, read),
    ...publishingOf(tables, transaction, read),
    ...leasesOf(tables, read),
    ...memoryWebhookLog(tables, transaction, read),
    settle: ({ settlements, endpoints, events }) =>
      transaction(async (tx) => {
        for (const settlement of settlements) settleOne(tables, settlement);
        const applied = endpoints.filter((settled) => settleEndpoint(tables, settled));
        await appendNewEvents(tx, [...applied.flatMap(({ events: told = [] }) => told), ...events]);
      }),
  };
}

function endpointsOf(
  tables: MemoryTables,
  transaction: Transaction,
  read: Read,
): Pick<WebhookStore, "createEndpoint" | "endpoint" | "endpoints" | "changeEndpoint" | "deleteEndpoint"> {
  const { webhookEndpoints, webhookDeliveries, numbers, connections, workspaces } = tables;
  const living = (id: string, endpoints = webhookEndpoints as WebhookView["webhookEndpoints"]) => {
    const found = endpoints.get(id);
    return found?.isDeleted === false ? found : undefined;
  };
  return {
    createEndpoint: (row) =>
      transaction(async () => {
        const { id, workspaceId, connectionId } = row;
        if (webhookEndpoints.has(id)) throw new DuplicateError(`the webhook endpoint ${id} exists already`);
        const isKnown =
          connectionId === undefined
            ? workspaces.has(workspaceId)
            : connections.get(connectionId)?.workspaceId === workspaceId;
        if (!isKnown) throw unknownOwner(workspaceId, connectionId);
        const published = publishedOf(workspaceId);
        if (!numbers.has(published)) numbers.set(published, numbers.get(`newest ${workspaceId}`) ?? 0);
        webhookEndpoints.set(id, { no: nextNo(tables), row, health: HEALTHY, isDeleted: false });
      }),
    endpoint: (scope, id) =>
      read(() => {
        const found = living(id, webhookEndpoints.committed);
        return found !== undefined && isEndpointInScope(found, scope) ? stored(found) : undefined;
      }),
    endpoints: (scope) =>
      read(() =>
        [...webhookEndpoints.committed.values()]
          .filter((endpoint) => !endpoint.isDeleted && isEndpointInScope(endpoint, scope))
          .sort((a, b) => a.no - b.no)
          .map(stored),
      ),
    changeEndpoint: (workspaceId, id, decide, resetsHealth = false) =>
      transaction(async () => {
        const before = living(id);
        if (before?.row.workspaceId !== workspaceId) return undefined;
        const row = decide(before.row);
        if (row === undefined) return stored(before);
        const after = { ...before, row, health: resetsHealth ? anew(before) : before.health };
        webhookEndpoints.set(id, after);
        return stored(after);
      }),
    deleteEndpoint: (workspaceId, id, atMs) =>
      transaction(async () => {
        const before = living(id);
        if (before?.row.workspaceId !== workspaceId) return false;
        const row = { ...before.row, secrets: [], headers: [] };
        webhookEndpoints.set(id, { ...before, row, isDeleted: true });
        for (const delivery of webhookDeliveries.values()) {
          const { endpointId, state, id: deliveryId } = delivery.row;
          if (endpointId !== id || state !== "pending") continue;
          webhookDeliveries.set(deliveryId, discarded(delivery, atMs));
        }
        forgetIdleFeed(tables, workspaceId);
        return true;
      }),
  };
}

function publishingOf(
  tables: MemoryTables,
  transaction: Transaction,
  read: Read,
): Pick<WebhookStore, "feedsToPublish" | "publish" | "messages"> {
  const { webhookMessages, numbers } = tables;
  return {
    feedsToPublish: (limit) =>
      read(() =>
        [...numbers.committed]
          .filter(([name]) => name.startsWith("published "))
          .map(([name, published]) => {
            const workspaceId = name.slice("published ".length);
            return { workspaceId, published, newest: numbers.committed.get(`newest ${workspaceId}`) ?? 0 };
          })
          .filter(({ published, newest }) => newest > published)
          .sort((a, b) => a.published - b.published)
          .slice(0, limit),
      ),
    publish: (publication) =>
      transaction(async (tx) => {
        const { workspaceId, advance, messages, deliveries, events = [], atMs } = publication;
        const name = publishedOf(workspaceId);
        if (advance !== undefined) {
          if (numbers.get(name) !== advance.from) return false;
          numbers.set(name, advance.to);
        }
        for (const message of messages) putMessage(tables, message, atMs);
        for (const delivery of deliveries) putDelivery(tables, publication, delivery);
        await appendNewEvents(tx, events);
        return true;
      }),
    messages: ({ workspaceId, connectionIds }, eventIds) =>
      read(() =>
        eventIds
          .map((eventId) => webhookMessages.committed.get(keyOf(workspaceId, eventId))?.row)
          .filter((row) => row !== undefined)
          .filter(({ connectionId }) => connectionIds?.includes(connectionId ?? "") ?? true),
      ),
  };
}

function anew({ health }: MemoryEndpoint): StoredEndpoint["health"] {
  return { ...HEALTHY, round: health.round + 1 };
}

function putMessage(tables: MemoryTables, row: Publication["messages"][number], atMs: number): void {
  const { webhookMessages } = tables;
  const key = keyOf(row.workspaceId, row.eventId);
  const before = webhookMessages.get(key);
  const { full = row.full, thin = row.thin } = before?.row ?? {};
  const hasGained = full !== before?.row.full || thin !== before?.row.thin;
  webhookMessages.set(key, {
    no: before?.no ?? nextNo(tables),
    row: { ...(before?.row ?? row), full, thin },
    payloadAtMs: hasGained ? atMs : before?.payloadAtMs,
  });
}

function putDelivery(
  tables: MemoryTables,
  { workspaceId, atMs }: Publication,
  { id, endpointId, eventId, trigger, dueAtMs }: NewDelivery,
): void {
  const { webhookEndpoints, webhookMessages, webhookDeliveries } = tables;
  const endpoint = webhookEndpoints.get(endpointId);
  if (endpoint === undefined || endpoint.isDeleted || endpoint.row.workspaceId !== workspaceId) return;
  const message = webhookMessages.get(keyOf(workspaceId, eventId))?.row;
  if (message === undefined) throw new MillraceError(`there is no webhook message of the event ${eventId}`);
  const isTest = trigger === "test";
  const isThere = (held: {
    readonly row: { readonly endpointId: string; readonly eventId: string };
  }): boolean => held.row.endpointId === endpointId && held.row.eventId === eventId;
  if (!isTest && [...webhookDeliveries.values()].some((held) => !held.isTest && isThere(held))) return;
  const { position, type, connectionId, recordId } = message;
  webhookDeliveries.set(id, {
    no: nextNo(tables),
    isTest,
    row: {
      id,
      endpointId,
      workspaceId,
      eventId,
      position,
      type,
      connectionId,
      recordId,
      state: "pending",
      trigger,
      attempts: 0,
      createdAtMs: atMs,
      firstAttemptAtMs: undefined,
      nextAttemptAtMs: dueAtMs,
      finishedAtMs: undefined,
      lastStatus: undefined,
      lastError: undefined,
    },
  });
}

/** Leases are held by whoever runs: a restart ends them all. */
function leasesOf(
  tables: MemoryTables,
  read: Read,
): Pick<WebhookStore, "lease" | "renew" | "release" | "due"> {
  const view = committedOf(tables);
  const heldUntil = new Map<string, number>();
  /** When each endpoint that may be leased has something ready. */
  const readiness = (): { readonly endpoint: MemoryEndpoint; readonly atMs: number }[] =>
    [...view.webhookEndpoints.values()]
      .filter(({ isDeleted, row }) => !isDeleted && row.disabled === undefined)
      .map((endpoint) => ({ endpoint, dueAtMs: readyDeliveries(view, endpoint)[0]?.row.nextAttemptAtMs }))
      .filter(({ dueAtMs }) => dueAtMs !== undefined)
      .map(({ endpoint, dueAtMs = 0 }) => ({
        endpoint,
        atMs: Math.max(dueAtMs, endpoint.health.parkedUntilMs ?? 0),
      }))
      .sort((a, b) => a.atMs - b.atMs);
  const isHeld = (id: string, nowMs: number): boolean => (heldUntil.get(id) ?? 0) > nowMs;
  return {
    lease: (nowMs, leaseMs, limit) =>
      read(() => {
        const leased = readiness()
          .filter(({ endpoint, atMs }) => atMs <= nowMs && !isHeld(endpoint.row.id, nowMs))
          .slice(0, limit);
        for (const { endpoint } of leased) heldUntil.set(endpoint.row.id, nowMs + leaseMs);
        return leased.map(({ endpoint }) => stored(endpoint));
      }),
    renew: (endpointId, nowMs, leaseMs) =>
      read(() => {
        const isMine = isHeld(endpointId, nowMs);
        if (isMine) heldUntil.set(endpointId, nowMs + leaseMs);
        return isMine;
      }),
    release: (endpointIds) =>
      read(() => {
        for (const id of endpointIds) heldUntil.delete(id);
      }),
    due: (asked, nowMs) =>
      read(() =>
        asked.map(({ endpointId, limit, except }) => {
          const endpoint = view.webhookEndpoints.get(endpointId);
          if (endpoint === undefined || endpoint.isDeleted) return [];
          return readyDeliveries(view, endpoint)
            .filter(({ row }) => (row.nextAttemptAtMs ?? nowMs) <= nowMs && !except.has(row.id))
            .slice(0, limit)
            .map(({ row }) => row);
        }),
      ),
  };
}

function settleOne(tables: MemoryTables, settlement: Settlement): void {
  const { webhookDeliveries, webhookAttempts } = tables;
  const { attempt, endpointId, state, nextAttemptAtMs, firstAttemptAtMs } = settlement;
  const before = webhookDeliveries.get(attempt.deliveryId);
  if (before === undefined) return;
  webhookAttempts.set(keyOf(attempt.deliveryId, attempt.number), attempt);
  const atMs = endedAtMs(attempt);
  const isSettled = before.row.state === "pending" || (state === "delivered" && before.row.state !== state);
  count(tables, endpointId, atMs, {
    delivered: Number(isSettled && state === "delivered"),
    exhausted: Number(isSettled && state === "exhausted"),
    attempts: 1,
    failedAttempts: Number(hasFailed(attempt)),
  });
  const row = {
    ...before.row,
    attempts: Math.max(before.row.attempts, attempt.number),
    lastStatus: attempt.status,
    lastError: attempt.error,
  };
  const isPending = state === "pending";
  const next = {
    ...row,
    state,
    firstAttemptAtMs,
    nextAttemptAtMs: isPending ? (nextAttemptAtMs ?? atMs) : undefined,
    finishedAtMs: isPending ? undefined : atMs,
  };
  webhookDeliveries.set(row.id, { ...before, row: isSettled ? next : row });
}

function settleEndpoint(
  { webhookEndpoints }: MemoryTables,
  { endpointId, health, disabled }: Settling["endpoints"][number],
): boolean {
  const before = webhookEndpoints.get(endpointId);
  if (before === undefined || before.isDeleted || before.health.round !== health.round) return false;
  const row = { ...before.row, disabled: before.row.disabled ?? disabled };
  webhookEndpoints.set(endpointId, { ...before, row, health });
  return true;
}

/** Without endpoints nothing is published: the next first endpoint begins anew. */
export function forgetIdleFeed({ webhookEndpoints, numbers }: MemoryTables, workspaceId: string): void {
  for (const { row, isDeleted } of webhookEndpoints.values()) {
    if (!isDeleted && row.workspaceId === workspaceId) return;
  }
  numbers.delete(publishedOf(workspaceId));
}

function publishedOf(workspaceId: string): string {
  return `published ${workspaceId}`;
}

function stored({ row, health }: MemoryEndpoint): StoredEndpoint {
  return { row, health };
}

function unknownOwner(workspaceId: string, connectionId: string | undefined): MillraceError {
  const owner = connectionId === undefined ? `workspace ${workspaceId}` : `connection ${connectionId}`;
  return new MillraceError(`the relay's store has no ${owner}; create it before its webhook endpoints`);
}
