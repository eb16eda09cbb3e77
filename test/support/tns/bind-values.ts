// Bound values: what a client says about its binds, and their bytes as the engine's values.
import type { BoundParameter, DbType, DbValue } from "../sql-engine/session.ts";
import type { ColumnFormat, ValueContext } from "./column-format.ts";
import type { MessageReader } from "./message-reader.ts";
import { decodeNumber } from "./oracle-number.ts";
import { decodeDate, decodeTimestamp, decodeTimestampLtz, decodeTimestampTz } from "./oracle-time.ts";
import { FORM, ORACLE_TYPE, ProtocolError } from "./protocol.ts";

const ARRAY_FLAG = 0x40;
/** Before a null of type BOOLEAN. */
const ESCAPE = 253;

/** Of a bind, or of a column that the client defines. */
export interface BindFormat extends ColumnFormat {
  readonly isArray: boolean;
}

/** Descriptions of `count` binds or defines. */
export function readFormats(reader: MessageReader, count: number): readonly BindFormat[] {
  return Array.from({ length: count }, () => {
    const oracleType = reader.u8();
    const flags = reader.u8();
    reader.skip(2);
    const maxBytes = reader.int();
    reader.skipInts(2);
    if (reader.int() > 0) reader.bytes();
    reader.skipInts(2);
    const form = reader.u8();
    const size = reader.int();
    return {
      oracleType,
      form,
      precision: 0,
      scale: 0,
      maxBytes,
      size,
      isArray: (flags & ARRAY_FLAG) !== 0,
    };
  });
}

/** Of `readRow`: a bind whose value travels, and where it belongs. */
export interface BindSlot {
  readonly name: string;
  readonly format: BindFormat;
}

/**
 * One row of values. In SQL, binds that may be longer than a string can be come after the others.
 * @throws ProtocolError for types that this server does not read
 */
export function readRow(
  reader: MessageReader,
  slots: readonly BindSlot[],
  longestString: number | undefined,
  context: ValueContext,
): readonly BoundParameter[] {
  const values = new Map<BindSlot, DbValue>();
  // The client decides by characters; of national ones it announces four bytes each.
  const isLate = ({ format: { maxBytes, form } }: BindSlot): boolean =>
    longestString !== undefined && (form === FORM.national ? maxBytes / 4 : maxBytes) > longestString;
  for (const late of [false, true])
    for (const slot of slots)
      if (isLate(slot) === late) values.set(slot, readValue(reader, slot.format, context));
  const parameters = new Map<string, BoundParameter>();
  for (const slot of slots) {
    const { name, format } = slot;
    if (!parameters.has(name))
      parameters.set(name, { name, type: boundType(format), value: values.get(slot) ?? null });
  }
  return [...parameters.values()];
}

function readValue(reader: MessageReader, format: BindFormat, context: ValueContext): DbValue {
  if (format.isArray) throw new ProtocolError("PL/SQL arrays are not served");
  const { oracleType } = format;
  if (oracleType === ORACLE_TYPE.clob || oracleType === ORACLE_TYPE.blob) {
    if (reader.int() === 0) return null;
    const lob = context.lobs.find(reader.bytes() ?? Buffer.alloc(0));
    if (lob === undefined) throw new ProtocolError("a bound LOB locator is not of this session");
    return lob.data;
  }
  if (oracleType === ORACLE_TYPE.boolean) return readBoolean(reader);
  const bytes = reader.bytes();
  return bytes === undefined ? null : decode(bytes, format, context);
}

function readBoolean(reader: MessageReader): DbValue {
  const length = reader.u8();
  const bytes = reader.raw(length === ESCAPE ? 1 : length);
  return length === ESCAPE || length === 0 ? null : bytes[0] === 1;
}

function decode(bytes: Buffer, { oracleType, form }: BindFormat, context: ValueContext): DbValue {
  switch (oracleType) {
    case ORACLE_TYPE.number:
    case ORACLE_TYPE.binaryInteger:
      return decodeNumber(bytes);
    case ORACLE_TYPE.varchar:
    case ORACLE_TYPE.char:
    case ORACLE_TYPE.long:
      return form === FORM.national ? Buffer.from(bytes).swap16().toString("utf16le") : bytes.toString();
    case ORACLE_TYPE.raw:
    case ORACLE_TYPE.longRaw:
      return Buffer.from(bytes);
    case ORACLE_TYPE.date:
      return decodeDate(bytes);
    case ORACLE_TYPE.timestamp:
      return decodeTimestamp(bytes);
    case ORACLE_TYPE.timestampTz:
      return decodeTimestampTz(bytes);
    case ORACLE_TYPE.timestampLtz:
      return decodeTimestampLtz(bytes, context.databaseOffsetMinutes);
    case ORACLE_TYPE.binaryFloat:
    case ORACLE_TYPE.binaryDouble:
      return decodeFloat(bytes);
    default:
      throw new ProtocolError(`binds of Oracle's type ${oracleType} are not served`);
  }
}

function decodeFloat(bytes: Buffer): number {
  const isPositive = ((bytes[0] ?? 0) & 0x80) !== 0;
  const plain = Buffer.from(bytes);
  if (isPositive) plain[0] = (plain[0] ?? 0) & 0x7f;
  else for (const [index, byte] of plain.entries()) plain[index] = byte ^ 0xff;
  return plain.length === 4 ? plain.readFloatBE() : plain.readDoubleBE();
}

/** Binds carry no precision: NUMBER and the timestamps are as wide as they can be. */
export function boundType({ oracleType, form, maxBytes }: BindFormat): DbType {
  const isNational = form === FORM.national;
  switch (oracleType) {
    case ORACLE_TYPE.number:
    case ORACLE_TYPE.binaryInteger:
      return { kind: "number" };
    case ORACLE_TYPE.varchar:
      return { kind: isNational ? "nvarchar" : "varchar", length: maxBytes };
    case ORACLE_TYPE.char:
      return { kind: isNational ? "nchar" : "char", length: maxBytes };
    case ORACLE_TYPE.long:
      return { kind: "long" };
    case ORACLE_TYPE.raw:
      return { kind: "raw", length: maxBytes };
    case ORACLE_TYPE.longRaw:
      return { kind: "long_raw" };
    case ORACLE_TYPE.date:
      return { kind: "oracle_date" };
    case ORACLE_TYPE.timestamp:
      return { kind: "timestamp", scale: 9, zone: "none" };
    case ORACLE_TYPE.timestampTz:
      return { kind: "timestamp", scale: 9, zone: "offset" };
    case ORACLE_TYPE.timestampLtz:
      return { kind: "timestamp", scale: 9, zone: "local" };
    case ORACLE_TYPE.binaryFloat:
      return { kind: "float", bits: 32 };
    case ORACLE_TYPE.binaryDouble:
      return { kind: "float", bits: 64 };
    case ORACLE_TYPE.clob:
      return { kind: isNational ? "nclob" : "clob" };
    case ORACLE_TYPE.blob:
      return { kind: "blob" };
    case ORACLE_TYPE.boolean:
      return { kind: "bit" };
    default:
      throw new ProtocolError(`binds of Oracle's type ${oracleType} are not served`);
  }
}
