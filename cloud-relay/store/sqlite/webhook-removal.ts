// Payloads and log entries of webhooks go: erased when somebody asks, pruned with age, removed with their connection.
import type Database from "better-sqlite3";
import { STATS_STEP_MS, type WebhookStore } from "../../core/webhooks/webhook-store.ts";
import { idColumn } from "./columns.ts";
import { inScope } from "./directory-io.ts";
import type { WebhookIo } from "./webhook-endpoints.ts";
import { WebhookQueue } from "./webhook-queue.ts";
import { NO_CONNECTION } from "./webhook-tables.ts";

/** Rows of one kind that one step removes at most. */
const STEP_ROWS = 2_000;

const IN_LIST = "IN (SELECT value FROM json_each(?))";

interface MessagePlace {
  readonly messageNo: number;
  readonly payloadMs: number | null;
}

interface OldDelivery {
  readonly deliveryNo: number;
  readonly messageNo: number;
  readonly createdMs: number;
  readonly finishedMs: number | null;
}

export function webhookRemoval({ writer, queue, write }: WebhookIo): Pick<WebhookStore, "erase" | "prune"> {
  const eraser = new Eraser(writer);
  const pruner = new Pruner(writer, queue);
  return {
    async erase(scope, of) {
      const { connectionId = null, recordId, eventId = null } = of;
      const record = recordId === undefined ? null : idColumn(recordId);
      const where = [...inScope(scope), connectionId, connectionId, record, record, eventId, eventId];
      let count = 0;
      let after: number | undefined = 0;
      while (after !== undefined) {
        const from: number = after;
        const step = await write(() => eraser.step(where, from));
        count += step.count;
        after = step.next;
      }
      return count;
    },
    prune: ({ payloadsMs, deliveriesMs }) => write(() => pruner.step(payloadsMs, deliveriesMs)),
  };
}

class Eraser {
  readonly #find: Database.Statement<unknown[], MessagePlace>;
  readonly #payloads: Database.Statement<[string]>;
  readonly #answers: Database.Statement<[string]>;

  constructor(db: Database.Database) {
    this.#find = db.prepare(
      `SELECT m.message_no AS messageNo, m.payload_ms AS payloadMs FROM webhook_messages m JOIN workspaces w USING (workspace_no)
       LEFT JOIN connections c USING (connection_no) WHERE w.id = ? AND (? IS NULL OR c.id ${IN_LIST})
       AND (? IS NULL OR c.id = ?) AND (? IS NULL OR m.record_id = ?) AND (? IS NULL OR m.event_id = ?)
       AND m.message_no > ? ORDER BY m.message_no LIMIT ${STEP_ROWS}`,
    );
    this.#payloads = db.prepare(
      `UPDATE webhook_messages SET full = NULL, thin = NULL, payload_ms = NULL WHERE message_no ${IN_LIST}`,
    );
    this.#answers = db.prepare(
      `UPDATE webhook_attempts SET response_body = NULL WHERE response_body IS NOT NULL AND delivery_no IN
       (SELECT delivery_no FROM webhook_deliveries WHERE message_no ${IN_LIST})`,
    );
  }

  /** Where to go on, if there may be more. */
  step(
    where: readonly unknown[],
    after: number,
  ): { readonly count: number; readonly next: number | undefined } {
    const found = this.#find.all(...where, after);
    const list = JSON.stringify(found.map(({ messageNo }) => messageNo));
    this.#answers.run(list);
    this.#payloads.run(list);
    const count = found.filter(({ payloadMs }) => payloadMs !== null).length;
    return { count, next: found.length === STEP_ROWS ? found.at(-1)?.messageNo : undefined };
  }
}

class Pruner {
  readonly #queue: WebhookQueue;
  readonly #deletions: Deletions;
  readonly #payloads: Database.Statement<[number], number>;
  readonly #erase: Database.Statement<[string]>;
  readonly #answers: Database.Statement<[number]>;
  readonly #oldest: Database.Statement<[number], OldDelivery>;
  readonly #counts: Database.Statement<[number]>;
  readonly #leftBehind: Database.Statement<[number], { readonly deliveryNo: number }>;
  readonly #discard: Database.Statement<[number, string]>;
  readonly #endpoints: Database.Statement<[]>;
  readonly #health: Database.Statement<[]>;
  /** Where the walk over the deliveries goes on. */
  #after = 0;

