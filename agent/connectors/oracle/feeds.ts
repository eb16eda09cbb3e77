// What Oracle itself knows to have changed: flashback versions, row change numbers, a materialized view log. Each names
// keys between two system change numbers; the shared reader then reads the rows as they are now.
import type { Cursor } from "#agent/core/source/connector.ts";
import type { TableName } from "#agent/core/source/plan.ts";
import type { ChangeFeed, FeedPage } from "#agent/core/sql/change-feed.ts";
import { type CursorValue, cursorValue, parameterOf } from "#agent/core/sql/cursor-values.ts";
import { type ColumnFacts, quoteTable, tableLabel } from "#agent/core/sql/dialect.ts";
import { writeAfter } from "#agent/core/sql/key-conditions.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { StatementWriter } from "#agent/core/sql/statement-writer.ts";
import { joinColumns, keyColumns } from "#agent/core/sql/statements.ts";
import type { ChildShape, EntityShape } from "#agent/core/sql/table-shape.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { OracleSession } from "./connection.ts";
import { ORACLE_DIALECT } from "./dialect.ts";
import { isSnapshotTooOld } from "./failures.ts";
import { checkNotBehind, committedAfter } from "./scn.ts";

export type FeedKind = "mview_log" | "flashback" | "rowscn";

/** JSON, as it stands in the cursor. */
interface FeedState {
  /** Everything that was committed up to here is read. */
  readonly scn: string;
  /** A poll under way: up to where it goes, and the last values read. */
  readonly to?: string;
  readonly after?: readonly CursorValue[];
  /** A transaction whose entries stood in the log: without them the log was purged. */
  readonly witness?: string;
}

interface FeedTable {
  readonly kind: FeedKind;
  readonly table: TableName;
  /** Columns of the table that is looked at, in the order of the feed's. */
  readonly columns: readonly ColumnFacts[];
}

/** The feed of the entity's own table, or of a child's that leads to the parents. */
export function oracleFeed(
  kind: FeedKind,
  shape: EntityShape,
  child: ChildShape | undefined,
  log: TableName | undefined,
): ChangeFeed {
  const own = child === undefined ? keyColumns(shape) : joinColumns(child);
  const source: FeedTable = {
    kind,
    table: kind === "mview_log" ? log! : (child ?? shape).facts.table,
    columns: own,
  };
  return {
    slot: `${kind} ${own.map((column) => column.name).join(",")}`,
    columns: child === undefined ? own : child.parentAt.map((at) => shape.select[at]!),
    // A row that is named and does not fit the plan's filters any more is gone, whatever the feed can tell of deletes.
    keyAt: child === undefined ? own.map((_, at) => at) : undefined,
    establish: async (session) => ({ ...(await establish(session, source)) }),
    read: (session, state, maxRows) => readPage(session, source, state as unknown as FeedState, maxRows),
  };
}

async function establish(session: SqlSession, source: FeedTable): Promise<FeedState> {
  const scn = scnOf(session);
  return { scn, ...(await newestWitness(session, source, undefined)) };
}

async function readPage(
  session: SqlSession,
  source: FeedTable,
  state: FeedState,
  maxRows: number,
): Promise<FeedPage> {
  const to = state.to ?? scnOf(session);
  checkNotBehind(state.scn, to);
  if (state.to === undefined) await checkNotPurged(session, source, state);
  const rows = await guarded(source, () => session.query(touched(source, state, to, maxRows)));
  const width = source.columns.length;
  const changes = rows.map((row) => ({ values: row.slice(0, width), isDelete: Number(row[width]) === 1 }));
  const isLast = rows.length < maxRows;
  if (!isLast) {
    const after = rows.at(-1)!.slice(0, width).map(cursorValue);
    return { changes, isLast, state: cursorOf({ ...state, to, after }) };
  }
  const witness = await newestWitness(session, source, state);
  return { changes, isLast, state: cursorOf({ scn: to, ...witness }) };
}

function cursorOf(state: FeedState): Cursor {
  return { ...state };
}

