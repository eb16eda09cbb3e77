// Reads the bytes of TDS structures that a client sent; says where one ends too early.

/** What a client sent is not TDS as this server knows it. The connection ends with it. */
export class TdsProtocolError extends Error {
  override readonly name = "TdsProtocolError";
}

export class ByteReader {
  readonly #buffer: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#buffer.length - this.#offset;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#step(1));
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#step(2));
  }

  i16(): number {
    return this.#buffer.readInt16LE(this.#step(2));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#step(4));
  }

  i32(): number {
    return this.#buffer.readInt32LE(this.#step(4));
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64LE(this.#step(8));
  }

  i64(): bigint {
    return this.#buffer.readBigInt64LE(this.#step(8));
  }

  f32(): number {
    return this.#buffer.readFloatLE(this.#step(4));
  }

  f64(): number {
    return this.#buffer.readDoubleLE(this.#step(8));
  }

  unsigned(size: number): bigint {
    const start = this.#step(size);
    let value = 0n;
    for (let index = size - 1; index >= 0; index -= 1)
      value = (value << 8n) | BigInt(this.#buffer[start + index] ?? 0);
    return value;
  }

  bytes(count: number): Buffer {
    const start = this.#step(count);
    return this.#buffer.subarray(start, start + count);
  }

  ucs2(characters: number): string {
    return this.bytes(characters * 2).toString("utf16le");
  }

  bVarchar(): string {
    return this.ucs2(this.u8());
  }

  usVarchar(): string {
    return this.ucs2(this.u16());
  }

  #step(count: number): number {
    if (count > this.left)
      throw new TdsProtocolError(
        `a request ends ${count - this.left} bytes too early, at byte ${this.#offset}`,
      );
    const start = this.#offset;
    this.#offset += count;
    return start;
  }
}
