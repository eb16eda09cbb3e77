// OPC UA values and units as the unified model has them.
import { DataType, DataValue, StatusCodes, Variant, VariantArrayType } from "node-opcua";
import { describe, expect, it } from "vitest";
import { unitCodeOf } from "#agent/connectors/opc-ua/engineering-units.ts";
import { MAX_VALUE_BYTES, sampleOf, valueOf } from "#agent/connectors/opc-ua/type-map.ts";

describe("values", () => {
  it("of unknown structures travel raw, with the reason", () => {
    class OpaqueStructure {
      readonly buffer = Buffer.from("0102", "hex");
      readonly nodeId = { toString: () => "ns=3;i=77" };
    }
    const variant = new Variant();
    variant.dataType = DataType.ExtensionObject;
    variant.value = new OpaqueStructure();
    expect(valueOf(variant)).toEqual({
      raw: "AQI=",
      encoding: "ns=3;i=77",
      reason: expect.any(String) as string,
    });
  });

  it("that throw while being read become a reason", () => {
    const variant = new Variant();
    variant.dataType = DataType.ExtensionObject;
    variant.value = {
      get broken(): never {
        throw new Error("boom");
      },
    };
    expect(valueOf(variant)).toMatchObject({ raw: null, reason: expect.stringContaining("boom") as string });
  });

  it("that are too large are told by their size", () => {
    const value = Buffer.alloc(MAX_VALUE_BYTES);
    expect(valueOf(new Variant({ dataType: DataType.ByteString, value }))).toMatchObject({ raw: null });
    const fits = "x".repeat(MAX_VALUE_BYTES - 2);
    expect(valueOf(new Variant({ dataType: DataType.String, value: fits }))).toBe(fits);
  });

  it("keep 64-bit integers inside structures and arrays exact", () => {
    const variant = new Variant({
      dataType: DataType.Int64,
      arrayType: VariantArrayType.Array,
      value: [[0xffffffff, 0xfffffffe]],
    });
    expect(valueOf(variant)).toEqual(["-2"]);
  });

  it("have no timestamp where the server gave none, and parts of a millisecond where it did", () => {
    const bare = new DataValue({ value: new Variant(), statusCode: StatusCodes.BadNoCommunication });
    expect(sampleOf("p", bare)).toEqual({
      point: "p",
      value: null,
      status: StatusCodes.BadNoCommunication.value,
      sourceMs: null,
      serverMs: null,
    });
    const fine = new DataValue({ sourceTimestamp: new Date(1_000), sourcePicoseconds: 0 });
    fine.sourcePicoseconds = 123_456_000;
    expect(sampleOf("p", fine).sourceMs).toBe(1_000.123);
  });
});

describe("engineering units", () => {
  it("are UN/CEFACT codes in their own namespace only", () => {
    expect(unitCodeOf("http://www.opcfoundation.org/UA/units/un/cefact", 4_408_652)).toBe("CEL");
    expect(unitCodeOf("http://www.opcfoundation.org/UA/units/un/cefact", 12_878)).toBe("2N");
    expect(unitCodeOf("urn:vendor", 4_408_652)).toBeNull();
    expect(unitCodeOf("http://www.opcfoundation.org/UA/units/un/cefact", -1)).toBeNull();
  });
});
