// TYPE_INFO: how a type is described in front of its values, in columns, output parameters and requests.
import type { DbType } from "#test/support/sql-engine/session.ts";
import { TdsProtocolError, type ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { codePageOf, collationOf } from "./collations.ts";
import { decimalBytes } from "./exact-values.ts";

/** Type tokens. Those ending in `N` may be null and say their length before each value. */
export const TYPE = {
  null: 0x1f,
  image: 0x22,
  text: 0x23,
  guid: 0x24,
  intN: 0x26,
  date: 0x28,
  time: 0x29,
  datetime2: 0x2a,
  datetimeoffset: 0x2b,
  int1: 0x30,
  bit: 0x32,
  int2: 0x34,
  int4: 0x38,
  smalldatetime: 0x3a,
  float4: 0x3b,
  money8: 0x3c,
  datetime: 0x3d,
  float8: 0x3e,
  variant: 0x62,
  ntext: 0x63,
  bitN: 0x68,
  decimalN: 0x6a,
  numericN: 0x6c,
  floatN: 0x6d,
  moneyN: 0x6e,
  datetimeN: 0x6f,
  money4: 0x7a,
  int8: 0x7f,
  varbinary: 0xa5,
  varchar: 0xa7,
  binary: 0xad,
  char: 0xaf,
  nvarchar: 0xe7,
  nchar: 0xef,
  xml: 0xf1,
  table: 0xf3,
} as const;

/** In place of a length: the value comes in parts (PLP). */
export const MAX_LENGTH = 0xffff;
const MAX_LOB_BYTES = 0x7fff_ffff;
const VARIANT_BYTES = 8016;
/** The user type by which clients tell rowversion from binary(8). */
export const ROWVERSION_USER_TYPE = 0x50;

/** A column that cannot be null is sent as the type of fixed size where there is one, as SQL Server does. */
export function writeTypeInfo(writer: ByteWriter, type: DbType, isNullable: boolean): void {
  const fixed = isNullable ? undefined : fixedToken(type);
  if (fixed !== undefined) {
    writer.u8(fixed);
    return;
  }
  switch (type.kind) {
    case "bit":
      writer.u8(TYPE.bitN).u8(1);
      return;
    case "int":
      writer.u8(TYPE.intN).u8(type.bits / 8);
      return;
    case "float":
      writer.u8(TYPE.floatN).u8(type.bits / 8);
      return;
    case "money":
      writer.u8(TYPE.moneyN).u8(type.bits / 8);
      return;
    case "datetime":
    case "smalldatetime":
      writer.u8(TYPE.datetimeN).u8(type.kind === "datetime" ? 8 : 4);
      return;
    case "decimal":
      writer
        .u8(TYPE.decimalN)
        .u8(decimalBytes(type.precision) + 1)
        .u8(type.precision)
        .u8(type.scale);
      return;
    case "uniqueidentifier":
      writer.u8(TYPE.guid).u8(16);
      return;
    case "date":
      writer.u8(TYPE.date);
      return;
    case "time":
    case "datetime2":
    case "datetimeoffset":
      writer.u8(TYPE[type.kind]).u8(type.scale);
      return;
    case "char":
    case "varchar":
      writer.u8(TYPE[type.kind]).u16(byteLength(type.length, 1)).bytes(collationOf(type.collation).bytes);
      return;
    case "nchar":
    case "nvarchar":
      writer.u8(TYPE[type.kind]).u16(byteLength(type.length, 2)).bytes(collationOf(type.collation).bytes);
      return;
    case "binary":
    case "varbinary":
      writer.u8(TYPE[type.kind]).u16(byteLength(type.length, 1));
      return;
    case "rowversion":
      writer.u8(TYPE.binary).u16(8);
      return;
    case "xml":
      writer.u8(TYPE.xml).u8(0);
      return;
    case "sql_variant":
      writer.u8(TYPE.variant).u32(VARIANT_BYTES);
      return;
    // SQL Server's text, ntext and image: deprecated, still in the tables of older products.
    case "clob":
    case "nclob":
      writer
        .u8(type.kind === "clob" ? TYPE.text : TYPE.ntext)
        .u32(MAX_LOB_BYTES)
        .bytes(collationOf().bytes);
      return;
    case "blob":
      writer.u8(TYPE.image).u32(MAX_LOB_BYTES);
      return;
    default:
      throw new TdsProtocolError(`SQL Server has no type ${type.kind}`);
  }
}

/** text, ntext and image name their table behind the type. */
export function hasTableName(type: DbType): boolean {
  return type.kind === "clob" || type.kind === "nclob" || type.kind === "blob";
}

export function isFixed(type: DbType, isNullable: boolean): boolean {
  return !isNullable && fixedToken(type) !== undefined;
}

export function fixedToken(type: DbType): number | undefined {
  switch (type.kind) {
    case "bit":
      return TYPE.bit;
    case "int":
      return { 8: TYPE.int1, 16: TYPE.int2, 32: TYPE.int4, 64: TYPE.int8 }[type.bits];
    case "float":
      return { 32: TYPE.float4, 64: TYPE.float8 }[type.bits];
    case "money":
      return { 32: TYPE.money4, 64: TYPE.money8 }[type.bits];
    case "datetime":
      return TYPE.datetime;
    case "smalldatetime":
      return TYPE.smalldatetime;
    default:
      return undefined;
  }
}

function byteLength(length: number | "max", bytesEach: number): number {
  return length === "max" ? MAX_LENGTH : length * bytesEach;
}

/** A type as a request describes it, with what its values need to be read. */
export interface WireType {
  readonly token: number;
  readonly type: DbType;
  /** Of character types. */
  readonly codePage: number;
}

/** @throws TdsProtocolError for a type that this server does not take */
export function readTypeInfo(reader: ByteReader): WireType {
  const token = reader.u8();
  const plain = (type: DbType): WireType => ({ token, type, codePage: 0 });
  switch (token) {
    case TYPE.null:
      return plain({ kind: "nvarchar", length: 1 });
    case TYPE.bitN:
      reader.u8();
      return plain({ kind: "bit" });
    case TYPE.intN:
      return plain({ kind: "int", bits: bitsOf(reader.u8(), [8, 16, 32, 64]) });
    case TYPE.floatN:
      return plain({ kind: "float", bits: bitsOf(reader.u8(), [32, 64]) });
    case TYPE.moneyN:
      return plain({ kind: "money", bits: bitsOf(reader.u8(), [32, 64]) });
    case TYPE.datetimeN:
      return plain({ kind: reader.u8() === 4 ? "smalldatetime" : "datetime" });
    case TYPE.decimalN:
    case TYPE.numericN:
      reader.u8();
      return plain({ kind: "decimal", precision: reader.u8(), scale: reader.u8() });
    case TYPE.guid:
      reader.u8();
      return plain({ kind: "uniqueidentifier" });
    case TYPE.date:
      return plain({ kind: "date" });
    case TYPE.time:
      return plain({ kind: "time", scale: reader.u8() });
    case TYPE.datetime2:
      return plain({ kind: "datetime2", scale: reader.u8() });
    case TYPE.datetimeoffset:
      return plain({ kind: "datetimeoffset", scale: reader.u8() });
    case TYPE.varchar:
    case TYPE.char:
    case TYPE.nvarchar:
    case TYPE.nchar:
      return characterType(reader, token);
    case TYPE.varbinary:
    case TYPE.binary: {
      const length = lengthOf(reader.u16(), 1);
      return plain({ kind: token === TYPE.binary ? "binary" : "varbinary", length });
    }
    case TYPE.text:
    case TYPE.ntext:
      reader.u32();
      return {
        token,
        type: { kind: token === TYPE.text ? "varchar" : "nvarchar", length: "max" },
        codePage: codePageOf(reader.bytes(5)),
      };
    case TYPE.image:
      reader.u32();
      return plain({ kind: "varbinary", length: "max" });
    default:
      throw new TdsProtocolError(`parameters of the type 0x${token.toString(16)} are not taken here`);
  }
}

function characterType(reader: ByteReader, token: number): WireType {
  const kinds = { [TYPE.varchar]: "varchar", [TYPE.char]: "char", [TYPE.nchar]: "nchar" } as const;
  const kind = (kinds as Record<number, "varchar" | "char" | "nchar">)[token] ?? "nvarchar";
  const length = lengthOf(reader.u16(), kind.startsWith("n") ? 2 : 1);
  const collation = reader.bytes(5);
  const isUnicode = kind === "nchar" || kind === "nvarchar";
  return { token, type: { kind, length }, codePage: isUnicode ? 0 : codePageOf(collation) };
}

function lengthOf(bytes: number, bytesEach: number): number | "max" {
  return bytes === MAX_LENGTH ? "max" : bytes / bytesEach;
}

function bitsOf<Bits extends number>(bytes: number, allowed: readonly Bits[]): Bits {
  const bits = allowed.find((candidate) => candidate === bytes * 8);
  if (bits === undefined) throw new TdsProtocolError(`a number of ${bytes} bytes is not known here`);
  return bits;
}
