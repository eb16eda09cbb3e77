// The connector over a whole server: which way is chosen and why, what is noticed when the database changes under it.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connector, Cursor, Pass, SourceRow, StrategyReport } from "#agent/core/source/connector.ts";
import type { ChildPlan, EntityPlan } from "#agent/core/source/plan.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { READER, type Plant, startPlant } from "./plant.ts";

const never = new AbortController().signal;

const lines: ChildPlan = {
  name: "lines",
  table: { name: "poline" },
  on: [{ child: "ponum", parent: "ponum" }],
  columns: ["line", "item"],
  orderBy: ["line"],
  filters: [],
};

const orders: EntityPlan = {
  entity: "purchase_order",
  table: { name: "po" },
  key: ["ponum"],
  columns: ["ponum", "status"],
  filters: [],
  change: { kind: "timestamp", column: "changed", format: "utc", overlapMs: 60_000 },
  children: [lines],
};

const TABLES = `
  CREATE TABLE po (ponum nvarchar(10) NOT NULL PRIMARY KEY, status nvarchar(10), changed datetime2(3));
  CREATE TABLE poline (ponum nvarchar(10) NOT NULL, line int NOT NULL, item nvarchar(20), PRIMARY KEY (ponum, line));
  CREATE INDEX po_changed ON po (changed);
  INSERT INTO po VALUES ('A', 'NEW', '2026-05-04'), ('B', 'NEW', '2026-05-04');
  INSERT INTO poline VALUES ('A', 1, 'bolt'), ('A', 2, 'nut'), ('B', 1, 'gear');`;

let plant: Plant;
let connector: Connector;
let cursor: Cursor | undefined;

beforeEach(async () => {
  plant = await startPlant();
  await plant.sql(TABLES);
  cursor = undefined;
});

afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  await plant[Symbol.asyncDispose]();
});

async function open(plan: EntityPlan = orders, settings: Record<string, unknown> = {}): Promise<void> {
  connector = plant.connector([plan], { settings });
  await connector.open(never);
}

function strategy(): StrategyReport {
  return connector.strategies()[0]!;
}

async function read(pass: Pass = "incremental", maxRows = 10): Promise<readonly SourceRow[]> {
  const rows: SourceRow[] = [];
  const after = pass === "incremental" ? cursor : undefined;
  const request = { entity: "purchase_order", pass, after, maxRows, signal: never };
  for await (const batch of connector.read(request)) {
    rows.push(...batch.rows);
    if (pass === "incremental") cursor = JSON.parse(JSON.stringify(batch.cursor)) as Cursor;
  }
  return rows;
}

const shortOf = ({ op, key, children }: SourceRow): string =>
  [op, key.join("/"), ...(children?.["lines"] ?? []).map((line) => String(line["item"]))].join(" ");

