// Reads writes to an entity's own table: a row added, set or removed, an amount adjusted, with the rows of its children.
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import type { CounterMatch, NextValue, WriteSlot } from "../source/write.ts";
import { plainDecimal } from "./decimal.ts";
import { type PackObject, show } from "./pack-reader.ts";
import { COLUMN_KEYS, distinct, parseColumns, parseName } from "./write-columns-parser.ts";
import {
  isMapping,
  parseInput,
  parseWriteField,
  wholeNumber,
  type WriteScope,
} from "./write-field-parser.ts";
import type { WriteDefinition, WriteField } from "./write-field.ts";
import { parseRows } from "./write-rows-parser.ts";

const TABLE_KEYS = ["description", "form", ...COLUMN_KEYS];
const DELETE_KEYS = ["description", "form", "children"];
const ADJUST_KEYS = [...TABLE_KEYS, "column", "by", "child", "match", "min", "max", "decimals"];
const NEXT_KEYS = ["sequence", "schema", "counter", "column", "where", "prefix", "digits"];
const MAX_DIGITS = 30;

export function parseTableWrite(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): WriteDefinition | undefined {
  const { reader } = scope;
  const { form } = object;
  if (form !== undefined) {
    const wanted = reader.oneOf(form, [...path, "form"], ["delete", "adjust"]);
    if (wanted === "delete") return parseDelete(scope, operation, object, path);
    return wanted === "adjust" ? parseAdjust(scope, operation, object, path) : undefined;
  }
  const isCreating = operation === "create";
  reader.object(object, path, [...TABLE_KEYS, "children", ...(isCreating ? ["key"] : [])]);
  const columns = parseColumns(scope, operation, object, path);
  const rows = parseRows(scope, operation, object["children"], [...path, "children"]);
  const children = rows.length === 0 ? {} : { children: rows.map(({ plan }) => plan) };
  const { slots, ...filled } = columns;
  if (slots.length + rows.length === 0) reader.problem(path, "writes nothing; expected fields or set");
  const encoding = { ...filled, rows, key: scope.key, isCreating };
  if (isCreating) return { plan: parseCreate(scope, object, path, slots, children), encoding };
  checkKeyStays(scope, slots, path);
  return { plan: { operation, form: "update", slots, ...children }, encoding };
}

function checkKeyStays({ reader, key }: WriteScope, slots: readonly WriteSlot[], path: DocumentPath): void {
  const moved = key.filter((column) => slots.some(({ name }) => name === column));
  if (moved.length > 0) reader.problem(path, `${moved.join(", ")} is the row's key and cannot be written`);
}

function parseCreate(
  scope: WriteScope,
  object: PackObject,
  path: DocumentPath,
  slots: readonly WriteSlot[],
  children: object,
): WriteDefinition["plan"] {
  const { reader, key } = scope;
  const next = parseNext(scope, object["key"], [...path, "key"]);
  const names = new Set(slots.map(({ name }) => name));
  const counted = next.map(({ column }) => column);
  for (const one of next)
    for (const { equals } of one.from === "counter" ? one.where : [])
      if ("slot" in equals && !names.has(equals.slot))
        reader.problem([...path, "key"], `${equals.slot} is not filled by fields or set`);
  const missing = key.filter((column) => !names.has(column) && !counted.includes(column));
  if (missing.length > 0)
    reader.problem(
      path,
      `a new row needs its key: fill ${missing.join(", ")} by fields or set, count it by key, or create it by a procedure or interface table`,
    );
  const all = [...slots, ...counted.filter((column) => !names.has(column)).map((name) => ({ name }))];
  return {
    operation: "create",
    form: "insert",
    slots: all,
    ...(next.length === 0 ? {} : { next }),
    ...children,
  };
}

/** `key: { PONUM: { next: { counter: AUTOKEY, column: SEED, where: { NAME: PONUM } } } }`. */
function parseNext(scope: WriteScope, value: unknown, path: DocumentPath): readonly NextValue[] {
  const { reader } = scope;
  const written = value === undefined ? {} : (reader.mapping(value, path) ?? {});
  return Object.entries(written).flatMap(([column, one]): NextValue[] => {
    const place = [...path, column, "next"];
    const outer = reader.object(one, [...path, column], ["next"]);
    const object = outer && reader.object(outer["next"], place, NEXT_KEYS);
    if (object === undefined) return [];
    const { prefix = "", digits = 0 } = object;
    if (typeof prefix !== "string")
      reader.problem([...place, "prefix"], `expected text, not ${show(prefix)}`);
    const width = wholeNumber(reader, digits, place, "digits");
    if (width > MAX_DIGITS) reader.problem([...place, "digits"], `expected at most ${MAX_DIGITS}`);
    const form = { column, prefix: String(prefix), digits: width };
    if (object["sequence"] !== undefined) {
      const sequence = parseName(scope, object, "sequence", place);
      return sequence === undefined ? [] : [{ ...form, from: "sequence", sequence }];
    }
    const table = parseName(scope, object, "counter", place);
    const counter = reader.text(object["column"], [...place, "column"], "the column that counts");
    const where = parseWhere(scope, object["where"], [...place, "where"]);
    return table && counter !== undefined ? [{ ...form, from: "counter", table, counter, where }] : [];
  });
}

