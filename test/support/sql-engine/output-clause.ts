// OUTPUT inserted.…, deleted.… and Oracle's RETURNING … INTO.
import type { OutputClause, Returning } from "./ast.ts";
import { compileExpression } from "./compile-expression.ts";
import type { Row } from "./rows.ts";
import type { Run } from "./run.ts";
import { type Compiled, type Env, Scope } from "./scope.ts";
import { DatabaseError, type DbValue, type ResultSet } from "./session.ts";
import type { Table } from "./table.ts";

export class OutputWriter {
  readonly returned = new Map<string, { readonly type: Compiled["type"]; readonly value: DbValue }>();
  readonly #values: readonly Compiled[];
  readonly #into: readonly string[];
  readonly #tableVariable: Table | undefined;
  readonly #rows: Row[] = [];
  readonly #hasResult: boolean;
  readonly #empty: Row;

  constructor(output: OutputClause | undefined, returning: Returning | undefined, table: Table, run: Run) {
    const scope = new Scope(run, undefined);
    const columns = table.columns.map((column) => ({ ...column, isNullable: true }));
    if (output !== undefined) {
      scope.sources.push({ alias: "inserted", path: [], columns }, { alias: "deleted", path: [], columns });
      const action = { name: "$action", type: { kind: "nvarchar", length: 10 }, isNullable: false } as const;
      scope.sources.push({ alias: "$action", path: [], columns: [action] });
    } else scope.sources.push({ alias: undefined, path: [table.name], columns });
    this.#empty = columns.map(() => null);
    this.#into = returning?.into ?? [];
    this.#hasResult = output !== undefined && output.into === undefined;
    this.#tableVariable =
      output?.into === undefined ? undefined : run.tableVariables.get(output.into.toLowerCase());
    if (output?.into !== undefined && this.#tableVariable === undefined) {
      throw new DatabaseError(1087, `Must declare the table variable "${output.into}".`);
    }
    this.#values =
      returning === undefined
        ? (output?.items ?? []).flatMap((item) => {
            if (item.kind === "star") return starOf(item.table?.[0], scope);
            const compiled = compileExpression(item.expression, scope);
            return [
              item.kind === "value" && item.alias !== undefined
                ? { ...compiled, name: item.alias }
                : compiled,
            ];
          })
        : returning.values.map((value) => compileExpression(value, scope));
  }

  add(inserted: Row | undefined, deleted: Row | undefined, action: string): void {
    if (this.#values.length === 0) return;
    const first = this.#into.length > 0 ? (inserted ?? deleted) : inserted;
    const rows = [first ?? this.#empty, deleted ?? this.#empty, [action]];
    const env: Env = { rows, outer: undefined, aggregates: [], rowNumber: 1 };
    const row = this.#values.map((value) => value.eval(env));
    for (const [at, name] of this.#into.entries()) {
      this.returned.set(name, { type: this.#values[at]!.type, value: row[at]! });
    }
    this.#rows.push(row);
    const target = this.#tableVariable;
    if (target !== undefined) addPlainRow(target, row);
  }

  result(): ResultSet | undefined {
    if (!this.#hasResult) return undefined;
    const columns = this.#values.map(({ name, type, isNullable }) => ({
      name: name ?? "",
      type,
      isNullable,
    }));
    return { columns, rows: this.#rows };
  }
}

function starOf(alias: string | undefined, scope: Scope): readonly Compiled[] {
  const source = alias?.toLowerCase() === "deleted" ? 1 : 0;
  return scope.sources[source]!.columns.map(({ name, type }, place): Compiled => ({
    name,
    type,
    isNullable: true,
    collationRank: 1,
    eval: (env) => env.rows[source]![place]!,
  }));
}

/** Table variables stand outside of transactions: what is put in is seen at once. */
export function addPlainRow(table: Table, values: Row): void {
  const row = table.newRow();
  const keys = table.enterIndexes(row, values);
  row.versions.push({ values, keys, commit: 0, writer: undefined as never, sequence: 0 });
}
