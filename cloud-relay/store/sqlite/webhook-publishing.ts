// Events become messages and deliveries in SQLite: what is published of each feed, and what is written with it.
import type Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";
import { appendNewEvents } from "../../core/webhooks/append-events.ts";
import type { MessageRow } from "../../core/webhooks/delivery.ts";
import type {
  FeedToPublish,
  NewDelivery,
  Publication,
  WebhookStore,
} from "../../core/webhooks/webhook-store.ts";
import { BulkInsert } from "./bulk-insert.ts";
import { idAsHex, idColumn, idOfHex, type IdColumn } from "./columns.ts";
import { inScope, IN_SCOPE } from "./directory-io.ts";
import type { Names } from "./names.ts";
import type { Surrogates } from "./surrogates.ts";
import type { WebhookIo } from "./webhook-endpoints.ts";
import type { WebhookQueue } from "./webhook-queue.ts";
import { NO_CONNECTION, triggerNo } from "./webhook-tables.ts";

type Publishing = Pick<WebhookStore, "feedsToPublish" | "publish" | "messages">;

const FEEDS = `SELECT w.id AS workspaceId, p.published, max(f.newest) AS newest FROM webhook_feeds p
  JOIN workspaces w USING (workspace_no) JOIN feeds f USING (workspace_no)
  GROUP BY p.workspace_no HAVING max(f.newest) > p.published ORDER BY p.published LIMIT ?`;

interface MessageColumns {
  readonly eventId: string;
  readonly workspaceId: string;
  readonly connectionId: string | null;
  readonly position: number;
  readonly typeNo: number;
  readonly recordHex: string | null;
  readonly atMs: number;
  readonly full: string | null;
  readonly thin: string | null;
  readonly traceparent: string | null;
}

export function webhookPublishing(io: WebhookIo, surrogates: Surrogates, names: Names): Publishing {
  const { reader, warm, ingest } = io;
  const writing = new PublicationWriter(io, surrogates);
  const feeds = reader.prepare<[number], FeedToPublish>(FEEDS);
  const messages = warm.prepare<MessageColumns>(
    `SELECT m.event_id AS eventId, w.id AS workspaceId, c.id AS connectionId, m.position, m.type_no AS typeNo,
     ${idAsHex("m.record_id")} AS recordHex, m.at_ms AS atMs, m.full, m.thin, m.traceparent
     FROM workspaces w CROSS JOIN json_each(?) j
     CROSS JOIN webhook_messages m ON m.workspace_no = w.workspace_no AND m.event_id = j.value
     LEFT JOIN connections c ON c.connection_no = m.connection_no
     WHERE ${IN_SCOPE} AND (m.connection_no = ${NO_CONNECTION} OR c.workspace_no = m.workspace_no) ORDER BY j.key`,
  );
  return {
    feedsToPublish: async (limit) => feeds.all(limit),
    publish: (publication) =>
      ingest(async (tx) => {
        if (!writing.publish(publication)) return false;
        await appendNewEvents(tx, publication.events ?? []);
        return true;
      }),
    messages: async (scope, eventIds) =>
      messages.all(JSON.stringify(eventIds), ...inScope(scope)).map((row) => messageRow(row, names)),
  };
}

interface MessagePlace {
  readonly messageNo: number;
  readonly connectionNo: number;
  readonly typeNo: number;
  readonly position: number;
  readonly recordId: IdColumn | null;
}

interface EndpointPlace {
  readonly endpointNo: number;
  readonly ordered: number;
}

class PublicationWriter {
  readonly #queue: WebhookQueue;
  readonly #surrogates: Surrogates;
  readonly #workspace: Database.Statement<[string], number>;
  readonly #advance: Database.Statement<[number, number, number]>;
  readonly #putMessage: Database.Statement<unknown[], number>;
  readonly #message: Database.Statement<[number, string], MessagePlace>;
  readonly #endpoint: Database.Statement<[string, number], EndpointPlace>;
  readonly #putDeliveries: BulkInsert;

