// The connector over a whole server: locks, tables that are altered, lines that break, identity, and how much it asks.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { lines, never, orders, OrderRig, shortOf, TABLES } from "./order-rig.ts";
import { READER, startPlant } from "./plant.ts";

let rig: OrderRig;

beforeEach(async () => {
  rig = await OrderRig.start();
});

afterEach(() => rig[Symbol.asyncDispose]());

describe("a database without snapshots", () => {
  test("a poll that meets an open transaction gives up after lock_timeout_ms, and finds its rows later", async () => {
    await rig.plant[Symbol.asyncDispose]();
    rig.plant = await startPlant({ allowsSnapshot: false, readCommittedSnapshot: false });
    await rig.plant.sql(TABLES);
    await rig.plant.sql("ALTER TABLE po ADD stamp rowversion");
    await rig.open({ ...orders, change: { kind: "full_scan" }, children: [] }, { lock_timeout_ms: 50 });
    expect(rig.strategy()).toMatchObject({
      strategy: "counter stamp",
      advice: expect.stringContaining("wait for writers"),
    });
    await rig.read();
    const writing = rig.plant.database.begin();
    writing.update("po", { ponum: "A" }, { status: "APPR" });
    await rig.plant.sql("UPDATE po SET status = 'APPR' WHERE ponum = 'B'");
    await expect(rig.read()).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("ALLOW_SNAPSHOT_ISOLATION"),
    });
    writing.commit();
    expect((await rig.read()).map(shortOf)).toEqual(["upsert A", "upsert B"]);
  });
});

describe("rows of one statement that share a rowversion", () => {
  test("are paged through by (rowversion, key)", async () => {
    await rig.plant[Symbol.asyncDispose]();
    rig.plant = await startPlant({ sharesRowversion: true });
    await rig.plant.sql(
      "CREATE TABLE po (ponum int NOT NULL PRIMARY KEY, status nvarchar(10), stamp rowversion)",
    );
    await rig.open({ ...orders, change: { kind: "counter", column: "stamp" }, children: [] });
    await rig.read();
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    rig.plant.database.insert("po", ...numbers.map((ponum) => ({ ponum, status: "NEW" })));
    expect((await rig.plant.rows("SELECT COUNT(DISTINCT stamp) FROM po"))[0]).toEqual(["1"]);
    const rows = await rig.read("incremental", 3);
    expect(rows.map(({ key }) => Number(key[0]))).toEqual(numbers);
  });
});

describe("the tables change under it", () => {
  const scanned: EntityPlan = { ...orders, change: { kind: "full_scan" }, columns: ["*"], children: [] };

  test("a column more, or of another type: the source is opened anew, and read as it is now", async () => {
    await rig.open(scanned);
    await rig.plant.sql("ALTER TABLE po ADD total decimal(9,2) NULL");
    await expect(rig.read("snapshot")).rejects.toMatchObject({ kind: "unavailable" });
    await rig.connector.open(never);
    await rig.plant.sql("UPDATE po SET total = 1.5");
    expect((await rig.read("snapshot"))[0]?.columns).toMatchObject({ total: "1.50" });
    await rig.plant.sql("ALTER TABLE po ALTER COLUMN total money NULL");
    await expect(rig.read("snapshot")).rejects.toMatchObject({ kind: "unavailable" });
    await rig.connector.open(never);
    expect((await rig.read("snapshot"))[0]?.columns).toMatchObject({ total: "1.5000" });
  });

  test("tracking that is turned on is taken up without a restart", async () => {
    await rig.open(scanned);
    rig.cursor = undefined;
    await rig.read();
    rig.plant.track("po");
    rig.plant.database.storage.table("po").generation += 1;
    await expect(rig.read()).rejects.toMatchObject({ kind: "unavailable" });
    await rig.connector.open(never);
    expect(rig.strategy().strategy).toBe("change_tracking");
  });

  test("an index that is rebuilt changes nothing", async () => {
    await rig.open(scanned);
    rig.plant.database.storage.table("po").generation += 1;
    expect(await rig.read("snapshot")).toHaveLength(2);
    rig.plant.database.log.clear();
    expect(await rig.read("snapshot")).toHaveLength(2);
    expect(rig.plant.database.log.statements.map(({ text }) => text).join()).not.toContain("sys.columns");
  });

  test("a column of the pack that is gone is named, with the nearest", async () => {
    await rig.open();
    await rig.plant.sql("ALTER TABLE po DROP COLUMN status; ALTER TABLE po ADD state nvarchar(10) NULL");
    await expect(rig.read("snapshot")).rejects.toMatchObject({
      kind: "misconfigured",
      message: expect.stringMatching(/no column dbo\.po\.status.*state/),
    });
  });

  test("a table that is gone, or may not be seen any more, is a GRANT to run", async () => {
    await rig.open();
    await rig.plant.sql("DROP TABLE poline");
    await expect(rig.read("snapshot")).rejects.toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("GRANT SELECT ON OBJECT::[dbo].[poline] TO [plant_reader];"),
    });
  });
});

