// Reads the feed of a workspace or of some of its connections.
import type Database from "better-sqlite3";
import type { Origin } from "#common/contract/entry.ts";
import type { Scope, StoredEvent } from "../../core/store.ts";
import { eventId, idText, type IdColumn } from "./columns.ts";
import { mergeOrdered } from "./merge.ts";

interface EventColumns {
  readonly position: number;
  readonly type: string;
  readonly workspaceId: string;
  readonly connectionId: string | null;
  readonly entity: string | null;
  readonly recordId: IdColumn | null;
  readonly origin: Origin | null;
  readonly atMs: number;
  readonly data: string;
  readonly epoch: string | null;
  readonly seq: number | null;
  readonly entry: number | null;
  readonly idText: string | null;
}

/** The workspace's own feed has no connection: it belongs to the whole workspace's scope only. */
const FEEDS = `SELECT f.feed_no FROM workspaces w JOIN feeds f USING (workspace_no)
  LEFT JOIN connections c ON c.connection_no = f.connection_no
  WHERE w.id = ? AND f.newest > ? AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))`;
const IN_RANGE = `e.feed_no = ? AND e.position > ? AND e.position < ?
  AND (? IS NULL OR e.type_no IN (SELECT term_no FROM terms WHERE text IN (SELECT value FROM json_each(?))))`;
const HEAD = `SELECT e.position FROM events e INDEXED BY events_feed WHERE ${IN_RANGE} ORDER BY e.position LIMIT 1`;
const PAGE = `SELECT e.position, t.text AS type, w.id AS workspaceId, c.id AS connectionId, n.text AS entity,
  e.record_id AS recordId, o.text AS origin, e.at_ms AS atMs, e.data, p.text AS epoch, e.seq, e.entry,
  e.id_text AS idText
  FROM events e INDEXED BY events_feed JOIN feeds f USING (feed_no) JOIN workspaces w USING (workspace_no)
  LEFT JOIN connections c ON c.connection_no = f.connection_no
  JOIN terms t ON t.term_no = e.type_no LEFT JOIN terms n ON n.term_no = e.entity_no
  LEFT JOIN terms o ON o.term_no = e.origin_no LEFT JOIN terms p ON p.term_no = e.epoch_no
  WHERE ${IN_RANGE} ORDER BY e.position LIMIT ?`;

export class EventReader {
  readonly #feeds: Database.Statement<unknown[], number>;
  readonly #head: Database.Statement<unknown[], number>;
  readonly #page: Database.Statement<unknown[], EventColumns>;
  readonly #bounds: Database.Statement<[string], { trimmedTo: number; newest: number }>;
  readonly #snapshot: <T>(read: () => T) => T;

  constructor(db: Database.Database) {
    this.#feeds = db.prepare<unknown[], number>(FEEDS).pluck();
    this.#head = db.prepare<unknown[], number>(HEAD).pluck();
    this.#page = db.prepare(PAGE);
    this.#bounds = db.prepare(
      `SELECT w.trimmed_to AS trimmedTo, coalesce(max(f.newest), 0) AS newest
       FROM workspaces w LEFT JOIN feeds f USING (workspace_no) WHERE w.id = ? GROUP BY w.workspace_no`,
    );
    const inTransaction = db.transaction((read: () => unknown) => read());
    this.#snapshot = <T>(read: () => T) => inTransaction(read) as T;
  }

  list(scope: Scope, after: number, limit: number, types?: readonly string[]): readonly StoredEvent[] {
    const ids = scope.connectionIds === undefined ? null : JSON.stringify(scope.connectionIds);
    const wanted = types === undefined ? null : JSON.stringify(types);
    return this.#snapshot(() => {
      const feeds = this.#feeds.all(scope.workspaceId, after, ids, ids);
      const from = {
        head: (feedNo: number, low: number, high: number) =>
          this.#head.get(feedNo, low, high, wanted, wanted),
        page: (feedNo: number, low: number, high: number, most: number) =>
          this.#page.all(feedNo, low, high, wanted, wanted, most),
      };
      return mergeOrdered(feeds, from, after, Number.MAX_SAFE_INTEGER, limit).map(storedEvent);
    });
  }

  bounds(workspaceId: string): { readonly oldest: number; readonly newest: number } {
    const { trimmedTo = 0, newest = 0 } = this.#bounds.get(workspaceId) ?? {};
    return { oldest: trimmedTo === 0 ? 0 : trimmedTo + 1, newest };
  }
}

function storedEvent(row: EventColumns): StoredEvent {
  const { position, epoch, seq, entry, idText: text } = row;
  return {
    position,
    id: eventId({ epoch, seq, entry, text }, position),
    type: row.type,
    workspaceId: row.workspaceId,
    connectionId: row.connectionId ?? undefined,
    entity: row.entity ?? undefined,
    recordId: row.recordId === null ? undefined : idText(row.recordId),
    origin: row.origin ?? undefined,
    atMs: row.atMs,
    data: row.data,
  };
}