describe("the way is chosen by what the database offers", () => {
  test("nothing: the pack's marker, and what to ask for", async () => {
    await open();
    expect(strategy()).toMatchObject({ strategy: "timestamp changed", deletes: "keys" });
    expect(strategy().advice).toContain(
      "ALTER DATABASE [erp] SET CHANGE_TRACKING = ON; ALTER TABLE [dbo].[po] ENABLE CHANGE_TRACKING",
    );
    expect(strategy().advice).toContain("ALTER TABLE [dbo].[poline] ENABLE CHANGE_TRACKING");
    expect(strategy().warning).toBe(
      "tls.mode: disable sends everything in the clear, the password included.",
    );
  });

  test("a rowversion goes before a full scan, and before a time if an index leads to it", async () => {
    await plant.sql("ALTER TABLE po ADD stamp rowversion");
    await open();
    expect(strategy().strategy).toBe("timestamp changed");
    await connector[Symbol.asyncDispose]();
    await open({ ...orders, change: { kind: "full_scan" } });
    expect(strategy()).toMatchObject({
      strategy: "counter stamp",
      reason: expect.stringContaining("MIN_ACTIVE_ROWVERSION()"),
    });
    await connector[Symbol.asyncDispose]();
    await plant.sql("CREATE INDEX po_stamp ON po (stamp)");
    await open();
    expect(strategy().strategy).toBe("counter stamp");
    await connector[Symbol.asyncDispose]();
    await open(orders, { changes: "marker" });
    expect(strategy().strategy).toBe("timestamp changed");
  });

  test("CDC, and change tracking before it", async () => {
    plant.capture("po");
    await open();
    expect(strategy()).toMatchObject({ strategy: "cdc dbo_po", deletes: "feed" });
    await connector[Symbol.asyncDispose]();
    plant.track("po");
    await open();
    expect(strategy()).toMatchObject({ strategy: "change_tracking", deletes: "feed" });
    await connector[Symbol.asyncDispose]();
    await open(orders, { changes: "marker" });
    expect(strategy().strategy).toBe("timestamp changed");
  });

  test("change tracking that this login may not use, or without snapshots, is not used, and the advice says why", async () => {
    plant.track("po");
    plant.database.rights.revoke("plant_reader", "VIEW CHANGE TRACKING", "dbo.po");
    await open();
    expect(strategy()).toMatchObject({
      strategy: "timestamp changed",
      advice: expect.stringContaining("GRANT VIEW CHANGE TRACKING ON OBJECT::[dbo].[po] TO [plant_reader]"),
    });
    await connector[Symbol.asyncDispose]();
    plant.database.rights.grant("plant_reader", "VIEW CHANGE TRACKING", "dbo.po");
    plant.database.allowsSnapshot = false;
    await open();
    expect(strategy()).toMatchObject({
      strategy: "timestamp changed",
      advice: expect.stringContaining("SET ALLOW_SNAPSHOT_ISOLATION ON"),
    });
  });

  test("a readable copy has no change tracking, and its rowversions have no bound", async () => {
    await plant[Symbol.asyncDispose]();
    plant = await startPlant({ isReadOnly: true });
    const stamped = "ponum nvarchar(10) NOT NULL PRIMARY KEY, status nvarchar(10), stamp rowversion";
    await plant.sql(`CREATE TABLE po (${stamped})`);
    await open({ ...orders, children: [], change: { kind: "counter", column: "stamp" } });
    expect(strategy()).toMatchObject({
      strategy: "counter stamp",
      reason: expect.stringContaining("readable copy"),
      advice: expect.stringContaining("intent: read-write"),
    });
  });

  test("a feed whose deletes name another key than the pack's leaves them to the keys", async () => {
    await plant.sql("CREATE TABLE wo (id int NOT NULL PRIMARY KEY, wonum nvarchar(10), status nvarchar(10))");
    plant.track("wo");
    await open({
      ...orders,
      table: { name: "wo" },
      key: ["wonum"],
      columns: ["wonum", "status"],
      change: { kind: "full_scan" },
      children: [],
    });
    expect(strategy()).toMatchObject({ strategy: "change_tracking", deletes: "keys" });
    await read();
    await plant.sql("INSERT INTO wo VALUES (1, 'W1', 'NEW'); INSERT INTO wo VALUES (2, 'W2', 'NEW')");
    await plant.sql("DELETE FROM wo WHERE id = 2");
    expect((await read()).map(shortOf)).toEqual(["upsert W1"]);
  });
});