describe("a company's tables", () => {
  test("are found under the names that only the catalogue knows, and tracked like any other", async () => {
    const name = "CRONUS$Purchase Header$437dbf0e-84ff-417a-965d-ed2bb9650972";
    await rig.plant.sql(`CREATE TABLE [${name}] ([No_] nvarchar(20) NOT NULL PRIMARY KEY, [Status] int)`);
    rig.plant.track(name);
    await rig.open({
      ...orders,
      table: { name: "Purchase Header", company: { name: undefined, part: "table" } },
      key: ["No_"],
      columns: ["No_", "Status"],
      change: { kind: "full_scan" },
      children: [],
    });
    expect(rig.strategy().strategy).toBe("change_tracking");
    await rig.read();
    await rig.plant.sql(`INSERT INTO [${name}] VALUES ('PO-1', 1)`);
    expect((await rig.read()).map(shortOf)).toEqual(["upsert PO-1"]);
  });
});

describe("whatever byte an answer ends at", () => {
  test("the read is whole or unavailable, and the next one has everything", async () => {
    await rig.open({ ...orders, children: [lines] });
    const whole = (await rig.read("snapshot")).map(shortOf).join();
    const { faults } = rig.plant.server;
    const outcomes: unknown[] = [];
    const tries = [
      ...Array.from({ length: 30 }, (_, at) => ({ kind: "disconnect", afterBytes: at * 13 }) as const),
      ...Array.from({ length: 30 }, (_, at) => ({ kind: "truncated_token", keepBytes: 1 + at * 9 }) as const),
    ];
    for (const fault of tries) {
      faults.plan(fault, { matching: /FROM \[dbo\]\.\[poline?\]/ });
      outcomes.push(
        await rig.read("snapshot").then(
          (rows) => rows.map(shortOf).join(),
          (error: unknown) => (error as { readonly kind?: string }).kind,
        ),
      );
      faults.clear();
      expect((await rig.read("snapshot")).map(shortOf).join()).toBe(whole);
    }
    expect(outcomes.filter((outcome) => outcome !== "unavailable" && outcome !== whole)).toEqual([]);
    expect(outcomes.filter((outcome) => outcome === "unavailable").length).toBeGreaterThan(20);
  });
});

