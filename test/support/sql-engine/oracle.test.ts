// Oracle's side of the engine: change numbers, looks into the past, view logs, its own idea of texts and numbers.
import { describe, expect, test } from "vitest";
import { OracleDatabase, OWNER_PASSWORD } from "./oracle.ts";
import type { BoundParameter, DatabaseSession, DbValue } from "./session.ts";
import { randomFrom, RandomWriters } from "./writers.ts";

const never = new AbortController().signal;

function logIn(database: OracleDatabase, user = "APP", password: string = OWNER_PASSWORD): DatabaseSession {
  return database.logIn({
    user,
    password,
    database: "erp.plant",
    applicationName: "test",
    isReadOnlyIntent: false,
  });
}

function binds(...values: readonly DbValue[]): readonly BoundParameter[] {
  return values.map((value, at) => ({
    name: String(at + 1),
    type: { kind: "varchar", length: 4000 },
    value,
  }));
}

async function rows(session: DatabaseSession, text: string, ...values: readonly DbValue[]): Promise<unknown> {
  const { sets } = await session.execute(text, binds(...values), never);
  return sets.at(-1)?.rows;
}

function plant(): OracleDatabase {
  const database = new OracleDatabase();
  database.createTable({
    name: "PO",
    columns: [
      { name: "PONUM", type: "VARCHAR2(10)" },
      { name: "STATUS", type: "CHAR(6)" },
      { name: "TOTAL", type: "NUMBER(12,2)" },
      { name: "CHANGED", type: "DATE" },
    ],
    primaryKey: ["PONUM"],
    rowDependencies: true,
  });
  database.rights.add({ user: "READER", password: "reads" });
  return database;
}

describe("values", () => {
  test.each([
    ["TO_CHAR(0.5)", ".5"],
    ["1/3", "0.33333333333333333333333333333333333333"],
    ["TO_NUMBER('1234567890123456789012345678.9012345678')", "1234567890123456789012345678.9012345678"],
    ["NVL('', 'empty')", "empty"],
    ["'a' || NULL || 'b'", "ab"],
    ["CASE WHEN 'a' = 'a ' THEN 1 ELSE 0 END", "1"],
    ["CASE WHEN CAST('a' AS VARCHAR2(5)) = CAST('a ' AS VARCHAR2(5)) THEN 1 ELSE 0 END", "0"],
    ["CASE WHEN 'a' = 'A' THEN 1 ELSE 0 END", "0"],
    ["LTRIM(TO_CHAR(DATE '2024-06-01', 'SYYYY-MM-DD HH24:MI:SS'))", "2024-06-01 00:00:00"],
    ["TO_CHAR(TO_DATE('2024-06-01 10:11:12', 'SYYYY-MM-DD HH24:MI:SS') + 1/24, 'HH24:MI')", "11:11"],
    [
      `TO_CHAR(SYS_EXTRACT_UTC(TIMESTAMP '2024-06-01 10:00:00.123456 +02:00'), 'YYYY-MM-DD HH24:MI:SS.FF6"Z"')`,
      "2024-06-01 08:00:00.123456Z",
    ],
    [
      "TO_CHAR(FROM_TZ(TO_TIMESTAMP('2024-06-01 10:00:00.1', 'SYYYY-MM-DD HH24:MI:SS.FF'), '+02:00'), 'HH24:MI:SS.FF3TZH:TZM')",
      "10:00:00.100+02:00",
    ],
    ["TRUNC(TO_DATE('01-JUN-24') + 0.6) - TO_DATE('01-JUN-24')", "0"],
    ["RAWTOHEX(HEXTORAW('00FF'))", "00FF"],
    ["DECODE(NULL, NULL, 'same', 'other')", "same"],
  ])("%s", async (expression, expected) => {
    expect(await rows(logIn(new OracleDatabase()), `SELECT ${expression} FROM DUAL`)).toEqual([[expected]]);
  });

  test("text that is no date in the session's format is refused", async () => {
    const database = plant();
    database.insert("PO", { PONUM: "1", CHANGED: "2020-01-01 00:00:00" });
    const session = logIn(database);
    await expect(rows(session, "SELECT * FROM PO WHERE CHANGED > '2024-01-01'")).rejects.toMatchObject({
      number: 1861,
    });
    await session.execute("ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD' TIME_ZONE = '+00:00'", [], never);
    expect(await rows(session, "SELECT * FROM PO WHERE CHANGED > '2024-01-01'")).toEqual([]);
  });
});

