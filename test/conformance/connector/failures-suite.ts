// Conformance: what goes wrong has a kind and says what to do; abort is quick; a source that comes back is read again.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import { systemClock } from "#common/runtime/clock.ts";
import {
  type ConnectorHarness,
  orderPlan,
  orderTables,
  OrderWriter,
  readPass,
  Replica,
  type SourceUnderTest,
} from "./harness.ts";

const never = new AbortController().signal;

export function describeFailures(harness: ConnectorHarness): void {
  describe("failures", () => {
    let source: SourceUnderTest;
    let connector: Connector;
    let replica: Replica;

    beforeEach(async () => {
      source = await harness.create();
      await source.sql(orderTables(harness.types));
      const writer = new OrderWriter(source, systemClock);
      for (let index = 0; index < 12; index += 1) await writer.order("A", `PO-${index}`, "NEW", ["bolt"]);
      connector = source.connector([orderPlan("counter")]);
      replica = new Replica(connector, "purchase_order");
    });

    afterEach(async () => {
      await connector[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    });

    test("an unopened connector and an unplanned entity", async () => {
      expect(() => connector.identity()).toThrow(/not open/);
      await connector.open(never);
      await expect(new Replica(connector, "vendor").pass("snapshot")).rejects.toMatchObject({
        kind: "misconfigured",
      });
    });

    test("abort between batches ends the iteration; the connector goes on afterwards", async () => {
      await connector.open(never);
      const control = new AbortController();
      let rows = 0;
      for await (const batch of readPass(connector, "purchase_order", "snapshot", {
        maxRows: 2,
        signal: control.signal,
      })) {
        rows += batch.rows.length;
        control.abort();
      }
      expect(rows).toBe(2);
      expect(await replica.pass("snapshot")).toHaveLength(12);
    });

    test.runIf(harness.hasPasswords)("abort cuts a read that the source does not answer", async () => {
      await connector.open(never);
      const block = await source.block!("po");
      // Where a feed begins is no matter of the table.
      for (const pass of harness.hasFeed === true
        ? (["snapshot"] as const)
        : (["snapshot", "incremental"] as const)) {
        const control = new AbortController();
        const reading = replica.pass(pass, { signal: control.signal });
        await vi.waitFor(async () => expect(await block.isWaitedFor()).toBe(true));
        control.abort();
        await expect(reading).resolves.toEqual([]);
        // The server ends the statement of a reader that is gone, long before its lock_timeout would.
        await vi.waitFor(async () => expect(await block.isWaitedFor()).toBe(false), { timeout: 3000 });
      }
      await block.release();
      expect(await replica.pass("snapshot")).toHaveLength(12);
    });

    test("a source that is gone is unavailable, and is read again when it is back", async () => {
      await connector.open(never);
      await replica.pass("incremental");
      await source.gone();
      await expect(replica.pass("snapshot")).rejects.toMatchObject({ kind: "unavailable" });
      await expect(connector.open(never)).rejects.toMatchObject({ kind: "unavailable" });
      await source.back();
      await connector.open(never);
      expect(await replica.pass("snapshot")).toHaveLength(12);
    });

    test("a column that is dropped midway is misconfigured and named", async () => {
      await connector.open(never);
      const reading = readPass(connector, "purchase_order", "snapshot", { maxRows: 5 });
      await reading.next();
      await source.sql("ALTER TABLE po DROP COLUMN status;");
      await expect(reading.next()).rejects.toMatchObject({ kind: "misconfigured" });
      await expect(connector.open(never)).rejects.toThrow(/status/);
    });

    test.runIf(harness.hasPasswords)("a wrong password is unauthorized", async () => {
      await using wrong = source.connector([orderPlan("counter")], { wrongPassword: true });
      await expect(wrong.open(never)).rejects.toMatchObject({ kind: "unauthorized" });
    });

    test.runIf(harness.hasPasswords)(
      "a right taken away midway is misconfigured and says how to give it back",
      async () => {
        await connector.open(never);
        const reading = readPass(connector, "purchase_order", "snapshot", { maxRows: 5 });
        await reading.next();
        await source.revoke!("po");
        await expect(reading.next()).rejects.toMatchObject({
          kind: "misconfigured",
          message: expect.stringContaining("GRANT SELECT ON"),
        });
        await expect(connector.open(never)).rejects.toMatchObject({
          kind: "misconfigured",
          message: expect.stringContaining("GRANT SELECT ON"),
        });
      },
    );
  });
}
