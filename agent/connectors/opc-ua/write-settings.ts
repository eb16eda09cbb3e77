// What the plant lets be written to its machines: single nodes and methods, each with its limits. Nothing unless listed.
import { plainDecimal } from "#agent/core/mapping/decimal.ts";
import { compareDecimals } from "./decimals.ts";
import { parseNodeId } from "./node-id-setting.ts";
import type { Check } from "./settings-check.ts";
import { limitsProblem, type ValueLimits } from "./value-limits.ts";
import { VALUE_TYPES, decodeValue, shown, type Scalar, type ValueType } from "./value-types.ts";

/** The operation that writes a point; methods have names of their own. */
export const UPDATE = "update";

export interface PointWriteSettings extends ValueLimits {
  readonly node: string;
  /** How far a number may move in one write, from its value then; plain decimal. */
  readonly maxStep: string | undefined;
  /** Whole arrays may be written, each element within the limits. */
  readonly isArrayAllowed: boolean;
}

export interface InputSettings extends ValueLimits {
  readonly name: string;
  readonly type: ValueType;
  readonly isRequired: boolean;
}

export interface MethodSettings {
  /** The operation's name for callers. */
  readonly name: string;
  readonly object: string;
  readonly method: string;
  /** Points at whose records it is called, because callers know records and no objects; undefined: at any. */
  readonly points: readonly string[] | undefined;
  /** In the method's own order. */
  readonly inputs: readonly InputSettings[];
}

export interface WriteSettings {
  readonly isAllowed: boolean;
  readonly points: readonly PointWriteSettings[];
  readonly methods: readonly MethodSettings[];
}

const MAX_POINTS = 1_000;
/** With `update` as many operations as an entity can describe to callers. */
const MAX_METHODS = 49;
const MAX_INPUTS = 32;
const MAX_VALUES = 200;
const NAME = /^[a-z][a-z0-9_]{0,62}$/;
const RESERVED = new Set([UPDATE, "create", "delete", "adjust"]);

export function parseWriteSettings(root: Check): WriteSettings {
  const write = root.child("write");
  write.known(["allow", "points", "methods"]);
  const points = listOf(write, "points", MAX_POINTS).map(parsePoint);
  const methods = listOf(write, "methods", MAX_METHODS).map(parseMethod);
  refuseTwice(
    write,
    points.map(({ node }) => node),
    (at) => `points[${at}].node`,
  );
  refuseTwice(
    write,
    methods.map(({ name }) => name),
    (at) => `methods[${at}].name`,
  );
  const isAllowed = write.flag("allow", false);
  if (isAllowed && points.length === 0 && methods.length === 0)
    write.issue("allow", "allows nothing by itself: list `points` or `methods`, each with its limits");
  return { isAllowed, points, methods };
}

function listOf(check: Check, name: string, most: number): readonly Check[] {
  const list = check.children(name);
  if (list.length > most) check.issue(name, `lists ${list.length}; at most ${most} are taken`);
  return list.slice(0, most);
}

function refuseTwice(check: Check, names: readonly string[], placeOf: (at: number) => string): void {
  for (const [at, name] of names.entries())
    if (name !== "" && names.indexOf(name) < at) check.issue(placeOf(at), `${name} is listed twice`);
}

function parsePoint(point: Check): PointWriteSettings {
  point.known(["node", "min", "max", "max_step", "values", "array"]);
  const maxStep = parseDecimal(point, "max_step");
  if (maxStep !== undefined && compareDecimals(maxStep, "0") <= 0)
    point.issue("max_step", `${maxStep} lets nothing change; give a number above 0`);
  return {
    node: parseNodeId(point, "node", point.required("node", "nsu=<namespace uri>;s=<id>")),
    ...parseLimits(point),
    maxStep,
    isArrayAllowed: point.flag("array", false),
  };
}

