// The TDS server as the real driver meets it: logins, statements, procedures, errors, transactions, resets.
import { TYPES } from "tedious";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DatabaseError, type DbType, type StatementResult } from "#test/support/sql-engine/session.ts";
import { DriverClient, ISOLATION, type DriverSettings } from "./driver-client.ts";
import { PlantedDatabase, rowOf } from "./planted-database.ts";
import { startTdsServer, type TdsServer } from "./server.ts";

const INT: DbType = { kind: "int", bits: 32 };
const NOTHING: StatementResult = { sets: [], rowsAffected: 0 };
const SELECT = "SELECT 1 AS one";

let database: PlantedDatabase;
let server: TdsServer;

beforeEach(async () => {
  database = new PlantedDatabase();
  database.plant(SELECT, rowOf(["one", INT, 1, false]));
  database.plant("set transaction isolation level read committed", NOTHING);
  server = await startTdsServer({
    database,
    windowsAccounts: [{ domain: "PLANT", user: "svc", password: "ge heim" }],
  });
});

afterEach(() => server.close());

function connect(settings: Omit<DriverSettings, "port"> = {}): Promise<DriverClient> {
  return DriverClient.connect({ port: server.port, ...settings });
}

function heard(): readonly string[] {
  return database.heard.map(({ text }) => text).filter((text) => !text.startsWith("set "));
}

describe("a login", () => {
  it("reaches the database with all that it says", async () => {
    await using client = await connect({ options: { readOnlyIntent: true } });
    expect((await client.query(SELECT)).rows).toEqual([[1]]);
    expect(database.logins).toEqual([
      {
        user: "reader",
        password: "pä$$wörd",
        database: "plant",
        applicationName: "millrace-test",
        isReadOnlyIntent: true,
      },
    ]);
    expect(client.messages).toEqual([5701, 5703]);
    expect(server.connections[0]?.login).toMatchObject({ user: "reader", serverName: "127.0.0.1" });
    expect(server.connections[0]?.login).not.toHaveProperty("password");
  });

  it("hears that text may be UTF-8, if it asked, from a server of TDS 7.4", async () => {
    const acknowledged = async (port: number): Promise<boolean> => {
      const tokens: string[] = [];
      const options = { debug: { data: false, packet: false, payload: false, token: true } };
      await using _client = await DriverClient.connect({ port, options }, (text) => tokens.push(text));
      return tokens.some((text) => text.includes("FEATUREEXTACK"));
    };
    await using old = await startTdsServer({ database, maxTdsVersion: "7.3" });
    expect(await acknowledged(server.port)).toBe(true);
    expect(await acknowledged(old.port)).toBe(false);
  });

  it("agrees on the size of packets", async () => {
    await using client = await connect({ options: { packetSize: 512 } });
    expect((await client.query(SELECT)).rows).toEqual([[1]]);
    const text = "x".repeat(5000);
    database.plant(`SELECT '${text}'`, rowOf(["c", { kind: "nvarchar", length: "max" }, text]));
    expect((await client.query(`SELECT '${text}'`)).rows).toEqual([[text]]);
    expect(server.connections[0]?.packetBytes).toBe(512);
  });

  it.each(["7.2", "7.3", "7.4"] as const)(
    "falls back to the version of the server: %s",
    async (maxTdsVersion) => {
      await using old = await startTdsServer({ database, maxTdsVersion, majorVersion: 10 });
      await using client = await DriverClient.connect({ port: old.port });
      expect((await client.query(SELECT)).rows).toEqual([[1]]);
    },
  );

  it("by a client of TDS 7.1 ends the connection", async () => {
    await expect(connect({ options: { tdsVersion: "7_1" } })).rejects.toMatchObject({ code: "ESOCKET" });
    expect(database.logins).toEqual([]);
  });

  it("with read-only intent may be sent to another server", async () => {
    const replica = new PlantedDatabase();
    replica.plant(SELECT, rowOf(["one", INT, 2, false]));
    await using second = await startTdsServer({ database: replica });
    const readOnlyRoute = { server: "127.0.0.1", port: second.port };
    await using listener = await startTdsServer({ database, readOnlyRoute });
    const read = async (readOnlyIntent: boolean): Promise<unknown> => {
      await using client = await DriverClient.connect({ port: listener.port, options: { readOnlyIntent } });
      return (await client.query(SELECT)).rows;
    };
    expect(await read(true)).toEqual([[2]]);
    expect(await read(false)).toEqual([[1]]);
  });

  const refusals: readonly (readonly [number, string, readonly number[]])[] = [
    [18_456, "Login failed for user 'reader'.", [18_456]],
    [4060, "Login failed for user 'reader'.", [4060, 18_456]],
    [
      18_488,
      "Login failed for user 'reader'. Reason: The password of the account must be changed.",
      [18_488],
    ],
  ];

  it.each(refusals)("is refused with %i", async (number, message, numbers) => {
    database.refusal = new DatabaseError(number, number === 4060 ? "Cannot open database" : message, 14);
    await expect(connect()).rejects.toMatchObject({ code: "ELOGIN", message, numbers });
    await vi.waitFor(() => expect(server.connections).toEqual([]));
  });

  it("by NTLM gives the database the account", async () => {
    await using client = await connect({ domain: "plant", user: "svc", password: "ge heim" });
    expect((await client.query(SELECT)).rows).toEqual([[1]]);
    expect(database.logins[0]).toMatchObject({ user: "PLANT\\svc", password: "ge heim" });
  });

  it("by NTLM fails with another password, user or domain", async () => {
    const wrong = [
      { domain: "plant", user: "svc", password: "geheim" },
      { domain: "plant", user: "other", password: "ge heim" },
      { domain: "office", user: "svc", password: "ge heim" },
    ];
    for (const settings of wrong) await expect(connect(settings)).rejects.toThrow(/untrusted domain/);
    expect(database.logins).toEqual([]);
  });
});

