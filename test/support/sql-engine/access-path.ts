// Which index answers a condition without reading the whole table: equal, range and list conditions on a prefix.
import type { Condition, Expression, OrderItem } from "./ast.ts";
import { comparableBy, ruleFor } from "./compare-compiled.ts";
import { categoryOf, type Comparable, comparableText } from "./comparison.ts";
import { compileExpression } from "./compile-expression.ts";
import type { Env, Scope } from "./scope.ts";
import { compareKeys, type KeyBound } from "./sorted-index.ts";
import type { ReadableIndex, Table } from "./table.ts";

type ValueOf = (env: Env) => Comparable;

interface Bound {
  readonly place: number;
  readonly op: "=" | "<" | "<=" | ">" | ">=" | "not_null";
  readonly value: ValueOf;
}

/** All of `fixed` hold; of each `choice`, one of its alternatives does. */
interface Usable {
  readonly fixed: readonly Bound[];
  readonly choices: readonly (readonly (readonly Bound[])[])[];
}

export interface KeyRange {
  readonly low: KeyBound | undefined;
  readonly high: KeyBound | undefined;
}

export interface AccessPath {
  readonly index: ReadableIndex;
  readonly isDescending: boolean;
  /** Its entries come in the order that the query asks for. */
  readonly isOrdered: boolean;
  /** Undefined: from one end to the other. */
  ranges(env: Env): readonly KeyRange[] | undefined;
}

interface Context {
  readonly scope: Scope;
  readonly source: number;
  readonly table: Table;
  readonly nullsLast: boolean;
}

/** Undefined: the table has to be scanned. */
export function chooseAccess(
  table: Table,
  scope: Scope,
  source: number,
  conditions: readonly Condition[],
  order: readonly OrderItem[],
): AccessPath | undefined {
  const context: Context = { scope, source, table, nullsLast: scope.run.host.dialect === "oracle" };
  const usable = usableOf(conditions, context);
  let best: { readonly path: AccessPath; readonly score: number } | undefined;
  for (const index of table.readableIndexes) {
    const found = pathBy(index, usable, order, context);
    if (found !== undefined && (best === undefined || found.score > best.score)) best = found;
  }
  return best?.path;
}

function usableOf(conditions: readonly Condition[], context: Context): Usable {
  const fixed: Bound[] = [];
  const choices: (readonly (readonly Bound[])[])[] = [];
  for (const condition of conditions) {
    const bounds = boundsOf(condition, context);
    if (bounds !== undefined) fixed.push(...bounds);
    else {
      const alternatives = alternativesOf(condition, context);
      if (alternatives !== undefined) choices.push(alternatives);
    }
  }
  return { fixed, choices };
}

/** Bounds that hold whenever the condition does; undefined where it gives none. */
function boundsOf(condition: Condition, context: Context): readonly Bound[] | undefined {
  switch (condition.kind) {
    case "and": {
      const found = condition.items.flatMap((item) => boundsOf(item, context) ?? []);
      return found.length === 0 ? undefined : found;
    }
    case "compare":
      return comparisonBounds(condition, context);
    case "between": {
      if (condition.isNegated) return undefined;
      const { operand, low, high } = condition;
      const from = boundOn(operand, ">=", low, context);
      const to = boundOn(operand, "<=", high, context);
      const found = [from, to].filter((bound) => bound !== undefined);
      return found.length === 0 ? undefined : found;
    }
    case "is_null": {
      const place = placeOf(condition.operand, context);
      if (place === undefined) return undefined;
      return [{ place, op: condition.isNegated ? "not_null" : "=", value: () => null }];
    }
    case "in_list":
      if (condition.isNegated || condition.items.length !== 1) return undefined;
      return boundsOf(
        { kind: "compare", op: "=", left: condition.operand, right: condition.items[0]! },
        context,
      );
    default:
      return undefined;
  }
}

