// Columns and rows of a result set, with nulls in a bitmap where a row has any.
import type { DbValue, ResultColumn } from "#test/support/sql-engine/session.ts";
import { TdsProtocolError } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { TOKEN } from "./tokens.ts";
import { hasTableName, ROWVERSION_USER_TYPE, writeTypeInfo } from "./type-info.ts";
import { writeValue } from "./value-writer.ts";

const NULLABLE = 0x0001;
const UPDATABLE_UNKNOWN = 0x0008;
const TABLE_NAME = "t";

/** Like a row: whole or not at all. @throws TdsProtocolError for types that SQL Server does not have */
export function writeColumns(writer: ByteWriter, columns: readonly ResultColumn[]): void {
  const start = writer.length;
  try {
    writeEachColumn(writer, columns);
  } catch (error) {
    writer.cut(start);
    throw error;
  }
}

function writeEachColumn(writer: ByteWriter, columns: readonly ResultColumn[]): void {
  writer.u8(TOKEN.columns).u16(columns.length);
  for (const { name, type, isNullable } of columns) {
    writer.u32(type.kind === "rowversion" ? ROWVERSION_USER_TYPE : 0);
    writer.u16(UPDATABLE_UNKNOWN | (isNullable ? NULLABLE : 0));
    writeTypeInfo(writer, type, isNullable);
    if (hasTableName(type)) writer.u8(1).usVarchar(TABLE_NAME);
    writer.bVarchar(name);
  }
}

/** A row that cannot be written whole leaves nothing behind. @throws TdsProtocolError */
export function writeRow(
  writer: ByteWriter,
  columns: readonly ResultColumn[],
  row: readonly DbValue[],
  mayUseNullMap: boolean,
): void {
  const start = writer.length;
  try {
    checkNulls(columns, row);
    if (mayUseNullMap && row.includes(null)) writeWithNullMap(writer, columns, row);
    else writePlain(writer, columns, row);
  } catch (error) {
    writer.cut(start);
    throw error;
  }
}

function writePlain(writer: ByteWriter, columns: readonly ResultColumn[], row: readonly DbValue[]): void {
  writer.u8(TOKEN.row);
  for (const [index, { type, isNullable }] of columns.entries())
    writeValue(writer, type, isNullable, row[index] ?? null);
}

function writeWithNullMap(
  writer: ByteWriter,
  columns: readonly ResultColumn[],
  row: readonly DbValue[],
): void {
  const map = Buffer.alloc(Math.ceil(columns.length / 8));
  for (const [index] of columns.entries())
    if ((row[index] ?? null) === null) map[index >> 3] = (map[index >> 3] ?? 0) | (1 << (index & 7));
  writer.u8(TOKEN.rowWithNullMap).bytes(map);
  for (const [index, { type, isNullable }] of columns.entries()) {
    const value = row[index] ?? null;
    if (value !== null) writeValue(writer, type, isNullable, value);
  }
}

function checkNulls(columns: readonly ResultColumn[], row: readonly DbValue[]): void {
  for (const [index, { name, isNullable }] of columns.entries())
    if (!isNullable && (row[index] ?? null) === null)
      throw new TdsProtocolError(`the database gave null for ${name}, which is not nullable`);
}
