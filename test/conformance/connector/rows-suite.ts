// Conformance: an order with its lines in one transaction, keys that the source counts, removals, and amounts that are adjusted.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import type { ChildWrite, WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import type { ConnectorHarness, SourceUnderTest, WriteHarness } from "./harness.ts";
import { COUNTERS, LOG, request, rowsPlan, writableTables } from "./write-plans.ts";

const never = new AbortController().signal;

export function describeRowWrites(harness: ConnectorHarness, writes: WriteHarness): void {
  describe("writes with rows", () => {
    let source: SourceUnderTest;
    let connector: Connector;

    beforeEach(async () => {
      source = await harness.create();
      await source.sql(writableTables(harness.types, writes.longText));
      if (writes.grants !== "") await source.sql(writes.grants);
      connector = await opened();
    });

    afterEach(async () => {
      await connector[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    });

    async function opened(commandLog?: string): Promise<Connector> {
      const write = commandLog === undefined ? {} : { commandLog };
      const one = source.connector([rowsPlan()], { write });
      await one.open(never);
      return one;
    }

    function write(change: Partial<WriteRequest>, by = connector): Promise<WriteOutcome> {
      return by.write!(request({ values: {}, ...change }));
    }

    function create(lines: readonly ChildWrite[], by = connector): Promise<WriteOutcome> {
      const values = { site: "S1", status: "NEW", stamp: 1 };
      return write({ operation: "create", key: undefined, values, children: { lines } }, by);
    }

    function setLines(...lines: readonly ChildWrite[]): Promise<WriteOutcome> {
      return write({ children: { lines } });
    }

    /** The lines of an order as `line item qty`, from the source's own mouth. */
    async function linesOf(ponum = "PO-1"): Promise<readonly string[]> {
      const rows = await source.rows(
        `SELECT line, item, qty FROM poline WHERE ponum = '${ponum}' ORDER BY line`,
      );
      return rows.map(([line, item, qty]) => `${line} ${item} ${Number(qty)}`);
    }

    async function total(): Promise<number> {
      const [row] = await source.rows("SELECT total FROM po WHERE ponum = 'PO-1'");
      return Number(row?.[0]);
    }

    async function seed(): Promise<string> {
      const [row] = await source.rows(`SELECT seed FROM ${COUNTERS} WHERE name = 'PO' AND site = 'S1'`);
      return String(row?.[0]);
    }

    describe("create", () => {
      test("adds the record under the source's next number, with its rows, and reads both back", async () => {
        const outcome = await create([
          line("pump", 2),
          line("seal", "0.5"),
          { values: { line: 7, item: "oil" }, initial: { qty: "1" } },
        ]);
        expect(outcome).toMatchObject({
          status: "applied",
          row: {
            key: ["S1", "PO0000042"],
            columns: { status: "NEW" },
            children: { lines: [{ item: "oil" }, { item: "pump" }, { item: "seal" }] },
          },
        });
        expect(await linesOf("PO0000042")).toEqual(["7 oil 1", "8 pump 2", "9 seal 0.5"]);
        expect(await seed()).toBe("42");
      });

      test("leaves nothing at all where one row is refused", async () => {
        const twice = [{ values: { line: 1, item: "pump" } }, { values: { line: 1, item: "seal" } }];
        expect(await create(twice)).toMatchObject({ status: "rejected", code: "CONSTRAINT" });
        expect(await source.rows("SELECT count(*) FROM po")).toEqual([["2"]]);
        expect(await linesOf("PO0000042")).toEqual([]);
        expect(await seed()).toBe("41");
      });

      test("takes the key that the caller gives, and does not count on then", async () => {
        const values = { site: "S1", ponum: "PO-7", status: "NEW", stamp: 1 };
        const outcome = await write({ operation: "create", key: undefined, values });
        expect(outcome).toMatchObject({ status: "applied", row: { key: ["S1", "PO-7"] } });
        expect(await seed()).toBe("41");
        const none = { ...values, ponum: null };
        const counted = await write({ operation: "create", key: undefined, values: none });
        expect(counted).toMatchObject({ status: "applied", row: { key: ["S1", "PO0000042"] } });
      });

      test("gives each of several creators a number of its own", async () => {
        const other = writes.isServer ? await opened() : connector;
        const outcomes = await Promise.all(
          [connector, other, connector, other].map((one) => create([line("pump", 1)], one)),
        );
        if (other !== connector) await other[Symbol.asyncDispose]();
        const keys = outcomes.map((one) => (one.status === "applied" ? one.row?.key[1] : one.status));
        expect(keys.toSorted((left, right) => String(left).localeCompare(String(right)))).toEqual([
          "PO0000042",
          "PO0000043",
          "PO0000044",
          "PO0000045",
        ]);
      });

      test("says so where there is nothing to count on", async () => {
        await source.sql(`DELETE FROM ${COUNTERS};`);
        const outcome = await create([]);
        expect(outcome).toMatchObject({ status: "rejected", code: "REFUSED" });
        expect(outcome).toHaveProperty("message", expect.stringContaining("has 0 rows"));
      });

      test("is shown whole by a dry run, and not kept", async () => {
        const values = { site: "S1", status: "NEW", stamp: 1 };
        const children = { lines: [line("pump", 2)] };
        const outcome = await write({ operation: "create", key: undefined, values, children, dryRun: true });
        expect(outcome).toMatchObject({
          isDry: true,
          row: { key: ["S1", "PO0000042"], children: { lines: [{ item: "pump" }] } },
        });
        expect(await seed()).toBe("41");
        expect(await linesOf("PO0000042")).toEqual([]);
      });
    });

    describe("update", () => {
      test("changes rows by their key, adds new ones, removes those that are named, and no others", async () => {
        await source.sql("INSERT INTO poline VALUES ('S1', 'PO-1', 2, 'seal', 1, NULL, 1);");
        await source.sql("INSERT INTO poline VALUES ('S1', 'PO-1', 3, 'bolt', 8, NULL, 1);");
        await source.sql("INSERT INTO poline VALUES ('S1', 'PO-2', 1, 'other', 8, NULL, 1);");
        const outcome = await write({
          values: { status: "APPR", stamp: 2 },
          children: {
            lines: [
              { values: { line: 1, qty: "4.75" }, initial: { qty: "1" } },
              { values: { line: 2 }, isRemoved: true },
              line("oil", 3),
              { values: { line: 9, item: "gear" }, initial: { qty: "1" } },
              { values: { line: 6 }, isRemoved: true },
            ],
          },
        });
        expect(outcome).toMatchObject({
          status: "applied",
          row: { version: "2", columns: { status: "APPR" } },
        });
        expect(await linesOf()).toEqual(["1 pump 4.75", "3 bolt 8", "9 gear 1", "10 oil 3"]);
        const row = outcome.status === "applied" ? outcome.row : undefined;
        expect(row?.children?.["lines"]).toHaveLength(4);
        expect(await linesOf("PO-2")).toEqual(["1 other 8"]);
      });

      test("writes rows alone, and undoes them all where one is refused", async () => {
        expect(await setLines(line("seal", 1))).toMatchObject({ status: "applied" });
        expect(await linesOf()).toEqual(["1 pump 3.25", "2 seal 1"]);
        const outcome = await setLines(line("oil", 1), { values: { line: 8, qty: "1" } });
        expect(outcome).toMatchObject({
          status: "rejected",
          code: "VALUE",
          message: expect.stringContaining("is new and needs item") as string,
        });
        expect(await linesOf()).toEqual(["1 pump 3.25", "2 seal 1"]);
      });

      test("writes rows of a record that leaves what the pack reads in the same step", async () => {
        await connector[Symbol.asyncDispose]();
        const filters = [{ column: "status", op: "=", value: "WAPPR" }] as const;
        connector = source.connector([{ ...rowsPlan(), filters }], { write: {} });
        await connector.open(never);
        const outcome = await write({ values: { status: "DONE" }, children: { lines: [line("seal", 1)] } });
        expect(outcome).toMatchObject({ status: "applied", row: undefined });
        expect(await linesOf()).toEqual(["1 pump 3.25", "2 seal 1"]);
      });

      test("a stale version is a conflict and no row is written", async () => {
        const outcome = await write({ ifVersion: "0", children: { lines: [line("seal", 1)] } });
        expect(outcome).toMatchObject({ status: "conflict" });
        expect(await linesOf()).toEqual(["1 pump 3.25"]);
      });

      test("numbers rows one after the other, however many writers there are", async () => {
        const other = writes.isServer ? await opened() : connector;
        const writers = [connector, other, connector, other];
        const children = { lines: [line("seal", 1), line("oil", 1)] };
        const outcomes = await Promise.all(writers.map((one) => write({ children }, one)));
        if (other !== connector) await other[Symbol.asyncDispose]();
        expect(outcomes.map(({ status }) => status)).toEqual(writers.map(() => "applied"));
        expect((await linesOf()).map((one) => one.split(" ")[0])).toEqual("1 2 3 4 5 6 7 8 9".split(" "));
      });

      test("nothing is written that the plan does not name, nor more rows than it allows", async () => {
        for (const children of [
          { lines: [{ values: { line: 1, stamp: 9 } }] },
          { receipts: [line("seal", 1)] },
          { lines: Array.from({ length: 6 }, () => line("seal", 1)) },
          { lines: [] },
        ])
          expect(await write({ children })).toMatchObject({ status: "rejected", code: "NOT_WRITABLE" });
        expect(await linesOf()).toEqual(["1 pump 3.25"]);
      });
    });

    describe("delete", () => {
      const remove = { operation: "delete" };

      test("removes the record with its rows; a second time there is nothing", async () => {
        expect(await write({ ...remove, ifVersion: "0" })).toMatchObject({ status: "conflict" });
        expect(await write({ ...remove, dryRun: true })).toMatchObject({ status: "applied", isDry: true });
        expect(await linesOf()).toHaveLength(1);
        const outcome = await write({ ...remove, ifVersion: "1" });
        expect(outcome).toMatchObject({ status: "applied", row: undefined });
        expect(await source.rows("SELECT ponum FROM po")).toEqual([["PO-2"]]);
        expect(await linesOf()).toEqual([]);
        expect(await write(remove)).toEqual({ status: "not_found" });
      });

      test("repeats its answer where there is a command log", async () => {
        await connector[Symbol.asyncDispose]();
        connector = await opened(LOG);
        const command = request({ ...remove, values: {} });
        expect(await connector.write!(command)).toMatchObject({ status: "applied", isRepeat: false });
        const again = await connector.write!(command);
        expect(again).toMatchObject({ status: "applied", isRepeat: true, row: undefined });
      });

      test.runIf(writes.reference !== undefined)("is refused while another record refers to it", async () => {
        await source.sql(writes.reference!);
        expect(await write(remove)).toMatchObject({ status: "rejected", code: "CONSTRAINT" });
        expect(await linesOf()).toHaveLength(1);
      });
    });

    describe("adjust", () => {
      const adjust = (change: string, more = {}): Promise<WriteOutcome> =>
        write({ operation: "adjust", values: { total: change }, ...more });

      test("adds to the amount and tells what it is now", async () => {
        const outcome = await adjust("-2.25");
        expect(outcome).toMatchObject({ status: "applied", row: { key: ["S1", "PO-1"] } });
        const now = outcome.status === "applied" ? outcome.outputs["total"] : undefined;
        expect(Number(now)).toBe(10.25);
        expect(await total()).toBe(10.25);
      });

      test.each([
        ["-12.51", "not below 0"],
        ["88", "not above 100"],
      ])("refuses what would leave the bounds: %s", async (change, said) => {
        const outcome = await adjust(change);
        expect(outcome).toMatchObject({
          status: "rejected",
          code: "REFUSED",
          message: expect.stringContaining(said) as string,
        });
        expect(await total()).toBe(12.5);
        expect(await adjust("-12.50")).toMatchObject({ status: "applied" });
        expect(await total()).toBe(0);
      });

      test("adds up, whoever comes at the same time", async () => {
        const other = writes.isServer ? await opened() : connector;
        const changes = ["-3", "1.5", "-3", "0.5", "-3"];
        const outcomes = await Promise.all(
          changes.map((total, at) =>
            write({ operation: "adjust", values: { total } }, at % 2 === 0 ? connector : other),
          ),
        );
        if (other !== connector) await other[Symbol.asyncDispose]();
        expect(outcomes.map(({ status }) => status)).toEqual(changes.map(() => "applied"));
        expect(await total()).toBe(5.5);
      });

      test("adjusts one row of a child, which must be told from the others", async () => {
        await source.sql("INSERT INTO poline VALUES ('S1', 'PO-1', 2, 'seal', 1, NULL, 1);");
        const values = { qty: "2", line: 2 };
        const outcome = await write({ operation: "adjust_line", values });
        expect(outcome).toMatchObject({
          status: "applied",
          row: { children: { lines: [{}, { item: "seal" }] } },
        });
        expect(await linesOf()).toEqual(["1 pump 3.25", "2 seal 3"]);
        expect(await write({ operation: "adjust_line", values: { qty: "1" } })).toMatchObject({
          status: "rejected",
          code: "NOT_ONE_ROW",
        });
        expect(await write({ operation: "adjust_line", values: { qty: "1", line: 5 } })).toMatchObject({
          status: "rejected",
          code: "REFUSED",
          message: expect.stringContaining("line 5") as string,
        });
        expect(await linesOf()).toEqual(["1 pump 3.25", "2 seal 3"]);
      });

      test("adds nothing to an amount that is empty, nor where it is not told how much", async () => {
        await source.sql("UPDATE po SET total = NULL WHERE ponum = 'PO-1';");
        expect(await adjust("1")).toMatchObject({
          status: "rejected",
          message: expect.stringContaining("is empty") as string,
        });
        expect(await write({ operation: "adjust", values: { stamp: 9 } })).toMatchObject({
          status: "rejected",
          code: "VALUE",
        });
      });
    });

    describe.runIf(writes.isServer)("a connection lost during the commit", () => {
      const cases: readonly [string, Partial<WriteRequest>][] = [
        ["rows", { children: { lines: [line("seal", 1)] } }],
        ["a removal", { operation: "delete" }],
        ["an adjustment", { operation: "adjust", values: { total: "-2" } }],
        ["an adjusted row", { operation: "adjust_line", values: { qty: "2", line: 1 } }],
      ];

      test.each(cases)("is no write if the source has not seen it: %s", async (_, change) => {
        source.loseCommit!("before");
        await expect(write(change)).rejects.toMatchObject({ kind: "unavailable" });
        expect(await linesOf()).toEqual(["1 pump 3.25"]);
        expect(await total()).toBe(12.5);
      });

      test.each(cases)("is a write if only the answer was lost: %s", async (_, change) => {
        source.loseCommit!("after");
        expect(await write(change)).toMatchObject({ status: "applied" });
      });
    });
  });
}

/** A line without a number. */
function line(item: string, qty: string | number): ChildWrite {
  return { values: { item, qty: String(qty) }, initial: { qty: "1" } };
}
