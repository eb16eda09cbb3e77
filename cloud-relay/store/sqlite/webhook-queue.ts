// When deliveries and their endpoints are due: kept true by every write that changes it.
import type Database from "better-sqlite3";
import type { IdColumn } from "./columns.ts";

interface LaneRow {
  readonly deliveryNo: number;
  readonly dueMs: number | null;
}

/** Of one writer; used inside of its transactions. */
export class WebhookQueue {
  readonly #refresh: Database.Statement<[number]>;
  readonly #first: Database.Statement<[number, IdColumn], LaneRow>;
  readonly #let: Database.Statement<[number]>;
  readonly #hold: Database.Statement<[number, IdColumn]>;
  readonly #joinLanes: Database.Statement<[number]>;
  readonly #letFirsts: Database.Statement<[number]>;
  readonly #leaveLanes: Database.Statement<[number]>;
  readonly #touched = new Set<number>();

  constructor(db: Database.Database) {
    this.#refresh =
      db.prepare(`UPDATE webhook_health SET ready_ms = iif(shut, NULL, max(coalesce(parked_ms, 0),
      (SELECT d.due_ms FROM webhook_deliveries d INDEXED BY webhook_deliveries_due
       WHERE d.endpoint_no = webhook_health.endpoint_no AND d.due_ms IS NOT NULL ORDER BY d.due_ms LIMIT 1)))
      WHERE endpoint_no = ?`);
    this.#first = db.prepare(`SELECT delivery_no AS deliveryNo, due_ms AS dueMs FROM webhook_deliveries
      INDEXED BY webhook_deliveries_lane WHERE endpoint_no = ? AND lane = ? AND state_no = 0
      ORDER BY position, delivery_no LIMIT 1`);
    this.#let = db.prepare("UPDATE webhook_deliveries SET due_ms = next_ms WHERE delivery_no = ?");
    this.#hold = db.prepare(`UPDATE webhook_deliveries INDEXED BY webhook_deliveries_lane SET due_ms = NULL
      WHERE endpoint_no = ? AND lane = ? AND state_no = 0 AND due_ms IS NOT NULL`);
    this.#joinLanes = db.prepare(`UPDATE webhook_deliveries SET due_ms = NULL,
      lane = (SELECT m.record_id FROM webhook_messages m WHERE m.message_no = webhook_deliveries.message_no)
      WHERE endpoint_no = ? AND state_no = 0`);
    this.#letFirsts =
      db.prepare(`UPDATE webhook_deliveries SET due_ms = next_ms WHERE endpoint_no = ? AND state_no = 0
      AND (lane IS NULL OR NOT EXISTS (SELECT 1 FROM webhook_deliveries b INDEXED BY webhook_deliveries_lane
        WHERE b.endpoint_no = webhook_deliveries.endpoint_no AND b.lane = webhook_deliveries.lane AND b.state_no = 0
        AND (b.position, b.delivery_no) < (webhook_deliveries.position, webhook_deliveries.delivery_no)))`);
    this.#leaveLanes = db.prepare(
      "UPDATE webhook_deliveries SET lane = NULL, due_ms = next_ms WHERE endpoint_no = ? AND state_no = 0",
    );
  }

  /** Something pending came, went or is due at another time. */
  touched(endpointNo: number): void {
    this.#touched.add(endpointNo);
  }

  /** After rows of a lane were written as pending, not due: its first is, and no other. */
  joined(endpointNo: number, lane: IdColumn): void {
    this.#touched.add(endpointNo);
    const first = this.#first.get(endpointNo, lane);
    if (first === undefined || first.dueMs !== null) return;
    this.#hold.run(endpointNo, lane);
    this.#let.run(first.deliveryNo);
  }

  /** After the first of a lane is not pending any more: the next is due. */
  left(endpointNo: number, lane: IdColumn): void {
    this.#touched.add(endpointNo);
    const first = this.#first.get(endpointNo, lane);
    if (first !== undefined && first.dueMs === null) this.#let.run(first.deliveryNo);
  }

  /** When the endpoint begins or ends to keep order. */
  setOrdered(endpointNo: number, isOrdered: boolean): void {
    if (isOrdered) {
      this.#joinLanes.run(endpointNo);
      this.#letFirsts.run(endpointNo);
    } else this.#leaveLanes.run(endpointNo);
    this.#touched.add(endpointNo);
  }

  /** Once, at the end of a transaction's work; also of what was touched meanwhile. */
  flush(...endpointNos: readonly number[]): void {
    for (const endpointNo of endpointNos) this.#touched.add(endpointNo);
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const endpointNo of touched) this.#refresh.run(endpointNo);
  }

  /** What a transaction that was rolled back has touched. */
  forget(): void {
    this.#touched.clear();
  }
}
