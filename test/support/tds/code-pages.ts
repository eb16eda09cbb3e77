// Windows code pages both ways: decoding is the platform's, encoding is that table turned round.
import { TextDecoder } from "node:util";

const LABELS: Readonly<Record<number, string>> = {
  874: "windows-874",
  932: "shift_jis",
  936: "gbk",
  949: "euc-kr",
  950: "big5",
  1250: "windows-1250",
  1251: "windows-1251",
  1252: "windows-1252",
  1253: "windows-1253",
  1254: "windows-1254",
  1255: "windows-1255",
  1256: "windows-1256",
  1257: "windows-1257",
  1258: "windows-1258",
};
/** The upper half of pages that the platform does not decode: DOS, still the page of old installations. */
const UPPER_HALVES: Readonly<Record<number, string>> = {
  437:
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀" +
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0",
  850:
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀" +
    "ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0",
};
const DOUBLE_BYTE: ReadonlySet<number> = new Set([932, 936, 949, 950]);
const UTF8 = 65_001;
const UNKNOWN = Buffer.from("?");

const tables = new Map<number, ReadonlyMap<string, Uint8Array>>();

/** What the page does not have becomes a question mark, as SQL Server does it. @throws RangeError for a page that is not known */
export function encodeText(text: string, codePage: number): Buffer {
  if (codePage === UTF8) return Buffer.from(text, "utf8");
  if (isAscii(text)) return Buffer.from(text, "latin1");
  const table = tableOf(codePage);
  // No page takes more than two bytes for what is one or two units in UTF-16.
  const encoded = Buffer.allocUnsafe(text.length * 2);
  let length = 0;
  for (const character of text)
    for (const byte of table.get(character) ?? UNKNOWN) {
      encoded[length] = byte;
      length += 1;
    }
  return encoded.subarray(0, length);
}

/** @throws RangeError for a page that is not known */
export function decodeText(bytes: Uint8Array, codePage: number): string {
  const upper = UPPER_HALVES[codePage];
  if (upper !== undefined)
    return Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : upper[byte - 0x80])).join(
      "",
    );
  return decoderOf(codePage).decode(bytes);
}

function decoderOf(codePage: number): TextDecoder {
  if (codePage === UTF8) return new TextDecoder("utf-8", { ignoreBOM: true });
  const label = LABELS[codePage];
  if (label === undefined) throw new RangeError(`code page ${codePage} is not known here`);
  return new TextDecoder(label);
}

function tableOf(codePage: number): ReadonlyMap<string, Uint8Array> {
  const known = tables.get(codePage);
  if (known !== undefined) return known;
  const table = new Map<string, Uint8Array>();
  const add = (...bytes: readonly number[]): void => {
    const character = decodeText(Uint8Array.from(bytes), codePage);
    const isOne = Array.from(character).length === 1 && character !== "\ufffd";
    if (isOne && !table.has(character)) table.set(character, Uint8Array.from(bytes));
  };
  for (let byte = 0; byte < 0x100; byte += 1) add(byte);
  if (DOUBLE_BYTE.has(codePage))
    for (let lead = 0x81; lead < 0xff; lead += 1)
      for (let trail = 0x40; trail < 0xff; trail += 1) add(lead, trail);
  tables.set(codePage, table);
  return table;
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}
