// Writes enumerations: the model's word for a source's code, of the row itself or of rows that hang on it.
import type { FieldSpec } from "./field-spec.ts";
import { NO_ROWS, joinedText, type Writer, type WriterContext } from "./field-writer.ts";
import { textOf } from "./source-text.ts";

export function enumWriter(spec: FieldSpec & { form: "enum" }, path: string, context: WriterContext): Writer {
  const read = joinedText(spec.sources, "/", undefined, spec.keepEmpty);
  const known = new Map([...spec.codes].map(([code, value]) => [code, JSON.stringify(value)]));
  const otherwise = spec.otherwise === undefined ? undefined : JSON.stringify(spec.otherwise);
  const isBit = ![...known.keys()].some((code) => /\b(?:true|false)\b/.test(code));
  return (row, scope) => {
    const text = read(row, scope);
    if (text === undefined || text === null) return text === null ? "null" : undefined;
    const written = known.get(text);
    if (written !== undefined) return written;
    // One database gives bits as numbers, another as yes or no: packs write them as 1 and 0.
    const code = isBit && (text.includes("true") || text.includes("false")) ? bitText(text) : text;
    const value = known.get(code);
    if (value !== undefined) return value;
    const pattern = spec.patterns.find(({ test }) => test.test(code));
    if (pattern !== undefined) return JSON.stringify(pattern.value);
    if (otherwise !== undefined) return otherwise;
    context.onUnmapped(path, code);
    return '"unknown"';
  };
}

function bitText(text: string): string {
  return text
    .split("/")
    .map((part) => (part === "true" ? "1" : part === "false" ? "0" : part))
    .join("/");
}

/** Codes that come first in the pack win over later ones; rows without any known code are unknown. */
export function amongWriter(
  spec: FieldSpec & { form: "among" },
  path: string,
  context: WriterContext,
): Writer {
  const ranked = [...spec.codes].map(([code, value]) => ({ code, json: JSON.stringify(value) }));
  const otherwise = spec.otherwise === undefined ? undefined : JSON.stringify(spec.otherwise);
  const name = `${spec.over}.${spec.column}`;
  return (_row, scope) => {
    const codes = (scope.related[spec.over] ?? NO_ROWS).map((other) => textOf(other[spec.column], name));
    const found = ranked.find(({ code }) => codes.includes(code));
    if (found !== undefined) return found.json;
    if (otherwise !== undefined) return otherwise;
    const [first] = codes;
    if (typeof first !== "string") return "null";
    context.onUnmapped(path, first);
    return '"unknown"';
  };
}

/** In the order of the rows, empty ones left out. */
export function eachWriter({ over, column, isList }: FieldSpec & { form: "each" }): Writer {
  const name = `${over}.${column}`;
  return (_row, scope) => {
    const texts = (scope.related[over] ?? NO_ROWS).flatMap((other) => textOf(other[column], name) ?? []);
    if (isList) return JSON.stringify(texts);
    return texts.length === 0 ? "null" : JSON.stringify(texts.join(" "));
  };
}
