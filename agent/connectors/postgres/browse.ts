// Looks around: schemas, their tables and views, and their columns, as far as this user may see them.
import type { BrowseEntry } from "#agent/core/source/connector.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";

/** Entries of one level, at most. */
const MAX_ENTRIES = 5_000;

const RELATIONS = `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')`;
const SCHEMAS = `SELECT n.nspname, count(*)::text ${RELATIONS} GROUP BY n.nspname ORDER BY n.nspname LIMIT ${MAX_ENTRIES}`;
const TABLES = `SELECT c.relname, CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END
  ${RELATIONS} AND n.nspname = $1 ORDER BY c.relname LIMIT ${MAX_ENTRIES}`;
const COLUMNS = `SELECT a.attname, format_type(a.atttypid, a.atttypmod), (NOT a.attnotnull)::text,
  EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey))::text
  ${RELATIONS.replace("WHERE", "JOIN pg_attribute a ON a.attrelid = c.oid WHERE")}
    AND n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(a.attrelid, a.attnum, 'SELECT') ORDER BY a.attnum LIMIT ${MAX_ENTRIES}`;

/** `[]` gives the schemas, `[schema]` its tables, `[schema, table]` its columns. @throws ConnectorError */
export async function browse(session: SqlSession, path: readonly string[]): Promise<readonly BrowseEntry[]> {
  const [schema, table] = path;
  const entry = (name: unknown, kind: BrowseEntry["kind"], detail: BrowseEntry["detail"]): BrowseEntry => ({
    path: [...path, String(name)],
    name: String(name),
    kind,
    detail,
  });
  if (schema === undefined) {
    const rows = await session.query({ text: SCHEMAS, parameters: [] });
    return rows.map(([name, tables]) => entry(name, "schema", { tables: Number(tables) }));
  }
  if (table === undefined) {
    const rows = await session.query({ text: TABLES, parameters: [schema] });
    return rows.map(([name, kind]) => entry(name, "table", { kind: String(kind) }));
  }
  const rows = await session.query({ text: COLUMNS, parameters: [schema, table] });
  return rows.map(([name, type, nullable, key]) =>
    entry(name, "column", { type: String(type), nullable: nullable === "true", key: key === "true" }),
  );
}
