// How the engine's types look on Oracle's wire: type number, sizes, and how a value is written.
import type { DbType, DbValue } from "../sql-engine/session.ts";
import type { LobStore } from "./lob-store.ts";
import type { MessageWriter } from "./message-writer.ts";
import { encodeNumber } from "./oracle-number.ts";
import { encodeDate, encodeTimestamp, encodeTimestampLtz, encodeTimestampTz } from "./oracle-time.ts";
import { FORM, ORACLE_TYPE } from "./protocol.ts";
import { writeRowid } from "./rowid.ts";

export interface ColumnFormat {
  readonly oracleType: number;
  readonly form: number;
  readonly precision: number;
  readonly scale: number;
  /** Bytes; 0 would mean that the column is always null. */
  readonly maxBytes: number;
  /** Characters, or bytes where there are none. */
  readonly size: number;
}

/** What values need besides their type. */
export interface ValueContext {
  readonly lobs: LobStore;
  readonly databaseOffsetMinutes: number;
}

export const LOB_TYPES: ReadonlySet<number> = new Set([ORACLE_TYPE.clob, ORACLE_TYPE.blob]);

const LOB_BYTES = 4_000;

/** @throws RangeError for a type that Oracle does not have */
export function formatOf(type: DbType): ColumnFormat {
  const plain = (oracleType: number, maxBytes: number, more: Partial<ColumnFormat> = {}): ColumnFormat => ({
    oracleType,
    form: FORM.none,
    precision: 0,
    scale: 0,
    maxBytes,
    size: 0,
    ...more,
  });
  switch (type.kind) {
    case "number":
      // NUMBER without precision is -127, as FLOAT is.
      return plain(ORACLE_TYPE.number, 22, {
        precision: type.precision ?? (type.scale === undefined ? 0 : 38),
        scale: type.scale ?? (type.precision === undefined ? -127 : 0),
      });
    case "decimal":
      return plain(ORACLE_TYPE.number, 22, { precision: type.precision, scale: type.scale });
    case "int":
      return plain(ORACLE_TYPE.number, 22, { precision: 38 });
    case "float":
      return type.bits === 32 ? plain(ORACLE_TYPE.binaryFloat, 4) : plain(ORACLE_TYPE.binaryDouble, 8);
    case "char":
    case "varchar":
      return text(type.kind === "char" ? ORACLE_TYPE.char : ORACLE_TYPE.varchar, FORM.implicit, type.length);
    case "nchar":
    case "nvarchar":
      return text(type.kind === "nchar" ? ORACLE_TYPE.char : ORACLE_TYPE.varchar, FORM.national, type.length);
    case "oracle_date":
      return plain(ORACLE_TYPE.date, 7);
    case "timestamp": {
      const oracleType = {
        none: ORACLE_TYPE.timestamp,
        offset: ORACLE_TYPE.timestampTz,
        local: ORACLE_TYPE.timestampLtz,
      }[type.zone];
      return plain(oracleType, type.zone === "offset" ? 13 : 11, { scale: type.scale });
    }
    case "raw":
      return plain(ORACLE_TYPE.raw, type.length, { size: type.length });
    case "rowid":
      return plain(ORACLE_TYPE.rowid, 10);
    case "bit":
      return plain(ORACLE_TYPE.boolean, 4);
    case "long":
      return plain(ORACLE_TYPE.long, 0, { form: FORM.implicit });
    case "long_raw":
      return plain(ORACLE_TYPE.longRaw, 0);
    case "clob":
      return plain(ORACLE_TYPE.clob, LOB_BYTES, { form: FORM.implicit });
    case "nclob":
      return plain(ORACLE_TYPE.clob, LOB_BYTES, { form: FORM.national });
    case "blob":
      return plain(ORACLE_TYPE.blob, LOB_BYTES);
    default:
      throw new RangeError(`Oracle has no type ${type.kind}`);
  }
}

/** UTF-8 takes up to four bytes a character, the national set up to four in surrogate pairs. */
function text(oracleType: number, form: number, length: number | "max"): ColumnFormat {
  const characters = length === "max" ? 4_000 : Math.max(1, length);
  const perCharacter = form === FORM.national ? 2 : 4;
  return {
    oracleType,
    form,
    precision: 0,
    scale: 0,
    maxBytes: Math.min(characters * perCharacter, Math.max(4_000, characters)),
    size: characters,
  };
}

