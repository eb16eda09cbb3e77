// A first reading of one instant: every chunk AS OF the same system change number, as long as the database's undo reaches.
import type { Cursor, ReadRequest, SourceBatch, SourceRow } from "#agent/core/source/connector.ts";
import { countingSource } from "#agent/core/sql/counting-source.ts";
import { type CursorValue, cursorValue, parameterOf } from "#agent/core/sql/cursor-values.ts";
import type { SqlStatement } from "#agent/core/sql/dialect.ts";
import { buildRows } from "#agent/core/sql/row-builder.ts";
import { MAX_PAGE_ROWS, type SqlSource } from "#agent/core/sql/sql-source.ts";
import { snapshotPage } from "#agent/core/sql/statements.ts";
import type { EntityShape } from "#agent/core/sql/table-shape.ts";
import { readAround, selectRows } from "#agent/core/sql/unreadable-rows.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { OracleConnection } from "./connection.ts";
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
 * Ends quietly on abort. A row that cannot be given out is told alone, like the shared reader does. Where undo no longer
 * reaches back, the pass goes on at the present state: what changed in between is read again by the changes, which are
 * followed from before the first chunk on. @throws ConnectorError
 */
export async function* readOneInstant(
  shape: EntityShape,
  request: ReadRequest,
  lane: Pick<OracleConnection, "transaction">,
  logger: Logger,
): AsyncGenerator<SourceBatch> {
  let { after, scn } = positionIn(request.after);
  let isFresh = false;
  while (!request.signal.aborted) {
    let page: Page;
    try {
      isFresh ||= scn === undefined;
      scn ??= await presentScn(lane, request.signal);
      page = await readChunk(shape, request, lane, { after, scn });
    } catch (error) {
      if (request.signal.aborted) return;
      // A number that was only just taken cannot be too old: then something else is wrong.
      if (isFresh || !isSnapshotTooOld(error)) throw error;
      logger.warn(
        { entity: request.entity, scn },
        "The database's undo no longer reaches back to the snapshot's beginning; it goes on at the present state, and what changed meanwhile is read again. A longer UNDO_RETENTION avoids it.",
      );
      scn = undefined;
      continue;
    }
    isFresh = false;
    const { rows, isLast } = page;
    if (rows.length === 0) return;
    after = page.end;
    yield { rows, cursor: { v: 1, key: after, scn } };
    if (isLast) return;
  }
}

async function presentScn(lane: Pick<OracleConnection, "transaction">, signal: AbortSignal): Promise<string> {
  const scn = await lane.transaction(signal, async (session) => session.scn, true);
  if (scn !== undefined) return scn;
  throw new ConnectorError(
    "unavailable",
    "The database did not give its system change number. It is asked again.",
  );
}

interface Page {
  readonly rows: readonly SourceRow[];
  /** The last row's key. */
  readonly end: readonly CursorValue[];
  readonly isLast: boolean;
}

async function readChunk(
  shape: EntityShape,
  { maxRows, signal, asked, documentsFromMs }: ReadRequest,
  lane: Pick<OracleConnection, "transaction">,
  { after, scn }: { readonly after: readonly CursorValue[] | undefined; readonly scn: string },
): Promise<Page> {
  const limit = Math.min(maxRows, MAX_PAGE_ROWS);
  const at = { after: after?.map(parameterOf), maxRows: limit, documentsFromMs };
  const past: SqlSource = {
    dialect: asOf(scn),
    transaction: (_, until, work) => lane.transaction(until, work, false),
  };
  const source = asked === undefined ? past : countingSource(past, asked);
  const { dialect } = source;
  return await readAround(source, "bulk", signal, shape, async (session, around) => {
    const statement = (select: EntityShape["select"]): SqlStatement =>
      snapshotPage(dialect, shape, at, select);
    const found = await selectRows(session, source, shape, statement, around);
    const end = shape.keyAt.map((at) => cursorValue(found.at(-1)?.[at] ?? null));
    const rows = await buildRows(session, dialect, shape, found, around);
    return { rows, end, isLast: found.length < limit };
  });
}

function positionIn(cursor: Cursor | undefined): Position {
  const after = cursor?.["key"];
  const scn = cursor?.["scn"];
  return {
    after: Array.isArray(after) ? (after as readonly CursorValue[]) : undefined,
    scn: typeof scn === "string" ? scn : undefined,
  };
}
