// Frames of TDS: packets of 8 bytes of header and a payload, and the messages that they make up.
import { TdsProtocolError } from "./byte-reader.ts";

export const PACKET = {
  batch: 0x01,
  call: 0x03,
  answer: 0x04,
  attention: 0x06,
  transaction: 0x0e,
  login: 0x10,
  sspi: 0x11,
  prelogin: 0x12,
} as const;

export const STATUS = { end: 0x01, ignore: 0x02, resetConnection: 0x08, resetKeepTransaction: 0x10 } as const;

export const HEADER_BYTES = 8;
/** A message from a client; packets beyond it end the connection. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export interface Message {
  readonly type: number;
  /** Of all its packets, together. */
  readonly status: number;
  readonly payload: Buffer;
}

/** Puts messages together from bytes as they come: packets may be split or joined anywhere. */
export class PacketReader {
  #pending: Buffer = Buffer.alloc(0);
  #payloads: Buffer[] = [];
  #messageBytes = 0;
  #status = 0;

  get isEmpty(): boolean {
    return this.#pending.length === 0 && this.#payloads.length === 0;
  }

  /** @throws TdsProtocolError at a header with an impossible length */
  push(chunk: Uint8Array): readonly Message[] {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const messages: Message[] = [];
    while (this.#pending.length >= HEADER_BYTES) {
      const length = this.#pending.readUInt16BE(2);
      if (length < HEADER_BYTES) throw new TdsProtocolError(`a packet says that it has ${length} bytes`);
      if (this.#pending.length < length) break;
      const message = this.#packet(this.#pending.subarray(0, length));
      if (message !== undefined) messages.push(message);
      this.#pending = this.#pending.subarray(length);
    }
    return messages;
  }

  #packet(packet: Buffer): Message | undefined {
    const [type = 0, status = 0] = packet;
    this.#payloads.push(packet.subarray(HEADER_BYTES));
    this.#messageBytes += packet.length;
    this.#status |= status;
    if (this.#messageBytes > MAX_MESSAGE_BYTES)
      throw new TdsProtocolError(`a message has more than ${MAX_MESSAGE_BYTES} bytes`);
    if ((status & STATUS.end) === 0) return undefined;
    const message = { type, status: this.#status, payload: Buffer.concat(this.#payloads) };
    this.#payloads = [];
    this.#messageBytes = 0;
    this.#status = 0;
    return message;
  }
}

export interface Framing {
  /** Of a packet, header included. */
  readonly packetBytes: number;
  readonly spid?: number;
  /** Packets of the message so far; their number is one byte and wraps. */
  readonly packetsBefore?: number;
  /** False: more of the message follows. */
  readonly isEnd?: boolean;
}

/** A message, or a part of one, in full packets and a last one of what is left; at least one. */
export function packetsOf(type: number, payload: Uint8Array, framing: Framing): Buffer {
  const { packetBytes, spid = 0, packetsBefore = 0, isEnd = true } = framing;
  const room = packetBytes - HEADER_BYTES;
  const count = Math.max(1, Math.ceil(payload.length / room));
  const bytes = Buffer.allocUnsafe(payload.length + count * HEADER_BYTES);
  for (let index = 0, at = 0; index < count; index += 1) {
    const part = payload.subarray(index * room, (index + 1) * room);
    bytes.writeUInt8(type, at);
    bytes.writeUInt8(isEnd && index === count - 1 ? STATUS.end : 0, at + 1);
    bytes.writeUInt16BE(HEADER_BYTES + part.length, at + 2);
    bytes.writeUInt16BE(spid, at + 4);
    bytes.writeUInt8((packetsBefore + index + 1) % 256, at + 6);
    bytes.writeUInt8(0, at + 7);
    bytes.set(part, at + HEADER_BYTES);
    at += HEADER_BYTES + part.length;
  }
  return bytes;
}
