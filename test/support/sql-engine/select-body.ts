// One SELECT: joins as nested loops, filters at the first place where they can decide, groups, then the output.
import type { Condition, Expression, OrderItem, Select } from "./ast.ts";
import { startAggregate } from "./aggregates.ts";
import { comparableBy, ruleOf } from "./compare-compiled.ts";
import { type Comparable, comparableText } from "./comparison.ts";
import { all, compileCondition } from "./compile-condition.ts";
import { compileExpression } from "./compile-expression.ts";
import { checkGrouped } from "./group-check.ts";
import { type CompiledQuery, compareSorted, cut, type SortKey, sortKeys } from "./result-order.ts";
import { refuseLongOutputs } from "./long-rules.ts";
import type { Row } from "./rows.ts";
import type { Run } from "./run.ts";
import {
  type AggregateCall,
  type Compiled,
  type Env,
  type NamedQuery,
  type Predicate,
  Scope,
} from "./scope.ts";
import { DatabaseError } from "./session.ts";
import { addSources, type Source } from "./sources.ts";

export interface Limits {
  readonly offset: Expression | undefined;
  readonly fetch: Expression | undefined;
}

export function compileSelect(
  select: Select,
  order: readonly OrderItem[],
  limits: Limits,
  run: Run,
  parent: Scope | undefined,
  named: Map<string, () => NamedQuery> | undefined,
): CompiledQuery {
  const scope = new Scope(run, parent, named);
  const sources: Source[] = [];
  if (select.from !== undefined) addSources(select.from, scope, sources, namesIn(select, order));
  const { conditions, rowLimit } = takeRowLimit(conjuncts(select.where), scope);
  const isGrouped = select.groupBy.length > 0 || select.having !== undefined;
  const aggregates: AggregateCall[] = [];
  scope.aggregates = aggregates;
  const outputs = compileItems(select, scope);
  const keys = sortKeys(order, outputs, scope);
  const having = select.having === undefined ? undefined : compileCondition(select.having, scope);
  scope.aggregates = undefined;
  const groups = isGrouped || aggregates.length > 0;
  const isCut = [limits.offset, limits.fetch, rowLimit].some((limit) => limit !== undefined);
  refuseLongOutputs(select, outputs, scope, groups || isCut);
  if (groups) {
    const ordered = order
      .map(({ expression }) => expression)
      .filter((item) => !isOutputName(item, outputs, scope));
    checkGrouped(select, select.having === undefined ? ordered : [...ordered, select.having], scope);
  } else if (select.isDistinct) checkDistinct(order, outputs, select, scope);
  const inOrder = groups || select.isDistinct ? [] : sourceOrder(order, select, outputs, scope);
  const joined = joinPlan(sources, conditions, inOrder, scope);
  const needsSort = keys.length > 0 && !(inOrder.length > 0 && joined.isOrdered);
  const limiter = cut(limits.offset, limits.fetch, select.top, scope);
  const rowNumberLimit = rowLimit === undefined ? undefined : compileExpression(rowLimit, scope);
  const grouping = groups ? groupPlan(select, aggregates, having, sources, scope) : undefined;
  const distinct = select.isDistinct
    ? outputs.map((output) => comparableBy(output, ruleOf(output, run), run))
    : undefined;
  return {
    columns: outputs.map(({ name, type, isNullable }) => ({
      name: name === "$null" ? "" : (name ?? ""),
      type,
      isNullable,
    })),
    *rows(outer) {
      const env: Env = { rows: [], outer, aggregates: [], rowNumber: 1 };
      let envs: Iterable<Env> = joined.envs(env);
      if (rowNumberLimit !== undefined) envs = firstOf(envs, Number(rowNumberLimit.eval(env)));
      if (grouping !== undefined) envs = grouping(envs, outer);
      yield* limiter(outputRows(envs, outputs, needsSort ? keys : [], distinct), outer);
    },
  };
}

function isOutputName(expression: Expression, outputs: readonly Compiled[], scope: Scope): boolean {
  if (expression.kind === "literal") return true;
  if (expression.kind !== "column" || expression.path.length !== 1) return false;
  const name = expression.path[0]!;
  return outputs.some((output) => output.name !== undefined && scope.same(output.name, name));
}

/** With DISTINCT only what is selected can be ordered by. */
function checkDistinct(
  order: readonly OrderItem[],
  outputs: readonly Compiled[],
  select: Select,
  scope: Scope,
): void {
  const selected = new Set(
    select.items.map((item) => (item.kind === "star" ? "*" : JSON.stringify(item.expression))),
  );
  for (const { expression } of order) {
    if (
      isOutputName(expression, outputs, scope) ||
      selected.has("*") ||
      selected.has(JSON.stringify(expression))
    )
      continue;
    throw scope.run.host.dialect === "oracle"
      ? new DatabaseError(1791, "ORA-01791: not a SELECTed expression")
      : new DatabaseError(
          145,
          "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.",
        );
  }
}

