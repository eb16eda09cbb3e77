// Each way in which the server can go wrong, as the real thin driver sees it.
import { describe, expect, it } from "vitest";
import { DatabaseError, type StatementResult } from "../sql-engine/session.ts";
import { changed, rowsOf } from "./scripted-database.ts";
import { failureOf, startTns, type TnsFixture } from "./tns-fixture.ts";

const MANY = Array.from({ length: 2_000 }, (_, index) => [String(index), `row ${index}`]);

async function startWithRows(): Promise<TnsFixture> {
  const fixture = await startTns();
  fixture.database
    .on(/^SELECT N, T/, () => rowsOf({ N: { kind: "number" }, T: { kind: "varchar", length: 20 } }, MANY))
    .on(/^SELECT 1/, () => rowsOf({ N: { kind: "number" } }, [["1"]]))
    .on(/^UPDATE/, () => changed(1))
    .on(/^SELECT SLOW/, async (_, signal) => await untilAborted(signal));
  return fixture;
}

function untilAborted(signal: AbortSignal): Promise<StatementResult> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

const SELECT = "SELECT N, T FROM WO";
const inPieces = { fetchArraySize: 100, prefetchRows: 100 };

describe("cancelling", () => {
  it("ends a statement that takes too long, and the session goes on", async () => {
    const { connect } = await startWithRows();
    const connection = await connect();
    for (let round = 0; round < 3; round += 1) {
      connection.callTimeout = 50;
      const failure = await failureOf(connection.execute("SELECT SLOW FROM T"));
      expect(failure.code).toBe("NJS-123");
      connection.callTimeout = 0;
      expect((await connection.execute("SELECT 1 FROM DUAL")).rows).toEqual([[1]]);
    }
  });

  it("by break gives ORA-01013, whatever failed before", async () => {
    const { server, connect } = await startWithRows();
    const connection = await connect();
    server.faults.fail(942, "table or view does not exist");
    expect(await failureOf(connection.execute("SELECT 1 FROM DUAL"))).toMatchObject({ errorNum: 942 });
    const failing = failureOf(connection.execute("SELECT SLOW FROM T"));
    await expect.poll(() => server.statements).toHaveLength(2);
    await connection.break();
    expect(await failing).toMatchObject({ errorNum: 1013 });
    expect((await connection.execute("SELECT 1 FROM DUAL")).rows).toEqual([[1]]);
  });

  it("ends a slow answer", async () => {
    const { server, connect } = await startWithRows();
    const connection = await connect();
    server.faults.plan({ kind: "delay", delayMs: 600_000 }, { call: "fetch", skip: 1 });
    connection.callTimeout = 500;
    expect((await failureOf(connection.execute(SELECT, [], inPieces))).code).toBe("NJS-123");
    expect(server.connections[0]?.calls.get("fetch")).toBe(2);
    connection.callTimeout = 0;
    expect((await connection.execute(SELECT, [], inPieces)).rows).toHaveLength(2_000);
    expect(server.faults.planned).toBe(0);
  });

  it("while rows come: the rest of the answer is passed over", async () => {
    const { server, connect } = await startWithRows();
    const connection = await connect();
    const failing = failureOf(connection.execute(SELECT, [], { fetchArraySize: 1, prefetchRows: 1 }));
    await expect.poll(() => server.connections[0]?.calls.get("fetch") ?? 0).toBeGreaterThan(3);
    await connection.break();
    expect(await failing).toMatchObject({ errorNum: 1013 });
    expect((await connection.execute("SELECT 1 FROM DUAL")).rows).toEqual([[1]]);
  });

  it("may go unanswered: the driver then waits until its line is cut", async () => {
    const { server, connect } = await startWithRows();
    const connection = await connect();
    server.faults.doesIgnoreBreaks = true;
    connection.callTimeout = 20;
    let isOver = false;
    const failing = failureOf(connection.execute("SELECT SLOW FROM T")).finally(() => {
      isOver = true;
    });
    await expect.poll(() => server.statements).toHaveLength(1);
    // A second session gets through meanwhile, several times: the first one still hangs.
    const other = await connect();
    for (let round = 0; round < 20; round += 1) await other.execute("SELECT 1 FROM DUAL");
    expect(isOver).toBe(false);
    server.faults.cutConnections();
    expect((await failing).code).toBe("NJS-500");
  });
});

