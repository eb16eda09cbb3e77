// What SQL Server's change strategies stand on: late commits, rowversions, tracked versions, captured LSNs, locks.
import { describe, expect, test } from "vitest";
import type { DatabaseSession, DbValue } from "./session.ts";
import { ADMINISTRATOR, SqlServerDatabase, type SqlServerOptions } from "./sql-server.ts";
import { randomFrom, RandomWriters } from "./writers.ts";

const never = new AbortController().signal;

function plant(options: SqlServerOptions = {}): SqlServerDatabase {
  const database = new SqlServerDatabase(options);
  database.createTable({
    name: "t",
    columns: [
      { name: "id", type: "int" },
      { name: "n", type: "int" },
      { name: "rv", type: "rowversion" },
    ],
    primaryKey: ["id"],
    indexes: [{ columns: ["rv"] }],
  });
  return database;
}

function open(
  database: SqlServerDatabase,
  user: string = ADMINISTRATOR.user,
  password: string = ADMINISTRATOR.password,
): DatabaseSession {
  return database.logIn({
    user,
    password,
    database: "erp",
    applicationName: "test",
    isReadOnlyIntent: false,
  });
}

async function run(
  session: DatabaseSession,
  text: string,
  signal = never,
): Promise<readonly (readonly DbValue[])[]> {
  const { sets } = await session.execute(text, [], signal);
  return sets.at(-1)?.rows ?? [];
}

describe("rowversion", () => {
  test("a late commit appears below a value that was read; MIN_ACTIVE_ROWVERSION stays below it", async () => {
    const database = plant();
    const session = open(database);
    const late = database.begin();
    late.insert("t", { id: 1, n: 0 });
    database.insert("t", { id: 2, n: 0 });
    const [[top]] = (await run(session, "SELECT CONVERT(varchar(18), MAX(rv), 1) FROM t")) as [[string]];
    const [[bound]] = (await run(session, "SELECT CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1)")) as [
      [string],
    ];
    expect(bound < top).toBe(true);
    late.commit();
    expect(await run(session, `SELECT id FROM t WHERE rv > CONVERT(binary(8), '${top}', 1)`)).toEqual([]);
    expect(
      await run(session, `SELECT id FROM t WHERE rv >= CONVERT(binary(8), '${bound}', 1) ORDER BY id`),
    ).toEqual([[1], [2]]);
    expect(await run(session, "SELECT CASE WHEN MIN_ACTIVE_ROWVERSION() > @@DBTS THEN 1 ELSE 0 END")).toEqual(
      [[1]],
    );
  });

  test.each([true, false])("rows of one statement share it: %s", async (sharesRowversion) => {
    const database = plant({ sharesRowversion });
    const session = open(database);
    database.insert("t", { id: 1, n: 0 }, { id: 2, n: 0 }, { id: 3, n: 0 });
    await run(session, "UPDATE t SET n = 1");
    const [[distinct]] = (await run(session, "SELECT COUNT(DISTINCT rv) FROM t")) as [[number]];
    expect(distinct).toBe(sharesRowversion ? 1 : 3);
  });

  test("polling below the bound loses nothing under random writers; without it something is lost", async () => {
    const poll = async (isSafe: boolean, seed: number): Promise<readonly [unknown, unknown]> => {
      const database = plant();
      const session = open(database);
      const writers = new RandomWriters({
        database,
        table: "t",
        key: "id",
        values: (n) => ({ n }),
        random: randomFrom(seed),
        keys: 20,
      });
      const replica = new Map<DbValue, DbValue>();
      let at = "0x0000000000000000";
      for (let round = 0; round < 60; round += 1) {
        writers.steps(8);
        if (round === 59) writers.finish();
        const [[bound]] = (await run(session, "SELECT CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1)")) as [
          [string],
        ];
        const below = isSafe ? `AND rv < CONVERT(binary(8), '${bound}', 1)` : "";
        const rows = await run(
          session,
          `SELECT id, n, CONVERT(varchar(18), rv, 1) FROM t WHERE rv > CONVERT(binary(8), '${at}', 1) ${below} ORDER BY rv`,
        );
        for (const [id, n, rv] of rows) {
          replica.set(id!, n!);
          at = String(rv);
        }
        const keys = new Set((await run(session, "SELECT id FROM t")).map(([id]) => id));
        for (const id of replica.keys()) if (!keys.has(id)) replica.delete(id);
      }
      expect(writers.lateCommits).toBeGreaterThan(5);
      const source = await run(session, "SELECT id, n FROM t ORDER BY id");
      return [[...replica].sort((left, right) => Number(left[0]) - Number(right[0])), source];
    };
    let lost = 0;
    for (let seed = 1; seed <= 5; seed += 1) {
      const [replica, source] = await poll(true, seed);
      expect(replica).toEqual(source);
      const [unsafe, truth] = await poll(false, seed);
      if (JSON.stringify(unsafe) !== JSON.stringify(truth)) lost += 1;
    }
    expect(lost).toBeGreaterThan(0);
  });
});

