// Whether the database server's own clock runs in the connection's time zone: local times are mostly the server's.
import { zoneOffsetMs } from "#agent/core/sql/timestamps.ts";
import type { OracleSession } from "./connection.ts";
import { isRefused } from "./failures.ts";

const MINUTE_MS = 60_000;

export interface ConnectionZone {
  /** IANA name. */
  readonly timeZone: string;
  readonly nowMs: number;
}

/** A sentence where the two differ now; undefined where they agree, or the server does not say. @throws ConnectorError */
export async function readClockHint(
  session: OracleSession,
  { timeZone, nowMs }: ConnectionZone,
): Promise<string | undefined> {
  const server = await readOffset(session);
  const own = offsetText(zoneOffsetMs(timeZone, nowMs));
  if (server === undefined || server === own) return undefined;
  return (
    `The database server's clock runs at UTC${server}, and time_zone ${timeZone} is at UTC${own} now: where the product writes ` +
    "the server's time, as most do, set time_zone to the server's zone."
  );
}

async function readOffset(session: OracleSession): Promise<string | undefined> {
  const text = "SELECT TO_CHAR(SYSTIMESTAMP, 'TZH:TZM') FROM DUAL";
  try {
    const [row] = await session.query({ text, parameters: [] });
    const offset = String(row?.[0]);
    return /^[+-]\d\d:\d\d$/.test(offset) ? offset : undefined;
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
}

function offsetText(offsetMs: number): string {
  const minutes = Math.abs(Math.round(offsetMs / MINUTE_MS));
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${offsetMs < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
