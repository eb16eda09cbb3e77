// Looks around: a file's tables and views, and their columns.
import type { BrowseEntry } from "#agent/core/source/connector.ts";
import type { SqliteConnection } from "./connection.ts";

const TABLES = `SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`;
const COLUMNS = "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid";

/** `[]` gives the tables, `[table]` its columns. @throws ConnectorError */
export function browse(connection: SqliteConnection, path: readonly string[]): readonly BrowseEntry[] {
  const [table] = path;
  if (table === undefined) {
    return connection.query({ text: TABLES, parameters: [] }).map(([name, kind]) => ({
      path: [String(name)],
      name: String(name),
      kind: "table",
      detail: { kind: String(kind) },
    }));
  }
  return connection.query({ text: COLUMNS, parameters: [table] }).map(([name, type, key]) => ({
    path: [table, String(name)],
    name: String(name),
    kind: "column",
    detail: { type: String(type), key: Number(key) > 0 },
  }));
}