describe.each(["change tracking", "CDC"])("%s", (kind) => {
  beforeEach(async () => {
    for (const table of ["po", "poline"]) {
      if (kind === "CDC") plant.capture(table);
      else plant.track(table);
    }
    await open();
    await read();
  });

  test("deletes, lines that come, change and go, and whole orders in one transaction", async () => {
    await plant.sql("DELETE FROM poline WHERE ponum = 'A' AND line = 2");
    expect((await read()).map(shortOf)).toEqual(["upsert A bolt"]);
    await plant.sql("DELETE FROM poline WHERE ponum = 'B'; DELETE FROM po WHERE ponum = 'B'");
    expect((await read()).map(shortOf)).toEqual(["delete B"]);
    await plant.sql("UPDATE poline SET item = 'screw' WHERE line = 1");
    expect((await read()).map(shortOf)).toEqual(["upsert A screw"]);
    const writing = plant.database.begin();
    for (let n = 0; n < 50; n += 1) writing.insert("po", { ponum: `N${n}`, status: "NEW" });
    writing.commit();
    const rows = await read("incremental", 3);
    expect(new Set(rows.map((row) => row.key[0])).size).toBe(50);
    expect(await read()).toEqual([]);
  });

  test("a key that is changed is a delete and an insert", async () => {
    await plant.sql("UPDATE po SET ponum = 'C' WHERE ponum = 'B'");
    expect((await read()).map(shortOf).toSorted()).toEqual(["delete B", "upsert C"]);
  });

  test("that no longer reaches back is cursor_lost, and then begins anew", async () => {
    await plant.sql("UPDATE po SET status = 'APPR'");
    if (kind === "CDC") plant.database.dataCapture.cleanUp();
    else plant.database.changeTracking.cleanUp();
    await expect(read()).rejects.toMatchObject({ kind: "cursor_lost" });
    cursor = undefined;
    await read();
    await plant.sql("UPDATE po SET status = 'CLOSE' WHERE ponum = 'A'");
    expect((await read()).map(shortOf)).toEqual(["upsert A bolt nut"]);
  });

  test("that is turned off midway is opened anew, and what follows is another way", async () => {
    for (const table of ["po", "poline"]) {
      if (kind === "CDC") plant.database.dataCapture.disableTable(`dbo_${table}`);
      else plant.database.changeTracking.disableTable(plant.database.storage.table(table));
    }
    await expect(read()).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("anew"),
    });
    await connector.open(never);
    expect(strategy().strategy).toBe("timestamp changed");
    await expect(read()).rejects.toMatchObject({ kind: "cursor_lost" });
  });

  test("an order within the filters comes, and leaves with them", async () => {
    await connector[Symbol.asyncDispose]();
    await open({ ...orders, filters: [{ column: "status", op: "<>", value: "HIST" }] });
    await plant.sql("UPDATE po SET status = 'HIST' WHERE ponum = 'A'");
    expect((await read()).map(({ op, key, reason }) => [op, key[0], reason])).toEqual([
      ["delete", "A", "flag"],
    ]);
  });
});

describe("change tracking of its own", () => {
  beforeEach(async () => {
    plant.track("po");
    await open({ ...orders, children: [] });
    await read();
  });

  test("a child whose primary key does not name its parent: changes are found, deletes by the full pass, and that is said", async () => {
    await plant.sql("CREATE TABLE note (id int NOT NULL PRIMARY KEY, ponum nvarchar(10), item nvarchar(20))");
    await plant.sql("INSERT INTO note VALUES (1, 'A', 'first'), (2, 'A', 'second')");
    plant.track("note");
    await connector[Symbol.asyncDispose]();
    const notes = { ...lines, table: { name: "note" }, columns: ["id", "item"], orderBy: ["id"] };
    await open({ ...orders, children: [notes] });
    expect(strategy().advice).toContain("primary key of [dbo].[note] does not name its parent");
    cursor = undefined;
    await read();
    await plant.sql("UPDATE note SET item = 'other' WHERE id = 2");
    expect((await read()).map(shortOf)).toEqual(["upsert A first other"]);
    await plant.sql("DELETE FROM note WHERE id = 1");
    expect(await read()).toEqual([]);
  });

  test("TRUNCATE is cursor_lost", async () => {
    await plant.sql("TRUNCATE TABLE po");
    await expect(read()).rejects.toMatchObject({
      kind: "cursor_lost",
      message: expect.stringContaining("truncated"),
    });
  });

  test("the right to it taken away midway is opened anew", async () => {
    plant.database.rights.revoke("plant_reader", "VIEW CHANGE TRACKING", "dbo.po");
    await expect(read()).rejects.toMatchObject({ kind: "unavailable" });
  });
});

