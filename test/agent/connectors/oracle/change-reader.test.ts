// What Oracle alone can do, on our own server through the real driver: past states, versions, logs, change numbers.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connector, Cursor, SourceRow } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { orderPlan, orderTables, readPass, Replica } from "#test/conformance/connector/harness.ts";
import { OraclePlant, type OraclePlantOptions } from "#test/support/oracle-plant.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import { DatabaseError } from "#test/support/sql-engine/session.ts";

const never = new AbortController().signal;
const TYPES = {
  integer: "NUMBER(9)",
  bigint: "NUMBER(19)",
  text: "VARCHAR2(30)",
  quantity: "NUMBER(15,2)",
  timestamp: "TIMESTAMP(3)",
  localTimestamp: "DATE",
  date: "VARCHAR2(10)",
};
const NOW = "TIMESTAMP '2026-05-04 10:00:00'";

let plant: OraclePlant;
let connector: Connector;
let replica: Replica;

async function open(options: OraclePlantOptions, plan: EntityPlan, orders = 8): Promise<void> {
  plant = await OraclePlant.start(options);
  await plant.sql(orderTables(TYPES));
  for (let index = 0; index < orders; index += 1) await addOrder(`PO-${index}`);
  connector = plant.connector([plan]);
  await connector.open(never);
  replica = new Replica(connector, plan.entity);
}

async function addOrder(ponum: string): Promise<void> {
  await plant.sql(`INSERT INTO po VALUES ('A', '${ponum}', 'NEW', 12.5, ${NOW}, 1);
    INSERT INTO poline VALUES ('A', '${ponum}', 1, 'bolt', 1, ${NOW}, 1);
    INSERT INTO poline VALUES ('A', '${ponum}', 2, 'nut', 1, ${NOW}, 1);`);
}

function ops(rows: readonly SourceRow[]): readonly string[] {
  return rows.map(({ op, key }) => `${op} ${String(key[1])}`).toSorted();
}

function readsOf(table: string): readonly string[] {
  return plant.server.statements.filter((text) => text.includes(`FROM "PLANT"."${table}"`));
}

afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  await plant[Symbol.asyncDispose]();
});

describe("a first snapshot with FLASHBACK", () => {
  const full = { rights: ["scn", "flashback"] } as const;

  test("is of one instant, whatever is written meanwhile, and over a restart", async () => {
    await open(full, orderPlan("timestamp"));
    await replica.pass("incremental");
    let cursor: Cursor | undefined;
    for await (const batch of readPass(connector, "purchase_order", "snapshot", { maxRows: 3 })) {
      for (const row of batch.rows) replica.records.set(replica.keyOf(row.key), row);
      cursor = batch.cursor;
      break;
    }
    await plant.sql(
      "UPDATE po SET status = 'LATER', stamp = 2; UPDATE poline SET item = 'LATER', stamp = 2;",
    );
    await plant.sql("DELETE FROM po WHERE ponum = 'PO-7';");
    await connector.open(never);
    await replica.pass("snapshot", { maxRows: 3, after: cursor });
    const statuses = [...replica.records.values()].map(({ columns }) => columns["status"]);
    expect(statuses).toEqual(Array.from({ length: 8 }, () => "NEW"));
    const items = [...replica.records.values()].flatMap(({ children }) => children?.["lines"] ?? []);
    expect(new Set(items.map((line) => line["item"]))).toEqual(new Set(["bolt", "nut"]));
    await replica.pass("incremental");
    await replica.sweep();
    expect([...replica.records.values()].map(({ columns }) => columns["status"])).toEqual(
      Array.from({ length: 7 }, () => "LATER"),
    );
  });

  test("goes on at the present state where undo ends; nothing is lost", async () => {
    await open(full, orderPlan("timestamp"));
    const logger = recordingLogger();
    await connector[Symbol.asyncDispose]();
    connector = plant.connector([orderPlan("timestamp")], { logger });
    await connector.open(never);
    replica = new Replica(connector, "purchase_order");
    await replica.pass("incremental");
    let step = 0;
    await replica.pass("snapshot", {
      maxRows: 3,
      between: async () => {
        step += 1;
        await plant.sql(`UPDATE po SET status = 'STEP${step}', stamp = ${step + 1};`);
        plant.database.shrinkUndo();
      },
    });
    expect(JSON.stringify(logger.lines)).toContain("undo no longer reaches back");
    await replica.pass("incremental");
    expect(new Set([...replica.records.values()].map(({ columns }) => columns["status"]))).toEqual(
      new Set([`STEP${step}`]),
    );
  });

  test("later passes read the present: a poll in between must not be overtaken by the past", async () => {
    await open(full, orderPlan("timestamp"));
    await replica.pass("incremental");
    await replica.pass("snapshot", { maxRows: 3 });
    const before = readsOf("PO").filter((text) => text.includes("AS OF SCN")).length;
    expect(before).toBeGreaterThan(2);
    await replica.pass("snapshot", { maxRows: 3 });
    expect(readsOf("PO").filter((text) => text.includes("AS OF SCN"))).toHaveLength(before);
  });

  test("without the right it reads the present, and says what would be better", async () => {
    await open({}, orderPlan("timestamp"));
    await replica.pass("incremental");
    expect(await replica.pass("snapshot", { maxRows: 3 })).toHaveLength(8);
    expect(readsOf("PO").some((text) => text.includes("AS OF SCN") && text.includes("FETCH"))).toBe(false);
    expect(connector.strategies()[0]?.advice).toContain('GRANT FLASHBACK ON "PLANT"."PO"');
  });
});

