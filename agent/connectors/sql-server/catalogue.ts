// SQL Server's catalogue: tables, columns that this login may read, how they compare, keys and indexes.
import type { KeyRule } from "#agent/core/source/key-rules.ts";
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { CompanyTables } from "#agent/core/sql/company-tables.ts";
import type { ColumnFacts, SqlParameter, SqlRow, TableFacts } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import type { Catalogue } from "#agent/core/sql/table-shape.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { grantSelect, quoteName } from "./grants.ts";
import type { Watched } from "./schema-watch.ts";
import { type ColumnType, readingOf } from "./type-map.ts";

/** Names offered as nearest match, and searched for a company's tables, at most. */
const MAX_TABLE_NAMES = 50_000;

const TABLE_NAMES = `
  SELECT TOP (${MAX_TABLE_NAMES}) o.name FROM sys.objects AS o
  WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0 ORDER BY o.name`;

const relations = (count: number): string => `
  SELECT o.object_id, s.name, o.name, CASE WHEN s.name = SCHEMA_NAME() THEN 1 ELSE 0 END,
    CONVERT(varchar(30), o.modify_date, 126)
  FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
  WHERE o.type IN ('U', 'V') AND LOWER(o.name) IN (${places(count)})`;

const columns = (count: number): string => `
  SELECT c.object_id, c.name, t.name, b.name, c.max_length, c.precision, c.scale, c.is_nullable,
    c.collation_name, t.is_assembly_type,
    HAS_PERMS_BY_NAME(QUOTENAME(s.name) + '.' + QUOTENAME(o.name), 'OBJECT', 'SELECT', c.name, 'COLUMN')
  FROM sys.columns AS c
  JOIN sys.objects AS o ON o.object_id = c.object_id
  JOIN sys.schemas AS s ON s.schema_id = o.schema_id
  JOIN sys.types AS t ON t.user_type_id = c.user_type_id
  LEFT JOIN sys.types AS b ON b.user_type_id = c.system_type_id
  WHERE c.object_id IN (${places(count)})
  ORDER BY c.object_id, c.column_id`;

const indexes = (count: number): string => `
  SELECT i.object_id, c.name, i.is_primary_key, ic.key_ordinal
  FROM sys.indexes AS i
  JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
  JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
  WHERE i.object_id IN (${places(count)}) AND i.is_disabled = 0 AND i.is_hypothetical = 0 AND i.has_filter = 0
    AND ic.key_ordinal > 0
  ORDER BY i.object_id, i.index_id, ic.key_ordinal`;

/** What this connector knows of a table beyond what every reader needs. */
export interface TableExtras {
  readonly objectId: number;
  /** In the key's order; empty without one. */
  readonly primaryKey: readonly string[];
  readonly rowversion: string | undefined;
}

export interface SqlServerCatalogue extends Catalogue, Watched {
  extras(facts: TableFacts): TableExtras | undefined;
}

interface Relation {
  readonly objectId: number;
  readonly schema: string;
  readonly name: string;
  readonly isDefaultSchema: boolean;
  readonly alteredAt: string;
}