function comparisonBounds(
  condition: Condition & { kind: "compare" },
  context: Context,
): readonly Bound[] | undefined {
  const { op, left, right } = condition;
  if (left.kind === "row" && right.kind === "row" && op === "=") {
    const found = left.items.flatMap((item, at) => boundOn(item, "=", right.items[at]!, context) ?? []);
    return found.length === 0 ? undefined : found;
  }
  const turned = { "=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" }[op];
  if (turned === undefined) return undefined;
  const bound =
    boundOn(left, op as Bound["op"], right, context) ?? boundOn(right, turned as Bound["op"], left, context);
  return bound === undefined ? undefined : [bound];
}

function placeOf(expression: Expression, { scope, source, table }: Context): number | undefined {
  if (expression.kind !== "column") return undefined;
  const resolved = scope.resolve(expression.path);
  const isOwn = resolved?.depth === 0 && resolved.source === source;
  return isOwn && resolved.place < table.columns.length ? resolved.place : undefined;
}

function boundOn(side: Expression, op: Bound["op"], other: Expression, context: Context): Bound | undefined {
  const place = placeOf(side, context);
  if (place === undefined) return undefined;
  const { scope, source, table } = context;
  const { result: value, used } = scope.track(() => compileExpression(other, scope));
  // The value must be known before this source is read.
  if (used >> source !== 0) return undefined;
  const column = compileExpression(side, scope);
  const rule = ruleFor(column, value, scope.run);
  const own = table.textRule(place);
  const isSameText =
    rule.category !== "text" || JSON.stringify(rule.text) === JSON.stringify(own) || own.kind === "binary";
  if (rule.category !== categoryOf(column.type) || !isSameText) return undefined;
  const text = own.kind === "binary" ? own : rule.text;
  return { place, op, value: comparableBy(value, { ...rule, text }, scope.run) };
}

/** IN lists and ORs of equal conditions; undefined where a branch has none. */
function alternativesOf(condition: Condition, context: Context): readonly (readonly Bound[])[] | undefined {
  if (condition.kind === "in_list" && !condition.isNegated) {
    const { operand } = condition;
    const found = condition.items.map((item) =>
      boundsOf({ kind: "compare", op: "=", left: operand, right: item }, context),
    );
    return found.every((bounds) => bounds !== undefined) ? found : undefined;
  }
  if (condition.kind !== "or") return undefined;
  const found: (readonly Bound[])[] = [];
  for (const item of condition.items) {
    const bounds = boundsOf(item, context);
    if (bounds !== undefined) found.push(bounds);
    else {
      const nested = alternativesOf(item, context);
      if (nested === undefined) return undefined;
      found.push(...nested);
    }
  }
  return found;
}

function pathBy(
  index: ReadableIndex,
  { fixed, choices }: Usable,
  order: readonly OrderItem[],
  context: Context,
): { readonly path: AccessPath; readonly score: number } | undefined {
  const prefix: ValueOf[] = [];
  let at = 0;
  const equalOn = (bounds: readonly Bound[], place: number | undefined): Bound | undefined =>
    bounds.find((bound) => bound.op === "=" && bound.place === place);
  for (; at < index.places.length; at += 1) {
    const bound = equalOn(fixed, index.places[at]);
    if (bound === undefined) break;
    prefix.push(bound.value);
  }
  const place = index.places[at];
  const ordered = orderedBy(index, at, order, context);
  const lists = choices.map((choice) => listKeys(index, at, choice)).find((list) => list !== undefined);
  if (lists !== undefined) {
    const ranges = (env: Env): readonly KeyRange[] => pointRanges(prefix, lists, env, context.nullsLast);
    const path: AccessPath = { index, isDescending: false, isOrdered: false, ranges };
    return { path, score: at * 10 + 9 };
  }
  const low = fixed.find((bound) => bound.place === place && (bound.op === ">" || bound.op === ">="));
  const high = fixed.find((bound) => bound.place === place && (bound.op === "<" || bound.op === "<="));
  const notNull = fixed.find((bound) => bound.place === place && bound.op === "not_null");
  const isBounded = low !== undefined || high !== undefined || notNull !== undefined;
  if (at === 0 && !isBounded && ordered === undefined) return undefined;
  const path: AccessPath = {
    index,
    isDescending: ordered?.isDescending ?? false,
    isOrdered: ordered !== undefined,
    ranges: (env) =>
      [rangeOf(prefix, low, high, notNull !== undefined, env, context.nullsLast)].filter(
        (range) => range !== undefined,
      ),
  };
  const bounded = low !== undefined || high !== undefined ? 5 : notNull === undefined ? 0 : 1;
  const whole = index.definition.isUnique && at >= index.definition.columns.length ? 5 : 0;
  return { path, score: at * 10 + bounded + whole + (ordered === undefined ? 0 : 4) };
}

