// What a named query gives out of SQL Server's types: exact text, or a refusal that says how to write the value out.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import type { QueryResult } from "#agent/core/source/query.ts";
import { type Plant, startPlant } from "./plant.ts";

const signal = new AbortController().signal;
let plant: Plant;
let connector: Connector;

beforeEach(async () => {
  plant = await startPlant();
  connector = plant.connector([]);
  await connector.open(signal);
});
afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  await plant[Symbol.asyncDispose]();
});

function query(statement: string): Promise<QueryResult> {
  return connector.query!({ statement, parameters: [], maxRows: 10, signal });
}

test.each([
  ["decimal(15,2)", "1234567890123.45", "1234567890123.45"],
  ["decimal(9,4)", "-12.5", "-12.5000"],
  ["money", "99.99", "99.9900"],
  ["bigint", "9223372036854775807", "9223372036854775807"],
  ["int", "42", 42],
  ["bit", "1", true],
  ["float", "0.1", 0.1],
  ["date", "'2024-02-29'", "2024-02-29"],
  ["datetime", "'2024-02-29T10:00:00.123'", "2024-02-29T10:00:00.123"],
  ["datetime2(7)", "'2024-02-29T10:00:00.1234567'", "2024-02-29T10:00:00.1234567"],
  ["datetime2(0)", "'2024-02-29T10:00:00'", "2024-02-29T10:00:00"],
  ["datetimeoffset(3)", "'2024-02-29T10:00:00.123+02:00'", "2024-02-29T08:00:00.123Z"],
  ["nvarchar(20)", "N'漢字 🏭'", "漢字 🏭"],
  ["varbinary(4)", "0x00FF10", "AP8Q"],
])("%s %s", async (type, literal, expected) => {
  await plant.sql(
    `CREATE TABLE thing (v ${type}); INSERT INTO thing VALUES (${literal}); INSERT INTO thing VALUES (NULL)`,
  );
  expect(await query("SELECT v AS value FROM thing")).toEqual({
    columns: ["value"],
    rows: [[expected], [null]],
    isTruncated: false,
  });
});

test("a number with more digits than the driver keeps is refused, with what to write instead", async () => {
  await plant.sql("CREATE TABLE thing (v decimal(38,10)); INSERT INTO thing VALUES (1234567890123456.5)");
  const answer = query("SELECT v FROM thing");
  await expect(answer).rejects.toMatchObject({ kind: "bad_data" });
  await expect(answer).rejects.toThrow("CONVERT(varchar(50), …)");
  const text = await query("SELECT CONVERT(varchar(50), v) AS v FROM thing");
  expect(text.rows).toEqual([["1234567890123456.5000000000"]]);
});
