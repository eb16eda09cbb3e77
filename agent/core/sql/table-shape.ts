// Plans held against the source's catalogue: every missing table and column at once, then ready-made select lists.
import { ConnectorError } from "#common/runtime/errors.ts";
import type {
  ChildPlan,
  ChangeStrategy,
  EntityPlan,
  Filter,
  TableName,
  TimestampFormat,
} from "../source/plan.ts";
import { type ColumnFacts, type TableFacts, tableLabel } from "./dialect.ts";
import { CompanyTables } from "./company-tables.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

/** A filter with its column looked up. */
export interface ShapedFilter {
  readonly column: ColumnFacts;
  readonly filter: Filter;
}

/** Where a row's marker stands, and how it counts. */
export interface ShapedMarker {
  readonly column: ColumnFacts;
  readonly strategy: Exclude<ChangeStrategy, { kind: "full_scan" }>;
  readonly isIndexed: boolean;
}

/** A table as it is read: `select` holds the output columns first, then those needed for keys, markers and joins only. */
export interface TableShape {
  readonly facts: TableFacts;
  readonly filters: readonly ShapedFilter[];
  readonly select: readonly ColumnFacts[];
  /** Names of the outputs as the plan spells them; the first of `select`. */
  readonly outputs: readonly string[];
  readonly marker: ShapedMarker | undefined;
}

export interface ChildShape extends TableShape {
  /** Its name tells one table of several that a plan means (a company's extensions). */
  readonly plan: ChildPlan;
  /** The name under which the rows appear in `SourceRow.children`. */
  readonly rowsUnder: string;
  /** Places in `select` of the columns that point to the parent, and of theirs in the parent's `select`. */
  readonly joinAt: readonly number[];
  readonly parentAt: readonly number[];
  readonly orderBy: readonly ColumnFacts[];
  /** Places in `select` of the columns that are added up. */
  readonly sumAt: readonly number[];
}

/** Where a row's document date stands, and which rows count whatever it says. */
export interface ShapedDocumentDate {
  readonly column: ColumnFacts;
  readonly format: TimestampFormat;
  readonly openWhen: readonly ShapedFilter[];
}

export interface EntityShape extends TableShape {
  readonly plan: EntityPlan;
  readonly keyAt: readonly number[];
  readonly markerAt: number | undefined;
  readonly versionAt: number | undefined;
  readonly children: readonly ChildShape[];
  readonly documentDate: ShapedDocumentDate | undefined;
}

export interface Catalogue {
  /** Undefined if there is no such table (or none that may be read). */
  table(table: TableName): TableFacts | undefined;
  /** Every table's name, to find the nearest. */
  readonly tableNames: readonly string[];
}

/** @throws ConnectorError misconfigured naming everything that the plans ask for and the source has not */
export function shapeEntities(plans: readonly EntityPlan[], catalogue: Catalogue): readonly EntityShape[] {
  const problems: string[] = [];
  const source: Source = {
    catalogue,
    problems,
    companies: new CompanyTables(plans.some(usesCompanies) ? catalogue.tableNames : []),
  };
  const shapes = plans.map((plan) => shapeEntity(plan, source));
  if (problems.length > 0) {
    const unique = [...new Set(problems)];
    throw new ConnectorError(
      "misconfigured",
      `The source does not have what the pack reads (${unique.length} problem${unique.length === 1 ? "" : "s"}):\n` +
        `${unique.map((problem) => `  ${problem}`).join("\n")}\n` +
        "Correct the names in the pack, or grant this user the right to read them.",
    );
  }
  return shapes.filter((shape) => shape !== undefined);
}

interface Source {
  readonly catalogue: Catalogue;
  readonly problems: string[];
  readonly companies: CompanyTables;
}

function usesCompanies(plan: EntityPlan): boolean {
  return [plan, ...plan.children].some(({ table }) => table.company !== undefined);
}

function shapeEntity(plan: EntityPlan, source: Source): EntityShape | undefined {
  const [builder] = openTables(plan.entity, plan.table, source);
  if (builder === undefined) {
    for (const child of plan.children) shapeChild(plan, child, undefined, source);
    return undefined;
  }
  const outputs = builder.outputs(plan, namesIn(plan));
  const keyAt = plan.key.map((name) => builder.place(name));
  const marker = builder.marker(plan.change);
  const markerAt = marker === undefined ? undefined : builder.place(marker.column.name);
  const versionAt = plan.versionColumn === undefined ? undefined : builder.place(plan.versionColumn);
  const children = plan.children.flatMap((child) => shapeChild(plan, child, builder, source));
  return {
    plan,
    facts: builder.facts,
    select: builder.select,
    outputs,
    filters: builder.filters(plan.filters),
    marker,
    keyAt,
    markerAt,
    versionAt,
    children,
    documentDate: builder.documentDate(plan),
  };
}

/** One shape; none for an optional table that is not there; several for a company's extension tables. */
function shapeChild(
  plan: EntityPlan,
  child: ChildPlan,
  parent: TableBuilder | undefined,
  source: Source,
): readonly ChildShape[] {
  const builders = openTables(`${plan.entity}.${child.name}`, child.table, source, child.isOptional);
  const isMany = child.table.company?.part === "extensions";
  return builders.map((builder) => {
    const name = isMany ? `${child.name} ${builder.facts.table.name}` : child.name;
    return shapeOfChild(child, name, parent, builder);
  });
}