export type ValueWriter = (writer: MessageWriter, value: DbValue) => void;

/** Writes values of a type as `asked` (the define of a LOB may ask for LONG). @throws RangeError for pairs that do not go together */
export function valueWriter(asked: ColumnFormat, context: ValueContext): ValueWriter {
  const nullAsZero =
    (write: ValueWriter): ValueWriter =>
    (writer, value) =>
      value === null || value === "" ? writer.u8(0) : write(writer, value);
  switch (asked.oracleType) {
    case ORACLE_TYPE.number:
    case ORACLE_TYPE.binaryInteger:
      return nullAsZero((writer, value) => writer.bytes(encodeNumber(numberText(value))));
    case ORACLE_TYPE.varchar:
    case ORACLE_TYPE.char:
    case ORACLE_TYPE.long:
      return nullAsZero((writer, value) => writer.bytes(encodeText(textOf(value), asked.form)));
    case ORACLE_TYPE.raw:
    case ORACLE_TYPE.longRaw:
      return nullAsZero((writer, value) => writer.bytes(bytesOf(value)));
    case ORACLE_TYPE.date:
      return nullAsZero((writer, value) => writer.bytes(encodeDate(textOf(value))));
    case ORACLE_TYPE.timestamp:
      return nullAsZero((writer, value) => writer.bytes(encodeTimestamp(textOf(value))));
    case ORACLE_TYPE.timestampTz:
      return nullAsZero((writer, value) => writer.bytes(encodeTimestampTz(textOf(value))));
    case ORACLE_TYPE.timestampLtz:
      return nullAsZero((writer, value) =>
        writer.bytes(encodeTimestampLtz(textOf(value), context.databaseOffsetMinutes)),
      );
    case ORACLE_TYPE.binaryFloat:
    case ORACLE_TYPE.binaryDouble: {
      const size = asked.oracleType === ORACLE_TYPE.binaryFloat ? 4 : 8;
      return nullAsZero((writer, value) => writer.bytes(encodeFloat(Number(value), size)));
    }
    case ORACLE_TYPE.rowid:
      return nullAsZero((writer, value) => writeRowid(writer, textOf(value)));
    case ORACLE_TYPE.clob:
    case ORACLE_TYPE.blob:
      return (writer, value) => writeLob(writer, value, asked, context.lobs);
    case ORACLE_TYPE.boolean:
      return nullAsZero((writer, value) => writer.raw(value === true ? Buffer.of(2, 1, 1) : Buffer.of(1, 0)));
    default:
      throw new RangeError(`values of Oracle's type ${asked.oracleType} cannot be written`);
  }
}

/** A locator with length and chunk size; data stays here until it is read. */
function writeLob(
  writer: MessageWriter,
  value: DbValue,
  { oracleType, form }: ColumnFormat,
  lobs: LobStore,
): void {
  if (value === null) {
    writer.int(0);
    return;
  }
  const lob = lobs.add(oracleType === ORACLE_TYPE.blob ? bytesOf(value) : textOf(value), form);
  writer.int(lob.locator.length).int(lob.length).int(lobs.chunkSize).bytes(lob.locator);
}

/** The national character set is UTF-16, big end first. */
export function encodeText(text: string, form: number): Buffer {
  return form === FORM.national ? Buffer.from(text, "utf16le").swap16() : Buffer.from(text);
}

/** Order-preserving: the sign bit is turned round, and all bits of negative numbers. */
function encodeFloat(value: number, size: 4 | 8): Buffer {
  const bytes = Buffer.alloc(size);
  if (size === 4) bytes.writeFloatBE(value);
  else bytes.writeDoubleBE(value);
  const isNegative = ((bytes[0] ?? 0) & 0x80) !== 0;
  if (isNegative) for (const [index, byte] of bytes.entries()) bytes[index] = byte ^ 0xff;
  else bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}

function numberText(value: DbValue): string {
  if (typeof value === "string" || typeof value === "bigint") return String(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  throw new RangeError(`NUMBER wants decimal text, not the ${typeof value} ${String(value)}`);
}

function textOf(value: DbValue): string {
  if (typeof value === "string") return value;
  throw new RangeError(`text wanted, not the ${typeof value} ${String(value)}`);
}

function bytesOf(value: DbValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new RangeError(`bytes wanted, not the ${typeof value} ${String(value)}`);
}
