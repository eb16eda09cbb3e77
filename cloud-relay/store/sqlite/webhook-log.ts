// The log of webhook deliveries in SQLite: found, tried again, taken back, counted.
import type Database from "better-sqlite3";
import type { AttemptRow } from "../../core/webhooks/delivery.ts";
import { STATS_STEP_MS, type EndpointStats, type WebhookStore } from "../../core/webhooks/webhook-store.ts";
import type { Scope } from "../../core/store.ts";
import { IN_SCOPE, inScope } from "./directory-io.ts";
import type { Names } from "./names.ts";
import type { WebhookIo } from "./webhook-endpoints.ts";
import { WebhookFinder, type FoundDelivery } from "./webhook-finder.ts";
import {
  DELIVERY_COLUMNS,
  DELIVERY_JOINS,
  deliveryRow,
  IS_ALIVE,
  triggerNo,
  type DeliveryColumns,
} from "./webhook-tables.ts";

type Log = Pick<
  WebhookStore,
  "delivery" | "deliveries" | "countDeliveries" | "attempts" | "retry" | "discard" | "stats"
>;

interface AttemptColumns {
  readonly number: number;
  readonly facts: string;
  readonly body: string | null;
}

const OWN_ENDPOINT = `(? IS NULL OR e.connection_no IN (SELECT connection_no FROM connections
  WHERE id IN (SELECT value FROM json_each(?))))`;
const CAN_BE_SENT = `e.deleted_ms IS NULL AND m.payload_ms IS NOT NULL
  AND NOT (SELECT h.shut FROM webhook_health h WHERE h.endpoint_no = e.endpoint_no)`;

export function webhookLog(io: WebhookIo, names: Names): Log {
  const { reader, write } = io;
  const found = new WebhookFinder(reader);
  const rounds = new RoundWriter(io);
  const one = reader.prepare<unknown[], DeliveryColumns>(
    `SELECT ${DELIVERY_COLUMNS} FROM webhook_deliveries d ${DELIVERY_JOINS}
     WHERE w.id = ? AND ${OWN_ENDPOINT} AND d.id = ? AND ${IS_ALIVE}`,
  );
  const attempts = reader.prepare<[number], AttemptColumns>(
    "SELECT number, facts, response_body AS body FROM webhook_attempts WHERE delivery_no = ? ORDER BY number",
  );
  const stats = statsReader(reader);
  const snapshot = reader.transaction((read: () => unknown) => read());
  const inSnapshot = <T>(read: () => T): T => snapshot(read) as T;
  return {
    async delivery(scope, id) {
      const row = one.get(...inScope(scope), id);
      return row === undefined ? undefined : deliveryRow(row, names);
    },
    deliveries: async (scope, query) =>
      inSnapshot(() => found.find(scope, query, "newest")).map((row) => deliveryRow(row, names)),
    countDeliveries: async (scope, query) => inSnapshot(() => found.count(scope, query)),
    attempts: async (scope, deliveryId) =>
      inSnapshot(() => {
        const row = one.get(...inScope(scope), deliveryId);
        if (row === undefined) return [];
        return attempts.all(row.deliveryNo).map((columns) => attemptRow(deliveryId, columns));
      }),
    retry: (scope, query, trigger, nowMs) =>
      write(() => {
        const all = rounds.found.find(scope, { ...query, limit: query.limit + 1 }, "oldest", CAN_BE_SENT);
        const chosen = all.slice(0, query.limit);
        rounds.begin(chosen, triggerNo(trigger), nowMs);
        return { count: chosen.length, hasMore: all.length > chosen.length };
      }),
    discard: (scope, query, nowMs) =>
      write(() => {
        const { states } = query;
        if (states?.includes("pending") === false) return 0;
        const pending = rounds.found.find(scope, { ...query, states: ["pending"] }, "oldest");
        rounds.discard(pending, nowMs);
        return pending.length;
      }),
    stats: async (scope, sinceMs) => inSnapshot(() => stats(scope, sinceMs)),
  };
}

