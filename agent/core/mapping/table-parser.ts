// Reads what a pack says about tables: where their rows are, which of them count, and how changes are noticed.
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import type {
  ChangeStrategy,
  CompanyTable,
  DocumentDate,
  Filter,
  TableName,
  TimestampFormat,
} from "../source/plan.ts";
import { TIMESTAMP_FORMATS } from "./field-parser.ts";
import { show, type PackObject, type PackReader } from "./pack-reader.ts";

export const TABLE_KEYS = ["table", "schema", "where", "changes", "optional_columns"];
/** A timestamp strategy's overlap when the pack says none, ms. */
const DEFAULT_OVERLAP_MS = 5 * 60_000;

export interface TableDefaults {
  readonly schema: string | undefined;
  readonly company: string | undefined;
  readonly timestamps: TimestampFormat;
}

export function parseTable(
  reader: PackReader,
  object: PackObject,
  path: DocumentPath,
  defaults: TableDefaults,
): TableName | undefined {
  const { name, part } = tableName(reader, object["table"], [...path, "table"]);
  const schema =
    object["schema"] === undefined
      ? defaults.schema
      : reader.text(object["schema"], [...path, "schema"], "a schema's name");
  if (name === undefined) return undefined;
  return {
    ...(schema === undefined ? {} : { schema }),
    name,
    ...(part === undefined ? {} : { company: { name: defaults.company, part } }),
  };
}

/** `ORDERS`, `{ company_of: Purchase Header }` or `{ extensions_of: Purchase Header }`. */
function tableName(
  reader: PackReader,
  value: unknown,
  path: DocumentPath,
): { readonly name: string | undefined; readonly part?: CompanyTable["part"] } {
  const what = "a table's name";
  if (typeof value !== "object" || value === null) return { name: reader.text(value, path, what) };
  const object = reader.object(value, path, ["company_of", "extensions_of"]) ?? {};
  const key = object["extensions_of"] === undefined ? "company_of" : "extensions_of";
  return {
    name: reader.text(object[key], [...path, key], what),
    part: key === "company_of" ? "table" : "extensions",
  };
}

/** Columns that not every installation has: their fields are left out where they are missing. */
export function parseOptionalColumns(
  reader: PackReader,
  object: PackObject,
  path: DocumentPath,
): readonly string[] {
  const value = object["optional_columns"];
  return value === undefined ? [] : reader.texts(value, [...path, "optional_columns"], "a column");
}

/** `where: { A: 1, B: [x, y], C: null, D: { not: 2 }, E: { not: null } }`; all hold together. */
export function parseFilters(reader: PackReader, value: unknown, path: DocumentPath): readonly Filter[] {
  if (value === undefined) return [];
  const object = reader.mapping(value, path) ?? {};
  return Object.entries(object).flatMap(([column, condition]) => {
    return parseFilter(reader, column, condition, [...path, column]);
  });
}

function parseFilter(
  reader: PackReader,
  column: string,
  condition: unknown,
  path: DocumentPath,
): readonly Filter[] {
  if (condition === null) return [{ column, op: "is_null" }];
  if (isFilterValue(condition)) return [{ column, op: "=", value: condition }];
  if (Array.isArray(condition) && condition.length > 0 && condition.every(isFilterValue))
    return [{ column, op: "in", value: condition }];
  const not =
    typeof condition === "object" && condition !== null ? (condition as PackObject)["not"] : undefined;
  if (not === null) return [{ column, op: "is_not_null" }];
  const others: readonly unknown[] = Array.isArray(not) ? not : [not];
  if (others.length > 0 && others.every(isFilterValue))
    return others.map((value) => ({ column, op: "<>", value }));
  const forms = "a value, a list of values, null, { not: value }, { not: [a, b] } or { not: null }";
  reader.problem(path, `expected ${forms}, not ${show(condition)}`);
  return [];
}

function isFilterValue(value: unknown): value is string | number {
  return typeof value === "string" || typeof value === "number";
}

export function parseChanges(
  reader: PackReader,
  value: unknown,
  path: DocumentPath,
  defaults: TableDefaults,
): ChangeStrategy | undefined {
  if (value === "full_scan") return { kind: "full_scan" };
  const object = reader.object(value ?? {}, path, ["by", "column", "format", "overlap"]);
  if (object === undefined) return undefined;
  const by = reader.oneOf(object["by"], [...path, "by"], ["timestamp", "counter", "full_scan"]);
  if (by === undefined) return undefined;
  if (by === "full_scan") return { kind: by };
  const column = reader.text(object["column"], [...path, "column"], "the column that every change moves");
  if (column === undefined) return undefined;
  if (by === "counter") return { kind: by, column };
  const format =
    object["format"] === undefined
      ? defaults.timestamps
      : reader.oneOf(object["format"], [...path, "format"], TIMESTAMP_FORMATS);
  const overlapMs = reader.duration(object["overlap"], [...path, "overlap"], DEFAULT_OVERLAP_MS);
  return format && { kind: by, column, format, overlapMs };
}

/** `document_date: ORDERED` or `{ column: ORDERED, format: utc }`, and what is open whatever its date (`open_when`, as `where`). */
export function parseDocumentDate(
  reader: PackReader,
  object: PackObject,
  path: DocumentPath,
  defaults: TableDefaults,
): DocumentDate | undefined {
  const { document_date: value, open_when: open } = object;
  if (value === undefined) {
    if (open !== undefined)
      reader.problem([...path, "open_when"], "has no meaning without document_date", "key");
    return undefined;
  }
  const place = [...path, "document_date"];
  const openWhen = parseFilters(reader, open, [...path, "open_when"]);
  const isPlain = typeof value !== "object" || value === null;
  const written = isPlain ? { column: value } : reader.object(value, place, ["column", "format"]);
  const column =
    written && reader.text(written["column"], isPlain ? place : [...place, "column"], "a column");
  const format =
    written?.["format"] === undefined
      ? defaults.timestamps
      : reader.oneOf(written["format"], [...place, "format"], TIMESTAMP_FORMATS);
  return column === undefined || format === undefined ? undefined : { column, format, openWhen };
}

/** `on: [A, B]` where both tables call them the same, or `on: { childColumn: parentColumn }`. */
export function parseJoin(
  reader: PackReader,
  value: unknown,
  path: DocumentPath,
): readonly { readonly child: string; readonly parent: string }[] {
  const what = "a column";
  if (value === undefined) {
    reader.problem(path, "missing; expected the columns that tie the rows to their parent");
    return [];
  }
  if (typeof value === "string" || Array.isArray(value))
    return reader.texts(value, path, what).map((column) => ({ child: column, parent: column }));
  const object = reader.mapping(value, path) ?? {};
  return Object.entries(object).flatMap(([child, parent]) => {
    const text = reader.text(parent, [...path, child], what);
    return text === undefined ? [] : [{ child, parent: text }];
  });
}
