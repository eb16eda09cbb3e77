// How one family of SQL databases wants to be spoken to: what the statement builders need to know and no more.
import type { KeyRule } from "../source/key-rules.ts";
import type { SourceValue, TableName } from "../source/plan.ts";

export type SqlParameter = string | number | bigint | Uint8Array | null;

/** One statement; the parameters stand in the order of the dialect's placeholders. */
export interface SqlStatement {
  readonly text: string;
  readonly parameters: readonly SqlParameter[];
  /** A selected column is one with `isLong`: the rows are best fetched a few at a time. */
  readonly hasLong?: true;
}

/** One result row: exact values in the order of the select list. */
export type SqlRow = readonly SourceValue[];

export interface SqlDialect {
  readonly name: string;
  quoteIdentifier(name: string): string;
  /** `position` counts from 1. */
  placeholder(position: number): string;
  readonly limit: "limit" | "top" | "fetch_first";
  /** Whether `(a, b) > (?, ?)` exists. Otherwise it is written out with OR and AND. */
  readonly hasRowValues: boolean;
  /** How a list of composite keys is asked for: `IN (VALUES …)`, `IN ((…), (…))`, or OR of ANDs. */
  readonly keyList: "values" | "rows" | "or";
  /** Where an ascending order puts nulls. */
  readonly nulls: "first" | "last";
  /** Parameters in one statement, at most. */
  readonly maxParameters: number;
  /** Items of one IN list, at most. */
  readonly maxListItems: number;
  /** Wraps a placeholder of a number as text that is calculated with, where it would not count as one. */
  readonly number?: (placeholder: string) => string;
  /** Stands after every table that is read, such as ` AS OF SCN 4711`. */
  readonly tableSuffix?: string;
}

/** What the catalogue says about one column, with the connector's knowledge of how to read it exactly. */
export interface ColumnFacts {
  /** As the source spells it. */
  readonly name: string;
  /** Declared type, for people. */
  readonly type: string;
  readonly nullable: boolean;
  /** How the source compares values of this column. */
  readonly rule: KeyRule;
  /** Select expression that gives the exact value, where the bare column does not (`CONVERT(varchar(50), …)`). */
  readonly select?: string;
  /** Select expression of the exact sum over a group; absent: the rows are read and added up here. */
  readonly sum?: string;
  /** Wraps a placeholder that is compared with the column (`CAST(… AS decimal(38, 10))`). */
  readonly parameter?: (placeholder: string) => string;
  /**
   * Of any length, and allowed in a plain select list only, not under a limit nor beside GROUP BY (Oracle's LONG): rows are
   * found by their keys, and then read by these.
   */
  readonly isLong?: true;
  /** Expression that equals the key's text, where the column itself cannot be compared with text. */
  readonly keyText?: string;
}

export interface TableFacts {
  readonly table: TableName;
  readonly columns: readonly ColumnFacts[];
  /** Columns that come first in some index: a condition on them does not scan the table. */
  readonly indexLeads: readonly string[];
  /** Whether the source can tell by itself which rows were written since a horizon (see SqlSource.horizon). */
  readonly hasHorizon: boolean;
}

export function quoteTable(dialect: SqlDialect, table: TableName): string {
  const name = dialect.quoteIdentifier(table.name);
  return table.schema === undefined ? name : `${dialect.quoteIdentifier(table.schema)}.${name}`;
}

/** The table's name for people: `schema.name`. */
export function tableLabel(table: TableName): string {
  return table.schema === undefined ? table.name : `${table.schema}.${table.name}`;
}
