// FROM: tables, functions and subqueries made into sources that give rows, one after the other joined.
import type { Condition, FromItem, OrderItem } from "./ast.ts";
import { type AccessPath, chooseAccess } from "./access-path.ts";
import { compileExpression } from "./compile-expression.ts";
import { hashLookup } from "./hash-lookup.ts";
import { rowIdText } from "./row-id.ts";
import { compileQuery } from "./select.ts";
import { BlockedBy, type Row, type RowRecord, type RowVersion, type View, visibleVersion } from "./rows.ts";
import type { VirtualColumn, VirtualTable } from "./run.ts";
import type { Env, Scope, SourceBinding } from "./scope.ts";
import { DatabaseError } from "./session.ts";
import type { Table } from "./table.ts";

/** One source of a query, in the order in which it is joined. */
export interface Source {
  readonly binding: SourceBinding;
  readonly join: "inner" | "left";
  readonly on: Condition | undefined;
  /** Of a table: chosen once all conditions are known. */
  readonly table: Table | undefined;
  /** Set for a table that is written: gives the record of the row under way. */
  current?: RowRecord;
  /** Settles how rows are found. */
  plan(conditions: readonly Condition[], order: readonly OrderItem[]): { readonly isOrdered: boolean };
  rows(env: Env): Iterable<Row>;
}

/** Adds the sources of a FROM clause to the scope. */
export function addSources(
  item: FromItem,
  scope: Scope,
  sources: Source[],
  columns?: ReadonlySet<string>,
): void {
  if (item.kind !== "join") {
    sources.push(sourceOf(item, scope, { join: "inner", on: undefined }, columns));
    return;
  }
  if (item.type === "right" || item.type === "full") {
    throw new DatabaseError(102, `The test engine does not know ${item.type.toUpperCase()} JOIN.`);
  }
  addSources(item.left, scope, sources, columns);
  const join = item.type === "left" || item.type === "outer_apply" ? "left" : "inner";
  if (item.right.kind === "join") {
    if (join === "left")
      throw new DatabaseError(102, "The test engine does not know a LEFT JOIN to several tables at once.");
    addSources(item.right, scope, sources, columns);
    const last = sources.pop()!;
    const on = [last.on, item.on].filter((condition) => condition !== undefined);
    sources.push({ ...last, on: on.length === 0 ? undefined : { kind: "and", items: on } });
    return;
  }
  sources.push(sourceOf(item.right, scope, { join, on: item.on }, columns));
}

type Joining = Pick<Source, "join" | "on">;
type Leaf = Exclude<FromItem, { kind: "join" }>;

function sourceOf(
  item: Leaf,
  scope: Scope,
  joining: Joining,
  columns: ReadonlySet<string> | undefined,
): Source {
  const { run } = scope;
  switch (item.kind) {
    case "table": {
      const cte =
        item.path.length === 1
          ? scope.named.get(run.host.dialect === "tsql" ? item.path[0]!.toLowerCase() : item.path[0]!)
          : undefined;
      if (cte !== undefined) return virtualSource(item.alias, item.path, cte(), scope, joining);
      return namedSource(item, scope, joining, columns);
    }
    case "function": {
      const args = item.args.map((arg) => compileExpression(arg, scope));
      const make = (env: Env): VirtualTable => {
        const made = run.host.tableFunction(
          item.path,
          args.map((arg) => arg.eval(env)),
          run,
        );
        if (made === undefined) throw new DatabaseError(208, `Invalid object name '${item.path.join(".")}'.`);
        return made;
      };
      // Columns must be known before any row of the sources beside it is.
      const shape = safeShape(make, scope);
      return lateralSource(
        item.alias,
        item.path,
        renamed(shape.columns, item.columnNames),
        (env) => make(env).rows(),
        scope,
        joining,
      );
    }
    case "query": {
      const compiled = compileQuery(item.query, run, scope);
      return lateralSource(
        item.alias,
        [],
        renamed(compiled.columns, item.columnNames),
        (env) => compiled.rows(env),
        scope,
        joining,
      );
    }
    default: {
      const since = item.since === undefined ? undefined : compileExpression(item.since, scope);
      const keys = item.keys?.map((key) => compileExpression(key, scope));
      const make = (env: Env): VirtualTable =>
        run.host.changeTable(
          item.path,
          since?.eval(env),
          keys?.map((key) => key.eval(env)),
          run,
        );
      const shape = safeShape(make, scope);
      return lateralSource(item.alias, item.path, shape.columns, (env) => make(env).rows(), scope, joining);
    }
  }
}

