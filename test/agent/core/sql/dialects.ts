// Dialects of databases whose connectors come later, as the statement builders will see them, and facts for tests.
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { ColumnFacts, SqlDialect, TableFacts } from "#agent/core/sql/dialect.ts";
import { type Catalogue, type EntityShape, shapeEntities } from "#agent/core/sql/table-shape.ts";

export const SQL_SERVER: SqlDialect = {
  name: "sql-server",
  quoteIdentifier: (name) => `[${name.replaceAll("]", "]]")}]`,
  placeholder: (position) => `@p${position}`,
  limit: "top",
  hasRowValues: false,
  keyList: "or",
  nulls: "first",
  maxParameters: 2000,
  maxListItems: 2000,
};

export const ORACLE: SqlDialect = {
  name: "oracle",
  quoteIdentifier: (name) => `"${name.replaceAll('"', '""')}"`,
  placeholder: (position) => `:${position}`,
  limit: "fetch_first",
  hasRowValues: false,
  keyList: "rows",
  nulls: "last",
  maxParameters: 60_000,
  maxListItems: 1000,
};

export function facts(name: string, extra: Partial<ColumnFacts> = {}): ColumnFacts {
  return { name, type: "text", nullable: false, rule: EXACT_KEY, ...extra };
}

export function catalogueOf(...tables: readonly TableFacts[]): Catalogue {
  return {
    tableNames: tables.map(({ table }) => table.name),
    table: (wanted) => tables.find(({ table }) => table.name === wanted.name),
  };
}

/** The one shape of a plan over one table (and a child). */
export function shapeOf(plan: EntityPlan, ...tables: readonly TableFacts[]): EntityShape {
  const [shape] = shapeEntities([plan], catalogueOf(...tables));
  if (shape === undefined) throw new Error("no shape");
  return shape;
}
