// SQL Server's collations on the wire: five bytes that say language, comparison and code page.
import { TdsProtocolError } from "./byte-reader.ts";

export const DEFAULT_COLLATION = "SQL_Latin1_General_CP1_CI_AS";

const UTF8_PAGE = 65_001;
const FLAG = {
  ignoreCase: 1,
  ignoreAccent: 2,
  ignoreKana: 4,
  ignoreWidth: 8,
  binary: 16,
  binary2: 32,
  utf8: 64,
};

/** Windows collations by the beginning of their name: language id and code page. */
const LANGUAGES: Readonly<Record<string, readonly [languageId: number, codePage: number]>> = {
  Latin1_General: [0x0409, 1252],
  German_PhoneBook: [0x0407, 1252],
  French: [0x040c, 1252],
  Finnish_Swedish: [0x040b, 1252],
  Danish_Norwegian: [0x0406, 1252],
  Modern_Spanish: [0x0c0a, 1252],
  Traditional_Spanish: [0x040a, 1252],
  Icelandic: [0x040f, 1252],
  Norwegian: [0x0414, 1252],
  Polish: [0x0415, 1250],
  Czech: [0x0405, 1250],
  Hungarian: [0x040e, 1250],
  Romanian: [0x0418, 1250],
  Croatian: [0x041a, 1250],
  Slovak: [0x041b, 1250],
  Slovenian: [0x0424, 1250],
  Albanian: [0x041c, 1250],
  Cyrillic_General: [0x0419, 1251],
  Macedonian_FYROM: [0x042f, 1251],
  Ukrainian: [0x0422, 1251],
  Greek: [0x0408, 1253],
  Turkish: [0x041f, 1254],
  Hebrew: [0x040d, 1255],
  Arabic: [0x0401, 1256],
  Estonian: [0x0425, 1257],
  Latvian: [0x0426, 1257],
  Lithuanian: [0x0427, 1257],
  Vietnamese: [0x042a, 1258],
  Thai: [0x041e, 874],
  Japanese: [0x0411, 932],
  Chinese_PRC: [0x0804, 936],
  Chinese_Simplified: [0x0804, 936],
  Korean_Wansung: [0x0412, 949],
  Chinese_Taiwan_Stroke: [0x0404, 950],
};

/** SQL collations by their whole name: sort id and code page. */
const SORT_ORDERS: Readonly<Record<string, readonly [sortId: number, codePage: number]>> = {
  SQL_Latin1_General_CP437_CS_AS: [31, 437],
  SQL_Latin1_General_CP437_CI_AS: [32, 437],
  SQL_Latin1_General_CP850_BIN2: [40, 850],
  SQL_Latin1_General_CP850_CS_AS: [41, 850],
  SQL_Latin1_General_CP850_CI_AS: [42, 850],
  SQL_Latin1_General_CP1_CS_AS: [51, 1252],
  SQL_Latin1_General_CP1_CI_AS: [52, 1252],
  SQL_Latin1_General_CP1_CI_AI: [54, 1252],
  SQL_Latin1_General_CP1250_CS_AS: [81, 1250],
  SQL_Latin1_General_CP1250_CI_AS: [82, 1250],
  SQL_Latin1_General_CP1251_CS_AS: [105, 1251],
  SQL_Latin1_General_CP1251_CI_AS: [106, 1251],
  SQL_Latin1_General_CP1253_CI_AS: [114, 1253],
  SQL_Latin1_General_CP1254_CI_AS: [130, 1254],
  SQL_Latin1_General_CP1255_CI_AS: [138, 1255],
  SQL_Latin1_General_CP1256_CI_AS: [146, 1256],
  SQL_Latin1_General_CP1257_CI_AS: [154, 1257],
};

export interface Collation {
  readonly bytes: Buffer;
  /** Windows' number of it; 65001 is UTF-8. */
  readonly codePage: number;
}

const known = new Map<string, Collation>();

/** @throws TdsProtocolError for a name that this server has no bytes for: add it above */
export function collationOf(name: string = DEFAULT_COLLATION): Collation {
  const cached = known.get(name);
  if (cached !== undefined) return cached;
  const made = /^SQL_/i.test(name) ? sqlCollation(name) : windowsCollation(name);
  known.set(name, made);
  return made;
}

/** The code page that a client's five bytes mean. */
export function codePageOf(bytes: Uint8Array): number {
  const [low = 0, high = 0, third = 0, fourth = 0, sortId = 0] = bytes;
  const flags = ((fourth & 0x0f) << 4) | (third >> 4);
  if ((flags & FLAG.utf8) !== 0) return UTF8_PAGE;
  if (sortId !== 0) {
    const entry = Object.values(SORT_ORDERS).find(([id]) => id === sortId);
    if (entry !== undefined) return entry[1];
  }
  const languageId = low | (high << 8);
  const entry = Object.values(LANGUAGES).find(([id]) => id === languageId);
  if (entry === undefined)
    throw new TdsProtocolError(
      `a parameter has a collation that is not known here: ${Buffer.from(bytes).toString("hex")}`,
    );
  return entry[1];
}

function sqlCollation(name: string): Collation {
  const entry = Object.entries(SORT_ORDERS).find(([known]) => same(known, name))?.[1];
  if (entry === undefined) throw new TdsProtocolError(`the collation ${name} is not known here`);
  const [sortId, codePage] = entry;
  return { bytes: bytesOf(0x0409, flagsOf(name), 0, sortId), codePage };
}

function windowsCollation(name: string): Collation {
  const [language] = Object.entries(LANGUAGES)
    .filter(([start]) => same(name.slice(0, start.length + 1), `${start}_`))
    .sort(([left], [right]) => right.length - left.length);
  if (language === undefined) throw new TdsProtocolError(`the collation ${name} is not known here`);
  const [languageId, codePage] = language[1];
  const flags = flagsOf(name);
  const version = name.includes("_140_") ? 3 : name.includes("_100_") ? 2 : name.includes("_90_") ? 1 : 0;
  return {
    bytes: bytesOf(languageId, flags, version, 0),
    codePage: (flags & FLAG.utf8) === 0 ? codePage : UTF8_PAGE,
  };
}

/** Names are the same whatever their case. */
function same(left: string, right: string): boolean {
  return left.toUpperCase() === right.toUpperCase();
}

function flagsOf(name: string): number {
  const parts = new Set(name.toUpperCase().split("_"));
  const utf8 = parts.has("UTF8") ? FLAG.utf8 : 0;
  if (parts.has("BIN2")) return FLAG.binary2 | utf8;
  if (parts.has("BIN")) return FLAG.binary | utf8;
  return (
    (parts.has("CI") ? FLAG.ignoreCase : 0) |
    (parts.has("AI") ? FLAG.ignoreAccent : 0) |
    (parts.has("KS") ? 0 : FLAG.ignoreKana) |
    (parts.has("WS") ? 0 : FLAG.ignoreWidth) |
    utf8
  );
}

function bytesOf(languageId: number, flags: number, version: number, sortId: number): Buffer {
  return Buffer.of(
    languageId & 0xff,
    (languageId >> 8) & 0xff,
    (flags & 0x0f) << 4,
    (flags >> 4) | (version << 4),
    sortId,
  );
}
