// Reads how a pack turns a unified field back into the source's columns, or fills a column by itself.
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import type { WriteValue } from "../source/write.ts";
import { show, type PackObject, type PackReader } from "./pack-reader.ts";
import type { PackDefaults } from "./pack-schema.ts";
import type { FieldKind, UnifiedFields } from "./unified-fields.ts";
import type { FixedInput, InstantStyle, ReferencePart, WriteConversion, WriteField } from "./write-field.ts";

const COMMON_KEYS = ["column", "field", "required", "empty", "cast", "default", "description"];
const INSTANT_FORMATS = ["utc", "local", "epoch_s", "epoch_ms"] as const;
const DATE_FORMATS = ["iso", "yyyymmdd", "cyyddd"] as const;
const INSTANT_KEYS = ["format", "separator", "fraction"];
const FIXED = ["key", "value", "now", "command_id"];
const INPUT_KINDS = ["text", "decimal", "date", "instant", "boolean"] as const;
/** Characters of an input that is text. */
const MAX_INPUT_LENGTH = 4_000;

export interface WriteScope {
  readonly reader: PackReader;
  readonly defaults: PackDefaults;
  readonly unified: UnifiedFields;
  /** The entity's key columns. */
  readonly key: readonly string[];
  /** The entity's children with the list that each fills, and its lookups, which fill none. */
  readonly related: readonly RelatedName[];
}

export interface RelatedName {
  readonly name: string;
  readonly list: string | undefined;
  /** The table exists in several parts (a company's extensions). */
  readonly isMany: boolean;
  /** Its own columns that find the parent. */
  readonly on: readonly string[];
}

/** `written` is a column's name, or a mapping with `column` (or the slot itself, for a procedure's argument). */
export function parseWriteField(
  scope: WriteScope,
  name: string,
  written: unknown,
  path: DocumentPath,
  slot?: string,
): WriteField | undefined {
  const { reader, unified } = scope;
  const kind = unified.byName.get(name);
  if (kind === undefined)
    return reader.problem(
      path,
      `the unified model has no such field${didYouMean(name, unified.byName.keys())}; what it does not know is an input`,
    );
  return parseOfKind(scope, { name, kind }, written, path, slot);
}

/** What the model has no field for: `{ site: SITEID, due: { column: DUE, as: date } }`. */
export function parseInput(
  scope: WriteScope,
  name: string,
  written: unknown,
  path: DocumentPath,
): WriteField | undefined {
  const { reader, unified } = scope;
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name))
    reader.problem(path, "expected lower-case letters, digits and underscores", "key");
  if (unified.byName.has(name)) reader.problem(path, "is a field of the unified model: name it under fields");
  const { as = "text", ...rest } = isMapping(written) ? written : { column: written };
  const chosen = reader.oneOf(as, [...path, "as"], INPUT_KINDS) ?? "text";
  const kind: FieldKind =
    chosen === "text" ? { kind: chosen, maxLength: MAX_INPUT_LENGTH } : { kind: chosen };
  return parseOfKind(scope, { name, kind }, rest, path);
}

function parseOfKind(
  scope: WriteScope,
  { name, kind }: { readonly name: string; readonly kind: FieldKind },
  written: unknown,
  path: DocumentPath,
  slot?: string,
): WriteField | undefined {
  const { reader } = scope;
  const object: PackObject | undefined = isMapping(written)
    ? written
    : { column: reader.text(written, path, "a column's name or a mapping") };
  const parsed = conversionOf(scope, kind, object, path);
  if (parsed === undefined) return undefined;
  const slots =
    parsed.kind === "reference"
      ? parsed.key.filter((part) => typeof part === "string")
      : [slot ?? reader.text(object["column"], [...path, "column"], "a column's name") ?? ""];
  const isRequired = reader.flag(object["required"], [...path, "required"]);
  const { description } = object;
  const text =
    description === undefined ? undefined : reader.text(description, [...path, "description"], "a sentence");
  const fallback =
    object["default"] === undefined
      ? {}
      : { fallback: constant(reader, object["default"], [...path, "default"]) };
  return {
    name,
    isRequired,
    ...fallback,
    ...(text === undefined ? {} : { description: text }),
    slots,
    empty: constant(reader, object["empty"] ?? null, [...path, "empty"]),
    conversion: parsed,
  };
}

