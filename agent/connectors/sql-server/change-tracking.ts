// Follows SQL Server's Change Tracking: which keys were written since a version, deletes included. Everything about one page
// happens in one snapshot transaction, as Microsoft's documentation asks for.
import type { Cursor } from "#agent/core/source/connector.ts";
import type { ChangeFeed, FeedChange, FeedPage } from "#agent/core/sql/change-feed.ts";
import { type CursorValue, cursorValue, parameterOf } from "#agent/core/sql/cursor-values.ts";
import {
  type ColumnFacts,
  quoteTable,
  type SqlRow,
  type SqlStatement,
  type TableFacts,
} from "#agent/core/sql/dialect.ts";
import { writeAfter } from "#agent/core/sql/key-conditions.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { StatementWriter } from "#agent/core/sql/statement-writer.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { SQL_SERVER_DIALECT } from "./connection.ts";

/** A cursor that stands still would fall out of the retention period; one that moves at every poll costs a commit each. */
const IDLE_ADVANCE_MS = 60_000;

export interface TrackedTable {
  readonly facts: TableFacts;
  readonly primaryKey: readonly ColumnFacts[];
  /** What a change gives: columns of the table itself, found by its primary key. */
  readonly wanted: readonly ColumnFacts[];
  readonly columns: readonly ColumnFacts[];
  readonly keyAt: readonly number[] | undefined;
}

/** JSON. `at`: everything up to this version is read; `page`: and of the next one, keys up to this. */
interface TrackingState {
  readonly at: string;
  readonly page?: readonly CursorValue[];
  readonly ms: number;
}

interface Versions {
  readonly current: bigint;
  readonly oldest: bigint;
}

export function changeTrackingFeed(table: TrackedTable, clock: Clock): ChangeFeed {
  const name = quoteTable(SQL_SERVER_DIALECT, table.facts.table);
  return {
    slot: `change_tracking ${table.primaryKey.map((column) => column.name).join(",")}`,
    columns: table.columns,
    keyAt: table.keyAt,
    establish: async (session) => {
      const { current } = await readVersions(session, name);
      return toCursor({ at: String(current), ms: clock.nowMs() });
    },
    read: (session, state, maxRows) =>
      readPage(session, table, name, state as unknown as TrackingState, { maxRows, nowMs: clock.nowMs() }),
  };
}

async function readPage(
  session: SqlSession,
  table: TrackedTable,
  name: string,
  state: TrackingState,
  { maxRows, nowMs }: { readonly maxRows: number; readonly nowMs: number },
): Promise<FeedPage> {
  const { current, oldest } = await readVersions(session, name);
  checkReach(name, BigInt(state.at), { current, oldest });
  const rows = await session.query(changesAfter(table, name, state, maxRows));
  const changes = rows.map((row): FeedChange => ({
    values: row.slice(2 + table.primaryKey.length),
    isDelete: row[1] === "D",
  }));
  if (rows.length === maxRows) {
    const last = rows.at(-1)!;
    const page = keyIn(table, last).map(cursorValue);
    return {
      changes,
      state: toCursor({ at: String(BigInt(String(last[0])) - 1n), page, ms: nowMs }),
      isLast: false,
    };
  }
  const isIdle = rows.length === 0 && state.page === undefined && nowMs - state.ms < IDLE_ADVANCE_MS;
  const next = isIdle && nowMs >= state.ms ? state : { at: String(current), ms: nowMs };
  return { changes, state: toCursor(next), isLast: true };
}

function keyIn({ primaryKey }: TrackedTable, row: SqlRow): SqlRow {
  return row.slice(2, 2 + primaryKey.length);
}

function toCursor(state: TrackingState): Cursor {
  return { ...state };
}

async function readVersions(session: SqlSession, name: string): Promise<Versions> {
  const [row] = await session.query({
    text:
      "SELECT CONVERT(varchar(20), CHANGE_TRACKING_CURRENT_VERSION()), " +
      "CONVERT(varchar(20), CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(@p1)))",
    parameters: [name],
  });
  const [current, oldest] = row ?? [];
  if (typeof current !== "string" || typeof oldest !== "string") {
    throw new ConnectorError(
      "unavailable",
      `Change Tracking of ${name} was turned off, or the right to it (VIEW CHANGE TRACKING) was taken away. ` +
        "The source is opened anew, and followed in another way.",
    );
  }
  return { current: BigInt(current), oldest: BigInt(oldest) };
}

function checkReach(name: string, at: bigint, { current, oldest }: Versions): void {
  if (at > current) {
    throw new ConnectorError(
      "cursor_lost",
      `${name}: Change Tracking is at version ${current}, and ${at} was read already: the database was restored from a backup. The entity is read anew.`,
    );
  }
  if (at < oldest) {
    throw new ConnectorError(
      "cursor_lost",
      `${name}: Change Tracking remembers changes since version ${oldest} only, and they were read up to ${at}: ` +
        "the table was truncated, tracking was turned off and on, or the agent was away for longer than CHANGE_RETENTION. The entity is read anew.",
    );
  }
}

/** `[version, operation, …primary key, …wanted]` in (version, key) order. */
function changesAfter(
  table: TrackedTable,
  name: string,
  state: TrackingState,
  maxRows: number,
): SqlStatement {
  const { primaryKey, wanted } = table;
  const writer = new StatementWriter(SQL_SERVER_DIALECT);
  writer.add(`SELECT TOP (${maxRows}) CONVERT(varchar(20), ct.SYS_CHANGE_VERSION), ct.SYS_CHANGE_OPERATION`);
  for (const column of primaryKey) writer.add(`, ${selected(column)}`);
  for (const column of wanted) {
    if (primaryKey.includes(column)) writer.add(`, ${selected(column)}`);
    else writeLookup(writer, name, primaryKey, column);
  }
  writer.add(` FROM CHANGETABLE(CHANGES ${name}, `).bind(BigInt(state.at), undefined).add(") AS ct");
  if (state.page !== undefined) {
    writer
      .add(" WHERE (ct.SYS_CHANGE_VERSION > ")
      .bind(BigInt(state.at) + 1n, undefined)
      .add(" OR (");
    writeAfter(writer, primaryKey, state.page.map(parameterOf));
    writer.add("))");
  }
  writer.add(" ORDER BY ct.SYS_CHANGE_VERSION, ").list(primaryKey, ", ", (column) => writer.column(column));
  return writer.done();
}

/** A column outside the primary key, from the row itself; null if it is gone. */
function writeLookup(
  writer: StatementWriter,
  name: string,
  primaryKey: readonly ColumnFacts[],
  column: ColumnFacts,
): void {
  writer.add(`, (SELECT ${selected(column)} FROM ${name} AS t WHERE `);
  writer.list(primaryKey, " AND ", (key) => {
    const quoted = SQL_SERVER_DIALECT.quoteIdentifier(key.name);
    writer.add(`t.${quoted} = ct.${quoted}`);
  });
  writer.add(")");
}

function selected(column: ColumnFacts): string {
  return column.select ?? SQL_SERVER_DIALECT.quoteIdentifier(column.name);
}
