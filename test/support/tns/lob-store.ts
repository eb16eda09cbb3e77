// Large objects of one session: what locators point to, and what can be done with them.
export interface Lob {
  readonly locator: Buffer;
  data: string | Uint8Array;
  /** Of the character set; none for bytes. */
  readonly form: number;
  /** Bytes, or UTF-16 units of text. */
  readonly length: number;
}

const LOCATOR_BYTES = 40;
/** In the seventh byte: text of this locator travels as UTF-16. */
const FLAG_UTF16 = 0x80;
/** In the eighth byte. */
const FLAG_TEMPORARY = 0x01;
/** Locators of a session that are kept; more means that nobody frees them, and the oldest go. */
const MAX_LOBS = 200_000;

export class LobStore {
  readonly chunkSize = 8_132;
  readonly #lobs = new Map<number, Lob>();
  #nextId = 1;

  get size(): number {
    return this.#lobs.size;
  }

  add(data: string | Uint8Array, form: number, isTemporary = false): Lob {
    const id = this.#nextId++;
    const locator = Buffer.alloc(LOCATOR_BYTES);
    locator.writeUInt16BE(LOCATOR_BYTES - 2, 0);
    locator.writeUInt16BE(4, 2);
    if (typeof data === "string") locator.writeUInt8(FLAG_UTF16, 6);
    if (isTemporary) locator.writeUInt8(FLAG_TEMPORARY, 7);
    locator.writeUInt32BE(id, 16);
    const lob: Lob = {
      locator,
      data,
      form,
      get length() {
        return this.data.length;
      },
    };
    this.#lobs.set(id, lob);
    if (this.#lobs.size > MAX_LOBS) this.#lobs.delete(this.#lobs.keys().next().value ?? 0);
    return lob;
  }

  find(locator: Buffer): Lob | undefined {
    return locator.length < LOCATOR_BYTES ? undefined : this.#lobs.get(locator.readUInt32BE(16));
  }

  free(locator: Buffer): void {
    if (locator.length >= LOCATOR_BYTES) this.#lobs.delete(locator.readUInt32BE(16));
  }
}

/** From a position that counts from 1. */
export function sliceOf(lob: Lob, offset: number, amount: number): string | Uint8Array {
  const from = Math.max(0, offset - 1);
  return lob.data.slice(from, from + amount);
}

/** What lies beyond stays; a hole is filled with blanks or zeros. */
export function writeAt(lob: Lob, offset: number, bytes: Buffer): void {
  const from = Math.max(0, offset - 1);
  if (typeof lob.data === "string") {
    const text = decodeLobText(bytes);
    lob.data = lob.data.slice(0, from).padEnd(from, " ") + text + lob.data.slice(from + text.length);
  } else {
    const grown = Buffer.alloc(Math.max(lob.data.length, from + bytes.length));
    grown.set(lob.data);
    grown.set(bytes, from);
    lob.data = grown;
  }
}

/** Locators of text say UTF-16, so both sides write it, big end first. */
export function decodeLobText(bytes: Buffer): string {
  return Buffer.from(bytes).swap16().toString("utf16le");
}

/** The bytes of a part as they travel. */
export function lobBytes(part: string | Uint8Array): Uint8Array {
  return typeof part === "string" ? Buffer.from(part, "utf16le").swap16() : part;
}
