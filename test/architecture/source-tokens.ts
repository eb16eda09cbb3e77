// Cuts TypeScript or JavaScript source into tokens, well enough to find imports and exports without a compiler.

export interface Token {
  readonly kind: "word" | "text" | "mark";
  /** The word, the text without its quotes, or the one character. */
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** After these a slash begins a regular expression; after anything else it divides. */
const BEFORE_PATTERN = new Set("(,=:[!&|?{};+-*%~^<>");
const WORDS_BEFORE_PATTERN = new Set(["return", "typeof", "case", "in", "of", "await", "yield", "void"]);
const WORD = /[\w$#\u{80}-\u{10ffff}]+/uy;
const PATTERN = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const QUOTED = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;

/** Comments and regular expressions are left out. Code inside `${}` of a template is cut like any other. */
export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  /** Depth of braces at which each open `${` ends. */
  const templates: number[] = [];
  let depth = 0;
  let line = 1;
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const take = (text: string): void => {
    at += text.length;
    line += text.split("\n").length - 1;
  };
  /** From behind the opening backquote or the brace that ends a `${}`. */
  const takeTemplate = (): void => {
    const startLine = line;
    const start = at;
    while (at < source.length && source[at] !== "`" && !source.startsWith("${", at))
      at += source[at] === "\\" ? 2 : 1;
    const text = source.slice(start, at);
    line += text.split("\n").length - 1;
    tokens.push({ kind: "text", value: text, line: startLine });
    if (source[at] === "`") at += 1;
    else {
      at += 2;
      templates.push(depth);
      depth += 1;
    }
  };
  while (at < source.length) {
    const char = source[at] ?? "";
    const comment = match(COMMENT);
    const quoted = match(QUOTED);
    const pattern = mayBeginPattern(tokens.at(-1)) ? match(PATTERN) : undefined;
    const word = match(WORD);
    if (comment !== undefined) take(comment);
    else if (quoted !== undefined) {
      tokens.push({ kind: "text", value: quoted.slice(1, -1), line });
      take(quoted);
    } else if (pattern !== undefined) {
      tokens.push({ kind: "text", value: "", line });
      take(pattern);
    } else if (word !== undefined) {
      tokens.push({ kind: "word", value: word, line });
      take(word);
    } else if (char === "`") {
      at += 1;
      takeTemplate();
    } else if (char === "}" && templates.at(-1) === depth - 1) {
      templates.pop();
      depth -= 1;
      at += 1;
      takeTemplate();
    } else {
      if (char === "{") depth += 1;
      if (char === "}") depth -= 1;
      if (char.trim() !== "") tokens.push({ kind: "mark", value: char, line });
      take(char);
    }
  }
  return tokens;
}

function mayBeginPattern(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === "mark") return BEFORE_PATTERN.has(before.value);
  return before.kind === "word" && WORDS_BEFORE_PATTERN.has(before.value);
}
