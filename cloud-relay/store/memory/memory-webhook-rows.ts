// What the memory store keeps of webhooks, and how rows are found, ordered and counted.
import type { AttemptRow, DeliveryRow, MessageRow } from "../../core/webhooks/delivery.ts";
import type { EndpointHealth, EndpointRow } from "../../core/webhooks/endpoint.ts";
import { STATS_STEP_MS, type DeliveryQuery } from "../../core/webhooks/webhook-store.ts";
import type { Scope } from "../../core/store.ts";
import { keyOf, type MemoryTables } from "./memory-tables.ts";

export interface MemoryEndpoint {
  readonly no: number;
  readonly row: EndpointRow;
  readonly health: EndpointHealth;
  /** Kept for the log of what it was sent. */
  readonly isDeleted: boolean;
}

export interface MemoryMessage {
  readonly no: number;
  readonly row: MessageRow;
  /** When its payload was stored; undefined: it was erased. */
  readonly payloadAtMs: number | undefined;
}

export interface MemoryDelivery {
  /** Order of creation. */
  readonly no: number;
  readonly row: DeliveryRow;
  readonly isTest: boolean;
}

/** Of one endpoint in one STATS_STEP_MS. */
export interface MemoryCounts {
  readonly endpointId: string;
  readonly fromMs: number;
  readonly delivered: number;
  readonly exhausted: number;
  readonly attempts: number;
  readonly failedAttempts: number;
}

type View<Row> = Pick<ReadonlyMap<string, Row>, "get"> & { values(): Iterable<Row> };
/** As everybody sees them (`committed`), or as the transaction does (the tables themselves). */
export interface WebhookView {
  readonly webhookEndpoints: View<MemoryEndpoint>;
  readonly webhookMessages: View<MemoryMessage>;
  readonly webhookDeliveries: View<MemoryDelivery>;
}

export function committedOf(tables: MemoryTables): WebhookView {
  return {
    webhookEndpoints: tables.webhookEndpoints.committed,
    webhookMessages: tables.webhookMessages.committed,
    webhookDeliveries: tables.webhookDeliveries.committed,
  };
}

export function nextNo({ numbers }: MemoryTables): number {
  const no = (numbers.get("webhook_no") ?? 0) + 1;
  numbers.set("webhook_no", no);
  return no;
}

export function isEndpointInScope({ row }: MemoryEndpoint, { workspaceId, connectionIds }: Scope): boolean {
  return (
    row.workspaceId === workspaceId &&
    (connectionIds === undefined || connectionIds.includes(row.connectionId ?? ""))
  );
}

/** Newest first. */
export function foundDeliveries(view: WebhookView, scope: Scope, query: DeliveryQuery): MemoryDelivery[] {
  const { webhookDeliveries, webhookEndpoints } = view;
  const before = query.afterId === undefined ? undefined : webhookDeliveries.get(query.afterId);
  if (query.afterId !== undefined && before === undefined) return [];
  return [...webhookDeliveries.values()]
    .filter(({ row }) => {
      const endpoint = webhookEndpoints.get(row.endpointId);
      return endpoint !== undefined && isEndpointInScope(endpoint, scope);
    })
    .filter(({ row }) => isWanted(row, query))
    .filter((delivery) => before === undefined || newestFirst(delivery, before) > 0)
    .sort(newestFirst);
}

function isWanted(row: DeliveryRow, query: DeliveryQuery): boolean {
  const { endpointId, connectionId, states, types, eventId, recordId, status, afterMs, beforeMs } = query;
  return (
    (endpointId === undefined || row.endpointId === endpointId) &&
    (connectionId === undefined || row.connectionId === connectionId) &&
    (states?.includes(row.state) ?? true) &&
    (types?.includes(row.type) ?? true) &&
    (eventId === undefined || row.eventId === eventId) &&
    (recordId === undefined || row.recordId === recordId) &&
    (status === undefined || (row.lastStatus ?? 0) === status) &&
    row.createdAtMs >= (afterMs ?? Number.NEGATIVE_INFINITY) &&
    row.createdAtMs < (beforeMs ?? Number.POSITIVE_INFINITY)
  );
}

function newestFirst(one: MemoryDelivery, other: MemoryDelivery): number {
  return other.row.createdAtMs - one.row.createdAtMs || other.no - one.no;
}

/** Pending deliveries of an endpoint that nothing of their record stands before; those due longest first. */
export function readyDeliveries(
  { webhookDeliveries }: WebhookView,
  { row }: MemoryEndpoint,
): MemoryDelivery[] {
  const pending = [...webhookDeliveries.values()].filter(
    (delivery) => delivery.row.endpointId === row.id && delivery.row.state === "pending",
  );
  const byPosition = pending.toSorted((a, b) => a.row.position - b.row.position || a.no - b.no);
  const seen = new Set<string>();
  const ready = byPosition.filter(({ row: { recordId } }) => {
    if (row.ordering === "none" || recordId === undefined) return true;
    const isFirst = !seen.has(recordId);
    seen.add(recordId);
    return isFirst;
  });
  return ready.sort((a, b) => dueOf(a) - dueOf(b));
}

function dueOf({ row }: MemoryDelivery): number {
  return row.nextAttemptAtMs ?? Number.POSITIVE_INFINITY;
}

export function discarded({ no, row, isTest }: MemoryDelivery, atMs: number): MemoryDelivery {
  return {
    no,
    isTest,
    row: { ...row, state: "discarded", nextAttemptAtMs: undefined, finishedAtMs: atMs },
  };
}

export function endedAtMs({ atMs, timings }: AttemptRow): number {
  return Math.round(atMs + timings.totalMs);
}

export function hasFailed({ status = 0 }: AttemptRow): boolean {
  return status < 200 || status >= 300;
}

export function count(
  { webhookCounts }: MemoryTables,
  endpointId: string,
  atMs: number,
  counted: Omit<MemoryCounts, "endpointId" | "fromMs">,
): void {
  const fromMs = stepOf(atMs);
  const key = keyOf(endpointId, fromMs);
  const none = { delivered: 0, exhausted: 0, attempts: 0, failedAttempts: 0 };
  const { delivered, exhausted, attempts, failedAttempts } = webhookCounts.get(key) ?? none;
  webhookCounts.set(key, {
    endpointId,
    fromMs,
    delivered: delivered + counted.delivered,
    exhausted: exhausted + counted.exhausted,
    attempts: attempts + counted.attempts,
    failedAttempts: failedAttempts + counted.failedAttempts,
  });
}

export function stepOf(ms: number): number {
  return Math.floor(ms / STATS_STEP_MS) * STATS_STEP_MS;
}
