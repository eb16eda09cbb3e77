// Webhook endpoints in SQLite: the row is JSON, beside the columns that deliveries are sent by.
import type Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";
import { HEALTHY, type EndpointHealth, type EndpointRow } from "../../core/webhooks/endpoint.ts";
import type { StoredEndpoint, WebhookStore } from "../../core/webhooks/webhook-store.ts";
import { DuplicateError, type IngestTx, type Scope } from "../../core/store.ts";
import { IN_SCOPE, inScope } from "./directory-io.ts";
import type { WarmReads } from "./warm-reads.ts";
import { FORGET_IDLE_FEEDS, NO_CONNECTION } from "./webhook-tables.ts";
import type { WebhookQueue } from "./webhook-queue.ts";

export interface WebhookIo {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  readonly warm: WarmReads;
  readonly queue: WebhookQueue;
  readonly ingest: <T>(work: (tx: IngestTx) => Promise<T>) => Promise<T>;
  /** In a transaction of its own, or with others. */
  readonly write: <T>(work: () => T) => Promise<T>;
}

/** Deliveries of a deleted endpoint that one transaction takes back. */
const DISCARD_ROWS = 2_000;

export interface EndpointColumns {
  readonly endpointNo: number;
  readonly body: string;
  readonly health: string;
}

export const ENDPOINT_COLUMNS = `e.endpoint_no AS endpointNo, e.body, h.body AS health
  FROM webhook_endpoints e JOIN webhook_health h USING (endpoint_no)`;

/** Rows as they were last read, by their text: one that has not changed stays the same object, with what others remember of it. */
const rows = new Map<string, EndpointRow>();
const MAX_ROWS = 10_000;

export function storedEndpoint({ body, health }: EndpointColumns): StoredEndpoint {
  return { row: rowOf(body), health: JSON.parse(health) as EndpointHealth };
}

function rowOf(body: string): EndpointRow {
  const known = rows.get(body);
  if (known !== undefined) return known;
  const row = JSON.parse(body) as EndpointRow;
  rows.set(body, row);
  for (const oldest of rows.keys()) {
    if (rows.size <= MAX_ROWS) break;
    rows.delete(oldest);
  }
  return row;
}

type Endpoints = Pick<
  WebhookStore,
  "createEndpoint" | "endpoint" | "endpoints" | "changeEndpoint" | "deleteEndpoint"
>;

export function webhookEndpoints(io: WebhookIo): Endpoints {
  const { reader, warm, write } = io;
  const writing = new EndpointWriter(io);
  const scoped = `JOIN workspaces w USING (workspace_no) LEFT JOIN connections c USING (connection_no)
    WHERE e.deleted_ms IS NULL AND ${IN_SCOPE}`;
  const one = warm.prepare<EndpointColumns>(`SELECT ${ENDPOINT_COLUMNS} ${scoped} AND e.id = ?`);
  const all = reader.prepare<unknown[], EndpointColumns>(
    `SELECT ${ENDPOINT_COLUMNS} ${scoped} ORDER BY e.endpoint_no`,
  );
  return {
    createEndpoint: (row) => write(() => writing.create(row)),
    async endpoint(scope: Scope, id) {
      const found = one.get(...inScope(scope), id);
      return found === undefined ? undefined : storedEndpoint(found);
    },
    endpoints: async (scope: Scope) => all.all(...inScope(scope)).map(storedEndpoint),
    changeEndpoint: (workspaceId, id, decide, resetsHealth = false) =>
      write(() => writing.change(workspaceId, id, decide, resetsHealth)),
    async deleteEndpoint(workspaceId, id, atMs) {
      const endpointNo = await write(() => writing.remove(workspaceId, id, atMs));
      if (endpointNo === undefined) return false;
      while (await write(() => writing.discardSome(endpointNo, atMs)));
      return true;
    },
  };
}

class EndpointWriter {
  readonly #queue: WebhookQueue;
  readonly #owner: Database.Statement;
  readonly #isTaken: Database.Statement<[string], number>;
  readonly #insert: Database.Statement;
  readonly #insertHealth: Database.Statement;
  readonly #beginFeed: Database.Statement;
  readonly #find: Database.Statement<[string, string], EndpointColumns>;
  readonly #update: Database.Statement;
  readonly #updateHealth: Database.Statement;
  readonly #delete: Database.Statement;
  readonly #shut: Database.Statement<[number]>;
  readonly #forgetFeeds: Database.Statement<[]>;
  readonly #discard: Database.Statement<[number, number]>;