function conversionOf(
  scope: WriteScope,
  kind: FieldKind,
  object: PackObject,
  path: DocumentPath,
): WriteConversion | undefined {
  const { reader } = scope;
  const only = (...extra: string[]): void => void reader.object(object, path, [...COMMON_KEYS, ...extra]);
  switch (kind.kind) {
    case "text": {
      only("max_length");
      const wanted = object["max_length"];
      const most = wanted === undefined ? kind.maxLength : wholeNumber(reader, wanted, path, "max_length");
      return { kind: "text", maxLength: Math.min(most, kind.maxLength) };
    }
    case "enum":
      only("map");
      return { kind: "enum", codes: parseReverseCodes(reader, object["map"], [...path, "map"], kind.values) };
    case "decimal": {
      only("decimals", "implied_decimals");
      const { decimals, implied_decimals: implied } = object;
      return {
        kind: "decimal",
        decimals: decimals === undefined ? undefined : wholeNumber(reader, decimals, path, "decimals"),
        impliedDecimals: implied === undefined ? 0 : wholeNumber(reader, implied, path, "implied_decimals"),
      };
    }
    case "number":
      only();
      return { kind: "number" };
    case "boolean": {
      only("true_value", "false_value");
      const value = (key: string, fallback: number): WriteValue =>
        constant(reader, object[key] ?? fallback, [...path, key]);
      return { kind: "boolean", yes: value("true_value", 1), no: value("false_value", 0) };
    }
    case "instant":
      only(...INSTANT_KEYS);
      return { kind: "instant", ...instantStyle(scope, object, path) };
    case "date": {
      only("format");
      const format = object["format"];
      const known = format === undefined ? "iso" : reader.oneOf(format, [...path, "format"], DATE_FORMATS);
      return known && { kind: "date", format: known };
    }
    case "reference":
      reader.object(object, path, ["key", "required", "empty", "description"]);
      return parseReferenceKey(reader, object["key"], [...path, "key"]);
    default:
      return reader.problem(path, "lists and objects cannot be written; name single fields");
  }
}

/** From the model's values to the source's codes, in place: several codes may mean one value, so nothing is turned around by itself. */
function parseReverseCodes(
  reader: PackReader,
  value: unknown,
  path: DocumentPath,
  values: readonly string[],
): ReadonlyMap<string, string> {
  const example = `{ ${values[0] ?? "value"}: CODE }`;
  if (value === undefined) {
    reader.problem(
      path,
      `missing; expected the model's values with the codes to write, such as ${example}`,
      "key",
    );
    return new Map();
  }
  const table = reader.mapping(value, path) ?? {};
  return new Map(
    Object.entries(table).flatMap(([meaning, code]) => {
      const place = [...path, meaning];
      if (!values.includes(meaning)) {
        const hint = didYouMean(meaning, values) || `; known: ${values.join(", ")}`;
        reader.problem(place, `the model has no value ${show(meaning)} here${hint}`, "key");
        return [];
      }
      const text = reader.text(code, place, "the code to write");
      return text === undefined ? [] : [[meaning, text] as const];
    }),
  );
}

function parseReferenceKey(
  reader: PackReader,
  value: unknown,
  path: DocumentPath,
): WriteConversion | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  if (list.length === 0)
    return reader.problem(path, "expected the columns that take the target's key", "key");
  const key = list.flatMap((part, at): ReferencePart[] => {
    const place = [...path, at];
    if (!isMapping(part)) {
      const column = reader.text(part, place, "a column, { value: … } or { same: COLUMN }");
      return column === undefined ? [] : [column];
    }
    reader.object(part, place, ["value", "same"]);
    if (part["same"] !== undefined) {
      const same = reader.text(part["same"], [...place, "same"], "a column");
      return same === undefined ? [] : [{ same }];
    }
    const text = reader.text(part["value"], [...place, "value"], "a key value");
    return text === undefined ? [] : [{ constant: text }];
  });
  return { kind: "reference", key };
}

/** `{ key: COLUMN }`, `{ value: x }`, `{ now: local }` or `{ command_id: true }`. */
export function parseFixed(scope: WriteScope, written: unknown, path: DocumentPath): FixedInput | undefined {
  const { reader, key } = scope;
  if (!isMapping(written) || !FIXED.some((name) => written[name] !== undefined))
    return reader.problem(
      path,
      "expected { value: … }, { now: local }, { key: COLUMN } or { command_id: true }",
    );
  if (written["now"] !== undefined) {
    reader.object(written, path, ["now", "separator", "fraction", "cast"]);
    const { now, ...rest } = written;
    const style = instantStyle(scope, { ...rest, format: now }, path);
    return { from: "now", style: { ...style, fraction: style.fraction ?? 0 } };
  }
  reader.object(written, path, [...FIXED, "cast"]);
  if (written["command_id"] !== undefined) {
    reader.flag(written["command_id"], [...path, "command_id"]);
    return { from: "command" };
  }
  if (written["key"] === undefined)
    return { from: "constant", value: constant(reader, written["value"], [...path, "value"]) };
  const column = reader.oneOf(written["key"], [...path, "key"], key);
  return column === undefined ? undefined : { from: "key", at: key.indexOf(column) };
}

function instantStyle(
  { reader, defaults }: WriteScope,
  object: PackObject,
  path: DocumentPath,
): InstantStyle {
  const wanted = object["format"] ?? defaults.timestamps;
  const format = reader.oneOf(wanted, [...path, "format"], INSTANT_FORMATS) ?? "utc";
  const { separator, fraction } = object;
  return {
    format,
    separator:
      separator === undefined
        ? " "
        : (reader.oneOf(separator, [...path, "separator"], [" ", "T"] as const) ?? " "),
    fraction: fraction === undefined ? undefined : wholeNumber(reader, fraction, path, "fraction"),
  };
}

export function constant(reader: PackReader, value: unknown, path: DocumentPath): WriteValue {
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  reader.problem(path, `expected text, a number or null, not ${show(value)}`);
  return null;
}

export function wholeNumber(reader: PackReader, value: unknown, path: DocumentPath, key: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  reader.problem([...path, key], `expected a whole number, not ${show(value)}`);
  return 0;
}

export function isMapping(value: unknown): value is PackObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
