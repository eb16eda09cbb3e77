// What a SQL connector gives the shared table reader.
import type { SqlDialect, SqlParameter, SqlRow, SqlStatement } from "./dialect.ts";
import type { ChildShape, EntityShape, ShapedMarker, TableShape } from "./table-shape.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { ExtraCondition } from "./statements.ts";

/** Rows of one page, at most, whatever the request says: memory of the room, and length of the source's transaction. */
export const MAX_PAGE_ROWS = 10_000;

export interface SqlSession {
  /** Exact values in the order of the select list. @throws ConnectorError */
  query(statement: SqlStatement): Promise<readonly SqlRow[]> | readonly SqlRow[];
}

/** `live` serves polls and point reads, `bulk` the long passes: they must not wait for each other. */
export type Lane = "live" | "bulk";

export interface SqlSource {
  readonly dialect: SqlDialect;
  /**
   * Runs `work` in one read-only transaction that sees one state of the source. On abort it rejects within a second.
   * @throws ConnectorError
   */
  transaction<T>(lane: Lane, signal: AbortSignal, work: (session: SqlSession) => Promise<T>): Promise<T>;
  /** The source's clock, ms since the epoch. Absent: the agent's clock stands in. */
  clockMs?(session: SqlSession): Promise<number>;
  /**
   * For sources that know which row versions are new: `read` gives the horizon of the transaction's own snapshot, and
   * `condition` holds for rows written by transactions that were not finished at an earlier horizon.
   * @throws ConnectorError cursor_lost if `since` is ahead of the source or too old to be compared
   */
  readonly horizon?: {
    read(session: SqlSession, since: string | undefined): Promise<string>;
    condition(since: string, shape: TableShape): ExtraCondition;
  };
  /**
   * Markers at or above this belong to transactions still under way (`MIN_ACTIVE_ROWVERSION()`); it must be older than the
   * transaction's view of the source. Undefined: the source cannot say for this column.
   */
  counterCeiling?(session: SqlSession, marker: ShapedMarker): Promise<SqlParameter | undefined>;
  /** The source's own record of changes of the entity's table (or a child's), where it has one: it goes before any marker. */
  feed?(shape: EntityShape, child: ChildShape | undefined): ChangeFeed | undefined;
  /** A token that changes with any commit to the source; an equal one spares the poll. Undefined: unknown. */
  changeToken?(shape: EntityShape): string | undefined;
}
