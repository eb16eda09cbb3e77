// Each fault that the server can play, as the driver takes it; and cancelling, answered or not.
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DatabaseError, type DbType, type StatementResult } from "#test/support/sql-engine/session.ts";
import { DriverClient, type DriverOptions } from "./driver-client.ts";
import { PlantedDatabase } from "./planted-database.ts";
import { startTdsServer, type TdsServer } from "./server.ts";

const INT: DbType = { kind: "int", bits: 32 };
/** Token, length, number. */
const LEAST_ROW_BYTES = 6;
const SELECT = "SELECT n FROM t";
const WAIT = "WAITFOR DELAY '01:00:00'";
const UPDATE = "UPDATE t SET n = 0";
const ROWS: StatementResult = {
  sets: [{ columns: [{ name: "n", type: INT, isNullable: true }], rows: [[1], [2], [3]] }],
  rowsAffected: 0,
};

let database: PlantedDatabase;
let server: TdsServer;
let started: PromiseWithResolvers<void>;

beforeEach(async () => {
  started = Promise.withResolvers();
  database = new PlantedDatabase();
  database.plant("set transaction isolation level read committed", { sets: [], rowsAffected: 0 });
  database.plant(SELECT, ROWS);
  database.plant(UPDATE, { sets: [], rowsAffected: 3 });
  database.plant(WAIT, async (_parameters, signal) => {
    started.resolve();
    if (!signal.aborted) await once(signal, "abort");
    throw new DatabaseError(0, "the statement was cancelled", 11);
  });
  server = await startTdsServer({ database });
});

afterEach(() => server.close());

function connect(options: DriverOptions = {}): Promise<DriverClient> {
  return DriverClient.connect({ port: server.port, options });
}

async function usable(client: DriverClient): Promise<void> {
  expect((await client.query(SELECT)).rows).toEqual([[1], [2], [3]]);
}

function wasRun(text: string): boolean {
  return database.heard.some((heard) => heard.text === text);
}

describe("cancelling", () => {
  it("ends a running statement and leaves the connection usable", async () => {
    await using client = await connect();
    await expect(client.cancelled(WAIT, started.promise)).rejects.toMatchObject({ code: "ECANCEL" });
    await usable(client);
  });

  it("at the time-out of a request too", async () => {
    await using client = await connect();
    await expect(client.query(WAIT, [], 50)).rejects.toMatchObject({ code: "ETIMEOUT" });
    await usable(client);
  });

  it("in the midst of rows ends them", async () => {
    const rows = Array.from({ length: 300_000 }, (_, index) => [index]);
    database.plant("SELECT many", {
      sets: [{ columns: ROWS.sets[0]?.columns ?? [], rows }],
      rowsAffected: 0,
    });
    await using client = await connect();
    const answer = client.cancelled("SELECT many", client.firstRow);
    await expect(answer).rejects.toMatchObject({ code: "ECANCEL" });
    const [connection] = server.connections;
    expect(connection?.sentBytes).toBeLessThan(rows.length * LEAST_ROW_BYTES);
    await usable(client);
  });

  it("before the request is whole: it is not carried out", async () => {
    await using client = await connect();
    server.forgetRequests();
    await expect(client.cancelled(UPDATE, Promise.resolve())).rejects.toMatchObject({ code: "ECANCEL" });
    await usable(client);
    expect(wasRun(UPDATE)).toBe(false);
    expect(server.requests.map(({ subject }) => subject)).toEqual([SELECT]);
  });

  it("without an answer costs the connection: the driver gives it up", async () => {
    server.faults.isIgnoringAttention = true;
    await using client = await connect({ cancelTimeout: 50 });
    await expect(client.cancelled(WAIT, started.promise)).rejects.toThrow(/Failed to cancel request in 50ms/);
    await client.ended;
    await vi.waitFor(() => expect(database.closed).toBe(1));
  });
});

