// Names to places: which column of which source a path means, through the queries around.
import type { NamePath } from "./ast.ts";
import type { Row } from "./rows.ts";
import type { Run, VirtualColumn } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";

/** The rows that an expression is evaluated on. */
export interface Env {
  readonly rows: Row[];
  readonly outer: Env | undefined;
  aggregates: readonly DbValue[];
  /** ROWNUM of the row under way. */
  rowNumber: number;
}

/** An expression ready to be evaluated, with its static type. */
export interface Compiled {
  readonly type: DbType;
  readonly isNullable: boolean;
  readonly eval: (env: Env) => DbValue;
  /** 2: COLLATE says it, 1: a column's own, 0: the database's. */
  readonly collationRank: 0 | 1 | 2;
  /** Set for a bare column of the innermost query. */
  readonly column?: { readonly source: number; readonly place: number };
  /** Column name for the result, where it has one. */
  readonly name?: string;
  /** Set for an interval: seconds. */
  readonly isInterval?: boolean;
}

export type Predicate = (env: Env) => boolean | null;

export interface AggregateCall {
  readonly name: string;
  readonly argument: Compiled | undefined;
  readonly separator: Compiled | undefined;
  readonly isDistinct: boolean;
}

export interface SourceBinding {
  readonly alias: string | undefined;
  readonly path: NamePath;
  readonly columns: readonly VirtualColumn[];
  /** Place of a pseudo-column (ROWID, ORA_ROWSCN), which the source appends to its rows once asked for. */
  readonly pseudo?: (name: string) => { readonly place: number; readonly column: VirtualColumn } | undefined;
}

export interface Resolved {
  readonly depth: number;
  readonly source: number;
  readonly place: number;
  readonly column: VirtualColumn;
}

export class Scope {
  readonly run: Run;
  readonly parent: Scope | undefined;
  readonly sources: SourceBinding[] = [];
  /** Bits of the sources that were referred to since it was last set to 0. */
  used = 0;
  /** Where aggregate calls are collected; undefined where they are not allowed. */
  aggregates: AggregateCall[] | undefined;
  /** Whether a LONG may stand where an expression is compiled now. */
  takesLong = false;
  /** CTEs by name. */
  readonly named: Map<string, () => NamedQuery>;

  constructor(run: Run, parent: Scope | undefined, named?: Map<string, () => NamedQuery>) {
    this.run = run;
    this.parent = parent;
    this.named = named ?? parent?.named ?? new Map<string, () => NamedQuery>();
  }

  same(left: string, right: string): boolean {
    return this.run.host.storage.sameName(left, right);
  }

  /** Undefined where no source has it. @throws DatabaseError 209 / ORA-00918 where several have */
  resolve(path: NamePath): Resolved | undefined {
    const name = path.at(-1)!;
    let found: Resolved | undefined;
    for (const [source, binding] of this.sources.entries()) {
      if (path.length > 1 && !this.#isNamed(binding, path.slice(0, -1))) continue;
      const place = binding.columns.findIndex((column) => this.same(column.name, name));
      if (place < 0) continue;
      if (found !== undefined) throw this.#ambiguous(name);
      found = { depth: 0, source, place, column: binding.columns[place]! };
    }
    found ??= this.#pseudo(path, name);
    if (found !== undefined) {
      this.used |= 1 << found.source;
      return found;
    }
    const outer = this.parent?.resolve(path);
    return outer === undefined ? undefined : { ...outer, depth: outer.depth + 1 };
  }

  /** Sources that `alias.*` means. */
  sourcesNamed(path: NamePath): readonly number[] {
    return [...this.sources.entries()]
      .filter(([, binding]) => this.#isNamed(binding, path))
      .map(([at]) => at);
  }

  /** Runs `work` and tells which sources it referred to. */
  track<T>(work: () => T): { readonly result: T; readonly used: number } {
    const before = this.used;
    this.used = 0;
    const result = work();
    const { used } = this;
    this.used = before | used;
    return { result, used };
  }

  #pseudo(path: NamePath, name: string): Resolved | undefined {
    for (const [source, binding] of this.sources.entries()) {
      if (binding.pseudo === undefined) continue;
      if (path.length > 1 && !this.#isNamed(binding, path.slice(0, -1))) continue;
      const pseudo = binding.pseudo(name.toUpperCase());
      if (pseudo !== undefined) return { depth: 0, source, ...pseudo };
    }
    return undefined;
  }

  #isNamed(binding: SourceBinding, path: NamePath): boolean {
    const last = path.at(-1)!;
    if (binding.alias !== undefined) return path.length === 1 && this.same(binding.alias, last);
    const own = binding.path;
    return path.every((part, at) => {
      const other = own[own.length - path.length + at];
      return other === undefined || part === "" || this.same(other, part);
    });
  }

  #ambiguous(name: string): DatabaseError {
    return this.run.host.dialect === "oracle"
      ? new DatabaseError(918, "ORA-00918: column ambiguously defined")
      : new DatabaseError(209, `Ambiguous column name '${name}'.`);
  }
}

export interface NamedQuery {
  readonly columns: readonly VirtualColumn[];
  rows(): Iterable<Row>;
}

export function unknownColumn(path: NamePath, scope: Scope): DatabaseError {
  return scope.run.host.dialect === "oracle"
    ? new DatabaseError(904, `ORA-00904: ${path.map((part) => `"${part}"`).join(".")}: invalid identifier`)
    : path.length > 1
      ? new DatabaseError(207, `Invalid column name '${path.at(-1)}'.`)
      : new DatabaseError(207, `Invalid column name '${path[0]}'.`);
}