describe("a statement", () => {
  it("gives several sets and their counts", async () => {
    const set = { columns: [{ name: "n", type: INT, isNullable: true }], rows: [[1], [2], [null]] };
    database.plant("SELECT n FROM a; SELECT n FROM b", {
      sets: [set, { ...set, rows: [[7]] }],
      rowsAffected: 0,
    });
    await using client = await connect();
    const expected = { rows: [[1], [2], [null], [7]], sets: [["n"], ["n"]], counts: [3, 1] };
    const batch = await client.batch("SELECT n FROM a; SELECT n FROM b");
    expect(batch).toMatchObject({ ...expected, mores: [true, false] });
    const query = await client.query("SELECT n FROM a; SELECT n FROM b");
    expect(query).toMatchObject({ ...expected, mores: [true, true, false] });
  });

  it("that writes says how many rows, none as well, OUTPUT once, NOCOUNT not at all", async () => {
    const set = { columns: [{ name: "id", type: INT, isNullable: false }], rows: [[1], [2]] };
    database.plant("UPDATE t SET a = 1", { sets: [], rowsAffected: 2 });
    database.plant("DELETE FROM t WHERE 0 = 1", NOTHING);
    database.plant("UPDATE t SET a = 1 OUTPUT inserted.id", { sets: [set], rowsAffected: 2 });
    database.plant("UPDATE t SET a = 1; SELECT id FROM t", { sets: [set], rowsAffected: 5 });
    database.plant("SET NOCOUNT ON; UPDATE t SET a = 1", { sets: [], rowsAffected: 2 });
    await using client = await connect();
    const counts = async (text: string): Promise<readonly number[]> => (await client.query(text)).counts;
    expect(await counts("UPDATE t SET a = 1")).toEqual([2]);
    expect(await counts("DELETE FROM t WHERE 0 = 1")).toEqual([0]);
    expect(await counts("UPDATE t SET a = 1 OUTPUT inserted.id")).toEqual([2]);
    expect(await counts("UPDATE t SET a = 1; SELECT id FROM t")).toEqual([5, 2]);
    expect(await counts("SET NOCOUNT ON; UPDATE t SET a = 1")).toEqual([]);
    expect(await counts("UPDATE t SET a = 1")).toEqual([2]);
  });

  it("has no counts after a batch that sets NOCOUNT, until one resets it", async () => {
    for (const text of ["SET NOCOUNT ON; SET LOCK_TIMEOUT 5000", "set nocount off"])
      database.plant(text, NOTHING);
    database.plant("UPDATE t SET a = 1", { sets: [], rowsAffected: 2 });
    await using client = await connect();
    await client.batch("SET NOCOUNT ON; SET LOCK_TIMEOUT 5000");
    expect((await client.query("UPDATE t SET a = 1")).counts).toEqual([]);
    expect((await client.query(SELECT)).counts).toEqual([]);
    await client.batch("set nocount off");
    expect((await client.query("UPDATE t SET a = 1")).counts).toEqual([2]);
  });

  it("that fails gives number, severity and text, and leaves the connection usable", async () => {
    database.plant("SELECT * FROM gone", () => {
      throw new DatabaseError(208, "Invalid object name 'gone'.");
    });
    await using client = await connect();
    const expected = { number: 208, class: 16, message: "Invalid object name 'gone'.", code: "EREQUEST" };
    await expect(client.query("SELECT * FROM gone")).rejects.toMatchObject(expected);
    await expect(client.batch("SELECT * FROM gone")).rejects.toMatchObject(expected);
    await expect(client.query("SELECT 2")).rejects.toThrow("not planted: SELECT 2");
    expect((await client.query(SELECT)).rows).toEqual([[1]]);
  });

  it("with a mistake of the engine itself says so", async () => {
    database.plant("SELECT * FROM t", () => {
      throw new TypeError("the engine stumbled");
    });
    await using client = await connect();
    await expect(client.query("SELECT * FROM t")).rejects.toThrow(/the engine stumbled/);
  });

  it("with an error of severity 20 loses its connection", async () => {
    database.plant("SELECT * FROM broken", () => {
      throw new DatabaseError(824, "I/O error", 24);
    });
    await using client = await connect();
    await expect(client.query("SELECT * FROM broken")).rejects.toMatchObject({ number: 824, class: 24 });
    await client.ended;
    await vi.waitFor(() => expect(database.closed).toBe(1));
  });

  it("of many rows comes whole", async () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => [index, `row ${index}`]);
    database.plant("SELECT * FROM big", {
      sets: [
        {
          columns: [
            { name: "n", type: INT, isNullable: false },
            { name: "t", type: { kind: "nvarchar", length: 50 }, isNullable: true },
          ],
          rows,
        },
      ],
      rowsAffected: 0,
    });
    await using client = await connect();
    expect((await client.query("SELECT * FROM big")).rows).toEqual(rows);
  });

  it("may be prepared, run with other values, and forgotten", async () => {
    database.plant("SELECT @n + 1", (parameters) => rowOf(["c", INT, Number(parameters[0]?.value) + 1]));
    await using client = await connect();
    const prepared = await client.prepare("SELECT @n + 1", [{ name: "n", type: TYPES.Int }]);
    expect((await prepared.execute({ n: 1 })).rows).toEqual([[2]]);
    expect((await prepared.execute({ n: 41 })).rows).toEqual([[42]]);
    await prepared.release();
    await expect(prepared.execute({ n: 1 })).rejects.toMatchObject({ number: 8179 });
  });
});

