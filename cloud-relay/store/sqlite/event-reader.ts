// Reads the feed of a workspace or of some of its connections.
import type Database from "better-sqlite3";
import type { Origin } from "#common/contract/entry.ts";
import type { Scope, StoredEvent } from "../../core/store.ts";
import { eventId, idText, type IdColumn } from "./columns.ts";
import { mergeOrdered, type Head } from "./merge.ts";
import type { Names } from "./names.ts";

interface EventColumns {
  readonly position: number;
  readonly feedNo: number;
  readonly typeNo: number;
  readonly entityNo: number | null;
  readonly originNo: number | null;
  readonly epochNo: number | null;
  readonly seq: number | null;
  readonly entry: number | null;
  readonly atMs: number;
  readonly recordId: IdColumn | null;
  readonly data: string;
  readonly idText: string | null;
}

type FeedRange = [feedNo: number, low: number, high: number, ...rest: (string | number)[]];

/** The workspace's own feed has no connection: it belongs to the whole workspace's scope only. */
const FEEDS = `SELECT f.feed_no FROM workspaces w JOIN feeds f USING (workspace_no)
  LEFT JOIN connections c ON c.connection_no = f.connection_no
  WHERE w.id = ? AND f.newest > ? AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))`;
/** By the index alone, which has the type: events of other types are passed over without being read. */
const IN_FEED = "FROM events INDEXED BY events_feed WHERE feed_no = ? AND position > ? AND position < ?";
const OF_TYPES = "AND type_no IN (SELECT value FROM json_each(?))";
const COLUMNS = `SELECT position, feed_no AS feedNo, type_no AS typeNo, entity_no AS entityNo, origin_no AS originNo,
  epoch_no AS epochNo, seq, entry, at_ms AS atMs, record_id AS recordId, data, id_text AS idText`;

const heads = (
  condition: string,
): string => `SELECT source, at FROM (SELECT j.value AS source, (SELECT position FROM events INDEXED BY events_feed
  WHERE feed_no = j.value AND position > ? AND position < ? ${condition} ORDER BY position LIMIT 1) AS at
  FROM json_each(?) j) WHERE at IS NOT NULL`;

export class EventReader {
  readonly #names: Names;
  readonly #feeds: Database.Statement<unknown[], number>;
  readonly #types: Database.Statement<[string], number>;
  readonly #heads: Database.Statement<[number, number, string], Head>;
  readonly #page: Database.Statement<FeedRange, EventColumns>;
  readonly #headsOfTypes: Database.Statement<[number, number, string, string], Head>;
  readonly #pageOfTypes: Database.Statement<FeedRange, EventColumns>;
  readonly #bounds: Database.Statement<[string], { trimmedTo: number; newest: number }>;
  readonly #snapshot: <T>(read: () => T) => T;

  constructor(db: Database.Database, names: Names) {
    this.#names = names;
    this.#feeds = db.prepare<unknown[], number>(FEEDS).pluck();
    this.#types = db
      .prepare<[string], number>("SELECT term_no FROM terms WHERE text IN (SELECT value FROM json_each(?))")
      .pluck();
    const order = "ORDER BY position LIMIT";
    this.#heads = db.prepare(heads(""));
    this.#page = db.prepare(`${COLUMNS} ${IN_FEED} ${order} ?`);
    this.#headsOfTypes = db.prepare(heads(OF_TYPES));
    this.#pageOfTypes = db.prepare(`${COLUMNS} ${IN_FEED} ${OF_TYPES} ${order} ?`);
    this.#bounds = db.prepare(
      `SELECT w.trimmed_to AS trimmedTo, coalesce(max(f.newest), 0) AS newest
       FROM workspaces w LEFT JOIN feeds f USING (workspace_no) WHERE w.id = ? GROUP BY w.workspace_no`,
    );
    const inTransaction = db.transaction((read: () => unknown) => read());
    this.#snapshot = <T>(read: () => T) => inTransaction(read) as T;
  }

  list(scope: Scope, after: number, limit: number, types?: readonly string[]): readonly StoredEvent[] {
    const ids = scope.connectionIds === undefined ? null : JSON.stringify(scope.connectionIds);
    return this.#snapshot(() => {
      const feeds = this.#feeds.all(scope.workspaceId, after, ids, ids);
      const rows = mergeOrdered(feeds, this.#sources(types), after, Number.MAX_SAFE_INTEGER, limit);
      return rows.map((row) => this.#stored(row));
    });
  }

  bounds(workspaceId: string): { readonly oldest: number; readonly newest: number } {
    const { trimmedTo = 0, newest = 0 } = this.#bounds.get(workspaceId) ?? {};
    return { oldest: trimmedTo === 0 ? 0 : trimmedTo + 1, newest };
  }

  #sources(types: readonly string[] | undefined) {
    if (types === undefined) {
      return {
        heads: (feedNos: readonly number[], low: number, high: number) =>
          this.#heads.all(low, high, JSON.stringify(feedNos)),
        page: (feedNo: number, low: number, high: number, most: number) =>
          this.#page.all(feedNo, low, high, most),
      };
    }
    const wanted = JSON.stringify(this.#types.all(JSON.stringify(types)));
    return {
      heads: (feedNos: readonly number[], low: number, high: number) =>
        this.#headsOfTypes.all(low, high, wanted, JSON.stringify(feedNos)),
      page: (feedNo: number, low: number, high: number, most: number) =>
        this.#pageOfTypes.all(feedNo, low, high, wanted, most),
    };
  }

  #stored(row: EventColumns): StoredEvent {
    const names = this.#names;
    const { position, seq, entry, idText: text } = row;
    const { workspaceId, connectionId } = names.feed(row.feedNo);
    const epoch = names.optionalTerm(row.epochNo) ?? null;
    return {
      position,
      id: eventId({ epoch, seq, entry, text }, position),
      type: names.term(row.typeNo),
      workspaceId,
      connectionId,
      entity: names.optionalTerm(row.entityNo),
      recordId: row.recordId === null ? undefined : idText(row.recordId),
      origin: names.optionalTerm(row.originNo) as Origin | undefined,
      atMs: row.atMs,
      data: row.data,
    };
  }
}
