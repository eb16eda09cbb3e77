// One method call: what the server says of the method, the plant's limits for its inputs, the call, its outputs.
import type { Argument, CallMethodResult, CallResponse, DataValue, NodeId, Variant } from "node-opcua";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { orAborted } from "./abort.ts";
import type { Connection } from "./connection.ts";
import { opcua } from "./driver.ts";
import { basicTypeOf } from "./node-types.ts";
import { sendOnce, type Sent } from "./send-once.ts";
import { isBad, wordsOf } from "./status-words.ts";
import { valueOf } from "./type-map.ts";
import { decodeWithin } from "./value-limits.ts";
import type { ValueType } from "./value-types.ts";
import { variantOf } from "./variant-writer.ts";
import {
  applied,
  badOutcome,
  givenValue,
  notJson,
  onceSent,
  outputText,
  rejected,
  unknownOutcome,
} from "./write-outcomes.ts";
import type { InputSettings, MethodSettings } from "./write-settings.ts";

const ATTRIBUTES = ["NodeClass", "Executable", "UserExecutable"] as const;
const ARGUMENTS = ["InputArguments", "OutputArguments"] as const;
/** Outputs that are told, at most. */
const MAX_OUTPUTS = 50;

export interface MethodTarget {
  readonly settings: MethodSettings;
  readonly objectId: NodeId;
  readonly methodId: NodeId;
  readonly outputNames: readonly string[];
}

export type DescribedMethod =
  | { readonly ok: true; readonly target: MethodTarget }
  | { readonly ok: false; readonly problem: string };

/** @throws what the driver throws */
export async function describeMethod(
  connection: Connection,
  settings: MethodSettings,
  signal: AbortSignal,
): Promise<DescribedMethod> {
  const objectId = connection.namespaces.resolve(settings.object);
  const methodId = connection.namespaces.resolve(settings.method);
  if (objectId === undefined || methodId === undefined)
    return { ok: false, problem: "the server does not have this namespace" };
  const attributes = ATTRIBUTES.map((name) => ({ nodeId: methodId, attributeId: opcua.AttributeIds[name] }));
  const object = { nodeId: objectId, attributeId: opcua.AttributeIds.NodeClass };
  const [objectClass, ...own] = await orAborted(connection.session.read([object, ...attributes]), signal);
  const problem = accessProblem(settings, objectClass, own);
  if (problem !== undefined) return { ok: false, problem };
  const [inputs = [], outputs = []] = await readArguments(connection, methodId, signal);
  const mismatch = await inputProblem(connection, settings.inputs, inputs, signal);
  if (mismatch !== undefined) return { ok: false, problem: mismatch };
  const outputNames = outputs.map(({ name }, at) =>
    name === null || name === "" ? `output_${at + 1}` : name,
  );
  return { ok: true, target: { settings, objectId, methodId, outputNames } };
}

function accessProblem(
  { object }: MethodSettings,
  objectClass: DataValue | undefined,
  [nodeClass, executable, userExecutable]: readonly DataValue[],
): string | undefined {
  if (objectClass?.statusCode.isGood() !== true)
    return `its object ${object}: the server says ${objectClass?.statusCode.name ?? "nothing"}`;
  if (nodeClass?.statusCode.isGood() !== true)
    return `the server says ${nodeClass?.statusCode.name ?? "nothing"} of it`;
  if (nodeClass.value.value !== opcua.NodeClass.Method) return "it is no method";
  if (executable?.value.value === false) return "the server lets nobody call it now (Executable)";
  if (userExecutable?.value.value === false)
    return "the server does not let the user that this agent logs in as call it (UserExecutable)";
  return undefined;
}

async function readArguments(
  connection: Connection,
  methodId: NodeId,
  signal: AbortSignal,
): Promise<readonly (readonly Argument[])[]> {
  const { session } = connection;
  const paths = ARGUMENTS.map((name) => opcua.makeBrowsePath(methodId, `.0:${name}`));
  const targets = (await orAborted(session.translateBrowsePath(paths), signal)).map(
    (path) => path.targets?.[0]?.targetId,
  );
  const known = targets.filter((target) => target !== undefined);
  const asked = known.map((nodeId) => ({ nodeId, attributeId: opcua.AttributeIds.Value }));
  const values = asked.length === 0 ? [] : await orAborted(session.read(asked), signal);
  // A method without arguments has no such property.
  return targets.map((target) => {
    const value = target === undefined ? undefined : values[known.indexOf(target)];
    return Array.from((value?.value.value ?? []) as ArrayLike<Argument>);
  });
}