  constructor({ writer: db, queue }: WebhookIo, surrogates: Surrogates) {
    this.#queue = queue;
    this.#surrogates = surrogates;
    this.#workspace = db
      .prepare<[string], number>("SELECT workspace_no FROM workspaces WHERE id = ?")
      .pluck();
    this.#advance = db.prepare(
      "UPDATE webhook_feeds SET published = ? WHERE workspace_no = ? AND published = ?",
    );
    this.#putMessage = db
      .prepare<unknown[], number>(
        `INSERT INTO webhook_messages (workspace_no, event_id, connection_no, position, type_no, record_id, at_ms,
         payload_ms, full, thin, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (workspace_no, event_id) DO UPDATE SET full = coalesce(full, excluded.full),
         thin = coalesce(thin, excluded.thin), payload_ms = iif((full IS NULL AND excluded.full IS NOT NULL)
           OR (thin IS NULL AND excluded.thin IS NOT NULL), excluded.payload_ms, payload_ms)
         RETURNING message_no`,
      )
      .pluck();
    this.#message = db.prepare(
      `SELECT message_no AS messageNo, connection_no AS connectionNo, type_no AS typeNo, position, record_id AS recordId
       FROM webhook_messages WHERE workspace_no = ? AND event_id = ?`,
    );
    this.#endpoint = db.prepare(
      `SELECT endpoint_no AS endpointNo, ordered FROM webhook_endpoints
       WHERE id = ? AND workspace_no = ? AND deleted_ms IS NULL`,
    );
    this.#putDeliveries = new BulkInsert(
      db,
      `INSERT INTO webhook_deliveries (id, endpoint_no, workspace_no, connection_no, message_no, type_no, position, is_test,
       created_ms, lane, trigger_no, state_no, attempts, next_ms, due_ms)`,
      15,
      "ON CONFLICT DO NOTHING",
    );
  }

  publish({ workspaceId, advance, messages, deliveries, atMs }: Publication): boolean {
    const workspaceNo = this.#workspace.get(workspaceId);
    if (workspaceNo === undefined) return false;
    if (advance !== undefined) {
      const { changes } = this.#advance.run(advance.to, workspaceNo, advance.from);
      if (changes === 0) return false;
    }
    const places = new Map<string, MessagePlace>();
    for (const message of messages) places.set(message.eventId, this.#put(workspaceNo, message, atMs));
    this.#deliver(workspaceNo, deliveries, atMs, (eventId) => {
      const place = places.get(eventId) ?? this.#message.get(workspaceNo, eventId);
      if (place === undefined) throw new MillraceError(`there is no webhook message of the event ${eventId}`);
      places.set(eventId, place);
      return place;
    });
    this.#queue.flush();
    return true;
  }

  #put(workspaceNo: number, message: MessageRow, atMs: number): MessagePlace {
    const { eventId, connectionId, position, type, full = null, thin = null } = message;
    const connectionNo =
      connectionId === undefined ? NO_CONNECTION : this.#surrogates.connection(connectionId).connectionNo;
    const typeNo = this.#surrogates.term(type);
    const recordId = message.recordId === undefined ? null : idColumn(message.recordId);
    const of = [workspaceNo, eventId, connectionNo, position, typeNo, recordId, message.atMs];
    const payloadMs = full === null && thin === null ? null : atMs;
    const messageNo = this.#putMessage.get(...of, payloadMs, full, thin, message.traceparent ?? null) ?? 0;
    return { messageNo, connectionNo, typeNo, position, recordId };
  }

  #deliver(
    workspaceNo: number,
    deliveries: readonly NewDelivery[],
    atMs: number,
    placeOf: (eventId: string) => MessagePlace,
  ): void {
    const endpoints = new Map<string, EndpointPlace | undefined>();
    const lanes: [endpointNo: number, lane: IdColumn][] = [];
    const values: unknown[] = [];
    for (const { id, endpointId, eventId, trigger, dueAtMs } of deliveries) {
      if (!endpoints.has(endpointId)) endpoints.set(endpointId, this.#endpoint.get(endpointId, workspaceNo));
      const endpoint = endpoints.get(endpointId);
      const message = placeOf(eventId);
      if (endpoint === undefined) continue;
      const { endpointNo, ordered } = endpoint;
      const lane = ordered === 1 ? message.recordId : null;
      const isTest = Number(trigger === "test");
      const { connectionNo, messageNo, typeNo, position } = message;
      values.push(id, endpointNo, workspaceNo, connectionNo, messageNo, typeNo, position, isTest, atMs, lane);
      // In a lane the first only is due: it is let go below.
      values.push(triggerNo(trigger), 0, 0, dueAtMs, lane === null ? dueAtMs : null);
      if (lane === null) this.#queue.touched(endpointNo);
      else lanes.push([endpointNo, lane]);
    }
    this.#putDeliveries.run(values);
    for (const [endpointNo, lane] of lanes) this.#queue.joined(endpointNo, lane);
  }
}

function messageRow(
  { connectionId, recordHex, full, thin, typeNo, traceparent, ...row }: MessageColumns,
  names: Names,
): MessageRow {
  return {
    ...row,
    type: names.term(typeNo),
    connectionId: connectionId ?? undefined,
    recordId: recordHex === null ? undefined : idOfHex(recordHex),
    full: full ?? undefined,
    thin: thin ?? undefined,
    ...(traceparent === null ? {} : { traceparent }),
  };
}