describe("isolation and locks", () => {
  test("a snapshot transaction stands still; READ COMMITTED moves on", async () => {
    const database = plant();
    database.insert("t", { id: 1, n: 1 });
    const session = open(database);
    await run(session, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION");
    expect(session.isInTransaction).toBe(true);
    expect(await run(session, "SELECT n FROM t")).toEqual([[1]]);
    database.update("t", { id: 1 }, { n: 2 });
    database.insert("t", { id: 2, n: 1 });
    expect(await run(session, "SELECT n FROM t")).toEqual([[1]]);
    expect(await run(session, "SELECT n FROM t WHERE id = 2")).toEqual([]);
    await expect(run(session, "UPDATE t SET n = 9 WHERE id = 1")).rejects.toMatchObject({ number: 3960 });
    expect(session.isInTransaction).toBe(false);
    await run(session, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
    expect(await run(session, "SELECT n FROM t WHERE id = 1")).toEqual([[2]]);
  });

  test("without row versions readers wait for writers: time-out, cancel, and the row after the commit", async () => {
    const database = plant({ readCommittedSnapshot: false, allowsSnapshot: false });
    database.insert("t", { id: 1, n: 1 });
    const session = open(database);
    const writer = database.begin();
    writer.update("t", { id: 1 }, { n: 2 });
    await expect(run(session, "SET LOCK_TIMEOUT 20; SELECT n FROM t")).rejects.toMatchObject({
      number: 1222,
    });
    await run(session, "SET LOCK_TIMEOUT -1");
    const control = new AbortController();
    const cancelled = run(session, "SELECT n FROM t", control.signal);
    await expect.poll(() => database.waitingSessions).toBe(1);
    control.abort();
    await expect(cancelled).rejects.toMatchObject({ number: 3617 });
    expect(await run(session, "SELECT n FROM t WITH (NOLOCK)")).toEqual([[2]]);
    const waiting = run(session, "SELECT n FROM t");
    await expect.poll(() => database.waitingSessions).toBe(1);
    writer.commit();
    expect(await waiting).toEqual([[2]]);
    await expect(
      run(session, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT n FROM t"),
    ).rejects.toMatchObject({ number: 3952 });
  });

  test("rows read WITH (UPDLOCK) are held against writers, not against readers, until the transaction ends", async () => {
    const database = plant({ readCommittedSnapshot: false });
    database.insert("t", { id: 1, n: 1 }, { id: 2, n: 1 });
    const [holder, other] = [open(database), open(database)];
    await run(holder, "BEGIN TRANSACTION; SELECT n FROM t WITH (UPDLOCK, ROWLOCK, HOLDLOCK) WHERE id = 1");
    expect(await run(other, "SELECT n FROM t WHERE id = 1")).toEqual([[1]]);
    await run(other, "UPDATE t SET n = 5 WHERE id = 2");
    await expect(run(other, "SET LOCK_TIMEOUT 10; UPDATE t SET n = 5 WHERE id = 1")).rejects.toMatchObject({
      number: 1222,
    });
    await run(holder, "UPDATE t SET n = n + 1 WHERE id = 1; COMMIT");
    await run(other, "UPDATE t SET n = n + 1 WHERE id = 1");
    expect(await run(other, "SELECT n FROM t ORDER BY id")).toEqual([[3], [5]]);
  });

  test("two sessions in each other's way: one gives way as deadlock victim", async () => {
    const database = plant();
    database.insert("t", { id: 1, n: 1 }, { id: 2, n: 1 });
    const [left, right] = [open(database), open(database)];
    await run(left, "BEGIN TRANSACTION; UPDATE t SET n = 2 WHERE id = 1");
    await run(right, "BEGIN TRANSACTION; UPDATE t SET n = 3 WHERE id = 2");
    const waits = run(left, "UPDATE t SET n = 2 WHERE id = 2; COMMIT");
    await expect.poll(() => database.waitingSessions).toBe(1);
    await expect(run(right, "UPDATE t SET n = 3 WHERE id = 1")).rejects.toMatchObject({ number: 1205 });
    await waits;
    expect(await run(left, "SELECT n FROM t ORDER BY id")).toEqual([[2], [2]]);
  });

  test("a locked table, a killed session, planted faults", async () => {
    const database = plant();
    database.insert("t", { id: 1, n: 1 });
    const session = open(database);
    const blocker = database.begin();
    blocker.lockTable("t");
    const blocked = run(session, "SELECT n FROM t");
    await expect.poll(() => database.waitingSessions).toBe(1);
    blocker.commit();
    expect(await blocked).toEqual([[1]]);
    database.faults.slow(/FROM t/, 60_000);
    const control = new AbortController();
    const slow = run(session, "SELECT n FROM t", control.signal);
    await expect.poll(() => database.faults.waiting).toBe(1);
    control.abort();
    await expect(slow).rejects.toMatchObject({ number: 3617 });
    await run(session, "BEGIN TRANSACTION; UPDATE t SET n = 7");
    database.killSessions();
    await expect(run(session, "SELECT 1")).rejects.toMatchObject({ number: 596 });
    expect(await run(open(database), "SELECT n FROM t")).toEqual([[1]]);
  });
});

describe("change tracking", () => {
  function tracked(): SqlServerDatabase {
    const database = plant();
    database.changeTracking.enable();
    database.changeTracking.enableTable(database.storage.table("t"));
    return database;
  }

  const changes = (since: bigint): string =>
    `SELECT ct.SYS_CHANGE_OPERATION, ct.id FROM CHANGETABLE(CHANGES dbo.t, ${since}) AS ct ORDER BY ct.SYS_CHANGE_VERSION, ct.id`;

  test("net changes since a version, in the order of commits", async () => {
    const database = tracked();
    const session = open(database);
    database.insert("t", { id: 1, n: 0 }, { id: 2, n: 0 }, { id: 3, n: 0 });
    const from = database.changeTracking.version;
    const late = database.begin();
    late.insert("t", { id: 9, n: 0 });
    database.update("t", { id: 1 }, { n: 1 });
    database.update("t", { id: 1 }, { n: 2 });
    database.delete("t", { id: 2 });
    database.update("t", { id: 3 }, { id: 4 });
    database.insert("t", { id: 5, n: 0 });
    database.delete("t", { id: 5 });
    expect(await run(session, changes(from))).toEqual([
      ["U", 1],
      ["D", 2],
      ["D", 3],
      ["I", 4],
      ["D", 5],
    ]);
    const before = database.changeTracking.version;
    late.commit();
    expect(await run(session, changes(before))).toEqual([["I", 9]]);
  });

  test("a snapshot sees the version of its time; truncate and clean-up make old versions invalid", async () => {
    const database = tracked();
    const session = open(database);
    database.insert("t", { id: 1, n: 0 });
    await run(session, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION");
    const versions =
      "SELECT CHANGE_TRACKING_CURRENT_VERSION(), CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.t'))";
    expect(await run(session, versions)).toEqual([[1n, 0n]]);
    database.insert("t", { id: 2, n: 0 });
    expect(await run(session, versions)).toEqual([[1n, 0n]]);
    expect(await run(session, changes(0n))).toEqual([["I", 1]]);
    await run(session, "COMMIT");
    await run(session, "BEGIN TRANSACTION");
    expect(await run(session, versions)).toEqual([[2n, 0n]]);
    await run(session, "COMMIT; TRUNCATE TABLE t");
    expect(await run(session, versions)).toEqual([[3n, 3n]]);
    database.insert("t", { id: 3, n: 0 });
    database.changeTracking.cleanUp();
    expect(await run(session, versions)).toEqual([[4n, 4n]]);
  });

  test("needs its own right", async () => {
    const database = tracked();
    database.rights.add({ user: "reader", password: "reads", roles: ["db_datareader"] });
    const session = open(database, "reader", "reads");
    await expect(run(session, changes(0n))).rejects.toMatchObject({ number: 229 });
    expect(await run(session, "SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.t'))")).toEqual([
      [null],
    ]);
    database.rights.grant("reader", "VIEW CHANGE TRACKING", "dbo.t");
    expect(await run(session, changes(0n))).toEqual([]);
  });
});

describe("change data capture", () => {
  function captured(): SqlServerDatabase {
    const database = plant();
    database.dataCapture.enable();
    database.dataCapture.enableTable(database.storage.table("t"));
    return database;
  }

  const all = `DECLARE @from binary(10) = sys.fn_cdc_get_min_lsn('dbo_t'), @to binary(10) = sys.fn_cdc_get_max_lsn();
    SELECT __$operation, id, n FROM cdc.fn_cdc_get_all_changes_dbo_t(@from, @to, N'all') ORDER BY __$start_lsn, __$seqval`;

  test("every image in commit order, one LSN for all rows of a transaction", async () => {
    const database = captured();
    const session = open(database);
    const late = database.begin();
    late.insert("t", { id: 9, n: 0 });
    database.insert("t", { id: 1, n: 0 }, { id: 2, n: 0 });
    database.update("t", { id: 1 }, { n: 5 });
    late.commit();
    database.delete("t", { id: 2 });
    expect(await run(session, all)).toEqual([
      [2, 1, 0],
      [2, 2, 0],
      [4, 1, 5],
      [2, 9, 0],
      [1, 2, 0],
    ]);
    expect(await run(session, "SELECT COUNT(DISTINCT __$start_lsn), COUNT(*) FROM cdc.dbo_t_CT")).toEqual([
      [4, 6],
    ]);
  });

  test("a job that stands still, and clean-up behind a reader", async () => {
    const database = captured();
    const session = open(database);
    database.dataCapture.isJobRunning = false;
    database.insert("t", { id: 1, n: 0 });
    expect(await run(session, "SELECT sys.fn_cdc_get_max_lsn()")).toEqual([[null]]);
    database.dataCapture.capture();
    expect(await run(session, all)).toEqual([[2, 1, 0]]);
    const [[old]] = (await run(session, "SELECT CONVERT(varchar(22), sys.fn_cdc_get_max_lsn(), 1)")) as [
      [string],
    ];
    database.dataCapture.isJobRunning = true;
    database.insert("t", { id: 2, n: 0 });
    database.dataCapture.cleanUp();
    const text = `SELECT id FROM cdc.fn_cdc_get_all_changes_dbo_t(CONVERT(binary(10), '${old}', 1), sys.fn_cdc_get_max_lsn(), N'all')`;
    await expect(run(session, text)).rejects.toMatchObject({ number: 313 });
  });
});

describe("a restore", () => {
  test("brings rows, rowversions and tracked versions back to what they were", async () => {
    const database = plant();
    database.changeTracking.enable();
    database.changeTracking.enableTable(database.storage.table("t"));
    const session = open(database);
    database.insert("t", { id: 1, n: 1 }, { id: 2, n: 1 });
    const fork = database.recoveryFork;
    const state =
      "SELECT MAX(CONVERT(varchar(18), rv, 1)), SUM(n), COUNT(*), CHANGE_TRACKING_CURRENT_VERSION() FROM t";
    const before = await run(session, state);
    const restore = database.backUp();
    database.update("t", { id: 1 }, { n: 9 });
    database.delete("t", { id: 2 });
    database.insert("t", { id: 3, n: 3 });
    expect(await run(session, state)).not.toEqual(before);
    restore();
    expect(await run(session, state)).toEqual(before);
    expect(await run(session, "SELECT n FROM t WHERE id = 1")).toEqual([[1]]);
    expect(database.recoveryFork).not.toBe(fork);
    database.update("t", { id: 2 }, { n: 5 });
    expect(await run(session, "SELECT id FROM t WHERE n = 5")).toEqual([[2]]);
  });
});

describe("generated tables", () => {
  test("millions of rows, read by ranges of the key in a page's time", async () => {
    const database = new SqlServerDatabase();
    database.createTable({
      name: "big",
      columns: [
        { name: "id", type: "int" },
        { name: "name", type: "nvarchar(20)" },
      ],
      primaryKey: ["id"],
      generated: { rows: 10_000_000, row: (place) => [place * 2, `row ${place}`] },
    });
    const session = open(database);
    expect(
      await run(session, "SELECT TOP (2) [id], [name] FROM [dbo].[big] WHERE [id] > 9999999 ORDER BY [id]"),
    ).toEqual([
      [10_000_000, "row 5000000"],
      [10_000_002, "row 5000001"],
    ]);
    expect(database.log.rowsRead).toBeLessThan(5);
    expect(await run(session, "SELECT COUNT(*) FROM big WHERE id IN (4, 5, 6)")).toEqual([[2]]);
  });
});