/** The distinct keys that were touched after `state.scn`, in their order: `[…columns, deleted]`. */
function touched(
  { kind, table, columns }: FeedTable,
  state: FeedState,
  to: string,
  maxRows: number,
): ReturnType<StatementWriter["done"]> {
  const writer = new StatementWriter(ORACLE_DIALECT);
  writer.add("SELECT ").list(columns, ", ", (column) => {
    if (column.select === undefined) writer.column(column);
    else writer.add(column.select);
  });
  writer.add(`, ${DELETED[kind]} FROM ${quoteTable(ORACLE_DIALECT, table)}`);
  if (kind === "flashback") {
    writer.add(" VERSIONS BETWEEN SCN TO_NUMBER(").bind(state.scn, undefined);
    writer.add(") AND TO_NUMBER(").bind(to, undefined).add(")");
    // The version that ended names the key that a changed primary key had before.
    writer.add(" WHERE (VERSIONS_STARTSCN > TO_NUMBER(").bind(state.scn, undefined);
    writer.add(") OR VERSIONS_ENDSCN > TO_NUMBER(").bind(state.scn, undefined).add("))");
  } else {
    writer.add(" WHERE ");
    committedAfter(state.scn)(writer);
  }
  if (state.after !== undefined) {
    const last = state.after.map(parameterOf);
    writer.add(" AND ");
    writeAfter(writer, columns, last);
  }
  for (const clause of [" GROUP BY ", " ORDER BY "]) {
    writer.add(clause).list(columns, ", ", (column) => writer.column(column));
  }
  return writer.add(` FETCH FIRST ${maxRows} ROWS ONLY`).done();
}

const DELETED: Readonly<Record<FeedKind, string>> = {
  rowscn: "0",
  flashback: "MAX(CASE WHEN VERSIONS_OPERATION = 'D' THEN 1 ELSE 0 END)",
  mview_log: "MAX(CASE WHEN DMLTYPE$$ = 'D' THEN 1 ELSE 0 END)",
};

/** A transaction that stands in the log now, newer ones before the one that is known. */
async function newestWitness(
  session: SqlSession,
  { kind, table }: FeedTable,
  state: FeedState | undefined,
): Promise<Pick<FeedState, "witness">> {
  if (kind !== "mview_log") return {};
  const writer = new StatementWriter(ORACLE_DIALECT);
  writer.add(`SELECT MAX(XID$$) FROM ${quoteTable(ORACLE_DIALECT, table)}`);
  if (state !== undefined) {
    writer.add(" WHERE ");
    committedAfter(state.scn)(writer);
  }
  const [row] = await session.query(writer.done());
  const found = row?.[0] ?? undefined;
  if (found !== undefined) return { witness: String(found) };
  return state?.witness === undefined ? {} : { witness: state.witness };
}

/** Whoever empties a log takes its newest entries last. @throws ConnectorError cursor_lost */
async function checkNotPurged(session: SqlSession, source: FeedTable, state: FeedState): Promise<void> {
  if (source.kind !== "mview_log" || state.witness === undefined) return;
  const writer = new StatementWriter(ORACLE_DIALECT);
  writer.add(`SELECT COUNT(*) FROM ${quoteTable(ORACLE_DIALECT, source.table)} WHERE XID$$ = TO_NUMBER(`);
  const [row] = await session.query(writer.bind(state.witness, undefined).add(")").done());
  if (Number(row?.[0]) > 0) return;
  throw new ConnectorError(
    "cursor_lost",
    `The materialized view log ${tableLabel(source.table)} was purged since the last poll; entries that were never read may ` +
      "have been among them. The entity is read anew. Purge only entries older than a few days, or set changes: marker.",
  );
}

/** Undo that is gone, or a changed definition, ends what versions can tell. */
async function guarded<T>(source: FeedTable, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (source.kind !== "flashback" || !isSnapshotTooOld(error)) throw error;
    const said = error instanceof Error ? error.message : String(error);
    throw new ConnectorError(
      "cursor_lost",
      `The versions of ${tableLabel(source.table)} since the last poll are not in undo any more, or its definition changed: ` +
        `the entity is read anew. A longer UNDO_RETENTION, or changes: marker, avoids it. ${said}`,
      { cause: error },
    );
  }
}

function scnOf(session: SqlSession): string {
  const { scn } = session as OracleSession;
  if (scn !== undefined) return scn;
  throw new ConnectorError(
    "unavailable",
    "The database did not give its system change number. It is asked again.",
  );
}
