// Following Change Tracking and CDC over a whole server: deletes, lines, pages, and when they no longer reach back.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lines, never, orders, OrderRig, shortOf, TABLES } from "./order-rig.ts";
import { startPlant } from "./plant.ts";

let rig: OrderRig;

beforeEach(async () => {
  rig = await OrderRig.start();
});

afterEach(() => rig[Symbol.asyncDispose]());

describe.each(["change tracking", "CDC"])("%s", (kind) => {
  beforeEach(async () => {
    for (const table of ["po", "poline"]) {
      if (kind === "CDC") rig.plant.capture(table);
      else rig.plant.track(table);
    }
    await rig.open();
    await rig.read();
  });

  test("deletes, lines that come, change and go, and whole orders in one transaction", async () => {
    await rig.plant.sql("DELETE FROM poline WHERE ponum = 'A' AND line = 2");
    expect((await rig.read()).map(shortOf)).toEqual(["upsert A bolt"]);
    await rig.plant.sql("DELETE FROM poline WHERE ponum = 'B'; DELETE FROM po WHERE ponum = 'B'");
    expect((await rig.read()).map(shortOf)).toEqual(["delete B"]);
    await rig.plant.sql("UPDATE poline SET item = 'screw' WHERE line = 1");
    expect((await rig.read()).map(shortOf)).toEqual(["upsert A screw"]);
    const writing = rig.plant.database.begin();
    for (let n = 0; n < 50; n += 1) writing.insert("po", { ponum: `N${n}`, status: "NEW" });
    writing.commit();
    const rows = await rig.read("incremental", 3);
    expect(new Set(rows.map((row) => row.key[0])).size).toBe(50);
    expect(await rig.read()).toEqual([]);
  });

  test("a key that is changed is a delete and an insert", async () => {
    await rig.plant.sql("UPDATE po SET ponum = 'C' WHERE ponum = 'B'");
    expect((await rig.read()).map(shortOf).toSorted()).toEqual(["delete B", "upsert C"]);
  });

  test("that no longer reaches back is cursor_lost, and then begins anew", async () => {
    await rig.plant.sql("UPDATE po SET status = 'APPR'");
    if (kind === "CDC") rig.plant.database.dataCapture.cleanUp();
    else rig.plant.database.changeTracking.cleanUp();
    await expect(rig.read()).rejects.toMatchObject({ kind: "cursor_lost" });
    rig.cursor = undefined;
    await rig.read();
    await rig.plant.sql("UPDATE po SET status = 'CLOSE' WHERE ponum = 'A'");
    expect((await rig.read()).map(shortOf)).toEqual(["upsert A bolt nut"]);
  });

  test("of a restored database is behind what was read: cursor_lost", async () => {
    const restore = rig.plant.database.backUp();
    await rig.plant.sql("UPDATE po SET status = 'APPR'");
    await rig.plant.sql("UPDATE po SET status = 'CLOSE'");
    expect(await rig.read()).toHaveLength(2);
    restore();
    rig.plant.server.killAll();
    await rig.connector.open(never);
    await expect(rig.read()).rejects.toMatchObject({
      kind: "cursor_lost",
      message: expect.stringContaining("restored"),
    });
  });

  test("that is turned off midway is opened anew, and what follows is another way", async () => {
    for (const table of ["po", "poline"]) {
      if (kind === "CDC") rig.plant.database.dataCapture.disableTable(`dbo_${table}`);
      else rig.plant.database.changeTracking.disableTable(rig.plant.database.storage.table(table));
    }
    await expect(rig.read()).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("anew"),
    });
    await rig.connector.open(never);
    expect(rig.strategy().strategy).toBe("timestamp changed");
    await expect(rig.read()).rejects.toMatchObject({ kind: "cursor_lost" });
  });

  test("an order within the filters comes, and leaves with them", async () => {
    await rig.connector[Symbol.asyncDispose]();
    await rig.open({ ...orders, filters: [{ column: "status", op: "<>", value: "HIST" }] });
    await rig.plant.sql("UPDATE po SET status = 'HIST' WHERE ponum = 'A'");
    expect((await rig.read()).map(({ op, key, reason }) => [op, key[0], reason])).toEqual([
      ["delete", "A", "flag"],
    ]);
  });
});

