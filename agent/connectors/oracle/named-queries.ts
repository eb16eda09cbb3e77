// The rows of a named query: fetched some at a time, exact or refused.
import oracledb from "oracledb";
import type { SqlStatement } from "#agent/core/sql/dialect.ts";
import type { QueryAnswer } from "#agent/core/sql/named-query.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { SourceValue } from "#agent/core/source/plan.ts";
import { bindsOf } from "./dialect.ts";
import type { BoundedCall } from "./row-fetcher.ts";
import { exactValue, fetchType, isLob } from "./type-map.ts";

/** Of one round trip: the driver takes LONGs and CLOBs in whole before it hands over a byte of them. */
const MAX_TRIP_BYTES = 8 * 1024 * 1024;

/** `bounded` makes each round trip. @throws ConnectorError, driver errors */
export async function giveAnswer(
  connection: oracledb.Connection,
  statement: SqlStatement,
  answer: QueryAnswer,
  bounded: BoundedCall,
): Promise<void> {
  const { chunkRows } = answer;
  const { resultSet } = await bounded(
    () =>
      connection.execute<unknown[]>(statement.text, bindsOf(statement), {
        outFormat: oracledb.OUT_FORMAT_ARRAY,
        fetchTypeHandler: fetchType,
        fetchArraySize: chunkRows,
        prefetchRows: chunkRows,
        resultSet: true,
      }),
    MAX_TRIP_BYTES,
  );
  if (resultSet === undefined) throw new ConnectorError("misconfigured", "it gives no rows.");
  answer.columns = resultSet.metaData.map(({ name }) => name);
  let isTaken = true;
  while (isTaken) {
    const rows = await bounded(() => resultSet.getRows(chunkRows), MAX_TRIP_BYTES);
    for (const row of rows) {
      const values: SourceValue[] = [];
      for (const [at, value] of row.entries())
        values.push(await plainOf(value, answer.columns[at] ?? "", bounded));
      isTaken = answer.add(values);
      if (!isTaken) break;
    }
    if (rows.length < chunkRows) break;
  }
  await bounded(() => resultSet.close());
}

async function plainOf(value: unknown, column: string, bounded: BoundedCall): Promise<SourceValue> {
  if (isLob(value)) return await bounded(() => exactValue(value));
  // The driver makes of a time without zone a moment of this machine's zone, where some hours do not exist.
  if (value instanceof Date)
    throw new ConnectorError(
      "misconfigured",
      `${column} is a date or time: let the statement write it out, as TO_CHAR(${column}, 'YYYY-MM-DD HH24:MI:SS')`,
    );
  return await exactValue(value);
}
