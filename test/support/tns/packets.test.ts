// Packets keep to the agreed size and come whole out of a stream that is cut anywhere.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dataPackets, PacketStream } from "./packets.ts";
import { DATA_OFFSET, ProtocolError } from "./protocol.ts";

function streamOfLarge(): PacketStream {
  const stream = new PacketStream();
  stream.hasLargeLengths = true;
  return stream;
}

describe("data packets", () => {
  it("are never larger than agreed, and carry every byte", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3_000 }),
        fc.integer({ min: 11, max: 600 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 50 }),
        (bytes, sdu, cuts) => {
          const sent = dataPackets(Buffer.from(bytes), sdu);
          const stream = streamOfLarge();
          const parts: Buffer[] = [];
          let at = 0;
          for (const length of [...cuts, sent.length]) {
            for (const packet of stream.push(sent.subarray(at, at + length))) {
              expect(packet.bytes.length).toBeLessThanOrEqual(sdu);
              parts.push(packet.bytes.subarray(DATA_OFFSET));
            }
            at = Math.min(sent.length, at + length);
          }
          expect(Buffer.concat(parts)).toEqual(Buffer.from(bytes));
        },
      ),
    );
  });

  it("of impossible lengths are refused", () => {
    for (const head of ["00000007", "7fffffff"])
      expect(() => [...streamOfLarge().push(Buffer.from(`${head}06000000`, "hex"))]).toThrow(ProtocolError);
  });
});