describe("change tracking of its own", () => {
  beforeEach(async () => {
    rig.plant.track("po");
    await rig.open({ ...orders, children: [] });
    await rig.read();
  });

  test("a child whose primary key does not name its parent: changes are found, deletes by the full pass, and that is said", async () => {
    await rig.plant.sql(
      "CREATE TABLE note (id int NOT NULL PRIMARY KEY, ponum nvarchar(10), item nvarchar(20))",
    );
    await rig.plant.sql("INSERT INTO note VALUES (1, 'A', 'first'), (2, 'A', 'second')");
    rig.plant.track("note");
    await rig.connector[Symbol.asyncDispose]();
    const notes = { ...lines, table: { name: "note" }, columns: ["id", "item"], orderBy: ["id"] };
    await rig.open({ ...orders, children: [notes] });
    expect(rig.strategy().advice).toContain("primary key of [dbo].[note] does not name its parent");
    rig.cursor = undefined;
    await rig.read();
    await rig.plant.sql("UPDATE note SET item = 'other' WHERE id = 2");
    expect((await rig.read()).map(shortOf)).toEqual(["upsert A first other"]);
    await rig.plant.sql("DELETE FROM note WHERE id = 1");
    expect(await rig.read()).toEqual([]);
  });

  test("TRUNCATE is cursor_lost", async () => {
    await rig.plant.sql("TRUNCATE TABLE po");
    await expect(rig.read()).rejects.toMatchObject({
      kind: "cursor_lost",
      message: expect.stringContaining("truncated"),
    });
  });

  test("the right to it taken away midway is opened anew", async () => {
    rig.plant.database.rights.revoke("plant_reader", "VIEW CHANGE TRACKING", "dbo.po");
    await expect(rig.read()).rejects.toMatchObject({ kind: "unavailable" });
  });
});

describe("CDC of its own", () => {
  beforeEach(async () => {
    rig.plant.capture("po");
    await rig.open({ ...orders, children: [] });
    await rig.read();
  });

  test("a capture job that stands still gives nothing for a while, and then says so", async () => {
    rig.plant.database.dataCapture.isJobRunning = false;
    await rig.plant.sql("UPDATE po SET status = 'APPR' WHERE ponum = 'A'");
    expect(await rig.read()).toEqual([]);
    rig.plant.database.dataCapture.isJobRunning = true;
    rig.plant.database.dataCapture.capture();
    expect((await rig.read()).map(shortOf)).toEqual(["upsert A"]);
  });

  test("a capture job that has noted nothing for 20 minutes is said to be stopped, until it runs again", async () => {
    await rig.connector[Symbol.asyncDispose]();
    await rig.plant[Symbol.asyncDispose]();
    let nowMs = Date.UTC(2026, 4, 4);
    rig.plant = await startPlant({ nowMs: () => nowMs });
    await rig.plant.sql(TABLES);
    rig.plant.capture("po");
    await rig.plant.sql("UPDATE po SET status = 'APPR' WHERE ponum = 'A'");
    await rig.open({ ...orders, children: [] });
    await rig.read();
    rig.plant.database.dataCapture.isJobRunning = false;
    await rig.plant.sql("UPDATE po SET status = 'CLOSE' WHERE ponum = 'A'");
    nowMs += 19 * 60_000;
    expect(await rig.read()).toEqual([]);
    nowMs += 2 * 60_000;
    // Of this entity alone: the runner goes on with the others.
    await expect(rig.read()).rejects.toMatchObject({
      kind: "bad_data",
      message: expect.stringContaining("sp_cdc_start_job"),
    });
    rig.plant.database.dataCapture.isJobRunning = true;
    await rig.plant.sql("UPDATE po SET status = 'CLOSE' WHERE ponum = 'B'");
    expect((await rig.read()).map(shortOf)).toEqual(["upsert A", "upsert B"]);
  });

  test("a new capture instance in place of the old one is another way", async () => {
    rig.plant.database.dataCapture.disableTable("dbo_po");
    rig.plant.database.dataCapture.enableTable(rig.plant.database.storage.table("po"), { instance: "po_2" });
    await expect(rig.read()).rejects.toMatchObject({ kind: "unavailable" });
    await rig.connector.open(never);
    expect(rig.strategy().strategy).toBe("cdc po_2");
    await expect(rig.read()).rejects.toMatchObject({ kind: "cursor_lost" });
  });
});