/** Everything that the plans need. @throws ConnectorError misconfigured with the GRANTs to run */
export async function readCatalogue(
  session: SqlSession,
  plans: readonly EntityPlan[],
  user: string,
): Promise<SqlServerCatalogue> {
  const tableNames = (await session.query({ text: TABLE_NAMES, parameters: [] })).map((row) =>
    String(row[0]),
  );
  const wanted = wantedTables(plans, tableNames);
  const names = [...new Set(wanted.map((table) => table.name.toLowerCase()))];
  const found = (await ask(session, relations, names)).map(relationOf);
  const used = new Set(wanted.map((table) => choose(table, found)).filter((one) => one !== undefined));
  const ids = [...used].map((relation) => relation.objectId);
  const columnRows = await ask(session, columns, ids);
  const indexRows = await ask(session, indexes, ids);
  const rules = new CollationRules(session);
  const compared = comparedColumns(plans);
  const facts = new Map<Relation, TableFacts>();
  const extras = new Map<TableFacts, TableExtras>();
  const unreadable: Relation[] = [];
  for (const relation of used) {
    const own = columnRows.filter((row) => Number(row[0]) === relation.objectId);
    const readable = own.filter((row) => row[10] !== 0);
    if (readable.length === 0) unreadable.push(relation);
    const indexed = indexRows.filter((row) => Number(row[0]) === relation.objectId);
    const described: ColumnFacts[] = [];
    for (const row of readable) described.push(await columnOf(row, rules, compared));
    const table: TableFacts = {
      table: { schema: relation.schema, name: relation.name },
      columns: described,
      indexLeads: [...new Set(indexed.filter((row) => Number(row[3]) === 1).map((row) => String(row[1])))],
      hasHorizon: false,
    };
    facts.set(relation, table);
    extras.set(table, {
      objectId: relation.objectId,
      primaryKey: indexed.filter((row) => row[2] === true).map((row) => String(row[1])),
      rowversion: readable.find((row) => typeOf(row).base === "timestamp")?.[1] as string | undefined,
    });
  }
  checkRights(unreadable, user);
  const altered = [...used].map((relation) => relation.alteredAt).toSorted();
  return {
    objectIds: ids,
    token: `${altered.at(-1) ?? ""} ${ids.length}`,
    fingerprint: JSON.stringify([...facts.values()].map((table) => [table, extras.get(table)])),
    tableNames,
    table: (table) => {
      const relation = choose(table, found);
      return relation === undefined ? undefined : facts.get(relation);
    },
    extras: (table) => extras.get(table),
  };
}

/** A company's tables by the names that they have here; one that is not found is reported with the pack's other problems. */
function wantedTables(plans: readonly EntityPlan[], tableNames: readonly string[]): readonly TableName[] {
  const companies = new CompanyTables(tableNames);
  const tables = plans.flatMap((plan) => [plan.table, ...plan.children.map((child) => child.table)]);
  return tables.flatMap((table) => {
    const { company } = table;
    if (company === undefined) return [table];
    const names = companies.find({ ...table, company });
    return typeof names === "string" ? [] : names;
  });
}

function relationOf(row: SqlRow): Relation {
  return {
    objectId: Number(row[0]),
    schema: String(row[1]),
    name: String(row[2]),
    isDefaultSchema: Number(row[3]) === 1,
    alteredAt: String(row[4]),
  };
}

/** Exact spelling before other case, the login's own schema before others; several candidates elsewhere are none. */
function choose(table: TableName, found: readonly Relation[]): Relation | undefined {
  const { schema, name } = table;
  const candidates = found.filter(
    (relation) =>
      relation.name.toLowerCase() === name.toLowerCase() &&
      (schema === undefined || relation.schema.toLowerCase() === schema.toLowerCase()),
  );
  const score = (relation: Relation): number =>
    (schema === undefined && relation.isDefaultSchema ? 4 : 0) +
    (relation.name === name ? 2 : 0) +
    (relation.schema === schema ? 1 : 0);
  const [best, next] = candidates.toSorted((left, right) => score(right) - score(left));
  if (best === undefined) return undefined;
  return next !== undefined && score(next) === score(best) ? undefined : best;
}

function checkRights(unreadable: readonly Relation[], user: string): void {
  if (unreadable.length === 0) return;
  throw new ConnectorError(
    "misconfigured",
    `The user ${user} may not read ${unreadable.length} table${unreadable.length === 1 ? "" : "s"} that the pack needs. ` +
      `Have an administrator run:\n${unreadable.map((relation) => `  ${grantSelect(relation, user)}`).join("\n")}`,
  );
}

