// LONG and LONG RAW: read in every pass although no page, order or condition may hold one, and never of unbounded length.
import { afterEach, expect, test } from "vitest";
import { MAX_LONG_TEXT } from "#agent/connectors/oracle/type-map.ts";
import type { Connector, Cursor, Pass, SourceRow } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { readPass } from "#test/conformance/connector/harness.ts";
import { OraclePlant, type OraclePlantOptions } from "#test/support/oracle-plant.ts";

const never = new AbortController().signal;
const ROWS = 30;
const PLAN: EntityPlan = {
  entity: "work_order",
  table: { name: "wo" },
  key: ["ID"],
  columns: ["ID", "NOTE"],
  filters: [],
  change: { kind: "timestamp", column: "CHANGED", format: "utc", overlapMs: 0 },
  children: [
    {
      name: "logs",
      table: { name: "wolog" },
      on: [{ child: "WO", parent: "ID" }],
      columns: ["LINE", "PHOTO"],
      orderBy: ["LINE"],
      filters: [],
    },
  ],
};

let plant: OraclePlant;
let connector: Connector;

afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  await plant[Symbol.asyncDispose]();
});

async function open(plan: EntityPlan = PLAN, options: OraclePlantOptions = {}): Promise<void> {
  plant = await OraclePlant.start(options);
  await plant.sql(`CREATE TABLE wo (id NUMBER(9) PRIMARY KEY, changed TIMESTAMP(3), kind VARCHAR2(5), note LONG);
    CREATE TABLE wolog (wo NUMBER(9), line NUMBER(3), photo LONG RAW, qty NUMBER(5), PRIMARY KEY (wo, line));`);
  for (let id = 1; id <= ROWS; id += 1) {
    await plant.sql(`INSERT INTO wo VALUES (${id}, TIMESTAMP '2026-05-04 10:00:00', 'A', 'note ${id}');
      INSERT INTO wolog VALUES (${id}, 1, HEXTORAW('00FF'), 2);
      INSERT INTO wolog VALUES (${id}, 2, NULL, 3);`);
  }
  connector = plant.connector([plan]);
  await connector.open(never);
}

async function read(
  pass: Pass,
  options: NonNullable<Parameters<typeof readPass>[3]> = {},
): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  for await (const batch of readPass(connector, "work_order", pass, options)) rows.push(...batch.rows);
  return rows;
}

const whole = (id: number, note = `note ${id}`): Partial<SourceRow> => ({
  op: "upsert",
  key: [String(id)],
  columns: { ID: id, NOTE: note },
  children: {
    logs: [
      { LINE: 1, PHOTO: new Uint8Array([0, 255]) },
      { LINE: 2, PHOTO: null },
    ],
  },
});

function setNote(id: number, note: string): void {
  plant.database.update("PLANT.WO", { ID: String(id) }, { NOTE: note });
}

test("every pass reads them", async () => {
  await open(PLAN, { rights: ["scn", "flashback"] });
  let cursor: Cursor | undefined;
  for await (const batch of readPass(connector, "work_order", "incremental")) cursor = batch.cursor;
  const all = Array.from({ length: ROWS }, (_, at) => whole(at + 1));
  expect(await read("snapshot", { maxRows: 11 })).toEqual(all);
  expect((await read("keys", { maxRows: 11 })).map(({ key }) => key[0])).toHaveLength(ROWS);
  expect(await read("point", { keys: [["7"], ["99"]] })).toEqual([whole(7)]);
  await plant.sql("UPDATE wo SET note = 'later', changed = TIMESTAMP '2026-05-04 11:00:00' WHERE id = 5");
  expect(await read("incremental", { after: cursor })).toContainEqual(whole(5, "later"));
  const asked = plant.server.statements.filter((text) => /"NOTE"|"PHOTO"/.test(text));
  expect(asked.length).toBeGreaterThan(3);
  for (const text of asked) expect(text).not.toMatch(/FETCH FIRST|AS OF|GROUP BY/);
});

test("one that no record can hold makes its own row unreadable, whatever its length", async () => {
  await open();
  setNote(3, "x".repeat(MAX_LONG_TEXT));
  setNote(4, "x".repeat(MAX_LONG_TEXT + 1));
  setNote(20, "x".repeat(9 * MAX_LONG_TEXT));
  const rows = await read("snapshot");
  const bad = rows.filter(({ unreadable }) => unreadable !== undefined);
  expect(bad.map(({ key }) => key[0])).toEqual(["4", "20"]);
  expect(bad[0]?.unreadable).toContain(
    `The LONG column NOTE holds ${MAX_LONG_TEXT + 1} characters, and at most`,
  );
  expect(bad[1]?.unreadable).toMatch(
    /holds more than \d+ bytes, and at most \d+ are read\. Shorten the value/,
  );
  expect(rows.filter(({ unreadable }) => unreadable === undefined)).toEqual(
    Array.from({ length: ROWS }, (_, at) => at + 1)
      .filter((id) => id !== 4 && id !== 20)
      .map((id) => (id === 3 ? whole(3, "x".repeat(MAX_LONG_TEXT)) : whole(id))),
  );
});

test("beside sums they are read row by row", async () => {
  const [logs] = PLAN.children;
  await open({ ...PLAN, children: [{ ...logs!, columns: ["PHOTO", "QTY"], orderBy: [], sums: ["QTY"] }] });
  await plant.sql("INSERT INTO wolog VALUES (1, 3, HEXTORAW('00FF'), 40)");
  const [row] = await read("point", { keys: [["1"]] });
  expect(row?.children?.["logs"]).toEqual([
    { PHOTO: new Uint8Array([0, 255]), QTY: "42" },
    { PHOTO: null, QTY: "3" },
  ]);
});

test.each([
  ["a key", { key: ["NOTE"] }],
  ["a filter", { filters: [{ column: "NOTE", op: "is_not_null" }] }],
  ["a marker", { change: { kind: "counter", column: "NOTE" } }],
] as const)("as %s it is refused with what to do", async (_, more) => {
  await expect(open({ ...PLAN, ...more })).rejects.toThrow(
    /PLANT\.WO\.NOTE is a LONG, which can be no key, marker, join, filter or order/,
  );
});

test("a named query gives them, and is cut off where one has no end", async () => {
  await open();
  setNote(2, "x".repeat(17 * MAX_LONG_TEXT));
  const ask = (id: number): Promise<unknown> =>
    connector.query!({
      statement: "SELECT note FROM PLANT.wo WHERE id = :id",
      parameters: [{ name: "id", value: id }],
      maxRows: 5,
      signal: never,
    });
  expect(await ask(1)).toMatchObject({ rows: [["note 1"]] });
  await expect(ask(2)).rejects.toThrow(/holds more than \d+ bytes, and at most/);
  expect(await ask(3)).toMatchObject({ rows: [["note 3"]] });
});