function* firstOf(envs: Iterable<Env>, count: number): Generator<Env> {
  let given = 0;
  if (count < 1) return;
  for (const env of envs) {
    yield env;
    given += 1;
    if (given >= count) return;
  }
}

function* outputRows(
  envs: Iterable<Env>,
  outputs: readonly Compiled[],
  keys: readonly SortKey[],
  distinct: readonly ((env: Env) => Comparable)[] | undefined,
): Generator<Row> {
  const seen = new Set<string>();
  const marked: { readonly row: Row; readonly values: readonly Comparable[] }[] = [];
  for (const env of envs) {
    if (distinct !== undefined) {
      const key = comparableText(distinct.map((value) => value(env)));
      if (seen.has(key)) continue;
      seen.add(key);
    }
    const row = outputs.map((output) => output.eval(env));
    env.rowNumber += 1;
    if (keys.length === 0) yield row;
    else marked.push({ row, values: keys.map((key) => key.value(env)) });
  }
  marked.sort((left, right) => compareSorted(left.values, right.values, keys));
  for (const { row } of marked) yield row;
}

function compileItems(select: Select, scope: Scope): readonly Compiled[] {
  return select.items.flatMap((item) => {
    if (item.kind === "star") return starColumns(item.table, scope);
    scope.takesLong = item.expression.kind === "column";
    const compiled = compileExpression(item.expression, scope);
    scope.takesLong = false;
    if (item.kind === "assign") return [{ ...compiled, name: item.variable }];
    const usual = item.expression.kind === "column" ? compiled.name : defaultName(item.expression, scope);
    return [{ ...compiled, name: item.alias ?? usual ?? "" }];
  });
}

/** Oracle names a column after the text of its expression; where that is not known, after its kind. */
function defaultName(expression: Expression, scope: Scope): string {
  if (scope.run.host.dialect === "tsql") return "";
  if (expression.kind === "call")
    return expression.isStar ? `${expression.path.at(-1)}(*)` : expression.path.join(".");
  if (expression.kind === "parameter") return `:${expression.name}`;
  return expression.kind === "literal" ? `'${String(expression.value)}'` : "EXPRESSION";
}

function starColumns(table: readonly string[] | undefined, scope: Scope): readonly Compiled[] {
  const wanted = table === undefined ? [...scope.sources.keys()] : scope.sourcesNamed(table);
  if (wanted.length === 0) {
    throw new DatabaseError(
      scope.run.host.dialect === "oracle" ? 904 : 107,
      `No source is named ${table?.join(".") ?? "*"} (ORA-00904).`,
    );
  }
  return wanted.flatMap((source) =>
    scope.sources[source]!.columns.map(({ name, type, isNullable }, place): Compiled => ({
      name,
      type,
      isNullable,
      collationRank: 1,
      column: { source, place },
      eval: (env) => env.rows[source]![place]!,
    })),
  );
}

/** ORDER BY as columns of the sources, where an index may already give it; output names are looked through. */
function sourceOrder(
  order: readonly OrderItem[],
  select: Select,
  outputs: readonly Compiled[],
  scope: Scope,
): readonly OrderItem[] {
  const named = select.items.every((item) => item.kind === "value") ? select.items : [];
  return order.map((item) => {
    const { expression } = item;
    if (expression.kind !== "column" || expression.path.length !== 1) return item;
    const at = outputs.findIndex(
      (output) => output.name !== undefined && scope.same(output.name, expression.path[0]!),
    );
    const meant = named[at];
    return meant?.kind === "value" ? { ...item, expression: meant.expression } : item;
  });
}

export function conjuncts(condition: Condition | undefined): readonly Condition[] {
  if (condition === undefined) return [];
  return condition.kind === "and" ? condition.items.flatMap(conjuncts) : [condition];
}

/** `ROWNUM <= n` is a limit on what is found, before it is ordered. */
function takeRowLimit(
  conditions: readonly Condition[],
  scope: Scope,
): { readonly conditions: readonly Condition[]; readonly rowLimit: Expression | undefined } {
  if (scope.run.host.dialect !== "oracle") return { conditions, rowLimit: undefined };
  let rowLimit: Expression | undefined;
  const rest = conditions.filter((condition) => {
    if (condition.kind !== "compare" || !isRowNumber(condition.left) || rowLimit !== undefined) return true;
    if (condition.op === "<=") rowLimit = condition.right;
    else if (condition.op === "<") {
      const one: Expression = { kind: "literal", value: "1", type: { kind: "number" } };
      rowLimit = { kind: "arithmetic", op: "-", left: condition.right, right: one };
    } else return true;
    return false;
  });
  return { conditions: rest, rowLimit };
}

function isRowNumber(expression: Expression): boolean {
  return expression.kind === "call" && expression.path.length === 1 && expression.path[0] === "ROWNUM";
}

