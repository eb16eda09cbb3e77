// What one module imports and exports, read from its tokens.
import { tokensOf, type Token } from "./source-tokens.ts";

export interface ImportFact {
  /** As written; undefined: computed when it runs. */
  readonly specifier: string | undefined;
  readonly line: number;
  readonly isTypeOnly: boolean;
  /** Names taken from the module, as it exports them; "*" for all of it. */
  readonly names: readonly string[];
}

export interface ExportFact {
  readonly name: string;
  readonly line: number;
  readonly kind: "function" | "class" | "const" | "type" | "default" | "re-export";
}

export interface ModuleFacts {
  readonly imports: readonly ImportFact[];
  readonly exports: readonly ExportFact[];
}

const BEFORE_DECLARATION = new Set(["async", "abstract", "declare"]);

export function factsOf(source: string): ModuleFacts {
  const tokens = tokensOf(source);
  const imports: ImportFact[] = [];
  const exports: ExportFact[] = [];
  for (const [index, { kind, value }] of tokens.entries()) {
    if (kind !== "word" || isMark(tokens[index - 1], ".")) continue;
    if (value === "import") imports.push(...readImport(tokens, index));
    if (value === "export") readExport(tokens, index, imports, exports);
  }
  return { imports, exports };
}

function readImport(tokens: readonly Token[], index: number): readonly ImportFact[] {
  const { line } = tokens[index] as Token;
  const next = tokens[index + 1];
  // import.meta, or a property or method of this name.
  if (next === undefined || isMark(next, ".") || isMark(next, ":") || isMark(next, "?")) return [];
  if (next.kind === "text") return [{ specifier: next.value, line, isTypeOnly: false, names: [] }];
  if (isMark(next, "(")) return [readCall(tokens, index)];
  return readClause(tokens, index + 1, line);
}

/** `import("…")`, and what is taken from it: `.name` behind, or `{ names }` before. */
function readCall(tokens: readonly Token[], index: number): ImportFact {
  const { line } = tokens[index] as Token;
  const named = tokens[index + 2];
  const end = tokens[index + 3];
  const isLiteral = named?.kind === "text" && (isMark(end, ")") || isMark(end, ","));
  const specifier = isLiteral ? named.value : undefined;
  const behind = isMark(end, ")")
    ? tokens.slice(index + 4, index + 7).filter((each) => !isMark(each, ")"))
    : [];
  const property = behind[1];
  if (isMark(behind[0], ".") && property?.kind === "word" && property.value !== "then")
    return { specifier, line, isTypeOnly: false, names: [property.value] };
  return { specifier, line, isTypeOnly: false, names: namesTaken(tokens, index) };
}

/** The names of `const { a, b: c } = await import(…)`. */
function namesTaken(tokens: readonly Token[], index: number): readonly string[] {
  let at = tokens[index - 1]?.value === "await" ? index - 2 : index - 1;
  if (!isMark(tokens[at], "=") || !isMark(tokens[at - 1], "}")) return ["*"];
  const close = at - 1;
  while (at > 0 && !isMark(tokens[at], "{")) at -= 1;
  return namesIn(tokens.slice(at + 1, close));
}

/** From behind `import` or `export` to the specifier: `type? default? , * as x | { names } from "…"`. */
function readClause(tokens: readonly Token[], start: number, line: number): readonly ImportFact[] {
  const isTypeOnly = tokens[start]?.value === "type" && !isMark(tokens[start + 1], ",");
  const names: string[] = [];
  for (let at = start; at < tokens.length; at += 1) {
    const token = tokens[at] as Token;
    const from = tokens[at + 1];
    if (token.value === "from" && token.kind === "word" && from?.kind === "text")
      return [{ specifier: from.value, line, isTypeOnly, names }];
    if (isMark(token, ";") || (token.kind === "text" && at > start)) return [];
    if (isMark(token, "*")) names.push("*");
    if (isMark(token, "{")) {
      const close = tokens.findIndex((each, index) => index > at && isMark(each, "}"));
      names.push(...namesIn(tokens.slice(at + 1, close)));
      at = close;
    }
  }
  return [];
}

/** `a, type b, c as d, e: f` → a, b, c, e. */
function namesIn(tokens: readonly Token[]): readonly string[] {
  const names: string[] = [];
  let isFirst = true;
  for (const [index, token] of tokens.entries()) {
    if (isMark(token, ",")) isFirst = true;
    else if (isFirst && token.kind === "word") {
      const after = tokens[index + 1];
      const isModifier = token.value === "type" && after?.kind === "word" && after.value !== "as";
      if (!isModifier) {
        names.push(token.value);
        isFirst = false;
      }
    }
  }
  return names;
}

function readExport(
  tokens: readonly Token[],
  index: number,
  imports: ImportFact[],
  exports: ExportFact[],
): void {
  const { line } = tokens[index] as Token;
  let at = index + 1;
  while (BEFORE_DECLARATION.has(tokens[at]?.value ?? "")) at += 1;
  const word = tokens[at];
  const name = tokens[at + 1]?.value ?? "";
  if (word?.value === "default") exports.push({ name: "default", line, kind: "default" });
  else if (isMark(word, "{") || isMark(word, "*") || isMark(tokens[at + 1], "{")) {
    if (word?.value === "class") return;
    const [from] = readClause(tokens, at, line);
    if (from !== undefined) imports.push(from);
    const names = from?.names ?? namesIn(listBehind(tokens, at));
    const kind = from === undefined ? "const" : "re-export";
    for (const each of names) exports.push({ name: each, line, kind });
  } else if (word?.value === "function")
    exports.push({ name: name === "*" ? (tokens[at + 2]?.value ?? "") : name, line, kind: "function" });
  else if (word?.value === "class") exports.push({ name, line, kind: "class" });
  else if (word?.value === "const" || word?.value === "let") exports.push({ name, line, kind: "const" });
  else if (word?.value === "interface" || word?.value === "type") exports.push({ name, line, kind: "type" });
}

function listBehind(tokens: readonly Token[], open: number): readonly Token[] {
  const close = tokens.findIndex((each, index) => index > open && isMark(each, "}"));
  return tokens.slice(open + 1, close);
}

function isMark(token: Token | undefined, value: string): boolean {
  return token?.kind === "mark" && token.value === value;
}
