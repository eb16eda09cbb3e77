// Writes a TTC message: counted integers, short and chunked byte strings.
import { LONG_LENGTH, MAX_SHORT_LENGTH } from "./protocol.ts";

const CHUNK_BYTES = 32_767;

export class MessageWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(initialBytes = 1_024) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What has been written; the writer must not be used afterwards. */
  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value & 0xff;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#length = this.#bytes.writeUInt16BE(value, this.#length);
    return this;
  }

  u16le(value: number): this {
    this.#reserve(2);
    this.#length = this.#bytes.writeUInt16LE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
    return this;
  }

  /** A counted integer: its number of bytes, then these, big end first; a set high bit of the count is a minus. */
  int(value: number): this {
    const magnitude = Math.abs(value);
    let bytes = 0;
    for (let left = magnitude; left > 0; left = Math.floor(left / 256)) bytes += 1;
    this.#reserve(bytes + 1);
    this.#bytes[this.#length++] = value < 0 ? bytes | 0x80 : bytes;
    if (bytes > 0) this.#length = this.#bytes.writeUIntBE(magnitude, this.#length, bytes);
    return this;
  }

  /** Several counted integers. */
  ints(...values: readonly number[]): this {
    for (const value of values) this.int(value);
    return this;
  }

  zeros(count: number): this {
    this.#reserve(count);
    this.#bytes.fill(0, this.#length, this.#length + count);
    this.#length += count;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Bytes with their length; an empty string and null look the same. */
  bytes(bytes: Uint8Array): this {
    if (bytes.length <= MAX_SHORT_LENGTH) return this.u8(bytes.length).raw(bytes);
    this.u8(LONG_LENGTH);
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      this.int(chunk.length).raw(chunk);
    }
    return this.int(0);
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value));
  }

  /** The length as a counted integer, then the bytes with their length; nothing but a zero if there are none. */
  countedText(value: string): this {
    const bytes = Buffer.from(value);
    this.int(bytes.length);
    return bytes.length === 0 ? this : this.bytes(bytes);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
