// System change numbers: where to ask for them, and the rows that were committed after one.
import type { ExtraCondition } from "#agent/core/sql/statements.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { OracleSession } from "./connection.ts";
import { isRefused, isSnapshotTooOld } from "./failures.ts";

/** The best first. The last may be asked by anybody; it is a few seconds behind, which only means a little read twice. */
const SCN_QUERIES = [
  { text: "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL", grant: undefined },
  { text: "SELECT CURRENT_SCN FROM V$DATABASE", grant: undefined },
  {
    text: "SELECT TIMESTAMP_TO_SCN(SYSTIMESTAMP - INTERVAL '10' SECOND) FROM DUAL",
    grant: "GRANT EXECUTE ON SYS.DBMS_FLASHBACK",
  },
] as const;

export interface ScnSource {
  readonly query: string;
  /** What would make it exact. */
  readonly betterGrant: string | undefined;
}

/** Undefined: this user may ask in no way. */
export async function findScnSource(session: OracleSession): Promise<ScnSource | undefined> {
  for (const { text, grant } of SCN_QUERIES) {
    const isAnswered = await tries(session, text);
    if (isAnswered) return { query: text, betterGrant: grant };
  }
  return undefined;
}

/** Whether the server takes a statement; one that it refuses for want of a right or a name is no failure. */
export async function tries(session: OracleSession, text: string): Promise<boolean> {
  try {
    await session.query({ text, parameters: [] });
    return true;
  } catch (error) {
    if (isRefused(error) || isSnapshotTooOld(error)) return false;
    throw error;
  }
}

/** @throws ConnectorError cursor_lost if the source is older than what was read from it */
export function checkNotBehind(since: string, now: string): void {
  if (BigInt(since) <= BigInt(now)) return;
  throw new ConnectorError(
    "cursor_lost",
    `The database's change number ${now} is before ${since}, which was read already: it was restored from a backup, ` +
      "flashed back, or failed over to an older copy. The entity is read anew.",
  );
}

/**
 * Rows that were committed after `since`. ORA_ROWSCN is the commit's number of the row, or of the latest commit in the
 * row's block where the table was made without ROWDEPENDENCIES: never too small, so that nothing is missed.
 */
export function committedAfter(since: string): ExtraCondition {
  return (writer) => writer.add("ORA_ROWSCN > TO_NUMBER(").bind(since, undefined).add(")");
}
