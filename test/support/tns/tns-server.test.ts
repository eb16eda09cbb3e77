// The real thin driver logs in to the Oracle server of the tests and runs statements.
import oracledb from "oracledb";
import { afterEach, describe, expect, it } from "vitest";
import { changed, rowsOf, ScriptedDatabase } from "./scripted-database.ts";
import { startTnsServer, type TnsServer, type TnsServerOptions } from "./tns-server.ts";

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const resource of open.splice(0).toReversed()) await resource[Symbol.asyncDispose]();
});

async function start(
  database: ScriptedDatabase,
  options: Partial<TnsServerOptions> = {},
): Promise<TnsServer> {
  const server = await startTnsServer({
    database,
    serviceName: "plant.example",
    users: { reader: "s3cret pass" },
    ...options,
  });
  open.push(server);
  return server;
}

async function connect(server: TnsServer): Promise<oracledb.Connection> {
  const connection = await oracledb.getConnection({
    user: "reader",
    password: "s3cret pass",
    connectString: server.connectString,
  });
  open.push({ [Symbol.asyncDispose]: async () => connection.close().catch(() => {}) });
  return connection;
}

describe("a session", () => {
  it("logs in and reads", async () => {
    const database = new ScriptedDatabase().on(/^SELECT/, () =>
      rowsOf({ ID: { kind: "number" }, NAME: { kind: "varchar", length: 20 } }, [
        ["1", "Pump"],
        ["2", null],
      ]),
    );
    const server = await start(database);
    const connection = await connect(server);
    const { rows, metaData } = await connection.execute("SELECT ID, NAME FROM ASSET");
    expect(rows).toEqual([
      [1, "Pump"],
      [2, null],
    ]);
    expect(metaData?.map(({ name, dbTypeName }) => [name, dbTypeName])).toEqual([
      ["ID", "NUMBER"],
      ["NAME", "VARCHAR2"],
    ]);
    expect(connection.oracleServerVersionString).toBe("12.1.0.2.0");
    expect(database.logins[0]).toMatchObject({
      user: "READER",
      password: "s3cret pass",
      database: "plant.example",
    });
    expect(server.troubles).toEqual([]);
  });

  it("writes with binds and counts rows", async () => {
    const database = new ScriptedDatabase().on(/^UPDATE/, () => changed(3));
    const connection = await connect(await start(database));
    const { rowsAffected } = await connection.execute("UPDATE WO SET A = :a WHERE B = :b", { a: "x", b: 12 });
    expect(rowsAffected).toBe(3);
    expect(database.statements[0]?.parameters.map(({ name, value }) => [name, value])).toEqual([
      ["A", "x"],
      ["B", "12"],
    ]);
  });
});
