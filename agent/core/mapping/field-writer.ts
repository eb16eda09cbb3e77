// Turns a field's specification into a closure that writes the field's JSON text: built once, run for every row.
import type { Columns } from "../source/connector.ts";
import type { SourceValue, TimestampFormat } from "../source/plan.ts";
import { BadValue, badValue } from "./bad-value.ts";
import { arithmeticWriter, decimalWriter, sumWriter } from "./decimal-writer.ts";
import {
  PARENT,
  type ChildPart,
  type CustomFieldsSpec,
  type FieldSpec,
  type MatchPair,
  type Members,
  type Strip,
  type ValueSource,
} from "./field-spec.ts";
import { amongWriter, eachWriter, enumWriter } from "./code-writer.ts";
import { writeReference, type ReferenceContext } from "./reference-writer.ts";
import { isSameValue, textOf } from "./source-text.ts";
import type { TimeReader } from "./timestamp.ts";

/** What a row's fields may look at beside the row itself. */
export interface RowScope {
  /** The record's own row, also while its children are written. */
  readonly parent: Columns;
  readonly related: Readonly<Record<string, readonly Columns[]>>;
}

/** JSON text; undefined where the source has no such column. Throws BadValue. */
export type Writer = (row: Columns, scope: RowScope) => string | undefined;
export type Getter = (row: Columns, scope: RowScope) => SourceValue | undefined;

export interface WriterContext extends ReferenceContext {
  readonly times: TimeReader;
  /** An enumeration's code that the pack does not list. `field` is the dotted path within the entity. */
  readonly onUnmapped: (field: string, code: string) => void;
  /** What stands in a protected field's place. `path` is the dotted path within the entity. */
  readonly protect?: ((path: string, write: Writer) => Writer) | undefined;
  /** Writes a child row's custom fields. */
  readonly custom: (spec: CustomFieldsSpec | undefined, child: string) => Writer | undefined;
}

export const NO_ROWS: readonly Columns[] = [];

/** @param path dotted path within the entity, for counting unmapped codes */
export function createWriter(spec: FieldSpec, path: string, context: WriterContext): Writer {
  const write = plainWriter(spec, path, context);
  const isWhole = spec.form !== "object" && spec.form !== "list" && spec.form !== "children";
  return isWhole && context.protect !== undefined ? context.protect(path, write) : write;
}

function plainWriter(spec: FieldSpec, path: string, context: WriterContext): Writer {
  switch (spec.form) {
    case "constant":
      return () => spec.json;
    case "text":
      return textWriter(spec);
    case "decimal":
      return decimalWriter(spec);
    case "arithmetic":
      return arithmeticWriter(spec);
    case "sum":
      return sumWriter(spec);
    case "instant":
      return instantWriter(spec.source, spec.time, spec.format, context.times);
    case "date":
      return dateWriter(spec.source, spec.format, context.times);
    case "boolean":
      return booleanWriter(spec);
    case "number":
      return numberWriter(spec.source);
    case "enum":
      return enumWriter(spec, path, context);
    case "among":
      return amongWriter(spec, path, context);
    case "each":
      return eachWriter(spec);
    case "reference":
      return writeReference(spec, context);
    case "object":
      return objectWriter(spec.members, path, context);
    case "list":
      return listWriter(spec.items, path, context);
    default:
      return childrenWriter(spec.parts, spec.maxItems, path, context);
  }
}

export function createGetter(source: ValueSource): Getter {
  if ("firstOf" in source) {
    const getters = source.firstOf.map(createGetter);
    return (row, scope) => {
      let found: SourceValue | undefined;
      for (const get of getters) {
        const value = get(row, scope);
        if (value !== undefined && value !== null && !isBlank(value)) return value;
        if (found === undefined) found = value;
      }
      return found;
    };
  }
  const { column, from } = source;
  if (from === undefined) return (row) => row[column];
  if (from === PARENT) return (_row, scope) => scope.parent[column];
  const { match } = source;
  return (row, scope) => {
    const rows = scope.related[from];
    const found = match === undefined ? rows?.[0] : rows?.find((other) => isMatch(other, row, match));
    return found === undefined ? null : found[column];
  };
}