interface Feed {
  readonly name: string;
  readonly options: OraclePlantOptions;
  readonly isLogged: boolean;
}

const FEEDS: readonly Feed[] = [
  { name: "flashback", options: { rights: ["scn", "flashback"] }, isLogged: false },
  { name: "mview_log", options: {}, isLogged: true },
];

describe.each(FEEDS)("changes by $name", ({ name, options, isLogged }) => {
  beforeEach(async () => {
    plant = await OraclePlant.start(options);
    await plant.sql(orderTables(TYPES));
    if (isLogged) {
      for (const table of ["po", "poline"]) {
        await plant.sql(`CREATE MATERIALIZED VIEW LOG ON ${table} WITH PRIMARY KEY`);
      }
    }
    for (let index = 0; index < 5; index += 1) await addOrder(`PO-${index}`);
    const filters = [{ column: "status", op: "<>", value: "HIST" }] as const;
    connector = plant.connector([{ ...orderPlan("full_scan"), filters }]);
    await connector.open(never);
    replica = new Replica(connector, "purchase_order");
    await replica.pass("incremental");
  });

  test("deletes, changed keys and rows that leave the filters are told", async () => {
    expect(connector.strategies()[0]).toMatchObject({
      strategy: expect.stringMatching(name),
      deletes: "feed",
    });
    await plant.sql(
      "DELETE FROM po WHERE ponum = 'PO-0'; UPDATE po SET status = 'HIST' WHERE ponum = 'PO-1';",
    );
    await plant.sql("UPDATE po SET ponum = 'PO-9' WHERE ponum = 'PO-2';");
    await plant.sql(
      "DELETE FROM po WHERE ponum = 'PO-3'; INSERT INTO po (site, ponum) VALUES ('A', 'PO-3');",
    );
    const told = ops(await replica.pass("incremental", { maxRows: 2 }));
    expect(told.filter((op) => op.startsWith("delete"))).toEqual([
      "delete PO-0",
      "delete PO-1",
      "delete PO-2",
    ]);
    expect(told).toEqual(expect.arrayContaining(["upsert PO-3", "upsert PO-9"]));
    expect(await replica.pass("incremental")).toEqual([]);
  });

  test("a line that is added, changed or removed reads its order again", async () => {
    await plant.sql("UPDATE poline SET item = 'gear' WHERE ponum = 'PO-0' AND line = 1;");
    await plant.sql("DELETE FROM poline WHERE ponum = 'PO-1' AND line = 2;");
    await plant.sql("INSERT INTO poline (site, ponum, line) VALUES ('A', 'PO-2', 3);");
    const told = ops(await replica.pass("incremental"));
    // Older entries in the same block of a log are read as well.
    const written = told.filter((op) => !isLogged || /PO-[012]$/.test(op));
    expect(written).toEqual(["upsert PO-0", "upsert PO-1", "upsert PO-2"]);
  });

  test("a database that went back, and one that was restored", async () => {
    const identity = connector.identity();
    await plant.sql("UPDATE po SET status = 'X' WHERE ponum = 'PO-0';");
    await replica.pass("incremental");
    plant.database.storage.commitClock -= 5;
    await expect(replica.pass("incremental")).rejects.toMatchObject({ kind: "cursor_lost" });
    plant.database.resetlogsChange += 1;
    await connector.open(never);
    expect(connector.identity()).not.toBe(identity);
  });

  test("what the database no longer knows means reading anew", async () => {
    await plant.sql("UPDATE po SET status = 'X' WHERE ponum = 'PO-0';");
    await replica.pass("incremental");
    await plant.sql("UPDATE po SET status = 'Y' WHERE ponum = 'PO-1';");
    if (isLogged) plant.database.purgeViewLog("po");
    else plant.database.shrinkUndo();
    await plant.sql("UPDATE po SET status = 'Z' WHERE ponum = 'PO-2';");
    await expect(replica.pass("incremental")).rejects.toMatchObject({ kind: "cursor_lost" });
  });
});