/** For each alternative the values of the columns from `at` on that all of them bind. */
function listKeys(
  index: ReadableIndex,
  at: number,
  choice: readonly (readonly Bound[])[],
): readonly (readonly ValueOf[])[] | undefined {
  const keys = choice.map((bounds) => {
    const values: ValueOf[] = [];
    for (const place of index.places.slice(at)) {
      const bound = bounds.find((one) => one.op === "=" && one.place === place);
      if (bound === undefined) break;
      values.push(bound.value);
    }
    return values;
  });
  const length = Math.min(...keys.map((values) => values.length));
  return length === 0 ? undefined : keys.map((values) => values.slice(0, length));
}

function pointRanges(
  prefix: readonly ValueOf[],
  lists: readonly (readonly ValueOf[])[],
  env: Env,
  nullsLast: boolean,
): readonly KeyRange[] {
  const start = prefix.map((value) => value(env));
  const keys = new Map<string, readonly Comparable[]>();
  for (const list of lists) {
    const key = [...start, ...list.map((value) => value(env))];
    keys.set(comparableText(key), key);
  }
  return [...keys.values()]
    .sort((left, right) => compareKeys(left, right, left.length, nullsLast))
    .map((values) => ({ low: { values, isInclusive: true }, high: { values, isInclusive: true } }));
}

/** Undefined: nothing can be in it. */
function rangeOf(
  prefix: readonly ValueOf[],
  low: Bound | undefined,
  high: Bound | undefined,
  isNotNull: boolean,
  env: Env,
  nullsLast: boolean,
): KeyRange | undefined {
  const start = prefix.map((value) => value(env));
  const lowest = low?.value(env);
  const highest = high?.value(env);
  if (lowest === null || highest === null) return undefined;
  const within: KeyBound | undefined = start.length === 0 ? undefined : { values: start, isInclusive: true };
  const null_: KeyBound | undefined = isNotNull
    ? { values: [...start, null], isInclusive: false }
    : undefined;
  return {
    low:
      lowest === undefined
        ? ((nullsLast ? undefined : null_) ?? within)
        : { values: [...start, lowest], isInclusive: low!.op === ">=" },
    high:
      highest === undefined
        ? ((nullsLast ? null_ : undefined) ?? within)
        : { values: [...start, highest], isInclusive: high!.op === "<=" },
  };
}

function orderedBy(
  index: ReadableIndex,
  equal: number,
  order: readonly OrderItem[],
  context: Context,
): { readonly isDescending: boolean } | undefined {
  if (order.length === 0) return undefined;
  const fixed = new Set(index.places.slice(0, equal));
  const isDescending = order[0]!.isDescending;
  let at = equal;
  for (const item of order) {
    if (item.isDescending !== isDescending || item.nulls !== undefined) return undefined;
    const place = placeOf(item.expression, context);
    if (place === undefined) return undefined;
    if (fixed.has(place)) continue;
    // Beyond the last column every entry is alone.
    if (at >= index.places.length && index.definition.isUnique) continue;
    if (index.places[at] !== place) return undefined;
    at += 1;
  }
  return { isDescending };
}