describe("a procedure", () => {
  it("gives rows, output parameters and its status", async () => {
    database.plant("EXEC dbo.post", (parameters) => ({
      ...rowOf(["echo", INT, Number(parameters[0]?.value)]),
      outputs: new Map([["id", { type: INT, value: 77 }]]),
      returnStatus: 3,
    }));
    await using client = await connect();
    const answer = await client.call("dbo.post", [
      { name: "in", type: TYPES.Int, value: 5 },
      { name: "id", type: TYPES.Int, isOutput: true },
      { name: "untouched", type: TYPES.NVarChar, value: "as sent", isOutput: true },
    ]);
    expect(answer).toMatchObject({ rows: [[5]], returnStatus: 3 });
    expect([...answer.outputs]).toEqual([
      ["id", 77],
      ["untouched", "as sent"],
    ]);
  });

  it("that fails gives the error and no outputs", async () => {
    database.plant("EXEC dbo.post", () => {
      throw new DatabaseError(50_000, "order is closed", 11);
    });
    await using client = await connect();
    await expect(client.call("dbo.post")).rejects.toMatchObject({ number: 50_000, class: 11 });
  });
});

describe("a transaction of the driver", () => {
  beforeEach(() => {
    for (const text of ["COMMIT TRANSACTION", "ROLLBACK TRANSACTION"]) database.plant(text, NOTHING);
    database.plant("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION", NOTHING);
    database.plant("BEGIN TRANSACTION", NOTHING);
  });

  it("is begun with its level, committed, rolled back", async () => {
    await using client = await connect();
    await client.begin("snapshot");
    await client.query(SELECT);
    await client.commit();
    await client.begin();
    await client.rollback();
    expect(heard()).toEqual([
      "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION",
      SELECT,
      "COMMIT TRANSACTION",
      "BEGIN TRANSACTION",
      "ROLLBACK TRANSACTION",
    ]);
  });

  it("that the database ends by an error is over for the driver", async () => {
    let isOpen = false;
    database.isInTransaction = () => isOpen;
    database.plant("BEGIN TRANSACTION", () => {
      isOpen = true;
      return NOTHING;
    });
    database.plant("UPDATE t", () => {
      isOpen = false;
      throw new DatabaseError(1205, "chosen as the deadlock victim", 13);
    });
    await using client = await connect();
    const ended = new Promise<void>((resolve) => {
      client.connection.once("rollbackTransaction", () => resolve());
    });
    await client.begin();
    await expect(client.query("UPDATE t")).rejects.toMatchObject({ number: 1205 });
    await ended;
  });
});

