// How a table is followed is chosen by what the database offers and this login may use; and what to ask for is said.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { orders, OrderRig, shortOf } from "./order-rig.ts";
import { startPlant } from "./plant.ts";

let rig: OrderRig;

beforeEach(async () => {
  rig = await OrderRig.start();
});

afterEach(() => rig[Symbol.asyncDispose]());

describe("the way is chosen by what the database offers", () => {
  test("nothing: the pack's marker, and what to ask for", async () => {
    await rig.open();
    expect(rig.strategy()).toMatchObject({ strategy: "timestamp changed", deletes: "keys" });
    expect(rig.strategy().advice).toContain(
      "ask for ALTER TABLE [dbo].[po] ENABLE CHANGE_TRACKING; ALTER TABLE [dbo].[poline] ENABLE CHANGE_TRACKING (",
    );
    expect(rig.strategy().warning).toBe(
      "tls.mode: disable sends everything in the clear, the password included.",
    );
  });

  test("a rowversion goes before a full scan, and before a time if an index leads to it", async () => {
    await rig.plant.sql("ALTER TABLE po ADD stamp rowversion");
    await rig.open();
    expect(rig.strategy().strategy).toBe("timestamp changed");
    await rig.connector[Symbol.asyncDispose]();
    await rig.open({ ...orders, change: { kind: "full_scan" } });
    expect(rig.strategy()).toMatchObject({
      strategy: "counter stamp",
      reason: expect.stringContaining("MIN_ACTIVE_ROWVERSION()"),
    });
    await rig.connector[Symbol.asyncDispose]();
    await rig.plant.sql("CREATE INDEX po_stamp ON po (stamp)");
    await rig.open();
    expect(rig.strategy().strategy).toBe("counter stamp");
    await rig.connector[Symbol.asyncDispose]();
    await rig.open(orders, { changes: "marker" });
    expect(rig.strategy().strategy).toBe("timestamp changed");
  });

  test("CDC, and change tracking before it", async () => {
    rig.plant.capture("po");
    await rig.open();
    expect(rig.strategy()).toMatchObject({ strategy: "cdc dbo_po", deletes: "feed" });
    await rig.connector[Symbol.asyncDispose]();
    rig.plant.track("po");
    await rig.open();
    expect(rig.strategy()).toMatchObject({ strategy: "change_tracking", deletes: "feed" });
    await rig.connector[Symbol.asyncDispose]();
    await rig.open(orders, { changes: "marker" });
    expect(rig.strategy().strategy).toBe("timestamp changed");
  });

  test("change tracking that this login may not use, or without snapshots, is not used, and the advice says why", async () => {
    rig.plant.track("po");
    rig.plant.database.rights.revoke("plant_reader", "VIEW CHANGE TRACKING", "dbo.po");
    await rig.open();
    expect(rig.strategy()).toMatchObject({
      strategy: "timestamp changed",
      advice: expect.stringContaining("GRANT VIEW CHANGE TRACKING ON OBJECT::[dbo].[po] TO [plant_reader]"),
    });
    await rig.connector[Symbol.asyncDispose]();
    rig.plant.database.rights.grant("plant_reader", "VIEW CHANGE TRACKING", "dbo.po");
    rig.plant.database.allowsSnapshot = false;
    await rig.open();
    expect(rig.strategy()).toMatchObject({
      strategy: "timestamp changed",
      advice: expect.stringContaining("SET ALLOW_SNAPSHOT_ISOLATION ON"),
    });
  });

  test("a readable copy has no change tracking, and its rowversions have no bound", async () => {
    await rig.plant[Symbol.asyncDispose]();
    rig.plant = await startPlant({ isReadOnly: true });
    const stamped = "ponum nvarchar(10) NOT NULL PRIMARY KEY, status nvarchar(10), stamp rowversion";
    await rig.plant.sql(`CREATE TABLE po (${stamped})`);
    await rig.open({ ...orders, children: [], change: { kind: "counter", column: "stamp" } });
    expect(rig.strategy()).toMatchObject({
      strategy: "counter stamp",
      reason: expect.stringContaining("readable copy"),
      advice: expect.stringContaining("intent: read-write"),
    });
  });

  test("a feed whose deletes name another key than the pack's leaves them to the keys", async () => {
    await rig.plant.sql(
      "CREATE TABLE wo (id int NOT NULL PRIMARY KEY, wonum nvarchar(10), status nvarchar(10))",
    );
    rig.plant.track("wo");
    await rig.open({
      ...orders,
      table: { name: "wo" },
      key: ["wonum"],
      columns: ["wonum", "status"],
      change: { kind: "full_scan" },
      children: [],
    });
    expect(rig.strategy()).toMatchObject({ strategy: "change_tracking", deletes: "keys" });
    await rig.read();
    await rig.plant.sql("INSERT INTO wo VALUES (1, 'W1', 'NEW'); INSERT INTO wo VALUES (2, 'W2', 'NEW')");
    await rig.plant.sql("DELETE FROM wo WHERE id = 2");
    expect((await rig.read()).map(shortOf)).toEqual(["upsert W1"]);
  });
});
