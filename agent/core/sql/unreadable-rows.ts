// Rows that the source cannot give out, such as a view's value that fails to convert: found by halving the page, so that
// they alone are told as unreadable and all others go on.
import { ConnectorError } from "#common/runtime/errors.ts";
import type { SourceKey } from "../source/connector.ts";
import { canonicalKey, type KeyRule } from "../source/key-rules.ts";
import { keyOf, keyText } from "./cursor-values.ts";
import type { ColumnFacts, SqlRow, SqlStatement } from "./dialect.ts";
import type { KeyValues } from "./key-conditions.ts";
import { buildRows, distinctKeys, pointChunks, readPoints } from "./row-builder.ts";
import type { Lane, SqlSession, SqlSource } from "./sql-source.ts";
import { hasLong, keyColumns, pointRead } from "./statements.ts";
import type { EntityShape } from "./table-shape.ts";

/** More of them in one page, and it is not the rows that are wrong. */
const MAX_UNREADABLE_ROWS = 20;
/** Rows may go bad while others are being looked for. */
const MAX_ROUNDS = 3;

/** What one reading goes around. */
export class UnreadableRows {
  readonly #shape: EntityShape;
  readonly #rules: readonly KeyRule[];
  readonly #reasons = new Map<string, string>();
  /** Keys of the rows that the reading under way wants whole. */
  wanted: readonly KeyValues[] = [];

  constructor(shape: EntityShape) {
    this.#shape = shape;
    this.#rules = keyColumns(shape).map((column) => column.rule);
  }

  get count(): number {
    return this.#reasons.size;
  }

  add(key: KeyValues, reason: string): void {
    this.#reasons.set(this.#canonical(key.map((value) => keyText(value as SqlRow[number]))), reason);
  }

  /** Why a row, whole or with its key alone, cannot be read. */
  reasonOf(row: SqlRow): string | undefined {
    return this.#reasons.get(this.canonicalOf(row));
  }

  canonicalOf(row: SqlRow): string {
    return this.#canonical(keyOf(row, this.#shape.keyAt));
  }

  #canonical(key: SourceKey): string {
    return canonicalKey(key, this.#rules);
  }
}

/**
 * Runs `work` in one transaction. If the source cannot give out a row of it, that row is looked for, and `work` runs again
 * with what it should go around: it reads by `selectRows` and `buildRows`, which do that. Rows with a column that no page can
 * hold are read by their keys from the start.
 * @throws ConnectorError; bad_data when it is not a few rows, or not a row's own values but its key or marker
 */
export async function readAround<T>(
  source: SqlSource,
  lane: Lane,
  signal: AbortSignal,
  shape: EntityShape,
  work: (session: SqlSession, around: UnreadableRows | undefined) => Promise<T>,
): Promise<T> {
  const around = new UnreadableRows(shape);
  const first = hasLong(shape.select) ? around : undefined;
  try {
    return await source.transaction(lane, signal, (session) => work(session, first));
  } catch (error) {
    if (!isBadData(error)) throw error;
  }
  for (let round = 1; ; round += 1) {
    around.wanted = [];
    try {
      return await source.transaction(lane, signal, (session) => work(session, around));
    } catch (error) {
      if (!isBadData(error) || around.wanted.length === 0 || round === MAX_ROUNDS) throw error;
      await find(source, lane, signal, shape, around);
    }
  }
}

/**
 * The rows of a statement, given as a function of its select list. Going around unreadable rows, keys are read first and
 * whole rows by them; an unreadable row has its key and `also`, and nulls in all other places.
 */
export async function selectRows(
  session: SqlSession,
  { dialect }: SqlSource,
  shape: EntityShape,
  statement: (select: readonly ColumnFacts[]) => SqlStatement,
  around: UnreadableRows | undefined,
  also: readonly ColumnFacts[] = [],
): Promise<readonly SqlRow[]> {
  if (around === undefined) return await session.query(statement(shape.select));
  const key = keyColumns(shape);
  const thin = [...new Set([...key, ...also])];
  const places = shape.select.map((column) => thin.indexOf(column));
  const found = (await session.query(statement(thin))).map((row) =>
    places.map((at) => (at < 0 ? null : row[at]!)),
  );
  const readable = found.filter((row) => around.reasonOf(row) === undefined);
  const wanted = distinctKeys(readable, shape.keyAt);
  around.wanted = [...around.wanted, ...wanted];
  const whole = new Map<string, SqlRow>();
  for (const row of await readPoints(session, dialect, shape, key, wanted)) {
    whole.set(around.canonicalOf(row), row);
  }
  return found.map((row) => {
    const read = whole.get(around.canonicalOf(row));
    if (read === undefined && around.reasonOf(row) === undefined) {
      const values = shape.keyAt.map((at) => row[at] as KeyValues[number]);
      around.add(values, "The row was there, and was not found again by its key.");
    }
    return read ?? row;
  });
}

/** `readPoints` in the manner of `selectRows`. */
export async function selectPoints(
  session: SqlSession,
  source: SqlSource,
  shape: EntityShape,
  columns: readonly ColumnFacts[],
  values: readonly KeyValues[],
  around: UnreadableRows | undefined,
): Promise<readonly SqlRow[]> {
  const { dialect } = source;
  if (around === undefined) return await readPoints(session, dialect, shape, columns, values);
  const rows: SqlRow[] = [];
  for (const keys of pointChunks(dialect, columns, values)) {
    const statement = (select: readonly ColumnFacts[]): SqlStatement =>
      pointRead(dialect, shape, columns, keys, select);
    rows.push(...(await selectRows(session, source, shape, statement, around, columns)));
  }
  return rows;
}

/** Halves what is wanted until single rows are left. */
async function find(
  source: SqlSource,
  lane: Lane,
  signal: AbortSignal,
  shape: EntityShape,
  around: UnreadableRows,
): Promise<void> {
  const parts: (readonly KeyValues[])[] = halves(around.wanted);
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    const failure = await tryReading(source, lane, signal, shape, part);
    if (failure === undefined) continue;
    if (part.length > 1) parts.push(...halves(part));
    else if (around.count >= MAX_UNREADABLE_ROWS) throw failure;
    else around.add(part[0]!, failure.message);
  }
}

function halves(keys: readonly KeyValues[]): (readonly KeyValues[])[] {
  const middle = Math.ceil(keys.length / 2);
  return [keys.slice(0, middle), keys.slice(middle)].filter((half) => half.length > 0);
}

async function tryReading(
  source: SqlSource,
  lane: Lane,
  signal: AbortSignal,
  shape: EntityShape,
  keys: readonly KeyValues[],
): Promise<ConnectorError | undefined> {
  const { dialect } = source;
  try {
    await source.transaction(lane, signal, async (session) => {
      const rows = await readPoints(session, dialect, shape, keyColumns(shape), keys);
      await buildRows(session, dialect, shape, rows);
    });
    return undefined;
  } catch (error) {
    if (!isBadData(error)) throw error;
    return error;
  }
}

function isBadData(error: unknown): error is ConnectorError {
  return error instanceof ConnectorError && error.kind === "bad_data";
}
