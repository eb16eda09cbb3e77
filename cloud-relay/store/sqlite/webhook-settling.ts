// What attempts came to, in SQLite: the log, the delivery's state, the endpoint's health and counts, events; all in one transaction.
import type Database from "better-sqlite3";
import { appendNewEvents } from "../../core/webhooks/append-events.ts";
import type { AttemptRow } from "../../core/webhooks/delivery.ts";
import type { EndpointRow } from "../../core/webhooks/endpoint.ts";
import {
  STATS_STEP_MS,
  type FeedNews,
  type SettledEndpoint,
  type Settlement,
  type Settling,
  type WebhookStore,
} from "../../core/webhooks/webhook-store.ts";
import type { IngestTx } from "../../core/store.ts";
import type { IdColumn } from "./columns.ts";
import { ENDPOINT_COLUMNS, storedEndpoint, type EndpointColumns } from "./webhook-endpoints.ts";
import type { WebhookQueue } from "./webhook-queue.ts";
import { stateNo } from "./webhook-tables.ts";

interface DeliveryPlace {
  readonly deliveryNo: number;
  readonly endpointNo: number;
  readonly stateNo: number;
  readonly lane: IdColumn | null;
}

interface Counted {
  readonly endpointNo: number;
  readonly step: number;
  delivered: number;
  exhausted: number;
  attempts: number;
  failed: number;
}

const PENDING = stateNo("pending");
const DELIVERED = stateNo("delivered");
const EXHAUSTED = stateNo("exhausted");

export function webhookSettling(
  writer: Database.Database,
  queue: WebhookQueue,
  ingest: <T>(work: (tx: IngestTx) => Promise<T>) => Promise<T>,
): Pick<WebhookStore, "settle"> {
  const writing = new SettlingWriter(writer, queue);
  return {
    settle: (settling) =>
      ingest(async (tx) => {
        const told = writing.settle(settling);
        await appendNewEvents(tx, [...told, ...settling.events]);
      }),
  };
}

class SettlingWriter {
  readonly #queue: WebhookQueue;
  readonly #find: Database.Statement<[string], DeliveryPlace>;
  readonly #log: Database.Statement;
  readonly #note: Database.Statement;
  readonly #again: Database.Statement;
  readonly #end: Database.Statement<unknown[], DeliveryPlace>;
  readonly #count: Database.Statement;
  readonly #endpoint: Database.Statement<[string], EndpointColumns>;
  readonly #health: Database.Statement;
  readonly #shut: Database.Statement<[number]>;
  readonly #body: Database.Statement<[string, number]>;