describe("rights", () => {
  test("a user that may ask for nothing still has change numbers, a few seconds behind", async () => {
    await open({ rights: [] }, orderPlan("full_scan"));
    const [report] = connector.strategies();
    expect(report).toMatchObject({ strategy: "rowscn", deletes: "keys" });
    expect(report?.advice).toContain("GRANT EXECUTE ON SYS.DBMS_FLASHBACK");
    expect(connector.identity()).toContain("ERP");
    await replica.pass("incremental");
    await plant.sql("UPDATE po SET status = 'X' WHERE ponum = 'PO-3';");
    expect(ops(await replica.pass("incremental"))).toContain("upsert PO-3");
  });

  test("row numbers name the row, block numbers its neighbours too", async () => {
    await open({}, orderPlan("full_scan"));
    await replica.pass("incremental");
    await plant.sql("UPDATE po SET status = 'X' WHERE ponum = 'PO-3';");
    expect((await replica.pass("incremental")).length).toBeGreaterThan(1);
    const fine = await OraclePlant.start();
    const tables = orderTables(TYPES).replaceAll(
      /PRIMARY KEY \(([^)]*)\)\)/g,
      "PRIMARY KEY ($1)) ROWDEPENDENCIES",
    );
    await connector[Symbol.asyncDispose]();
    await plant[Symbol.asyncDispose]();
    plant = fine;
    await plant.sql(tables);
    for (let index = 0; index < 5; index += 1) await addOrder(`PO-${index}`);
    connector = plant.connector([orderPlan("full_scan")]);
    await connector.open(never);
    replica = new Replica(connector, "purchase_order");
    await replica.pass("incremental");
    await plant.sql("UPDATE po SET status = 'X' WHERE ponum = 'PO-3';");
    expect(ops(await replica.pass("incremental"))).toEqual(["upsert PO-3"]);
    expect(connector.strategies()[0]?.reason).toContain("for each row");
  });

  test("a right that is missing and a view that is broken are told apart", async () => {
    await open({}, orderPlan("counter"));
    const probe = /^SELECT 1 FROM "PLANT"\."PO" WHERE/;
    const { faults } = plant.database;
    faults.failNext(probe, new DatabaseError(1031, "ORA-01031: insufficient privileges"));
    await expect(connector.open(never)).rejects.toThrow(/GRANT SELECT ON "PLANT"\."PO" TO "READER"/);
    faults.failNext(probe, new DatabaseError(4063, 'ORA-04063: view "PLANT.PO" has errors'));
    await expect(connector.open(never)).rejects.toThrow(/compiles it anew/);
  });

  test("a log that materialized views empty is left alone", async () => {
    await open({}, orderPlan("timestamp"));
    await plant.sql("CREATE MATERIALIZED VIEW LOG ON po WITH PRIMARY KEY");
    plant.database.logUsers.push(["PLANT", "PO"]);
    await connector.open(never);
    expect(connector.strategies()[0]).toMatchObject({ strategy: "timestamp CHANGED", deletes: "keys" });
    expect(connector.strategies()[0]?.advice).toContain("MLOG$_PO is not used");
  });
});