describe("statements", () => {
  test("pages, binds, ROWNUM, quoted names, list of rows", async () => {
    const database = plant();
    const session = logIn(database);
    for (const ponum of ["3", "1", "2"])
      await session.execute(`INSERT INTO po (ponum, total) VALUES ('${ponum}', ${ponum}.50)`, [], never);
    await session.execute("COMMIT", [], never);
    const text = `SELECT "PONUM", "TOTAL" FROM "APP"."PO" WHERE "PONUM" > :1 ORDER BY "PONUM" FETCH FIRST 5 ROWS ONLY`;
    expect(await rows(session, text, "1")).toEqual([
      ["2", "2.5"],
      ["3", "3.5"],
    ]);
    expect(
      await rows(session, "SELECT * FROM (SELECT ponum FROM po ORDER BY ponum DESC) WHERE ROWNUM <= 2"),
    ).toEqual([["3"], ["2"]]);
    expect(
      await rows(session, "SELECT COUNT(*) FROM po WHERE (ponum, total) IN ((:1, 1.5), ('2', 9))", "1"),
    ).toEqual([["1"]]);
    await expect(rows(session, 'SELECT "ponum" FROM po')).rejects.toMatchObject({ number: 904 });
    await expect(rows(session, "SELECT ponum, total FROM po GROUP BY total")).rejects.toMatchObject({
      number: 979,
    });
    await expect(rows(session, "SELECT 1 FROM po WHERE TO_CLOB(ponum) = 'x'")).rejects.toMatchObject({
      number: 932,
    });
    await expect(rows(session, "ALTER SESSION SET FROBNICATION = 1")).rejects.toMatchObject({ number: 2248 });
    await expect(rows(session, "SELECT 1 FROM nowhere")).rejects.toMatchObject({ number: 942 });
  });

  test("blocks with calls, OUT binds, RETURNING and sequences", async () => {
    const database = plant();
    database.sequences.set("PO_SEQ", 7n);
    const out: unknown[] = [];
    database.defineProcedure("po_api.approve", ({ parameters }) => {
      out.push(...parameters.map(({ value }) => value));
      return {
        sets: [],
        rowsAffected: 0,
        outputs: new Map([["2", { type: { kind: "number" }, value: "42" }]]),
      };
    });
    const session = logIn(database);
    const called = await session.execute("BEGIN po_api.approve(:1, :2); END;", binds("8", null), never);
    expect(out).toEqual(["8", null]);
    expect(called.outputs?.get("2")?.value).toBe("42");
    const text = "INSERT INTO po (ponum, status) VALUES (PO_SEQ.NEXTVAL, 'NEW') RETURNING ponum INTO :ponum";
    const ponum: BoundParameter = { name: "ponum", type: { kind: "varchar", length: 10 }, value: null };
    const inserted = await session.execute(text, [ponum], never);
    expect(inserted.outputs?.get("ponum")?.value).toBe("8");
    expect(session.isInTransaction).toBe(true);
    await session.execute("ROLLBACK", [], never);
    expect(await rows(session, "SELECT COUNT(*) FROM po")).toEqual([["0"]]);
  });

  test("FOR UPDATE holds rows against other writers", async () => {
    const database = plant();
    database.insert("PO", { PONUM: "1" }, { PONUM: "2" });
    const [holder, other] = [logIn(database), logIn(database)];
    expect(await rows(holder, "SELECT ponum FROM po WHERE ponum = '1' FOR UPDATE")).toEqual([["1"]]);
    expect(await rows(other, "SELECT ponum FROM po WHERE ponum = '1'")).toEqual([["1"]]);
    await expect(
      rows(other, "SELECT ponum FROM po WHERE ponum = '1' FOR UPDATE NOWAIT"),
    ).rejects.toMatchObject({ number: 54 });
    const waiting = other.execute("UPDATE po SET status = 'APPR' WHERE ponum = '1'", [], never);
    await expect.poll(() => database.waitingSessions).toBe(1);
    await holder.execute("COMMIT", [], never);
    expect((await waiting).rowsAffected).toBe(1);
  });

  test("rights: a table is not there until something is granted", async () => {
    const database = plant();
    const reader = logIn(database, "reader", "reads");
    await expect(rows(reader, "SELECT 1 FROM APP.PO")).rejects.toMatchObject({ number: 942 });
    expect(await rows(reader, "SELECT TABLE_NAME FROM ALL_TABLES")).toEqual([]);
    const owner = logIn(database);
    await owner.execute("GRANT SELECT ON PO TO READER", [], never);
    expect(await rows(reader, "SELECT 1 FROM APP.PO")).toEqual([]);
    await expect(rows(reader, "SELECT 1 FROM APP.PO AS OF SCN 1")).rejects.toMatchObject({ number: 1031 });
    await expect(
      rows(reader, "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL"),
    ).rejects.toMatchObject({ number: 904 });
    await expect(rows(reader, "SELECT CURRENT_SCN FROM V$DATABASE")).rejects.toMatchObject({ number: 942 });
    await owner.execute("GRANT EXECUTE ON SYS.DBMS_FLASHBACK TO READER", [], never);
    expect(await rows(reader, "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL")).toEqual([
      [String(database.scn)],
    ]);
    await owner.execute("REVOKE SELECT ON PO FROM READER", [], never);
    await expect(rows(reader, "SELECT 1 FROM APP.PO")).rejects.toMatchObject({ number: 942 });
  });
});