describe("CDC of its own", () => {
  beforeEach(async () => {
    plant.capture("po");
    await open({ ...orders, children: [] });
    await read();
  });

  test("a capture job that stands still gives nothing for a while, and then says so", async () => {
    plant.database.dataCapture.isJobRunning = false;
    await plant.sql("UPDATE po SET status = 'APPR' WHERE ponum = 'A'");
    expect(await read()).toEqual([]);
    plant.database.dataCapture.isJobRunning = true;
    plant.database.dataCapture.capture();
    expect((await read()).map(shortOf)).toEqual(["upsert A"]);
  });

  test("a capture job that has noted nothing for 20 minutes is said to be stopped, until it runs again", async () => {
    await connector[Symbol.asyncDispose]();
    await plant[Symbol.asyncDispose]();
    let nowMs = Date.UTC(2026, 4, 4);
    plant = await startPlant({ nowMs: () => nowMs });
    await plant.sql(TABLES);
    plant.capture("po");
    await plant.sql("UPDATE po SET status = 'APPR' WHERE ponum = 'A'");
    await open({ ...orders, children: [] });
    await read();
    plant.database.dataCapture.isJobRunning = false;
    await plant.sql("UPDATE po SET status = 'CLOSE' WHERE ponum = 'A'");
    nowMs += 19 * 60_000;
    expect(await read()).toEqual([]);
    nowMs += 2 * 60_000;
    // Of this entity alone: the runner goes on with the others.
    await expect(read()).rejects.toMatchObject({
      kind: "bad_data",
      message: expect.stringContaining("sp_cdc_start_job"),
    });
    plant.database.dataCapture.isJobRunning = true;
    await plant.sql("UPDATE po SET status = 'CLOSE' WHERE ponum = 'B'");
    expect((await read()).map(shortOf)).toEqual(["upsert A", "upsert B"]);
  });

  test("a new capture instance in place of the old one is another way", async () => {
    plant.database.dataCapture.disableTable("dbo_po");
    plant.database.dataCapture.enableTable(plant.database.storage.table("po"), { instance: "po_2" });
    await expect(read()).rejects.toMatchObject({ kind: "unavailable" });
    await connector.open(never);
    expect(strategy().strategy).toBe("cdc po_2");
    await expect(read()).rejects.toMatchObject({ kind: "cursor_lost" });
  });
});

describe("a database without snapshots", () => {
  test("a poll that meets an open transaction gives up after lock_timeout_ms, and finds its rows later", async () => {
    await plant[Symbol.asyncDispose]();
    plant = await startPlant({ allowsSnapshot: false, readCommittedSnapshot: false });
    await plant.sql(TABLES);
    await plant.sql("ALTER TABLE po ADD stamp rowversion");
    await open({ ...orders, change: { kind: "full_scan" }, children: [] }, { lock_timeout_ms: 50 });
    expect(strategy()).toMatchObject({
      strategy: "counter stamp",
      advice: expect.stringContaining("wait for writers"),
    });
    await read();
    const writing = plant.database.begin();
    writing.update("po", { ponum: "A" }, { status: "APPR" });
    await plant.sql("UPDATE po SET status = 'APPR' WHERE ponum = 'B'");
    await expect(read()).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("ALLOW_SNAPSHOT_ISOLATION"),
    });
    writing.commit();
    expect((await read()).map(shortOf)).toEqual(["upsert A", "upsert B"]);
  });
});

describe("rows of one statement that share a rowversion", () => {
  test("are paged through by (rowversion, key)", async () => {
    await plant[Symbol.asyncDispose]();
    plant = await startPlant({ sharesRowversion: true });
    await plant.sql(
      "CREATE TABLE po (ponum int NOT NULL PRIMARY KEY, status nvarchar(10), stamp rowversion)",
    );
    await open({ ...orders, change: { kind: "counter", column: "stamp" }, children: [] });
    await read();
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    plant.database.insert("po", ...numbers.map((ponum) => ({ ponum, status: "NEW" })));
    expect((await plant.rows("SELECT COUNT(DISTINCT stamp) FROM po"))[0]).toEqual(["1"]);
    const rows = await read("incremental", 3);
    expect(rows.map(({ key }) => Number(key[0]))).toEqual(numbers);
  });
});

