// How many bytes one answer may bring, and in how many round trips rows come.
import oracledb from "oracledb";
import { expect, test } from "vitest";
import { type BoundedCall, fetchRows } from "#agent/connectors/oracle/row-fetcher.ts";

const statement = { text: 'SELECT "NOTE" FROM "WO"', parameters: [] };

/** A connection that gives `count` rows of one LONG; `trips` holds what each round trip was allowed. */
function source(
  count: number,
  mostAtOnce = Infinity,
): {
  readonly connection: oracledb.Connection;
  readonly bounded: BoundedCall;
  readonly trips: (number | undefined)[];
} {
  const rows = Array.from({ length: count }, (_, at) => [`note ${at}`]);
  const trips: (number | undefined)[] = [];
  const resultSet = {
    metaData: [{ name: "NOTE", dbType: oracledb.DB_TYPE_LONG }],
    getRows: async (some: number) => rows.splice(0, Math.min(some, mostAtOnce)),
    close: async () => {},
  };
  const connection = {
    oracleServerVersion: 1_900_000_000,
    execute: async (_text: string, _binds: unknown, options: oracledb.ExecuteOptions) =>
      options.resultSet === true ? { resultSet } : { rows: rows.splice(0) },
  };
  return {
    connection: connection as unknown as oracledb.Connection,
    bounded: (call, maxBytes) => {
      trips.push(maxBytes);
      return call();
    },
    trips,
  };
}

test("rows with a LONG come a few at a time, and every trip that brings some is bounded", async () => {
  const { connection, bounded, trips } = source(10);
  const rows = await fetchRows(connection, { ...statement, hasLong: true }, "thin", bounded);
  expect(rows).toEqual(Array.from({ length: 10 }, (_, at) => [`note ${at}`]));
  const limit = 4 * 1024 * 1024;
  expect(trips).toEqual([limit, limit, limit, limit, limit, undefined]);
});

test("a server that gives one row at a time is asked until it has no more", async () => {
  const { connection, bounded } = source(5, 1);
  expect(await fetchRows(connection, { ...statement, hasLong: true }, "thin", bounded)).toHaveLength(5);
});

test("others come as they are", async () => {
  const { connection, bounded, trips } = source(20);
  expect(await fetchRows(connection, statement, "thin", bounded)).toHaveLength(20);
  expect(trips).toEqual([undefined]);
});