function safeShape(make: (env: Env) => VirtualTable, scope: Scope): VirtualTable {
  const nulls = scope.sources.map(({ columns }) => columns.map(() => null));
  return make({ rows: nulls, outer: undefined, aggregates: [], rowNumber: 0 });
}

function renamed(
  columns: readonly VirtualColumn[],
  names: readonly string[] | undefined,
): readonly VirtualColumn[] {
  return names === undefined
    ? columns
    : columns.map((column, at) => ({ ...column, name: names[at] ?? column.name }));
}

function lateralSource(
  alias: string | undefined,
  path: readonly string[],
  columns: readonly VirtualColumn[],
  rows: (env: Env) => Iterable<Row>,
  scope: Scope,
  joining: Joining,
): Source {
  const binding: SourceBinding = { alias, path, columns };
  scope.sources.push(binding);
  return { ...joining, binding, table: undefined, plan: () => ({ isOrdered: false }), rows };
}

/** Rows are made once; joined ones are found by their values instead of walking over all of them each time. */
function virtualSource(
  alias: string | undefined,
  path: readonly string[],
  virtual: VirtualTable,
  scope: Scope,
  joining: Joining,
): Source {
  const binding: SourceBinding = { alias, path, columns: virtual.columns };
  const at = scope.sources.push(binding) - 1;
  let made: readonly Row[] | undefined;
  const all = (): readonly Row[] => {
    if (made === undefined) {
      made = [...virtual.rows()];
      scope.run.counters.rowsRead += made.length;
    }
    return made;
  };
  let lookup: ((env: Env) => Iterable<Row>) | undefined;
  return {
    ...joining,
    binding,
    table: undefined,
    plan: (conditions) => {
      if (at > 0) lookup = hashLookup(binding.columns, scope, at, conditions, all);
      return { isOrdered: false };
    },
    rows: (env) => (lookup === undefined ? all() : lookup(env)),
  };
}

function namedSource(
  item: FromItem & { kind: "table" },
  scope: Scope,
  joining: Joining,
  columns: ReadonlySet<string> | undefined,
): Source {
  const { run } = scope;
  const variable = run.tableVariables.get(item.path.at(-1)!.toLowerCase());
  const found =
    variable === undefined
      ? run.host.source(item.path, run, columns)
      : ({ kind: "table", table: variable } as const);
  if (found.kind === "virtual") return virtualSource(item.alias, item.path, found.virtual, scope, joining);
  if (item.flashback !== undefined) {
    const { from, to } = item.flashback;
    const bounds = [from, to].map((bound) =>
      bound === undefined || typeof bound === "string"
        ? null
        : compileExpression(bound, scope).eval({ rows: [], outer: undefined, aggregates: [], rowNumber: 0 }),
    );
    const past = run.host.flashback(found.table, item.flashback, bounds, run);
    if (past.kind === "virtual") return virtualSource(item.alias, item.path, past.virtual, scope, joining);
    return new TableSource(item, found.table, past.view, scope, joining);
  }
  return new TableSource(item, found.table, hinted(run.view, item.hints), scope, joining);
}

const KNOWN_HINT =
  /^(?:NOLOCK|READUNCOMMITTED|READCOMMITTED|READCOMMITTEDLOCK|READPAST|REPEATABLEREAD|SERIALIZABLE|HOLDLOCK|UPDLOCK|XLOCK|ROWLOCK|PAGLOCK|TABLOCK|TABLOCKX|NOWAIT|NOEXPAND|FORCESEEK.*|FORCESCAN|INDEX.*)$/;

function hinted(view: View, hints: readonly string[]): View {
  const unknown = hints.find((hint) => !KNOWN_HINT.test(hint));
  if (unknown !== undefined)
    throw new DatabaseError(321, `"${unknown}" is not a recognized table hints option.`);
  if (hints.some((hint) => hint === "NOLOCK" || hint === "READUNCOMMITTED"))
    return { ...view, mode: "dirty" };
  if (hints.includes("UPDLOCK") || hints.includes("XLOCK")) {
    const locking = view.transaction?.snapshot === undefined ? ({ ...view, mode: "locking" } as const) : view;
    return { ...locking, locksRows: true, skipsLocked: hints.includes("READPAST") };
  }
  if (hints.includes("READPAST"))
    return { ...view, skipsLocked: true, mode: view.mode === "dirty" ? "dirty" : "locking" };
  return hints.includes("READCOMMITTEDLOCK") ? { ...view, mode: "locking" } : view;
}