function shapeOfChild(
  child: ChildPlan,
  name: string,
  parent: TableBuilder | undefined,
  builder: TableBuilder,
): ChildShape {
  const spelled = [...child.on.map((join) => join.child), ...child.orderBy];
  const outputs = builder.outputs(child, spelled);
  return {
    plan: { ...child, name },
    rowsUnder: child.name,
    facts: builder.facts,
    select: builder.select,
    outputs,
    filters: builder.filters(child.filters),
    joinAt: child.on.map((join) => builder.place(join.child)),
    parentAt: child.on.map((join) => parent?.place(join.parent) ?? 0),
    sumAt: (child.sums ?? []).map((name) => builder.place(name)),
    orderBy: child.orderBy.map((name) => builder.find(name)).filter((column) => column !== undefined),
    marker: child.change === undefined ? undefined : builder.marker(child.change),
  };
}

/** Columns that the plan names outside of `columns`: with `"*"` they keep the plan's spelling. */
function namesIn(plan: EntityPlan): readonly string[] {
  const marker = plan.change.kind === "full_scan" ? [] : [plan.change.column];
  const version = plan.versionColumn === undefined ? [] : [plan.versionColumn];
  return [...plan.key, ...marker, ...version, ...plan.filters.map((filter) => filter.column)];
}

function openTables(
  user: string,
  table: TableName,
  { catalogue, problems, companies }: Source,
  isOptional = false,
): readonly TableBuilder[] {
  const { company } = table;
  const names = company === undefined ? [table] : companies.find({ ...table, company });
  if (typeof names === "string") {
    // Without the user's name: what is wrong with a company is wrong for all of its tables, and said once.
    if (!isOptional) problems.push(names);
    return [];
  }
  return names.flatMap((name) => {
    const facts = catalogue.table(name);
    if (facts !== undefined) return [new TableBuilder(user, facts, problems)];
    if (!isOptional)
      problems.push(`${user}: no table ${tableLabel(name)}${didYouMean(name.name, catalogue.tableNames)}`);
    return [];
  });
}

/** Looks columns up and gives each a place in the select list. */
class TableBuilder {
  readonly facts: TableFacts;
  readonly select: ColumnFacts[] = [];
  readonly #user: string;
  readonly #problems: string[];

  constructor(user: string, facts: TableFacts, problems: string[]) {
    this.#user = user;
    this.facts = facts;
    this.#problems = problems;
  }

  /** Exact spelling first, then regardless of case where that is unique. */
  find(name: string): ColumnFacts | undefined {
    const exact = this.facts.columns.find((column) => column.name === name);
    if (exact !== undefined) return exact;
    const folded = this.facts.columns.filter((column) => column.name.toLowerCase() === name.toLowerCase());
    if (folded.length === 1) return folded[0];
    const hint = didYouMean(
      name,
      this.facts.columns.map((column) => column.name),
    );
    this.#problems.push(`${this.#user}: no column ${tableLabel(this.facts.table)}.${name}${hint}`);
    return undefined;
  }

  #has(name: string): boolean {
    return this.facts.columns.some((column) => column.name.toLowerCase() === name.toLowerCase());
  }

  place(name: string): number {
    const column = this.find(name);
    if (column === undefined) return 0;
    const at = this.select.indexOf(column);
    return at >= 0 ? at : this.select.push(column) - 1;
  }

  /** Must come first: outputs lead the select list. */
  outputs(
    { columns, named = [], optionalColumns = [] }: Pick<EntityPlan, "columns" | "named" | "optionalColumns">,
    spelled: readonly string[],
  ): readonly string[] {
    if (columns.length === 1 && columns[0] === "*") {
      const wanted = named.filter((name) => !optionalColumns.includes(name) || this.#has(name));
      const spelling = new Map(spelled.map((name) => [name.toLowerCase(), name]));
      const exact = new Map(wanted.map((name) => [this.find(name)?.name, name]));
      this.select.push(...this.facts.columns);
      return this.facts.columns.map(
        ({ name }) => exact.get(name) ?? spelling.get(name.toLowerCase()) ?? name,
      );
    }
    const names: string[] = [];
    for (const name of new Set(columns)) {
      if (optionalColumns.includes(name) && !this.#has(name)) continue;
      const column = this.find(name);
      if (column === undefined) continue;
      this.select.push(column);
      names.push(name);
    }
    return names;
  }

  filters(filters: readonly Filter[]): readonly ShapedFilter[] {
    return filters.flatMap((filter) => {
      const column = this.find(filter.column);
      return column === undefined ? [] : [{ column, filter }];
    });
  }

  /** None where the installation has no such column; without the columns of `openWhen`, no row is told to be open. */
  documentDate({ documentDate, optionalColumns = [] }: EntityPlan): ShapedDocumentDate | undefined {
    if (documentDate === undefined) return undefined;
    const { column: name, format, openWhen } = documentDate;
    const isMissing = (one: string): boolean => optionalColumns.includes(one) && !this.#has(one);
    if (isMissing(name)) return undefined;
    const column = this.find(name);
    const isTold = !openWhen.some((filter) => isMissing(filter.column));
    return column && { column, format, openWhen: isTold ? this.filters(openWhen) : [] };
  }

  marker(strategy: ChangeStrategy): ShapedMarker | undefined {
    if (strategy.kind === "full_scan") return undefined;
    const column = this.find(strategy.column);
    if (column === undefined) return undefined;
    return { column, strategy, isIndexed: this.facts.indexLeads.includes(column.name) };
  }
}
