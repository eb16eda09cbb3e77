// Tables of webhooks, and how a delivery's row is read from its columns.
import type { AttemptTrigger, DeliveryRow, DeliveryState } from "../../core/webhooks/delivery.ts";
import { idAsHex, idOfHex } from "./columns.ts";
import type { Names } from "./names.ts";

/**
 * `due_ms` is when a delivery may be sent: of pending ones only, and where order is kept (`lane`: the record) only of the first in
 * its lane. `ready_ms` is when its endpoint has something to send: the earliest of these, not before it is parked, none while it is
 * shut (disabled or deleted); written with whatever changes it, so that a lease reads one index. Lists go by (created_ms,
 * delivery_no); what is delivered, nearly all, stays out of the index over what is not. A deleted endpoint's row stays for its log.
 */
export const WEBHOOKS = `
CREATE TABLE webhook_endpoints (
  endpoint_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace_no INTEGER NOT NULL, connection_no INTEGER NOT NULL,
  ordered INTEGER NOT NULL, thin INTEGER NOT NULL, deleted_ms INTEGER, body TEXT NOT NULL
);
CREATE INDEX webhook_endpoints_workspace ON webhook_endpoints (workspace_no);
CREATE INDEX webhook_endpoints_connection ON webhook_endpoints (connection_no);
CREATE INDEX webhook_endpoints_deleted ON webhook_endpoints (deleted_ms) WHERE deleted_ms IS NOT NULL;
CREATE TABLE webhook_health (
  endpoint_no INTEGER PRIMARY KEY, shut INTEGER NOT NULL, parked_ms INTEGER, ready_ms INTEGER, body TEXT NOT NULL
);
CREATE INDEX webhook_health_ready ON webhook_health (ready_ms) WHERE ready_ms IS NOT NULL;
CREATE TABLE webhook_feeds (workspace_no INTEGER PRIMARY KEY, published INTEGER NOT NULL);
CREATE TABLE webhook_messages (
  message_no INTEGER PRIMARY KEY, workspace_no INTEGER NOT NULL, event_id TEXT NOT NULL, connection_no INTEGER NOT NULL,
  position INTEGER NOT NULL, type_no INTEGER NOT NULL, record_id BLOB, at_ms INTEGER NOT NULL, payload_ms INTEGER,
  full TEXT, thin TEXT, traceparent TEXT
);
CREATE UNIQUE INDEX webhook_messages_event ON webhook_messages (workspace_no, event_id);
CREATE INDEX webhook_messages_record ON webhook_messages (record_id) WHERE record_id IS NOT NULL;
CREATE INDEX webhook_messages_connection ON webhook_messages (connection_no);
CREATE INDEX webhook_messages_payload ON webhook_messages (payload_ms) WHERE payload_ms IS NOT NULL;
CREATE TABLE webhook_deliveries (
  delivery_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, endpoint_no INTEGER NOT NULL, workspace_no INTEGER NOT NULL,
  connection_no INTEGER NOT NULL, message_no INTEGER NOT NULL, type_no INTEGER NOT NULL, position INTEGER NOT NULL,
  is_test INTEGER NOT NULL, created_ms INTEGER NOT NULL, lane BLOB, trigger_no INTEGER NOT NULL, state_no INTEGER NOT NULL,
  attempts INTEGER NOT NULL, first_ms INTEGER, next_ms INTEGER, due_ms INTEGER, finished_ms INTEGER, last_status INTEGER,
  last_error TEXT
);
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (message_no, endpoint_no) WHERE is_test = 0;
CREATE INDEX webhook_deliveries_test ON webhook_deliveries (message_no) WHERE is_test = 1;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_no, due_ms, position) WHERE due_ms IS NOT NULL;
CREATE INDEX webhook_deliveries_lane ON webhook_deliveries (endpoint_no, lane, position)
  WHERE lane IS NOT NULL AND state_no = 0;
CREATE INDEX webhook_deliveries_workspace ON webhook_deliveries (workspace_no, created_ms);
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_no, state_no, created_ms);
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (workspace_no, state_no, created_ms) WHERE state_no <> 1;
CREATE INDEX webhook_deliveries_type ON webhook_deliveries (workspace_no, type_no, created_ms);
CREATE TABLE webhook_attempts (
  delivery_no INTEGER NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, facts TEXT NOT NULL, response_body TEXT,
  PRIMARY KEY (delivery_no, number)
) WITHOUT ROWID;
CREATE INDEX webhook_attempts_answered ON webhook_attempts (at_ms) WHERE response_body IS NOT NULL;
CREATE TABLE webhook_counts (
  endpoint_no INTEGER NOT NULL, step INTEGER NOT NULL, delivered INTEGER NOT NULL, exhausted INTEGER NOT NULL,
  attempts INTEGER NOT NULL, failed INTEGER NOT NULL, PRIMARY KEY (endpoint_no, step)
) WITHOUT ROWID;
`;

