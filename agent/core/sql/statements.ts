// The statements of every pass, as text and parameters; bounded, and ordered by the source's own comparison.
import {
  type ColumnFacts,
  quoteTable,
  type SqlDialect,
  type SqlParameter,
  type SqlStatement,
} from "./dialect.ts";
import { type KeyValues, writeAfter, writeOneOf } from "./key-conditions.ts";
import { StatementWriter } from "./statement-writer.ts";
import type { ChildShape, EntityShape, ShapedDocumentDate, ShapedFilter, TableShape } from "./table-shape.ts";
import { dayMarker, noDateBelow } from "./timestamps.ts";

/** A condition that only the connector can write, such as PostgreSQL's on row versions. */
export type ExtraCondition = (writer: StatementWriter) => void;

/** Where a poll's page begins. `after` holds the last marker and what followed it in the order. */
export interface MarkerRange {
  /** Lower bound of the marker; `isOpen` leaves the bound itself out. Undefined: from the beginning. */
  readonly from: { readonly value: SqlParameter; readonly isOpen: boolean } | undefined;
  /** Markers at or above this are not yet safe to read. */
  readonly below: SqlParameter | undefined;
  readonly after: KeyValues | undefined;
  readonly extra: ExtraCondition | undefined;
}

/** Where a page in key order begins, how long it is, and from which day on documents count (`ReadRequest.documentsFromMs`). */
export interface KeyPage {
  /** The page's rows come strictly after this key. */
  readonly after: KeyValues | undefined;
  readonly maxRows: number;
  readonly documentsFromMs?: number | undefined;
}

/** Rows in key order. */
export function snapshotPage(
  dialect: SqlDialect,
  shape: EntityShape,
  page: KeyPage,
  select = shape.select,
): SqlStatement {
  return keyOrderedPage(dialect, shape, select, page);
}

/** Key columns only, in key order. */
export function keysPage(dialect: SqlDialect, shape: EntityShape, page: KeyPage): SqlStatement {
  return keyOrderedPage(dialect, shape, keyColumns(shape), page);
}

function keyOrderedPage(
  dialect: SqlDialect,
  shape: EntityShape,
  select: readonly ColumnFacts[],
  { after, maxRows, documentsFromMs }: KeyPage,
): SqlStatement {
  const conditions = filterConditions(shape.filters);
  const { documentDate } = shape;
  if (documentDate !== undefined && documentsFromMs !== undefined)
    conditions.push((writer) => writeWithinWindow(writer, documentDate, documentsFromMs));
  const key = keyColumns(shape);
  if (after !== undefined) conditions.push((writer) => writeAfter(writer, key, after));
  return selectFrom(dialect, shape, select, conditions, { orderBy: key, maxRows });
}

/** Rows whose marker lies in the range, in (marker, key) order. */
export function changedPage(
  dialect: SqlDialect,
  shape: EntityShape,
  range: MarkerRange,
  maxRows: number,
  select = shape.select,
): SqlStatement {
  const marker = shape.marker!.column;
  const order = withoutTwice([marker, ...keyColumns(shape)]);
  const conditions = [...filterConditions(shape.filters), ...rangeConditions(marker, order, range)];
  return selectFrom(dialect, shape, select, conditions, { orderBy: order, maxRows });
}

/** Distinct (marker, parent) pairs of changed child rows, in that order: `[marker, …join columns]`. */
export function changedParentsPage(
  dialect: SqlDialect,
  child: ChildShape,
  range: MarkerRange,
  maxRows: number,
): SqlStatement {
  const marker = child.marker!.column;
  const order = withoutTwice([marker, ...joinColumns(child)]);
  const conditions = [...filterConditions(child.filters), ...rangeConditions(marker, order, range)];
  return selectFrom(dialect, child, order, conditions, { orderBy: order, maxRows, isDistinct: true });
}

