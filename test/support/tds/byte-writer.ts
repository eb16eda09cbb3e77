// Collects the bytes of TDS structures: little-endian numbers, and UTF-16 text behind its several kinds of length.

const FIRST_BYTES = 4096;

export class ByteWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#room(1);
    this.#length = this.#buffer.writeUInt8(value, this.#length);
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.#length = this.#buffer.writeUInt16LE(value, this.#length);
    return this;
  }

  i16(value: number): this {
    this.#room(2);
    this.#length = this.#buffer.writeInt16LE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
    return this;
  }

  /** Most significant byte first: the version in LOGINACK is written so. */
  u32BigEndian(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
    return this;
  }

  i32(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeInt32LE(value, this.#length);
    return this;
  }

  u64(value: bigint): this {
    this.#room(8);
    this.#length = this.#buffer.writeBigUInt64LE(value, this.#length);
    return this;
  }

  i64(value: bigint): this {
    this.#room(8);
    this.#length = this.#buffer.writeBigInt64LE(value, this.#length);
    return this;
  }

  f32(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeFloatLE(value, this.#length);
    return this;
  }

  f64(value: number): this {
    this.#room(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
    return this;
  }

  /** The lowest `size` bytes of a number that is not negative. */
  unsigned(value: bigint, size: number): this {
    this.#room(size);
    for (let left = value, index = 0; index < size; index += 1, left >>= 8n)
      this.#buffer[this.#length + index] = Number(left & 0xffn);
    this.#length += size;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  ucs2(text: string): this {
    this.#room(text.length * 2);
    this.#length += this.#buffer.write(text, this.#length, "utf16le");
    return this;
  }

  /** Length in characters in one byte. */
  bVarchar(text: string): this {
    return this.u8(text.length).ucs2(text);
  }

  /** Length in characters in two bytes. */
  usVarchar(text: string): this {
    return this.u16(text.length).ucs2(text);
  }

  /** What `write` adds, behind its length in bytes as 16 bits. */
  sized(write: (writer: this) => void): this {
    this.u16(0);
    const start = this.#length;
    write(this);
    this.#buffer.writeUInt16LE(this.#length - start, start - 2);
    return this;
  }

  /** Removes and returns the first bytes; all without a count. */
  take(count = this.#length): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, count));
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
    return taken;
  }

  /** Forgets all bytes behind the first `length`. */
  cut(length: number): void {
    this.#length = Math.min(length, this.#length);
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
