// The in-memory engine behind the server, through the real driver: what both must agree on.
import { TYPES } from "tedious";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ADMINISTRATOR, SqlServerDatabase } from "#test/support/sql-engine/sql-server.ts";
import { DriverClient } from "./driver-client.ts";
import { startTdsServer, type TdsServer } from "./server.ts";

let server: TdsServer;
let client: DriverClient;

beforeEach(async () => {
  server = await startTdsServer({ database: new SqlServerDatabase({ name: "plant" }) });
  client = await connect();
  await client.batch(
    "CREATE TABLE part (id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, price decimal(18,4) NULL, rv rowversion)",
  );
});

afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
});

function connect(): Promise<DriverClient> {
  return DriverClient.connect({ port: server.port, ...ADMINISTRATOR });
}

async function insert(id: number, name: string | null, by = client): Promise<readonly number[]> {
  const answer = await by.query(
    "INSERT INTO part (id, name, price) VALUES (@id, @name, CAST(@price AS decimal(18,4)))",
    [
      { name: "id", type: TYPES.Int, value: id },
      { name: "name", type: TYPES.NVarChar, value: name },
      { name: "price", type: TYPES.NVarChar, value: "12.5" },
    ],
  );
  return answer.counts;
}

it("writes and reads rows with parameters", async () => {
  expect(await insert(1, "Prüf 😀")).toEqual([1]);
  expect(await insert(2, null)).toEqual([1]);
  const { rows, sets } = await client.query(
    "SELECT id, name, CONVERT(varchar(50), price) AS price, rv FROM part ORDER BY id",
  );
  expect(sets).toEqual([["id", "name", "price", "rv"]]);
  expect(rows.map((row) => row.slice(0, 3))).toEqual([
    [1, "Prüf 😀", "12.5000"],
    [2, null, "12.5000"],
  ]);
  const [first, second] = rows.map((row) => row[3] as Buffer);
  expect(first).toHaveLength(8);
  expect(second?.readBigUInt64BE()).toBeGreaterThan(first?.readBigUInt64BE() ?? 0n);
});

it("says how many rows a write touched, none as well", async () => {
  await insert(1, "a");
  expect((await client.query("UPDATE part SET name = 'b' WHERE id = 1")).counts).toEqual([1]);
  expect((await client.query("UPDATE part SET name = 'b' WHERE id = 9")).counts).toEqual([0]);
});

it("gives the database's own errors", async () => {
  await insert(1, "a");
  await expect(insert(1, "b")).rejects.toMatchObject({ number: 2627 });
  await expect(client.query("SELECT * FROM gone")).rejects.toMatchObject({ number: 208 });
  await expect(DriverClient.connect({ port: server.port, user: "nobody" })).rejects.toMatchObject({
    numbers: [18_456],
  });
});

describe("a transaction", () => {
  it("is seen by others when it is committed", async () => {
    await using other = await connect();
    const count = async (): Promise<unknown> => (await other.query("SELECT COUNT(*) FROM part")).rows[0]?.[0];
    await client.begin("snapshot");
    await insert(1, "a");
    expect(await count()).toBe(0);
    await client.commit();
    expect(await count()).toBe(1);
    await client.begin();
    await insert(2, "b");
    await client.rollback();
    expect(await count()).toBe(1);
  });

  it("that an update conflict ended is over for the driver", async () => {
    await insert(1, "a");
    const ended = new Promise<void>((resolve) => {
      client.connection.once("rollbackTransaction", () => resolve());
    });
    await client.begin("snapshot");
    await client.query("SELECT name FROM part WHERE id = 1");
    await using other = await connect();
    await other.query("UPDATE part SET name = 'other' WHERE id = 1");
    await expect(client.query("UPDATE part SET name = 'mine' WHERE id = 1")).rejects.toMatchObject({
      number: 3960,
    });
    await ended;
  });

  it("is rolled back with its connection", async () => {
    const other = await connect();
    await other.begin();
    await insert(1, "a", other);
    await other[Symbol.asyncDispose]();
    expect((await client.query("SELECT COUNT(*) FROM part")).rows).toEqual([[0]]);
  });
});

it("a statement that waits for a lock can be cancelled", async () => {
  await insert(1, "a");
  await using other = await connect();
  await other.begin();
  await other.query("UPDATE part SET name = 'b' WHERE id = 1");
  server.forgetRequests();
  const asked = vi.waitFor(() => expect(server.requests).toHaveLength(1));
  const cancelled = client.cancelled("UPDATE part SET name = 'c' WHERE id = 1", asked);
  await expect(cancelled).rejects.toMatchObject({ code: "ECANCEL" });
  await other.rollback();
  expect((await client.query("SELECT name FROM part")).rows).toEqual([["a"]]);
});
