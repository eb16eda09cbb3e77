// The engine forbids LONG where Oracle does.
import { expect, test } from "vitest";
import { OracleDatabase, OWNER_PASSWORD } from "./oracle.ts";

const never = new AbortController().signal;

async function run(text: string): Promise<unknown> {
  const database = new OracleDatabase();
  database.createTable({
    name: "WO",
    columns: [
      { name: "ID", type: "NUMBER(9)" },
      { name: "NOTE", type: "LONG" },
    ],
    primaryKey: ["ID"],
  });
  database.insert("APP.WO", { ID: "1", NOTE: "told" });
  const session = database.logIn({
    user: "APP",
    password: OWNER_PASSWORD,
    database: "erp.plant",
    applicationName: "test",
    isReadOnlyIntent: false,
  });
  const { sets } = await session.execute(text.replace("PRESENT", String(database.scn)), [], never);
  return sets.at(-1)?.rows;
}

test.each([
  "SELECT NOTE FROM WO WHERE ID IN (1, 2) ORDER BY ID",
  "SELECT NOTE FROM WO FOR UPDATE",
  "SELECT NOTE FROM WO WHERE EXISTS (SELECT 1 FROM WO)",
])("%s", async (text) => {
  expect(await run(text)).toEqual([["told"]]);
});

test.each([
  "SELECT NOTE FROM WO ORDER BY ID FETCH FIRST 5 ROWS ONLY",
  "SELECT * FROM (SELECT ID, NOTE FROM WO) WHERE ROWNUM <= 5",
  "SELECT ID FROM WO WHERE NOTE = 'told'",
  "SELECT ID FROM WO WHERE LENGTH(NOTE) > 1",
  "SELECT ID FROM WO ORDER BY NOTE",
  "SELECT DISTINCT NOTE FROM WO",
  "SELECT NOTE, COUNT(*) FROM WO GROUP BY NOTE",
  "SELECT MAX(NOTE) FROM WO",
  "SELECT SUBSTR(NOTE, 1, 5) FROM WO",
  "SELECT NOTE FROM WO UNION ALL SELECT NOTE FROM WO",
  "SELECT NOTE FROM WO AS OF SCN PRESENT",
])("%s is ORA-00997", async (text) => {
  await expect(run(text)).rejects.toMatchObject({ number: 997 });
});
