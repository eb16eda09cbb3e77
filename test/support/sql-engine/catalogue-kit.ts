// What both catalogues are made of: views with typed columns whose rows are made when they are asked for.
import type { Row } from "./rows.ts";
import type { Run, VirtualTable } from "./run.ts";
import type { DbType, DbValue } from "./session.ts";

type ColumnTypes = Readonly<Record<string, DbType>>;

export interface CatalogueView {
  /** A right of the whole database that it takes; without it, the product's own refusal. */
  readonly right: string | undefined;
  table(run: Run): VirtualTable;
}

/** Rows as records; a column that a record leaves out is null. */
export function view(
  columns: ColumnTypes,
  rows: (run: Run) => Iterable<Readonly<Record<string, DbValue>>>,
  right?: string,
): CatalogueView {
  return { right, table: (run) => virtualTable(columns, () => rows(run)) };
}

export function virtualTable(
  columns: ColumnTypes,
  rows: () => Iterable<Readonly<Record<string, DbValue>>>,
): VirtualTable {
  const names = Object.keys(columns);
  return {
    columns: Object.entries(columns).map(([name, type]) => ({ name, type, isNullable: true })),
    *rows(): Generator<Row> {
      for (const record of rows()) yield names.map((name) => record[name] ?? null);
    },
  };
}
