// SQL Server's collations by their names: what is equal, what comes first, which code page.
import { DatabaseError } from "./session.ts";

export interface Collation {
  readonly name: string;
  readonly isBinary: boolean;
  readonly ignoreCase: boolean;
  readonly ignoreAccents: boolean;
  /** Trailing blanks do not count. */
  readonly ignorePadding: boolean;
  readonly codePage: number;
}

const collations = new Map<string, Collation>();

/** @throws DatabaseError 448 for a name that is none */
export function collationOf(name: string): Collation {
  let collation = collations.get(name);
  if (collation === undefined) {
    const upper = name.toUpperCase();
    if (!/_BIN2?(?:_UTF8)?$|_C[IS]_A[IS](?:_|$)/.test(upper))
      throw new DatabaseError(448, `Invalid collation '${name}'.`);
    const isBinary = /_BIN2?(_|$)/.test(upper);
    collation = {
      name,
      isBinary,
      ignoreCase: !isBinary && /_CI(_|$)/.test(upper),
      ignoreAccents: !isBinary && /_AI(_|$)/.test(upper),
      ignorePadding: true,
      codePage: codePageOf(upper),
    };
    collations.set(name, collation);
  }
  return collation;
}

function codePageOf(name: string): number {
  if (name.endsWith("_UTF8")) return 65001;
  const numbered = /_CP(\d+)_/.exec(name);
  if (numbered !== null) return numbered[1] === "1" ? 1252 : Number(numbered[1]);
  if (/^(?:CYRILLIC|UKRAINIAN|MACEDONIAN)/.test(name)) return 1251;
  if (/^(?:POLISH|CZECH|HUNGARIAN|SLOVAK|SLOVENIAN|CROATIAN|ROMANIAN|ALBANIAN)/.test(name)) return 1250;
  if (name.startsWith("GREEK")) return 1253;
  if (name.startsWith("TURKISH")) return 1254;
  if (name.startsWith("JAPANESE")) return 932;
  if (name.startsWith("CHINESE_PRC") || name.startsWith("CHINESE_SIMPLIFIED")) return 936;
  if (name.startsWith("KOREAN")) return 949;
  return name.startsWith("CHINESE_TAIWAN") ? 950 : 1252;
}

const PLAIN = /^[0-9A-Za-z]*$/;

/** Equal keys mean equal texts; keys compare as the texts do (base letters, then accents, then lower before upper case). */
export function collationKey(text: string, collation: Collation): string {
  const value = collation.ignorePadding ? text.replace(/ +$/, "") : text;
  if (collation.isBinary) return value;
  if (PLAIN.test(value)) {
    const upper = value.toUpperCase();
    return collation.ignoreCase ? upper : `${upper}\u0001${swapCase(value)}`;
  }
  const decomposed = value.normalize("NFD");
  const base = weigh(decomposed.replaceAll(/\p{Mn}/gu, "").toUpperCase());
  let key = base;
  if (!collation.ignoreAccents) {
    const upper = decomposed.toUpperCase();
    if (/\p{Mn}/u.test(upper)) key += `\u0002${upper}`;
  }
  if (!collation.ignoreCase) key += `\u0001${swapCase(value)}`;
  return key;
}

/** Punctuation stands before digits and letters. */
function weigh(text: string): string {
  return text.replaceAll(/[!-/:-@[-`{-~]/g, (character) =>
    String.fromCharCode(0x03 + ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".indexOf(character) % 0x2c)),
  );
}

function swapCase(text: string): string {
  let swapped = "";
  for (const character of text) {
    const upper = character.toUpperCase();
    swapped += character === upper ? character.toLowerCase() : upper;
  }
  return swapped;
}