/** The rows that have these values in `columns`: point reads by key, and parents of changed children. */
export function pointRead(
  dialect: SqlDialect,
  shape: EntityShape,
  columns: readonly ColumnFacts[],
  values: readonly KeyValues[],
  select = shape.select,
): SqlStatement {
  const conditions = filterConditions(shape.filters);
  conditions.push((writer) => writeOneOf(writer, columns, values));
  return selectFrom(dialect, shape, select, conditions, {});
}

/** All child rows of some parents, in the plan's order within each parent. */
export function childrenOf(
  dialect: SqlDialect,
  child: ChildShape,
  parents: readonly KeyValues[],
): SqlStatement {
  const conditions = filterConditions(child.filters);
  conditions.push((writer) => writeOneOf(writer, joinColumns(child), parents));
  const sums = new Set(child.sumAt.map((at) => child.select[at]!));
  const isAddedUp =
    sums.size > 0 && !hasLong(child.select) && [...sums].every((column) => column.sum !== undefined);
  return selectFrom(dialect, child, child.select, conditions, {
    orderBy: child.orderBy,
    ...(isAddedUp ? { sums } : {}),
  });
}

/** One row `[highest marker]`, of those below `below` if given. */
export function highestMarker(
  dialect: SqlDialect,
  shape: TableShape,
  below: SqlParameter | undefined,
): SqlStatement {
  const marker = shape.marker!.column;
  const conditions = filterConditions(shape.filters);
  const range: MarkerRange = { from: undefined, below, after: undefined, extra: undefined };
  conditions.push(...rangeConditions(marker, [marker], range));
  const order = [marker];
  // Not MAX(): the value must pass through the column's own select expression and type.
  return selectFrom(dialect, shape, order, conditions, { orderBy: order, isDescending: true, maxRows: 1 });
}

/** The rows with the highest markers, `[marker, …key]`, newest first: witnesses of how far the source had come. */
export function newestRows(dialect: SqlDialect, shape: EntityShape, maxRows: number): SqlStatement {
  const marker = shape.marker!.column;
  const conditions = filterConditions(shape.filters);
  conditions.push((writer) => writer.column(marker).add(" IS NOT NULL"));
  const select = [marker, ...keyColumns(shape)];
  return selectFrom(dialect, shape, select, conditions, { orderBy: [marker], isDescending: true, maxRows });
}

export function keyColumns(shape: EntityShape): readonly ColumnFacts[] {
  return shape.keyAt.map((at) => shape.select[at]!);
}

export function joinColumns(child: ChildShape): readonly ColumnFacts[] {
  return child.joinAt.map((at) => child.select[at]!);
}

function withoutTwice(columns: readonly ColumnFacts[]): readonly ColumnFacts[] {
  return [...new Set(columns)];
}

function rangeConditions(
  marker: ColumnFacts,
  order: readonly ColumnFacts[],
  range: MarkerRange,
): ExtraCondition[] {
  const { from, below, after, extra } = range;
  const conditions: ExtraCondition[] = [];
  if (after !== undefined) conditions.push((writer) => writeAfter(writer, order, after));
  else if (from !== undefined) {
    conditions.push((writer) =>
      writer
        .column(marker)
        .add(from.isOpen ? " > " : " >= ")
        .bind(from.value, marker),
    );
  } else conditions.push((writer) => writer.column(marker).add(" IS NOT NULL"));
  if (below !== undefined) conditions.push((writer) => writer.column(marker).add(" < ").bind(below, marker));
  if (extra !== undefined) conditions.push(extra);
  return conditions;
}

interface SelectOptions {
  readonly orderBy?: readonly ColumnFacts[];
  readonly isDescending?: boolean;
  readonly isDistinct?: boolean;
  /** Added up, grouped by all other columns. */
  readonly sums?: ReadonlySet<ColumnFacts>;
  readonly maxRows?: number;
}

