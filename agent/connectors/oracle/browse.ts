// Schemas, their tables and views, and columns, as far as this user may see them.
import type { BrowseEntry } from "#agent/core/source/connector.ts";
import type { SqlRow } from "#agent/core/sql/dialect.ts";
import type { OracleSession } from "./connection.ts";
import { isRefused } from "./failures.ts";

/** Entries of one level, at most. */
const MAX_ENTRIES = 5000;
const LIMIT = ` FETCH FIRST ${MAX_ENTRIES} ROWS ONLY`;

const SCHEMAS = `SELECT OWNER, COUNT(*) FROM ALL_TABLES GROUP BY OWNER ORDER BY OWNER${LIMIT}`;
const VIEW_SCHEMAS = `SELECT OWNER, COUNT(*) FROM ALL_VIEWS GROUP BY OWNER ORDER BY OWNER${LIMIT}`;
/** Schemas that come with the database; from 12.1. */
const MAINTAINED = "SELECT USERNAME FROM ALL_USERS WHERE ORACLE_MAINTAINED = 'Y'";
const TABLES = `SELECT TABLE_NAME, NUM_ROWS FROM ALL_TABLES WHERE OWNER = :1 ORDER BY TABLE_NAME${LIMIT}`;
const VIEWS = `SELECT VIEW_NAME FROM ALL_VIEWS WHERE OWNER = :1 ORDER BY VIEW_NAME${LIMIT}`;
const COLUMNS =
  "SELECT COLUMN_NAME, DATA_TYPE, DATA_LENGTH, DATA_PRECISION, DATA_SCALE, NULLABLE FROM ALL_TAB_COLUMNS " +
  `WHERE OWNER = :1 AND TABLE_NAME = :2 ORDER BY COLUMN_ID${LIMIT}`;

const KEYS =
  "SELECT CC.COLUMN_NAME FROM ALL_CONSTRAINTS C JOIN ALL_CONS_COLUMNS CC ON CC.OWNER = C.OWNER AND CC.CONSTRAINT_NAME = C.CONSTRAINT_NAME " +
  "WHERE C.OWNER = :1 AND C.TABLE_NAME = :2 AND C.CONSTRAINT_TYPE = 'P'";

/** Others have the length of their inner form, which tells nobody anything. */
const HAS_LENGTH = /CHAR|RAW/;

/** `[]`: schemas but those of the database itself; `[schema]`: tables and views; `[schema, table]`: columns. @throws ConnectorError */
export async function browseOracle(
  session: OracleSession,
  path: readonly string[],
): Promise<readonly BrowseEntry[]> {
  const [schema, table] = path;
  if (schema === undefined) return await schemas(session);
  if (table === undefined) return await tables(session, schema);
  const rows = await ask(session, COLUMNS, [schema, table]);
  if (path.length > 2) return [];
  const keys = new Set((await ask(session, KEYS, [schema, table])).map(([name]) => String(name)));
  return rows.map((row) => columnEntry(path, row, keys));
}

async function schemas(session: OracleSession): Promise<readonly BrowseEntry[]> {
  const counts = new Map<string, { tables: number; views: number }>();
  for (const [text, what] of [
    [SCHEMAS, "tables"],
    [VIEW_SCHEMAS, "views"],
  ] as const) {
    for (const [owner, count] of await ask(session, text, [])) {
      const known = counts.get(String(owner)) ?? { tables: 0, views: 0 };
      counts.set(String(owner), { ...known, [what]: Number(count) });
    }
  }
  for (const name of await maintained(session)) counts.delete(name);
  return [...counts.keys()].toSorted().map((name) => {
    return { path: [name], name, kind: "schema", detail: counts.get(name)! };
  });
}

async function maintained(session: OracleSession): Promise<readonly string[]> {
  try {
    return (await ask(session, MAINTAINED, [])).map(([name]) => String(name));
  } catch (error) {
    if (isRefused(error)) return [];
    throw error;
  }
}

async function tables(session: OracleSession, schema: string): Promise<readonly BrowseEntry[]> {
  const found = (await ask(session, TABLES, [schema])).map((row) => entryOf(schema, row, "table"));
  const views = (await ask(session, VIEWS, [schema])).map((row) => entryOf(schema, row, "view"));
  return [...found, ...views];
}

function entryOf(schema: string, row: SqlRow, type: "table" | "view"): BrowseEntry {
  const name = String(row[0]);
  const rows = row[1] === null || row[1] === undefined ? null : Number(row[1]);
  return { path: [schema, name], name, kind: "table", detail: { type, rows } };
}

function columnEntry(path: readonly string[], row: SqlRow, keys: ReadonlySet<string>): BrowseEntry {
  const [name, type, length, precision, scale, nullable] = row;
  return {
    path: [...path, String(name)],
    name: String(name),
    kind: "column",
    detail: {
      type: String(type),
      length: HAS_LENGTH.test(String(type)) ? numberOf(length) : null,
      precision: numberOf(precision),
      scale: numberOf(scale),
      nullable: nullable === "Y",
      key: keys.has(String(name)),
    },
  };
}

function numberOf(value: SqlRow[number] | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

async function ask(
  session: OracleSession,
  text: string,
  parameters: readonly string[],
): Promise<readonly SqlRow[]> {
  return await session.query({ text, parameters });
}
