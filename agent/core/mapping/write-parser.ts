// Reads an entity's `writes:`: its operations, their form, and every column and argument that they fill.
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import type { InterfaceStatus, ProcedurePlan, WriteSlot, WriteSuccess } from "../source/write.ts";
import type { PackObject, PackReader } from "./pack-reader.ts";
import {
  addFixed,
  cast,
  COLUMN_KEYS,
  distinct,
  keyFrom,
  optionalText,
  parseColumns,
  parseName,
} from "./write-columns-parser.ts";
import { isMapping, parseWriteField, type WriteScope } from "./write-field-parser.ts";
import type { FixedInput, WriteDefinition, WriteField } from "./write-field.ts";
import { parseTableWrite } from "./write-table-parser.ts";

const INTERFACE_KEYS = [
  "description",
  ...COLUMN_KEYS,
  "interface_table",
  "schema",
  "command_column",
  "status",
];
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
const DEFAULT_WITHIN_MS = 30_000;

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
    const definition = parseForm(scope, operation, object, place);
    if (definition === undefined) return [];
    const { description } = object;
    if (description === undefined) return [definition];
    const text = reader.text(description, [...place, "description"], "a sentence");
    return [{ ...definition, ...(text === undefined ? {} : { description: text }) }];
  });
}

function parseForm(
  scope: WriteScope,
  operation: string,
  object: PackObject,
  path: DocumentPath,
): WriteDefinition | undefined {
  if (object["procedure"] !== undefined) return parseProcedure(scope, operation, object, path);
  if (object["interface_table"] !== undefined) return parseInterface(scope, operation, object, path);
  return parseTableWrite(scope, operation, object, path);
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
  const { slots, ...columns } = parseColumns(scope, operation, object, path);
  if (slots.length === 0) reader.problem(path, "writes nothing; expected fields or set");
  const encoding = { ...columns, rows: [], key: scope.key, isCreating: false };
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
  return { plan, encoding: { fields, customFields: [], fixed, rows: [], key, isCreating: false } };
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