/** In `connection_no`: of the workspace itself. */
export const NO_CONNECTION = 0;
/** Their places in these are what is stored; new ones go to the end. */
const STATES: readonly DeliveryState[] = ["pending", "delivered", "exhausted", "discarded"];
const TRIGGERS: readonly AttemptTrigger[] = ["automatic", "manual", "test", "recover"];
/** As the SQL in this folder writes them: 0 pending, 1 delivered, 3 discarded. */
export const stateNo = (state: DeliveryState): number => STATES.indexOf(state);
export const triggerNo = (trigger: AttemptTrigger): number => TRIGGERS.indexOf(trigger);
export const ALL_STATES = STATES;

const OF = "(SELECT connection_no FROM connections WHERE id = ?)";
/** What happens at once when a connection is deleted, each by its id; rows go later (webhook-removal.ts). */
export const SHUT_ENDPOINTS = `UPDATE webhook_health SET shut = 1, ready_ms = NULL
  WHERE endpoint_no IN (SELECT endpoint_no FROM webhook_endpoints WHERE connection_no = ${OF})`;
export const FORGET_ENDPOINTS = `UPDATE webhook_endpoints SET deleted_ms = coalesce(deleted_ms, 0), body = ''
  WHERE connection_no = ${OF}`;
/** Without endpoints nothing is published: the next first endpoint begins anew. */
export const FORGET_IDLE_FEEDS = `DELETE FROM webhook_feeds WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoints e
  WHERE e.workspace_no = webhook_feeds.workspace_no AND e.deleted_ms IS NULL)`;

/** Of `webhook_deliveries d`, its message `m` and its connection `c`. */
export const DUE_COLUMNS = `d.delivery_no AS deliveryNo, d.id, m.event_id AS eventId, d.position, d.type_no AS typeNo,
  c.id AS connectionId, ${idAsHex("m.record_id")} AS recordHex, d.trigger_no AS triggerNo, d.attempts,
  d.created_ms AS createdAtMs, d.first_ms AS firstMs, d.next_ms AS nextMs, d.last_status AS lastStatus,
  d.last_error AS lastError`;
/** With `DELIVERY_JOINS`. */
export const DELIVERY_COLUMNS = `${DUE_COLUMNS}, e.id AS endpointId, w.id AS workspaceId, d.state_no AS stateNo,
  d.finished_ms AS finishedMs`;
/** Every one by its key; CROSS, so that none of them is read first. */
export const DELIVERY_JOINS = `CROSS JOIN webhook_messages m ON m.message_no = d.message_no
  CROSS JOIN webhook_endpoints e ON e.endpoint_no = d.endpoint_no CROSS JOIN workspaces w ON w.workspace_no = d.workspace_no
  LEFT JOIN connections c ON c.connection_no = d.connection_no`;
/** Not of a connection that was deleted meanwhile. */
export const IS_ALIVE = `(d.connection_no = ${NO_CONNECTION} OR c.workspace_no = d.workspace_no)`;

export interface DeliveryColumns {
  readonly deliveryNo: number;
  readonly id: string;
  readonly endpointId: string;
  readonly workspaceId: string;
  readonly eventId: string;
  readonly position: number;
  readonly typeNo: number;
  readonly connectionId: string | null;
  readonly recordHex: string | null;
  readonly stateNo: number;
  readonly triggerNo: number;
  readonly attempts: number;
  readonly createdAtMs: number;
  readonly firstMs: number | null;
  readonly nextMs: number | null;
  readonly finishedMs: number | null;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
}

export function deliveryRow(columns: DeliveryColumns, names: Names): DeliveryRow {
  const { id, endpointId, workspaceId, eventId, position, attempts, createdAtMs } = columns;
  return {
    id,
    endpointId,
    workspaceId,
    eventId,
    position,
    type: names.term(columns.typeNo),
    connectionId: columns.connectionId ?? undefined,
    recordId: columns.recordHex === null ? undefined : idOfHex(columns.recordHex),
    state: STATES[columns.stateNo] ?? "discarded",
    trigger: TRIGGERS[columns.triggerNo] ?? "automatic",
    attempts,
    createdAtMs,
    firstAttemptAtMs: columns.firstMs ?? undefined,
    nextAttemptAtMs: columns.nextMs ?? undefined,
    finishedAtMs: columns.finishedMs ?? undefined,
    lastStatus: columns.lastStatus ?? undefined,
    lastError: columns.lastError ?? undefined,
  };
}