class RoundWriter {
  readonly found: WebhookFinder;
  readonly #io: WebhookIo;
  readonly #begin: Database.Statement;
  readonly #discard: Database.Statement<[number, number]>;

  constructor(io: WebhookIo) {
    const { writer } = io;
    this.#io = io;
    this.found = new WebhookFinder(writer);
    this.#begin = writer.prepare(
      `UPDATE webhook_deliveries SET state_no = 0, trigger_no = ?, first_ms = NULL, next_ms = ?, due_ms = ?, finished_ms = NULL,
       lane = ? WHERE delivery_no = ?`,
    );
    this.#discard = writer.prepare(
      `UPDATE webhook_deliveries SET state_no = 3, next_ms = NULL, due_ms = NULL, finished_ms = ? WHERE delivery_no = ?`,
    );
  }

  begin(deliveries: readonly FoundDelivery[], trigger: number, nowMs: number): void {
    const { queue } = this.#io;
    for (const { deliveryNo, endpointNo, ordered, recordId } of deliveries) {
      const lane = ordered === 1 ? recordId : null;
      this.#begin.run(trigger, nowMs, lane === null ? nowMs : null, lane, deliveryNo);
      if (lane === null) queue.touched(endpointNo);
      else queue.joined(endpointNo, lane);
    }
    queue.flush();
  }

  discard(deliveries: readonly FoundDelivery[], nowMs: number): void {
    const { queue } = this.#io;
    for (const { deliveryNo, endpointNo, ordered, recordId } of deliveries) {
      this.#discard.run(nowMs, deliveryNo);
      if (ordered === 1 && recordId !== null) queue.left(endpointNo, recordId);
      else queue.touched(endpointNo);
    }
    queue.flush();
  }
}

function statsReader(reader: Database.Database): (scope: Scope, sinceMs: number) => readonly EndpointStats[] {
  const endpoints = reader.prepare<unknown[], { readonly endpointNo: number; readonly endpointId: string }>(
    `SELECT e.endpoint_no AS endpointNo, e.id AS endpointId FROM webhook_endpoints e JOIN workspaces w USING (workspace_no)
     LEFT JOIN connections c USING (connection_no) WHERE e.deleted_ms IS NULL AND ${IN_SCOPE} ORDER BY e.endpoint_no`,
  );
  const pending = reader.prepare<
    [number],
    { readonly pending: number; readonly oldestPendingAtMs: number | null }
  >(
    `SELECT count(*) AS pending, min(created_ms) AS oldestPendingAtMs
     FROM webhook_deliveries INDEXED BY webhook_deliveries_endpoint WHERE endpoint_no = ? AND state_no = 0`,
  );
  const counts = reader.prepare<
    [number, number],
    Pick<EndpointStats, "delivered" | "exhausted" | "attempts" | "failedAttempts">
  >(
    `SELECT coalesce(sum(delivered), 0) AS delivered, coalesce(sum(exhausted), 0) AS exhausted,
     coalesce(sum(attempts), 0) AS attempts, coalesce(sum(failed), 0) AS failedAttempts
     FROM webhook_counts WHERE endpoint_no = ? AND step >= ?`,
  );
  const none = { delivered: 0, exhausted: 0, attempts: 0, failedAttempts: 0 };
  return (scope, sinceMs) => {
    const step = Math.floor(sinceMs / STATS_STEP_MS);
    return endpoints.all(...inScope(scope)).map(({ endpointNo, endpointId }) => {
      const { pending: waiting = 0, oldestPendingAtMs = null } = pending.get(endpointNo) ?? {};
      const counted = counts.get(endpointNo, step) ?? none;
      const oldest = oldestPendingAtMs ?? undefined;
      return Object.assign({ endpointId, pending: waiting, oldestPendingAtMs: oldest }, counted);
    });
  };
}

function attemptRow(deliveryId: string, { number, facts, body }: AttemptColumns): AttemptRow {
  const rest = JSON.parse(facts) as Omit<AttemptRow, "deliveryId" | "number" | "responseBody">;
  return { ...rest, deliveryId, number, responseBody: body ?? undefined };
}
