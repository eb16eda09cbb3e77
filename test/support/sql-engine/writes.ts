// INSERT, UPDATE, DELETE and MERGE: rows are found first, then written one by one.
import type {
  Assignment,
  Condition,
  Expression,
  FromItem,
  MergeWhen,
  OutputClause,
  Returning,
  WriteStatement,
} from "./ast.ts";
import { optionsOf } from "./compare-compiled.ts";
import { compileCondition } from "./compile-condition.ts";
import { compileExpression } from "./compile-expression.ts";
import { convertValue } from "./convert.ts";
import { OutputWriter } from "./output-clause.ts";
import type { RowRecord, Row } from "./rows.ts";
import type { Run } from "./run.ts";
import { type Compiled, type Env, Scope } from "./scope.ts";
import { compileQuery } from "./select.ts";
import { conjuncts, joinPlan, namesIn } from "./select-body.ts";
import { DatabaseError, type DbValue, type ResultSet } from "./session.ts";
import { addSources, type Source } from "./sources.ts";
import type { Table } from "./table.ts";
import { placeIn, type TableWriter } from "./table-writer.ts";
import type { Transaction } from "./transaction.ts";

export interface WriteContext {
  readonly run: Run;
  readonly writer: TableWriter;
  readonly transaction: Transaction;
  /** Checks the right to do this to the table. @throws DatabaseError 229 / ORA-01031 */
  readonly demand: (right: string, table: Table, columns?: readonly string[]) => void;
}

export interface WriteResult {
  readonly count: number;
  readonly output: ResultSet | undefined;
  readonly identity: DbValue | undefined;
  /** Oracle's RETURNING: by bind name. */
  readonly returned: ReadonlyMap<string, { readonly type: Compiled["type"]; readonly value: DbValue }>;
}

export function runWrite(statement: WriteStatement, context: WriteContext): WriteResult {
  switch (statement.kind) {
    case "insert":
      return runInsert(statement, context);
    case "update":
      return runUpdate(statement, context);
    case "delete":
      return runDelete(statement, context);
    default:
      return runMerge(statement, context);
  }
}

function targetOf(path: readonly string[], context: WriteContext): Table {
  const variable = context.run.tableVariables.get(path.at(-1)!.toLowerCase());
  if (variable !== undefined) return variable;
  const found = context.run.host.source(path, context.run, new Set());
  if (found.kind !== "table") throw new DatabaseError(4406, `${path.join(".")} cannot be written.`);
  return found.table;
}

function outputOf(
  output: OutputClause | undefined,
  returning: Returning | undefined,
  table: Table,
  context: WriteContext,
): OutputWriter {
  return new OutputWriter(output, returning, table, context.run);
}

function isDefault(expression: Expression): boolean {
  return expression.kind === "call" && expression.path[0] === "$DEFAULT";
}

/** A compiled value as the column wants it. */
function fitted(value: Compiled, table: Table, place: number, run: Run): (env: Env) => DbValue {
  const column = table.columns[place]!;
  if (column.type.kind === "rowversion")
    throw new DatabaseError(273, "Cannot insert an explicit value into a timestamp column.");
  const options = optionsOf(run, false);
  return (env) => convertValue(value.eval(env), value.type, column.type, options);
}

function runInsert(statement: WriteStatement & { kind: "insert" }, context: WriteContext): WriteResult {
  const { run, writer, transaction } = context;
  const table = targetOf(statement.table, context);
  const identity = run.session.settings.get("IDENTITY_INSERT") === "ON";
  const implied = table.columns.filter(
    ({ isIdentity, type }) =>
      (!isIdentity || identity || run.host.dialect === "oracle") && type.kind !== "rowversion",
  );
  const names = statement.columns ?? implied.map(({ name }) => name);
  const places = names.map((name) => knownPlace(table, name, run));
  context.demand("INSERT", table, statement.columns);
  const output = outputOf(statement.output, statement.returning, table, context);
  let count = 0;
  let lastIdentity: DbValue | undefined;
  const identityPlace = table.columns.findIndex((column) => column.isIdentity);
  const insert = (given: ReadonlyMap<number, DbValue>): void => {
    const values = writer.insert(
      transaction,
      table,
      table.columns.map((_, place) => given.get(place)),
    );
    count += 1;
    if (identityPlace >= 0) lastIdentity = values[identityPlace]!;
    output.add(values, undefined, "INSERT");
  };
  const { query } = statement;
  if (query === undefined) insert(new Map());
  else if (query.body.kind === "values") insertValues(query.body.rows, places, table, run, insert);
  else {
    const compiled = compileQuery(query, run, undefined);
    checkWidth(compiled.columns.length, places.length, run);
    const options = optionsOf(run, false);
    for (const row of Array.from(compiled.rows(undefined))) {
      insert(
        new Map(
          places.map((place, at) => [
            place,
            convertValue(row[at]!, compiled.columns[at]!.type, table.columns[place]!.type, options),
          ]),
        ),
      );
    }
  }
  return { count, output: output.result(), identity: lastIdentity, returned: output.returned };
}

