// Conformance: one request, one transaction, one honest outcome; and nothing but what the plan names.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Connector, SourceRow } from "#agent/core/source/connector.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import type { ConnectorHarness, SourceUnderTest, WriteHarness } from "./harness.ts";
import { readPass } from "./harness.ts";
import { LOG, request, writablePlan, writableTables } from "./write-plans.ts";

const never = new AbortController().signal;

export function describeWrites(harness: ConnectorHarness, writes: WriteHarness): void {
  describe("writes", () => {
    let source: SourceUnderTest;
    let connector: Connector;

    beforeEach(async () => {
      source = await harness.create();
      await source.sql(writableTables(harness.types, writes.longText));
      if (writes.procedure !== undefined) await source.sql(writes.procedure);
      if (writes.grants !== "") await source.sql(writes.grants);
      connector = source.connector([writablePlan(harness)], { write: {} });
      await connector.open(never);
    });

    afterEach(async () => {
      await connector[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    });

    async function withLog(): Promise<void> {
      await connector[Symbol.asyncDispose]();
      connector = source.connector([writablePlan(harness)], { write: { commandLog: LOG } });
      await connector.open(never);
    }

    function write(change: Partial<WriteRequest> = {}): Promise<WriteOutcome> {
      return connector.write!(request(change));
    }

    /** PO-1 as `status stamp`, from the source's own mouth. */
    async function order(ponum = "PO-1"): Promise<string | undefined> {
      const rows = await source.rows(`SELECT status, stamp FROM po WHERE ponum = '${ponum}'`);
      return rows[0]?.join(" ");
    }

    async function read(key: readonly string[]): Promise<SourceRow | undefined> {
      for await (const { rows } of readPass(connector, "purchase_order", "point", { keys: [key] }))
        return rows[0];
      return undefined;
    }

    test("an update with the right version is applied, and answers with the row as it is then", async () => {
      const outcome = await write({ ifVersion: "1" });
      expect(outcome).toMatchObject({ status: "applied", isRepeat: false, isPending: false, isDry: false });
      expect(await order()).toBe("APPR 2");
      expect(await order("PO-2")).toBe("WAPPR 1");
      const row = outcome.status === "applied" ? outcome.row : undefined;
      expect(row).toEqual(await read(["S1", "PO-1"]));
      expect(row).toMatchObject({
        version: "2",
        columns: { status: "APPR" },
        children: { lines: [{ item: "pump" }] },
      });
    });

    test("a stale version is a conflict, and nothing is written", async () => {
      expect(await write({ ifVersion: "0" })).toMatchObject({ status: "conflict", row: { version: "1" } });
      expect(await order()).toBe("WAPPR 1");
    });

    test("of several writers with one version, one wins", async () => {
      const wanted = Array.from({ length: 6 }, (_, at) => at + 10);
      const outcomes = await Promise.all(
        wanted.map((stamp) => write({ ifVersion: "1", values: { status: "APPR", stamp } })),
      );
      const states = outcomes.map(({ status }) => status).sort();
      expect(states).toEqual(["applied", ...Array.from({ length: 5 }, () => "conflict")]);
    });

    test.runIf(writes.isServer)("a writer that commits between read and write makes a conflict", async () => {
      const held = await source.hold!("UPDATE po SET status = 'HOLD', stamp = 7 WHERE ponum = 'PO-1'");
      const writing = write({ ifVersion: "1" });
      await vi.waitFor(async () => expect(await held.isWaitedFor()).toBe(true));
      await held.release();
      expect(await writing).toMatchObject({ status: "conflict", row: { version: "7" } });
      expect(await order()).toBe("HOLD 7");
    });

    test("a row that is not there is not found", async () => {
      expect(await write({ key: ["S1", "PO-9"] })).toEqual({ status: "not_found" });
    });

    test("a new row is read back by its key, and a second one of the same key is refused", async () => {
      const values = { site: "S1", ponum: "PO-3", status: "NEW", stamp: 1 };
      const outcome = await write({ operation: "create", key: undefined, values });
      expect(outcome).toMatchObject({
        status: "applied",
        row: { key: ["S1", "PO-3"], columns: { status: "NEW" } },
      });
      const again = await write({ operation: "create", key: undefined, values });
      expect(again).toMatchObject({ status: "rejected", code: "CONSTRAINT" });
      expect(await source.rows("SELECT count(*) FROM po")).toEqual([["3"]]);
    });

    test("what the source refuses leaves nothing, in the log neither", async () => {
      await withLog();
      const key = { site: null, ponum: "PO-4", status: "NEW", stamp: 1 };
      const outcome = await write({ operation: "create", key: undefined, values: key });
      expect(outcome).toMatchObject({ status: "rejected", code: "CONSTRAINT" });
      expect(await source.rows(`SELECT count(*) FROM ${LOG}`)).toEqual([["0"]]);
    });

    test("values stay exact", async () => {
      const status = "Größe 漢字 🏭 o'clock";
      const values = { status, total: "1234567890.12", stamp: "9223372036854775807" };
      const outcome = await write({ values });
      expect(outcome).toMatchObject({
        status: "applied",
        row: { columns: { status, stamp: "9223372036854775807" } },
      });
      const [row] = await source.rows("SELECT status, total, stamp FROM po WHERE ponum = 'PO-1'");
      expect(row?.[0]).toBe(status);
      expect(Number(row?.[1])).toBe(1_234_567_890.12);
      const cleared = await write({ values: { status: null, total: null, stamp: 3 } });
      expect(cleared).toMatchObject({ row: { columns: { status: null, total: null } } });
      expect(await source.rows("SELECT status, total FROM po WHERE ponum = 'PO-1'")).toEqual([[null, null]]);
    });

    test("dates and wall-clock times are written as the source writes them", async () => {
      const { text, date, localTimestamp } = harness.types;
      await source.sql(
        `CREATE TABLE wo (num ${text} NOT NULL PRIMARY KEY, day ${date}, at ${localTimestamp});
         INSERT INTO wo VALUES ('1', NULL, NULL);`,
      );
      if (writes.grants !== "") await source.sql(writes.grants);
      const plan = {
        entity: "work_order",
        table: { name: "wo" },
        key: ["num"],
        columns: ["num", "day", "at"],
        filters: [],
        change: { kind: "full_scan" as const },
        children: [],
        writes: [{ operation: "update", form: "update" as const, slots: [{ name: "day" }, { name: "at" }] }],
      };
      const dated = source.connector([plan], { write: {} });
      await dated.open(never);
      const values = { day: "2024-02-29", at: "2026-10-25T02:30:00" };
      const outcome = await dated.write!(request({ entity: "work_order", key: ["1"], values }));
      const row = outcome.status === "applied" ? outcome.row : undefined;
      expect(String(row?.columns["day"])).toContain("2024-02-29");
      expect(String(row?.columns["at"]).replace("T", " ")).toContain("2026-10-25 02:30:00");
      await dated[Symbol.asyncDispose]();
    });

    test("a dry run shows the row as it would be, and changes nothing", async () => {
      await withLog();
      const outcome = await write({ dryRun: true });
      expect(outcome).toMatchObject({ status: "applied", isDry: true, row: { columns: { status: "APPR" } } });
      expect(await order()).toBe("WAPPR 1");
      expect(await source.rows(`SELECT count(*) FROM ${LOG}`)).toEqual([["0"]]);
      const refused = await write({
        dryRun: true,
        operation: "create",
        key: undefined,
        values: { site: "S1", ponum: "PO-1" },
      });
      expect(refused).toMatchObject({ status: "rejected", code: "CONSTRAINT" });
    });

    test("nothing is written that the plan does not name, nor where writing is not allowed", async () => {
      const stray = { status: "APPR", changed: "2026-01-01" };
      const key = ["S1"];
      for (const change of [
        { values: stray },
        { operation: "remove" },
        { entity: "vendor" },
        { key },
        { values: {} },
      ])
        expect(await write(change)).toMatchObject({ status: "rejected", code: "NOT_WRITABLE" });
      await connector[Symbol.asyncDispose]();
      connector = source.connector([writablePlan(harness)]);
      await connector.open(never);
      expect(await write()).toMatchObject({ status: "rejected", code: "NOT_WRITABLE" });
      expect(await order()).toBe("WAPPR 1");
    });

    test("what the writes need and the source has not is said on opening", async () => {
      await connector[Symbol.asyncDispose]();
      await source.sql("DROP TABLE po_import");
      connector = source.connector([writablePlan(harness)], { write: { commandLog: "no_such_log" } });
      const opening = connector.open(never);
      await expect(opening).rejects.toMatchObject({ kind: "misconfigured" });
      for (const missing of ["purchase_order.request: no table po_import", "no table no_such_log"])
        await expect(opening).rejects.toThrow(missing);
    });

    test("a write that is called off leaves nothing", async () => {
      const signal = AbortSignal.abort();
      await expect(write({ signal })).rejects.toMatchObject({ kind: "unavailable" });
      expect(await order()).toBe("WAPPR 1");
    });

    describe("the command log", () => {
      beforeEach(withLog);

      test("answers a repeated command, which is applied once", async () => {
        const values = { site: "S1", ponum: "PO-3", status: "NEW", stamp: 1 };
        const command = request({ operation: "create", key: undefined, values, idempotencyKey: "key-1" });
        expect(await connector.write!(command)).toMatchObject({ status: "applied", isRepeat: false });
        await source.sql("UPDATE po SET status = 'LATER' WHERE ponum = 'PO-3';");
        const again = await connector.write!(command);
        expect(again).toMatchObject({
          status: "applied",
          isRepeat: true,
          row: { columns: { status: "LATER" } },
        });
        expect(await source.rows(`SELECT idempotency_key, entity, operation FROM ${LOG}`)).toEqual([
          ["key-1", "purchase_order", "create"],
        ]);
      });

      test("lets the same command through once, however many come at a time", async () => {
        const command = request();
        const other = source.connector([writablePlan(harness)], { write: { commandLog: LOG } });
        await other.open(never);
        // Where writers wait for each other inside the driver (SQLite), two of them in one process would wait for ever.
        const writers = writes.isServer ? [connector, other] : [connector, connector];
        const wanted = [...writers, ...writers];
        const outcomes = await Promise.all(wanted.map((one) => one.write!(command)));
        await other[Symbol.asyncDispose]();
        expect(outcomes.map((one) => one.status)).toEqual(wanted.map(() => "applied"));
        const repeats = outcomes.filter((one) => one.status === "applied" && one.isRepeat);
        expect(repeats).toHaveLength(wanted.length - 1);
      });

      test("does not take one command's id for another's", async () => {
        const command = request();
        await connector.write!(command);
        const other = await connector.write!({ ...command, key: ["S1", "PO-2"] });
        expect(other).toMatchObject({ status: "rejected", code: "COMMAND_REUSED" });
        expect(await order("PO-2")).toBe("WAPPR 1");
      });
    });

    describe("an interface table", () => {
      const staging = {
        commandId: "c-1",
        operation: "request",
        key: undefined,
        values: { wanted: "a pump", command: "c-1" },
      };

      async function product(answer: string): Promise<void> {
        await vi.waitFor(async () => {
          expect(await source.rows("SELECT command FROM po_import")).toEqual([["c-1"]]);
        });
        await source.sql(answer);
      }

      test("gives the record that the product made of it", async () => {
        const writing = write(staging);
        await product("UPDATE po_import SET state = 'P', site = 'S1', ponum = 'PO-2';");
        expect(await writing).toMatchObject({
          status: "applied",
          isPending: false,
          row: { key: ["S1", "PO-2"] },
        });
      });

      test("gives the product's refusal", async () => {
        const writing = write(staging);
        await product("UPDATE po_import SET state = 'E', said = 'no budget';");
        expect(await writing).toMatchObject({
          status: "rejected",
          code: "REFUSED",
          message: expect.stringContaining("no budget"),
        });
      });

      test("stays pending when nobody waits any longer, and is not staged twice", async () => {
        const leaving = new AbortController();
        const command = request({ ...staging, signal: leaving.signal });
        const writing = connector.write!(command);
        await product("UPDATE po_import SET state = 'N';");
        leaving.abort();
        expect(await writing).toMatchObject({ status: "applied", isPending: true, isRepeat: false });
        await source.sql("UPDATE po_import SET state = 'P', site = 'S1', ponum = 'PO-2';");
        const again = await connector.write!({ ...command, signal: never });
        expect(again).toMatchObject({ status: "applied", isPending: false, isRepeat: true });
        expect(await source.rows("SELECT count(*) FROM po_import")).toEqual([["1"]]);
      });
    });

    describe.runIf(writes.procedure !== undefined)("a procedure", () => {
      const call = (state: string): Partial<WriteRequest> => ({
        operation: "change_status",
        values: { site: "S1", num: "PO-1", state },
      });

      test("is called once and its record read back", async () => {
        expect(await write(call("APPR"))).toMatchObject({
          status: "applied",
          outputs: { code: "0", message: "done" },
          row: { columns: { status: "APPR" } },
        });
        expect(await order()).toBe("APPR 2");
      });

      test("refuses by its output, and what it did is undone", async () => {
        const outcome = await write(call("NO"));
        expect(outcome).toMatchObject({
          status: "rejected",
          code: "REFUSED",
          message: expect.stringContaining("not allowed"),
        });
        expect(await order()).toBe("WAPPR 1");
      });

      test("is not called in a dry run", async () => {
        expect(await write({ ...call("APPR"), dryRun: true })).toMatchObject({
          status: "applied",
          isDry: true,
        });
        expect(await order()).toBe("WAPPR 1");
      });

      test("of a row that is not there is not called", async () => {
        expect(await write({ ...call("APPR"), key: ["S1", "PO-9"] })).toEqual({ status: "not_found" });
      });
    });

    describe.runIf(writes.isServer)("a connection lost during the commit", () => {
      test.each(["row", "log"])("is no write if the source has not seen it: told by the %s", async (by) => {
        if (by === "log") await withLog();
        source.loseCommit!("before");
        await expect(write()).rejects.toMatchObject({ kind: "unavailable" });
        expect(await order()).toBe("WAPPR 1");
        expect(await write()).toMatchObject({ status: "applied" });
      });

      test.each(["row", "log"])("is a write if only the answer was lost: told by the %s", async (by) => {
        if (by === "log") await withLog();
        source.loseCommit!("after");
        expect(await write()).toMatchObject({ status: "applied", row: { columns: { status: "APPR" } } });
        expect(await order()).toBe("APPR 2");
      });
    });
  });
}
