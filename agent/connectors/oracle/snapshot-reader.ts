// A first reading of one instant: every chunk AS OF the same system change number, as long as the database's undo reaches.
import type { Cursor, ReadRequest, SourceBatch } from "#agent/core/source/connector.ts";
import { countingSession } from "#agent/core/sql/counting-source.ts";
import { type CursorValue, cursorValue, parameterOf } from "#agent/core/sql/cursor-values.ts";
import { buildRows } from "#agent/core/sql/row-builder.ts";
import { MAX_PAGE_ROWS } from "#agent/core/sql/sql-source.ts";
import { snapshotPage } from "#agent/core/sql/statements.ts";
import type { EntityShape } from "#agent/core/sql/table-shape.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { OracleConnection, OracleSession } from "./connection.ts";
import { asOf } from "./dialect.ts";
import { isSnapshotTooOld } from "./failures.ts";

/** In the cursor beside the shared reader's `key`, so that either can go on where the other was. */
interface Position {
  readonly after: readonly CursorValue[] | undefined;
  readonly scn: string | undefined;
}

/** Whether a pass is one of this reader's that was begun earlier. */
export function isOfOneInstant(cursor: Cursor | undefined): boolean {
  return typeof cursor?.["scn"] === "string";
}

/**
 * Ends quietly on abort. Where undo no longer reaches back, the pass goes on at the present state: what changed in between
 * is read again by the changes, which are followed from before the first chunk on.
 */
export async function* readOneInstant(
  shape: EntityShape,
  request: ReadRequest,
  lane: Pick<OracleConnection, "transaction">,
  logger: Logger,
): AsyncGenerator<SourceBatch> {
  const limit = Math.min(request.maxRows, MAX_PAGE_ROWS);
  let position = positionIn(request.after);
  let isFresh = false;
  while (!request.signal.aborted) {
    const from = position;
    let page: Page;
    try {
      page = await lane.transaction(
        request.signal,
        (session) => readChunk(countingSession(session, request.asked), shape, from, limit),
        from.scn === undefined,
      );
    } catch (error) {
      if (request.signal.aborted) return;
      // A number that was only just taken cannot be too old: then something else is wrong.
      if (isFresh || from.scn === undefined || !isSnapshotTooOld(error)) throw error;
      logger.warn(
        { entity: request.entity, scn: from.scn },
        "The database's undo no longer reaches back to the snapshot's beginning; it goes on at the present state, and what changed meanwhile is read again. A longer UNDO_RETENTION avoids it.",
      );
      position = { ...from, scn: undefined };
      isFresh = true;
      continue;
    }
    isFresh = false;
    if (page.batch === undefined) return;
    yield page.batch;
    if (page.isLast) return;
    position = positionIn(page.batch.cursor);
  }
}

interface Page {
  /** Undefined: nothing is left. */
  readonly batch: SourceBatch | undefined;
  readonly isLast: boolean;
}

async function readChunk(
  session: OracleSession,
  shape: EntityShape,
  { after, scn: given }: Position,
  limit: number,
): Promise<Page> {
  const scn = given ?? session.scn;
  if (scn === undefined) {
    throw new ConnectorError(
      "unavailable",
      "The database did not give its system change number. It is asked again.",
    );
  }
  const dialect = asOf(scn);
  const rows = await session.query(snapshotPage(dialect, shape, after?.map(parameterOf), limit));
  const end = rows.at(-1);
  if (end === undefined) return { batch: undefined, isLast: true };
  const key = shape.keyAt.map((at) => cursorValue(end[at]!));
  const built = await buildRows(session, dialect, shape, rows);
  return { batch: { rows: built, cursor: { v: 1, key, scn } }, isLast: rows.length < limit };
}

function positionIn(cursor: Cursor | undefined): Position {
  const after = cursor?.["key"];
  const scn = cursor?.["scn"];
  return {
    after: Array.isArray(after) ? (after as readonly CursorValue[]) : undefined,
    scn: typeof scn === "string" ? scn : undefined,
  };
}
