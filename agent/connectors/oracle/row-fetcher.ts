// The rows of a query as exact values: in a few round trips, or in many small ones where a LONG may be of any length.
import oracledb from "oracledb";
import type { SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { OracleClient } from "./definition.ts";
import { bindsOf, forOldServer } from "./dialect.ts";
import { checkLongs, exactValue, fetchType, isLob, MAX_LONG_TEXT, plainValue } from "./type-map.ts";

/** A chunk in one round trip; thick mode reserves the widest row for each, so there it is fewer. */
const FETCH_ROWS = { thin: 1001, thick: 100 } as const;
/**
 * Of rows with a LONG in one round trip, and what one may bring: of each as much as a record can hold, and as much again. The
 * driver decodes a row from its beginning with every packet of it, so that a few megabytes take it seconds.
 */
const LONG_FETCH_ROWS = 4;
const MAX_LONG_ANSWER_BYTES = LONG_FETCH_ROWS * MAX_LONG_TEXT * 2;
const FIRST_WITH_FETCH_FIRST = 1201000000;

/** One call of the driver, bounded in time, and in bytes where that is said. @throws ConnectorError, driver errors */
export type BoundedCall = <T>(call: () => Promise<T>, maxBytes?: number) => Promise<T>;

/** @throws ConnectorError; bad_data for a LONG that no record can hold */
export async function fetchRows(
  connection: oracledb.Connection,
  statement: SqlStatement,
  mode: OracleClient["mode"],
  bounded: BoundedCall,
): Promise<readonly SqlRow[]> {
  const isOld = connection.oracleServerVersion < FIRST_WITH_FETCH_FIRST;
  const ready = isOld ? { ...statement, text: forOldServer(statement.text) } : statement;
  const rows =
    statement.hasLong === true
      ? await fetchFew(connection, ready, bounded)
      : await fetchAll(connection, ready, FETCH_ROWS[mode], bounded);
  for (const row of rows) {
    for (let at = 0; at < row.length; at += 1) {
      const value = row[at];
      row[at] = isLob(value) ? await bounded(() => exactValue(value)) : plainValue(value);
    }
  }
  return rows as SqlRow[];
}

async function fetchAll(
  connection: oracledb.Connection,
  statement: SqlStatement,
  fetchSize: number,
  bounded: BoundedCall,
): Promise<unknown[][]> {
  const { rows = [] } = await bounded(() =>
    connection.execute<unknown[]>(statement.text, bindsOf(statement), optionsFor(fetchSize)),
  );
  return rows;
}

async function fetchFew(
  connection: oracledb.Connection,
  statement: SqlStatement,
  bounded: BoundedCall,
): Promise<unknown[][]> {
  const options = { ...optionsFor(LONG_FETCH_ROWS), resultSet: true };
  const { resultSet } = await bounded(
    () => connection.execute<unknown[]>(statement.text, bindsOf(statement), options),
    MAX_LONG_ANSWER_BYTES,
  );
  if (resultSet === undefined) return [];
  const rows: unknown[][] = [];
  // The server may give fewer than asked for, and go on.
  for (let isLast = false; !isLast;) {
    const some = await bounded(() => resultSet.getRows(LONG_FETCH_ROWS), MAX_LONG_ANSWER_BYTES);
    for (const row of some) checkLongs(row, resultSet.metaData);
    rows.push(...some);
    isLast = some.length === 0;
  }
  await bounded(() => resultSet.close());
  return rows;
}

function optionsFor(fetchSize: number): oracledb.ExecuteOptions {
  return {
    outFormat: oracledb.OUT_FORMAT_ARRAY,
    fetchTypeHandler: fetchType,
    fetchArraySize: fetchSize,
    prefetchRows: fetchSize,
    maxRows: 0,
  };
}
