// The real thin driver logs in to the Oracle server of the tests, runs statements, fetches, and ends transactions.
import oracledb from "oracledb";
import { describe, expect, it } from "vitest";
import { DatabaseError, type DbType } from "../sql-engine/session.ts";
import { changed, rowsOf } from "./scripted-database.ts";
import { failureOf, startTns } from "./tns-fixture.ts";

const NUMBER: DbType = { kind: "number" };
const text = (length: number): DbType => ({ kind: "varchar", length });

describe("queries", () => {
  it("give rows and what their columns are", async () => {
    const { database, server, connect } = await startTns();
    database.on(/^SELECT/, () =>
      rowsOf({ ID: { kind: "number", precision: 10, scale: 2 }, NAME: text(20), SPARE: text(5) }, [
        ["1", "Pump", null],
        ["2.5", null, null],
      ]),
    );
    const connection = await connect();
    const { rows, metaData } = await connection.execute("SELECT ID, NAME, SPARE FROM ASSET");
    expect(rows).toEqual([
      [1, "Pump", null],
      [2.5, null, null],
    ]);
    expect(metaData).toMatchObject([
      { name: "ID", dbTypeName: "NUMBER", precision: 10, scale: 2, nullable: true },
      { name: "NAME", dbTypeName: "VARCHAR2", byteSize: 20 },
      { name: "SPARE", dbTypeName: "VARCHAR2", byteSize: 5 },
    ]);
    expect(connection.oracleServerVersionString).toBe("12.1.0.2.0");
    expect(server.troubles).toEqual([]);
    expect(server.statements).toEqual(["SELECT ID, NAME, SPARE FROM ASSET"]);
  });

  it("fetch 5,000 rows over many round trips, with columns that repeat", async () => {
    const { database, server, connect } = await startTns();
    const all = Array.from({ length: 5_003 }, (_, index) => [
      String(index),
      "same for all",
      index % 7 === 0 ? null : `group ${Math.floor(index / 100)}`,
      Buffer.of(index >> 12),
    ]);
    database.on(/^SELECT/, () =>
      rowsOf({ ID: NUMBER, A: text(20), B: text(20), C: { kind: "raw", length: 4 } }, all),
    );
    const connection = await connect();
    for (const fetchArraySize of [7, 100, 5_003]) {
      const { rows } = await connection.execute("SELECT * FROM WO", [], { fetchArraySize });
      expect(rows?.map((row) => (row as unknown[]).map((value) => value))).toEqual(
        all.map(([id, a, b, c]) => [Number(id), a, b, c]),
      );
    }
    expect(server.connections[0]?.calls.get("fetch")).toBeGreaterThan(700);
  });

  it("say that they are at their end when less comes than was asked for", async () => {
    const { database, server, connect } = await startTns();
    database.on(/^SELECT (\d+)/, () =>
      rowsOf(
        { N: NUMBER },
        Array.from({ length: 100 }, () => ["1"]),
      ),
    );
    const fetches = async (fetchArraySize: number): Promise<number | undefined> => {
      const connection = await connect();
      await connection.execute("SELECT 1", [], { fetchArraySize, prefetchRows: fetchArraySize });
      return server.connections.at(-1)?.calls.get("fetch");
    };
    expect(await fetches(100)).toBe(1);
    expect(await fetches(101)).toBeUndefined();
    expect(await fetches(30)).toBe(3);
  });

  it("run again on their cursor, also with other columns than before", async () => {
    const { database, server, connect } = await startTns();
    let round = 0;
    database.on(/^SELECT/, (parameters) => {
      round += 1;
      const bound = parameters.get("X") ?? null;
      return round < 3
        ? rowsOf({ X: NUMBER }, [[bound]])
        : rowsOf({ Y: text(9), X: NUMBER }, [["new", bound]]);
    });
    const connection = await connect();
    const run = async (x: number): Promise<unknown> =>
      (await connection.execute("SELECT :x FROM T", { x })).rows;
    expect(await run(1)).toEqual([[1]]);
    expect(await run(-22)).toEqual([[-22]]);
    expect(await run(3)).toEqual([["new", 3]]);
    expect(await run(4)).toEqual([["new", 4]]);
    expect(server.connections[0]?.session?.openCursors).toBe(1);
  });

  it("close cursors that the driver no longer keeps", async () => {
    const { database, server, connect } = await startTns();
    database.on(/^SELECT/, () => rowsOf({ N: NUMBER }, [["1"], ["2"], ["3"], ["4"]]));
    const connection = await connect({ stmtCacheSize: 3 });
    for (let index = 0; index < 20; index += 1) await connection.execute(`SELECT ${index} FROM T`);
    expect(server.connections[0]?.session?.openCursors).toBeLessThanOrEqual(4);
  });

  it("stream, and may be left in the middle", async () => {
    const { database, connect } = await startTns();
    const rows = Array.from({ length: 500 }, (_, index) => [String(index)]);
    database.on(/^SELECT/, () => rowsOf({ N: NUMBER }, rows));
    const connection = await connect();
    const { resultSet } = await connection.execute("SELECT N FROM T", [], {
      resultSet: true,
      prefetchRows: 10,
      fetchArraySize: 10,
    });
    expect(await resultSet?.getRows(25)).toHaveLength(25);
    await resultSet?.close();
    expect((await connection.execute("SELECT N FROM T")).rows).toHaveLength(500);
  });

  it("carry long statements, long texts, and packets of any size", async () => {
    const long = "Ünïcode 漢字 😀 ".repeat(150);
    for (const sdu of [512, 8_192, 65_535]) {
      const { database, server, connect } = await startTns({ sdu });
      database.on(/^SELECT/, (parameters) =>
        rowsOf({ A: text(4_000), B: text(4_000) }, [[long, parameters.get("V") ?? null]]),
      );
      const connection = await connect();
      const sql = `SELECT /* ${"comment ".repeat(9_000)} */ A, :v FROM T`;
      const { rows } = await connection.execute(sql, { v: long });
      expect(rows).toEqual([[long, long]]);
      expect(database.statements[0]?.text).toBe(sql);
      expect(server.troubles).toEqual([]);
    }
  });

  it("say what columns they would have without running them", async () => {
    const { database, connect } = await startTns();
    database.on(/^SELECT/, () => rowsOf({ N: NUMBER }, []));
    const connection = await connect();
    const info = await connection.getStatementInfo("SELECT N FROM T WHERE A = :a");
    expect(info.metaData?.map(({ name }) => name)).toEqual(["N"]);
    expect(info.bindNames).toEqual(["A"]);
  });
});