/** Which row of the table of counters: `{ NAME: PONUM, SITEID: { column: SITEID } }`. */
function parseWhere(
  { reader }: WriteScope,
  value: unknown,
  path: DocumentPath,
): readonly { readonly column: string; readonly equals: CounterMatch }[] {
  const written = value === undefined ? {} : (reader.mapping(value, path) ?? {});
  return Object.entries(written).flatMap(([column, one]): { column: string; equals: CounterMatch }[] => {
    const place = [...path, column];
    if (typeof one === "string" || typeof one === "number") return [{ column, equals: { value: one } }];
    const slot = reader.text(
      reader.object(one, place, ["column"])?.["column"],
      [...place, "column"],
      "a column",
    );
    return slot === undefined ? [] : [{ column, equals: { slot } }];
  });
}

function parseDelete(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): WriteDefinition {
  const { reader, related } = scope;
  reader.object(object, path, DELETE_KEYS);
  const wanted = object["children"];
  const names = related.filter(({ list }) => list !== undefined).map(({ name }) => name);
  const children =
    wanted === undefined
      ? []
      : reader
          .texts(wanted, [...path, "children"], "a child")
          .filter((name) => reader.oneOf(name, [...path, "children"], names) !== undefined);
  if (operation === "create") reader.problem(path, "a record cannot be created by removing it", "key");
  return {
    plan: { operation, form: "delete", slots: [], children },
    encoding: { fields: [], customFields: [], fixed: new Map(), rows: [], key: scope.key, isCreating: false },
  };
}

function parseAdjust(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): WriteDefinition | undefined {
  const { reader, related } = scope;
  reader.object(object, path, ADJUST_KEYS);
  const column = reader.text(object["column"], [...path, "column"], "the column of the amount");
  const { child } = object;
  const names = related.filter(({ isMany }) => !isMany).map(({ name }) => name);
  const known = child === undefined ? undefined : reader.oneOf(child, [...path, "child"], names);
  const by = object["by"] ?? "quantity";
  const name = reader.text(by, [...path, "by"], "what the request calls the change") ?? "";
  const change = parseInput(
    { ...scope, unified: { byName: new Map(), hasCustomFields: false } },
    name,
    { column, as: "decimal", required: true, ...pick(object, "decimals") },
    [...path, "by"],
  );
  const match = parseMatch(scope, object["match"], [...path, "match"]);
  if (match.length > 0 && known === undefined)
    reader.problem([...path, "match"], "tells rows of a child apart; name the child");
  const columns = parseColumns(scope, operation, object, path);
  const found = match.flatMap(({ slots }) => slots);
  const own = [...(column === undefined ? [] : [column]), ...found].map((slot) => ({ name: slot }));
  const slots = distinct(reader, [...own, ...columns.slots], path);
  if (known === undefined) checkKeyStays(scope, slots, path);
  if (column === undefined || change === undefined || (child !== undefined && known === undefined))
    return undefined;
  const plan = {
    operation,
    form: "adjust" as const,
    slots,
    column,
    match: found,
    ...(known === undefined ? {} : { child: known }),
    ...bound(scope, object, "min", path),
    ...bound(scope, object, "max", path),
  };
  const { slots: _, ...filled } = columns;
  const fields = [change, ...match, ...filled.fields];
  return { plan, encoding: { ...filled, fields, rows: [], key: scope.key, isCreating: false } };
}

/** Fields of the model where it has them, otherwise inputs: `{ location: { key: [SITEID, LOCATION] }, bin: BINNUM }`. */
function parseMatch(scope: WriteScope, value: unknown, path: DocumentPath): readonly WriteField[] {
  const written = value === undefined ? {} : (scope.reader.mapping(value, path) ?? {});
  return Object.entries(written).flatMap(([name, one]) => {
    const parse = scope.unified.byName.has(name) ? parseWriteField : parseInput;
    return parse(scope, name, one, [...path, name]) ?? [];
  });
}

function bound(
  { reader }: WriteScope,
  object: PackObject,
  name: "min" | "max",
  path: DocumentPath,
): { readonly min?: string; readonly max?: string } {
  const value = object[name];
  if (value === undefined) return {};
  const plain = typeof value === "number" || typeof value === "string" ? plainDecimal(value) : undefined;
  if (plain !== undefined) return { [name]: plain };
  reader.problem([...path, name], `expected a number, not ${show(value)}`);
  return {};
}

function pick(object: PackObject, name: string): PackObject {
  return isMapping(object) && object[name] !== undefined ? { [name]: object[name] } : {};
}