describe("names", () => {
  test("a table that another schema owns is found by its synonym", async () => {
    await open(
      { settings: { schema: "READER" } },
      { ...orderPlan("counter"), table: { schema: "PLANT", name: "PO" }, children: [] },
    );
    plant.database.synonyms.push({ owner: "PUBLIC", name: "ORDERS", tableOwner: "PLANT", tableName: "PO" });
    await connector[Symbol.asyncDispose]();
    connector = plant.connector([{ ...orderPlan("counter"), table: { name: "orders" }, children: [] }]);
    await connector.open(never);
    expect(await new Replica(connector, "purchase_order").pass("snapshot")).toHaveLength(8);
  });

  test("a table in a schema that nobody named is pointed at", async () => {
    await open({}, orderPlan("counter"));
    await connector[Symbol.asyncDispose]();
    connector = plant.connector([orderPlan("counter")], { settings: { schema: "READER" } });
    const opening = connector.open(never);
    await expect(opening).rejects.toMatchObject({ kind: "misconfigured" });
    await expect(opening).rejects.toThrow(/set schema .*PLANT\.PO, PLANT\.POLINE/s);
    await expect(opening).rejects.not.toThrow(/did you mean "PO"/);
  });

  test("browse: schemas, tables, columns", async () => {
    await open({}, orderPlan("counter"));
    plant.database.createTable({ schema: "SYSTEM", name: "HELP", columns: [{ name: "INFO", type: "CLOB" }] });
    plant.database.rights.grant("READER", "SELECT", "SYSTEM.*");
    const schemas = await connector.browse!([], never);
    expect(schemas.map(({ name }) => name)).toEqual(["PLANT"]);
    expect((await connector.browse!(["SYSTEM"], never)).map(({ name }) => name)).toEqual(["HELP"]);
    const tables = await connector.browse!(["PLANT"], never);
    expect(tables.map(({ name }) => name)).toEqual(["PO", "POLINE"]);
    const columns = await connector.browse!(["PLANT", "PO"], never);
    expect(columns.find(({ name }) => name === "TOTAL")).toMatchObject({
      path: ["PLANT", "PO", "TOTAL"],
      detail: { type: "NUMBER", precision: 15, scale: 2, nullable: true },
    });
  });
});

describe("a row that the database cannot give out", () => {
  test("does not stop a snapshot of one instant", async () => {
    await open({ rights: ["scn", "flashback"] }, { ...orderPlan("timestamp"), children: [] });
    const broken = new DatabaseError(1722, "ORA-01722: invalid number");
    const hits = /SELECT .*"STATUS".* FROM "PLANT"\."PO" AS OF/;
    await replica.pass("incremental");
    plant.database.faults.failNext(hits, broken, 1);
    const rows = await replica.pass("snapshot", { maxRows: 3 });
    expect(rows).toHaveLength(8);
  });
});
