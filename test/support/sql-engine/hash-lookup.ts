// Joins to a source without a fitting index: its rows are put in a map by the values that are equated, once a statement.
import type { Condition, Expression } from "./ast.ts";
import { comparableBy, ruleFor } from "./compare-compiled.ts";
import { type Comparable, comparableText } from "./comparison.ts";
import { compileExpression } from "./compile-expression.ts";
import type { Row } from "./rows.ts";
import type { VirtualColumn } from "./run.ts";
import type { Env, Scope } from "./scope.ts";

/** Undefined where no condition equates a column of source `at` with something known before it. */
export function hashLookup(
  columns: readonly VirtualColumn[],
  scope: Scope,
  at: number,
  conditions: readonly Condition[],
  rows: () => readonly Row[],
): ((env: Env) => Iterable<Row>) | undefined {
  const mine: ((env: Env) => Comparable)[] = [];
  const theirs: ((env: Env) => Comparable)[] = [];
  for (const condition of conditions) {
    if (condition.kind !== "compare" || condition.op !== "=") continue;
    const sides = [
      [condition.left, condition.right],
      [condition.right, condition.left],
    ] as const;
    for (const [own, other] of sides) {
      if (!isOwnColumn(own, scope, at, columns.length)) continue;
      const { result: value, used } = scope.track(() => compileExpression(other, scope));
      if (used >> at !== 0) continue;
      const column = compileExpression(own, scope);
      const rule = ruleFor(column, value, scope.run);
      mine.push(comparableBy(column, rule, scope.run));
      theirs.push(comparableBy(value, rule, scope.run));
      break;
    }
  }
  if (mine.length === 0) return undefined;
  let known: Map<string, Row[]> | undefined;
  return (env) => {
    known ??= gather(rows(), mine, at);
    const values = theirs.map((value) => value(env));
    return values.includes(null) ? [] : (known.get(comparableText(values)) ?? []);
  };
}

function gather(
  rows: readonly Row[],
  mine: readonly ((env: Env) => Comparable)[],
  at: number,
): Map<string, Row[]> {
  const known = new Map<string, Row[]>();
  const env: Env = { rows: [], outer: undefined, aggregates: [], rowNumber: 0 };
  for (const row of rows) {
    env.rows[at] = row;
    const values = mine.map((value) => value(env));
    if (values.includes(null)) continue;
    const key = comparableText(values);
    const same = known.get(key);
    if (same === undefined) known.set(key, [row]);
    else same.push(row);
  }
  return known;
}

function isOwnColumn(expression: Expression, scope: Scope, at: number, width: number): boolean {
  if (expression.kind !== "column") return false;
  const resolved = scope.resolve(expression.path);
  return resolved?.depth === 0 && resolved.source === at && resolved.place < width;
}
