// Conditions with three-valued logic: true, false, or null for unknown.
import type { Condition, Expression } from "./ast.ts";
import { collationOf } from "./collation.ts";
import { collationIn, comparableBy, ruleFor } from "./compare-compiled.ts";
import { type Comparable, comparableText } from "./comparison.ts";
import { comparer, compileExpression } from "./compile-expression.ts";
import { textOf } from "./convert-text.ts";
import { compileQuery } from "./select.ts";
import type { Compiled, Env, Predicate, Scope } from "./scope.ts";
import { DatabaseError } from "./session.ts";

export function compileCondition(condition: Condition, scope: Scope): Predicate {
  switch (condition.kind) {
    case "and":
      return all(condition.items.map((item) => compileCondition(item, scope)));
    case "or":
      return any(condition.items.map((item) => compileCondition(item, scope)));
    case "not": {
      const item = compileCondition(condition.item, scope);
      return (env) => negated(item(env));
    }
    case "compare":
      return compileComparison(condition, scope);
    case "is_null": {
      const operand = compileExpression(condition.operand, scope);
      const wanted = !condition.isNegated;
      return (env) => (operand.eval(env) === null) === wanted;
    }
    case "between": {
      const low = compileComparison(
        { kind: "compare", op: ">=", left: condition.operand, right: condition.low },
        scope,
      );
      const high = compileComparison(
        { kind: "compare", op: "<=", left: condition.operand, right: condition.high },
        scope,
      );
      const both = all([low, high]);
      return condition.isNegated ? (env) => negated(both(env)) : both;
    }
    case "in_list":
      return compileInList(condition, scope);
    case "in_query":
      return compileInQuery(condition, scope);
    case "exists": {
      const query = compileQuery(condition.query, scope.run, scope);
      return (env) => {
        for (const _ of query.rows(env)) return true;
        return false;
      };
    }
    default:
      return compileLike(condition, scope);
  }
}

export function all(items: readonly Predicate[]): Predicate {
  if (items.length === 1) return items[0]!;
  return (env) => {
    let result: boolean | null = true;
    for (const item of items) {
      const value = item(env);
      if (value === false) return false;
      if (value === null) result = null;
    }
    return result;
  };
}

function any(items: readonly Predicate[]): Predicate {
  return (env) => {
    let result: boolean | null = false;
    for (const item of items) {
      const value = item(env);
      if (value === true) return true;
      if (value === null) result = null;
    }
    return result;
  };
}

function negated(value: boolean | null): boolean | null {
  return value === null ? null : !value;
}

