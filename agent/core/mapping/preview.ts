// A source row beside the record that it becomes, for a terminal of any width.
import type { Columns, SourceRow } from "../source/connector.ts";
import type { SourceValue } from "../source/plan.ts";
import type { MappedRow } from "./mapping.ts";

export interface PreviewOptions {
  /** Columns of the terminal. Below 60 the two sides stand one above the other. */
  readonly width: number;
  /** Child rows and list items shown of each kind; the rest are counted. */
  readonly maxItems?: number;
}

const SIDE_BY_SIDE_FROM = 60;
const DIVIDER = " │ ";
const INDENT = "  ";

/** Lines without colours, none longer than `width`; ends with a newline. `title` says which row it is. */
export function formatPreview(
  title: string,
  row: SourceRow,
  mapped: MappedRow,
  options: PreviewOptions,
): string {
  const width = Math.max(20, options.width);
  const maxItems = options.maxItems ?? 3;
  const source = sourceLines(row, maxItems);
  const record = mapped.ok ? recordLines(mapped, maxItems) : rejectLines(mapped.code, mapped.detail);
  const head = `── ${oneLine(title)} `;
  const lines = [cut(head + "─".repeat(Math.max(0, width - widthOf(head))), width)];
  if (width < SIDE_BY_SIDE_FROM)
    lines.push(...wrapAll(source, width), fit("  becomes", width).trimEnd(), ...wrapAll(record, width));
  else lines.push(...besides(source, record, width));
  return `${lines.join("\n")}\n`;
}

function besides(left: readonly string[], right: readonly string[], width: number): readonly string[] {
  const natural = Math.max(...left.map(widthOf), 20);
  const leftWidth = Math.min(natural, Math.floor((width - DIVIDER.length) / 2));
  const rightWidth = width - DIVIDER.length - leftWidth;
  const [one, other] = [wrapAll(left, leftWidth), wrapAll(right, rightWidth)];
  return Array.from({ length: Math.max(one.length, other.length) }, (_, at) =>
    `${fit(one[at] ?? "", leftWidth)}${DIVIDER}${other[at] ?? ""}`.trimEnd(),
  );
}

function sourceLines(row: SourceRow, maxItems: number): readonly string[] {
  const lines = columnLines(row.columns, "");
  for (const [name, rows] of Object.entries(row.children ?? {})) {
    lines.push(`${name}: ${rows.length} row${rows.length === 1 ? "" : "s"}`);
    for (const [at, child] of rows.slice(0, maxItems).entries()) {
      lines.push(`${INDENT}[${at + 1}]`, ...columnLines(child, INDENT + INDENT));
    }
    if (rows.length > maxItems) lines.push(`${INDENT}… ${rows.length - maxItems} more`);
  }
  return lines;
}

function columnLines(columns: Columns, indent: string): string[] {
  const names = Object.keys(columns);
  const longest = Math.max(0, ...names.map(widthOf));
  return names.map((name) => `${indent}${fit(oneLine(name), longest)}  ${sourceText(columns[name])}`);
}

function sourceText(value: SourceValue | undefined): string {
  if (value === undefined || value === null) return "·";
  if (value instanceof Uint8Array) return `<${value.byteLength} bytes>`;
  return typeof value === "string" ? quotePadding(oneLine(value)) : String(value);
}

/** Blanks at the end matter in keys and cannot be seen otherwise. */
function quotePadding(text: string): string {
  return text === "" || text.endsWith(" ") ? `"${text}"` : text;
}

function recordLines(mapped: MappedRow & { ok: true }, maxItems: number): readonly string[] {
  const record = JSON.parse(mapped.record) as Readonly<Record<string, unknown>>;
  const lines = memberLines(record, "", maxItems);
  return mapped.isDeleted ? ["(marked as deleted in the source)", ...lines] : lines;
}

function rejectLines(code: string, detail: string): readonly string[] {
  return [`✗ ${code}`, oneLine(detail)];
}

function memberLines(object: Readonly<Record<string, unknown>>, indent: string, maxItems: number): string[] {
  const longest = Math.max(0, ...Object.keys(object).map(widthOf));
  const lines: string[] = [];
  for (const [name, value] of Object.entries(object)) {
    const scalar = scalarText(value);
    if (Array.isArray(value)) lines.push(...listLines(name, value, indent, maxItems));
    else if (scalar !== undefined) lines.push(`${indent}${fit(oneLine(name), longest)}  ${scalar}`);
    else
      lines.push(
        `${indent}${name}`,
        ...memberLines(value as Record<string, unknown>, indent + INDENT, maxItems),
      );
  }
  return lines;
}

function listLines(name: string, items: readonly unknown[], indent: string, maxItems: number): string[] {
  const lines = [`${indent}${name}: ${items.length} item${items.length === 1 ? "" : "s"}`];
  for (const [at, item] of items.slice(0, maxItems).entries()) {
    const scalar = scalarText(item);
    if (scalar === undefined)
      lines.push(
        `${indent}${INDENT}[${at + 1}]`,
        ...memberLines(item as Record<string, unknown>, indent + INDENT + INDENT, maxItems),
      );
    else lines.push(`${indent}${INDENT}[${at + 1}] ${scalar}`);
  }
  if (items.length > maxItems) lines.push(`${indent}${INDENT}… ${items.length - maxItems} more`);
  return lines;
}

/** Text of a scalar; references read as `EURO/V00022 (Acme)`. Undefined for other objects. */
function scalarText(value: unknown): string | undefined {
  if (value === null) return "·";
  if (typeof value === "string") return quotePadding(oneLine(value));
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const { id, remote_id: remoteId, display, ...others } = value as Record<string, unknown>;
  if (typeof id !== "string" || typeof remoteId !== "string" || Object.keys(others).length > 0)
    return undefined;
  return typeof display === "string"
    ? `→ ${oneLine(remoteId)} (${oneLine(display)})`
    : `→ ${oneLine(remoteId)}`;
}

/** Control characters become visible: a source's text must not move the terminal's cursor. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character === "\n" ? "⏎" : character === "\t" ? " " : "�",
  );
}

function wrapAll(lines: readonly string[], width: number): readonly string[] {
  return lines.flatMap((line) => wrap(line, width));
}

/** Breaks a line at the width; what follows is set in. */
function wrap(line: string, width: number): readonly string[] {
  if (widthOf(line) <= width) return [line];
  const indent = /^ */.exec(line)?.[0].slice(0, Math.floor(width / 2)) ?? "";
  const parts: string[] = [];
  let rest = line;
  while (widthOf(rest) > width && parts.length < MAX_WRAPPED_LINES) {
    const head = cut(rest, width);
    parts.push(head.trimEnd());
    rest = `${indent}${INDENT}${INDENT}${rest.slice(head.length).trimStart()}`;
  }
  if (widthOf(rest) <= width) parts.push(rest);
  else parts.push(`${cut(rest, width - 1)}…`);
  return parts;
}

/** A long text takes at most this many lines of the screen. */
const MAX_WRAPPED_LINES = 3;

/** As much of the text's beginning as fits; at least one character, so that wrapping ends. */
function cut(text: string, width: number): string {
  let used = 0;
  let end = 0;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width && end > 0) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function fit(text: string, width: number): string {
  const own = widthOf(text);
  return own > width ? cut(text, width) : text + " ".repeat(width - own);
}

/** Cells that a text takes in a terminal: wide scripts take two, marks none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;

function characterWidth(character: string): number {
  const code = character.charCodeAt(0);
  if (code < 0x300) return 1;
  if (/^\p{M}/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