async function inputProblem(
  connection: Connection,
  inputs: readonly InputSettings[],
  found: readonly Argument[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const names = found.map(({ name }) => name ?? "").join(", ") || "none";
  if (found.length !== inputs.length)
    return `it takes ${found.length} inputs (${names}), and the settings list ${inputs.length}`;
  for (const [at, input] of inputs.entries()) {
    const argument = found[at];
    if (argument === undefined) continue;
    const type = await basicTypeOf(connection, argument.dataType, signal);
    const problem = argumentProblem(input.type, type, argument.valueRank);
    if (problem !== undefined) return `input ${input.name} (${argument.name ?? ""}): ${problem}`;
  }
  return undefined;
}

function argumentProblem(
  configured: ValueType,
  type: ValueType | "abstract" | undefined,
  rank: number,
): string | undefined {
  if (rank >= 0) return "it takes a list, which is not written";
  if (type === "abstract" || type === configured) return undefined;
  return `the server wants ${type ?? "a type that is not written"}, and the settings say ${configured}`;
}

export interface MethodCall {
  readonly connection: Connection;
  readonly target: MethodTarget;
  readonly values: WriteRequest["values"];
  readonly isDry: boolean;
  readonly signal: AbortSignal;
}

/** @throws ConnectorError when nothing was sent */
export async function callMethod(call: MethodCall): Promise<WriteOutcome> {
  const { connection, target, isDry, signal } = call;
  const inputs = decodeInputs(target.settings.inputs, call.values);
  if (!inputs.ok) return rejected("VALUE", inputs.problems.join("; "));
  if (isDry) return applied({}, true);
  const { objectId, methodId, settings } = target;
  const request = new opcua.CallRequest({
    methodsToCall: [{ objectId, methodId, inputArguments: [...inputs.variants] }],
  });
  const what = `calling ${settings.name} (${settings.method})`;
  const sent = await sendOnce(connection, request, signal);
  return onceSent(what, () => judge(target, sent, what));
}

function judge(target: MethodTarget, sent: Sent, what: string): WriteOutcome {
  if (sent.kind === "no_answer")
    return unknownOutcome(`${what}: no answer came (${sent.detail}); it may have been carried out or not`);
  if (sent.kind === "fault") return badOutcome(sent.status, what);
  const result = (sent.response as CallResponse).results?.[0];
  if (result === undefined) return unknownOutcome(`${what}: the server's answer says nothing of the call`);
  return isBad(result.statusCode) ? refused(target, result, what) : applied(outputsOf(target, result), false);
}

function refused({ settings }: MethodTarget, result: CallMethodResult, what: string): WriteOutcome {
  const problems = (result.inputArgumentResults ?? []).flatMap((status, at) =>
    isBad(status) ? [`${settings.inputs[at]?.name ?? `input ${at + 1}`}: ${wordsOf(status)}`] : [],
  );
  if (problems.length === 0) return badOutcome(result.statusCode, what);
  return rejected("VALUE", `${what}: ${wordsOf(result.statusCode)}; ${problems.join("; ")}`);
}

function outputsOf(target: MethodTarget, result: CallMethodResult): Readonly<Record<string, string | null>> {
  const outputs = (result.outputArguments ?? []).slice(0, MAX_OUTPUTS);
  return Object.fromEntries(
    outputs.map((value, at) => [target.outputNames[at] ?? `output_${at + 1}`, outputText(valueOf(value))]),
  );
}

type DecodedInputs =
  | { readonly ok: true; readonly variants: readonly Variant[] }
  | { readonly ok: false; readonly problems: readonly string[] };

function decodeInputs(inputs: readonly InputSettings[], values: WriteRequest["values"]): DecodedInputs {
  const known = new Set(inputs.map(({ name }) => name));
  const problems = Object.keys(values)
    .filter((name) => !known.has(name))
    .map((name) => `${name}: the plant's settings list no such input`);
  const variants: Variant[] = [];
  let isCut = false;
  for (const input of inputs) {
    // Names are the plant's own: `constructor` would be found on any object.
    const text = Object.hasOwn(values, input.name) ? values[input.name] : undefined;
    if (text === undefined) {
      if (input.isRequired) problems.push(`${input.name}: is required`);
      else isCut = true;
      continue;
    }
    const parsed = givenValue(text);
    const decoded = parsed && decodeWithin(input, input.type, parsed.given);
    if (isCut) problems.push(`${input.name}: cannot be given without those before it`);
    else if (decoded === undefined) problems.push(`${input.name}: ${notJson(text)}`);
    else if (!decoded.ok) problems.push(`${input.name}: ${decoded.message}`);
    else variants.push(variantOf(input.type, decoded.value));
  }
  return problems.length === 0 ? { ok: true, variants } : { ok: false, problems };
}