describe("around it", () => {
  test("the identity is the database's; a restore is another source", async () => {
    rig.plant.database.rights.grant("plant_reader", "VIEW SERVER STATE");
    await rig.open();
    const identity = rig.connector.identity();
    expect(identity).toMatch(/^sql-server:PLANTSQL:[0-9A-F-]{36}:[0-9A-F-]{36}$/);
    await rig.connector.open(never);
    expect(rig.connector.identity()).toBe(identity);
    rig.plant.database.recoveryFork = "00000000-0000-0000-0000-000000000001";
    await rig.connector.open(never);
    expect(rig.connector.identity()).not.toBe(identity);
  });

  test("without the right to the recovery status the identity is name and creation", async () => {
    await rig.open();
    expect(rig.connector.identity()).toMatch(/^sql-server:PLANTSQL:erp:\d{4}-/);
  });

  test("looks around: schemas, tables, columns", async () => {
    await rig.open();
    const look = (...path: readonly string[]): Promise<unknown> =>
      rig.connector.browse!(path, never).then((entries) =>
        entries.map(({ name, kind }) => `${kind} ${name}`),
      );
    expect(await look()).toEqual(["schema dbo"]);
    expect(await look("dbo")).toEqual(["table po", "table poline"]);
    expect(await look("dbo", "poline")).toEqual(["column ponum", "column line", "column item"]);
    const [column] = await rig.connector.browse!(["dbo", "po"], never);
    expect(column).toMatchObject({
      path: ["dbo", "po", "ponum"],
      detail: { type: "nvarchar", nullable: false },
    });
  });

  test("an idle poll of a feed reads no row of the tables", async () => {
    rig.plant.track("po");
    rig.plant.track("poline");
    await rig.open();
    await rig.read();
    rig.plant.database.log.clear();
    expect(await rig.read()).toEqual([]);
    const texts = rig.plant.database.log.statements.map(({ text }) => text);
    // Begin, versions, changes, commit; for the orders and for the lines.
    expect(texts).toHaveLength(8);
    expect(texts.filter((text) => /FROM \[dbo\]/.test(text))).toEqual([]);
  });

  test("what is asked is SQL that 2008 R2 understands", async () => {
    rig.plant.track("po");
    rig.plant.capture("poline");
    await rig.plant.sql("ALTER TABLE po ADD stamp rowversion");
    for (const settings of [{}, { changes: "marker" }]) {
      await rig.open(orders, settings);
      rig.cursor = undefined;
      await rig.read();
      await rig.plant.sql("UPDATE po SET status = 'APPR'; UPDATE poline SET item = 'pump'");
      for (const pass of ["incremental", "snapshot", "keys"] as const) await rig.read(pass, 1);
      await rig.connector.browse!(["dbo", "po"], never);
      await rig.connector[Symbol.asyncDispose]();
    }
    const asked = rig.plant.database.log.statements.filter(({ user }) => user === READER.user);
    expect(asked.length).toBeGreaterThan(30);
    const younger =
      /\b(OFFSET|FETCH|STRING_SPLIT|STRING_AGG|TRY_\w+|IIF|CONCAT|FORMAT|LAG|LEAD|OPENJSON|JSON_\w+|DATEFROMPARTS|EOMONTH|CHOOSE|TRIM|AT TIME ZONE|GREATEST|LEAST)\b/;
    expect(asked.map(({ text }) => text).filter((text) => younger.test(text))).toEqual([]);
  });

  test("polls do not wait for a long pass: each has a connection of its own", async () => {
    await rig.open();
    rig.plant.database.faults.hang(/FROM \[dbo\]\.\[po\].*ORDER BY \[ponum\]/);
    const control = new AbortController();
    const request = {
      entity: "purchase_order",
      pass: "snapshot",
      after: undefined,
      maxRows: 5,
      signal: control.signal,
    };
    const long = Array.fromAsync(rig.connector.read(request as Parameters<Connector["read"]>[0]));
    expect(await rig.read()).toEqual([]);
    control.abort();
    expect(await long).toEqual([]);
    rig.plant.database.faults.release();
  });

  test("wall clocks and fake clocks do not meet: the server says what time it is", async () => {
    rig.connector = rig.plant.connector([orders], { clock: new FakeClock(0) });
    await rig.connector.open(never);
    await rig.read();
    expect(JSON.stringify(rig.cursor)).toContain("2026-05-04");
  });
});