function parseMethod(method: Check): MethodSettings {
  method.known(["name", "object", "method", "points", "inputs"]);
  const name = method.required("name", "what callers name it, such as reset_counter");
  if (name !== "" && !NAME.test(name))
    method.issue("name", `${shown(name)}: small letters, digits and _ are expected, a letter first`);
  if (RESERVED.has(name)) method.issue("name", `${name} has a meaning already; choose another`);
  const inputs = listOf(method, "inputs", MAX_INPUTS).map(parseInput);
  refuseTwice(
    method,
    inputs.map((input) => input.name),
    (at) => `inputs[${at}].name`,
  );
  const lastRequired = inputs.findLastIndex(({ isRequired }) => isRequired);
  const early = inputs.findIndex(({ isRequired }) => !isRequired);
  if (early >= 0 && early < lastRequired)
    method.issue(`inputs[${early}].required`, "only inputs at the end can be left out");
  return {
    name,
    object: parseNodeId(method, "object", method.required("object", "nsu=<namespace uri>;s=<id>")),
    method: parseNodeId(method, "method", method.required("method", "nsu=<namespace uri>;s=<id>")),
    points: method.has("points")
      ? method.texts("points").map((text) => parseNodeId(method, "points", text))
      : undefined,
    inputs,
  };
}

function parseInput(input: Check): InputSettings {
  input.known(["name", "type", "min", "max", "values", "required"]);
  const name = input.required("name", "what callers name it, such as speed");
  if (name !== "" && !NAME.test(name))
    input.issue("name", `${shown(name)}: small letters, digits and _ are expected, a letter first`);
  input.required("type", `one of ${VALUE_TYPES.join(", ")}`);
  const type = input.oneOf("type", VALUE_TYPES, "String");
  const limits = parseLimits(input);
  const problem = input.has("type") ? limitsProblem(limits, type) : undefined;
  if (problem !== undefined) input.issue("type", problem);
  for (const value of input.has("type") ? (limits.values ?? []) : []) {
    const decoded = decodeValue(type, value);
    if (!decoded.ok) input.issue("values", `${shown(value)} is no ${type}: ${decoded.message}`);
  }
  return { name, type, ...limits, isRequired: input.flag("required", true) };
}

function parseLimits(check: Check): ValueLimits {
  const min = parseDecimal(check, "min");
  const max = parseDecimal(check, "max");
  if (min !== undefined && max !== undefined && compareDecimals(min, max) > 0)
    check.issue("max", `${max} is below min ${min}`);
  return { min, max, values: parseValues(check) };
}

/** Plain notation; large whole numbers must be written as text, because YAML would round them. */
function parseDecimal(check: Check, name: string): string | undefined {
  const value = check.raw(name);
  if (value === undefined || value === null) return undefined;
  const isExact =
    typeof value === "string" ? value.trim() !== "" : typeof value === "number" && isExactNumber(value);
  const plain = isExact ? plainDecimal(value as string | number) : undefined;
  if (plain === undefined)
    check.issue(
      name,
      `${shown(value)} is no exact number; write whole numbers above 9007199254740991 as text`,
    );
  return plain;
}

function parseValues(check: Check): readonly Scalar[] | undefined {
  const value = check.raw("values");
  if (value === undefined || value === null) return undefined;
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  const isGood = (one: unknown): one is Scalar =>
    typeof one === "string" || typeof one === "boolean" || (typeof one === "number" && isExactNumber(one));
  if (list.length > 0 && list.length <= MAX_VALUES && list.every(isGood)) return list;
  check.issue("values", `a list of 1 to ${MAX_VALUES} texts, numbers, true or false is expected`);
  return undefined;
}

function isExactNumber(value: number): boolean {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
}

/** Whether it can be called with this key: none, its object's, or that of one of its points. */
export function isCallableOn(
  { object, points }: MethodSettings,
  key: readonly (string | null)[] | undefined,
): boolean {
  if (key === undefined) return true;
  const [node] = key;
  if (key.length !== 1 || typeof node !== "string") return false;
  return node === object || points === undefined || points.includes(node);
}