  constructor(db: Database.Database, queue: WebhookQueue) {
    this.#queue = queue;
    this.#deletions = new Deletions(db);
    this.#payloads = db
      .prepare<[number], number>(
        `SELECT message_no FROM webhook_messages INDEXED BY webhook_messages_payload WHERE payload_ms < ? LIMIT ${STEP_ROWS}`,
      )
      .pluck();
    this.#erase = db.prepare(
      `UPDATE webhook_messages SET full = NULL, thin = NULL, payload_ms = NULL WHERE message_no ${IN_LIST}`,
    );
    this.#answers = db.prepare(
      `UPDATE webhook_attempts SET response_body = NULL WHERE (delivery_no, number) IN
       (SELECT delivery_no, number FROM webhook_attempts INDEXED BY webhook_attempts_answered
        WHERE response_body IS NOT NULL AND at_ms < ? LIMIT ${STEP_ROWS})`,
    );
    this.#oldest = db.prepare(
      `SELECT delivery_no AS deliveryNo, message_no AS messageNo, created_ms AS createdMs, finished_ms AS finishedMs
       FROM webhook_deliveries WHERE delivery_no > ? ORDER BY delivery_no LIMIT ${STEP_ROWS}`,
    );
    this.#counts = db.prepare("DELETE FROM webhook_counts WHERE step < ?");
    this.#leftBehind = db.prepare(
      `SELECT d.delivery_no AS deliveryNo FROM webhook_endpoints e INDEXED BY webhook_endpoints_deleted
       CROSS JOIN webhook_deliveries d INDEXED BY webhook_deliveries_endpoint ON d.endpoint_no = e.endpoint_no
       WHERE e.deleted_ms IS NOT NULL AND d.state_no = ? LIMIT ${STEP_ROWS}`,
    );
    this.#discard = db.prepare(
      `UPDATE webhook_deliveries SET state_no = 3, next_ms = NULL, due_ms = NULL, finished_ms = ?
       WHERE delivery_no ${IN_LIST}`,
    );
    this.#endpoints = db.prepare(
      `DELETE FROM webhook_endpoints WHERE deleted_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d
       INDEXED BY webhook_deliveries_endpoint WHERE d.endpoint_no = webhook_endpoints.endpoint_no)`,
    );
    this.#health = db.prepare(
      "DELETE FROM webhook_health WHERE endpoint_no NOT IN (SELECT endpoint_no FROM webhook_endpoints)",
    );
  }

  /** True when there is more to do. */
  step(payloadsMs: number, deliveriesMs: number): boolean {
    const payloads = this.#payloads.all(payloadsMs);
    const list = JSON.stringify(payloads);
    this.#erase.run(list);
    this.#deletions.messagesOfNothing(list);
    const answers = this.#answers.run(payloadsMs).changes;
    // Of endpoints whose deletion was cut off.
    const leftBehind = this.#leftBehind.all(0);
    if (leftBehind.length > 0) {
      this.#discard.run(deliveriesMs, JSON.stringify(leftBehind.map(({ deliveryNo }) => deliveryNo)));
    }
    const moreDeliveries = this.#pruneDeliveries(deliveriesMs);
    this.#counts.run(Math.floor(deliveriesMs / STATS_STEP_MS));
    if (this.#endpoints.run().changes > 0) this.#health.run();
    this.#queue.flush();
    return moreDeliveries || [payloads.length, answers, leftBehind.length].includes(STEP_ROWS);
  }

  /** In order of creation; what is not finished, or was again not long ago, is passed over. */
  #pruneDeliveries(beforeMs: number): boolean {
    const found = this.#oldest.all(this.#after);
    const firstKept = found.findIndex(({ createdMs }) => createdMs >= beforeMs);
    const old = firstKept < 0 ? found : found.slice(0, firstKept);
    const gone = old.filter(({ finishedMs }) => finishedMs !== null && finishedMs < beforeMs);
    if (gone.length > 0) this.#deletions.deliveries(gone);
    const isRoundOver = old.length < STEP_ROWS;
    this.#after = isRoundOver ? 0 : (old.at(-1)?.deliveryNo ?? 0);
    return !isRoundOver;
  }
}

