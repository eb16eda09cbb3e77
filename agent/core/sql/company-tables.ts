// Finds tables that exist once for each company, by the names that Business Central and NAV give them.
import type { CompanyTable, TableName } from "../source/plan.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

/** Characters of a company's name that become `_` in a table's. */
const CONVERTED = /[."\\/'%\][]/g;
const APP_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
/** `<company>$<table>`, then perhaps an app id, then perhaps `$ext`. Companies' names hold no `$`. */
const NAME = new RegExp(`^([^$]+)\\$(.+?)(?:\\$(${APP_ID}))?(\\$ext)?$`, "i");

interface CompanyTableName {
  readonly whole: string;
  readonly company: string;
  readonly table: string;
  /** Empty without one. */
  readonly app: string;
  readonly isExtension: boolean;
}

/** Which companies a source has, and which of its tables belong to one. Made once per catalogue. */
export class CompanyTables {
  readonly #tables: readonly CompanyTableName[];

  constructor(names: readonly string[]) {
    this.#tables = names.flatMap((whole) => {
      const [, company, table, app = "", extension] = NAME.exec(whole) ?? [];
      if (company === undefined || table === undefined) return [];
      return [{ whole, company, table, app: app.toLowerCase(), isExtension: extension !== undefined }];
    });
  }

  /** Whether any company has it. */
  has(table: string): boolean {
    return this.#tables.some((one) => one.table === table && !one.isExtension);
  }

  /** The tables meant: exactly one for part `table`, any number for `extensions`; or what is wrong, in words. */
  find(wanted: TableName & { readonly company: CompanyTable }): readonly TableName[] | string {
    const company = this.#company(wanted.name, wanted.company.name);
    if (!("found" in company)) return company.problem;
    const named = this.#tables.filter((one) => one.company === company.found && one.table === wanted.name);
    const base = this.#base(named, company.found);
    const meant = wanted.company.part === "table" ? named.filter((one) => one === base) : others(named, base);
    if (wanted.company.part === "table" && base === undefined)
      return `no table ${company.found}$${wanted.name} (with or without an app id)${didYouMean(
        wanted.name,
        this.#tables.filter((one) => one.company === company.found).map(({ table }) => table),
      )}`;
    const { schema } = wanted;
    return meant.map(({ whole }) => (schema === undefined ? { name: whole } : { schema, name: whole }));
  }

  #company(table: string, name: string | undefined): { found: string } | { problem: string } {
    const companies = [...new Set(this.#tables.map(({ company }) => company))];
    if (name !== undefined) {
      const converted = name.replaceAll(CONVERTED, "_");
      const found = companies.find((one) => one.toLowerCase() === converted.toLowerCase());
      if (found !== undefined) return { found };
      const known = didYouMean(converted, companies) || `; it has ${listed(companies)}`;
      return { problem: `no tables of a company "${name}"${known}` };
    }
    const having = new Set(
      this.#tables.flatMap((one) => (one.table === table && !one.isExtension ? [one.company] : [])),
    );
    const [only] = having;
    if (only !== undefined && having.size === 1) return { found: only };
    if (only === undefined) return { problem: `no company has a table ${table}` };
    return {
      problem: `${having.size} companies have a table ${table} (${listed([...having])}); choose one with pack_settings: { company: "${only}" }`,
    };
  }

  /** The table itself: without an app id, or of the app that most tables of the company belong to. */
  #base(named: readonly CompanyTableName[], company: string): CompanyTableName | undefined {
    const own = named.filter(({ isExtension }) => !isExtension);
    const plain = own.find(({ app }) => app === "");
    if (plain !== undefined || own.length < 2) return plain ?? own[0];
    const tablesOf = (app: string): number =>
      this.#tables.filter((one) => one.company === company && one.app === app && !one.isExtension).length;
    return own.toSorted((one, other) => tablesOf(other.app) - tablesOf(one.app))[0];
  }
}

function others(
  named: readonly CompanyTableName[],
  base: CompanyTableName | undefined,
): readonly CompanyTableName[] {
  return named.filter((one) => one !== base).toSorted((one, other) => (one.whole < other.whole ? -1 : 1));
}

function listed(names: readonly string[]): string {
  const MAX_NAMED = 10;
  const shown = names.slice(0, MAX_NAMED).join(", ");
  return names.length > MAX_NAMED ? `${shown} and ${names.length - MAX_NAMED} more` : shown || "none";
}