export function isMatch(other: Columns, row: Columns, match: readonly MatchPair[]): boolean {
  return match.every((pair) => isSameValue(other[pair.other], row[pair.own]));
}

/** The source's name in messages. */
export function sourceName(source: ValueSource): string {
  if ("firstOf" in source) return source.firstOf.map(sourceName).join(" or ");
  return source.from === undefined ? source.column : `${source.from}.${source.column}`;
}

function textWriter({ sources, separator, maxLength, strip }: FieldSpec & { form: "text" }): Writer {
  const read = joinedText(sources, separator, strip);
  const name = sources.map(sourceName).join(", ");
  return (row, scope) => {
    const text = read(row, scope);
    if (text === undefined || text === null) return text === null ? "null" : undefined;
    if (text.length > maxLength)
      throw new BadValue(
        "TEXT_TOO_LONG",
        `column ${name} holds ${text.length} characters; most is ${maxLength}`,
      );
    return JSON.stringify(text);
  };
}

/** One column's text, or several joined without the empty ones. */
export function joinedText(
  sources: readonly ValueSource[],
  separator: string,
  strip?: Strip,
  keepEmpty = false,
): (row: Columns, scope: RowScope) => string | null | undefined {
  const parts = sources.map((source) => ({ get: createGetter(source), name: sourceName(source) }));
  const [only] = parts;
  if (keepEmpty)
    return (row, scope) => {
      const texts = parts.map(({ get, name }) => textOf(get(row, scope), name));
      return texts.every((text) => text === undefined) ? undefined : texts.join(separator);
    };
  if (only !== undefined && parts.length === 1) {
    if (strip === undefined) return (row, scope) => textOf(only.get(row, scope), only.name);
    return (row, scope) => stripped(textOf(only.get(row, scope), only.name), strip);
  }
  return (row, scope) => {
    let joined: string | null | undefined;
    for (const { get, name } of parts) {
      const text = stripped(textOf(get(row, scope), name), strip);
      if (typeof text === "string") joined = typeof joined === "string" ? joined + separator + text : text;
      else if (joined === undefined) joined = text;
    }
    return joined;
  };
}

/** Zeros only where the text is a number: other codes keep theirs. */
function stripped(text: string | null | undefined, strip: Strip | undefined): string | null | undefined {
  if (strip === undefined || typeof text !== "string") return text;
  if (strip === "bits") return text === "true" ? "1" : text === "false" ? "0" : text;
  if (strip === "blanks") return text.trimStart() === "" ? null : text.trimStart();
  return /^0*[0-9]+$/.test(text) ? text.replace(/^0+(?=[0-9])/, "") : text;
}

function instantWriter(
  source: ValueSource,
  time: ValueSource | undefined,
  format: TimestampFormat,
  times: TimeReader,
): Writer {
  const get = createGetter(source);
  const getTime = time === undefined ? undefined : createGetter(time);
  const name = sourceName(source);
  return (row, scope) => {
    const value = get(row, scope);
    if (value === undefined) return undefined;
    if (value === null || isBlank(value)) return "null";
    const clock = getTime?.(row, scope) ?? undefined;
    const text = isTimeValue(value)
      ? times.instant(value, format, isTimeValue(clock) ? String(clock) : undefined)
      : undefined;
    if (text === undefined) throw badValue("BAD_TIMESTAMP", name, value, `${format} timestamp`);
    return text === null ? "null" : `"${text}"`;
  };
}

function dateWriter(source: ValueSource, format: TimestampFormat, times: TimeReader): Writer {
  const get = createGetter(source);
  const name = sourceName(source);
  return (row, scope) => {
    const value = get(row, scope);
    if (value === undefined) return undefined;
    if (value === null || isBlank(value)) return "null";
    const text = isTimeValue(value) ? times.date(value, format) : undefined;
    if (text === undefined) throw badValue("BAD_DATE", name, value, "date");
    return text === null ? "null" : `"${text}"`;
  };
}

function isBlank(value: SourceValue): boolean {
  return typeof value === "string" && value.trim() === "";
}

function isTimeValue(value: SourceValue | undefined): value is string | number | bigint {
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint";
}

const TRUE_WORDS: ReadonlySet<string> = new Set(["1", "true", "t", "y", "yes"]);
const FALSE_WORDS: ReadonlySet<string> = new Set(["0", "false", "f", "n", "no"]);

