// What the database offers and allows: snapshot isolation, change tracking, CDC; and what makes it this database.
import type { SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { askOne } from "./connection.ts";
import type { SqlServerSettings } from "./definition.ts";
import { numberOf } from "./failures.ts";
import { quoteName } from "./grants.ts";

export interface CdcCapture {
  readonly instance: string;
  readonly columns: readonly string[];
}

export interface DatabaseFacts {
  readonly name: string;
  readonly identity: string;
  readonly allowsSnapshots: boolean;
  readonly hasStatementSnapshots: boolean;
  /** A readable copy: it cannot say which transactions of the original are open. */
  readonly isReadOnlyCopy: boolean;
  /** By object id, tables with change tracking: whether this login may use it. */
  readonly tracked: ReadonlyMap<number, boolean>;
  /** By object id, newest first. */
  readonly captures: ReadonlyMap<number, readonly CdcCapture[]>;
}

const DATABASE = `
  SELECT DB_NAME(), d.snapshot_isolation_state, d.is_read_committed_snapshot_on, d.is_cdc_enabled,
    CONVERT(varchar(30), d.create_date, 126), CONVERT(nvarchar(128), SERVERPROPERTY('ServerName')),
    CONVERT(nvarchar(20), DATABASEPROPERTYEX(DB_NAME(), 'Updateability'))
  FROM sys.databases AS d WHERE d.name = DB_NAME()`;

/** Needs a right that a careful administrator may not give; a restore starts a new fork. */
const RECOVERY = `
  SELECT CONVERT(varchar(36), r.database_guid), CONVERT(varchar(36), r.recovery_fork_guid)
  FROM sys.database_recovery_status AS r WHERE r.database_id = DB_ID()`;

/** Copies of one availability group are one source, whichever server they stand on. Not before SQL Server 2012. */
const GROUP =
  "SELECT CONVERT(varchar(36), d.group_database_id) FROM sys.databases AS d WHERE d.name = DB_NAME()";

const TRACKED = `
  SELECT t.object_id, CONVERT(varchar(20), CHANGE_TRACKING_MIN_VALID_VERSION(t.object_id))
  FROM sys.change_tracking_tables AS t`;

/** Microsoft documents its result by the order of its columns. */
const CAPTURES = "EXEC sys.sp_cdc_help_change_data_capture";
const CAPTURE_INSTANCE = 2;
const CAPTURE_SOURCE = 4;
const CAPTURE_COLUMNS = 14;

export async function readDatabaseFacts(
  session: SqlSession,
  settings: SqlServerSettings,
): Promise<DatabaseFacts> {
  const row = await askOne(session, DATABASE);
  const [name, snapshots, statements, hasCdc, created, server, updateability] = row;
  const recovery = (await ifAllowed(session, RECOVERY))[0];
  const group = (await ifAllowed(session, GROUP))[0]?.[0] ?? null;
  const own = recovery?.[0] ?? null;
  const database = own === null ? `${String(name)}:${String(created)}` : recovery!.map(String).join(":");
  const place = group === null ? String(server ?? settings.server) : String(group);
  const tracked = await ifAllowed(session, TRACKED);
  const captures = hasCdc === true ? await ifAllowed(session, CAPTURES) : [];
  return {
    name: String(name),
    identity: `sql-server:${place}:${database}`,
    allowsSnapshots: Number(snapshots) === 1,
    hasStatementSnapshots: statements === true,
    isReadOnlyCopy: updateability === "READ_ONLY",
    tracked: new Map(tracked.map(([id, minimum]) => [Number(id), minimum !== null])),
    captures: capturesIn(captures),
  };
}

/** Rows, or none where this login or this version may not ask. */
async function ifAllowed(session: SqlSession, text: string): Promise<readonly SqlRow[]> {
  const statement: SqlStatement = { text, parameters: [] };
  try {
    return await session.query(statement);
  } catch (error) {
    // A number is the server's own refusal; anything else is the line.
    if (numberOf(error) === undefined) throw error;
    return [];
  }
}

function capturesIn(rows: readonly SqlRow[]): ReadonlyMap<number, readonly CdcCapture[]> {
  const captures = new Map<number, CdcCapture[]>();
  for (const row of rows) {
    const id = Number(row[CAPTURE_SOURCE]);
    const capture = {
      instance: String(row[CAPTURE_INSTANCE]),
      columns: namesIn(String(row[CAPTURE_COLUMNS])),
    };
    captures.set(id, [capture, ...(captures.get(id) ?? [])]);
  }
  return captures;
}

/** `[a], [b]]c]` → a, b]c */
function namesIn(list: string): readonly string[] {
  return [...list.matchAll(/\[((?:[^\]]|\]\])*)\]/g)].map(([, name = ""]) => name.replaceAll("]]", "]"));
}

/** What to ask the administrator for, so that reads wait for nobody. */
export function askForSnapshots(name: string): string {
  return `Snapshot isolation is off, so reads wait for writers and may see a page of lines newer than its order: ask for ALTER DATABASE ${quoteName(name)} SET ALLOW_SNAPSHOT_ISOLATION ON.`;
}
