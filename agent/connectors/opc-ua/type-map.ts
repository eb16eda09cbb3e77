// From OPC UA's binary types to JSON: nothing rounded, nothing thrown; what cannot be read travels as raw bytes with a reason.
import type { DataType as DataTypeCode, DataValue, Variant } from "node-opcua";
import type { SourceSample } from "#agent/core/source/connector.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { opcua } from "./driver.ts";

const { DataType, LocalizedText, NodeId, QualifiedName, StatusCode, VariantArrayType } = opcua;

/** A larger value is told by its size alone, bytes of JSON. */
export const MAX_VALUE_BYTES = 64 * 1024;

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** One sample of a point; timestamps in ms since the epoch down to the microsecond, null where the server gave none. */
export function sampleOf(point: string, data: DataValue): SourceSample {
  return {
    point,
    value: valueOf(data.value),
    status: data.statusCode.value >>> 0,
    sourceMs: instantOf(data.sourceTimestamp, data.sourcePicoseconds),
    serverMs: instantOf(data.serverTimestamp, data.serverPicoseconds),
  };
}

/** Dates before 1970 are how servers say that they have none (0 is 1601). */
export function instantOf(date: Date | null | undefined, picoseconds: number): number | null {
  const ms = date?.getTime() ?? 0;
  return ms > 0 ? ms + Math.round(picoseconds / 1e6) / 1e3 : null;
}

/** 64-bit integers as decimal text, NaN and infinities as text, byte strings in base64, structures and arrays as JSON. */
export function valueOf(variant: Variant | null | undefined): JsonValue {
  if (variant === null || variant === undefined) return null;
  const { dataType, arrayType, value } = variant as Pick<Variant, "dataType" | "arrayType"> & {
    readonly value: unknown;
  };
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return numberOf(value);
  if (typeof value === "boolean") return value;
  try {
    const json =
      arrayType === VariantArrayType.Scalar
        ? scalarOf(dataType, value)
        : arrayOf(dataType, value, variant.dimensions);
    return withinLimit(json);
  } catch (error) {
    return { raw: null, reason: `value of type ${DataType[dataType]} cannot be read: ${messageOf(error)}` };
  }
}

function withinLimit(json: JsonValue): JsonValue {
  if (typeof json === "string" && json.length < MAX_VALUE_BYTES / 4) return json;
  if (typeof json !== "string" && typeof json !== "object") return json;
  const bytes = Buffer.byteLength(JSON.stringify(json));
  return bytes <= MAX_VALUE_BYTES
    ? json
    : { raw: null, reason: `value of ${bytes} bytes is over ${MAX_VALUE_BYTES}` };
}

function arrayOf(dataType: DataTypeCode, value: unknown, dimensions: readonly number[] | null): JsonValue {
  const flat = Array.from(value as ArrayLike<unknown>, (one) => scalarOf(dataType, one));
  return dimensions === null || dimensions.length < 2 ? flat : nest(flat, dimensions);
}

/** Matrices arrive flat, row by row. */
function nest(flat: readonly JsonValue[], dimensions: readonly number[]): JsonValue {
  const [, ...inner] = dimensions;
  if (inner.length === 0) return flat;
  const size = inner.reduce((product, one) => product * one, 1);
  const rows: JsonValue[] = [];
  if (size === 0) return rows;
  for (let at = 0; at < flat.length; at += size) rows.push(nest(flat.slice(at, at + size), inner));
  return rows;
}

function scalarOf(dataType: DataTypeCode, value: unknown): JsonValue {
  if (dataType === DataType.Int64) return int64Of(value, true);
  if (dataType === DataType.UInt64) return int64Of(value, false);
  return anyOf(value);
}

/** The driver keeps 64-bit integers as `[high, low]`. */
function int64Of(value: unknown, signed: boolean): JsonValue {
  if (!Array.isArray(value)) return String(value);
  const [high, low] = value as [number, number];
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return (signed ? BigInt.asIntN(64, bits) : bits).toString();
}

function numberOf(value: number): JsonValue {
  return Number.isFinite(value) ? value : String(value);
}

function anyOf(value: unknown): JsonValue {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return numberOf(value);
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as ArrayLike<unknown>, anyOf);
  if (value instanceof opcua.Variant) return valueOf(value);
  if (value instanceof opcua.DataValue) return valueOf(value.value);
  if (value instanceof LocalizedText) return value.text ?? null;
  if (value instanceof QualifiedName || value instanceof NodeId) return value.toString();
  if (value instanceof StatusCode) return value.value;
  if (isOpaque(value)) {
    return {
      raw: value.buffer.toString("base64"),
      encoding: value.nodeId.toString(),
      reason: "the server does not describe this structure's type",
    };
  }
  return structureOf(value as Structure);
}

/** The driver's own class for a structure whose type it could not learn; it does not export the class. */
function isOpaque(value: object): value is { readonly buffer: Buffer; readonly nodeId: NodeIdText } {
  return value.constructor.name === "OpaqueStructure" && "buffer" in value && Buffer.isBuffer(value.buffer);
}

interface NodeIdText {
  toString(): string;
}

interface StructureSchema {
  readonly fields: readonly {
    readonly name: string;
    readonly fieldType: string;
    readonly isArray?: boolean;
  }[];
  getBaseSchema?(): StructureSchema | null | undefined;
}
type Structure = Readonly<Record<string, unknown>> & { readonly schema?: StructureSchema };

function structureOf(value: Structure): JsonValue {
  const json: Record<string, JsonValue> = {};
  if (value.schema === undefined) {
    for (const [name, member] of Object.entries(value)) json[name] = anyOf(member);
    return json;
  }
  for (
    let schema: StructureSchema | null | undefined = value.schema;
    schema;
    schema = schema.getBaseSchema?.()
  ) {
    for (const { name, fieldType, isArray } of schema.fields) {
      const member = value[name];
      if (member === undefined || member === null) json[name] = null;
      else if (fieldType === "Int64" || fieldType === "UInt64") {
        const signed = fieldType === "Int64";
        json[name] =
          isArray === true
            ? (member as unknown[]).map((one) => int64Of(one, signed))
            : int64Of(member, signed);
      } else json[name] = anyOf(member);
    }
  }
  return json;
}