function selectFrom(
  dialect: SqlDialect,
  shape: TableShape,
  select: readonly ColumnFacts[],
  conditions: readonly ExtraCondition[],
  options: SelectOptions,
): SqlStatement {
  const { orderBy = [], isDescending = false, isDistinct = false, sums, maxRows } = options;
  const writer = new StatementWriter(dialect);
  writer.add("SELECT ");
  if (maxRows !== undefined && dialect.limit === "top") writer.add(`TOP (${maxRows}) `);
  writer.list(select, ", ", (column, at) => {
    if (sums?.has(column) === true && column.sum !== undefined) writer.add(column.sum);
    else if (column.select === undefined) writer.column(column);
    else writer.add(column.select);
    // Where a limit makes a subquery of this (Oracle), one name may not stand for two columns: a marker that is the key.
    const isAgain = select.indexOf(column) < at;
    if (isAgain) writer.add(` AS ${dialect.quoteIdentifier(`${column.name} ${at}`)}`);
  });
  writer.add(` FROM ${quoteTable(dialect, shape.facts.table)}${dialect.tableSuffix ?? ""}`);
  if (conditions.length > 0) {
    writer.add(" WHERE ").list(conditions, " AND ", (condition) => condition(writer));
  }
  // Not DISTINCT: some sources want its ORDER BY to repeat the select expressions.
  const groups = isDistinct ? select : sums === undefined ? [] : select.filter((one) => !sums.has(one));
  if (groups.length > 0) writer.add(" GROUP BY ").list(groups, ", ", (column) => writer.column(column));
  if (orderBy.length > 0) {
    writer.add(" ORDER BY ").list(orderBy, ", ", (column) => {
      writer.column(column).add(isDescending ? " DESC" : "");
    });
  }
  if (maxRows !== undefined && dialect.limit === "limit") writer.add(` LIMIT ${maxRows}`);
  if (maxRows !== undefined && dialect.limit === "fetch_first") {
    writer.add(` FETCH FIRST ${maxRows} ROWS ONLY`);
  }
  return hasLong(select) ? { ...writer.done(), hasLong: true } : writer.done();
}

export function hasLong(select: readonly ColumnFacts[]): boolean {
  return select.some((column) => column.isLong === true);
}

export function filterConditions(filters: readonly ShapedFilter[]): ExtraCondition[] {
  return filters.map((shaped) => (writer) => writeFilter(writer, shaped));
}

/** Dated from the day on, without a date, or still open. */
function writeWithinWindow(writer: StatementWriter, document: ShapedDocumentDate, fromMs: number): void {
  const { column, format, openWhen } = document;
  writer.add("(").column(column).add(" >= ").bind(dayMarker(fromMs, format), column);
  writer.add(" OR ").column(column).add(" < ").bind(noDateBelow(format), column);
  writer.add(" OR ").column(column).add(" IS NULL");
  if (openWhen.length > 0) {
    writer.add(" OR (").list(filterConditions(openWhen), " AND ", (condition) => condition(writer));
    writer.add(")");
  }
  writer.add(")");
}

function writeFilter(writer: StatementWriter, { column, filter }: ShapedFilter): void {
  switch (filter.op) {
    case "is_null":
      writer.column(column).add(" IS NULL");
      return;
    case "is_not_null":
      writer.column(column).add(" IS NOT NULL");
      return;
    case "=":
      writer.column(column).add(" = ").bind(singleValue(filter.value), column);
      return;
    case "<>":
      // A null is not that value either: a row must not vanish because a flag was never set.
      writer.add("(").column(column).add(" <> ").bind(singleValue(filter.value), column);
      writer.add(" OR ").column(column).add(" IS NULL)");
      return;
    case "in": {
      const values = Array.isArray(filter.value) ? filter.value : [singleValue(filter.value)];
      writeOneOf(
        writer,
        [column],
        values.map((value: string | number) => [value]),
      );
    }
  }
}

function singleValue(value: string | number | readonly (string | number)[] | undefined): SqlParameter {
  return Array.isArray(value) ? (value[0] ?? null) : ((value as string | number | undefined) ?? null);
}
