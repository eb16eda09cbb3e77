// What a compiled pack asks of a tabular connector: tables, keys, columns, children, change strategy.

import type { WritePlan } from "./write.ts";

/** Exact values only: decimals and 64-bit integers come as text, binary as bytes, timestamps as the source's own text. */
export type SourceValue = string | number | bigint | boolean | null | Uint8Array;

export interface TableName {
  readonly schema?: string;
  readonly name: string;
  /** Set: the table exists once for each company, under a name that only the catalogue knows (see sql/company-tables.ts). */
  readonly company?: CompanyTable;
}

/** `<company>$<name>`, `<company>$<name>$<app id>`, or the tables beside it that hold other apps' columns of the same rows. */
export interface CompanyTable {
  /** As people write it; undefined: the only one that the source has. */
  readonly name: string | undefined;
  readonly part: "table" | "extensions";
}

/** A fixed filter; all of a table's filters hold together. */
export interface Filter {
  readonly column: string;
  readonly op: "=" | "<>" | "in" | "is_null" | "is_not_null";
  readonly value?: string | number | readonly (string | number)[];
}

/**
 * timestamp   a column that every write sets to the source's clock: `(column, key)` cursor with overlap
 * counter     a column that grows with every write (rowversion, trigger counter)
 * full_scan   no marker at all: every row is read and compared by content hash
 */
export type ChangeStrategy =
  | {
      readonly kind: "timestamp";
      readonly column: string;
      readonly format: TimestampFormat;
      readonly overlapMs: number;
    }
  | { readonly kind: "counter"; readonly column: string }
  | { readonly kind: "full_scan" };

/**
 * How a timestamp column's values are written. `text` sorts as ISO 8601 text does; `local` variants are wall-clock
 * times of the connection's zone, whose overlap also covers the zone's largest backward step. Two are dates only, in the
 * same zone: `yyyymmdd` (`20260504`) and `cyyddd` (century after 1900, year, day of the year: `126124`).
 */
export type TimestampFormat = "utc" | "local" | "epoch_s" | "epoch_ms" | "yyyymmdd" | "cyyddd";

/** What dates a document: a first reading may leave old ones out. Master data has none. */
export interface DocumentDate {
  readonly column: string;
  readonly format: TimestampFormat;
  /** Rows for which all of these hold are still open and read whatever their date; empty: none are told by it. */
  readonly openWhen: readonly Filter[];
}

export interface ChildPlan {
  /** Name under which the rows appear in `SourceRow.children`. */
  readonly name: string;
  readonly table: TableName;
  /** Child column → parent column: how the child's rows find their parent. */
  readonly on: readonly { readonly child: string; readonly parent: string }[];
  /** Empty: the rows are never read; their changes only mean that the parent is read again. */
  readonly columns: readonly string[];
  /** With `"*"`: the columns that the mapping names, which must be there all the same. */
  readonly named?: readonly string[];
  /** Those of `columns` and `named` that not every installation has. */
  readonly optionalColumns?: readonly string[];
  /** Columns that are added up: one row for each combination of the other columns. */
  readonly sums?: readonly string[];
  /** Not every installation has the table. */
  readonly isOptional?: boolean;
  readonly orderBy: readonly string[];
  readonly filters: readonly Filter[];
  /** How a changed child is noticed without its parent changing; a change re-reads the parent. Absent: only by the parent or a full pass. */
  readonly change?: ChangeStrategy;
}

export interface EntityPlan {
  /** Unified entity, or a custom entity's name. */
  readonly entity: string;
  readonly table: TableName;
  /** Key columns in order; unique together within the filters. */
  readonly key: readonly string[];
  /** Every column to read, key and marker included. `"*"` alone: every column of the table (custom fields). */
  readonly columns: readonly string[];
  /** With `"*"`: the columns that the mapping names, which must be there all the same. */
  readonly named?: readonly string[];
  /** Those of `columns` and `named` that not every installation has. */
  readonly optionalColumns?: readonly string[];
  readonly filters: readonly Filter[];
  readonly change: ChangeStrategy;
  readonly children: readonly ChildPlan[];
  /** Column that holds the row's version, for `SourceRow.version`. */
  readonly versionColumn?: string;
  /** Absent: every row is read, whatever `ReadRequest.documentsFromMs` says. */
  readonly documentDate?: DocumentDate;
  /** What may be written, where the connection allows it. Absent: nothing. */
  readonly writes?: readonly WritePlan[];
}
