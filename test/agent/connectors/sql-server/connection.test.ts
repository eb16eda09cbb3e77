// The lane over the real driver: who logs in and how, what is cut when, and that a connection is made anew after any failure.
import { afterEach, describe, expect, test, vi } from "vitest";
import { SqlServerConnection } from "#agent/connectors/sql-server/connection.ts";
import { DatabaseError, type StatementResult } from "#test/support/sql-engine/session.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { rowOf } from "#test/support/tds/planted-database.ts";
import { type PlantedServer, SESSION_SETTINGS, SNAPSHOTS, startPlanted } from "./planted.ts";

const never = new AbortController().signal;
const ONE = "SELECT 1";

let planted: PlantedServer;

afterEach(() => planted[Symbol.asyncDispose]());

async function start(): Promise<void> {
  planted = await startPlanted();
  planted.database.plant(ONE, rowOf(["", { kind: "int", bits: 32 }, 1]));
}

function read(lane: SqlServerConnection, text = ONE, signal = never): Promise<unknown> {
  return lane.transaction(signal, SNAPSHOTS, async (session) => session.query({ text, parameters: [] }));
}

/** A statement that ends only when the client gives it up. */
function plantHanging(text: string): { readonly begun: Promise<void>; readonly ended: Promise<void> } {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  planted.database.plant(text, (_parameters, signal) => {
    begun.resolve();
    const { promise, reject } = Promise.withResolvers<StatementResult>();
    signal.addEventListener("abort", () => {
      ended.resolve();
      reject(new DatabaseError(0, "given up"));
    });
    return promise;
  });
  return { begun: begun.promise, ended: ended.promise };
}

describe("a session", () => {
  test("says who it is, gives way to others, and knows what was active before it looked", async () => {
    await start();
    await using lane = planted.lane({ application_name: "plant agent" });
    const seen = await lane.transaction(never, SNAPSHOTS, (session) =>
      Promise.resolve([session.startedMs, session.minActiveRowversion]),
    );
    expect(seen).toEqual([Date.UTC(2026, 4, 4, 10, 0, 0, 123), "0x00000000000007D1"]);
    expect(planted.database.logins).toEqual([
      expect.objectContaining({
        user: "reader",
        password: "pä$$wörd",
        database: "plant",
        applicationName: "plant agent",
        isReadOnlyIntent: true,
      }),
    ]);
    expect(planted.database.heard.map(({ text }) => text)).toContain(SESSION_SETTINGS);
  });

  test("is used again and again, and one transaction waits for the other", async () => {
    await start();
    await using lane = planted.lane();
    await Promise.all([read(lane), read(lane), read(lane)]);
    expect(planted.server.accepted).toBe(1);
    const texts = planted.database.heard.map(({ text }) => text).filter((text) => /BEGIN|COMMIT/.test(text));
    expect(texts.map((text) => text.includes("BEGIN"))).toEqual([true, false, true, false, true, false]);
  });

  test("parameters travel as text, integers and bytes", async () => {
    await start();
    const text = "SELECT @p1, @p2, @p3, @p4";
    planted.database.plant(text, rowOf(["", { kind: "int", bits: 32 }, 1]));
    await using lane = planted.lane();
    const parameters = ["Größe 🏭", 7, 9_223_372_036_854_775_807n, new Uint8Array([0, 255])];
    await lane.run(never, async (session) => session.query({ text, parameters }));
    const heard = planted.database.heard.find((one) => one.text === text);
    expect(heard?.parameters.map(({ type, value }) => [type.kind, value])).toEqual([
      ["nvarchar", "Größe 🏭"],
      ["int", 7n],
      ["int", 9_223_372_036_854_775_807n],
      ["varbinary", new Uint8Array([0, 255])],
    ]);
  });
});

