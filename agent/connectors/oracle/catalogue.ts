// Oracle's dictionary: tables, views and synonyms that this user may read, their columns, indexes and change logs.
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import type { ColumnFacts, SqlRow, TableFacts } from "#agent/core/sql/dialect.ts";
import type { Catalogue } from "#agent/core/sql/table-shape.ts";
import type { OracleSession } from "./connection.ts";
import type { OracleSettings } from "./definition.ts";
import { columnFacts, type DictionaryColumn, isIncomparable } from "./type-map.ts";

/** Names offered as nearest match, at most. */
const MAX_TABLE_NAMES = 20_000;
/** Names in one dictionary statement, at most. */
const MAX_NAMES = 500;
const FIRST_WITH_COLLATION = 1202000000;

/** What the strategies need to know of a table beyond its columns. */
export interface TableTraits {
  /** A view has no rows of its own, and no change numbers. */
  readonly isTable: boolean;
  /** ROWDEPENDENCIES: change numbers are kept for each row, not for each block. */
  readonly hasRowNumbers: boolean;
  readonly log: TableLog | undefined;
}

/** A materialized view log on the table that this user may know of. */
export interface TableLog {
  readonly table: TableName;
  readonly columns: readonly string[];
  /** Materialized views that use it: their refreshes take entries out of it. */
  readonly users: number;
}

export interface OracleCatalogue extends Catalogue {
  traits(table: TableName): TableTraits;
  /** What the pack names and this user cannot see. */
  readonly invisible: readonly TableName[];
  /** Tables of such a name that other schemas have. */
  readonly elsewhere: readonly TableName[];
  /** Not one of all that the pack names can be seen in whatever schema. */
  readonly isNothingVisible: boolean;
  /** Columns that the pack names and that are of a type which cannot be read, for people. */
  readonly unreadable: readonly string[];
}

interface Relation {
  readonly owner: string;
  readonly name: string;
}

/** Everything that the plans need, in a handful of statements. @throws ConnectorError */
export async function readCatalogue(
  session: OracleSession,
  plans: readonly EntityPlan[],
  settings: OracleSettings,
): Promise<OracleCatalogue> {
  const wanted = plans.flatMap((plan) => [plan.table, ...plan.children.map((child) => child.table)]);
  const [self] = await rowsOf(session, "SELECT USER FROM DUAL", []);
  const home = settings.schema ?? String(self?.[0]);
  const dictionary = await readDictionary(session, namesOf(wanted.map((table) => table.name)), home);
  const chosen = new Map(wanted.map((table) => [table, dictionary.choose(table)]));
  const uses = usesOf(plans, (table) => labelOf(chosen.get(table)));
  const facts = new Map<string, { facts: TableFacts; traits: TableTraits }>();
  for (const relation of chosen.values()) {
    if (relation === undefined) continue;
    const label = labelOf(relation);
    if (!facts.has(label)) facts.set(label, dictionary.describe(relation, uses.get(label)));
  }
  const find = (table: TableName): { facts: TableFacts; traits: TableTraits } | undefined => {
    const relation = chosen.get(table) ?? dictionary.choose(table);
    return relation === undefined ? undefined : facts.get(labelOf(relation));
  };
  const invisible = wanted.filter((table) => chosen.get(table) === undefined);
  const parts = plans.flatMap((plan) => [plan, ...plan.children]);
  const unreadable = parts.flatMap(({ table, columns, named }) => {
    const relation = chosen.get(table);
    if (relation === undefined) return [];
    return dictionary.unreadable(relation, [...columns, ...(named ?? [])], uses.get(labelOf(relation)));
  });
  const elsewhere = invisible.flatMap((table) => dictionary.elsewhere(table));
  const hiding = new Set(elsewhere.map(({ name }) => name));
  const names = invisible.length === 0 ? [] : await readTableNames(session);
  return {
    tableNames: names.filter((name) => !hiding.has(name)),
    elsewhere: elsewhere.map(({ owner, name }) => ({ schema: owner, name })),
    isNothingVisible: wanted.length > 0 && invisible.length === wanted.length && elsewhere.length === 0,
    table: (table) => find(table)?.facts,
    traits: (table) => find(table)?.traits ?? { isTable: false, hasRowNumbers: false, log: undefined },
    invisible,
    unreadable: [...new Set(unreadable)],
  };
}

const TABLES = "SELECT OWNER, TABLE_NAME, DEPENDENCIES, IOT_TYPE FROM ALL_TABLES WHERE TABLE_NAME IN (NAMES)";
const SYNONYMS =
  "SELECT OWNER, SYNONYM_NAME, TABLE_OWNER, TABLE_NAME FROM ALL_SYNONYMS WHERE DB_LINK IS NULL AND SYNONYM_NAME IN (NAMES)";
const INDEX_LEADS =
  "SELECT DISTINCT TABLE_OWNER, TABLE_NAME, COLUMN_NAME FROM ALL_IND_COLUMNS WHERE COLUMN_POSITION = 1 AND TABLE_NAME IN (NAMES)";