describe("the bytes of an answer", () => {
  it("may end anywhere: the request fails, the connection is gone", async () => {
    for (const afterBytes of [0, 1, 7, 8, 9, 20, 40]) {
      const client = await connect();
      server.faults.plan({ kind: "disconnect", afterBytes });
      await expect(client.query(SELECT)).rejects.toMatchObject({ code: "ECONNRESET" });
      await client.ended;
    }
  });

  it("that never come may follow a statement that was carried out, or one that was not", async () => {
    const first = await connect();
    server.faults.plan({ kind: "disconnect", afterBytes: 0 }, { matching: /UPDATE/ });
    await usable(first);
    await expect(first.query(UPDATE)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(wasRun(UPDATE)).toBe(true);
    database.heard.length = 0;
    const second = await connect();
    server.faults.plan({ kind: "drop_request" });
    await expect(second.query(UPDATE)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(wasRun(UPDATE)).toBe(false);
  });

  it("may come one by one", async () => {
    await using client = await connect();
    server.faults.plan({ kind: "slow", bytesEach: 1, pauseMs: 0 });
    await usable(client);
    expect(server.faults.planned).toBe(0);
  });

  it("that trickle outlast the driver's time-out for requests: it ends with the first packet", async () => {
    const rows = Array.from({ length: 1000 }, (_, index) => [index]);
    database.plant("SELECT many", {
      sets: [{ columns: ROWS.sets[0]?.columns ?? [], rows }],
      rowsAffected: 0,
    });
    await using client = await connect({ requestTimeout: 1000, packetSize: 512 });
    server.faults.plan({ kind: "slow", bytesEach: 512, pauseMs: 120 });
    expect((await client.query("SELECT many")).rows).toEqual(rows);
  });

  it("may not come at all", async () => {
    await using client = await connect();
    server.faults.plan({ kind: "no_answer" });
    await expect(client.query(UPDATE, [], 50)).rejects.toMatchObject({ code: "ETIMEOUT" });
    expect(wasRun(UPDATE)).toBe(true);
    await usable(client);
  });

  it("may be swallowed both ways", async () => {
    const client = await connect({ requestTimeout: 50, cancelTimeout: 50 });
    server.faults.isHalfOpen = true;
    await expect(client.query(SELECT)).rejects.toThrow(/Failed to cancel/);
    expect(wasRun(SELECT)).toBe(false);
    await expect(connect({ connectTimeout: 100 })).rejects.toMatchObject({ code: "ETIMEOUT" });
    server.faults.clear();
    await using again = await connect();
    await usable(again);
  });
});

describe("the tokens of an answer", () => {
  it.each([SELECT, UPDATE])("may be none that exist: %s", async (text) => {
    const client = await connect();
    server.faults.plan({ kind: "malformed_token" });
    await expect(client.query(text)).rejects.toThrow(/Unknown type: 66/);
    await client.ended;
  });

  it.each([undefined, 1, 10, 30])("may end within: after %s bytes", async (keepBytes) => {
    const client = await connect();
    server.faults.plan({ kind: "truncated_token", ...(keepBytes === undefined ? {} : { keepBytes }) });
    await expect(client.query(SELECT)).rejects.toThrow(/unexpected end of data/i);
    await client.ended;
  });

  it("may be DONE without columns and rows", async () => {
    await using client = await connect();
    server.faults.plan({ kind: "no_rows" });
    expect(await client.query(SELECT)).toMatchObject({ rows: [], sets: [], counts: [] });
    await usable(client);
  });

  it("may be an error between rows", async () => {
    await using client = await connect();
    server.faults.plan({
      kind: "error_mid_rows",
      afterRows: 2,
      error: new DatabaseError(1205, "deadlock", 13),
    });
    await expect(client.query(SELECT)).rejects.toMatchObject({ number: 1205 });
    expect(client.rowsSeen).toEqual([[1], [2]]);
    await usable(client);
  });

  it("may be an error in place of the answer, again and again", async () => {
    await using client = await connect();
    const error = new DatabaseError(1222, "Lock request time out period exceeded.");
    server.faults.plan({ kind: "error", error }, { matching: /FROM t/, times: 2 });
    await expect(client.query(SELECT)).rejects.toMatchObject({ number: 1222 });
    await expect(client.query(SELECT)).rejects.toMatchObject({ number: 1222 });
    await usable(client);
  });

  it("may be an error that ends the session", async () => {
    const client = await connect();
    server.faults.plan({
      kind: "error",
      error: new DatabaseError(596, "the session is in the kill state", 21),
    });
    await expect(client.query(SELECT)).rejects.toMatchObject({ number: 596, class: 21 });
    await client.ended;
  });
});

describe("the server", () => {
  it("may end all sessions, idle or busy", async () => {
    const idle = await connect();
    const busy = await connect();
    const failure = busy.query(WAIT).catch((error: unknown) => error);
    await started.promise;
    server.killAll();
    expect(await failure).toMatchObject({ code: "ECONNRESET" });
    await Promise.all([idle.ended, busy.ended]);
    await vi.waitFor(() => expect(database.closed).toBe(2));
    await using again = await connect();
    await usable(again);
    expect(server.accepted).toBe(3);
  });

  it("may refuse connections and keep those it has", async () => {
    await using client = await connect();
    await server.refuse();
    await expect(connect()).rejects.toThrow(/Could not connect/);
    await usable(client);
    await server.admit();
    await using again = await connect();
    await usable(again);
  });

  it("may fail a login, or leave it unanswered", async () => {
    server.faults.plan(
      { kind: "error", error: new DatabaseError(18_401, "Server is in script upgrade mode.", 14) },
      { matching: /^LOGIN$/ },
    );
    await expect(connect()).rejects.toThrow(/script upgrade/);
    for (const matching of [/^LOGIN$/, /^PRELOGIN$/]) {
      server.faults.plan({ kind: "no_answer" }, { matching });
      await expect(connect({ connectTimeout: 100 })).rejects.toMatchObject({ code: "ETIMEOUT" });
      server.faults.plan({ kind: "drop_request" }, { matching });
      await expect(connect()).rejects.toMatchObject({ code: "ESOCKET" });
    }
    await using client = await connect();
    await usable(client);
  });

  it("spares logins by default", async () => {
    server.faults.plan({ kind: "drop_request" });
    const client = await connect();
    expect(server.faults.planned).toBe(1);
    await expect(client.query(SELECT)).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("forgets its plans when told", async () => {
    server.faults.plan({ kind: "drop_request" });
    server.faults.clear();
    expect(server.faults.planned).toBe(0);
    await using client = await connect();
    await usable(client);
  });
});
