// The statements of writes: identifiers from the catalogue, values only as parameters.
import type { SourceKey } from "../source/connector.ts";
import type { WriteValue } from "../source/write.ts";
import {
  type ColumnFacts,
  quoteTable,
  type SqlDialect,
  type SqlStatement,
  type TableFacts,
} from "./dialect.ts";
import { writeOneOf } from "./key-conditions.ts";
import { StatementWriter } from "./statement-writer.ts";
import { filterConditions, keyColumns, pointRead } from "./statements.ts";
import type { EntityShape } from "./table-shape.ts";
import type { SqlWriteSource } from "./write-source.ts";

/** A column with what it is to hold. */
export interface Filled {
  readonly column: ColumnFacts;
  readonly value: WriteValue;
  /** The source's type, where a plain parameter would not do. */
  readonly cast: string | undefined;
}

/** The entity's whole row, kept as it is until the transaction ends. */
export function lockRow(source: SqlWriteSource, shape: EntityShape, key: SourceKey): SqlStatement {
  const { behindTable, atEnd = "" } = source.rowLock;
  const dialect: SqlDialect =
    behindTable === undefined ? source.dialect : { ...source.dialect, tableSuffix: behindTable };
  const { text, parameters } = pointRead(dialect, shape, keyColumns(shape), [key]);
  return { text: text + atEnd, parameters };
}

/** Within the pack's filters: a key may be unique among these rows only. */
export function updateRow(
  dialect: SqlDialect,
  shape: EntityShape,
  filled: readonly Filled[],
  key: SourceKey,
): SqlStatement {
  const writer = new StatementWriter(dialect);
  writer.add(`UPDATE ${quoteTable(dialect, shape.facts.table)} SET `);
  writer.list(filled, ", ", (one) => {
    writer.column(one.column).add(" = ");
    bindFilled(writer, one);
  });
  const conditions = filterConditions(shape.filters);
  conditions.push((into) => writeOneOf(into, keyColumns(shape), [key]));
  writer.add(" WHERE ").list(conditions, " AND ", (condition) => condition(writer));
  return writer.done();
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
  writer.add("SELECT ").list(columns, ", ", (column) => {
    if (column.select === undefined) writer.column(column);
    else writer.add(column.select);
  });
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
