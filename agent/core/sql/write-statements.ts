// The statements of writes: identifiers from the catalogue, values only as parameters.
import type { SourceKey } from "../source/connector.ts";
import {
  type ColumnFacts,
  quoteTable,
  type SqlDialect,
  type SqlParameter,
  type SqlStatement,
  type TableFacts,
} from "./dialect.ts";
import { type KeyValues, writeOneOf } from "./key-conditions.ts";
import { StatementWriter } from "./statement-writer.ts";
import { filterConditions, keyColumns, pointRead } from "./statements.ts";
import type { EntityShape, ShapedFilter } from "./table-shape.ts";
import type { SqlWriteSource } from "./write-source.ts";

/** A column with what it is to hold. */
export interface Filled {
  readonly column: ColumnFacts;
  readonly value: SqlParameter;
  /** The source's type, where a plain parameter would not do. */
  readonly cast: string | undefined;
}

/** The entity's whole row, kept as it is until the transaction ends. */
export function lockRow(source: SqlWriteSource, shape: EntityShape, key: SourceKey): SqlStatement {
  const { behindTable, atEnd = "" } = source.rowLock;
  const dialect: SqlDialect =
    behindTable === undefined ? source.dialect : { ...source.dialect, tableSuffix: behindTable };
  const row = pointRead(dialect, shape, keyColumns(shape), [key]);
  return { ...row, text: row.text + atEnd };
}

/** Rows of a table: within the pack's filters, a key may be unique among these only. */
export interface RowsWhere {
  readonly table: TableFacts;
  readonly filters: readonly ShapedFilter[];
  readonly columns: readonly ColumnFacts[];
  readonly values: KeyValues;
}

/** The entity's own row. */
export function ownRow(shape: EntityShape, key: SourceKey): RowsWhere {
  return { table: shape.facts, filters: shape.filters, columns: keyColumns(shape), values: key };
}

export function updateRows(dialect: SqlDialect, rows: RowsWhere, filled: readonly Filled[]): SqlStatement {
  const writer = new StatementWriter(dialect);
  writer.add(`UPDATE ${quoteTable(dialect, rows.table.table)} SET `);
  writeAssignments(writer, filled);
  return writeWhere(writer, rows).done();
}

export function deleteRows(dialect: SqlDialect, rows: RowsWhere): SqlStatement {
  const writer = new StatementWriter(dialect).add(`DELETE FROM ${quoteTable(dialect, rows.table.table)}`);
  return writeWhere(writer, rows).done();
}

/** `columns` of the rows. */
export function selectRows(
  dialect: SqlDialect,
  rows: RowsWhere,
  columns: readonly ColumnFacts[],
): SqlStatement {
  const writer = new StatementWriter(dialect).add("SELECT ");
  writeSelected(writer, columns);
  writer.add(` FROM ${quoteTable(dialect, rows.table.table)}`);
  return writeWhere(writer, rows).done();
}

/** A change of an amount, and what it may be afterwards. */
export interface AmountChange {
  readonly column: ColumnFacts;
  /** Exact decimals. */
  readonly change: string;
  readonly min: string | undefined;
  readonly max: string | undefined;
}

/** Adds to the amount of the rows where that keeps it within its bounds, and fills further columns. */
export function adjustRows(
  dialect: SqlDialect,
  rows: RowsWhere,
  { column, change, min, max }: AmountChange,
  filled: readonly Filled[],
): SqlStatement {
  const writer = new StatementWriter(dialect);
  const number = (value: string): StatementWriter =>
    writer.bind(value, column.parameter === undefined ? { ...column, ...dialectNumber(dialect) } : column);
  const sum = (): StatementWriter => {
    writer.column(column).add(" + ");
    return number(change);
  };
  writer
    .add(`UPDATE ${quoteTable(dialect, rows.table.table)} SET `)
    .column(column)
    .add(" = ");
  sum();
  if (filled.length > 0) writer.add(", ");
  writeAssignments(writer, filled);
  writeWhere(writer, rows).add(" AND ").column(column).add(" IS NOT NULL");
  for (const [bound, sign] of [
    [min, ">="],
    [max, "<="],
  ] as const) {
    if (bound === undefined) continue;
    writer.add(" AND ");
    sum().add(` ${sign} `);
    number(bound);
  }
  return writer.done();
}

function dialectNumber({ number }: SqlDialect): Pick<ColumnFacts, "parameter"> {
  return number === undefined ? {} : { parameter: number };
}

function writeAssignments(writer: StatementWriter, filled: readonly Filled[]): void {
  writer.list(filled, ", ", (one) => {
    writer.column(one.column).add(" = ");
    bindFilled(writer, one);
  });
}

function writeWhere(writer: StatementWriter, { filters, columns, values }: RowsWhere): StatementWriter {
  const conditions = filterConditions(filters);
  conditions.push((into) => writeOneOf(into, columns, [values]));
  return writer.add(" WHERE ").list(conditions, " AND ", (condition) => condition(writer));
}

function writeSelected(writer: StatementWriter, columns: readonly ColumnFacts[]): void {
  writer.list(columns, ", ", (column) => {
    if (column.select === undefined) writer.column(column);
    else writer.add(column.select);
  });
}

/** The next number of a counter: its row stays locked until the transaction ends. */
export function countOn(dialect: SqlDialect, rows: RowsWhere, counter: ColumnFacts): SqlStatement {
  const writer = new StatementWriter(dialect);
  writer
    .add(`UPDATE ${quoteTable(dialect, rows.table.table)} SET `)
    .column(counter)
    .add(" = ");
  return writeWhere(writer.column(counter).add(" + 1"), rows).done();
}

export function insertRow(dialect: SqlDialect, table: TableFacts, filled: readonly Filled[]): SqlStatement {
  const writer = new StatementWriter(dialect);
  writer.add(`INSERT INTO ${quoteTable(dialect, table.table)} (`);
  writer.list(filled, ", ", ({ column }) => writer.column(column));
  writer.add(") VALUES (").list(filled, ", ", (one) => bindFilled(writer, one));
  return writer.add(")").done();
}

/** `columns` of the rows whose column `by` has a value. */
export function readBy(
  dialect: SqlDialect,
  table: TableFacts,
  columns: readonly ColumnFacts[],
  by: ColumnFacts,
  value: string,
): SqlStatement {
  const writer = new StatementWriter(dialect);
  writer.add("SELECT ");
  writeSelected(writer, columns);
  writer
    .add(` FROM ${quoteTable(dialect, table.table)} WHERE `)
    .column(by)
    .add(" = ");
  return writer.bind(value, by).done();
}

/** Sets one column of the rows whose column `by` has a value. */
export function setBy(
  dialect: SqlDialect,
  table: TableFacts,
  set: Filled,
  by: ColumnFacts,
  value: string,
): SqlStatement {
  const writer = new StatementWriter(dialect);
  writer
    .add(`UPDATE ${quoteTable(dialect, table.table)} SET `)
    .column(set.column)
    .add(" = ");
  bindFilled(writer, set);
  return writer.add(" WHERE ").column(by).add(" = ").bind(value, by).done();
}

function bindFilled(writer: StatementWriter, { column, value, cast }: Filled): void {
  if (cast === undefined) writer.bind(value, column);
  else writer.add("CAST(").bind(value, undefined).add(` AS ${cast})`);
}
