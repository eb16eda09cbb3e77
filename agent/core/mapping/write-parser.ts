// Reads an entity's `writes:`: its operations, their form, and every column and argument that they fill.
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import type { InterfaceStatus, ProcedurePlan, WritePlan, WriteSlot, WriteSuccess } from "../source/write.ts";
import type { TableName } from "../source/plan.ts";
import type { PackObject, PackReader } from "./pack-reader.ts";
import type { WriteEncoding } from "./write-encoder.ts";
import { isMapping, parseFixed, parseWriteField, type WriteScope } from "./write-field-parser.ts";
import type { FixedInput, WriteField } from "./write-field.ts";

const TABLE_KEYS = ["description", "fields", "set"];
const INTERFACE_KEYS = [...TABLE_KEYS, "interface_table", "schema", "command_column", "status"];
const STATUS_KEYS = ["column", "done", "failed", "message", "key_from", "within"];
const PROCEDURE_KEYS = [
  "description",
  "procedure",
  "schema",
  "arguments",
  "by_name",
  "outputs",
  "success",
  "key_from",
];
const SUCCESS_KEYS = ["output", "in", "message"];
/** A type as a cast needs it: `numeric(12,2)`, `nvarchar(max)`, `timestamp with time zone`. */
const TYPE = /^[A-Za-z][A-Za-z0-9_ ]*(\((\d+|max)(, *\d+)?\))?[A-Za-z ]*$/;
const DEFAULT_WITHIN_MS = 30_000;

/** One operation: the connector's part, and how its values are made. */
export interface WriteDefinition {
  readonly plan: WritePlan;
  readonly encoding: WriteEncoding;
}

export function parseWrites(
  scope: WriteScope,
  value: unknown,
  path: DocumentPath,
): readonly WriteDefinition[] {
  if (value === undefined) return [];
  const { reader } = scope;
  const written = reader.mapping(value, path) ?? {};
  return Object.entries(written).flatMap(([operation, one]) => {
    const place = [...path, operation];
    if (!/^[a-z][a-z0-9_]{0,62}$/.test(operation))
      reader.problem(place, "expected create, update, or an action's name such as change_status", "key");
    const object = reader.mapping(one, place);
    if (object === undefined) return [];
    if (object["procedure"] !== undefined) return parseProcedure(scope, operation, object, place) ?? [];
    if (object["interface_table"] !== undefined) return parseInterface(scope, operation, object, place) ?? [];
    return parseTableWrite(scope, operation, object, place);
  });
}

function parseTableWrite(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): WriteDefinition {
  const { reader, key } = scope;
  reader.object(object, path, TABLE_KEYS);
  const { slots, encoding } = parseColumns(scope, operation, object, path);
  const names = new Set(slots.map(({ name }) => name));
  if (operation === "create") {
    const missing = key.filter((column) => !names.has(column));
    if (missing.length > 0)
      reader.problem(
        path,
        `a new row needs its key: fill ${missing.join(", ")} by fields or set, or create it by a procedure or interface table`,
      );
    return { plan: { operation, form: "insert", slots }, encoding };
  }
  const moved = key.filter((column) => names.has(column));
  if (moved.length > 0) reader.problem(path, `${moved.join(", ")} is the row's key and cannot be written`);
  return { plan: { operation, form: "update", slots }, encoding };
}

function parseInterface(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): WriteDefinition | undefined {
  const { reader } = scope;
  reader.object(object, path, INTERFACE_KEYS);
  const table = parseName(scope, object, "interface_table", path);
  const { slots, encoding } = parseColumns(scope, operation, object, path);
  const wanted = object["command_column"];
  const commandColumn =
    wanted === undefined ? undefined : reader.text(wanted, [...path, "command_column"], "a column");
  const status = parseStatus(scope, object["status"], [...path, "status"]);
  if (status !== undefined && commandColumn === undefined)
    reader.problem(
      [...path, "status"],
      "needs command_column: the row is found again by the command's id",
      "key",
    );
  if (table === undefined) return undefined;
  const own = {
    operation,
    form: "interface_table" as const,
    table,
    ...(status === undefined ? {} : { status }),
  };
  if (commandColumn === undefined) return { plan: { ...own, slots }, encoding };
  const fixed = new Map([...encoding.fixed, [commandColumn, { from: "command" } as const]]);
  return {
    plan: { ...own, commandColumn, slots: distinct(reader, [...slots, { name: commandColumn }], path) },
    encoding: { ...encoding, fixed },
  };
}

function parseStatus(
  { reader, key }: WriteScope,
  value: unknown,
  path: DocumentPath,
): InterfaceStatus | undefined {
  if (value === undefined) return undefined;
  const object = reader.object(value, path, STATUS_KEYS);
  const column = reader.text(object?.["column"], [...path, "column"], "a column");
  if (object === undefined || column === undefined) return undefined;
  return {
    column,
    done: reader.texts(object["done"], [...path, "done"], "a code"),
    failed:
      object["failed"] === undefined ? [] : reader.texts(object["failed"], [...path, "failed"], "a code"),
    ...optionalText(reader, object, "message", path),
    ...keyFrom(reader, object, key, path),
    withinMs: reader.duration(object["within"], [...path, "within"], DEFAULT_WITHIN_MS),
  };
}

