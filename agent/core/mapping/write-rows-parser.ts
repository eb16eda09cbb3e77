// Reads the children of a write: lists whose rows are written together with their record.
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import { MAX_CHILD_ROWS, type WriteSlot } from "../source/write.ts";
import { type PackObject, show } from "./pack-reader.ts";
import { COLUMN_KEYS, parseColumns, parseSet } from "./write-columns-parser.ts";
import { isMapping, wholeNumber, type RelatedName, type WriteScope } from "./write-field-parser.ts";
import type { FixedInput, WriteRows } from "./write-field.ts";

const ROWS_KEYS = [...COLUMN_KEYS, "child", "key", "number", "set_new", "delete", "max_rows"];

export function parseRows(
  scope: WriteScope,
  operation: string,
  value: unknown,
  path: DocumentPath,
): readonly WriteRows[] {
  const written = value === undefined ? {} : (scope.reader.mapping(value, path) ?? {});
  return Object.entries(written).flatMap(
    ([list, one]) => parseList(scope, operation, list, one, [...path, list]) ?? [],
  );
}

function parseList(
  scope: WriteScope,
  operation: string,
  list: string,
  value: unknown,
  path: DocumentPath,
): WriteRows | undefined {
  const { reader, unified } = scope;
  const object = reader.object(value, path, ROWS_KEYS);
  const kind = unified.byName.get(list);
  if (kind?.kind !== "list" || kind.item.kind !== "object") {
    const lists = [...unified.byName].flatMap(([name, one]) => (one.kind === "list" ? [name] : []));
    const hint = didYouMean(list, lists) || `; lists: ${lists.join(", ") || "none"}`;
    return reader.problem(path, `is no list of the unified model${hint}`, "key");
  }
  const child = object && childOf(scope, list, object, path);
  if (object === undefined || child === undefined) return undefined;
  const inner: WriteScope = { ...scope, unified: kind.item.fields };
  const { slots: own, ...columns } = parseColumns(inner, operation, object, path);
  const slots: WriteSlot[] = [...own];
  const initial = parseSet(inner, operation, object["set_new"], [...path, "set_new"], slots);
  const key = reader.texts(object["key"], [...path, "key"], "a column that tells the rows apart");
  checkKey(inner, { key, slots: own, child, fields: columns.fields }, path);
  const { removal, slots: added } = parseRemoval(inner, operation, object["delete"], [...path, "delete"]);
  for (const slot of added) if (!slots.some(({ name }) => name === slot.name)) slots.push(slot);
  const maxRows = limit(scope, object["max_rows"], Math.min(MAX_CHILD_ROWS, kind.maxItems), path);
  const required = columns.fields.filter(({ isRequired }) => isRequired).flatMap((field) => field.slots);
  const number = numberOf(inner, object["number"], key, path);
  return {
    list,
    ...columns,
    initial,
    removal: removal === "delete" || removal === undefined ? new Map() : removal,
    plan: {
      child: child.name,
      slots,
      key,
      required: required.filter((slot) => slot !== number?.column),
      maxRows,
      ...(number === undefined ? {} : { number }),
      ...(removal === undefined ? {} : { removal: removal === "delete" ? removal : "set" }),
    },
  };
}

/** The table that the list is read from is the one that is written. */
function childOf(
  { reader, related }: WriteScope,
  list: string,
  object: PackObject,
  path: DocumentPath,
): RelatedName | undefined {
  const fitting = related.filter((one) => one.list === list);
  const names = fitting.map(({ name }) => name);
  const wanted = object["child"];
  if (wanted === undefined && fitting.length !== 1)
    return reader.problem(
      path,
      fitting.length === 0
        ? "the entity reads no rows of it from a child; add one under children"
        : `is read from ${names.join(" and ")}; say which one is written: child`,
    );
  const chosen = wanted === undefined ? names[0] : reader.oneOf(wanted, [...path, "child"], names);
  const found = fitting.find(({ name }) => name === chosen);
  if (found?.isMany !== true) return found;
  return reader.problem(path, "its table exists in several parts: they cannot be written");
}

function checkKey(
  { reader }: WriteScope,
  {
    key,
    slots,
    child,
    fields,
  }: {
    readonly key: readonly string[];
    readonly slots: readonly WriteSlot[];
    readonly child: RelatedName;
    readonly fields: WriteRows["fields"];
  },
  path: DocumentPath,
): void {
  const filled = new Set(fields.flatMap((field) => field.slots));
  const missing = key.filter((column) => !filled.has(column));
  if (missing.length > 0)
    reader.problem([...path, "key"], `no field gives ${missing.join(", ")}: rows could not be told apart`);
  const joined = child.on.filter((column) => slots.some(({ name }) => name === column));
  if (joined.length > 0)
    reader.problem(path, `${joined.join(", ")} is the parent's key: it is filled by itself`);
}

/** `number: 1` counts the last column of the key, in steps of one. */
function numberOf(
  { reader }: WriteScope,
  value: unknown,
  key: readonly string[],
  path: DocumentPath,
): { readonly column: string; readonly step: number } | undefined {
  const column = key.at(-1);
  if (value === undefined || column === undefined) return undefined;
  const step = wholeNumber(reader, value, path, "number");
  if (step === 0)
    reader.problem([...path, "number"], "expected the step from one row to the next, such as 1 or 10");
  return { column, step };
}

function parseRemoval(
  scope: WriteScope,
  operation: string,
  value: unknown,
  path: DocumentPath,
): {
  readonly removal: "delete" | ReadonlyMap<string, FixedInput> | undefined;
  readonly slots: readonly WriteSlot[];
} {
  const { reader } = scope;
  if (value === undefined || value === false) return { removal: undefined, slots: [] };
  if (value === true) return { removal: "delete", slots: [] };
  if (!isMapping(value) || value["set"] === undefined) {
    reader.problem(
      path,
      `expected true, or { set: … } with what a removed row is set to, not ${show(value)}`,
    );
    return { removal: undefined, slots: [] };
  }
  reader.object(value, path, ["set"]);
  const slots: WriteSlot[] = [];
  return { removal: parseSet(scope, operation, value["set"], [...path, "set"], slots), slots };
}

function limit({ reader }: WriteScope, value: unknown, most: number, path: DocumentPath): number {
  if (value === undefined) return most;
  const rows = wholeNumber(reader, value, path, "max_rows");
  if (rows === 0 || rows > most) reader.problem([...path, "max_rows"], `expected 1 to ${most} rows`);
  return rows;
}