describe("the line", () => {
  it("is cut at any byte of an answer", async () => {
    const { server, connect } = await startWithRows();
    for (const afterBytes of [0, 1, 5, 8, 9, 10, 11, 40, 200, 8_191, 8_192, 8_193, 12_000]) {
      const connection = await connect();
      server.faults.plan({ kind: "cut", afterBytes }, { statement: /FROM WO/ });
      const failure = await failureOf(
        connection.execute(SELECT, [], { fetchArraySize: 2_000, prefetchRows: 2_000 }),
      );
      expect(failure.code).toBe("NJS-500");
      expect(connection.isHealthy()).toBe(false);
    }
    expect((await (await connect()).execute(SELECT)).rows).toHaveLength(2_000);
  });

  it("is cut before or after a commit took place", async () => {
    const { database, server, connect } = await startWithRows();
    for (const [fault, commits] of [
      [{ kind: "drop" }, 0],
      [{ kind: "cut", afterBytes: 0 }, 1],
    ] as const) {
      const connection = await connect();
      await connection.execute("UPDATE WO");
      server.faults.plan(fault, { call: "commit" });
      expect((await failureOf(connection.commit())).code).toBe("NJS-500");
      expect(database.statements.splice(0).filter(({ text }) => text === "COMMIT")).toHaveLength(commits);
    }
  });

  it("is half-open: nothing comes, nothing closes", async () => {
    const { server, connect } = await startWithRows();
    const connection = await connect();
    server.faults.isSilent = true;
    let isOver = false;
    const failing = failureOf(connection.execute("SELECT 1 FROM DUAL")).finally(() => {
      isOver = true;
    });
    expect((await failureOf(connect({ connectTimeout: 1 }))).message).toMatch(/^NJS-510/);
    expect(isOver).toBe(false);
    expect(server.statements).toEqual([]);
    server.faults.cutConnections();
    expect((await failing).code).toBe("NJS-500");
  });

  it("stays open while one answer never comes", async () => {
    const { server, connect } = await startWithRows();
    const connection = await connect();
    server.faults.plan({ kind: "silence" }, { call: "ping" });
    connection.callTimeout = 50;
    expect((await failureOf(connection.ping())).code).toBe("NJS-123");
    connection.callTimeout = 0;
    await connection.ping();
  });

  it("carries nonsense, after which the driver recovers or gives up", async () => {
    const { server, connect } = await startWithRows();
    const recovering = await connect();
    server.faults.plan({ kind: "garbage", as: "message" }, { call: "execute" });
    expect((await failureOf(recovering.execute("SELECT 1 FROM DUAL"))).message).toMatch(/NJS-103/);
    expect((await recovering.execute("SELECT 1 FROM DUAL")).rows).toEqual([[1]]);
    const lost = await connect();
    server.faults.plan({ kind: "garbage", as: "packet" }, { call: "execute" });
    expect((await failureOf(lost.execute("SELECT 1 FROM DUAL"))).code).toBe("NJS-500");
  });
});

describe("the database", () => {
  it("says ORA-01555 in the middle of a fetch", async () => {
    const { server, connect } = await startWithRows();
    const connection = await connect();
    server.faults.fail(1_555, "snapshot too old: rollback segment number 9 too small", {
      call: "fetch",
      statement: /FROM WO/,
      skip: 3,
    });
    const failure = await failureOf(connection.execute(SELECT, [], inPieces));
    expect(failure).toMatchObject({ errorNum: 1555, code: "ORA-01555" });
    expect(server.connections[0]?.calls.get("fetch")).toBe(4);
    expect((await connection.execute(SELECT, [], inPieces)).rows).toHaveLength(2_000);
  });

  it("fails as often as it is told to, and only where", async () => {
    const { server, connect } = await startWithRows();
    const connection = await connect();
    server.faults.fail(54, "resource busy", { call: "execute", statement: /^UPDATE/, times: 2 });
    expect((await connection.execute("SELECT 1 FROM DUAL")).rows).toEqual([[1]]);
    for (let round = 0; round < 2; round += 1)
      expect(await failureOf(connection.execute("UPDATE WO"))).toMatchObject({ errorNum: 54 });
    expect((await connection.execute("UPDATE WO")).rowsAffected).toBe(1);
  });

  it("kills all sessions: each hears it once, and is then gone", async () => {
    const { database, server, connect } = await startWithRows();
    const [busy, idle] = [await connect(), await connect()];
    const failing = failureOf(busy.execute("SELECT SLOW FROM T"));
    await expect.poll(() => server.statements).toHaveLength(1);
    expect(server.faults.killSessions()).toBe(2);
    expect((await failing).message).toMatch(/NJS-500[\s\S]*ORA-00028/);
    expect((await failureOf(idle.execute("SELECT 1 FROM DUAL"))).message).toMatch(/NJS-500[\s\S]*ORA-00028/);
    await expect.poll(() => server.connections).toEqual([]);
    expect(database.closedSessions).toBe(2);
  });

  it("ends a session with an error of its own", async () => {
    const { database, server, connect } = await startWithRows();
    database.on(/^SELECT DEAD/, () => {
      throw new DatabaseError(1012, "not logged on", 20);
    });
    const connection = await connect();
    expect((await failureOf(connection.execute("SELECT DEAD FROM T"))).message).toMatch(
      /NJS-500[\s\S]*ORA-01012/,
    );
    await expect.poll(() => server.connections).toEqual([]);
  });

  it("goes down, and comes back: a pool gets over it", async () => {
    const { server, pool } = await startWithRows();
    const connections = await pool({ poolMin: 2, poolMax: 2, queueTimeout: 10_000, poolPingInterval: 0 });
    const use = async (): Promise<unknown> => {
      const connection = await connections.getConnection();
      try {
        return (await connection.execute("SELECT 1 FROM DUAL")).rows;
      } finally {
        await connection.close();
      }
    };
    expect(await use()).toEqual([[1]]);
    server.faults.refuseWith = 12_528;
    server.faults.cutConnections();
    expect((await failureOf(use())).message).toMatch(/ORA-12528|NJS-/);
    server.faults.clear();
    await expect.poll(() => use().catch(() => undefined), { timeout: 10_000 }).toEqual([[1]]);
  });
});