interface JoinPlan {
  readonly isOrdered: boolean;
  envs(env: Env): Iterable<Env>;
}

/** Used by writes too. */
export function joinPlan(
  sources: readonly Source[],
  conditions: readonly Condition[],
  order: readonly OrderItem[],
  scope: Scope,
): JoinPlan {
  const filters: Predicate[][] = sources.map(() => []);
  const usable: Condition[][] = sources.map(() => []);
  const always: Predicate[] = [];
  for (const condition of conditions) {
    const { result, used } = scope.track(() => compileCondition(condition, scope));
    const last = used === 0 ? -1 : 31 - Math.clz32(used);
    if (last < 0) always.push(result);
    else {
      filters[last]!.push(result);
      // A row made of nulls by an outer join is still to be filtered; the condition may not narrow what is joined.
      if (sources[last]!.join === "inner") usable[last]!.push(condition);
    }
  }
  const joins = sources.map((source, at) => {
    const own = conjuncts(source.on);
    usable[at]!.push(...own);
    const on = own.map((condition) => compileCondition(condition, scope));
    return on.length === 0 ? undefined : all(on);
  });
  const plans = sources.map((source, at) => source.plan(usable[at]!, at === 0 ? order : []));
  const steps = sources.map((source, at): Step => ({
    source,
    on: joins[at],
    filter: filters[at]!.length === 0 ? undefined : all(filters[at]!),
    empty: source.binding.columns.map(() => null),
  }));
  return {
    isOrdered: plans[0]?.isOrdered ?? false,
    *envs(env) {
      if (always.length > 0 && all(always)(env) !== true) return;
      if (steps.length === 0) yield env;
      else yield* walk(steps, 0, env);
    },
  };
}

interface Step {
  readonly source: Source;
  readonly on: Predicate | undefined;
  readonly filter: Predicate | undefined;
  readonly empty: Row;
}

function* walk(steps: readonly Step[], at: number, env: Env): Generator<Env> {
  const { source, on, filter, empty } = steps[at]!;
  const isLast = at + 1 === steps.length;
  let isMatched = false;
  for (const row of source.rows(env)) {
    env.rows[at] = row;
    if (on !== undefined && on(env) !== true) continue;
    isMatched = true;
    if (filter !== undefined && filter(env) !== true) continue;
    if (isLast) yield env;
    else yield* walk(steps, at + 1, env);
  }
  if (isMatched || source.join === "inner") return;
  env.rows[at] = empty;
  if (filter !== undefined && filter(env) !== true) return;
  if (isLast) yield env;
  else yield* walk(steps, at + 1, env);
}

function groupPlan(
  select: Select,
  aggregates: readonly AggregateCall[],
  having: Predicate | undefined,
  sources: readonly Source[],
  scope: Scope,
): (envs: Iterable<Env>, outer: Env | undefined) => Iterable<Env> {
  const { run } = scope;
  const keys = select.groupBy.map((item) => {
    const compiled = compileExpression(item, scope);
    return comparableBy(compiled, ruleOf(compiled, run), run);
  });
  return function* grouped(envs, outer) {
    const groups = new Map<
      string,
      { readonly env: Env; readonly states: ReturnType<typeof startAggregate>[] }
    >();
    for (const env of envs) {
      const key = comparableText(keys.map((value) => value(env)));
      let group = groups.get(key);
      if (group === undefined) {
        const first: Env = { rows: [...env.rows], outer, aggregates: [], rowNumber: 1 };
        group = { env: first, states: aggregates.map((call) => startAggregate(call, run)) };
        groups.set(key, group);
      }
      for (const state of group.states) state.add(env);
    }
    if (groups.size === 0 && select.groupBy.length === 0) {
      const rows = sources.map(({ binding }) => binding.columns.map(() => null));
      const states = aggregates.map((call) => startAggregate(call, run));
      groups.set("", { env: { rows, outer, aggregates: [], rowNumber: 1 }, states });
    }
    for (const { env, states } of groups.values()) {
      env.aggregates = states.map((state) => state.result());
      if (having === undefined || having(env) === true) yield env;
    }
  };
}

/** Every column name that the statement mentions, for rights on columns; undefined where a star stands. */
export function namesIn(...parts: readonly unknown[]): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  let hasStar = false;
  const visit = (part: unknown): void => {
    if (Array.isArray(part)) for (const item of part) visit(item);
    else if (part !== null && typeof part === "object" && !(part instanceof Uint8Array)) {
      const node = part as { kind?: unknown; path?: readonly string[] };
      if (node.kind === "star") hasStar = true;
      if (node.kind === "column" && node.path !== undefined) names.add(node.path.at(-1)!.toLowerCase());
      for (const value of Object.values(part)) visit(value);
    }
  };
  visit(parts);
  return hasStar ? undefined : names;
}
