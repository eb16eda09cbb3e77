// Looks around: schemas, their tables and views, and their columns, as far as this login may see them.
import type { BrowseEntry } from "#agent/core/source/connector.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";

/** Entries of one level, at most. */
const MAX_ENTRIES = 5000;

const SCHEMAS = `
  SELECT TOP (${MAX_ENTRIES}) s.name, COUNT(*) FROM sys.schemas AS s
  JOIN sys.objects AS o ON o.schema_id = s.schema_id
  WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0 GROUP BY s.name ORDER BY s.name`;

const TABLES = `
  SELECT TOP (${MAX_ENTRIES}) o.name, CASE WHEN o.type = 'V' THEN 'view' ELSE 'table' END
  FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
  WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0 AND s.name = @p1 ORDER BY o.name`;

const COLUMNS = `
  SELECT TOP (${MAX_ENTRIES}) c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable
  FROM sys.columns AS c
  JOIN sys.objects AS o ON o.object_id = c.object_id
  JOIN sys.schemas AS s ON s.schema_id = o.schema_id
  JOIN sys.types AS t ON t.user_type_id = c.user_type_id
  WHERE s.name = @p1 AND o.name = @p2 ORDER BY c.column_id`;

const KEYS = `
  SELECT c.name FROM sys.indexes AS i
  JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
  JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
  JOIN sys.objects AS o ON o.object_id = i.object_id
  JOIN sys.schemas AS s ON s.schema_id = o.schema_id
  WHERE s.name = @p1 AND o.name = @p2 AND i.is_primary_key = 1 ORDER BY ic.key_ordinal`;

/** `[]` gives the schemas, `[schema]` its tables, `[schema, table]` its columns. @throws ConnectorError */
export async function browse(session: SqlSession, path: readonly string[]): Promise<readonly BrowseEntry[]> {
  const [schema, table] = path;
  if (schema === undefined) {
    const rows = await session.query({ text: SCHEMAS, parameters: [] });
    return rows.map(([name, tables]) => entry(path, String(name), "schema", { tables: Number(tables) }));
  }
  if (table === undefined) {
    const rows = await session.query({ text: TABLES, parameters: [schema] });
    return rows.map(([name, kind]) => entry(path, String(name), "table", { kind: String(kind) }));
  }
  const rows = await session.query({ text: COLUMNS, parameters: [schema, table] });
  const keyRows = await session.query({ text: KEYS, parameters: [schema, table] });
  const keys = new Set(keyRows.map(([name]) => String(name)));
  return rows.map(([name, type, length, precision, scale, nullable]) =>
    entry(path, String(name), "column", {
      type: String(type),
      bytes: Number(length),
      precision: Number(precision),
      scale: Number(scale),
      nullable: nullable === true,
      key: keys.has(String(name)),
    }),
  );
}

function entry(
  path: readonly string[],
  name: string,
  kind: BrowseEntry["kind"],
  detail: BrowseEntry["detail"],
): BrowseEntry {
  return { path: [...path, name], name, kind, detail };
}
