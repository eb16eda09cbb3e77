// What every form of a pack's writes has: columns filled by fields, custom fields, inputs and constants.
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import type { TableName } from "../source/plan.ts";
import type { WriteSlot } from "../source/write.ts";
import type { PackObject, PackReader } from "./pack-reader.ts";
import { isMapping, parseFixed, parseInput, parseWriteField, type WriteScope } from "./write-field-parser.ts";
import type { FixedInput, WriteField } from "./write-field.ts";

/** The keys that `parseColumns` reads. */
export const COLUMN_KEYS = ["fields", "inputs", "custom_fields", "set"];

/** A type as a cast needs it: `numeric(12,2)`, `nvarchar(max)`, `timestamp with time zone`. */
const TYPE = /^[A-Za-z][A-Za-z0-9_ ]*(\((\d+|max)(, *\d+)?\))?[A-Za-z ]*$/;

export interface WriteColumns {
  readonly slots: readonly WriteSlot[];
  readonly fields: readonly WriteField[];
  readonly customFields: readonly string[];
  readonly fixed: ReadonlyMap<string, FixedInput>;
}

/** `fields`, `inputs`, `custom_fields` and `set` of one table. */
export function parseColumns(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): WriteColumns {
  const { reader } = scope;
  const slots: WriteSlot[] = [];
  const fields: WriteField[] = [];
  for (const section of ["fields", "inputs"]) {
    const written = reader.mapping(object[section] ?? {}, [...path, section]) ?? {};
    for (const [name, one] of Object.entries(written)) {
      const place = [...path, section, name];
      const field =
        section === "fields" ? parseWriteField(scope, name, one, place) : parseInput(scope, name, one, place);
      for (const slot of field?.slots ?? []) slots.push({ name: slot, ...cast(reader, one, place) });
      if (field !== undefined) fields.push(field);
    }
  }
  const custom = object["custom_fields"];
  const customFields =
    custom === undefined ? [] : reader.texts(custom, [...path, "custom_fields"], "a column");
  for (const name of customFields) slots.push({ name });
  const fixed = parseSet(scope, operation, object["set"], [...path, "set"], slots);
  return { slots: distinct(reader, slots, path), fields, customFields, fixed };
}

/** Columns that are filled without being asked for; their slots join `slots`. */
export function parseSet(
  scope: WriteScope,
  operation: string,
  value: unknown,
  path: DocumentPath,
  slots: WriteSlot[],
): ReadonlyMap<string, FixedInput> {
  const fixed = new Map<string, FixedInput>();
  const set = scope.reader.mapping(value ?? {}, path) ?? {};
  for (const [column, one] of Object.entries(set)) {
    const place = [...path, column];
    if (!slots.some(({ name }) => name === column))
      slots.push({ name: column, ...cast(scope.reader, one, place) });
    else scope.reader.problem(place, `${column} is filled twice`);
    addFixed(scope, operation, fixed, column, one, place);
  }
  return fixed;
}

export function addFixed(
  scope: WriteScope,
  operation: string,
  fixed: Map<string, FixedInput>,
  slot: string,
  written: unknown,
  path: DocumentPath,
): void {
  const input = parseFixed(scope, written, path);
  if (input?.from === "key" && operation === "create")
    scope.reader.problem(path, "a record that is to be created has no key yet");
  if (input !== undefined) fixed.set(slot, input);
}

export function distinct(
  reader: PackReader,
  slots: readonly WriteSlot[],
  path: DocumentPath,
): readonly WriteSlot[] {
  const names = slots.map(({ name }) => name.toLowerCase());
  const twice = slots.find(({ name }, at) => names.indexOf(name.toLowerCase()) !== at);
  if (twice !== undefined) reader.problem(path, `${twice.name} is filled twice`);
  return slots;
}

export function parseName(
  { reader, defaults }: WriteScope,
  object: PackObject,
  key: string,
  path: DocumentPath,
): TableName | undefined {
  const name = reader.text(object[key], [...path, key], "a name");
  const schema =
    object["schema"] === undefined
      ? defaults.schema
      : reader.text(object["schema"], [...path, "schema"], "a schema's name");
  return name === undefined ? undefined : { ...(schema === undefined ? {} : { schema }), name };
}

export function cast(reader: PackReader, written: unknown, path: DocumentPath): Pick<WriteSlot, "cast"> {
  if (!isMapping(written) || written["cast"] === undefined) return {};
  const type = reader.text(written["cast"], [...path, "cast"], "a type of the source");
  if (type === undefined || TYPE.test(type)) return type === undefined ? {} : { cast: type };
  reader.problem([...path, "cast"], "expected a type such as numeric(12,2)");
  return {};
}

export function keyFrom(
  reader: PackReader,
  object: PackObject,
  key: readonly string[],
  path: DocumentPath,
): { readonly keyFrom?: readonly string[] } {
  if (object["key_from"] === undefined) return {};
  const names = reader.texts(object["key_from"], [...path, "key_from"], "a name");
  if (names.length !== key.length)
    reader.problem([...path, "key_from"], `gives ${names.length} values, but the key is ${key.join(", ")}`);
  return { keyFrom: names };
}

export function optionalText(
  reader: PackReader,
  object: PackObject,
  name: "message",
  path: DocumentPath,
): { readonly message?: string } {
  if (object[name] === undefined) return {};
  const text = reader.text(object[name], [...path, name], "a column");
  return text === undefined ? {} : { message: text };
}
