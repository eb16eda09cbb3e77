// Cuts SQL text into tokens, in both dialects.
import { DatabaseError } from "./session.ts";

export type EngineDialect = "tsql" | "oracle";

export interface Token {
  readonly kind: "word" | "quoted" | "string" | "number" | "binary" | "parameter" | "symbol" | "end";
  /** Identifier as the dialect reads it (Oracle folds bare words to upper case), text of a literal, or the symbol. */
  readonly text: string;
  /** Upper case, for keywords; empty for anything but bare words and symbols. */
  readonly key: string;
  readonly at: number;
  /** Behind the token's last character. */
  readonly end: number;
  /** `N'…'`. */
  readonly isNational?: boolean;
}

const SPACE = /(?:\s|--[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const WORD = /[\p{L}_#][\p{L}\p{N}_$#@]*/uy;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const BINARY = /0[xX][0-9a-fA-F]*/y;
const TSQL_PARAMETER = /@@?[\p{L}\p{N}_$#@]+/uy;
const ORACLE_PARAMETER = /:(?:[\p{L}\p{N}_$#]+|"[^"]+")/uy;
const SYMBOL = /<>|!=|>=|<=|\|\||:=|=>|\+=|[-+*/%(),.;=<>&|^~:]/y;

/** @throws DatabaseError 102 / 911 for a character that begins nothing */
export function tokenize(text: string, dialect: EngineDialect): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (true) {
    at += match(SPACE)?.length ?? 0;
    if (at >= text.length) break;
    const token = literalAt(text, at, dialect) ?? plainAt(text, at, dialect, match);
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: "end", text: "", key: "", at: text.length, end: text.length });
  return tokens;
}

function literalAt(text: string, at: number, dialect: EngineDialect): Token | undefined {
  const first = text[at]!;
  if (first === "'") return enclosed(text, at, at, "'", "string");
  if ((first === "N" || first === "n") && text[at + 1] === "'") {
    return { ...enclosed(text, at, at + 1, "'", "string"), isNational: true };
  }
  if (first === '"') return enclosed(text, at, at, '"', "quoted");
  if (first === "[" && dialect === "tsql") return enclosed(text, at, at, "]", "quoted");
  return undefined;
}

function enclosed(text: string, at: number, open: number, close: string, kind: "string" | "quoted"): Token {
  let value = "";
  let place = open + 1;
  while (true) {
    const next = text.indexOf(close, place);
    if (next < 0) {
      throw new DatabaseError(
        105,
        `Unclosed quotation mark after ${JSON.stringify(text.slice(at, at + 40))}.`,
      );
    }
    value += text.slice(place, next);
    if (text[next + 1] !== close) return { kind, text: value, key: "", at, end: next + 1 };
    value += close;
    place = next + 2;
  }
}

function plainAt(
  text: string,
  at: number,
  dialect: EngineDialect,
  match: (pattern: RegExp) => string | undefined,
): Token {
  const make = (kind: Token["kind"], found: string, value = found, key = ""): Token => ({
    kind,
    text: value,
    key,
    at,
    end: at + found.length,
  });
  const binary = dialect === "tsql" ? match(BINARY) : undefined;
  if (binary !== undefined) return make("binary", binary, binary.slice(2));
  const number = match(NUMBER);
  if (number !== undefined) return make("number", number);
  const parameter = match(dialect === "tsql" ? TSQL_PARAMETER : ORACLE_PARAMETER);
  if (parameter !== undefined) {
    const name = dialect === "tsql" ? parameter : parameter.slice(1).replaceAll('"', "").toUpperCase();
    return make("parameter", parameter, name);
  }
  const word = match(WORD);
  if (word !== undefined) {
    const key = word.toUpperCase();
    return make("word", word, dialect === "oracle" ? key : word, key);
  }
  const symbol = match(SYMBOL);
  if (symbol !== undefined) return make("symbol", symbol, symbol, symbol);
  throw new DatabaseError(
    dialect === "tsql" ? 102 : 911,
    `Incorrect syntax near ${JSON.stringify(text.slice(at, at + 20))} in: ${text}`,
  );
}
