// How many of the tables that a pack reads are in a source: which product this is, for who does not know.
import { CompanyTables } from "../sql/company-tables.ts";
import type { EntityPlan, TableName } from "../source/plan.ts";

export interface PackFit {
  /** Tables that every installation of the product has. */
  readonly tables: number;
  readonly found: number;
}

/** @param names every table of the source, without schemas */
export function packFit(plans: readonly EntityPlan[], names: readonly string[]): PackFit {
  const wanted = new Map<string, TableName>();
  for (const { table, children } of plans) {
    const needed = children.filter(({ isOptional }) => isOptional !== true).map((child) => child.table);
    for (const one of [table, ...needed]) {
      if (one.company?.part !== "extensions") wanted.set(one.name.toLowerCase(), one);
    }
  }
  const known = new Set(names.map((name) => name.toLowerCase()));
  const companies = new CompanyTables(names);
  const isHere = (table: TableName): boolean =>
    table.company === undefined ? known.has(table.name.toLowerCase()) : companies.has(table.name);
  return { tables: wanted.size, found: [...wanted.values()].filter(isHere).length };
}