describe("a session", () => {
  it("hears none of the driver's own settings, but their isolation level", async () => {
    database.plant("set transaction isolation level snapshot", NOTHING);
    await using client = await connect({ options: { connectionIsolationLevel: ISOLATION.snapshot } });
    await client.query(SELECT);
    expect(database.heard.map(({ text }) => text)).toContain("set transaction isolation level snapshot");
    expect(database.heard.filter(({ text }) => /ansi_nulls|textsize/.test(text))).toEqual([]);
  });

  it("is another one after a reset", async () => {
    await using client = await connect();
    await client.query(SELECT);
    let resets = 0;
    client.connection.on("resetConnection", () => (resets += 1));
    await client.reset();
    expect(resets).toBe(1);
    expect((await client.query(SELECT)).rows).toEqual([[1]]);
    expect(database.logins).toHaveLength(2);
    expect(database.closed).toBe(1);
  });

  it("ends with its connection", async () => {
    const client = await connect();
    await client[Symbol.asyncDispose]();
    await vi.waitFor(() => expect(database.closed).toBe(1));
    expect(server.connections).toEqual([]);
  });

  it("leaves a list of what it asked", async () => {
    database.plant("EXEC dbo.post", NOTHING);
    await using client = await connect();
    server.forgetRequests();
    await client.query(SELECT);
    await client.call("dbo.post");
    expect(server.requests.map(({ subject, rows }) => [subject, rows])).toEqual([
      [SELECT, 1],
      ["EXEC dbo.post", 0],
    ]);
  });
});