describe("statements that write", () => {
  it("take binds by name and position and count rows", async () => {
    const { database, connect } = await startTns();
    database.on(/^(?:UPDATE|INSERT)/, () => changed(3));
    const connection = await connect();
    const named = await connection.execute("UPDATE WO SET A = :a, B = :b WHERE C = :a", { a: "x", b: 12 });
    expect(named.rowsAffected).toBe(3);
    await connection.execute("INSERT INTO WO VALUES (:1, ':no', :2) -- :3", [null, -0.25]);
    expect(
      database.statements.map(({ parameters }) => parameters.map(({ name, value }) => [name, value])),
    ).toEqual([
      [
        ["A", "x"],
        ["B", "12"],
      ],
      [
        ["1", null],
        ["2", "-0.25"],
      ],
    ]);
  });

  it("run many rows at once, with counts and errors of each", async () => {
    const { database, connect } = await startTns();
    database.on(/^INSERT/, (parameters) => {
      if (parameters.get("2") === "bad") throw new DatabaseError(1, "unique constraint (A.PK) violated");
      return changed(1);
    });
    const connection = await connect();
    const rows = [
      [1, "good"],
      [2, "bad"],
      [3, "good too"],
    ];
    const sql = "INSERT INTO WO VALUES (:1, :2)";
    const many = await connection.executeMany(sql, rows, { batchErrors: true, dmlRowCounts: true });
    expect(many.rowsAffected).toBe(2);
    expect(many.dmlRowCounts).toEqual([1, 0, 1]);
    expect(many.batchErrors?.map((error) => [error.offset, error.message])).toEqual([
      [1, expect.stringContaining("ORA-00001: unique constraint")],
    ]);
    const failure = await failureOf(connection.executeMany(sql, rows));
    expect(failure.errorNum).toBe(1);
  });

  it("give values back by RETURNING and from blocks", async () => {
    const { database, connect } = await startTns();
    database
      .on(/^INSERT/, () => ({ ...changed(1), outputs: new Map([["NEWID", { type: NUMBER, value: "42" }]]) }))
      .on(/^BEGIN/, (parameters) => ({
        ...changed(0),
        outputs: new Map([
          ["RESULT", { type: text(30), value: `done ${String(parameters.get("ID"))}` }],
          ["COUNT", { type: NUMBER, value: String(Number(parameters.get("COUNT")) + 1) }],
        ]),
      }));
    const connection = await connect();
    const inserted = await connection.execute("INSERT INTO WO (A) VALUES (:a) RETURNING ID INTO :newid", {
      a: "x",
      newid: { dir: oracledb.BIND_OUT, type: oracledb.NUMBER },
    });
    expect(inserted.outBinds).toEqual({ newid: [42] });
    for (const count of [5, 6, 7]) {
      const called = await connection.execute("BEGIN P.CLOSE(:id, :result, :count); END;", {
        id: 7,
        result: { dir: oracledb.BIND_OUT, type: oracledb.STRING, maxSize: 100 },
        count: { dir: oracledb.BIND_INOUT, type: oracledb.NUMBER, val: count },
      });
      expect(called.outBinds).toEqual({ result: "done 7", count: count + 1 });
    }
    expect(database.statements.at(-1)?.parameters.map(({ value }) => value)).toEqual(["7", null, "7"]);
  });

  it("commit and roll back, on demand, at once, and when a session goes back to its pool", async () => {
    const { database, connect, pool } = await startTns();
    database.on(/^UPDATE/, () => changed(1));
    const connection = await connect();
    const seen = (): string[] => database.statements.splice(0).map(({ text }) => text);
    await connection.execute("UPDATE A");
    expect(connection.transactionInProgress).toBe(true);
    await connection.commit();
    expect(connection.transactionInProgress).toBe(false);
    await connection.execute("UPDATE A");
    await connection.rollback();
    await connection.execute("UPDATE A", [], { autoCommit: true });
    expect(connection.transactionInProgress).toBe(false);
    expect(seen()).toEqual(["UPDATE A", "COMMIT", "UPDATE A", "ROLLBACK", "UPDATE A", "COMMIT"]);
    const connections = await pool({ poolMin: 1, poolMax: 1 });
    const borrowed = await connections.getConnection();
    await borrowed.execute("UPDATE A");
    await borrowed.close();
    expect(seen()).toEqual(["UPDATE A", "ROLLBACK"]);
  });
});