function parseProcedure(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): WriteDefinition | undefined {
  const { reader, key } = scope;
  reader.object(object, path, PROCEDURE_KEYS);
  const procedure = parseName(scope, object, "procedure", path);
  const fields: WriteField[] = [];
  const fixed = new Map<string, FixedInput>();
  const slots: WriteSlot[] = [];
  const given = reader.mapping(object["arguments"] ?? {}, [...path, "arguments"]) ?? {};
  for (const [name, argument] of Object.entries(given)) {
    const place = [...path, "arguments", name];
    slots.push({ name, ...cast(reader, argument, place) });
    if (isMapping(argument) && argument["field"] !== undefined) {
      const field = reader.text(argument["field"], [...place, "field"], "a field of the unified model") ?? "";
      const parsed = parseWriteField(scope, field, argument, place, name);
      if (parsed?.conversion.kind === "reference")
        reader.problem(place, "an argument takes one value; a reference's key has several");
      else if (parsed !== undefined) fields.push(parsed);
    } else addFixed(scope, operation, fixed, name, argument, place);
  }
  const outputs =
    object["outputs"] === undefined ? [] : reader.texts(object["outputs"], [...path, "outputs"], "an output");
  const success = parseSuccess(reader, object["success"], outputs, [...path, "success"]);
  const isNamed = reader.flag(object["by_name"], [...path, "by_name"]);
  if (procedure === undefined) return undefined;
  const plan: ProcedurePlan = {
    operation,
    form: "procedure",
    slots,
    procedure,
    isNamed,
    outputs,
    ...keyFrom(reader, object, key, path),
    ...(success === undefined ? {} : { success }),
  };
  for (const name of plan.keyFrom ?? [])
    if (!outputs.includes(name)) reader.problem([...path, "key_from"], `${name} is not among the outputs`);
  return { plan, encoding: { fields, fixed } };
}

function parseSuccess(
  reader: PackReader,
  value: unknown,
  outputs: readonly string[],
  path: DocumentPath,
): WriteSuccess | undefined {
  if (value === undefined) return undefined;
  const object = reader.object(value, path, SUCCESS_KEYS);
  const output = reader.oneOf(object?.["output"], [...path, "output"], outputs);
  if (object === undefined || output === undefined) return undefined;
  const codes = reader.texts(object["in"], [...path, "in"], "a value");
  const message =
    object["message"] === undefined
      ? undefined
      : reader.oneOf(object["message"], [...path, "message"], outputs);
  return { output, in: codes, ...(message === undefined ? {} : { message }) };
}

/** `fields` and `set` of a table. */
function parseColumns(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): { readonly slots: readonly WriteSlot[]; readonly encoding: WriteEncoding } {
  const { reader } = scope;
  const slots: WriteSlot[] = [];
  const written = reader.mapping(object["fields"] ?? {}, [...path, "fields"]) ?? {};
  const fields = Object.entries(written).flatMap(([name, one]) => {
    const place = [...path, "fields", name];
    const field = parseWriteField(scope, name, one, place);
    for (const slot of field?.slots ?? []) slots.push({ name: slot, ...cast(reader, one, place) });
    return field ?? [];
  });
  const fixed = new Map<string, FixedInput>();
  const set = reader.mapping(object["set"] ?? {}, [...path, "set"]) ?? {};
  for (const [column, one] of Object.entries(set)) {
    const place = [...path, "set", column];
    slots.push({ name: column, ...cast(reader, one, place) });
    addFixed(scope, operation, fixed, column, one, place);
  }
  if (slots.length === 0) reader.problem(path, "writes nothing; expected fields or set");
  return { slots: distinct(reader, slots, path), encoding: { fields, fixed } };
}

function addFixed(
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

function distinct(reader: PackReader, slots: readonly WriteSlot[], path: DocumentPath): readonly WriteSlot[] {
  const names = slots.map(({ name }) => name.toLowerCase());
  const twice = slots.find(({ name }, at) => names.indexOf(name.toLowerCase()) !== at);
  if (twice !== undefined) reader.problem(path, `${twice.name} is filled twice`);
  return slots;
}

function parseName(
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

function cast(reader: PackReader, written: unknown, path: DocumentPath): Pick<WriteSlot, "cast"> {
  if (!isMapping(written) || written["cast"] === undefined) return {};
  const type = reader.text(written["cast"], [...path, "cast"], "a type of the source");
  if (type === undefined || TYPE.test(type)) return type === undefined ? {} : { cast: type };
  reader.problem([...path, "cast"], "expected a type such as numeric(12,2)");
  return {};
}

function keyFrom(
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

function optionalText(
  reader: PackReader,
  object: PackObject,
  name: "message",
  path: DocumentPath,
): { readonly message?: string } {
  if (object[name] === undefined) return {};
  const text = reader.text(object[name], [...path, name], "a column");
  return text === undefined ? {} : { message: text };
}
