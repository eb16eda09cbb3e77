// ORDER BY, OFFSET, FETCH and TOP on rows that are already there.
import type { Expression, OrderItem } from "./ast.ts";
import { comparableBy, ruleOf } from "./compare-compiled.ts";
import { type Comparable, compare } from "./comparison.ts";
import { compileExpression } from "./compile-expression.ts";
import type { Row } from "./rows.ts";
import type { VirtualColumn } from "./run.ts";
import type { Compiled, Env, Scope } from "./scope.ts";
import { DatabaseError } from "./session.ts";

export interface CompiledQuery {
  readonly columns: readonly VirtualColumn[];
  rows(outer: Env | undefined): Iterable<Row>;
}

export interface SortKey {
  readonly value: (env: Env) => Comparable;
  readonly isDescending: boolean;
  readonly nullsLast: boolean;
}

/** An item may name an output column, count it (`ORDER BY 2`), or be any expression on the sources. */
export function sortKeys(
  order: readonly OrderItem[],
  outputs: readonly Compiled[],
  scope: Scope,
): readonly SortKey[] {
  const isOracle = scope.run.host.dialect === "oracle";
  return order.map(({ expression, isDescending, nulls }) => {
    const value = outputMeant(expression, outputs, scope) ?? compileExpression(expression, scope);
    const usual = isOracle !== isDescending;
    return {
      value: comparableBy(value, ruleOf(value, scope.run), scope.run),
      isDescending,
      nullsLast: nulls === undefined ? usual : nulls === "last",
    };
  });
}

function outputMeant(
  expression: Expression,
  outputs: readonly Compiled[],
  scope: Scope,
): Compiled | undefined {
  if (expression.kind === "literal" && /^\d+$/.test(String(expression.value))) {
    const output = outputs[Number(expression.value) - 1];
    if (output === undefined) throw new DatabaseError(108, "The ORDER BY position number is out of range.");
    return output;
  }
  if (expression.kind !== "column" || expression.path.length !== 1) return undefined;
  const name = expression.path[0]!;
  return outputs.find((output) => output.name !== undefined && scope.same(output.name, name));
}

export function compareSorted(
  left: readonly Comparable[],
  right: readonly Comparable[],
  keys: readonly SortKey[],
): number {
  for (const [at, key] of keys.entries()) {
    const a = left[at]!;
    const b = right[at]!;
    if (a === null || b === null) {
      if (a === b) continue;
      return (a === null) === key.nullsLast ? 1 : -1;
    }
    const order = compare(a, b);
    if (order !== 0) return key.isDescending ? -order : order;
  }
  return 0;
}

/** How many rows are skipped and how many are given at most. */
export function cut(
  offset: Expression | undefined,
  fetch: Expression | undefined,
  top: Expression | undefined,
  scope: Scope,
): (rows: Iterable<Row>, outer: Env | undefined) => Iterable<Row> {
  const counts = [offset, fetch ?? top].map((item) =>
    item === undefined ? undefined : compileExpression(item, scope),
  );
  return function* limited(rows, outer) {
    const env: Env = { rows: [], outer, aggregates: [], rowNumber: 0 };
    const [skip, take] = counts.map((count) => (count === undefined ? undefined : Number(count.eval(env))));
    if (take !== undefined && take <= 0) return;
    let seen = 0;
    const first = skip ?? 0;
    for (const row of rows) {
      seen += 1;
      if (seen <= first) continue;
      yield row;
      if (take !== undefined && seen - first >= take) return;
    }
  };
}
