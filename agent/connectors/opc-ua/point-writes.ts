// What may be written, for callers: the operations that the plant's settings list, and their values for the connector.
import type { CompiledWrite, WritableField } from "#agent/core/mapping/mapping.ts";
import type { EncodedWrite, WriteInput, WriteProblem } from "#agent/core/mapping/write-encoder.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { decimalOf } from "./decimals.ts";
import { decodeWithin, outsideRange } from "./value-limits.ts";
import { MAX_TEXT_LENGTH, shown, type ValueType } from "./value-types.ts";
import {
  UPDATE,
  isCallableOn,
  type InputSettings,
  type MethodSettings,
  type PointWriteSettings,
  type WriteSettings,
} from "./write-settings.ts";

/** Characters of a description, at most. */
const MAX_DESCRIPTION = 500;
/** Bytes of one value as JSON, at most. */
const MAX_VALUE_BYTES = 64 * 1024;

const FIELD_TYPES: Readonly<Record<ValueType, WritableField["type"]>> = {
  Boolean: "boolean",
  SByte: "integer",
  Byte: "integer",
  Int16: "integer",
  UInt16: "integer",
  Int32: "integer",
  UInt32: "integer",
  // As text, because JSON numbers are not exact that far.
  Int64: "decimal",
  UInt64: "decimal",
  Float: "number",
  Double: "number",
  String: "text",
  DateTime: "instant",
  ByteString: "text",
  LocalizedText: "text",
};

export function pointWrites({ points, methods }: WriteSettings): readonly CompiledWrite[] {
  return [...(points.length === 0 ? [] : [updateOf(points)]), ...methods.map(callOf)];
}

/** The type of a value is its point's own. */
function updateOf(points: readonly PointWriteSettings[]): CompiledWrite {
  const rules = new Map(points.map((point) => [point.node, point]));
  return {
    operation: UPDATE,
    form: "update",
    description: cut(`writes the value of a point: ${points.map(({ node }) => node).join(", ")}`),
    fields: [
      {
        name: "value",
        isRequired: true,
        type: "any",
        description: cut(points.map((point) => `${point.node}: ${limitsText(point)}`).join("; ")),
      },
    ],
    encode: (input) => encodeUpdate(rules, input),
  };
}

function encodeUpdate(
  rules: ReadonlyMap<string, PointWriteSettings>,
  { key, values }: WriteInput,
): EncodedWrite {
  const rule = key?.length === 1 ? rules.get(key[0] ?? "") : undefined;
  if (rule === undefined) {
    const message = `${key?.[0] ?? "no point"} is not among the points that may be written`;
    return { ok: false, problems: [{ field: "", message }], isForbidden: true };
  }
  const problems = unknownNames(values, ["value"]);
  const given = values["value"];
  if (given === undefined || given === null) problems.push({ field: "value", message: "is required" });
  else {
    const problem = pointProblem(rule, given);
    if (problem !== undefined) problems.push({ field: "value", message: problem });
  }
  return problems.length === 0 ? { ok: true, values: { value: JSON.stringify(given) } } : refuse(problems);
}

/** What can be said before the server is asked for the point's type. */
function pointProblem(rule: PointWriteSettings, given: unknown): string | undefined {
  if (Array.isArray(given) && !rule.isArrayAllowed) return "lists are not written to this point";
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (JSON.stringify(given).length > MAX_VALUE_BYTES) return `is above ${MAX_VALUE_BYTES} bytes as JSON`;
  for (const one of list) {
    if (typeof one !== "string" && typeof one !== "number" && typeof one !== "boolean")
      return `expected text, a number, true or false, not ${shown(one)}`;
    const decimal =
      typeof one === "number" ? decimalOf(one) : /^-?\d+(\.\d+)?$/.test(String(one)) ? String(one) : null;
    const problem = decimal === null ? undefined : outsideRange(rule.min, rule.max, decimal);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function callOf(method: MethodSettings): CompiledWrite {
  return {
    operation: method.name,
    form: "procedure",
    description: cut(`calls ${method.method} of ${method.object}`),
    fields: method.inputs.map(fieldOf),
    encode: (input) => encodeCall(method, input),
  };
}

function fieldOf({ name, type, isRequired, min, max, values }: InputSettings): WritableField {
  const isText = type === "String" || type === "LocalizedText";
  return {
    name,
    isRequired,
    type: FIELD_TYPES[type],
    description: type,
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(values === undefined ? {} : { values: values.map(String) }),
    ...(isText ? { maxLength: MAX_TEXT_LENGTH } : {}),
  };
}

function encodeCall(method: MethodSettings, { key, values }: WriteInput): EncodedWrite {
  const { object, inputs } = method;
  const problems = unknownNames(
    values,
    inputs.map(({ name }) => name),
  );
  if (!isCallableOn(method, key))
    problems.push({ field: "", message: `is not called at this record: it belongs to ${object}` });
  const encoded: Record<string, string> = {};
  for (const input of inputs) {
    const given = Object.hasOwn(values, input.name) ? values[input.name] : undefined;
    if (given === undefined || given === null) {
      if (input.isRequired) problems.push({ field: input.name, message: "is required" });
      continue;
    }
    const decoded = decodeWithin(input, input.type, given);
    if (decoded.ok) encoded[input.name] = JSON.stringify(given);
    else problems.push({ field: input.name, message: decoded.message });
  }
  return problems.length === 0 ? { ok: true, values: encoded } : refuse(problems);
}

function unknownNames(values: WriteInput["values"], known: readonly string[]): WriteProblem[] {
  return Object.keys(values)
    .filter((field) => !known.includes(field))
    .map((field) => ({
      field,
      message: `cannot be written here${didYouMean(field, known) || `; these can: ${known.join(", ") || "none"}`}`,
    }));
}

function limitsText({ min, max, values, maxStep }: PointWriteSettings): string {
  const parts = [
    min === undefined && max === undefined ? "" : `${min ?? "…"} to ${max ?? "…"}`,
    maxStep === undefined ? "" : `in steps of ${maxStep} at most`,
    values === undefined ? "" : `one of ${values.map(String).join(", ")}`,
  ].filter((part) => part !== "");
  return parts.join(", ") || "any value of its type";
}

function cut(text: string): string {
  return text.length <= MAX_DESCRIPTION ? text : `${text.slice(0, MAX_DESCRIPTION - 1)}…`;
}

function refuse(problems: readonly WriteProblem[]): EncodedWrite {
  return { ok: false, problems };
}
