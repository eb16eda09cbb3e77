// From exact values to the driver's variants, in the node's own type.
import type { Variant } from "node-opcua";
import { opcua } from "./driver.ts";
import type { Scalar, ValueType } from "./value-types.ts";

const { DataType, VariantArrayType } = opcua;

/** `value` as `decodeValue` gives it for this type. */
export function variantOf(type: ValueType, value: Scalar | readonly Scalar[]): Variant {
  const isArray = typeof value === "object";
  return new opcua.Variant({
    dataType: DataType[type],
    arrayType: isArray ? VariantArrayType.Array : VariantArrayType.Scalar,
    value: isArray ? value.map((one) => driverValue(type, one)) : driverValue(type, value),
  });
}

function driverValue(type: ValueType, value: Scalar): unknown {
  switch (type) {
    case "Int64":
    case "UInt64": {
      // The driver keeps 64-bit integers as `[high, low]`.
      const bits = BigInt.asUintN(64, BigInt(value));
      return [Number(bits >> 32n), Number(bits & 0xffffffffn)];
    }
    case "DateTime":
      return new Date(String(value));
    case "ByteString":
      return Buffer.from(String(value), "base64");
    case "LocalizedText":
      return new opcua.LocalizedText({ text: String(value) });
    default:
      return value;
  }
}
