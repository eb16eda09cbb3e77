// What the parser makes of SQL text.
import type { DbType, DbValue } from "./session.ts";

/** A name in parts, the last first in importance: `[schema, table]`, `[alias, column]`. */
export type NamePath = readonly string[];

export type Expression =
  | { readonly kind: "literal"; readonly value: DbValue; readonly type: DbType }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "column"; readonly path: NamePath }
  | { readonly kind: "negative"; readonly operand: Expression }
  | {
      readonly kind: "arithmetic";
      readonly op: string;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: "case";
      readonly operand: Expression | undefined;
      readonly branches: readonly { readonly when: Condition | Expression; readonly result: Expression }[];
      readonly otherwise: Expression | undefined;
    }
  | {
      readonly kind: "call";
      readonly path: NamePath;
      readonly args: readonly Expression[];
      readonly isStar: boolean;
      readonly isDistinct: boolean;
      readonly over?: WindowSpec;
    }
  | {
      readonly kind: "cast";
      readonly operand: Expression;
      readonly type: DbType;
      readonly style: Expression | undefined;
      readonly isTry: boolean;
    }
  | { readonly kind: "subquery"; readonly query: Query }
  | { readonly kind: "row"; readonly items: readonly Expression[] }
  | { readonly kind: "collate"; readonly operand: Expression; readonly collation: string }
  | { readonly kind: "at_zone"; readonly operand: Expression; readonly zone: Expression };

export interface WindowSpec {
  readonly partitionBy: readonly Expression[];
  readonly orderBy: readonly OrderItem[];
}

export type Condition =
  | { readonly kind: "and" | "or"; readonly items: readonly Condition[] }
  | { readonly kind: "not"; readonly item: Condition }
  | { readonly kind: "compare"; readonly op: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "is_null"; readonly operand: Expression; readonly isNegated: boolean }
  | {
      readonly kind: "between";
      readonly operand: Expression;
      readonly low: Expression;
      readonly high: Expression;
      readonly isNegated: boolean;
    }
  | {
      readonly kind: "in_list";
      readonly operand: Expression;
      readonly items: readonly Expression[];
      readonly isNegated: boolean;
    }
  | {
      readonly kind: "in_query";
      readonly operand: Expression;
      readonly query: Query;
      readonly isNegated: boolean;
    }
  | { readonly kind: "exists"; readonly query: Query }
  | {
      readonly kind: "like";
      readonly operand: Expression;
      readonly pattern: Expression;
      readonly escape: Expression | undefined;
      readonly isNegated: boolean;
    };

export interface OrderItem {
  readonly expression: Expression;
  readonly isDescending: boolean;
  readonly nulls?: "first" | "last";
}

export type SelectItem =
  | { readonly kind: "star"; readonly table: NamePath | undefined }
  | { readonly kind: "value"; readonly expression: Expression; readonly alias: string | undefined }
  /** `SELECT @v = …`. */
  | { readonly kind: "assign"; readonly variable: string; readonly expression: Expression };

/** `AS OF …` and `VERSIONS BETWEEN …`. */
export interface Flashback {
  readonly kind: "as_of" | "versions";
  readonly by: "SCN" | "TIMESTAMP";
  readonly from: Expression | "minvalue";
  readonly to: Expression | "maxvalue" | undefined;
}

export type FromItem =
  | {
      readonly kind: "table";
      readonly path: NamePath;
      readonly alias: string | undefined;
      readonly hints: readonly string[];
      readonly flashback: Flashback | undefined;
    }
  | {
      readonly kind: "function";
      readonly path: NamePath;
      readonly args: readonly Expression[];
      readonly alias: string | undefined;
      readonly columnNames: readonly string[] | undefined;
    }
  | {
      readonly kind: "query";
      readonly query: Query;
      readonly alias: string | undefined;
      readonly columnNames: readonly string[] | undefined;
    }
  | {
      /** `CHANGETABLE (CHANGES t, v)` and `(VERSION t, (columns), (values))`. */
      readonly kind: "changetable";
      readonly path: NamePath;
      readonly since: Expression | undefined;
      readonly keys: readonly Expression[] | undefined;
      readonly alias: string | undefined;
    }
  | {
      readonly kind: "join";
      readonly type: "inner" | "left" | "right" | "full" | "cross" | "cross_apply" | "outer_apply";
      readonly left: FromItem;
      readonly right: FromItem;
      readonly on: Condition | undefined;
    };

export interface Select {
  readonly kind: "select";
  readonly isDistinct: boolean;
  readonly top: Expression | undefined;
  readonly items: readonly SelectItem[];
  readonly into: NamePath | undefined;
  readonly from: FromItem | undefined;
  readonly where: Condition | undefined;
  readonly groupBy: readonly Expression[];
  readonly having: Condition | undefined;
}

export interface Values {
  readonly kind: "values";
  readonly rows: readonly (readonly Expression[])[];
}

export interface Union {
  readonly kind: "union";
  readonly op: "union" | "union all" | "except" | "intersect";
  readonly left: QueryBody;
  readonly right: QueryBody;
}

export type QueryBody = Select | Union | Values;

export interface Query {
  readonly ctes: readonly {
    readonly name: string;
    readonly columnNames: readonly string[] | undefined;
    readonly query: Query;
  }[];
  readonly body: QueryBody;
  readonly orderBy: readonly OrderItem[];
  readonly offset: Expression | undefined;
  readonly fetch: Expression | undefined;
  /** `FOR UPDATE`: whether it waits for rows that others hold. */
  readonly forUpdate?: "wait" | "nowait";
  /** `FOR UPDATE WAIT n`, seconds. */
  readonly waitSeconds?: number;
}

