// What may stand beside a GROUP BY: what is grouped by, aggregates, and what is made of these.
import type { Condition, Expression, Select } from "./ast.ts";
import { isAggregate } from "./aggregates.ts";
import type { Scope } from "./scope.ts";
import { DatabaseError } from "./session.ts";

/** @throws DatabaseError 8120 / ORA-00979 for a column that is neither grouped by nor aggregated */
export function checkGrouped(
  select: Select,
  others: readonly (Expression | Condition)[],
  scope: Scope,
): void {
  const keys = new Set(select.groupBy.map((item) => fingerprint(item, scope)));
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      for (const item of node) visit(item);
      return;
    }
    if (node === null || typeof node !== "object" || node instanceof Uint8Array) return;
    const expression = node as Expression;
    if (expression.kind === "subquery") return;
    if (
      expression.kind === "call" &&
      expression.path.length === 1 &&
      isAggregate(expression.path[0]!.toUpperCase())
    )
      return;
    if (expression.kind !== undefined && keys.has(fingerprint(expression, scope))) return;
    if (expression.kind === "column" && scope.resolve(expression.path)?.depth === 0)
      throw ungrouped(expression.path, scope);
    for (const value of Object.values(node)) visit(value);
  };
  for (const item of select.items) if (item.kind !== "star") visit(item.expression);
  visit(others);
}

/** Equal for expressions that are the same to the database, however their columns are qualified. */
function fingerprint(expression: Expression | Condition, scope: Scope): string {
  return JSON.stringify(expression, (_, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    const node = value as { readonly kind?: string; readonly path?: readonly string[] } | null;
    if (node?.kind !== "column" || node.path === undefined) return value;
    const resolved = scope.resolve(node.path);
    return resolved === undefined ? value : [resolved.depth, resolved.source, resolved.place];
  });
}

function ungrouped(path: readonly string[], scope: Scope): DatabaseError {
  return scope.run.host.dialect === "oracle"
    ? new DatabaseError(979, "ORA-00979: not a GROUP BY expression")
    : new DatabaseError(
        8120,
        `Column '${path.join(".")}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.`,
      );
}
