// Follows SQL Server's Change Data Capture as a list of keys that were written: the rows themselves are read as they are now.
// Positions are (commit LSN, sequence, operation): many rows may share one LSN.
import type { Cursor } from "#agent/core/source/connector.ts";
import type { ChangeFeed, FeedPage } from "#agent/core/sql/change-feed.ts";
import type { ColumnFacts, SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { StatementWriter } from "#agent/core/sql/statement-writer.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { SQL_SERVER_DIALECT } from "./connection.ts";
import { numberOf } from "./failures.ts";
import { quoteName } from "./grants.ts";

/** The capture job notes at least every five minutes how far it is, even when nothing happens. */
const CAPTURE_STALE_S = 20 * 60;
/** A cursor that stands still would fall out of the retention period; one that moves at every poll costs a commit each. */
const IDLE_ADVANCE_MS = 60_000;
const NO_LSN = `0x${"0".repeat(20)}`;
/** "An insufficient number of arguments": what the functions say of a range that is not there any more. */
const RANGE_ERRORS: ReadonlySet<number> = new Set([313, 22_903, 22_904]);

export interface CapturedTable {
  readonly instance: string;
  /** What a change gives: captured columns. */
  readonly wanted: readonly ColumnFacts[];
  readonly columns: readonly ColumnFacts[];
  readonly keyAt: readonly number[] | undefined;
}

/** LSNs as hex of one length, which sorts as the server sorts them. */
interface CaptureState {
  /** Everything up to here is read. */
  readonly at: string;
  /** And after it up to this (lsn, sequence, operation). */
  readonly page?: readonly [string, string, number];
  readonly ms: number;
}

interface Reach {
  readonly oldest: string;
  readonly newest: string;
  /** The LSN after the state's. */
  readonly next: string;
  readonly behindS: number;
}

export function dataCaptureFeed(table: CapturedTable, clock: Clock): ChangeFeed {
  return {
    slot: `cdc ${table.instance}`,
    columns: table.columns,
    keyAt: table.keyAt,
    establish: async (session) => {
      const { newest, oldest } = await readReach(session, table.instance, NO_LSN);
      // Captures of a new instance begin at its oldest LSN, which the job may not have reached yet.
      const at = newest < oldest ? await lsnBefore(session, oldest) : newest;
      return toCursor({ at, ms: clock.nowMs() });
    },
    read: (session, state, maxRows) =>
      readPage(session, table, state as unknown as CaptureState, { maxRows, nowMs: clock.nowMs() }),
  };
}

async function readPage(
  session: SqlSession,
  table: CapturedTable,
  state: CaptureState,
  { maxRows, nowMs }: { readonly maxRows: number; readonly nowMs: number },
): Promise<FeedPage> {
  const reach = await readReach(session, table.instance, state.at);
  const from = state.page?.[0] ?? reach.next;
  checkReach(table.instance, state.at, from, reach);
  const rows =
    from > reach.newest ? [] : await readChanges(session, table, state, { from, to: reach.newest, maxRows });
  const changes = rows.map((row) => ({ values: row.slice(3), isDelete: Number(row[2]) === 1 }));
  if (rows.length === maxRows) {
    const [lsn, sequence, operation] = rows.at(-1)!;
    const page = [String(lsn), String(sequence), Number(operation)] as const;
    return { changes, state: toCursor({ at: state.at, page, ms: nowMs }), isLast: false };
  }
  const newest = reach.newest < state.at ? state.at : reach.newest;
  const isIdle = rows.length === 0 && state.page === undefined && nowMs - state.ms < IDLE_ADVANCE_MS;
  const next = isIdle && nowMs >= state.ms ? state : { at: newest, ms: nowMs };
  return { changes, state: toCursor(next), isLast: true };
}

function toCursor(state: CaptureState): Cursor {
  return { at: state.at, ms: state.ms, ...(state.page === undefined ? {} : { page: [...state.page] }) };
}

async function readReach(session: SqlSession, instance: string, at: string): Promise<Reach> {
  const [row = []] = await session.query({
    text:
      "SELECT CONVERT(varchar(22), sys.fn_cdc_get_min_lsn(@p1), 1), CONVERT(varchar(22), sys.fn_cdc_get_max_lsn(), 1), " +
      "CONVERT(varchar(22), sys.fn_cdc_increment_lsn(CONVERT(binary(10), @p2, 1)), 1), " +
      "DATEDIFF(second, sys.fn_cdc_map_lsn_to_time(sys.fn_cdc_get_max_lsn()), GETDATE())",
    parameters: [instance, at],
  });
  const [oldest, newest, next, behindS] = row;
  if (oldest === null || oldest === undefined || oldest === NO_LSN) {
    throw new ConnectorError(
      "unavailable",
      `The capture instance ${instance} (CDC) is gone, or the right to read it was taken away. The source is opened anew, and followed in another way.`,
    );
  }
  return {
    oldest: String(oldest),
    newest: newest === null ? NO_LSN : String(newest),
    next: String(next),
    behindS: Number(behindS ?? 0),
  };
}

async function lsnBefore(session: SqlSession, lsn: string): Promise<string> {
  const [row = []] = await session.query({
    text: "SELECT CONVERT(varchar(22), sys.fn_cdc_decrement_lsn(CONVERT(binary(10), @p1, 1)), 1)",
    parameters: [lsn],
  });
  return String(row[0]);
}

function checkReach(instance: string, at: string, from: string, { oldest, newest, behindS }: Reach): void {
  if (from < oldest) throw overrun(instance, oldest);
  if (at > newest && at >= oldest) {
    throw new ConnectorError(
      "cursor_lost",
      `CDC of ${instance} is at ${newest}, and ${at} was read already: the database was restored from a backup. The entity is read anew.`,
    );
  }
  if (behindS > CAPTURE_STALE_S) {
    // Of this entity alone: others may be followed in other ways.
    throw new ConnectorError(
      "bad_data",
      `CDC of ${instance} has captured nothing for ${Math.round(behindS / 60)} min: its capture job does not run. ` +
        "Have an administrator look at SQL Server Agent and run: EXEC sys.sp_cdc_start_job @job_type = N'capture';",
    );
  }
}

function overrun(instance: string, oldest: string): ConnectorError {
  return new ConnectorError(
    "cursor_lost",
    `CDC of ${instance} remembers changes since ${oldest} only: the agent was away for longer than its retention, or the table was captured anew. The entity is read anew.`,
  );
}

interface Range {
  readonly from: string;
  readonly to: string;
  readonly maxRows: number;
}

async function readChanges(
  session: SqlSession,
  table: CapturedTable,
  state: CaptureState,
  range: Range,
): Promise<readonly SqlRow[]> {
  try {
    return await session.query(changesIn(table, state, range));
  } catch (error) {
    // Cleaned up between the check and the read.
    if (RANGE_ERRORS.has(numberOf(error) ?? 0)) throw overrun(table.instance, "later");
    throw error;
  }
}

/** `[lsn, sequence, operation, …wanted]` in that order; operations 1 delete, 2 insert, 3 and 4 before and after an update. */
function changesIn({ instance, wanted }: CapturedTable, state: CaptureState, range: Range): SqlStatement {
  const writer = new StatementWriter(SQL_SERVER_DIALECT);
  writer.add(
    `SELECT TOP (${range.maxRows}) CONVERT(varchar(22), [__$start_lsn], 1), CONVERT(varchar(22), [__$seqval], 1), [__$operation]`,
  );
  for (const column of wanted)
    writer.add(`, ${column.select ?? SQL_SERVER_DIALECT.quoteIdentifier(column.name)}`);
  writer.add(` FROM cdc.${quoteName(`fn_cdc_get_all_changes_${instance}`)}(`);
  bindLsn(writer, range.from).add(", ");
  bindLsn(writer, range.to).add(", N'all update old')");
  if (state.page !== undefined) {
    const [lsn, sequence, operation] = state.page;
    bindLsn(writer.add(" WHERE ([__$start_lsn] > "), lsn);
    bindLsn(writer.add(" OR ([__$start_lsn] = "), lsn);
    bindLsn(writer.add(" AND ([__$seqval] > "), sequence);
    bindLsn(writer.add(" OR ([__$seqval] = "), sequence);
    writer.add(" AND [__$operation] > ").bind(operation, undefined).add("))))");
  }
  writer.add(" ORDER BY [__$start_lsn], [__$seqval], [__$operation]");
  return writer.done();
}

function bindLsn(writer: StatementWriter, lsn: string): StatementWriter {
  return writer.add("CONVERT(binary(10), ").bind(lsn, undefined).add(", 1)");
}