function insertValues(
  rows: readonly (readonly Expression[])[],
  places: readonly number[],
  table: Table,
  run: Run,
  insert: (given: ReadonlyMap<number, DbValue>) => void,
): void {
  const scope = new Scope(run, undefined);
  const env: Env = { rows: [], outer: undefined, aggregates: [], rowNumber: 1 };
  for (const row of rows) {
    checkWidth(row.length, places.length, run);
    const given = new Map<number, DbValue>();
    for (const [at, expression] of row.entries()) {
      if (isDefault(expression)) continue;
      const place = places[at]!;
      given.set(place, fitted(compileExpression(expression, scope), table, place, run)(env));
    }
    insert(given);
  }
}

function checkWidth(values: number, columns: number, run: Run): void {
  if (values === columns) return;
  if (run.host.dialect === "oracle") {
    throw values < columns
      ? new DatabaseError(947, "ORA-00947: not enough values")
      : new DatabaseError(913, "ORA-00913: too many values");
  }
  throw new DatabaseError(213, "Column name or number of supplied values does not match table definition.");
}

function knownPlace(table: Table, name: string, run: Run): number {
  if (run.host.dialect === "tsql") return placeIn(table, name);
  const place = table.columns.findIndex((column) => column.name === name);
  if (place < 0) throw new DatabaseError(904, `ORA-00904: "${name}": invalid identifier`);
  return place;
}

interface Target {
  readonly table: Table;
  readonly scope: Scope;
  readonly sources: readonly Source[];
  readonly at: number;
}

/** The target among the sources of FROM, or alone. */
function openTarget(
  statement: {
    readonly table: readonly string[];
    readonly alias: string | undefined;
    readonly from: FromItem | undefined;
  },
  context: WriteContext,
  columns: ReadonlySet<string> | undefined,
): Target {
  const { run } = context;
  const writing: Run =
    run.host.dialect === "tsql" && run.view.mode === "snapshot" && run.transaction?.snapshot === undefined
      ? { ...run, view: { ...run.view, mode: "locking" } }
      : run;
  const scope = new Scope(writing, undefined);
  const sources: Source[] = [];
  const { table: path, alias, from } = statement;
  const own: FromItem = { kind: "table", path, alias, hints: [], flashback: undefined };
  if (from !== undefined) addSources(from, scope, sources, columns);
  let at = sources.findIndex(({ binding }) =>
    scope.same(binding.alias ?? binding.path.at(-1) ?? "", path.at(-1)!),
  );
  if (at < 0) {
    addSources(own, scope, sources, columns);
    at = sources.length - 1;
  }
  const table = sources[at]!.table;
  if (table === undefined) throw new DatabaseError(4406, `${path.join(".")} cannot be written.`);
  return { table, scope, sources, at };
}

interface Found {
  readonly record: RowRecord;
  readonly env: Env;
}

/** Each row of the target once, with the rows that were joined to it. */
function findRows(
  target: Target,
  where: Condition | undefined,
  top: Expression | undefined,
): readonly Found[] {
  const { scope, sources, at } = target;
  const plan = joinPlan(sources, conjuncts(where), [], scope);
  const start: Env = { rows: [], outer: undefined, aggregates: [], rowNumber: 1 };
  const limit = top === undefined ? Infinity : Number(compileExpression(top, scope).eval(start));
  const found = new Map<RowRecord, Found>();
  for (const env of plan.envs(start)) {
    const record = sources[at]!.current!;
    if (found.size >= limit) break;
    if (!found.has(record)) found.set(record, { record, env: { ...env, rows: [...env.rows] } });
  }
  return [...found.values()];
}

function assignmentsOf(
  assignments: readonly Assignment[],
  table: Table,
  scope: Scope,
): ReadonlyMap<number, (env: Env) => DbValue> {
  const { run } = scope;
  return new Map(
    assignments.map(({ column, value }) => {
      const place = knownPlace(table, column.at(-1)!, run);
      if (isDefault(value)) return [place, () => table.columns[place]!.defaultValue?.() ?? null];
      return [place, fitted(compileExpression(value, scope), table, place, run)];
    }),
  );
}