/** Without any right on a table SQL Server does not even say that it exists. */
export function grantsForMissing(
  plans: readonly EntityPlan[],
  catalogue: Catalogue,
  user: string,
): readonly string[] {
  const tables = plans.flatMap((plan) => [
    plan.table,
    ...plan.children.filter((child) => child.isOptional !== true).map((child) => child.table),
  ]);
  const missing = tables.filter(
    (table) => table.company === undefined && catalogue.table(table) === undefined,
  );
  return [...new Set(missing.map((table) => grantSelect(table, user)))];
}

/** Names of keys, joins and markers, in lower case. */
function comparedColumns(plans: readonly EntityPlan[]): ReadonlySet<string> {
  const names = plans.flatMap((plan) => [
    ...plan.key,
    ...plan.children.flatMap((child) => child.on.flatMap((join) => [join.child, join.parent])),
    ...[plan, ...plan.children].flatMap(({ change }) =>
      change === undefined || change.kind === "full_scan" ? [] : [change.column],
    ),
  ]);
  return new Set(names.map((name) => name.toLowerCase()));
}

async function columnOf(
  row: SqlRow,
  rules: CollationRules,
  compared: ReadonlySet<string>,
): Promise<ColumnFacts> {
  const name = String(row[1]);
  const type = typeOf(row);
  return {
    name,
    type: String(row[2]),
    nullable: row[7] === true,
    rule: await rules.of(type),
    ...readingOf(quoteName(name), type, compared.has(name.toLowerCase())),
  };
}

function typeOf(row: SqlRow): ColumnType {
  return {
    base: String(row[3] ?? row[2]),
    maxLength: Number(row[4]),
    precision: Number(row[5]),
    scale: Number(row[6]),
    collation: row[8] === null ? null : String(row[8]),
    isAssembly: row[9] === true,
  };
}

/** How each collation compares: the server itself says which texts it holds equal. */
class CollationRules {
  readonly #session: SqlSession;
  readonly #known = new Map<string, KeyRule>();

  constructor(session: SqlSession) {
    this.#session = session;
  }

  async of(type: ColumnType): Promise<KeyRule> {
    const { base, collation } = type;
    // Written by the server in one way only, but people write it in both.
    if (collation === null) return { ...NO_TEXT, ignoreCase: base === "uniqueidentifier" };
    const carrier = base === "char" || base === "varchar" ? "varchar(10)" : "nvarchar(10)";
    const name = `${carrier} ${collation}`;
    const known = this.#known.get(name) ?? (await this.#ask(carrier, collation));
    this.#known.set(name, known);
    return known;
  }

  async #ask(carrier: string, collation: string): Promise<KeyRule> {
    const literal = (text: string): string => `CAST(N'${text}' COLLATE ${collation} AS ${carrier})`;
    const isSame = (left: string, right: string): string =>
      `CASE WHEN ${literal(left)} = ${literal(right)} THEN 1 ELSE 0 END`;
    const text = `SELECT ${isSame("a", "A")}, ${isSame("e", "é")}, ${isSame("a", "a ")}`;
    const [row = []] = await this.#session.query({ text, parameters: [] });
    return {
      ignoreCase: Number(row[0]) === 1,
      ignoreAccents: Number(row[1]) === 1,
      ignoreTrailingBlanks: Number(row[2]) === 1,
      emptyIsNull: false,
    };
  }
}

const NO_TEXT: KeyRule = {
  ignoreCase: false,
  ignoreAccents: false,
  ignoreTrailingBlanks: false,
  emptyIsNull: false,
};

/** Parameters of one catalogue statement, at most. */
const CHUNK = 500;

async function ask(
  session: SqlSession,
  statement: (count: number) => string,
  parameters: readonly SqlParameter[],
): Promise<readonly SqlRow[]> {
  const rows: SqlRow[] = [];
  for (let from = 0; from < parameters.length; from += CHUNK) {
    const some = parameters.slice(from, from + CHUNK);
    rows.push(...(await session.query({ text: statement(some.length), parameters: some })));
  }
  return rows;
}

function places(count: number): string {
  return Array.from({ length: count }, (_, at) => `@p${at + 1}`).join(", ");
}
