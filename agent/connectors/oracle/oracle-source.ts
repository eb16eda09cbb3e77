// Oracle as the shared table reader sees it: two lanes, the database's clock, change numbers and feeds.
import type { ChangeFeed } from "#agent/core/sql/change-feed.ts";
import type { Lane, SqlSession, SqlSource } from "#agent/core/sql/sql-source.ts";
import { hasLong } from "#agent/core/sql/statements.ts";
import type { ChildShape, EntityShape, TableShape } from "#agent/core/sql/table-shape.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { chooseFeed } from "./change-choice.ts";
import type { OracleConnection, OracleSession } from "./connection.ts";
import { ORACLE_DIALECT } from "./dialect.ts";
import { oracleFeed } from "./feeds.ts";
import type { OpenedSource } from "./open-source.ts";
import { checkNotBehind, committedAfter } from "./scn.ts";

export class OracleSource implements SqlSource, AsyncDisposable {
  readonly dialect = ORACLE_DIALECT;
  readonly lanes: Readonly<Record<Lane, OracleConnection>>;
  readonly horizon: NonNullable<SqlSource["horizon"]>;
  readonly #facts: OpenedSource;

  constructor(lanes: Readonly<Record<Lane, OracleConnection>>, facts: OpenedSource) {
    this.lanes = lanes;
    this.#facts = facts;
    for (const lane of Object.values(lanes)) lane.scnQuery = facts.choice.scn?.query;
    this.horizon = { read: async (session, since) => readHorizon(session, since), condition: committedAfter };
  }

  transaction<T>(lane: Lane, signal: AbortSignal, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.lanes[lane].transaction(signal, work, lane === "live");
  }

  async clockMs(session: SqlSession): Promise<number> {
    const text = "SELECT TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), 'YYYY-MM-DD HH24:MI:SS.FF3') FROM DUAL";
    const [row] = await session.query({ text, parameters: [] });
    return Date.parse(`${String(row?.[0]).replace(" ", "T")}Z`);
  }

  feed(shape: EntityShape, child: ChildShape | undefined): ChangeFeed | undefined {
    const kind = chooseFeed(shape, child, this.#facts.choice);
    if (kind === undefined) return undefined;
    const { log } = this.#facts.choice.rights(child ?? shape);
    return oracleFeed(kind, shape, child, log?.table);
  }

  /** Neither marker nor feed: there are no changes that a reading of the past could overtake. */
  isOnlyScanned(shape: EntityShape): boolean {
    return shape.marker === undefined && this.feed(shape, undefined) === undefined;
  }

  /** Whether the entity's table and all of its children's may be read as of an exact change number; not every server gives a LONG of the past. */
  canReadPast(shape: EntityShape): boolean {
    const { scn, rights } = this.#facts.choice;
    const tables: readonly TableShape[] = [shape, ...shape.children];
    return (
      scn?.betterGrant === undefined &&
      scn !== undefined &&
      tables.every((table) => rights(table).canFlashback && !hasLong(table.select))
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Object.values(this.lanes).map((lane) => lane[Symbol.asyncDispose]()));
  }
}

/** Rows committed after this number are not all seen by this transaction; those before it are. */
function readHorizon(session: SqlSession, since: string | undefined): string {
  const { scn } = session as OracleSession;
  if (scn === undefined) {
    throw new ConnectorError(
      "unavailable",
      "The database did not give its system change number. It is asked again.",
    );
  }
  if (since !== undefined) checkNotBehind(since, scn);
  return scn;
}
