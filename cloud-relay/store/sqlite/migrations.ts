// The file's schema as an ordered list of migrations; a step, once released, never changes.

import { AUDIT } from "./audit-store.ts";
import { REQUESTS } from "./request-store.ts";
import { LINKS } from "./link-store.ts";
import { OPERATIONS } from "./operation-store.ts";
import { SETTINGS } from "./settings-store.ts";
import { USERS } from "./user-store.ts";
import { VERSION_TABLES } from "./version-tables.ts";
import { WEBHOOKS } from "./webhook-tables.ts";

/** Marks the file as a relay's store ("MRS1"). */
export const APPLICATION_ID = 0x4d_52_53_31;

export interface Migration {
  readonly sql: string;
  /** Oldest schema version whose code may still open a file that has this step (recorded as `min_reader`). */
  readonly minReader: number;
}

/**
 * Surrogates keep the hot tables small: a term is any repeated text; a list is one entity of one connection, present
 * and gone records apart; a feed is one connection's events, or a workspace's own. `newest` lets a reader pass over
 * lists and feeds that have nothing new. Times are integer ms (samples: integer µs); ids are 16-byte blobs where they
 * are UUIDs. The index over lists carries the epoch, so that a sweep reads the index alone.
 */
const FIRST = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE hybrid_clock (clock_no INTEGER PRIMARY KEY CHECK (clock_no = 1), last_revision INTEGER NOT NULL);
INSERT INTO hybrid_clock VALUES (1, 0);

