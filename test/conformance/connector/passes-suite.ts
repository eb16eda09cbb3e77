// Conformance: opening, the catalogue check, snapshot, keys and point passes.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connector, Cursor, SourceRow } from "#agent/core/source/connector.ts";
import { systemClock } from "#common/runtime/clock.ts";
import {
  type ConnectorHarness,
  orderPlan,
  orderRows,
  orderTables,
  OrderWriter,
  readPass,
  Replica,
  type SourceUnderTest,
} from "./harness.ts";

const never = new AbortController().signal;

export function describePasses(harness: ConnectorHarness): void {
  describe("passes", () => {
    let source: SourceUnderTest;
    let connector: Connector;
    let writer: OrderWriter;

    beforeEach(async () => {
      source = await harness.create();
      await source.sql(orderTables(harness.types));
      writer = new OrderWriter(source, systemClock);
      connector = source.connector([orderPlan("full_scan")]);
    });

    afterEach(async () => {
      await connector[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    });

    async function fill(count: number): Promise<void> {
      for (let index = 0; index < count; index += 1) {
        const lines = Array.from({ length: index % 4 }, (_, line) => `item ${index}-${line}`);
        await writer.order(index % 3 === 0 ? "BEDFORD" : "nashua", `PO-${index}`, "WAPPR", lines);
      }
    }

    test("opens and closes again and again, as the same source", async () => {
      await connector.open(never);
      const identity = connector.identity();
      expect(identity).not.toBe("");
      expect(connector.strategies()).toHaveLength(1);
      expect(connector.keyRules("purchase_order")).toHaveLength(2);
      await connector[Symbol.asyncDispose]();
      await connector[Symbol.asyncDispose]();
      await connector.open(never);
      expect(connector.identity()).toBe(identity);
    });

    test("reports every missing table and column of all plans at once", async () => {
      const base = orderPlan("timestamp");
      const broken = source.connector([
        { ...base, columns: ["site", "ponum", "statsu"], key: ["site", "ponumber"] },
        { ...base, entity: "vendor", table: { name: "companies" } },
        {
          ...base,
          entity: "receipt",
          children: base.children.map((child) => Object.assign({}, child, { columns: ["quantity"] })),
        },
      ]);
      const opening = broken.open(never);
      await expect(opening).rejects.toMatchObject({ kind: "misconfigured" });
      for (const missing of ["statsu", "ponumber", "companies", "quantity"]) {
        await expect(opening).rejects.toThrow(missing);
      }
      await expect(opening).rejects.toThrow(/did you mean "status"/i);
      await broken[Symbol.asyncDispose]();
    });

    test("an empty table is an empty snapshot", async () => {
      await connector.open(never);
      expect(await new Replica(connector, "purchase_order").pass("snapshot")).toEqual([]);
    });

    test("a snapshot has every row with its children, and goes on from every cursor", async () => {
      await fill(23);
      await connector.open(never);
      const whole = new Replica(connector, "purchase_order");
      const rows = await whole.pass("snapshot", { maxRows: 4 });
      expect(rows).toHaveLength(23);
      expect(whole.lines()).toEqual(await orderRows(source));
      const cursors: { cursor: Cursor; read: number }[] = [];
      let read = 0;
      for await (const batch of readPass(connector, "purchase_order", "snapshot", { maxRows: 3 })) {
        read += batch.rows.length;
        cursors.push({ cursor: batch.cursor, read });
      }
      expect(cursors.length).toBeGreaterThan(6);
      for (const { cursor, read } of cursors) {
        await connector[Symbol.asyncDispose]();
        await connector.open(never);
        const rest: SourceRow[] = [];
        for await (const batch of readPass(connector, "purchase_order", "snapshot", { after: cursor }))
          rest.push(...batch.rows);
        expect(rest).toEqual(rows.slice(read));
      }
    });

    test("the key pass gives every key and nothing else, and goes on from its cursors", async () => {
      await fill(11);
      await connector.open(never);
      const replica = new Replica(connector, "purchase_order");
      const all = await replica.pass("keys", { maxRows: 4 });
      const expected = await source.rows("SELECT site, ponum FROM po");
      expect(all.map((row) => row.key.join("/")).sort()).toEqual(expected.map((row) => row.join("/")).sort());
      expect(all.every((row) => Object.keys(row.columns).length === 0 && row.children === undefined)).toBe(
        true,
      );
      for await (const batch of readPass(connector, "purchase_order", "keys", { maxRows: 4 })) {
        const rest = await replica.pass("keys", { after: batch.cursor });
        expect(rest).toEqual(all.slice(all.length - rest.length));
        expect(rest).toHaveLength(7);
        break;
      }
    });

    test("a point read gives the rows asked for with their children, and leaves absent ones out", async () => {
      await fill(9);
      await connector.open(never);
      const replica = new Replica(connector, "purchase_order");
      const keys = [
        ["BEDFORD", "PO-3"],
        ["nashua", "PO-7"],
        ["BEDFORD", "PO-999"],
        ["nashua", null],
        ["nashua", "PO-2"],
      ];
      const rows = await replica.pass("point", { keys, maxRows: 5 });
      expect(rows.map((row) => String(row.key[1])).sort()).toEqual(["PO-2", "PO-3", "PO-7"]);
      const all = await orderRows(source);
      expect(replica.lines()).toEqual(all.filter((line) => /PO-[237] /.test(line)));
      expect(await replica.pass("point", { keys: [], maxRows: 5 })).toEqual([]);
    });

    test("filters hold in every pass; a row without the value is not the value", async () => {
      await fill(4);
      await source.sql(
        "UPDATE po SET status = 'HIST' WHERE ponum = 'PO-1'; UPDATE po SET status = NULL WHERE ponum = 'PO-2';",
      );
      const plan = orderPlan("full_scan");
      const filters = [
        { column: "status", op: "<>", value: "HIST" },
        { column: "ponum", op: "in", value: ["PO-0", "PO-1", "PO-2"] },
        { column: "site", op: "is_not_null" },
      ] as const;
      connector = source.connector([{ ...plan, filters }]);
      await connector.open(never);
      for (const pass of ["snapshot", "keys"] as const) {
        const rows = await new Replica(connector, "purchase_order").pass(pass);
        expect(rows.map((row) => String(row.key[1])).sort()).toEqual(["PO-0", "PO-2"]);
      }
      const keys = [
        ["nashua", "PO-1"],
        ["nashua", "PO-2"],
      ];
      const points = await new Replica(connector, "purchase_order").pass("point", { keys });
      expect(points.map((row) => row.key[1])).toEqual(["PO-2"]);
    });
  });
}
