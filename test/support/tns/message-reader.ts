// Reads a TTC message that has come completely: counted integers, short and chunked byte strings.
import { LONG_LENGTH, NULL_LENGTH, ProtocolError } from "./protocol.ts";

/** Every method throws a ProtocolError where the message ends too early or a length makes no sense. */
export class MessageReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get position(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    return this.raw(1).readUInt8();
  }

  u16(): number {
    return this.raw(2).readUInt16BE();
  }

  skip(count: number): void {
    this.raw(count);
  }

  /** A counted integer of at most six bytes. */
  int(): number {
    const count = this.u8();
    const bytes = count & 0x7f;
    if (bytes === 0) return 0;
    // The client writes numbers above 32 bits in eight bytes, though JavaScript keeps only 53 bits.
    if (bytes > 8) throw new ProtocolError(`an integer of ${bytes} bytes at ${this.#at} is too long`);
    const magnitude = Number(BigInt(`0x${this.raw(bytes).toString("hex")}`));
    return (count & 0x80) === 0 ? magnitude : -magnitude;
  }

  skipInts(count: number): void {
    for (let index = 0; index < count; index += 1) this.int();
  }

  raw(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length)
      throw new ProtocolError(
        `the message ends at ${this.#bytes.length}, but ${count} bytes were expected at ${this.#at}`,
      );
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** Bytes with their length; undefined for null, which an empty string is too. */
  bytes(): Buffer | undefined {
    const length = this.u8();
    if (length === 0 || length === NULL_LENGTH) return undefined;
    if (length !== LONG_LENGTH) return this.raw(length);
    const chunks: Buffer[] = [];
    for (let size = this.int(); size !== 0; size = this.int()) chunks.push(this.raw(size));
    return Buffer.concat(chunks);
  }

  text(): string {
    return this.bytes()?.toString() ?? "";
  }

  /** A counted length, and the text if it is not zero. */
  countedText(): string {
    return this.int() === 0 ? "" : this.text();
  }
}
