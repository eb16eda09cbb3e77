// Values on the wire: what the engine gives, in the exact form of its type.
import type { DbType, DbValue } from "#test/support/sql-engine/session.ts";
import { TdsProtocolError } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { encodeText } from "./code-pages.ts";
import { collationOf } from "./collations.ts";
import {
  DAY_1900,
  daysOf,
  decimalBytes,
  inWireOrder,
  splitDateTime,
  ticksOf,
  timeBytes,
  unscaled,
  zonedTicks,
} from "./exact-values.ts";
import { fixedToken, isFixed, MAX_LENGTH, TYPE } from "./type-info.ts";

const PLP_NULL = 0xffff_ffff_ffff_ffffn;
/** SQL Server's parts of a long value are about this long. */
const PLP_PART_BYTES = 8000;
const TEXT_POINTER = Buffer.alloc(16, 0x64);
const TEXT_TIMESTAMP = Buffer.alloc(8);

/** @throws TdsProtocolError for a value that is not of the type: a mistake of the engine, told to the client as an error */
export function writeValue(writer: ByteWriter, type: DbType, isNullable: boolean, value: DbValue): void {
  switch (type.kind) {
    case "char":
    case "varchar":
    case "nchar":
    case "nvarchar":
    case "binary":
    case "varbinary":
    case "rowversion":
    case "xml":
      writeBytes(writer, type, value === null ? null : contentOf(type, value));
      return;
    case "clob":
    case "nclob":
    case "blob":
      writeLob(writer, value === null ? null : contentOf(type, value));
      return;
    case "sql_variant":
      writeVariant(writer, type.base, value);
      return;
    default:
  }
  if (value === null) {
    writer.u8(0);
    return;
  }
  if (!isFixed(type, isNullable)) writer.u8(sizeOf(type));
  writeScalar(writer, type, value);
}

/** Bytes of a value that is not null, for types whose values all have one size. */
function sizeOf(type: DbType): number {
  switch (type.kind) {
    case "bit":
      return 1;
    case "int":
    case "float":
    case "money":
      return type.bits / 8;
    case "decimal":
      return decimalBytes(type.precision) + 1;
    case "uniqueidentifier":
      return 16;
    case "date":
      return 3;
    case "smalldatetime":
      return 4;
    case "datetime":
      return 8;
    case "time":
      return timeBytes(type.scale);
    case "datetime2":
      return timeBytes(type.scale) + 3;
    case "datetimeoffset":
      return timeBytes(type.scale) + 5;
    default:
      throw new TdsProtocolError(`SQL Server has no type ${type.kind}`);
  }
}

function writeScalar(writer: ByteWriter, type: DbType, value: Exclude<DbValue, null>): void {
  switch (type.kind) {
    case "bit":
      writer.u8(value === true || value === 1 || value === 1n ? 1 : 0);
      return;
    case "int":
      writeInteger(writer, type.bits, value);
      return;
    case "float":
      if (type.bits === 32) writer.f32(Number(value));
      else writer.f64(Number(value));
      return;
    case "money":
      writeMoney(writer, type.bits, unscaled(String(value), 4));
      return;
    case "decimal": {
      const number = unscaled(String(value), type.scale);
      const magnitude = number < 0n ? -number : number;
      if (magnitude >= 10n ** BigInt(type.precision)) throw mismatch(type, value);
      writer.u8(number < 0n ? 0 : 1).unsigned(magnitude, decimalBytes(type.precision));
      return;
    }
    case "uniqueidentifier":
      writer.bytes(guidBytes(type, value));
      return;
    default:
      writeInstant(writer, type, value);
  }
}

function writeInstant(writer: ByteWriter, type: DbType, value: Exclude<DbValue, null>): void {
  if (typeof value !== "string") throw mismatch(type, value);
  const { date, time } = splitDateTime(value);
  switch (type.kind) {
    case "date":
      writer.unsigned(BigInt(daysOf(date)), 3);
      return;
    case "time":
      writer.unsigned(ticksOf(value, type.scale), timeBytes(type.scale));
      return;
    case "datetime2":
      writer.unsigned(ticksOf(time, type.scale), timeBytes(type.scale)).unsigned(BigInt(daysOf(date)), 3);
      return;
    case "datetimeoffset": {
      const { days, ticks, offsetMinutes } = zonedTicks(value, type.scale);
      writer.unsigned(ticks, timeBytes(type.scale)).unsigned(BigInt(days), 3).i16(offsetMinutes);
      return;
    }
    case "datetime":
      // 300ths of a second: .003 and .007 are one and two of them.
      writer.i32(daysOf(date) - DAY_1900).u32(Number((ticksOf(time, 3) * 3n + 5n) / 10n));
      return;
    case "smalldatetime":
      writer.u16(daysOf(date) - DAY_1900).u16(Number(ticksOf(time, 0) / 60n));
      return;
    default:
      throw mismatch(type, value);
  }
}

function writeInteger(writer: ByteWriter, bits: number, value: Exclude<DbValue, null>): void {
  if (typeof value !== "number" && typeof value !== "bigint")
    throw mismatch({ kind: "int", bits: 64 }, value);
  if (bits === 64) writer.i64(BigInt(value));
  else if (bits === 32) writer.i32(Number(value));
  else if (bits === 16) writer.i16(Number(value));
  else writer.u8(Number(value));
}