const PSEUDO_NAMES = ["ROWID", "ORA_ROWSCN"];

/** A stored or generated table, read by the best index there is. */
class TableSource implements Source {
  readonly binding: SourceBinding;
  readonly join: "inner" | "left";
  readonly on: Condition | undefined;
  readonly table: Table;
  current?: RowRecord;
  readonly #scope: Scope;
  readonly #view: View;
  readonly #at: number;
  #path: AccessPath | undefined;
  #lookup: ((env: Env) => Iterable<Row>) | undefined;
  #hasPseudo = false;

  constructor(item: FromItem & { kind: "table" }, table: Table, view: View, scope: Scope, joining: Joining) {
    this.table = table;
    this.join = joining.join;
    this.on = joining.on;
    this.#scope = scope;
    this.#view = view;
    const isOracle = scope.run.host.dialect === "oracle";
    this.binding = {
      alias: item.alias,
      path: item.path,
      columns: table.columns,
      ...(isOracle ? { pseudo: (name: string) => this.#pseudo(name) } : {}),
    };
    this.#at = scope.sources.push(this.binding) - 1;
  }

  plan(conditions: readonly Condition[], order: readonly OrderItem[]): { readonly isOrdered: boolean } {
    this.#path = chooseAccess(this.table, this.#scope, this.#at, conditions, order);
    if (this.#path === undefined && this.#at > 0) {
      let made: readonly Row[] | undefined;
      this.#lookup = hashLookup(
        this.table.columns,
        this.#scope,
        this.#at,
        conditions,
        () => (made ??= [...this.#scan()]),
      );
    }
    return { isOrdered: this.#path?.isOrdered ?? false };
  }

  rows(env: Env): Iterable<Row> {
    const holder = this.#scope.run.host.storage.tableLocks.get(this.table);
    if (
      holder !== undefined &&
      holder !== this.#view.transaction &&
      this.#scope.run.host.dialect === "tsql"
    ) {
      throw new BlockedBy(holder);
    }
    if (this.#lookup !== undefined) return this.#lookup(env);
    return this.#path === undefined ? this.#scan() : this.#seek(this.#path, env);
  }

  *#scan(): Generator<Row> {
    const { counters } = this.#scope.run;
    for (const record of this.table.records()) {
      counters.rowsRead += 1;
      const version = visibleVersion(record, this.#view);
      if (version !== undefined) yield this.#rowOf(version, record);
    }
  }

  *#seek(path: AccessPath, env: Env): Generator<Row> {
    const { counters } = this.#scope.run;
    const { index, isDescending } = path;
    for (const range of path.ranges(env) ?? [{ low: undefined, high: undefined }]) {
      const [from, to] = index.range(range.low, range.high);
      for (let step = from; step < to; step += 1) {
        const at = isDescending ? to - 1 - (step - from) : step;
        counters.rowsRead += 1;
        const version = index.versionAt(at, this.#view);
        if (version !== undefined) yield this.#rowOf(version, index.recordAt(at));
      }
    }
  }

  #rowOf(version: RowVersion, record: RowRecord | undefined): Row {
    if (record !== undefined) this.current = record;
    const { transaction, locksRows } = this.#view;
    if (record !== undefined && locksRows === true && transaction !== undefined) {
      transaction.heldRows.add(record);
      record.lockedBy = transaction;
    }
    const values = version.values!;
    if (!this.#hasPseudo || record === undefined) return values;
    const commit = this.table.rowDependencies ? (version.commit ?? null) : this.#blockCommit(version, record);
    return [...values, rowIdText(this.table, record), commit === null ? null : String(commit)];
  }

  /** Every row of a block shows the last commit to the block that the view can see. */
  #blockCommit(version: RowVersion, record: RowRecord): number | null {
    if (version.commit === undefined) return null;
    return Math.max(version.commit, Math.min(record.block.commit, this.#view.commit));
  }

  #pseudo(name: string): { place: number; column: VirtualColumn } | undefined {
    const at = PSEUDO_NAMES.indexOf(name);
    if (at < 0) return undefined;
    this.#hasPseudo = true;
    const type = name === "ROWID" ? ({ kind: "rowid" } as const) : ({ kind: "number" } as const);
    return { place: this.table.columns.length + at, column: { name, type, isNullable: true } };
  }
}
