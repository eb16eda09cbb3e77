// Notices that the source is older than what was already read from it: it was restored from a backup.
import { ConnectorError } from "#common/runtime/errors.ts";
import { type CursorValue, cursorValue, parameterOf } from "./cursor-values.ts";
import type { SqlDialect } from "./dialect.ts";
import { type MarkerContext, type MarkerState, compareMarkers, effectiveOverlapMs } from "./marker-state.ts";
import type { SqlSession } from "./sql-source.ts";
import { highestMarker, keyColumns, newestRows, pointRead } from "./statements.ts";
import type { EntityShape } from "./table-shape.ts";
import { parseMarker } from "./timestamps.ts";

/** Newest rows remembered in a cursor, and their room in it. */
export const MAX_WITNESSES = 8;
const MAX_WITNESS_CHARS = 4096;

/** The newest rows as they stand in the source now, flat `(marker, …key)`. */
export async function readWitnesses(
  session: SqlSession,
  dialect: SqlDialect,
  shape: EntityShape,
): Promise<readonly CursorValue[]> {
  const rows = await session.query(newestRows(dialect, shape, MAX_WITNESSES));
  return boundWitnesses(rows.flatMap((row) => row.map(cursorValue)));
}

/** Too long keys are not worth their room. */
export function boundWitnesses(witnesses: readonly CursorValue[]): readonly CursorValue[] {
  return JSON.stringify(witnesses).length <= MAX_WITNESS_CHARS ? witnesses : [];
}

/**
 * A row whose marker went back says so at once. If the highest marker is below the cursor's, either the newest rows
 * were deleted or the source was restored: it was, when none of the rows remembered is as it was.
 * @throws ConnectorError cursor_lost
 */
export async function checkNotRestored(
  session: SqlSession,
  dialect: SqlDialect,
  shape: EntityShape,
  state: MarkerState,
  context: MarkerContext,
): Promise<void> {
  const witnesses = unflatten(state.witnesses ?? [], shape.keyAt.length + 1);
  if (state.at === null || witnesses.length === 0) return;
  const keys = witnesses.map((witness) => witness.slice(1).map(parameterOf));
  const key = keyColumns(shape);
  // Nothing else of the row: one that cannot be given out may be a witness, too.
  const found = await session.query(pointRead(dialect, shape, key, keys, [shape.marker!.column, ...key]));
  const now = new Map(found.map(([marker, ...values]) => [JSON.stringify(values.map(cursorValue)), marker!]));
  let intact = 0;
  let reverted = 0;
  for (const [marker, ...values] of witnesses) {
    const present = now.get(JSON.stringify(values));
    if (present === undefined) continue;
    if (wentBack(marker!, cursorValue(present), context)) reverted += 1;
    else intact += 1;
  }
  if (intact > 0 && reverted === 0) return;
  const [top] = await session.query(highestMarker(dialect, shape, undefined));
  const highest = top === undefined ? null : cursorValue(top[0]!);
  const isAhead = highest === null || wentBack(state.at, highest, context);
  if (reverted === 0 && !isAhead) return;
  // A deliberate correction of one marker is not a restore while the rest stands.
  if (reverted > 0 && intact > 0 && !isAhead && context.marker.strategy.kind === "timestamp") return;
  throw new ConnectorError(
    "cursor_lost",
    `${shape.plan.entity}: the source is older than what was already read from it (highest ` +
      `${context.marker.column.name} is ${String(highest)}, already read up to ${String(state.at)}): it was restored ` +
      "from a backup, or its newest rows were all removed. The entity is read anew.",
  );
}

/** Times may go back by as much as the overlap allows. */
function wentBack(before: CursorValue, now: CursorValue, context: MarkerContext): boolean {
  if (now === null) return true;
  const { strategy } = context.marker;
  if (strategy.kind === "counter") return compareMarkers(now, before, context) < 0;
  const [was, is] = [parseMarker(before, strategy.format), parseMarker(now, strategy.format)];
  return was !== undefined && is !== undefined && was.ms - is.ms > effectiveOverlapMs(context);
}

function unflatten(flat: readonly CursorValue[], stride: number): readonly (readonly CursorValue[])[] {
  const rows: CursorValue[][] = [];
  for (let at = 0; at + stride <= flat.length; at += stride) rows.push(flat.slice(at, at + stride));
  return rows;
}
