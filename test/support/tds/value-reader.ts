// Values of parameters as a client sends them, in the engine's exact form.
import type { DbValue } from "#test/support/sql-engine/session.ts";
import { TdsProtocolError, type ByteReader } from "./byte-reader.ts";
import { decodeText } from "./code-pages.ts";
import { DAY_1900, dateText, inWireOrder, scaled, timeText, zonedText } from "./exact-values.ts";
import { MAX_LENGTH, TYPE, type WireType } from "./type-info.ts";

const PLP_NULL = 0xffff_ffff_ffff_ffffn;
const LOB_NULL = 0xffff_ffff;

export function readValue(reader: ByteReader, wire: WireType): DbValue {
  const { token, type } = wire;
  if (token === TYPE.null) return null;
  if (token === TYPE.text || token === TYPE.ntext || token === TYPE.image) {
    const length = reader.u32();
    return length === LOB_NULL ? null : content(reader.bytes(length), wire);
  }
  if ("length" in type) {
    const bytes = type.length === "max" ? longBytes(reader) : shortBytes(reader);
    return bytes === null ? null : content(bytes, wire);
  }
  const length = reader.u8();
  return length === 0 ? null : scalar(reader, wire, length);
}

function scalar(reader: ByteReader, { type }: WireType, length: number): DbValue {
  switch (type.kind) {
    case "bit":
      return reader.u8() !== 0;
    case "int":
      return integer(reader, length);
    case "float":
      return length === 4 ? reader.f32() : reader.f64();
    case "money":
      return scaled(
        length === 4 ? BigInt(reader.i32()) : (BigInt(reader.i32()) << 32n) + BigInt(reader.u32()),
        4,
      );
    case "decimal": {
      const isNegative = reader.u8() === 0;
      const magnitude = reader.unsigned(length - 1);
      return scaled(isNegative ? -magnitude : magnitude, type.scale);
    }
    case "uniqueidentifier":
      return guidText(reader.bytes(16));
    case "date":
      return dateText(Number(reader.unsigned(3)));
    case "time":
      return timeText(reader.unsigned(length), type.scale);
    case "datetime2": {
      const time = timeText(reader.unsigned(length - 3), type.scale);
      return `${dateText(Number(reader.unsigned(3)))} ${time}`;
    }
    case "datetimeoffset": {
      const ticks = reader.unsigned(length - 5);
      const days = Number(reader.unsigned(3));
      return zonedText({ days, ticks, offsetMinutes: reader.i16() }, type.scale);
    }
    case "datetime":
    case "smalldatetime":
      return oldDateTime(reader, length);
    default:
      throw new TdsProtocolError(`a parameter of the type ${type.kind} cannot be read`);
  }
}

function integer(reader: ByteReader, length: number): number | bigint {
  if (length === 8) return reader.i64();
  if (length === 4) return reader.i32();
  return length === 2 ? reader.i16() : reader.u8();
}

function oldDateTime(reader: ByteReader, length: number): string {
  if (length === 4) return `${dateText(reader.u16() + DAY_1900)} ${timeText(BigInt(reader.u16() * 60), 0)}`;
  const date = dateText(reader.i32() + DAY_1900);
  // To the thousandth that SQL Server shows: .000, .003, .007.
  return `${date} ${timeText((BigInt(reader.u32()) * 10n + 1n) / 3n, 3)}`;
}

function guidText(bytes: Buffer): string {
  const hex = inWireOrder(bytes).toString("hex").toUpperCase();
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function shortBytes(reader: ByteReader): Buffer | null {
  const length = reader.u16();
  return length === MAX_LENGTH ? null : reader.bytes(length);
}

/** PLP: parts until an empty one; the total may be unknown. */
function longBytes(reader: ByteReader): Buffer | null {
  if (reader.u64() === PLP_NULL) return null;
  const parts: Buffer[] = [];
  for (let length = reader.u32(); length > 0; length = reader.u32()) parts.push(reader.bytes(length));
  return Buffer.concat(parts);
}

function content(bytes: Buffer, { type, codePage }: WireType): DbValue {
  switch (type.kind) {
    case "nchar":
    case "nvarchar":
      return bytes.toString("utf16le");
    case "char":
    case "varchar":
      return decodeText(bytes, codePage);
    default:
      return Uint8Array.from(bytes);
  }
}
