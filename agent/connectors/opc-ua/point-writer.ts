// One write of one point: what the server says of it now, the plant's limits, the write, and the value read back.
import type { DataValue, WriteResponse } from "node-opcua";
import type { WriteOutcome } from "#agent/core/source/write.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { orAborted } from "./abort.ts";
import type { Connection } from "./connection.ts";
import { decimalOf, isWithinStep } from "./decimals.ts";
import { opcua } from "./driver.ts";
import { enumerationOf } from "./node-types.ts";
import { sendOnce, type Sent } from "./send-once.ts";
import { isBad, isPerhapsDone } from "./status-words.ts";
import { instantOf, valueOf, type JsonValue } from "./type-map.ts";
import { decodeWithin } from "./value-limits.ts";
import { isIntegerType, shown, type Scalar } from "./value-types.ts";
import { variantOf } from "./variant-writer.ts";
import { applied, badOutcome, onceSent, outputText, rejected, unknownOutcome } from "./write-outcomes.ts";
import type { WriteTarget } from "./write-target.ts";

/** Elements of an array, at most. */
const MAX_ARRAY_ITEMS = 1_000;
/** Pauses before the value is read back once more, ms: controllers take a value over with their next cycle. */
const READ_BACK_PAUSES_MS = [0, 50, 200, 500, 1_000];

export interface PointWrite {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly target: WriteTarget;
  readonly given: unknown;
  readonly isDry: boolean;
  readonly signal: AbortSignal;
}

/** @throws ConnectorError when nothing was sent, and what the driver throws before that */
export async function writePoint(write: PointWrite): Promise<WriteOutcome> {
  const { target, isDry } = write;
  const wanted = await wantedValue(write);
  if (!wanted.ok) return rejected("VALUE", `value: ${wanted.message}`);
  const step = stepProblem(target, wanted.items);
  if (step !== undefined) return rejected("VALUE", `value: ${step}`);
  if (isDry) return applied({ value: outputText(wanted.value), status: null, source_timestamp: null }, true);
  return send(write, wanted.value);
}

interface Item {
  readonly value: Scalar;
  readonly decimal: string | undefined;
}
type Wanted =
  | { readonly ok: true; readonly value: Scalar | readonly Scalar[]; readonly items: readonly Item[] }
  | { readonly ok: false; readonly message: string };

async function wantedValue(write: PointWrite): Promise<Wanted> {
  const { target, given } = write;
  if (Array.isArray(given) !== target.isArray)
    return {
      ok: false,
      message: `expected ${target.isArray ? "a list" : "one value"} (${target.type}), not ${shown(given)}`,
    };
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length > MAX_ARRAY_ITEMS)
    return { ok: false, message: `has ${list.length} elements; ${MAX_ARRAY_ITEMS} are written at most` };
  const { rule, named } = await withNames(write, list);
  const items: Item[] = [];
  for (const [at, one] of named.entries()) {
    const decoded = decodeWithin(rule, target.type, one);
    if (!decoded.ok)
      return { ok: false, message: target.isArray ? `[${at}] ${decoded.message}` : decoded.message };
    items.push(decoded);
  }
  const [first] = items;
  if (target.isArray || first === undefined)
    return { ok: true, value: items.map(({ value }) => value), items };
  return { ok: true, value: first.value, items };
}

/** Values of an enumeration may be given, and allowed, by their names on the server. */
async function withNames(
  { connection, target, signal }: PointWrite,
  list: readonly unknown[],
): Promise<{ readonly rule: WriteTarget["rule"]; readonly named: readonly unknown[] }> {
  const { rule, type, nodeId, dataType } = target;
  const isName = (one: unknown): one is string => typeof one === "string" && !/^-?\d+$/.test(one);
  if (!isIntegerType(type) || ![...list, ...(rule.values ?? [])].some(isName)) return { rule, named: list };
  const names = await enumerationOf(connection, [nodeId, dataType], signal);
  const numberOf = <T>(one: T): T | string => (isName(one) ? (names.get(one) ?? one) : one);
  return { rule: { ...rule, values: rule.values?.map(numberOf) }, named: list.map(numberOf) };
}