export interface Assignment {
  readonly column: NamePath;
  readonly value: Expression;
}

export interface OutputClause {
  readonly items: readonly SelectItem[];
  readonly into: string | undefined;
}

export interface MergeWhen {
  readonly match: "matched" | "not_matched" | "not_matched_by_source";
  readonly condition: Condition | undefined;
  readonly action:
    | {
        readonly kind: "update";
        readonly assignments: readonly Assignment[];
        readonly deleteWhere?: Condition;
      }
    | {
        readonly kind: "insert";
        readonly columns: readonly string[] | undefined;
        readonly values: readonly Expression[];
        readonly where?: Condition;
      }
    | { readonly kind: "delete" };
}

export interface ColumnSpec {
  readonly name: string;
  readonly type: DbType;
  readonly isNullable: boolean;
  readonly isIdentity: boolean;
  readonly isPrimaryKey: boolean;
  readonly isUnique: boolean;
  readonly defaultValue: Expression | undefined;
}

export type WriteStatement =
  | {
      readonly kind: "insert";
      readonly table: NamePath;
      readonly columns: readonly string[] | undefined;
      /** Undefined: DEFAULT VALUES. */
      readonly query: Query | undefined;
      readonly output: OutputClause | undefined;
      /** Oracle: `RETURNING … INTO :a`. */
      readonly returning?: Returning;
    }
  | {
      readonly kind: "update";
      readonly table: NamePath;
      readonly alias: string | undefined;
      readonly assignments: readonly Assignment[];
      readonly from: FromItem | undefined;
      readonly where: Condition | undefined;
      readonly top: Expression | undefined;
      readonly output: OutputClause | undefined;
      readonly returning?: Returning;
    }
  | {
      readonly kind: "delete";
      readonly table: NamePath;
      readonly alias: string | undefined;
      readonly from: FromItem | undefined;
      readonly where: Condition | undefined;
      readonly top: Expression | undefined;
      readonly output: OutputClause | undefined;
      readonly returning?: Returning;
    }
  | {
      readonly kind: "merge";
      readonly table: NamePath;
      readonly alias: string | undefined;
      readonly using: FromItem;
      readonly on: Condition;
      readonly whens: readonly MergeWhen[];
      readonly output: OutputClause | undefined;
    };

export interface Returning {
  readonly values: readonly Expression[];
  readonly into: readonly string[];
}

export type DefinitionStatement =
  | {
      readonly kind: "create_table";
      readonly table: NamePath;
      readonly columns: readonly ColumnSpec[];
      readonly primaryKey: readonly string[] | undefined;
      readonly uniques: readonly (readonly string[])[];
      readonly rowDependencies: boolean;
    }
  | {
      readonly kind: "create_index";
      readonly name: string;
      readonly table: NamePath;
      readonly columns: readonly string[];
      readonly isUnique: boolean;
    }
  | { readonly kind: "create_mview_log"; readonly table: NamePath; readonly options: ReadonlySet<string> }
  | { readonly kind: "drop_table"; readonly table: NamePath; readonly ifExists: boolean }
  | { readonly kind: "truncate"; readonly table: NamePath }
  | {
      readonly kind: "alter_table";
      readonly table: NamePath;
      readonly change:
        | { readonly kind: "add"; readonly columns: readonly ColumnSpec[] }
        | { readonly kind: "drop"; readonly columns: readonly string[] }
        | { readonly kind: "retype"; readonly column: ColumnSpec }
        | { readonly kind: "rename"; readonly from: string; readonly to: string }
        | { readonly kind: "change_tracking"; readonly isOn: boolean; readonly columnsUpdated: boolean };
    }
  | { readonly kind: "alter_database"; readonly option: string; readonly isOn: boolean }
  | {
      readonly kind: "permission";
      readonly action: "grant" | "revoke" | "deny";
      readonly rights: readonly string[];
      readonly on: NamePath | undefined;
      readonly users: readonly string[];
    };

export type ScriptStatement =
  | {
      readonly kind: "declare";
      readonly variables: readonly { name: string; type: DbType; value: Expression | undefined }[];
    }
  | {
      readonly kind: "declare_table";
      readonly name: string;
      readonly columns: readonly ColumnSpec[];
      readonly primaryKey: readonly string[] | undefined;
    }
  | { readonly kind: "set_variable"; readonly name: string; readonly value: Expression }
  | { readonly kind: "set_option"; readonly name: string; readonly value: string }
  | {
      readonly kind: "if";
      readonly condition: Condition;
      readonly body: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  | { readonly kind: "while"; readonly condition: Condition; readonly body: readonly Statement[] }
  | { readonly kind: "block"; readonly body: readonly Statement[] }
  | {
      readonly kind: "try";
      readonly body: readonly Statement[];
      readonly handler: readonly Statement[];
    }
  | { readonly kind: "begin_transaction" | "commit" | "return" | "empty" }
  | { readonly kind: "rollback"; readonly savepoint?: string }
  | { readonly kind: "savepoint"; readonly name: string }
  | { readonly kind: "throw"; readonly args: readonly Expression[]; readonly isRaise: boolean }
  | { readonly kind: "wait"; readonly delay: Expression }
  | { readonly kind: "use"; readonly name: string }
  | {
      readonly kind: "exec";
      readonly path: NamePath;
      readonly args: readonly {
        readonly name: string | undefined;
        readonly value: Expression;
        readonly isOutput: boolean;
      }[];
      readonly returnInto: string | undefined;
    };

export type Statement =
  | { readonly kind: "query"; readonly query: Query }
  | WriteStatement
  | DefinitionStatement
  | ScriptStatement;
