// Which database this is: the same one after a restart or a switchover, another one after a restore.
import type { OracleSession } from "./connection.ts";
import { isRefused } from "./failures.ts";

/** RESETLOGS begins a new history, as every restore to a point in time does. */
const BY_CONTROL_FILE = "SELECT DBID, RESETLOGS_CHANGE#, CON_DBID FROM V$DATABASE";

/** What any user may read. SYS is made together with its database. */
const BY_NAMES =
  "SELECT SYS_CONTEXT('USERENV', 'DB_NAME'), SYS_CONTEXT('USERENV', 'CON_NAME'), " +
  "TO_CHAR(CREATED, 'YYYY-MM-DD HH24:MI:SS') FROM ALL_USERS WHERE USERNAME = 'SYS'";

/** @throws ConnectorError */
export async function readIdentity(session: OracleSession): Promise<string> {
  const exact = await one(session, BY_CONTROL_FILE);
  if (exact !== undefined) return `oracle:${exact}`;
  return `oracle:${(await one(session, BY_NAMES)) ?? "unknown"}`;
}

async function one(session: OracleSession, text: string): Promise<string | undefined> {
  try {
    const [row] = await session.query({ text, parameters: [] });
    return row?.map((value) => String(value ?? "")).join(":");
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
}