function stepProblem({ rule, now }: WriteTarget, items: readonly Item[]): string | undefined {
  const { maxStep } = rule;
  if (maxStep === undefined) return undefined;
  const before = isBad(now.statusCode) ? null : valueOf(now.value);
  const list: readonly JsonValue[] = Array.isArray(before) ? (before as readonly JsonValue[]) : [before];
  if (list.length !== items.length)
    return `has ${items.length} elements and the point ${list.length}; max_step cannot be held`;
  for (const [at, { decimal }] of items.entries()) {
    const from = decimalNow(list[at]);
    if (from === undefined)
      return `the value now is not known (${now.statusCode.name}), so that max_step ${maxStep} cannot be held`;
    if (decimal !== undefined && !isWithinStep(from, decimal, maxStep))
      return `from ${from} to ${decimal} is more than the plant allows in one write (${maxStep})`;
  }
  return undefined;
}

function decimalNow(value: JsonValue | undefined): string | undefined {
  if (typeof value === "number") return decimalOf(value) ?? undefined;
  return typeof value === "string" && /^-?\d+$/.test(value) ? value : undefined;
}

async function send(
  write: PointWrite,
  wanted: JsonValue & (Scalar | readonly Scalar[]),
): Promise<WriteOutcome> {
  const { connection, target, signal } = write;
  const { nodeId, type, rule } = target;
  const request = new opcua.WriteRequest({
    nodesToWrite: [
      // Only the value: many servers refuse a status or timestamps beside it.
      { nodeId, attributeId: opcua.AttributeIds.Value, value: { value: variantOf(type, wanted) } },
    ],
  });
  const what = `writing ${rule.node}`;
  const sent = await sendOnce(connection, request, signal);
  return onceSent(what, () => judge(write, wanted, sent, what));
}

function judge(
  write: PointWrite,
  wanted: JsonValue,
  sent: Sent,
  what: string,
): Promise<WriteOutcome> | WriteOutcome {
  if (sent.kind === "no_answer")
    return unknownOutcome(
      `${what}: no answer came (${sent.detail}); it may have arrived or not: read the point to see`,
    );
  const status = sent.kind === "fault" ? sent.status : (sent.response as WriteResponse).results?.[0];
  if (status === undefined) return unknownOutcome(`${what}: the server's answer says nothing of the write`);
  if (!isBad(status)) return readBack(write, wanted, status.name);
  // What is there now decides, unless it was there before.
  const isDecidable = isPerhapsDone(status) && !isSame(valueOf(write.target.now.value), wanted);
  return isDecidable ? readBack(write, wanted, status.name) : badOutcome(status, what);
}

/** `answered` is what the server said to the write. */
async function readBack(write: PointWrite, wanted: JsonValue, answered: string): Promise<WriteOutcome> {
  const { connection, clock, target, signal } = write;
  const { nodeId, rule } = target;
  let seen: DataValue | undefined;
  for (const pauseMs of READ_BACK_PAUSES_MS) {
    if (pauseMs > 0) await sleep(clock, pauseMs, signal);
    seen = await orAborted(
      connection.session.read({ nodeId, attributeId: opcua.AttributeIds.Value }, 0),
      signal,
    );
    if (!isBad(seen.statusCode) && isSame(valueOf(seen.value), wanted))
      return applied(outputsOf(seen), false);
  }
  const value = seen === undefined ? null : valueOf(seen.value);
  return unknownOutcome(
    `writing ${rule.node}: the server answered ${answered}, but reads back ${shown(value)} (${seen?.statusCode.name ?? "no status"}) instead of ${shown(wanted)}`,
  );
}

/** Servers make no difference between no text and an empty one. */
function isSame(seen: JsonValue, wanted: JsonValue): boolean {
  if (seen === null && wanted === "") return true;
  return JSON.stringify(seen) === JSON.stringify(wanted);
}

function outputsOf(seen: DataValue): Readonly<Record<string, string | null>> {
  const sourceMs = instantOf(seen.sourceTimestamp, 0);
  return {
    value: outputText(valueOf(seen.value)),
    status: seen.statusCode.name,
    source_timestamp: sourceMs === null ? null : new Date(sourceMs).toISOString(),
  };
}
