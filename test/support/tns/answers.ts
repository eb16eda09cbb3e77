// The messages of which a server's answers consist.
import type { ResultColumn } from "../sql-engine/session.ts";
import { formatOf, type ColumnFormat } from "./column-format.ts";
import type { MessageWriter } from "./message-writer.ts";
import { BIND_DIRECTION, CALL_STATUS, CHARSET, FORM, MESSAGE } from "./protocol.ts";
import type { Parameter } from "./verifier.ts";

export interface OracleError {
  /** 942 for ORA-00942. */
  readonly number: number;
  /** Without the number. */
  readonly text: string;
}

export interface BatchError {
  /** Which row of values, from 0. */
  readonly row: number;
  readonly error: OracleError;
}

export interface Outcome {
  readonly isInTransaction: boolean;
  readonly cursorId?: number;
  /** Rows that were written, or fetched so far. */
  readonly rowCount?: number;
  readonly error?: OracleError;
  readonly batchErrors?: readonly BatchError[];
}

export function messageOf({ number, text }: OracleError): string {
  return /^ORA-\d/.test(text) ? text : `ORA-${String(number).padStart(5, "0")}: ${text}`;
}

/** The end of a call that ran a statement, well or not. */
export function writeOutcome(writer: MessageWriter, outcome: Outcome): void {
  const { cursorId = 0, rowCount = 0, error, batchErrors = [] } = outcome;
  const number = error?.number ?? 0;
  writer
    .u8(MESSAGE.error)
    .int(callStatus(outcome.isInTransaction))
    .ints(0, Math.min(rowCount, 0xffff_ffff), Math.min(number, 0xffff), 0, 0, cursorId)
    .int(0) // position in the statement
    .zeros(6)
    .ints(0, 0)
    .u8(0)
    .ints(0, 0) // rowid: object, file, block, row
    .int(0)
    .zeros(2)
    .ints(0, 0, 0);
  writeBatchErrors(writer, batchErrors);
  writer.ints(number, rowCount);
  if (error !== undefined) writer.text(`${messageOf(error)}\n`);
}

function writeBatchErrors(writer: MessageWriter, errors: readonly BatchError[]): void {
  writer.int(errors.length);
  if (errors.length > 0) writer.u8(errors.length);
  for (const { error } of errors) writer.int(error.number);
  writer.int(errors.length);
  if (errors.length > 0) writer.u8(errors.length);
  for (const { row } of errors) writer.int(row);
  writer.int(errors.length);
  if (errors.length > 0) writer.u8(0);
  for (const { error } of errors) {
    const text = `${messageOf(error)}\n`;
    writer.int(Buffer.byteLength(text)).text(text).zeros(2);
  }
}

/** The end of a call that has nothing to tell. */
export function writeStatus(writer: MessageWriter, isInTransaction: boolean): void {
  writer.u8(MESSAGE.status).int(callStatus(isInTransaction)).int(0);
}

export function writeWarning(writer: MessageWriter, warning: OracleError): void {
  const text = `${messageOf(warning)}\n`;
  writer.u8(MESSAGE.warning).ints(warning.number, Buffer.byteLength(text), 0).text(text);
}

/** Keys and values, as in a login. */
export function writeParameters(writer: MessageWriter, parameters: readonly Parameter[]): void {
  writer.u8(MESSAGE.parameter).int(parameters.length);
  for (const { key, value, flags = 0 } of parameters)
    writer.int(Buffer.byteLength(key)).text(key).countedText(value).int(flags);
}

/** Rows written by each of the executions of one statement. */
export function writeRowCounts(writer: MessageWriter, counts: readonly number[]): void {
  writer
    .u8(MESSAGE.parameter)
    .ints(0, 0, 0, 0)
    .int(counts.length)
    .ints(...counts);
}

export function writeDescribe(writer: MessageWriter, columns: readonly ResultColumn[]): void {
  const formats = columns.map(({ type }) => formatOf(type));
  const rowBytes = formats.reduce((sum, { maxBytes }) => sum + maxBytes, 0);
  writer.u8(MESSAGE.describe).u8(0).ints(rowBytes, columns.length);
  if (columns.length > 0) writer.u8(0);
  for (const [index, column] of columns.entries()) {
    const format = formats[index];
    if (format !== undefined) writeColumn(writer, column, format, index + 1);
  }
  writer.zeros(6);
}

function writeColumn(
  writer: MessageWriter,
  column: ResultColumn,
  format: ColumnFormat,
  position: number,
): void {
  const name = Buffer.from(column.name);
  writer
    .u8(format.oracleType)
    .u8(0)
    .u8(format.precision)
    .u8(format.scale)
    .ints(format.maxBytes, 0, 0, 0, 0)
    .int(format.form === FORM.none ? 0 : format.form === FORM.national ? CHARSET.utf16 : CHARSET.utf8)
    .u8(format.form)
    .int(format.size)
    .u8(column.isNullable ? 1 : 0)
    .u8(Math.min(name.length, 255))
    .int(name.length);
  if (name.length > 0) writer.bytes(name);
  writer.ints(0, 0, position, 0);
}

export function writeRowHeader(writer: MessageWriter): void {
  writer.u8(MESSAGE.rowHeader).u8(0).zeros(6);
}

/** Which binds of a PL/SQL block give a value back. */
export function writeDirections(writer: MessageWriter, areOutputs: readonly boolean[]): void {
  writer
    .u8(MESSAGE.ioVector)
    .u8(0)
    .ints(areOutputs.length % 256, Math.floor(areOutputs.length / 256), 1, 0, 0, 0);
  for (const isOutput of areOutputs) writer.u8(isOutput ? BIND_DIRECTION.inputOutput : BIND_DIRECTION.input);
}

function callStatus(isInTransaction: boolean): number {
  return isInTransaction ? CALL_STATUS.inTransaction : 0;
}