describe("errors and sessions", () => {
  it("tell the database's number and text and leave the session usable", async () => {
    const { database, connect } = await startTns();
    database
      .on(/NOPE/, () => {
        throw new DatabaseError(942, "table or view does not exist");
      })
      .on(/GOOD/, () => rowsOf({ N: NUMBER }, [["1"]]));
    const connection = await connect();
    for (let round = 0; round < 3; round += 1) {
      const failure = await failureOf(connection.execute("SELECT * FROM NOPE"));
      expect(failure).toMatchObject({ errorNum: 942, code: "ORA-00942" });
      expect(failure.message).toContain("ORA-00942: table or view does not exist");
    }
    expect((await failureOf(connection.execute("SELECT 1 FROM UNKNOWN"))).message).toContain(
      "SELECT 1 FROM UNKNOWN",
    );
    expect((await connection.execute("SELECT * FROM GOOD")).rows).toEqual([[1]]);
  });

  it("take what a client says of itself", async () => {
    const { database, server, connect } = await startTns();
    database.on(/^ALTER SESSION/, () => changed(0)).on(/^SELECT/, () => rowsOf({ N: NUMBER }, [["1"]]));
    const connection = await connect();
    connection.module = "millrace";
    connection.action = "snapshot";
    connection.clientInfo = "agent 7";
    connection.clientId = "plant";
    connection.currentSchema = "MAXIMO";
    expect((await connection.execute("SELECT N FROM T")).rows).toEqual([[1]]);
    expect(server.connections[0]?.session?.attributes).toMatchObject({
      module: "millrace",
      action: "snapshot",
      clientInfo: "agent 7",
      clientIdentifier: "plant",
      currentSchema: "MAXIMO",
    });
    expect(database.statements[0]?.text).toBe("ALTER SESSION SET CURRENT_SCHEMA = MAXIMO");
    await connection.ping();
    expect(server.connections[0]?.calls.get("ping")).toBe(1);
  });

  it("are shared by a pool, and end with it", async () => {
    const { database, server, pool } = await startTns();
    database.on(/^SELECT/, () => rowsOf({ N: NUMBER }, [["1"]]));
    const connections = await pool({ poolMin: 2, poolMax: 4, poolIncrement: 1 });
    const work = async (): Promise<unknown> => {
      const connection = await connections.getConnection();
      try {
        return (await connection.execute("SELECT N FROM T")).rows;
      } finally {
        await connection.close();
      }
    };
    expect(await Promise.all(Array.from({ length: 30 }, work))).toEqual(
      Array.from({ length: 30 }, () => [[1]]),
    );
    expect(server.accepted).toBeLessThanOrEqual(4);
    await connections.close(0);
    await expect.poll(() => server.connections).toEqual([]);
    expect(database.closedSessions).toBe(server.accepted);
  });
});