  constructor(db: Database.Database, queue: WebhookQueue) {
    this.#queue = queue;
    this.#find = db.prepare(
      `SELECT delivery_no AS deliveryNo, endpoint_no AS endpointNo, state_no AS stateNo, lane
       FROM webhook_deliveries WHERE id = ?`,
    );
    this.#log = db.prepare("INSERT OR REPLACE INTO webhook_attempts VALUES (?, ?, ?, ?, ?)");
    const noted = "attempts = max(attempts, ?), last_status = ?, last_error = ?";
    this.#note = db.prepare(`UPDATE webhook_deliveries SET ${noted} WHERE delivery_no = ?`);
    // In a lane it is due only as the first.
    this.#again = db.prepare(
      `UPDATE webhook_deliveries SET ${noted}, first_ms = ?, next_ms = ?, due_ms = iif(due_ms IS NULL, NULL, ?)
       WHERE delivery_no = ?`,
    );
    // Of one that is not pending any more only that it was delivered after all. What nearly all come to: one statement.
    this.#end = db.prepare(
      `UPDATE webhook_deliveries SET ${noted}, first_ms = ?, state_no = ?, next_ms = NULL, due_ms = NULL, finished_ms = ?
       WHERE id = ? AND (state_no = ${PENDING} OR (? = ${DELIVERED} AND state_no <> ${DELIVERED}))
       RETURNING delivery_no AS deliveryNo, endpoint_no AS endpointNo, state_no AS stateNo, lane`,
    );
    this.#count = db.prepare(
      `INSERT INTO webhook_counts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
       delivered = delivered + excluded.delivered, exhausted = exhausted + excluded.exhausted,
       attempts = attempts + excluded.attempts, failed = failed + excluded.failed`,
    );
    this.#endpoint = db.prepare(`SELECT ${ENDPOINT_COLUMNS} WHERE e.id = ? AND e.deleted_ms IS NULL`);
    this.#health = db.prepare("UPDATE webhook_health SET parked_ms = ?, body = ? WHERE endpoint_no = ?");
    this.#shut = db.prepare("UPDATE webhook_health SET shut = 1 WHERE endpoint_no = ?");
    this.#body = db.prepare("UPDATE webhook_endpoints SET body = ? WHERE endpoint_no = ?");
  }

  /** What is told of endpoints. */
  settle({ settlements, endpoints }: Settling): FeedNews {
    const counts = new Map<string, Counted>();
    for (const settlement of settlements) this.#settle(settlement, counts);
    for (const { endpointNo, step, delivered, exhausted, attempts, failed } of counts.values()) {
      this.#count.run(endpointNo, step, delivered, exhausted, attempts, failed);
    }
    const applied = endpoints.filter((settled) => this.#settleEndpoint(settled));
    this.#queue.flush();
    return applied.flatMap(({ events = [] }) => events);
  }

  #settle(settlement: Settlement, counts: Map<string, Counted>): void {
    const { attempt, state, nextAttemptAtMs, firstAttemptAtMs } = settlement;
    const { deliveryId, number, status = null, error = null, responseBody = null } = attempt;
    const newNo = stateNo(state);
    const atMs = Math.round(attempt.atMs + attempt.timings.totalMs);
    const ended =
      newNo === PENDING
        ? undefined
        : this.#end.get(number, status, error, firstAttemptAtMs, newNo, atMs, deliveryId, newNo);
    const place = ended ?? this.#find.get(deliveryId);
    if (place === undefined) return;
    const { deliveryNo, endpointNo, lane } = place;
    const isAgain = newNo === PENDING && place.stateNo === PENDING;
    this.#log.run(deliveryNo, number, attempt.atMs, factsOf(attempt), responseBody);
    const counted = countsOf(counts, endpointNo, Math.floor(atMs / STATS_STEP_MS));
    counted.attempts += 1;
    if (status === null || status < 200 || status >= 300) counted.failed += 1;
    if (ended !== undefined && newNo === DELIVERED) counted.delivered += 1;
    if (ended !== undefined && newNo === EXHAUSTED) counted.exhausted += 1;
    if (isAgain) {
      const nextMs = nextAttemptAtMs ?? atMs;
      this.#again.run(number, status, error, firstAttemptAtMs, nextMs, nextMs, deliveryNo);
    } else if (ended === undefined) this.#note.run(number, status, error, deliveryNo);
    else if (lane !== null) this.#queue.left(endpointNo, lane);
    if (isAgain || ended !== undefined) this.#queue.touched(endpointNo);
  }

  #settleEndpoint({ endpointId, health, disabled }: SettledEndpoint): boolean {
    const found = this.#endpoint.get(endpointId);
    if (found === undefined) return false;
    const { endpointNo } = found;
    const before = storedEndpoint(found);
    if (before.health.round !== health.round) return false;
    this.#health.run(health.parkedUntilMs ?? null, JSON.stringify(health), endpointNo);
    if (disabled !== undefined && before.row.disabled === undefined) {
      const row: EndpointRow = { ...before.row, disabled };
      this.#body.run(JSON.stringify(row), endpointNo);
      this.#shut.run(endpointNo);
    }
    this.#queue.touched(endpointNo);
    return true;
  }
}

/** All but what stands in columns of its own. */
function factsOf(attempt: AttemptRow): string {
  return JSON.stringify({ ...attempt, deliveryId: undefined, number: undefined, responseBody: undefined });
}

function countsOf(counts: Map<string, Counted>, endpointNo: number, step: number): Counted {
  const key = `${endpointNo} ${step}`;
  const found = counts.get(key) ?? { endpointNo, step, delivered: 0, exhausted: 0, attempts: 0, failed: 0 };
  counts.set(key, found);
  return found;
}
