// The TDS server as the real driver meets it: logins, statements, procedures, errors, transactions.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DriverClient, type DriverSettings } from "./driver-client.ts";
import { PlantedDatabase, rowOf } from "./planted-database.ts";
import { startTdsServer, type TdsServer } from "./server.ts";

let database: PlantedDatabase;
let server: TdsServer;

beforeEach(async () => {
  database = new PlantedDatabase();
  server = await startTdsServer({ database });
});

afterEach(() => server.close());

function connect(settings: Omit<DriverSettings, "port"> = {}): Promise<DriverClient> {
  return DriverClient.connect({ port: server.port, ...settings });
}

describe("login", () => {
  it("answers a select", async () => {
    database.plant("SELECT 1 AS one", rowOf(["one", { kind: "int", bits: 32 }, 1, false]));
    await using client = await connect();
    const answer = await client.query("SELECT 1 AS one");
    expect(answer.rows).toEqual([[1]]);
    expect(answer.sets).toEqual([["one"]]);
    expect(database.logins).toEqual([
      {
        user: "reader",
        password: "pä$$wörd",
        database: "plant",
        applicationName: "millrace-test",
        isReadOnlyIntent: false,
      },
    ]);
  });
});
