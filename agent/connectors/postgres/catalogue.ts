// PostgreSQL's catalogue: tables, columns that this user may read, how they compare, which indexes lead where.
import type { KeyRule } from "#agent/core/source/key-rules.ts";
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import type { ColumnFacts, SqlRow, TableFacts } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import type { Catalogue } from "#agent/core/sql/table-shape.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { PostgresSettings } from "./definition.ts";
import { grantSelect, grantUsage } from "./failures.ts";

/** Names offered as nearest match, at most. */
const MAX_TABLE_NAMES = 20_000;

const RELATIONS = `
  SELECT c.oid::text, n.nspname, c.relname, pg_table_is_visible(c.oid) AS visible,
    c.relkind IN ('r', 'p') AND has_column_privilege(c.oid, 'xmin', 'SELECT') AS has_horizon,
    has_schema_privilege(n.oid, 'USAGE') AS may_enter, has_any_column_privilege(c.oid, 'SELECT') AS may_read,
    format('%I.%I', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND lower(c.relname) = ANY ($1::text[])`;

const COLUMNS = `
  SELECT a.attrelid::text, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
    coalesce(base.typname, t.typname) AS type_name,
    CASE WHEN NOT col.collisdeterministic THEN format('%I.%I', cn.nspname, col.collname) END AS loose_collation
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_type base ON base.oid = t.typbasetype AND t.typtype = 'd'
  LEFT JOIN pg_collation col ON col.oid = a.attcollation
  LEFT JOIN pg_namespace cn ON cn.oid = col.collnamespace
  WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
  ORDER BY a.attrelid, a.attnum`;

const INDEX_LEADS = `
  SELECT DISTINCT i.indrelid::text, a.attname
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid AND i.indpred IS NULL`;

const TABLE_NAMES = `
  SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  ORDER BY c.relname LIMIT ${MAX_TABLE_NAMES}`;

/** Types that the server adds up exactly. */
const EXACT_NUMBERS: ReadonlySet<string> = new Set(["numeric", "int2", "int4", "int8"]);

interface Relation {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly isVisible: boolean;
  readonly hasHorizon: boolean;
  readonly mayEnter: boolean;
  readonly mayRead: boolean;
  readonly quoted: string;
}

/** Everything that the plans (and `further` tables, for writes) need, in four statements. @throws ConnectorError misconfigured with the GRANTs to run */
export async function readCatalogue(
  session: SqlSession,
  plans: readonly EntityPlan[],
  settings: PostgresSettings,
  further: readonly TableName[] = [],
): Promise<Catalogue> {
  const read = plans.flatMap((plan) => [plan.table, ...plan.children.map((child) => child.table)]);
  const wanted = [...read, ...further];
  const names = [...new Set(wanted.map((table) => table.name.toLowerCase()))];
  const relations = (await ask(session, RELATIONS, arrayText(names))).map(relationOf);
  const chosen = new Map(wanted.map((table) => [table, choose(table, relations)]));
  const used = [...new Set([...chosen.values()].filter((relation) => relation !== undefined))];
  checkRights(used, settings);
  const oids = arrayText(used.map((relation) => relation.oid));
  const columns = await ask(session, COLUMNS, oids);
  const leads = await ask(session, INDEX_LEADS, oids);
  const tableNames = (await session.query({ text: TABLE_NAMES, parameters: [] })).map((row) =>
    String(row[0]),
  );
  const facts = new Map<Relation, TableFacts>();
  for (const relation of used) {
    const own = columns.filter((row) => row[0] === relation.oid);
    const described: ColumnFacts[] = [];
    for (const row of own) described.push(await columnOf(session, row));
    facts.set(relation, {
      table: { schema: relation.schema, name: relation.name },
      columns: described,
      indexLeads: leads.filter((row) => row[0] === relation.oid).map((row) => String(row[1])),
      hasHorizon: relation.hasHorizon,
    });
  }
  return {
    tableNames,
    table: (table) => {
      const relation = chosen.get(table) ?? choose(table, relations);
      return relation === undefined ? undefined : facts.get(relation);
    },
  };
}

function relationOf(row: SqlRow): Relation {
  return {
    oid: String(row[0]),
    schema: String(row[1]),
    name: String(row[2]),
    isVisible: row[3] === true,
    hasHorizon: row[4] === true,
    mayEnter: row[5] === true,
    mayRead: row[6] === true,
    quoted: String(row[7]),
  };
}

/** Exact spelling before other case, the search path before other schemas; several candidates elsewhere are none. */
function choose(table: TableName, relations: readonly Relation[]): Relation | undefined {
  const { schema, name } = table;
  const candidates = relations.filter(
    (relation) =>
      relation.name.toLowerCase() === name.toLowerCase() &&
      (schema === undefined || relation.schema.toLowerCase() === schema.toLowerCase()),
  );
  const score = (relation: Relation): number =>
    (schema === undefined && relation.isVisible ? 4 : 0) +
    (relation.name === name ? 2 : 0) +
    (relation.schema === schema ? 1 : 0);
  const [best, next] = candidates.toSorted((left, right) => score(right) - score(left));
  if (best === undefined) return undefined;
  const isUnclear = next !== undefined && score(next) === score(best);
  return isUnclear ? undefined : best;
}

function checkRights(relations: readonly Relation[], settings: PostgresSettings): void {
  const { user } = settings;
  const schemas = relations.filter((relation) => !relation.mayEnter).map((relation) => relation.schema);
  const grants = [
    ...new Set(schemas.map((schema) => grantUsage(`"${schema.replaceAll('"', '""')}"`, user))),
    ...relations
      .filter((relation) => !relation.mayRead)
      .map((relation) => grantSelect(relation.quoted, user)),
  ];
  if (grants.length === 0) return;
  throw new ConnectorError(
    "misconfigured",
    `The user ${user} may not read ${grants.length === 1 ? "something" : `${grants.length} things`} that the pack needs. ` +
      `Have an administrator run:\n${grants.map((grant) => `  ${grant}`).join("\n")}`,
  );
}

async function columnOf(session: SqlSession, row: SqlRow): Promise<ColumnFacts> {
  const typeName = String(row[4]);
  const collation = row[5] as string | null;
  const loose = collation === null ? undefined : await looseRule(session, collation);
  const name = String(row[1]);
  return {
    name,
    type: String(row[2]),
    ...(EXACT_NUMBERS.has(typeName) ? { sum: `SUM("${name.replaceAll('"', '""')}")` } : {}),
    nullable: row[3] === true,
    rule: {
      ignoreCase: loose?.ignoreCase ?? typeName === "citext",
      ignoreAccents: loose?.ignoreAccents ?? false,
      ignoreTrailingBlanks: typeName === "bpchar",
      emptyIsNull: false,
    },
  };
}

/** A nondeterministic collation may hold different texts equal; the server itself says which. */
async function looseRule(
  session: SqlSession,
  collation: string,
): Promise<Pick<KeyRule, "ignoreCase" | "ignoreAccents">> {
  const text = `SELECT 'a' = 'A' COLLATE ${collation}, 'e' = 'é' COLLATE ${collation}`;
  const [row] = await session.query({ text, parameters: [] });
  return { ignoreCase: row?.[0] === true, ignoreAccents: row?.[1] === true };
}

async function ask(session: SqlSession, text: string, parameter: string): Promise<readonly SqlRow[]> {
  return await session.query({ text, parameters: [parameter] });
}

/** PostgreSQL's own writing of an array, so that it travels as one text parameter. */
function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`).join(",")}}`;
}
