// A line that breaks at any byte, sessions that are killed, nonsense from the server: each an outage, and then all is read.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import { orderPlan, orderRows, Replica, orderTables } from "#test/conformance/connector/harness.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { OraclePlant } from "#test/support/oracle-plant.ts";
import type { CallFault } from "#test/support/tns/faults.ts";

const never = new AbortController().signal;
const NOW = "TIMESTAMP '2026-05-04 10:00:00'";
const OF_ORDERS = {
  call: "execute",
  statement: /FROM "PLANT"\."PO(?:LINE)?" WHERE|ORDER BY "SITE"/,
} as const;

let plant: OraclePlant;
let connector: Connector;

beforeEach(async () => {
  plant = await OraclePlant.start();
  const types = {
    integer: "NUMBER(9)",
    bigint: "NUMBER(19)",
    text: "VARCHAR2(30)",
    quantity: "NUMBER(15,2)",
  };
  const times = { timestamp: "TIMESTAMP(3)", localTimestamp: "DATE", date: "VARCHAR2(10)" };
  await plant.sql(orderTables({ ...types, ...times }));
  for (let index = 0; index < 6; index += 1) {
    await plant.sql(`INSERT INTO po VALUES ('A', 'PO-${index}', 'NEW', 12.5, ${NOW}, ${index});
      INSERT INTO poline VALUES ('A', 'PO-${index}', 1, 'bolt', 1, ${NOW}, ${index});`);
  }
  connector = plant.connector([orderPlan("timestamp")]);
  await connector.open(never);
});

afterEach(async () => {
  await connector[Symbol.asyncDispose]();
  await plant[Symbol.asyncDispose]();
});

async function expectWhole(): Promise<void> {
  const replica = new Replica(connector, "purchase_order");
  await replica.pass("snapshot", { maxRows: 4 });
  expect(replica.lines()).toEqual(await orderRows(plant));
}

test("an answer that is cut after any number of bytes", async () => {
  for (const afterBytes of [0, 1, 4, 7, 8, 9, 10, 11, 17, 31, 53, 80, 120]) {
    plant.server.faults.plan({ kind: "cut", afterBytes }, OF_ORDERS);
    const cut = new Replica(connector, "purchase_order").pass("snapshot");
    await expect(cut, `after ${afterBytes} bytes`).rejects.toMatchObject({ kind: "unavailable" });
    await expectWhole();
  }
});

test.each<CallFault>([
  { kind: "drop" },
  { kind: "garbage", as: "message" },
  { kind: "garbage", as: "packet" },
  { kind: "error", error: { number: 3113, text: "end-of-file on communication channel" } },
])("a server that answers with %o", async (fault) => {
  for (const skip of [0, 1, 2]) {
    plant.server.faults.plan(fault, { ...OF_ORDERS, skip });
    const reading = new Replica(connector, "purchase_order").pass("snapshot", { maxRows: 4 });
    await expect(reading).rejects.toMatchObject({ kind: "unavailable" });
    await expectWhole();
  }
});

test("a server that says nothing is given up after the statement's time", async () => {
  await connector[Symbol.asyncDispose]();
  connector = plant.connector([orderPlan("timestamp")], { settings: { statement_timeout_ms: 300 } });
  await connector.open(never);
  plant.server.faults.plan({ kind: "delay", delayMs: 60_000 }, OF_ORDERS);
  const slow = new Replica(connector, "purchase_order").pass("snapshot");
  await expect(slow).rejects.toMatchObject({ kind: "unavailable", message: expect.stringMatching(/300 ms/) });
  await expectWhole();
});

test("a server that does not even answer a cancel is cut off", async () => {
  await connector[Symbol.asyncDispose]();
  const clock = new FakeClock(Date.now());
  connector = plant.connector([orderPlan("timestamp")], { clock, settings: { statement_timeout_ms: 300 } });
  await connector.open(never);
  plant.server.faults.plan({ kind: "silence" }, OF_ORDERS);
  plant.server.faults.doesIgnoreBreaks = true;
  const reading = new Replica(connector, "purchase_order").pass("snapshot").catch((error: unknown) => error);
  await vi.waitFor(() => expect(plant.server.faults.planned).toBe(0));
  clock.advance(5300);
  expect(await reading).toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining("has not answered for 5300 ms"),
  });
  await vi.waitFor(() => expect(plant.server.connections.length).toBeLessThan(2));
  plant.server.faults.clear();
  await expectWhole();
});

test("killed sessions, between calls", async () => {
  await expectWhole();
  expect(plant.server.faults.killSessions()).toBeGreaterThan(0);
  const reading = new Replica(connector, "purchase_order").pass("snapshot");
  await expect(reading).rejects.toMatchObject({ kind: "unavailable" });
  await expectWhole();
});

test("an incremental poll that breaks in the middle is made again from its cursor", async () => {
  const replica = new Replica(connector, "purchase_order");
  await replica.pass("incremental");
  await plant.sql("UPDATE po SET status = 'LATER', stamp = 9; UPDATE poline SET item = 'gear', stamp = 9;");
  plant.server.faults.plan({ kind: "drop" }, { ...OF_ORDERS, skip: 3 });
  await expect(replica.pass("incremental", { maxRows: 2 })).rejects.toMatchObject({ kind: "unavailable" });
  await replica.pass("incremental", { maxRows: 2 });
  expect(replica.lines()).toEqual(await orderRows(plant));
});