function booleanWriter(spec: FieldSpec & { form: "boolean" }): Writer {
  const get = createGetter(spec.source);
  const name = sourceName(spec.source);
  const [whenTrue, whenFalse] = spec.invert ? ["false", "true"] : ["true", "false"];
  const whenEmpty = spec.empty === undefined ? "null" : String(spec.empty);
  const isOwn = spec.trueValues !== undefined || spec.falseValues !== undefined;
  return (row, scope) => {
    const value = get(row, scope);
    if (value === true || value === false) return value ? whenTrue : whenFalse;
    const text = textOf(value, name);
    if (text === undefined || text === null) return text === null ? whenEmpty : undefined;
    const isTrue = isOwn ? spec.trueValues?.has(text) : TRUE_WORDS.has(text.toLowerCase());
    if (isTrue === true) return whenTrue;
    const isFalse = isOwn ? spec.falseValues?.has(text) : FALSE_WORDS.has(text.toLowerCase());
    if (isFalse === true) return whenFalse;
    // Only one side is listed: everything else is the other.
    if (isOwn && spec.falseValues === undefined) return whenFalse;
    if (isOwn && spec.trueValues === undefined) return whenTrue;
    throw badValue("BAD_BOOLEAN", name, value, "yes or no that the pack knows");
  };
}

function numberWriter(source: ValueSource): Writer {
  const get = createGetter(source);
  const name = sourceName(source);
  return (row, scope) => {
    const value = get(row, scope);
    if (value === undefined) return undefined;
    if (value === null || isBlank(value)) return "null";
    const number = isTimeValue(value) ? Number(value) : Number.NaN;
    if (!Number.isFinite(number)) throw badValue("BAD_NUMBER", name, value, "finite number");
    return String(number);
  };
}

interface NamedWriter {
  readonly token: string;
  readonly write: Writer;
}

export function namedWriters(members: Members, path: string, context: WriterContext): readonly NamedWriter[] {
  return members.map(([name, spec]) => ({
    token: `"${name}":`,
    write: createWriter(spec, path === "" ? name : `${path}.${name}`, context),
  }));
}

/** An object of the row's own columns; null when every member is. */
function objectWriter(members: Members, path: string, context: WriterContext): Writer {
  const writers = namedWriters(members, path, context);
  return (row, scope) => {
    let text = "{";
    let isEmpty = true;
    for (const { token, write } of writers) {
      const value = write(row, scope);
      if (value === undefined) continue;
      if (value !== "null" && value !== "[]") isEmpty = false;
      text += (text.length > 1 ? "," : "") + token + value;
    }
    return isEmpty ? "null" : `${text}}`;
  };
}

/** A list of the row's own columns; empty items are left out. */
function listWriter(items: readonly FieldSpec[], path: string, context: WriterContext): Writer {
  const writers = items.map((item) => createWriter(item, path, context));
  return (row, scope) => {
    let text = "[";
    for (const write of writers) {
      const value = write(row, scope);
      if (value !== undefined && value !== "null") text += (text.length > 1 ? "," : "") + value;
    }
    return `${text}]`;
  };
}

function childrenWriter(
  parts: readonly ChildPart[],
  maxItems: number,
  path: string,
  context: WriterContext,
): Writer {
  const tables = parts.map(({ child, members, custom }) => {
    const write = context.custom(custom, child);
    const own = namedWriters(members, path, context);
    return { child, writers: write === undefined ? own : [...own, { token: '"custom_fields":', write }] };
  });
  return (row, scope) => {
    let text = "[";
    let count = 0;
    for (const { child, writers } of tables) {
      for (const item of scope.related[child] ?? NO_ROWS) {
        text += count === 0 ? "{" : ",{";
        count += 1;
        let isFirst = true;
        for (const { token, write } of writers) {
          const value = write(item, scope);
          if (value === undefined) continue;
          text += isFirst ? token + value : `,${token}${value}`;
          isFirst = false;
        }
        text += "}";
      }
    }
    if (count > maxItems)
      throw new BadValue("TOO_MANY_ROWS", `${path} has ${count} rows; the model takes at most ${maxItems}`);
    return `${text}]`;
  };
}