CREATE TABLE workspaces (
  workspace_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, created_ms INTEGER NOT NULL,
  trimmed_to INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE connections (
  connection_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace_no INTEGER NOT NULL, name TEXT NOT NULL,
  customer TEXT, environment TEXT NOT NULL, labels TEXT NOT NULL, agent_id TEXT, system TEXT,
  created_ms INTEGER NOT NULL, connected_ms INTEGER, state TEXT NOT NULL, reason TEXT, advice TEXT,
  status_ms INTEGER NOT NULL, last_sync_ms INTEGER, report TEXT,
  UNIQUE (workspace_no, name)
);
CREATE INDEX connections_agent ON connections (agent_id);
CREATE TABLE agents (
  agent_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace_no INTEGER NOT NULL, name TEXT NOT NULL,
  public_key TEXT NOT NULL, created_ms INTEGER NOT NULL, revoked_ms INTEGER, quarantined_ms INTEGER,
  session INTEGER NOT NULL, instance_id TEXT, version TEXT, platform TEXT, connected_ms INTEGER,
  last_seen_ms INTEGER, is_online INTEGER NOT NULL
);
CREATE INDEX agents_workspace ON agents (workspace_no);
CREATE TABLE tokens (
  token_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, workspace_id TEXT, connection_id TEXT,
  name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, hint TEXT NOT NULL, scopes TEXT NOT NULL,
  created_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER
);
CREATE INDEX tokens_workspace ON tokens (workspace_id);
CREATE TABLE enrollment_codes (
  code_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace_id TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,
  connection_ids TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, used_ms INTEGER, agent_id TEXT
);

CREATE TABLE streams (
  connection_no INTEGER PRIMARY KEY, epoch TEXT NOT NULL, epoch_no INTEGER NOT NULL,
  acked_seq INTEGER NOT NULL, acked_id TEXT NOT NULL
);
CREATE TABLE epochs (
  connection_no INTEGER NOT NULL, epoch TEXT NOT NULL, PRIMARY KEY (connection_no, epoch)
) WITHOUT ROWID;
CREATE TABLE terms (term_no INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE lists (
  list_no INTEGER PRIMARY KEY, connection_no INTEGER NOT NULL, entity_no INTEGER NOT NULL, gone INTEGER NOT NULL,
  newest INTEGER NOT NULL DEFAULT 0,
  UNIQUE (connection_no, entity_no, gone)
);
CREATE TABLE records (
  record_no INTEGER PRIMARY KEY, id BLOB NOT NULL, list_no INTEGER NOT NULL, revision INTEGER NOT NULL,
  epoch_no INTEGER NOT NULL, incarnation INTEGER NOT NULL, presence_no INTEGER NOT NULL, origin_no INTEGER NOT NULL,
  mapping_no INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, deleted_ms INTEGER,
  reason_no INTEGER, hash TEXT NOT NULL, version TEXT, key TEXT NOT NULL, text TEXT NOT NULL, raw TEXT
);
CREATE UNIQUE INDEX records_id ON records (id);
CREATE INDEX records_order ON records (list_no, revision, epoch_no);

CREATE TABLE feeds (
  feed_no INTEGER PRIMARY KEY, workspace_no INTEGER NOT NULL, connection_no INTEGER NOT NULL,
  newest INTEGER NOT NULL DEFAULT 0,
  UNIQUE (workspace_no, connection_no)
);
CREATE TABLE events (
  position INTEGER PRIMARY KEY, feed_no INTEGER NOT NULL, type_no INTEGER NOT NULL, entity_no INTEGER,
  origin_no INTEGER, epoch_no INTEGER, seq INTEGER, entry INTEGER, at_ms INTEGER NOT NULL, record_id BLOB,
  data TEXT NOT NULL, id_text TEXT
);
CREATE INDEX events_feed ON events (feed_no, position, type_no);

CREATE TABLE points (
  point_no INTEGER PRIMARY KEY, connection_no INTEGER NOT NULL, key TEXT NOT NULL, UNIQUE (connection_no, key)
);
CREATE TABLE samples (
  point_no INTEGER NOT NULL, at_us INTEGER NOT NULL, server_us INTEGER NOT NULL, sourced INTEGER NOT NULL,
  backfilled INTEGER NOT NULL, status INTEGER NOT NULL, value,
  PRIMARY KEY (point_no, at_us, server_us, sourced)
) WITHOUT ROWID;
CREATE TABLE last_samples (
  point_no INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, server_us INTEGER NOT NULL, sourced INTEGER NOT NULL,
  backfilled INTEGER NOT NULL, status INTEGER NOT NULL, value
);

CREATE TABLE gaps (
  gap_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, connection_no INTEGER NOT NULL, entity TEXT, key TEXT,
  recorded_ms INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE INDEX gaps_connection ON gaps (connection_no, recorded_ms);
CREATE TABLE rejects (
  connection_no INTEGER NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (connection_no, entity, key)
) WITHOUT ROWID;
CREATE TABLE sync_runs (
  run_no INTEGER PRIMARY KEY, connection_no INTEGER NOT NULL, entity TEXT NOT NULL, run TEXT NOT NULL,
  started_ms INTEGER NOT NULL, ended_ms INTEGER, body TEXT NOT NULL,
  UNIQUE (connection_no, entity, run)
);
CREATE INDEX sync_runs_newest ON sync_runs (connection_no, started_ms);
CREATE TABLE undecodable_batches (
  batch_no INTEGER PRIMARY KEY, connection_no INTEGER NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  reason TEXT NOT NULL, blob BLOB NOT NULL
);
CREATE INDEX undecodable_connection ON undecodable_batches (connection_no);
`;

/** What becomes long stands last: a row's overflow is read only by who asks for it. */
const CONNECTIONS = `
ALTER TABLE connections ADD COLUMN kind TEXT NOT NULL DEFAULT 'agent';
ALTER TABLE connections ADD COLUMN when_offline TEXT NOT NULL DEFAULT 'serve';
ALTER TABLE connections ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE connections ADD COLUMN disconnected_ms INTEGER;
ALTER TABLE connections ADD COLUMN description_no INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN description TEXT;
ALTER TABLE tokens ADD COLUMN filter TEXT;
`;

/** The tables of the store's parts are said where they are used. */
const SECOND = [
  CONNECTIONS,
  OPERATIONS,
  VERSION_TABLES,
  SETTINGS,
  LINKS,
  REQUESTS,
  AUDIT,
  USERS,
  WEBHOOKS,
].join("\n");

export const MIGRATIONS: readonly Migration[] = [
  { sql: FIRST, minReader: 1 },
  { sql: SECOND, minReader: 2 },
];