describe("the tables change under it", () => {
  const scanned: EntityPlan = { ...orders, change: { kind: "full_scan" }, columns: ["*"], children: [] };

  test("a column more, or of another type: the source is opened anew, and read as it is now", async () => {
    await open(scanned);
    await plant.sql("ALTER TABLE po ADD total decimal(9,2) NULL");
    await expect(read("snapshot")).rejects.toMatchObject({ kind: "unavailable" });
    await connector.open(never);
    await plant.sql("UPDATE po SET total = 1.5");
    expect((await read("snapshot"))[0]?.columns).toMatchObject({ total: "1.50" });
    await plant.sql("ALTER TABLE po ALTER COLUMN total money NULL");
    await expect(read("snapshot")).rejects.toMatchObject({ kind: "unavailable" });
    await connector.open(never);
    expect((await read("snapshot"))[0]?.columns).toMatchObject({ total: "1.5000" });
  });

  test("tracking that is turned on is taken up without a restart", async () => {
    await open(scanned);
    cursor = undefined;
    await read();
    plant.track("po");
    plant.database.storage.table("po").generation += 1;
    await expect(read()).rejects.toMatchObject({ kind: "unavailable" });
    await connector.open(never);
    expect(strategy().strategy).toBe("change_tracking");
  });

  test("an index that is rebuilt changes nothing", async () => {
    await open(scanned);
    plant.database.storage.table("po").generation += 1;
    expect(await read("snapshot")).toHaveLength(2);
    plant.database.log.clear();
    expect(await read("snapshot")).toHaveLength(2);
    expect(plant.database.log.statements.map(({ text }) => text).join()).not.toContain("sys.columns");
  });

  test("a column of the pack that is gone is named, with the nearest", async () => {
    await open();
    await plant.sql("ALTER TABLE po DROP COLUMN status; ALTER TABLE po ADD state nvarchar(10) NULL");
    await expect(read("snapshot")).rejects.toMatchObject({
      kind: "misconfigured",
      message: expect.stringMatching(/no column dbo\.po\.status.*state/),
    });
  });

  test("a table that is gone, or may not be seen any more, is a GRANT to run", async () => {
    await open();
    await plant.sql("DROP TABLE poline");
    await expect(read("snapshot")).rejects.toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining("GRANT SELECT ON OBJECT::[dbo].[poline] TO [plant_reader];"),
    });
  });
});

describe("a company's tables", () => {
  test("are found under the names that only the catalogue knows, and tracked like any other", async () => {
    const name = "CRONUS$Purchase Header$437dbf0e-84ff-417a-965d-ed2bb9650972";
    await plant.sql(`CREATE TABLE [${name}] ([No_] nvarchar(20) NOT NULL PRIMARY KEY, [Status] int)`);
    plant.track(name);
    await open({
      ...orders,
      table: { name: "Purchase Header", company: { name: undefined, part: "table" } },
      key: ["No_"],
      columns: ["No_", "Status"],
      change: { kind: "full_scan" },
      children: [],
    });
    expect(strategy().strategy).toBe("change_tracking");
    await read();
    await plant.sql(`INSERT INTO [${name}] VALUES ('PO-1', 1)`);
    expect((await read()).map(shortOf)).toEqual(["upsert PO-1"]);
  });
});

describe("whatever byte an answer ends at", () => {
  test("the read is whole or unavailable, and the next one has everything", async () => {
    await open({ ...orders, children: [lines] });
    const whole = (await read("snapshot")).map(shortOf).join();
    const { faults } = plant.server;
    const outcomes: unknown[] = [];
    const tries = [
      ...Array.from({ length: 30 }, (_, at) => ({ kind: "disconnect", afterBytes: at * 13 }) as const),
      ...Array.from({ length: 30 }, (_, at) => ({ kind: "truncated_token", keepBytes: 1 + at * 9 }) as const),
    ];
    for (const fault of tries) {
      faults.plan(fault, { matching: /FROM \[dbo\]\.\[poline?\]/ });
      outcomes.push(
        await read("snapshot").then(
          (rows) => rows.map(shortOf).join(),
          (error: unknown) => (error as { readonly kind?: string }).kind,
        ),
      );
      faults.clear();
      expect((await read("snapshot")).map(shortOf).join()).toBe(whole);
    }
    expect(outcomes.filter((outcome) => outcome !== "unavailable" && outcome !== whole)).toEqual([]);
    expect(outcomes.filter((outcome) => outcome === "unavailable").length).toBeGreaterThan(20);
  });
});