describe("the past", () => {
  test("AS OF SCN shows the rows as they were, until undo is gone", async () => {
    const database = plant();
    const session = logIn(database);
    database.insert("PO", { PONUM: "1", STATUS: "NEW" });
    const then = database.scn;
    database.update("PO", { PONUM: "1" }, { STATUS: "APPR" });
    database.insert("PO", { PONUM: "2", STATUS: "NEW" });
    const text = (scn: number): string =>
      `SELECT PONUM, STATUS FROM "APP"."PO" AS OF SCN ${scn} ORDER BY PONUM`;
    expect(await rows(session, text(then))).toEqual([["1", "NEW   "]]);
    expect(await rows(session, text(database.scn))).toHaveLength(2);
    database.shrinkUndo();
    await expect(rows(session, text(then))).rejects.toMatchObject({ number: 1555 });
    await expect(rows(session, text(database.scn + 9))).rejects.toMatchObject({ number: 8181 });
    await session.execute("ALTER TABLE PO ADD (NOTE VARCHAR2(10))", [], never);
    await expect(rows(session, text(database.scn - 1))).rejects.toMatchObject({ number: 1466 });
  });

  test("a read-only transaction stands still, and sees 1555 once its undo is gone", async () => {
    const database = plant();
    const session = logIn(database);
    database.insert("PO", { PONUM: "1" });
    await session.execute("SET TRANSACTION READ ONLY", [], never);
    database.insert("PO", { PONUM: "2" });
    expect(await rows(session, "SELECT COUNT(*) FROM PO")).toEqual([["1"]]);
    await expect(session.execute("DELETE FROM PO", [], never)).rejects.toMatchObject({ number: 1456 });
    database.shrinkUndo();
    await expect(rows(session, "SELECT COUNT(*) FROM PO")).rejects.toMatchObject({ number: 1555 });
    await session.execute("COMMIT", [], never);
    expect(await rows(session, "SELECT COUNT(*) FROM PO")).toEqual([["2"]]);
  });

  test("versions between two change numbers: operations, deletes, late commits at their commit", async () => {
    const database = plant();
    const session = logIn(database);
    const late = database.begin();
    late.insert("PO", { PONUM: "LATE" });
    database.insert("PO", { PONUM: "1" }, { PONUM: "2" });
    const from = database.scn;
    database.update("PO", { PONUM: "1" }, { STATUS: "APPR" });
    database.delete("PO", { PONUM: "2" });
    late.commit();
    const text = `SELECT PONUM, VERSIONS_OPERATION FROM PO VERSIONS BETWEEN SCN TO_NUMBER(:1) AND TO_NUMBER(:2)
      WHERE VERSIONS_STARTSCN > TO_NUMBER(:3) ORDER BY VERSIONS_STARTSCN`;
    const read = (low: number): Promise<unknown> =>
      rows(session, text, String(low), String(database.scn), String(low));
    expect(await read(from)).toEqual([
      ["1", "U"],
      ["2", "D"],
      ["LATE", "I"],
    ]);
    database.shrinkUndo();
    await expect(read(from)).rejects.toMatchObject({ number: 30052 });
  });

  test("ORA_ROWSCN is the commit of the row, or of its block", async () => {
    const database = plant();
    database.createTable({ name: "LOOSE", columns: [{ name: "ID", type: "NUMBER" }], primaryKey: ["ID"] });
    const session = logIn(database);
    const late = database.begin();
    late.insert("PO", { PONUM: "LATE" });
    database.insert("PO", { PONUM: "1" });
    database.insert("LOOSE", { ID: 1 }, { ID: 2 });
    const from = String(database.scn);
    expect(await rows(session, "SELECT PONUM FROM PO WHERE ORA_ROWSCN > TO_NUMBER(:1)", from)).toEqual([]);
    late.commit();
    database.update("LOOSE", { ID: 2 }, { ID: 3 });
    expect(await rows(session, "SELECT PONUM FROM PO WHERE ORA_ROWSCN > TO_NUMBER(:1)", from)).toEqual([
      ["LATE"],
    ]);
    expect(
      await rows(session, "SELECT ID FROM LOOSE WHERE ORA_ROWSCN > TO_NUMBER(:1) ORDER BY ID", from),
    ).toEqual([["1"], ["3"]]);
  });
});

