// A source's own record of its changes (change tracking, CDC, a log table), as the shared reader follows it: the feed names
// what changed, the rows are then read as they are now. Whatever order and however often it names them, the end is right.
import type { Cursor, ReadRequest, SourceRow } from "../source/connector.ts";
import { canonicalKey } from "../source/key-rules.ts";
import { keyOf } from "./cursor-values.ts";
import type { ColumnFacts, SqlRow } from "./dialect.ts";
import type { PollTrack, TrackPage } from "./poll-track.ts";
import { buildRows, distinctKeys } from "./row-builder.ts";
import { readAround, selectPoints } from "./unreadable-rows.ts";
import { MAX_PAGE_ROWS, type SqlSession, type SqlSource } from "./sql-source.ts";
import type { ChildShape, EntityShape } from "./table-shape.ts";

/** The feed of an entity's table, or of a child's table that leads to the parents to read again. */
export interface ChangeFeed {
  /** What it is and what it stands on, such as `change_tracking site,ponum`: another one makes a cursor worthless. */
  readonly slot: string;
  /** Columns of the entity's table whose values a change gives: the rows with these values are read again. */
  readonly columns: readonly ColumnFacts[];
  /** Places of the plan's key in `columns`; undefined where deletes cannot be told from the feed. */
  readonly keyAt: readonly number[] | undefined;
  /** "Now": where to follow changes from. @throws ConnectorError */
  establish(session: SqlSession): Promise<Cursor>;
  /** At most `maxRows` changes after `state`. @throws ConnectorError cursor_lost if the feed no longer reaches back to it */
  read(session: SqlSession, state: Cursor, maxRows: number): Promise<FeedPage>;
}

export interface FeedPage {
  readonly changes: readonly FeedChange[];
  readonly state: Cursor;
  readonly isLast: boolean;
}

export interface FeedChange {
  /** In the order of `columns`. */
  readonly values: SqlRow;
  readonly isDelete: boolean;
}

export function feedTrack(
  feed: ChangeFeed,
  source: SqlSource,
  shape: EntityShape,
  child: ChildShape | undefined,
): PollTrack {
  const owner = child === undefined ? "own" : `child ${child.plan.name}`;
  return {
    slot: `${owner} ${feed.slot}`,
    establish: (session) => feed.establish(session),
    readPage: (state, request) => readFeedPage(feed, source, shape, child, state, request),
  };
}

async function readFeedPage(
  feed: ChangeFeed,
  source: SqlSource,
  shape: EntityShape,
  child: ChildShape | undefined,
  state: Cursor,
  request: ReadRequest,
): Promise<TrackPage> {
  const limit = Math.min(request.maxRows, MAX_PAGE_ROWS);
  return await readAround(source, "live", request.signal, shape, async (session, around) => {
    const page = await feed.read(session, state, limit);
    const places = feed.columns.map((_, at) => at);
    const wanted = distinctKeys(
      page.changes.map((change) => change.values),
      places,
    ).filter((key) => !key.includes(null));
    const found = await selectPoints(session, source, shape, feed.columns, wanted, around);
    const rows = await buildRows(session, source.dialect, shape, found, around);
    const deletes = child === undefined ? deletesIn(feed, shape, page.changes, found) : [];
    return { rows: [...rows, ...deletes], state: page.state, isLast: page.isLast };
  });
}

/** What changed and is not there any more, or not within the plan's filters. */
function deletesIn(
  feed: ChangeFeed,
  shape: EntityShape,
  changes: readonly FeedChange[],
  found: readonly SqlRow[],
): readonly SourceRow[] {
  const { keyAt } = feed;
  if (keyAt === undefined) return [];
  const rules = feed.columns.map((column) => column.rule);
  const places = feed.columns.map((column) => shape.select.indexOf(column));
  const present = new Set(found.map((row) => canonicalKey(keyOf(row, places), rules)));
  const absent = new Map<string, SourceRow>();
  for (const { values, isDelete } of changes) {
    const all = values.map((_, at) => at);
    const canonical = canonicalKey(keyOf(values, all), rules);
    if (present.has(canonical)) continue;
    const reason = isDelete ? "tombstone" : "flag";
    absent.set(canonical, { op: "delete", key: keyOf(values, keyAt), columns: {}, reason });
  }
  return [...absent.values()];
}