  constructor({ writer: db, queue }: WebhookIo) {
    this.#queue = queue;
    this.#owner = db.prepare(
      `SELECT w.workspace_no AS workspaceNo, coalesce(c.connection_no, ${NO_CONNECTION}) AS connectionNo FROM workspaces w
       LEFT JOIN connections c ON c.workspace_no = w.workspace_no AND c.id = @connectionId
       WHERE w.id = @workspaceId AND (@connectionId IS NULL OR c.id IS NOT NULL)`,
    );
    this.#isTaken = db.prepare<[string], number>("SELECT 1 FROM webhook_endpoints WHERE id = ?").pluck();
    this.#insert = db.prepare(
      `INSERT INTO webhook_endpoints (id, workspace_no, connection_no, ordered, thin, body) VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#insertHealth = db.prepare("INSERT INTO webhook_health VALUES (?, ?, NULL, NULL, ?)");
    this.#beginFeed = db.prepare(
      `INSERT OR IGNORE INTO webhook_feeds
       SELECT w.workspace_no, coalesce((SELECT max(f.newest) FROM feeds f WHERE f.workspace_no = w.workspace_no), 0)
       FROM workspaces w WHERE w.workspace_no = ?`,
    );
    this.#find = db.prepare(
      `SELECT ${ENDPOINT_COLUMNS} WHERE e.deleted_ms IS NULL AND e.id = ?
       AND e.workspace_no = (SELECT workspace_no FROM workspaces WHERE id = ?)`,
    );
    this.#update = db.prepare(
      "UPDATE webhook_endpoints SET ordered = ?, thin = ?, body = ? WHERE endpoint_no = ?",
    );
    this.#updateHealth = db.prepare(
      "UPDATE webhook_health SET shut = ?, parked_ms = ?, body = ? WHERE endpoint_no = ?",
    );
    this.#delete = db.prepare("UPDATE webhook_endpoints SET deleted_ms = ?, body = '' WHERE endpoint_no = ?");
    this.#shut = db.prepare("UPDATE webhook_health SET shut = 1, ready_ms = NULL WHERE endpoint_no = ?");
    this.#forgetFeeds = db.prepare(FORGET_IDLE_FEEDS);
    this.#discard = db.prepare(
      `UPDATE webhook_deliveries SET state_no = 3, next_ms = NULL, due_ms = NULL, finished_ms = ? WHERE delivery_no IN
       (SELECT delivery_no FROM webhook_deliveries INDEXED BY webhook_deliveries_endpoint
        WHERE endpoint_no = ? AND state_no = 0 LIMIT ${DISCARD_ROWS})`,
    );
  }

  create(row: EndpointRow): void {
    const { id, workspaceId, connectionId } = row;
    const owner = this.#owner.get({ workspaceId, connectionId: connectionId ?? null }) as
      | { readonly workspaceNo: number; readonly connectionNo: number }
      | undefined;
    if (this.#isTaken.get(id) !== undefined) {
      throw new DuplicateError(`the webhook endpoint ${id} exists already`);
    }
    if (owner === undefined) throw unknownOwner(workspaceId, connectionId);
    const { workspaceNo, connectionNo } = owner;
    const isThin = Number(row.payload === "thin");
    const inserted = this.#insert.run(
      id,
      workspaceNo,
      connectionNo,
      ordered(row),
      isThin,
      JSON.stringify(row),
    );
    this.#insertHealth.run(inserted.lastInsertRowid, shut(row), JSON.stringify(HEALTHY));
    this.#beginFeed.run(workspaceNo);
  }

  change(
    workspaceId: string,
    id: string,
    decide: (row: EndpointRow) => EndpointRow | undefined,
    resetsHealth: boolean,
  ): StoredEndpoint | undefined {
    const found = this.#find.get(id, workspaceId);
    if (found === undefined) return undefined;
    const { endpointNo } = found;
    const before = storedEndpoint(found);
    const row = decide(before.row);
    if (row === undefined) return before;
    const health = resetsHealth ? { ...HEALTHY, round: before.health.round + 1 } : before.health;
    this.#update.run(ordered(row), Number(row.payload === "thin"), JSON.stringify(row), endpointNo);
    this.#updateHealth.run(shut(row), health.parkedUntilMs ?? null, JSON.stringify(health), endpointNo);
    if (ordered(row) !== ordered(before.row)) this.#queue.setOrdered(endpointNo, row.ordering === "record");
    this.#queue.flush(endpointNo);
    return { row, health };
  }

  /** Its number; what is pending is left to `discardSome`. */
  remove(workspaceId: string, id: string, atMs: number): number | undefined {
    const endpointNo = this.#find.get(id, workspaceId)?.endpointNo;
    if (endpointNo === undefined) return undefined;
    this.#delete.run(atMs, endpointNo);
    this.#shut.run(endpointNo);
    this.#forgetFeeds.run();
    return endpointNo;
  }

  /** Whether there may be more. */
  discardSome(endpointNo: number, atMs: number): boolean {
    return this.#discard.run(atMs, endpointNo).changes === DISCARD_ROWS;
  }
}

function ordered({ ordering }: EndpointRow): number {
  return Number(ordering === "record");
}

function shut({ disabled }: EndpointRow): number {
  return Number(disabled !== undefined);
}

function unknownOwner(workspaceId: string, connectionId: string | undefined): MillraceError {
  const owner = connectionId === undefined ? `workspace ${workspaceId}` : `connection ${connectionId}`;
  return new MillraceError(`the relay's store has no ${owner}; create it before its webhook endpoints`);
}