describe("around it", () => {
  test("the identity is the database's; a restore is another source", async () => {
    plant.database.rights.grant("plant_reader", "VIEW SERVER STATE");
    await open();
    const identity = connector.identity();
    expect(identity).toMatch(/^sql-server:PLANTSQL:[0-9A-F-]{36}:[0-9A-F-]{36}$/);
    await connector.open(never);
    expect(connector.identity()).toBe(identity);
    plant.database.markRestored();
    await connector.open(never);
    expect(connector.identity()).not.toBe(identity);
  });

  test("without the right to the recovery status the identity is name and creation", async () => {
    await open();
    expect(connector.identity()).toMatch(/^sql-server:PLANTSQL:erp:\d{4}-/);
  });

  test("looks around: schemas, tables, columns", async () => {
    await open();
    const look = (...path: readonly string[]): Promise<unknown> =>
      connector.browse!(path, never).then((entries) => entries.map(({ name, kind }) => `${kind} ${name}`));
    expect(await look()).toEqual(["schema dbo"]);
    expect(await look("dbo")).toEqual(["table po", "table poline"]);
    expect(await look("dbo", "poline")).toEqual(["column ponum", "column line", "column item"]);
    const [column] = await connector.browse!(["dbo", "po"], never);
    expect(column).toMatchObject({
      path: ["dbo", "po", "ponum"],
      detail: { type: "nvarchar", nullable: false },
    });
  });

  test("an idle poll of a feed reads no row of the tables", async () => {
    plant.track("po");
    plant.track("poline");
    await open();
    await read();
    plant.database.log.clear();
    expect(await read()).toEqual([]);
    const texts = plant.database.log.statements.map(({ text }) => text);
    // Begin, versions, changes, commit; for the orders and for the lines.
    expect(texts).toHaveLength(8);
    expect(texts.filter((text) => /FROM \[dbo\]/.test(text))).toEqual([]);
  });

  test("what is asked is SQL that 2008 R2 understands", async () => {
    plant.track("po");
    plant.capture("poline");
    await plant.sql("ALTER TABLE po ADD stamp rowversion");
    for (const settings of [{}, { changes: "marker" }]) {
      await open(orders, settings);
      cursor = undefined;
      await read();
      await plant.sql("UPDATE po SET status = 'APPR'; UPDATE poline SET item = 'pump'");
      for (const pass of ["incremental", "snapshot", "keys"] as const) await read(pass, 1);
      await connector.browse!(["dbo", "po"], never);
      await connector[Symbol.asyncDispose]();
    }
    const asked = plant.database.log.statements.filter(({ user }) => user === READER.user);
    expect(asked.length).toBeGreaterThan(30);
    const younger =
      /\b(OFFSET|FETCH|STRING_SPLIT|STRING_AGG|TRY_\w+|IIF|CONCAT|FORMAT|LAG|LEAD|OPENJSON|JSON_\w+|DATEFROMPARTS|EOMONTH|CHOOSE|TRIM|AT TIME ZONE|GREATEST|LEAST)\b/;
    expect(asked.map(({ text }) => text).filter((text) => younger.test(text))).toEqual([]);
  });

  test("polls do not wait for a long pass: each has a connection of its own", async () => {
    await open();
    plant.database.faults.hang(/FROM \[dbo\]\.\[po\].*ORDER BY \[ponum\]/);
    const control = new AbortController();
    const request = {
      entity: "purchase_order",
      pass: "snapshot",
      after: undefined,
      maxRows: 5,
      signal: control.signal,
    };
    const long = Array.fromAsync(connector.read(request as Parameters<Connector["read"]>[0]));
    expect(await read()).toEqual([]);
    control.abort();
    expect(await long).toEqual([]);
    plant.database.faults.release();
  });

  test("wall clocks and fake clocks do not meet: the server says what time it is", async () => {
    connector = plant.connector([orders], { clock: new FakeClock(0) });
    await connector.open(never);
    await read();
    expect(JSON.stringify(cursor)).toContain("2026-05-04");
  });
});