const LOGS = "SELECT LOG_OWNER, LOG_TABLE, MASTER FROM ALL_MVIEW_LOGS WHERE MASTER IN (NAMES)";
const LOG_USERS = "SELECT OWNER, MASTER FROM ALL_BASE_TABLE_MVIEWS WHERE MASTER IN (NAMES)";

function columnsQuery(serverVersion: number): string {
  const collation = serverVersion >= FIRST_WITH_COLLATION ? "COLLATION" : "NULL";
  return (
    "SELECT OWNER, TABLE_NAME, COLUMN_NAME, DATA_TYPE, DATA_PRECISION, DATA_SCALE, NULLABLE, " +
    `${collation} FROM ALL_TAB_COLUMNS WHERE TABLE_NAME IN (NAMES) ORDER BY OWNER, TABLE_NAME, COLUMN_ID`
  );
}

async function readDictionary(
  session: OracleSession,
  names: readonly string[],
  home: string,
): Promise<Dictionary> {
  const synonyms = (await ask(session, SYNONYMS, names)).filter(
    ([owner]) => owner === home || owner === "PUBLIC",
  );
  const all = namesOf([...names, ...synonyms.map((row) => String(row[3]))]);
  const logs = await ask(session, LOGS, all);
  const withLogs = namesOf([...all, ...logs.map((row) => String(row[1]))]);
  return new Dictionary(home, {
    synonyms,
    logs,
    tables: await ask(session, TABLES, all),
    columns: await ask(session, columnsQuery(session.serverVersion), withLogs),
    leads: await ask(session, INDEX_LEADS, all),
    logUsers: logs.length === 0 ? [] : await ask(session, LOG_USERS, all),
  });
}

interface DictionaryRows {
  readonly synonyms: readonly SqlRow[];
  readonly logs: readonly SqlRow[];
  readonly tables: readonly SqlRow[];
  readonly columns: readonly SqlRow[];
  readonly leads: readonly SqlRow[];
  readonly logUsers: readonly SqlRow[];
}

class Dictionary {
  readonly #home: string;
  readonly #rows: DictionaryRows;
  readonly #columns = new Map<string, SqlRow[]>();

  constructor(home: string, rows: DictionaryRows) {
    this.#home = home;
    this.#rows = rows;
    for (const row of rows.columns) {
      const label = labelOf(relationOf(row));
      const own = this.#columns.get(label);
      if (own === undefined) this.#columns.set(label, [row]);
      else own.push(row);
    }
  }

