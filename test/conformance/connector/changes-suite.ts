// Conformance: each change strategy ends with what the source holds, and is quiet when nothing happens.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import {
  type ConnectorHarness,
  type MarkerKind,
  orderPlan,
  orderRows,
  orderTables,
  OrderWriter,
  OVERLAP_MS,
  Replica,
  type SourceUnderTest,
} from "./harness.ts";

const never = new AbortController().signal;

export function describeChanges(harness: ConnectorHarness): void {
  describe.each<MarkerKind>(["timestamp", "counter", "full_scan"])("changes by %s", (kind) => {
    let source: SourceUnderTest;
    let connector: Connector;
    let clock: FakeClock;
    let writer: OrderWriter;
    let replica: Replica;

    beforeEach(async () => {
      source = await harness.create();
      await source.sql(orderTables(harness.types));
      clock = new FakeClock(Date.now() - 3_600_000);
      writer = new OrderWriter(source, clock);
      connector = source.connector([orderPlan(kind)], { clock });
      replica = new Replica(connector, "purchase_order");
      for (let index = 0; index < 8; index += 1) await write("A", `PO-${index}`, "NEW", ["bolt", "nut"]);
      await connector.open(never);
    });

    afterEach(async () => {
      await connector[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    });

    async function write(
      site: string,
      ponum: string,
      status: string,
      lines: readonly string[],
    ): Promise<void> {
      clock.advance(1000);
      await writer.order(site, ponum, status, lines);
    }

    async function expectEqual(): Promise<void> {
      expect(replica.lines()).toEqual(await orderRows(source));
    }

    test("no cursor: gives now and no rows", async () => {
      expect(await replica.pass("incremental")).toEqual([]);
      expect(replica.cursor).toBeDefined();
    });

    test("inserts, updates and changed lines arrive; deletes by keys", async () => {
      await replica.pass("incremental");
      await replica.pass("snapshot");
      await expectEqual();
      clock.advance(5000);
      await write("B", "PO-new", "NEW", ["gear"]);
      await writer.status("A", "PO-3", "APPR");
      await replica.pass("incremental", { maxRows: 2 });
      await expectEqual();
      clock.advance(5000);
      await writer.line("A", "PO-5", 2, "washer");
      const rows = await replica.pass("incremental");
      expect(rows.map((row) => row.key[1])).toContain("PO-5");
      await expectEqual();
      await writer.remove("A", "PO-7");
      await replica.pass("incremental");
      await replica.sweep();
      await expectEqual();
    });

    test("a snapshot with writers in between, then the changes since before it, equals the source", async () => {
      await replica.pass("incremental");
      let step = 0;
      await replica.pass("snapshot", {
        maxRows: 2,
        between: async () => {
          step += 1;
          clock.advance(700);
          await writer.status("A", `PO-${step % 8}`, `STEP${step}`);
          await writer.line("A", `PO-${(step * 3) % 8}`, 1, `part ${step}`);
          await writer.order("A", `PO-0${step}`, "NEW", ["early key"]);
          if (step === 2) await writer.remove("A", "PO-1");
        },
      });
      expect(step).toBeGreaterThan(3);
      await replica.pass("incremental", { maxRows: 3 });
      await replica.sweep();
      await expectEqual();
    });

    test("goes on in the middle of a poll, in a new process", async () => {
      await replica.pass("incremental");
      await replica.pass("snapshot");
      for (let index = 0; index < 8; index += 1) await writer.status("A", `PO-${index}`, "CLOSE");
      for (let index = 0; index < 6; index += 1) await writer.line("A", `PO-${index}`, 1, "pump");
      for (let rounds = 0; rounds < 40; rounds += 1) {
        // One batch, then the process is gone.
        const before = JSON.stringify(replica.cursor);
        const { cursor } = replica;
        for await (const batch of connector.read({
          entity: "purchase_order",
          pass: "incremental",
          after: cursor,
          maxRows: 3,
          signal: never,
        })) {
          for (const row of batch.rows) replica.records.set(replica.keyOf(row.key), row);
          replica.cursor = JSON.parse(JSON.stringify(batch.cursor)) as typeof cursor;
          break;
        }
        if (JSON.stringify(replica.cursor) === before) break;
        await connector[Symbol.asyncDispose]();
        await connector.open(never);
      }
      expect(replica.lines()).toEqual(await orderRows(source));
    });

    test.skipIf(kind === "full_scan")("is quiet when nothing happens", async () => {
      await replica.pass("incremental");
      await writer.status("A", "PO-3", "APPR");
      expect((await replica.pass("incremental")).length).toBeGreaterThan(0);
      if (kind === "timestamp" && !harness.isQuietAtOnce) {
        // Re-reading goes on for the overlap and ends, even if the connector forgets what it knows of this file.
        for (let poll = 0; poll < 5; poll += 1) {
          clock.advance(OVERLAP_MS / 2);
          await connector[Symbol.asyncDispose]();
          await connector.open(never);
          await replica.pass("incremental");
        }
      }
      await connector[Symbol.asyncDispose]();
      await connector.open(never);
      expect(await replica.pass("incremental")).toEqual([]);
      await writer.status("A", "PO-4", "APPR");
      expect((await replica.pass("incremental")).map((row) => row.key[1])).toContain("PO-4");
    });

    test.skipIf(kind !== "timestamp")("a row from the future does not carry the cursor away", async () => {
      await replica.pass("incremental");
      // Beyond the overlap, so that no line that is read again brings its order along.
      clock.advance(10 * OVERLAP_MS);
      await source.sql("UPDATE po SET changed = '2099-01-01T00:00:00.000Z' WHERE ponum = 'PO-0';");
      await replica.pass("incremental");
      await writer.status("A", "PO-6", "LATER");
      expect((await replica.pass("incremental")).map((row) => row.key[1])).toContain("PO-6");
    });

    test.skipIf(kind === "full_scan" || harness.hasFeed === true)(
      "an older copy of the source is noticed",
      async () => {
        await replica.pass("incremental");
        for (let index = 0; index < 8; index += 1) {
          clock.advance(2 * OVERLAP_MS);
          await writer.status("A", `PO-${index}`, "CLOSE");
          await replica.pass("incremental");
        }
        // What a restore brings back: every row as it was, markers and all.
        const old = `'${new Date(clock.nowMs() - 10_000_000).toISOString()}'`;
        await source.sql(`UPDATE po SET status = 'NEW', changed = ${old}, stamp = 1;`);
        await connector[Symbol.asyncDispose]();
        await connector.open(never);
        await expect(replica.pass("incremental")).rejects.toMatchObject({ kind: "cursor_lost" });
      },
    );

    test.skipIf(kind === "full_scan")("deleting the newest row is no restore", async () => {
      await replica.pass("incremental");
      for (let index = 0; index < 8; index += 1) {
        clock.advance(2 * OVERLAP_MS);
        await writer.status("A", `PO-${index}`, "CLOSE");
      }
      await replica.pass("incremental");
      await writer.remove("A", "PO-7");
      await connector[Symbol.asyncDispose]();
      await connector.open(never);
      await expect(replica.pass("incremental")).resolves.toBeDefined();
    });
  });
}