function runUpdate(statement: WriteStatement & { kind: "update" }, context: WriteContext): WriteResult {
  const target = openTarget(statement, context, namesIn(statement));
  const { table, scope } = target;
  context.demand(
    "UPDATE",
    table,
    statement.assignments.map(({ column }) => column.at(-1)!),
  );
  const output = outputOf(statement.output, statement.returning, table, context);
  const values = assignmentsOf(statement.assignments, table, scope);
  const found = findRows(target, statement.where, statement.top);
  // All new values come from the rows as they were.
  const changes = found.map(
    ({ env }) => new Map([...values].map(([place, value]) => [place, value(env)] as const)),
  );
  for (const [at, { record, env }] of found.entries()) {
    const before = env.rows[target.at]!;
    output.add(context.writer.update(context.transaction, table, record, changes[at]!), before, "UPDATE");
  }
  return { count: found.length, output: output.result(), identity: undefined, returned: output.returned };
}

function runDelete(statement: WriteStatement & { kind: "delete" }, context: WriteContext): WriteResult {
  const target = openTarget(statement, context, namesIn(statement));
  const { table } = target;
  context.demand("DELETE", table);
  const output = outputOf(statement.output, statement.returning, table, context);
  const found = findRows(target, statement.where, statement.top);
  for (const { record } of found)
    output.add(undefined, context.writer.delete(context.transaction, table, record), "DELETE");
  return { count: found.length, output: output.result(), identity: undefined, returned: output.returned };
}

interface PlannedWrite {
  readonly when: MergeWhen;
  readonly record: RowRecord | undefined;
  readonly before: Row | undefined;
  readonly values: ReadonlyMap<number, DbValue>;
}

function runMerge(statement: WriteStatement & { kind: "merge" }, context: WriteContext): WriteResult {
  const { run, writer, transaction } = context;
  const own: FromItem = {
    kind: "table",
    path: statement.table,
    alias: statement.alias,
    hints: [],
    flashback: undefined,
  };
  const from: FromItem = { kind: "join", type: "left", left: statement.using, right: own, on: statement.on };
  const scope = new Scope(run, undefined);
  const sources: Source[] = [];
  addSources(from, scope, sources);
  const at = sources.length - 1;
  const table = sources[at]!.table;
  if (table === undefined) throw new DatabaseError(4406, `${statement.table.join(".")} cannot be written.`);
  const output = outputOf(statement.output, undefined, table, context);
  const whens = statement.whens.map((when) => {
    demandFor(when, table, context);
    return {
      when,
      holds: when.condition === undefined ? undefined : compileCondition(when.condition, scope),
      values: valuesOf(when, table, scope),
    };
  });
  if (whens.some(({ when }) => when.match === "not_matched_by_source")) {
    throw new DatabaseError(102, "The test engine does not know WHEN NOT MATCHED BY SOURCE.");
  }
  const planned: PlannedWrite[] = [];
  const plan = joinPlan(sources, [], [], scope);
  const seen = new Set<RowRecord>();
  for (const env of plan.envs({ rows: [], outer: undefined, aggregates: [], rowNumber: 1 })) {
    // An outer join's empty row is all nulls; a row of a table with a key is not.
    const isMatched = env.rows[at]!.some((value) => value !== null);
    const record = isMatched ? sources[at]!.current : undefined;
    const chosen = whens.find(
      ({ when, holds }) =>
        when.match === (isMatched ? "matched" : "not_matched") &&
        (holds === undefined || holds(env) === true),
    );
    if (chosen === undefined) continue;
    if (record !== undefined && seen.has(record)) {
      throw new DatabaseError(
        run.host.dialect === "oracle" ? 30926 : 8672,
        "The MERGE statement attempted to change the same row more than once (ORA-30926).",
      );
    }
    if (record !== undefined) seen.add(record);
    const values = new Map([...chosen.values].map(([place, value]) => [place, value(env)] as const));
    planned.push({ when: chosen.when, record, before: isMatched ? env.rows[at]! : undefined, values });
  }
  for (const { when, record, before, values } of planned) {
    if (when.action.kind === "insert") {
      output.add(
        writer.insert(
          transaction,
          table,
          table.columns.map((_, place) => values.get(place)),
        ),
        undefined,
        "INSERT",
      );
    } else if (when.action.kind === "update") {
      output.add(writer.update(transaction, table, record!, values), before, "UPDATE");
    } else output.add(undefined, writer.delete(transaction, table, record!), "DELETE");
  }
  return { count: planned.length, output: output.result(), identity: undefined, returned: output.returned };
}

function demandFor(when: MergeWhen, table: Table, context: WriteContext): void {
  context.demand(when.action.kind.toUpperCase(), table);
}

function valuesOf(when: MergeWhen, table: Table, scope: Scope): ReadonlyMap<number, (env: Env) => DbValue> {
  const { action } = when;
  if (action.kind === "delete") return new Map();
  if (action.kind === "update") return assignmentsOf(action.assignments, table, scope);
  const names = action.columns ?? table.columns.map(({ name }) => name);
  return assignmentsOf(
    action.values.map((value, at) => ({ column: [names[at]!], value })),
    table,
    scope,
  );
}