describe("random writers", () => {
  test("what was committed after a change number, read at each poll, adds up to what stands there in the end", async () => {
    const database = plant();
    database.createTable({
      name: "N",
      columns: [
        { name: "ID", type: "NUMBER" },
        { name: "V", type: "NUMBER" },
      ],
      primaryKey: ["ID"],
      rowDependencies: true,
    });
    const session = logIn(database);
    const writers = new RandomWriters({
      database,
      table: "N",
      key: "ID",
      values: (step) => ({ V: step }),
      random: randomFrom(7),
      keys: 15,
    });
    const replica = new Map<DbValue, DbValue>();
    let since = String(database.scn);
    for (let poll = 0; poll < 40; poll += 1) {
      writers.steps(7);
      if (poll === 39) writers.finish();
      const to = String(database.scn);
      const { sets } = await session.execute(
        "SELECT ID, V FROM N WHERE ORA_ROWSCN > TO_NUMBER(:1)",
        binds(since),
        never,
      );
      for (const [id, value] of sets[0]?.rows ?? []) replica.set(id!, value!);
      since = to;
    }
    expect(writers.lateCommits).toBeGreaterThan(3);
    expect(writers.openTransactions).toBe(0);
    const { sets } = await session.execute("SELECT ID, V FROM N", [], never);
    for (const [id, value] of sets[0]!.rows) expect([id, replica.get(id!)]).toEqual([id, value]);
    expect(sets[0]!.rows.length).toBeGreaterThan(5);
  });
});

describe("materialized view logs", () => {
  test("are filled within the writer's transaction, deletes and changed keys included", async () => {
    const database = plant();
    database.createViewLog("PO", { sequence: true });
    const session = logIn(database);
    const read = (): Promise<unknown> =>
      rows(session, "SELECT PONUM, DMLTYPE$$ FROM MLOG$_PO ORDER BY SEQUENCE$$");
    const late = database.begin();
    late.insert("PO", { PONUM: "LATE" });
    database.insert("PO", { PONUM: "1" });
    database.update("PO", { PONUM: "1" }, { STATUS: "APPR" });
    database.update("PO", { PONUM: "1" }, { PONUM: "1A" });
    database.delete("PO", { PONUM: "1A" });
    const undone = database.begin();
    undone.insert("PO", { PONUM: "NO" });
    undone.rollback();
    expect(await read()).toEqual([
      ["1", "I"],
      ["1", "U"],
      ["1", "D"],
      ["1A", "I"],
      ["1A", "D"],
    ]);
    late.commit();
    expect(await read()).toHaveLength(6);
    database.purgeViewLog("PO");
    expect(await read()).toEqual([]);
    expect(await rows(session, "SELECT LOG_TABLE, MASTER FROM ALL_MVIEW_LOGS")).toEqual([["MLOG$_PO", "PO"]]);
  });
});