/** Ten-thousandths; of eight bytes the upper half comes first. */
function writeMoney(writer: ByteWriter, bits: number, value: bigint): void {
  if (bits === 32) writer.i32(Number(value));
  else writer.i32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn));
}

function guidBytes(type: DbType, value: Exclude<DbValue, null>): Buffer {
  const hex = String(value).replaceAll("-", "");
  const bytes = Buffer.from(hex, "hex");
  if (bytes.length !== 16) throw mismatch(type, value);
  return inWireOrder(bytes);
}

/** The bytes of a character or binary value, padded where the type has one length. */
function contentOf(type: DbType, value: Exclude<DbValue, null>): Uint8Array {
  switch (type.kind) {
    case "char":
    case "varchar": {
      const bytes = encodeText(textOf(type, value), collationOf(type.collation).codePage);
      return type.kind === "char" ? padded(bytes, type.length, Buffer.from(" ")) : bytes;
    }
    case "clob":
      return encodeText(textOf(type, value), collationOf().codePage);
    case "nchar":
    case "nvarchar":
    case "nclob":
    case "xml": {
      const text = textOf(type, value);
      return Buffer.from(type.kind === "nchar" ? text.padEnd(Number(type.length)) : text, "utf16le");
    }
    case "binary":
      return padded(bytesOf(type, value), type.length, Buffer.of(0));
    case "rowversion":
      return typeof value === "bigint" ? bigEndian(value) : bytesOf(type, value);
    default:
      return bytesOf(type, value);
  }
}

function writeBytes(writer: ByteWriter, type: DbType, content: Uint8Array | null): void {
  const isLong = type.kind === "xml" || ("length" in type && type.length === "max");
  if (!isLong) {
    if (content === null) writer.u16(MAX_LENGTH);
    else writer.u16(content.length).bytes(content);
    return;
  }
  if (content === null) {
    writer.u64(PLP_NULL);
    return;
  }
  writer.u64(BigInt(content.length));
  for (let start = 0; start < content.length; start += PLP_PART_BYTES) {
    const part = content.subarray(start, start + PLP_PART_BYTES);
    writer.u32(part.length).bytes(part);
  }
  writer.u32(0);
}

function writeLob(writer: ByteWriter, content: Uint8Array | null): void {
  if (content === null) writer.u8(0);
  else
    writer
      .u8(TEXT_POINTER.length)
      .bytes(TEXT_POINTER)
      .bytes(TEXT_TIMESTAMP)
      .u32(content.length)
      .bytes(content);
}

/** Its own type, that type's properties, and the value. */
function writeVariant(writer: ByteWriter, declared: DbType | undefined, value: DbValue): void {
  if (value === null) {
    writer.u32(0);
    return;
  }
  const type = declared ?? guessed(value);
  const properties = new ByteWriter();
  const content = new ByteWriter();
  if ("length" in type || type.kind === "rowversion") {
    const bytes = contentOf(type, value);
    if ("collation" in type || type.kind.endsWith("char"))
      properties.bytes(collationOf("collation" in type ? type.collation : undefined).bytes);
    properties.u16(bytes.length);
    content.bytes(bytes);
  } else {
    if (type.kind === "decimal") properties.u8(type.precision).u8(type.scale);
    else if ("scale" in type && type.scale !== undefined) properties.u8(type.scale);
    writeScalar(content, type, value);
  }
  writer
    .u32(2 + properties.length + content.length)
    .u8(variantToken(type))
    .u8(properties.length)
    .bytes(properties.take())
    .bytes(content.take());
}

function variantToken(type: DbType): number {
  const fixed = fixedToken(type);
  if (fixed !== undefined) return fixed;
  const tokens: Readonly<Record<string, number>> = {
    ...TYPE,
    decimal: TYPE.decimalN,
    uniqueidentifier: TYPE.guid,
    rowversion: TYPE.binary,
  };
  const token = tokens[type.kind];
  if (token === undefined) throw new TdsProtocolError(`a sql_variant cannot hold a ${type.kind}`);
  return token;
}

function guessed(value: Exclude<DbValue, null>): DbType {
  if (typeof value === "boolean") return { kind: "bit" };
  if (typeof value === "bigint") return { kind: "int", bits: 64 };
  if (typeof value === "number")
    return Number.isInteger(value) ? { kind: "int", bits: 32 } : { kind: "float", bits: 64 };
  return typeof value === "string" ? { kind: "nvarchar", length: 4000 } : { kind: "varbinary", length: 8000 };
}

function padded(bytes: Uint8Array, length: number | "max", filler: Buffer): Uint8Array {
  if (length === "max" || bytes.length >= length) return bytes;
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length, filler)]);
}

function bigEndian(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function textOf(type: DbType, value: Exclude<DbValue, null>): string {
  if (typeof value !== "string") throw mismatch(type, value);
  return value;
}

function bytesOf(type: DbType, value: Exclude<DbValue, null>): Uint8Array {
  if (!(value instanceof Uint8Array)) throw mismatch(type, value);
  return value;
}

function mismatch(type: DbType, value: Exclude<DbValue, null>): TdsProtocolError {
  return new TdsProtocolError(`the database gave ${String(value)} (${typeof value}) for a ${type.kind}`);
}
