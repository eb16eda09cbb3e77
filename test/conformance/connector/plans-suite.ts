// Conformance: what plans of real products ask for beyond tables, keys and children.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import type { ChildPlan } from "#agent/core/source/plan.ts";
import { systemClock } from "#common/runtime/clock.ts";
import {
  type ConnectorHarness,
  orderPlan,
  orderTables,
  OrderWriter,
  Replica,
  type SourceUnderTest,
} from "./harness.ts";

const never = new AbortController().signal;

export function describePlans(harness: ConnectorHarness): void {
  describe("plans of real products", () => {
    let source: SourceUnderTest;
    let connector: Connector;
    let writer: OrderWriter;

    beforeEach(async () => {
      source = await harness.create();
      await source.sql(orderTables(harness.types));
      writer = new OrderWriter(source, systemClock);
    });

    afterEach(async () => {
      await connector[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    });

    /** Opens with the order's one child changed. */
    async function open(
      change: Partial<ChildPlan>,
      kind: "counter" | "full_scan" = "full_scan",
    ): Promise<Replica> {
      const plan = orderPlan(kind);
      const children = plan.children.map((child) => Object.assign({}, child, change));
      connector = source.connector([{ ...plan, children }]);
      await connector.open(never);
      return new Replica(connector, "purchase_order");
    }

    test("rows are added up exactly, one for each combination of the other columns", async () => {
      await writer.order("nashua", "PO-1", "APPR", ["pump", "pump", "seal"]);
      await source.sql(
        "UPDATE poline SET qty = 0.1 WHERE line = 1; UPDATE poline SET qty = 0.2 WHERE line = 2;",
      );
      const replica = await open({ columns: ["item", "qty"], sums: ["qty"], orderBy: ["item"] });
      const [row] = await replica.pass("snapshot");
      const found = row?.children?.["lines"]?.map(({ item, qty }) => `${String(item)} ${Number(qty)}`);
      expect(found).toEqual(["pump 0.3", "seal 3.25"]);
      // Exact, whatever scale the source writes.
      expect(String(row?.children?.["lines"]?.[0]?.["qty"])).toMatch(/^0?\.30*$/);
    });

    test("a table that only touches is not read, and its changes lead to the parent", async () => {
      await writer.order("nashua", "PO-1", "APPR", ["pump"]);
      await writer.order("nashua", "PO-2", "APPR", ["pump"]);
      const replica = await open({ columns: [], orderBy: [] }, "counter");
      await replica.pass("incremental");
      await writer.line("nashua", "PO-2", 1, "seal");
      const rows = await replica.pass("incremental");
      // A source that knows changed blocks rather than rows gives the other order as well.
      expect(rows.map(({ key }) => key[1])).toContain("PO-2");
      expect(rows.map(({ children }) => children?.["lines"] ?? [])).toEqual(rows.map(() => []));
    });

    test("an optional table that is missing gives nothing, an optional column leaves no value", async () => {
      await writer.order("nashua", "PO-1", "APPR", ["pump"]);
      const absent = await open({ table: { name: "poline_ud" }, isOptional: true });
      expect(await absent.pass("snapshot")).toMatchObject([{ key: ["nashua", "PO-1"] }]);
      await connector[Symbol.asyncDispose]();
      const partial = await open({ columns: ["item", "nothing"], optionalColumns: ["nothing"] });
      const [row] = await partial.pass("snapshot");
      expect(row?.children?.["lines"]).toEqual([{ item: "pump" }]);
    });

    test("a table that is read whole still needs the columns that the plan names", async () => {
      await expect(open({ columns: ["*"], named: ["item", "quantity"] })).rejects.toThrow(
        /poline\.quantity/i,
      );
    });
  });
}