/** Rows, with what hangs on them. */
class Deletions {
  readonly #attempts: Database.Statement<[string]>;
  readonly #deliveries: Database.Statement<[string]>;
  readonly #messages: Database.Statement<[string]>;

  constructor(db: Database.Database) {
    this.#attempts = db.prepare(`DELETE FROM webhook_attempts WHERE delivery_no ${IN_LIST}`);
    this.#deliveries = db.prepare(`DELETE FROM webhook_deliveries WHERE delivery_no ${IN_LIST}`);
    this.#messages = db.prepare(
      `DELETE FROM webhook_messages WHERE message_no ${IN_LIST} AND payload_ms IS NULL
       AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.message_no = webhook_messages.message_no)`,
    );
  }

  deliveries(gone: readonly { readonly deliveryNo: number; readonly messageNo: number }[]): void {
    const list = JSON.stringify(gone.map(({ deliveryNo }) => deliveryNo));
    this.#attempts.run(list);
    this.#deliveries.run(list);
    this.messagesOfNothing(JSON.stringify([...new Set(gone.map(({ messageNo }) => messageNo))]));
  }

  messagesOfNothing(list: string): void {
    this.#messages.run(list);
  }
}

/** Of a deleted connection: what was made of its events, and its endpoints with all they were sent. */
export class WebhooksOfConnection {
  readonly #queue: WebhookQueue;
  readonly #deletions: Deletions;
  readonly #messages: Database.Statement<[number, number], number>;
  readonly #ofMessages: Database.Statement<[string], OldDelivery & { readonly endpointNo: number }>;
  readonly #ofEndpoints: Database.Statement<[number, number], OldDelivery>;
  readonly #erase: Database.Statement<[string]>;
  readonly #leftovers: readonly Database.Statement<[number]>[];

  constructor(db: Database.Database) {
    this.#queue = new WebhookQueue(db);
    this.#deletions = new Deletions(db);
    const columns = "d.delivery_no AS deliveryNo, d.message_no AS messageNo, d.endpoint_no AS endpointNo";
    this.#messages = db
      .prepare<[number, number], number>(
        `SELECT message_no FROM webhook_messages WHERE connection_no = ? AND connection_no <> ${NO_CONNECTION} LIMIT ?`,
      )
      .pluck();
    this.#ofMessages = db.prepare(
      `SELECT ${columns} FROM webhook_deliveries d WHERE d.message_no ${IN_LIST}`,
    );
    this.#ofEndpoints = db.prepare(
      `SELECT ${columns} FROM webhook_endpoints e CROSS JOIN webhook_deliveries d INDEXED BY webhook_deliveries_endpoint
       ON d.endpoint_no = e.endpoint_no WHERE e.connection_no = ? LIMIT ?`,
    );
    this.#erase = db.prepare(
      `UPDATE webhook_messages SET full = NULL, thin = NULL, payload_ms = NULL WHERE message_no ${IN_LIST}`,
    );
    const own = "(SELECT endpoint_no FROM webhook_endpoints WHERE connection_no = ?)";
    this.#leftovers = [
      `DELETE FROM webhook_counts WHERE endpoint_no IN ${own}`,
      `DELETE FROM webhook_health WHERE endpoint_no IN ${own}`,
      "DELETE FROM webhook_endpoints WHERE connection_no = ?",
    ].map((sql) => db.prepare<[number]>(sql));
  }

  /** As many `changes` as `rows`: there may be more. */
  run(connectionNo: number, rows: number): { readonly changes: number } {
    const messages = this.#messages.all(connectionNo, rows);
    if (messages.length > 0) {
      const list = JSON.stringify(messages);
      const deliveries = this.#ofMessages.all(list);
      this.#erase.run(list);
      this.#deletions.deliveries(deliveries);
      this.#deletions.messagesOfNothing(list);
      for (const { endpointNo } of deliveries) this.#queue.touched(endpointNo);
      this.#queue.flush();
      return { changes: messages.length };
    }
    const deliveries = this.#ofEndpoints.all(connectionNo, rows);
    this.#deletions.deliveries(deliveries);
    if (deliveries.length < rows) for (const leftover of this.#leftovers) leftover.run(connectionNo);
    return { changes: deliveries.length };
  }
}
