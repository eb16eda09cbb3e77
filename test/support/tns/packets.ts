// TNS packets: cuts a byte stream into them, and makes those that a server sends.
import { DATA_OFFSET, MARKER, PACKET, ProtocolError } from "./protocol.ts";

const HEADER_BYTES = 8;
const MAX_PACKET_BYTES = 2_097_152;

export interface Packet {
  readonly type: number;
  readonly bytes: Buffer;
}

/** Since version 3.15 lengths have four bytes, from the packet after the ACCEPT on. */
export class PacketStream {
  hasLargeLengths = false;
  #rest: Buffer = Buffer.alloc(0);

  /** @throws ProtocolError for a length that cannot be */
  *push(chunk: Buffer): Generator<Packet> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEADER_BYTES) {
      const length = this.hasLargeLengths ? this.#rest.readUInt32BE() : this.#rest.readUInt16BE();
      if (length < HEADER_BYTES || length > MAX_PACKET_BYTES)
        throw new ProtocolError(`a packet of ${length} bytes cannot be`);
      if (this.#rest.length < length) return;
      const bytes = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      yield { type: bytes.readUInt8(4), bytes };
    }
  }
}

export interface ConnectRequest {
  /** Undefined where it follows in a packet of its own. */
  readonly descriptor: string | undefined;
  readonly sdu: number;
}

/** @throws ProtocolError */
export function readConnect(bytes: Buffer): ConnectRequest {
  if (bytes.length < 74) throw new ProtocolError(`a CONNECT of ${bytes.length} bytes is too short`);
  const [length, offset] = [bytes.readUInt16BE(24), bytes.readUInt16BE(26)];
  const isHere = bytes.length >= offset + length && length > 0;
  return {
    descriptor: isHere ? bytes.toString("utf8", offset, offset + length) : undefined,
    sdu: bytes.readUInt32BE(58),
  };
}

export interface AcceptOptions {
  /** 315 is Oracle 12.1, 314 is 11.2. */
  readonly version: number;
  readonly sdu: number;
  /** The client has to negotiate encryption and integrity first. */
  readonly wantsNativeServices: boolean;
}

export function acceptPacket({ version, sdu, wantsNativeServices }: AcceptOptions): Buffer {
  const packet = header(PACKET.accept, 41, false);
  packet.writeUInt16BE(version, 8);
  packet.writeUInt16BE(Math.min(sdu, 65_535), 12);
  packet.writeUInt16BE(65_535, 14);
  packet.writeUInt16BE(1, 16);
  packet.writeUInt16BE(41, 20);
  // "wanted and linked" or "no native services"
  packet.fill(wantsNativeServices ? 0x01 : 0x08, 22, 24);
  packet.writeUInt32BE(sdu, 32);
  packet.writeUInt32BE(MAX_PACKET_BYTES, 36);
  return packet;
}

/** What a listener answers: 12514 service unknown, 12505 SID unknown, 12528 blocking, …. */
export function refusePacket(code: number): Buffer {
  const data = Buffer.from(
    `(DESCRIPTION=(TMP=)(VSNNUM=202375680)(ERR=${code})(ERROR_STACK=(ERROR=(CODE=${code})(EMFI=4))))`,
  );
  const packet = header(PACKET.refuse, 12 + data.length, false);
  packet.writeUInt8(4, 8);
  packet.writeUInt16BE(data.length, 10);
  data.copy(packet, 12);
  return packet;
}

export function markerPacket(kind: keyof typeof MARKER): Buffer {
  const packet = header(PACKET.marker, 11, true);
  packet.writeUInt8(1, 8);
  packet.writeUInt8(MARKER[kind], 10);
  return packet;
}

/** A message cut to data packets of at most `sdu` bytes each. */
export function dataPackets(message: Buffer, sdu: number): Buffer {
  const room = sdu - DATA_OFFSET;
  const count = Math.max(1, Math.ceil(message.length / room));
  const packets = Buffer.allocUnsafe(message.length + count * DATA_OFFSET);
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const part = message.subarray(index * room, (index + 1) * room);
    header(PACKET.data, part.length + DATA_OFFSET, true).copy(packets, at);
    packets.writeUInt16BE(0, at + HEADER_BYTES);
    part.copy(packets, at + DATA_OFFSET);
    at += part.length + DATA_OFFSET;
  }
  return packets;
}

function header(type: number, length: number, hasLargeLength: boolean): Buffer {
  const packet = Buffer.alloc(length);
  if (hasLargeLength) packet.writeUInt32BE(length, 0);
  else packet.writeUInt16BE(length, 0);
  packet.writeUInt8(type, 4);
  return packet;
}