  /** The user's own before synonyms, private ones before public; exact spelling before capitals. */
  choose({ schema, name }: TableName): Relation | undefined {
    for (const spelled of namesOf([name])) {
      for (const owner of namesOf([schema ?? this.#home])) {
        if (this.#columns.has(labelOf({ owner, name: spelled }))) return { owner, name: spelled };
      }
      if (schema !== undefined) continue;
      for (const owner of [this.#home, "PUBLIC"]) {
        const synonym = this.#rows.synonyms.find((row) => row[0] === owner && row[1] === spelled);
        const target = synonym && { owner: String(synonym[2]), name: String(synonym[3]) };
        if (target !== undefined && this.#columns.has(labelOf(target))) return target;
      }
    }
    return undefined;
  }

  /** Tables of this name in whatever schema. */
  elsewhere({ name }: TableName): readonly Relation[] {
    const spelled = namesOf([name]);
    return [...this.#columns.values()]
      .map((rows) => relationOf(rows[0]!))
      .filter((relation) => spelled.includes(relation.name));
  }

  describe(relation: Relation, uses: ColumnUses = NO_USES): { facts: TableFacts; traits: TableTraits } {
    const { owner, name } = relation;
    const isSame = (row: SqlRow): boolean => row[0] === owner && row[1] === name;
    const table = this.#rows.tables.find(isSame);
    // Index-organised tables have no change numbers that could be trusted.
    const isTable = table !== undefined && table[3] === null;
    const columns = (this.#columns.get(labelOf(relation)) ?? [])
      .map((row) => describeColumn(row, uses))
      .filter((column) => column !== undefined);
    return {
      facts: {
        table: { schema: owner, name },
        columns,
        indexLeads: this.#rows.leads.filter(isSame).map((row) => String(row[2])),
        hasHorizon: false,
      },
      traits: { isTable, hasRowNumbers: table?.[2] === "ENABLED", log: this.#logOf(relation) },
    };
  }

  /** Of these columns, and those that are compared, the ones that no type of ours fits. */
  unreadable(relation: Relation, columns: readonly string[], uses: ColumnUses = NO_USES): readonly string[] {
    const { markers, compared, ordered } = uses;
    const names = columns.map((column) => column.toUpperCase());
    const wanted = new Set([...names, ...markers, ...compared, ...ordered]);
    return (this.#columns.get(labelOf(relation)) ?? [])
      .filter((row) => wanted.has(String(row[2]).toUpperCase()) && describeColumn(row, uses) === undefined)
      .map((row) => {
        const type = String(row[3]);
        const why = isIncomparable(type) ? `, which can be no key, marker, join, filter or order` : "";
        return `${relation.owner}.${relation.name}.${String(row[2])} is a ${type}${why}`;
      });
  }

  #logOf({ owner, name }: Relation): TableLog | undefined {
    const row = this.#rows.logs.find((log) => log[0] === owner && log[2] === name);
    if (row === undefined) return undefined;
    const table = { schema: owner, name: String(row[1]) };
    // Without a right to read it its columns are not seen either.
    const columns = this.#columns.get(labelOf({ owner, name: table.name }));
    if (columns === undefined) return undefined;
    const users = this.#rows.logUsers.filter((user) => user[0] === owner && user[1] === name).length;
    return { table, columns: columns.map((column) => String(column[2])), users };
  }
}

/** Names in capitals. */
interface ColumnUses {
  readonly markers: ReadonlySet<string>;
  readonly compared: ReadonlySet<string>;
  readonly ordered: ReadonlySet<string>;
}

const NO_USES: ColumnUses = { markers: new Set(), compared: new Set(), ordered: new Set() };

/** By table: what all plans together do with its columns, by whatever name they know it. */
function usesOf(
  plans: readonly EntityPlan[],
  labelFor: (table: TableName) => string,
): ReadonlyMap<string, ColumnUses> {
  const uses = new Map<string, Record<keyof ColumnUses, Set<string>>>();
  const add = (table: TableName, use: keyof ColumnUses, columns: readonly string[]): void => {
    const label = labelFor(table);
    const known = uses.get(label) ?? { markers: new Set(), compared: new Set(), ordered: new Set() };
    uses.set(label, known);
    for (const column of columns) known[use].add(column.toUpperCase());
  };
  for (const plan of plans) {
    for (const { table, change, filters } of [plan, ...plan.children]) {
      if (change !== undefined && change.kind !== "full_scan") add(table, "markers", [change.column]);
      add(
        table,
        "compared",
        filters.map(({ column }) => column),
      );
    }
    add(plan.table, "compared", plan.key);
    const { openWhen = [] } = plan.documentDate ?? {};
    add(
      plan.table,
      "compared",
      openWhen.map(({ column }) => column),
    );
    for (const { table, on, orderBy } of plan.children) {
      add(
        plan.table,
        "compared",
        on.map(({ parent }) => parent),
      );
      add(
        table,
        "compared",
        on.map(({ child }) => child),
      );
      add(table, "ordered", orderBy);
    }
  }
  return uses;
}

function describeColumn(row: SqlRow, uses: ColumnUses): ColumnFacts | undefined {
  const name = String(row[2]);
  const upper = name.toUpperCase();
  const column: DictionaryColumn = {
    name,
    dataType: String(row[3]),
    precision: numberOf(row[4]),
    scale: numberOf(row[5]),
    nullable: row[6] === "Y",
    collation: row[7] === null || row[7] === undefined ? undefined : String(row[7]),
  };
  return columnFacts(column, {
    isMarker: uses.markers.has(upper),
    isCompared: uses.compared.has(upper),
    isOrdered: uses.ordered.has(upper),
  });
}

function numberOf(value: SqlRow[number] | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}

async function readTableNames(session: OracleSession): Promise<readonly string[]> {
  const text =
    "SELECT OBJECT_NAME FROM ALL_OBJECTS WHERE OBJECT_TYPE IN ('TABLE', 'VIEW', 'SYNONYM') " +
    `ORDER BY OBJECT_NAME FETCH FIRST ${MAX_TABLE_NAMES} ROWS ONLY`;
  return (await rowsOf(session, text, [])).map((row) => String(row[0]));
}

/** As written, and in the capitals that Oracle makes of unquoted names. */
function namesOf(names: readonly string[]): readonly string[] {
  return [...new Set(names.flatMap((name) => [name, name.toUpperCase()]))];
}

function relationOf(row: SqlRow): Relation {
  return { owner: String(row[0]), name: String(row[1]) };
}

function labelOf(relation: Relation | undefined): string {
  return relation === undefined ? "" : JSON.stringify([relation.owner, relation.name]);
}

/** One statement for each few hundred names. */
async function ask(
  session: OracleSession,
  text: string,
  names: readonly string[],
): Promise<readonly SqlRow[]> {
  const rows: SqlRow[] = [];
  for (let from = 0; from < names.length; from += MAX_NAMES) {
    const some = names.slice(from, from + MAX_NAMES);
    const places = some.map((_, index) => `:${index + 1}`).join(", ");
    rows.push(...(await rowsOf(session, text.replace("NAMES", places), some)));
  }
  return rows;
}

async function rowsOf(
  session: OracleSession,
  text: string,
  parameters: readonly string[],
): Promise<readonly SqlRow[]> {
  return await session.query({ text, parameters });
}
