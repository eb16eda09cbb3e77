// Result rows into source rows, with their children fetched a page at a time.
import type { Columns, SourceRow } from "../source/connector.ts";
import { plainDecimal, sumDecimals } from "../mapping/decimal.ts";
import { canonicalKey, type KeyRule } from "../source/key-rules.ts";
import type { SourceValue } from "../source/plan.ts";
import { type CursorValue, cursorValue, keyOf, keyText, parameterOf } from "./cursor-values.ts";
import type { ColumnFacts, SqlDialect, SqlRow } from "./dialect.ts";
import { type KeyValues, padKeys } from "./key-conditions.ts";
import type { SqlSession } from "./sql-source.ts";
import { childrenOf, joinColumns, pointRead } from "./statements.ts";
import type { ChildShape, EntityShape } from "./table-shape.ts";

/** What `around` says of a row makes it an unreadable one. Reads the children of the others in the same session, one bounded statement per child table, and builds source rows. */
export async function buildRows(
  session: SqlSession,
  dialect: SqlDialect,
  shape: EntityShape,
  rows: readonly SqlRow[],
  around?: { reasonOf(row: SqlRow): string | undefined },
): Promise<readonly SourceRow[]> {
  const readable = around === undefined ? rows : rows.filter((row) => around.reasonOf(row) === undefined);
  if (rows.length === 0) return [];
  const families: Family[] = [];
  for (const child of shape.children.filter(isRead))
    families.push(await readFamily(session, dialect, child, readable));
  const built: SourceRow[] = [];
  for (const row of rows) {
    const unreadable = around?.reasonOf(row);
    if (unreadable === undefined) built.push(buildRow(shape, row, families));
    else built.push({ op: "upsert", key: keyOf(row, shape.keyAt), columns: {}, unreadable });
  }
  return built;
}

function buildRow(shape: EntityShape, row: SqlRow, families: readonly Family[]): SourceRow {
  const key = keyOf(row, shape.keyAt);
  const columns = columnsOf(shape.outputs, row);
  const version = shape.versionAt === undefined ? undefined : (keyText(row[shape.versionAt]!) ?? undefined);
  const children = families.length === 0 ? undefined : childrenFor(families, row);
  // Written out for speed: one shape of object per entity.
  if (children === undefined) {
    return version === undefined ? { op: "upsert", key, columns } : { op: "upsert", key, version, columns };
  }
  return version === undefined
    ? { op: "upsert", key, columns, children }
    : { op: "upsert", key, version, columns, children };
}

function columnsOf(names: readonly string[], row: SqlRow): Columns {
  const columns: Record<string, SourceValue> = {};
  for (let at = 0; at < names.length; at += 1) columns[names[at]!] = row[at]!;
  return columns;
}

/** Tables that only touch their parent are never read themselves. */
function isRead({ plan }: ChildShape): boolean {
  return plan.columns.length > 0;
}

/** One child table's rows, by their parent's canonical join values. */
interface Family {
  readonly child: ChildShape;
  readonly rules: readonly KeyRule[];
  readonly byParent: ReadonlyMap<string, readonly Columns[]>;
}

const NO_CHILDREN: readonly Columns[] = [];

function childrenFor(families: readonly Family[], row: SqlRow): Record<string, readonly Columns[]> {
  const children: Record<string, readonly Columns[]> = {};
  for (const { child, rules, byParent } of families) {
    const found = byParent.get(canonicalKey(keyOf(row, child.parentAt), rules)) ?? NO_CHILDREN;
    // Several tables of one name (a company's extensions) give their rows together.
    const before = children[child.rowsUnder];
    children[child.rowsUnder] = before === undefined ? found : [...before, ...found];
  }
  return children;
}

async function readFamily(
  session: SqlSession,
  dialect: SqlDialect,
  child: ChildShape,
  parents: readonly SqlRow[],
): Promise<Family> {
  const rules = joinColumns(child).map((column) => column.rule);
  const byParent = new Map<string, Columns[]>();
  const wanted = distinctKeys(parents, child.parentAt).filter((key) => !key.includes(null));
  for (const keys of chunksOf(wanted, listLimit(dialect, joinColumns(child)))) {
    const found = await session.query(childrenOf(dialect, child, keys));
    for (const row of child.sumAt.length === 0 ? found : addUp(found, child)) {
      const parent = canonicalKey(keyOf(row, child.joinAt), rules);
      const columns = columnsOf(child.outputs, row);
      const siblings = byParent.get(parent);
      if (siblings === undefined) byParent.set(parent, [columns]);
      else siblings.push(columns);
    }
  }
  return { child, rules, byParent };
}

/** One row for each combination of the columns that are not added up, in the order of the first of each. */
function addUp(rows: readonly SqlRow[], child: ChildShape): readonly SqlRow[] {
  const groups = new Map<string, { readonly first: SqlRow; readonly values: (readonly string[])[] }>();
  for (const row of rows) {
    const key = JSON.stringify(row.map((value, at) => (child.sumAt.includes(at) ? 0 : keyText(value))));
    const values = child.sumAt.map((at) => plainDecimal(decimalText(row[at]!)) ?? "0");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: row, values: [values] });
    else group.values.push(values);
  }
  return [...groups.values()].map(({ first, values }) =>
    first.map((value, at) => {
      const place = child.sumAt.indexOf(at);
      return place < 0 ? value : (sumDecimals(values.map((one) => one[place]!)) ?? null);
    }),
  );
}

function decimalText(value: SourceValue): string {
  return typeof value === "object" ? "0" : String(value);
}

/** Rows with these values in `columns`, in bounded statements; absent ones are left out. */
export async function readPoints(
  session: SqlSession,
  dialect: SqlDialect,
  shape: EntityShape,
  columns: readonly ColumnFacts[],
  values: readonly KeyValues[],
): Promise<readonly SqlRow[]> {
  const rows: SqlRow[] = [];
  for (const keys of pointChunks(dialect, columns, values)) {
    for (const row of await session.query(pointRead(dialect, shape, columns, keys))) rows.push(row);
  }
  return rows;
}

/** Values as one statement takes them. */
export function pointChunks(
  dialect: SqlDialect,
  columns: readonly ColumnFacts[],
  values: readonly KeyValues[],
): Iterable<readonly KeyValues[]> {
  return chunksOf(values, listLimit(dialect, columns));
}

/** The distinct values at `places`, ready to be bound. */
export function distinctKeys(rows: readonly SqlRow[], places: readonly number[]): readonly KeyValues[] {
  const distinct = new Map<string, readonly CursorValue[]>();
  for (const row of rows) {
    const values = places.map((at) => cursorValue(row[at]!));
    distinct.set(values.length === 1 ? String(values[0]) : JSON.stringify(values), values);
  }
  return [...distinct.values()].map((values) => values.map(parameterOf));
}

/** How many keys fit one statement; filters get their share of the parameters. */
function listLimit(dialect: SqlDialect, columns: readonly ColumnFacts[]): number {
  const FILTER_PARAMETERS = 64;
  const byParameters = Math.floor((dialect.maxParameters - FILTER_PARAMETERS) / columns.length);
  return Math.max(1, Math.min(dialect.maxListItems, byParameters));
}

function* chunksOf(keys: readonly KeyValues[], limit: number): Generator<readonly KeyValues[]> {
  for (let from = 0; from < keys.length; from += limit) yield padKeys(keys.slice(from, from + limit), limit);
}
