// Queries: sources are joined, rows filtered, grouped, ordered and cut.
import type { Query, QueryBody, Values } from "./ast.ts";
import { comparableBy, ruleOf } from "./compare-compiled.ts";
import { type Comparable, comparableText } from "./comparison.ts";
import { compileExpression, unify } from "./compile-expression.ts";
import { illegalLong, isLong } from "./long-rules.ts";
import { compileSelect } from "./select-body.ts";
import { cut, type CompiledQuery, compareSorted, type SortKey, sortKeys } from "./result-order.ts";
import type { Row } from "./rows.ts";
import type { Run } from "./run.ts";
import { type Compiled, type Env, type NamedQuery, Scope } from "./scope.ts";
import { DatabaseError } from "./session.ts";

export function compileQuery(query: Query, run: Run, parent: Scope | undefined): CompiledQuery {
  const named = withCtes(query, run, parent);
  const { body } = query;
  const limits = { offset: query.offset, fetch: query.fetch };
  if (body.kind === "select") return compileSelect(body, query.orderBy, limits, run, parent, named);
  const inner = compileBody(body, run, parent, named);
  const outputs = outputColumns(inner);
  const scope = new Scope(run, parent, named);
  scope.sources.push({ alias: undefined, path: [], columns: inner.columns });
  const keys = sortKeys(query.orderBy, outputs, scope);
  const cutter = cut(query.offset, query.fetch, undefined, scope);
  return {
    columns: inner.columns,
    *rows(outer) {
      const rows = sorted(inner.rows(outer), keys, outer);
      yield* cutter(rows, outer);
    },
  };
}

function withCtes(
  query: Query,
  run: Run,
  parent: Scope | undefined,
): Map<string, () => NamedQuery> | undefined {
  if (query.ctes.length === 0) return undefined;
  const named = new Map(parent?.named ?? []);
  for (const { name, columnNames, query: inner } of query.ctes) {
    const fold = run.host.dialect === "tsql" ? name.toLowerCase() : name;
    const visible = new Map(named);
    named.set(fold, () => {
      const scope = new Scope(run, undefined, visible);
      const compiled = compileQuery(inner, run, scope);
      const columns = compiled.columns.map((column, at) => ({
        ...column,
        name: columnNames?.[at] ?? column.name,
      }));
      return { columns, rows: () => compiled.rows(undefined) };
    });
  }
  return named;
}

function compileBody(
  body: QueryBody,
  run: Run,
  parent: Scope | undefined,
  named: Map<string, () => NamedQuery> | undefined,
): CompiledQuery {
  if (body.kind === "select")
    return compileSelect(body, [], { offset: undefined, fetch: undefined }, run, parent, named);
  if (body.kind === "values") return compileValues(body, run, parent, named);
  const left = compileBody(body.left, run, parent, named);
  const right = compileBody(body.right, run, parent, named);
  if (left.columns.length !== right.columns.length) {
    throw run.host.dialect === "oracle"
      ? new DatabaseError(1789, "ORA-01789: query block has incorrect number of result columns")
      : new DatabaseError(
          205,
          "All queries combined using a UNION operator must have an equal number of expressions.",
        );
  }
  return combine(body.op, left, right, new Scope(run, parent, named));
}

function combine(
  op: "union" | "union all" | "except" | "intersect",
  left: CompiledQuery,
  right: CompiledQuery,
  scope: Scope,
): CompiledQuery {
  if ([...left.columns, ...right.columns].some(({ type }) => isLong(type))) throw illegalLong();
  const lefts = outputColumns(left);
  const pairs = outputColumns(right).map((other, at) => unify([lefts[at]!, other], scope));
  const columns = left.columns.map((column, at) => ({
    ...column,
    type: pairs[at]![0]!.type,
    isNullable: column.isNullable || right.columns[at]!.isNullable,
  }));
  const convert = (row: Row, side: number, outer: Env | undefined): Row =>
    pairs.map((pair) => pair[side]!.eval(envOf(row, outer)));
  const values = columns.map(({ type }, at): Compiled => ({
    type,
    isNullable: true,
    collationRank: 1,
    eval: (env) => env.rows[0]![at]!,
  }));
  const keys = values.map((value) => comparableBy(value, ruleOf(value, scope.run), scope.run));
  const keyOf = (row: Row, outer: Env | undefined): string =>
    comparableText(keys.map((key) => key(envOf(row, outer))));
  return {
    columns,
    *rows(outer) {
      if (op === "union all") {
        for (const row of left.rows(outer)) yield convert(row, 0, outer);
        for (const row of right.rows(outer)) yield convert(row, 1, outer);
        return;
      }
      const others = new Set<string>();
      if (op !== "union")
        for (const row of right.rows(outer)) others.add(keyOf(convert(row, 1, outer), outer));
      const seen = new Set<string>();
      const sides = op === "union" ? ([left, right] as const) : ([left] as const);
      for (const [side, query] of sides.entries()) {
        for (const raw of query.rows(outer)) {
          const row = convert(raw, side, outer);
          const key = keyOf(row, outer);
          if (seen.has(key) || (op !== "union" && others.has(key) === (op === "except"))) continue;
          seen.add(key);
          yield row;
        }
      }
    },
  };
}

function compileValues(
  body: Values,
  run: Run,
  parent: Scope | undefined,
  named: Map<string, () => NamedQuery> | undefined,
): CompiledQuery {
  const scope = new Scope(run, parent, named);
  const raw = body.rows.map((row) => row.map((item) => compileExpression(item, scope)));
  const width = raw[0]?.length ?? 0;
  const rows = raw.map(() => [] as Compiled[]);
  for (let at = 0; at < width; at += 1) {
    const unified = unify(
      raw.map((row) => row[at]!),
      scope,
    );
    for (const [line, value] of unified.entries()) rows[line]!.push(value);
  }
  return {
    columns: (rows[0] ?? []).map(({ type }, at) => ({ name: `column${at + 1}`, type, isNullable: true })),
    *rows(outer) {
      for (const row of rows)
        yield row.map((value) => value.eval({ rows: [], outer, aggregates: [], rowNumber: 0 }));
    },
  };
}

export function envOf(row: Row, outer: Env | undefined): Env {
  return { rows: [row], outer, aggregates: [], rowNumber: 0 };
}

function outputColumns(query: CompiledQuery): readonly Compiled[] {
  return query.columns.map(({ name, type, isNullable }, at) => ({
    name,
    type,
    isNullable,
    collationRank: 1,
    eval: (env) => env.rows[0]![at]!,
    column: { source: 0, place: at },
  }));
}

function sorted(rows: Iterable<Row>, keys: readonly SortKey[], outer: Env | undefined): Iterable<Row> {
  if (keys.length === 0) return rows;
  const marked: { readonly row: Row; readonly values: readonly Comparable[] }[] = [];
  for (const row of rows) {
    const env = envOf(row, outer);
    marked.push({ row, values: keys.map((key) => key.value(env)) });
  }
  return marked.sort((left, right) => compareSorted(left.values, right.values, keys)).map(({ row }) => row);
}