describe("what is not answered", () => {
  test("abort leaves at once, and the server is told to stop", async () => {
    await start();
    const hanging = plantHanging("SELECT * FROM big");
    await using lane = planted.lane();
    const control = new AbortController();
    const reading = read(lane, "SELECT * FROM big", control.signal);
    await hanging.begun;
    control.abort();
    await expect(reading).rejects.toMatchObject({ kind: "unavailable" });
    await hanging.ended;
    expect(await read(lane)).toEqual([[1]]);
  });

  test("a server that ignores the cancel loses its connection", async () => {
    await start();
    const hanging = plantHanging("SELECT * FROM big");
    planted.server.faults.isIgnoringAttention = true;
    await using lane = planted.lane();
    const control = new AbortController();
    const reading = read(lane, "SELECT * FROM big", control.signal);
    await hanging.begun;
    control.abort();
    await expect(reading).rejects.toMatchObject({ kind: "unavailable" });
    await vi.waitFor(() => expect(planted.server.connections).toHaveLength(0), { timeout: 3000 });
    planted.server.faults.clear();
    expect(await read(lane)).toEqual([[1]]);
  });

  test("a statement that takes too long is cancelled, and says which setting bounds it", async () => {
    await start();
    plantHanging("SELECT * FROM big");
    await using lane = planted.lane({ request_timeout_ms: 100 });
    await expect(read(lane, "SELECT * FROM big")).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("request_timeout_ms"),
    });
    expect(await read(lane)).toEqual([[1]]);
  });

  test("a server that neither answers nor cancels is cut off five seconds after the time limit", async () => {
    await start();
    const hanging = plantHanging("SELECT * FROM big");
    planted.server.faults.isIgnoringAttention = true;
    const clock = new FakeClock(0);
    await using lane = new SqlServerConnection(planted.settings({ request_timeout_ms: 30_000 }), clock);
    const reading = read(lane, "SELECT * FROM big");
    await hanging.begun;
    clock.advance(30_000);
    expect(planted.server.connections).toHaveLength(1);
    clock.advance(5000);
    await expect(reading).rejects.toMatchObject({ kind: "unavailable" });
    await vi.waitFor(() => expect(planted.server.connections).toHaveLength(0));
  });

  test("a login that is not answered ends with connect_timeout_ms", async () => {
    await start();
    planted.server.faults.plan({ kind: "no_answer" }, { matching: /^PRELOGIN$/ });
    await using lane = planted.lane({ connect_timeout_ms: 150 });
    await expect(read(lane)).rejects.toMatchObject({ kind: "unavailable" });
    expect(await read(lane)).toEqual([[1]]);
  });
});

describe("what breaks", () => {
  test.each([
    ["an unknown token", { kind: "malformed_token" }],
    ["a message that ends within a token", { kind: "truncated_token" }],
    ["a message that ends after three bytes", { kind: "truncated_token", keepBytes: 3 }],
    ["a line that breaks within a packet's header", { kind: "disconnect", afterBytes: 5 }],
    ["a line that breaks within a row", { kind: "disconnect", afterBytes: 40 }],
    ["a line that breaks before the answer", { kind: "drop_request" }],
    ["an error of severity 20", { kind: "error", error: new DatabaseError(9999, "stack dump", 20) }],
    [
      "an error in the middle of the rows",
      { kind: "error_mid_rows", afterRows: 1, error: new DatabaseError(1205, "deadlock victim", 13) },
    ],
  ] as const)("%s is unavailable, and the next read has a new connection", async (_name, fault) => {
    await start();
    await using lane = planted.lane();
    await read(lane);
    planted.server.faults.plan(fault, { matching: /^SELECT 1$/ });
    await expect(read(lane)).rejects.toMatchObject({ name: "ConnectorError", kind: "unavailable" });
    expect(await read(lane)).toEqual([[1]]);
    expect(planted.server.accepted).toBe(2);
  });

  test("a connection that dies while nobody asks is made anew", async () => {
    await start();
    await using lane = planted.lane();
    await read(lane);
    planted.server.killAll();
    await vi.waitFor(() => expect(planted.server.connections).toHaveLength(0));
    // The next read may still find the old line, and says so; the one after it does not.
    await Promise.allSettled([read(lane)]);
    expect(await read(lane)).toEqual([[1]]);
  });

  test("a server that is gone is unavailable and says where it was looked for", async () => {
    await start();
    await using lane = planted.lane();
    await planted.server.refuse();
    await expect(read(lane)).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining(`reader@localhost:${planted.server.port}/plant`),
    });
    await planted.server.admit();
    expect(await read(lane)).toEqual([[1]]);
  });

  test("the password never stands in a message", async () => {
    await start();
    planted.database.refusal = new DatabaseError(18_456, "Login failed for user 'reader'.", 14);
    await using lane = planted.lane();
    const error: unknown = await read(lane).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ kind: "unauthorized" });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error as object))).not.toContain("pä$$");
  });
});
