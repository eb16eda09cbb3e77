// Conditions on keys: strictly after a key, and equal to one of many. The source compares, never we.
import { keyText } from "./cursor-values.ts";
import type { ColumnFacts, SqlParameter } from "./dialect.ts";
import type { StatementWriter } from "./statement-writer.ts";

export type KeyValues = readonly SqlParameter[];

/**
 * `columns` come strictly after `last` in the source's own ascending order, nulls where the source puts them.
 * Row values where they mean the same; otherwise written out, with the first column bounded apart so that an index is used.
 */
export function writeAfter(writer: StatementWriter, columns: readonly ColumnFacts[], last: KeyValues): void {
  const { dialect } = writer;
  const nullsInTheWay = last.includes(null) || (dialect.nulls === "last" && columns.some((c) => c.nullable));
  if (columns.length === 1 && !nullsInTheWay) {
    writeAfterOne(writer, columns[0]!, last[0]!);
    return;
  }
  if (dialect.hasRowValues && !nullsInTheWay) {
    writer.add("(").list(columns, ", ", (column) => writer.column(column));
    writer.add(") > (").list(columns, ", ", (column, at) => writer.bind(last[at]!, column));
    writer.add(")");
    return;
  }
  const lead = columns[0]!;
  if (!nullsInTheWay) writer.column(lead).add(" >= ").bind(last[0]!, lead).add(" AND ");
  writer.add("(");
  writeAfterFrom(writer, columns, last, 0);
  writer.add(")");
}

/** `a > x OR (a = x AND (b > y OR (b = y AND …)))` from column `at` on. */
function writeAfterFrom(
  writer: StatementWriter,
  columns: readonly ColumnFacts[],
  last: KeyValues,
  at: number,
): void {
  const column = columns[at]!;
  writeAfterOne(writer, column, last[at]!);
  if (at + 1 === columns.length) return;
  writer.add(" OR (");
  writeEqual(writer, column, last[at]!);
  writer.add(" AND (");
  writeAfterFrom(writer, columns, last, at + 1);
  writer.add("))");
}

function writeAfterOne(writer: StatementWriter, column: ColumnFacts, value: SqlParameter): void {
  const nullsFirst = writer.dialect.nulls === "first";
  if (value === null) {
    if (nullsFirst) writer.column(column).add(" IS NOT NULL");
    else writer.add("1 = 0");
    return;
  }
  const withNulls = !nullsFirst && column.nullable;
  if (withNulls) writer.add("(");
  writer.column(column).add(" > ").bind(value, column);
  if (withNulls) writer.add(" OR ").column(column).add(" IS NULL)");
}

function writeEqual(writer: StatementWriter, column: ColumnFacts, value: SqlParameter): void {
  if (column.keyText === undefined) writer.column(column);
  else writer.add(column.keyText);
  if (value === null) writer.add(" IS NULL");
  else {
    writer.add(" = ");
    bindEqual(writer, column, value);
  }
}

function bindEqual(writer: StatementWriter, column: ColumnFacts, value: SqlParameter): void {
  if (column.keyText === undefined) writer.bind(value, column);
  else writer.bind(keyText(value), undefined);
}

/** `columns` equal one of `keys` (not empty). Keys with nulls are written out, as no IN list finds them. */
export function writeOneOf(
  writer: StatementWriter,
  columns: readonly ColumnFacts[],
  keys: readonly KeyValues[],
): void {
  const whole = keys.filter((key) => !key.includes(null));
  const partial = keys.filter((key) => key.includes(null));
  writer.add("(");
  if (whole.length > 0) writeWholeKeys(writer, columns, whole);
  if (whole.length > 0 && partial.length > 0) writer.add(" OR ");
  writer.list(partial, " OR ", (key) => writeKey(writer, columns, key));
  writer.add(")");
}

function writeWholeKeys(
  writer: StatementWriter,
  columns: readonly ColumnFacts[],
  keys: readonly KeyValues[],
): void {
  const isPlain = columns.every((column) => column.keyText === undefined);
  if (columns.length === 1) {
    const column = columns[0]!;
    if (column.keyText === undefined) writer.column(column);
    else writer.add(column.keyText);
    writer.add(" IN (");
    writer.list(keys, ", ", (key) => bindEqual(writer, column, key[0]!)).add(")");
    return;
  }
  if (writer.dialect.keyList === "or" || !isPlain) {
    writer.list(keys, " OR ", (key) => writeKey(writer, columns, key));
    return;
  }
  writer.add("(").list(columns, ", ", (column) => writer.column(column));
  writer.add(writer.dialect.keyList === "values" ? ") IN (VALUES " : ") IN (");
  writer.list(keys, ", ", (key) => {
    writer.add("(").list(columns, ", ", (column, at) => writer.bind(key[at]!, column));
    writer.add(")");
  });
  writer.add(")");
}

function writeKey(writer: StatementWriter, columns: readonly ColumnFacts[], key: KeyValues): void {
  writer.add("(").list(columns, " AND ", (column, at) => writeEqual(writer, column, key[at]!));
  writer.add(")");
}

/**
 * Fills a key list up to the next power of two by repeating its last key, so that the source sees few different
 * statements and keeps their plans.
 */
export function padKeys(keys: readonly KeyValues[], limit: number): readonly KeyValues[] {
  const wanted = Math.min(limit, 2 ** Math.ceil(Math.log2(keys.length)));
  if (wanted <= keys.length) return keys;
  return [...keys, ...Array.from({ length: wanted - keys.length }, () => keys.at(-1)!)];
}
