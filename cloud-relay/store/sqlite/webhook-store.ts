// Webhooks in SQLite: endpoints, messages, deliveries and attempts, each part in a file of its own.
import type Database from "better-sqlite3";
import type { WebhookStore } from "../../core/webhooks/webhook-store.ts";
import type { IngestTx } from "../../core/store.ts";
import type { Names } from "./names.ts";
import type { Surrogates } from "./surrogates.ts";
import { WarmReads } from "./warm-reads.ts";
import { webhookEndpoints, type WebhookIo } from "./webhook-endpoints.ts";
import { webhookLeases } from "./webhook-leases.ts";
import { webhookLog } from "./webhook-log.ts";
import { webhookPublishing } from "./webhook-publishing.ts";
import type { WebhookQueue } from "./webhook-queue.ts";
import { webhookRemoval } from "./webhook-removal.ts";
import { webhookSettling } from "./webhook-settling.ts";

export interface SqliteWebhooksDeps {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  readonly ingest: <T>(work: (tx: IngestTx) => Promise<T>) => Promise<T>;
  /** The writer's; both forget with a rollback. */
  readonly surrogates: Surrogates;
  readonly queue: WebhookQueue;
  /** The reader's. */
  readonly names: Names;
}

export function sqliteWebhooks(deps: SqliteWebhooksDeps): WebhookStore {
  const { writer, reader, ingest, surrogates, queue, names } = deps;
  const write = <T>(work: () => T): Promise<T> => ingest(async () => work());
  const warm = new WarmReads(writer, reader);
  const io: WebhookIo = { writer, reader, warm, queue, ingest, write };
  return {
    ...webhookEndpoints(io),
    ...webhookPublishing(io, surrogates, names),
    ...webhookLeases(io, names),
    ...webhookSettling(writer, queue, ingest),
    ...webhookLog(io, names),
    ...webhookRemoval(io),
  };
}
