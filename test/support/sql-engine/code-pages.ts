// Which characters a code page has: what is written into a varchar of it and does not fit becomes a question mark.

const pages = new Map<number, ReadonlySet<string> | undefined>();

/** Undefined: everything fits (UTF-8), or the page is one of many bytes that the engine does not check. */
function charactersOf(codePage: number): ReadonlySet<string> | undefined {
  if (pages.has(codePage)) return pages.get(codePage);
  let characters: ReadonlySet<string> | undefined;
  if (codePage >= 1250 && codePage <= 1258) {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    characters = new Set(new TextDecoder(`windows-${codePage}`).decode(bytes));
  }
  pages.set(codePage, characters);
  return characters;
}

const PLAIN = /^[\u0020-\u007f]*$/;

export function asInCodePage(text: string, codePage: number): string {
  if (PLAIN.test(text)) return text;
  const characters = charactersOf(codePage);
  if (characters === undefined) return text;
  let fitted = "";
  // Unit by unit: a surrogate pair becomes two question marks.
  for (let at = 0; at < text.length; at += 1) fitted += characters.has(text[at]!) ? text[at]! : "?";
  return fitted;
}
