// What one statement runs in: its view of the data, its parameters, its counters; and what it asks the database for.
import type { NamePath, Flashback } from "./ast.ts";
import type { Compiled, Scope } from "./scope.ts";
import type { Row, View } from "./rows.ts";
import type { DbType, DbValue } from "./session.ts";
import type { Storage } from "./storage.ts";
import type { Table } from "./table.ts";
import type { EngineDialect } from "./tokens.ts";
import type { Transaction } from "./transaction.ts";

export interface Variable {
  readonly type: DbType;
  value: DbValue;
}

/** Where the load of a statement is counted. */
export interface Counters {
  rowsRead: number;
}

export interface VirtualColumn {
  readonly name: string;
  readonly type: DbType;
  readonly isNullable: boolean;
}

/** Rows that the database makes when asked: catalogue views, table functions, CTEs, table variables. */
export interface VirtualTable {
  readonly columns: readonly VirtualColumn[];
  rows(): Iterable<Row>;
}

export type FoundSource =
  | { readonly kind: "table"; readonly table: Table }
  | { readonly kind: "virtual"; readonly virtual: VirtualTable };

export interface ScalarFunction {
  /** Compiles a call. @throws DatabaseError for a wrong number of arguments */
  (args: readonly Compiled[], run: Run, scope: Scope): Compiled;
}

/** The database as the evaluator sees it. */
export interface Host {
  readonly dialect: EngineDialect;
  readonly storage: Storage;
  readonly collation: string | undefined;
  /** @throws DatabaseError 208 / 942, 229 / 1031 */
  source(path: NamePath, run: Run, columns: ReadonlySet<string> | undefined): FoundSource;
  tableFunction(path: NamePath, args: readonly DbValue[], run: Run): VirtualTable | undefined;
  changeTable(
    path: NamePath,
    since: DbValue | undefined,
    keys: readonly DbValue[] | undefined,
    run: Run,
  ): VirtualTable;
  scalar(path: NamePath): ScalarFunction | undefined;
  /** Oracle: rows as they were, or all versions of them. */
  flashback(table: Table, flashback: Flashback, bounds: readonly DbValue[], run: Run): FlashbackSource;
  /** Dates by the session's settings (Oracle). */
  readDate?(text: string, type: DbType, run: Run): string;
  writeDate?(value: string, type: DbType, run: Run): string;
}

export type FlashbackSource =
  | { readonly kind: "view"; readonly view: View }
  | { readonly kind: "virtual"; readonly virtual: VirtualTable };

/** What statements need of their session. */
export interface SessionState {
  readonly user: string;
  readonly settings: Map<string, string>;
  readonly isAdministrator: boolean;
}

export interface Run {
  readonly host: Host;
  readonly session: SessionState;
  readonly transaction: Transaction | undefined;
  readonly view: View;
  /** By name as the dialect folds it, with `@` in T-SQL. */
  readonly variables: Map<string, Variable>;
  readonly tableVariables: Map<string, Table>;
  readonly counters: Counters;
  readonly nowMs: number;
  /** Rows that the last statement wrote or gave: @@ROWCOUNT. */
  readonly rowCount: number;
  readonly lastIdentity: DbValue;
  readonly error: { readonly number: number; readonly message: string } | undefined;
}
