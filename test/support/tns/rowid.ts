// A physical ROWID: eighteen characters of base 64 for object, file, block and row.
import type { MessageWriter } from "./message-writer.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** @throws RangeError for a text that is no ROWID */
export function writeRowid(writer: MessageWriter, text: string): void {
  if (!/^[A-Za-z0-9+/]{18}$/.test(text)) throw new RangeError(`"${text}" is no ROWID of 18 characters`);
  const part = (from: number, to: number): number => {
    let value = 0;
    for (let at = from; at < to; at += 1) value = value * 64 + ALPHABET.indexOf(text.charAt(at));
    return value;
  };
  writer.u8(14).ints(part(0, 6), part(6, 9)).u8(0).ints(part(9, 15), part(15, 18));
}