const HOLDS: Readonly<Record<string, (order: number) => boolean>> = {
  "=": (order) => order === 0,
  "<>": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

function compileComparison(condition: Condition & { kind: "compare" }, scope: Scope): Predicate {
  const { op, left, right } = condition;
  if (left.kind === "row" || right.kind === "row") return compareRows(condition, scope);
  const holds = HOLDS[op]!;
  const order = comparer(compileExpression(left, scope), compileExpression(right, scope), scope);
  return (env) => {
    const result = order(env);
    return result === undefined ? null : holds(result);
  };
}

function compareRows({ op, left, right }: Condition & { kind: "compare" }, scope: Scope): Predicate {
  if (left.kind !== "row" || right.kind !== "row" || (op !== "=" && op !== "<>")) {
    throw new DatabaseError(
      scope.run.host.dialect === "oracle" ? 1796 : 4145,
      "ORA-01796: this operator cannot be used with lists",
    );
  }
  const equal = all(
    left.items.map((item, at) =>
      compileComparison({ kind: "compare", op: "=", left: item, right: right.items[at]! }, scope),
    ),
  );
  return op === "=" ? equal : (env) => negated(equal(env));
}

function compileInList(condition: Condition & { kind: "in_list" }, scope: Scope): Predicate {
  const { operand, items, isNegated } = condition;
  const limit = scope.run.host.dialect === "oracle" ? 1000 : undefined;
  if (limit !== undefined && operand.kind !== "row" && items.length > limit) {
    throw new DatabaseError(1795, "ORA-01795: maximum number of expressions in a list is 1000");
  }
  const flat =
    operand.kind === "row" && items.every((item) => item.kind !== "row")
      ? [{ kind: "row", items } as const]
      : items;
  const found = any(
    flat.map((item) => compileComparison({ kind: "compare", op: "=", left: operand, right: item }, scope)),
  );
  return isNegated ? (env) => negated(found(env)) : found;
}

/** The query's rows are read once if it does not look outside. */
function compileInQuery(condition: Condition & { kind: "in_query" }, scope: Scope): Predicate {
  const operands: readonly Expression[] =
    condition.operand.kind === "row" ? condition.operand.items : [condition.operand];
  const left = operands.map((operand) => compileExpression(operand, scope));
  const { result: query, used } = scope.track(() => compileQuery(condition.query, scope.run, scope));
  if (query.columns.length !== left.length)
    throw new DatabaseError(116, "Only one expression can be specified in the select list of a subquery.");
  const right: readonly Compiled[] = query.columns.map(({ type }, at) => ({
    type,
    isNullable: true,
    collationRank: 1,
    eval: (env) => env.rows[0]![at]!,
  }));
  const rules = left.map((one, at) => ruleFor(one, right[at]!, scope.run));
  const mine = left.map((one, at) => comparableBy(one, rules[at]!, scope.run));
  const theirs = right.map((one, at) => comparableBy(one, rules[at]!, scope.run));
  let known: { readonly keys: ReadonlySet<string>; readonly hasNull: boolean } | undefined;
  const gather = (env: Env): { readonly keys: ReadonlySet<string>; readonly hasNull: boolean } => {
    const keys = new Set<string>();
    let hasNull = false;
    for (const row of query.rows(env)) {
      const inner: Env = { rows: [row], outer: env, aggregates: [], rowNumber: 0 };
      const values = theirs.map((value) => value(inner));
      if (values.includes(null)) hasNull = true;
      else keys.add(comparableText(values));
    }
    return { keys, hasNull };
  };
  const isFixed = used === 0 && scope.parent === undefined;
  return (env) => {
    const { keys, hasNull } = isFixed ? (known ??= gather(env)) : gather(env);
    const values: Comparable[] = mine.map((value) => value(env));
    if (values.includes(null)) return keys.size === 0 && !hasNull ? condition.isNegated : null;
    if (keys.has(comparableText(values))) return !condition.isNegated;
    return hasNull ? null : condition.isNegated;
  };
}

const remembered = new Map<string, RegExp>();

function compileLike(condition: Condition & { kind: "like" }, scope: Scope): Predicate {
  const operand = compileExpression(condition.operand, scope);
  const pattern = compileExpression(condition.pattern, scope);
  const escape = condition.escape === undefined ? undefined : compileExpression(condition.escape, scope);
  const { host } = scope.run;
  const name = collationIn(operand.type) ?? host.collation;
  const collation = name === undefined ? undefined : collationOf(name);
  const options = { dialect: host.dialect, mayCut: true };
  const fold = (text: string): string =>
    collation?.ignoreAccents === true ? text.normalize("NFD").replaceAll(/\p{Mn}/gu, "") : text;
  return (env) => {
    const value = operand.eval(env);
    const like = pattern.eval(env);
    if (value === null || like === null) return null;
    const sign = escape?.eval(env);
    const flags = collation?.ignoreCase === true ? "isu" : "su";
    const place = `${host.dialect}${flags}${String(sign ?? "")}/${String(like)}`;
    let expression = remembered.get(place);
    if (expression === undefined) {
      expression = new RegExp(
        likeSource(fold(String(like)), String(sign ?? ""), host.dialect === "tsql"),
        flags,
      );
      if (remembered.size > 1000) remembered.clear();
      remembered.set(place, expression);
    }
    return expression.test(fold(textOf(value, operand.type, options))) !== condition.isNegated;
  };
}

function likeSource(pattern: string, escape: string, hasSets: boolean): string {
  let source = "^";
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at]!;
    if (escape !== "" && character === escape) {
      at += 1;
      source += literalSource(pattern[at] ?? "");
    } else if (character === "%") source += ".*";
    else if (character === "_") source += ".";
    else if (character === "[" && hasSets && pattern.indexOf("]", at) > 0) {
      const end = pattern.indexOf("]", at + 1);
      source += `[${pattern
        .slice(at + 1, end)
        .replaceAll("\\", "\\\\")
        .replaceAll("[", "\\[")}]`;
      at = end;
    } else source += literalSource(character);
  }
  return `${source}${hasSets ? " *" : ""}$`;
}

function literalSource(character: string): string {
  return character.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}
