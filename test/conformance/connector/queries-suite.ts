// Conformance: queries of the plant's own: bound parameters, exact and bounded answers, and nothing written.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import {
  MAX_QUERY_BYTES,
  type QueryRequest,
  type QueryResult,
  type QueryValue,
} from "#agent/core/source/query.ts";
import { type ConnectorHarness, orderPlan, orderTables, type SourceUnderTest } from "./harness.ts";

const never = new AbortController().signal;

export function describeQueries(harness: ConnectorHarness, longText: string): void {
  describe("named queries", () => {
    let source: SourceUnderTest;
    let connector: Connector;

    beforeEach(async () => {
      source = await harness.create();
      await source.sql(orderTables(harness.types));
      await source.sql(`CREATE TABLE note (id ${harness.types.integer} NOT NULL PRIMARY KEY, words ${longText});
        INSERT INTO po VALUES ('S1', 'PO-1', 'APPR', 12.50, NULL, 9223372036854775807);
        INSERT INTO po VALUES ('S1', 'PO-2', 'NEW', NULL, NULL, 2);
        INSERT INTO po VALUES ('S2', 'PO-3', 'it''s :new', 0.25, NULL, 3);`);
      connector = source.connector([orderPlan("full_scan")]);
      await connector.open(never);
    });

    afterEach(async () => {
      await connector[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    });

    function query(
      statement: string,
      given: Readonly<Record<string, QueryValue>> = {},
      more: Partial<QueryRequest> = {},
    ): Promise<QueryResult> {
      const parameters = Object.entries(given).map(([name, value]) => ({ name, value }));
      const { tableName = (table) => table } = harness;
      const own = statement.replaceAll(/(?<=(?:FROM|JOIN) )(?:po|note|no_such_table)/g, tableName);
      return connector.query!({ statement: own, parameters, maxRows: 100, signal: never, ...more });
    }

    test("bind their parameters, and give exact values under the source's own column names", async () => {
      const answer = await query(
        "SELECT ponum, total AS amount, stamp FROM po WHERE site = :site AND stamp > :least ORDER BY ponum",
        { site: "S1", least: 1 },
      );
      expect(answer.columns.map((name) => name.toLowerCase())).toEqual(["ponum", "amount", "stamp"]);
      expect(answer.isTruncated).toBe(false);
      expect(
        answer.rows.map(([ponum, amount, stamp]) => [ponum, amount && Number(amount), String(stamp)]),
      ).toEqual([
        ["PO-1", 12.5, "9223372036854775807"],
        ["PO-2", null, "2"],
      ]);
      expect(typeof answer.rows[0]?.[1]).toBe("string");
    });

    test("leave quotes and comments as they are, and use a parameter as often as it stands there", async () => {
      const text = `-- not :this one
        SELECT ponum AS ":name" /* nor :that */ FROM po
        WHERE status = 'it''s :new' AND (site = :site OR ponum = :site) AND total < :most;
        -- the end`;
      const answer = await query(text, { site: "S2", most: "0.5" });
      expect(answer).toEqual({ columns: [":name"], rows: [["PO-3"]], isTruncated: false });
      const spliced = "S1' OR '1' = '1";
      const none = await query("SELECT ponum FROM po WHERE site = :site", { site: spliced });
      expect(none.rows).toEqual([]);
    });

    test.each([
      ["SELECT ponum FROM po WHERE site = :site", {}, "bad_data", "wants the parameter site"],
      ["SELECT ponum FROM po", { site: "S1" }, "bad_data", "has no parameter site"],
      ["UPDATE po SET status = 'X'", {}, "misconfigured", "one SELECT"],
      ["SELECT 1 FROM po; DELETE FROM po", {}, "misconfigured", "one SELECT"],
      ["SELECT nothing FROM po", {}, "misconfigured", "does not accept the named query"],
      ["SELECT FROM WHERE", {}, "misconfigured", "does not accept the named query"],
      ["SELECT ponum FROM no_such_table", {}, "misconfigured", "does not accept the named query"],
    ])("say what is wrong: %s %j", async (statement, given, kind, said) => {
      const answer = query(statement, given);
      await expect(answer).rejects.toMatchObject({ name: "ConnectorError", kind });
      await expect(answer).rejects.toThrow(said);
      // And the next one is answered.
      expect(await query("SELECT ponum FROM po ORDER BY ponum")).toMatchObject({ rows: { length: 3 } });
    });

    test("give as many rows as were asked for, and say that there are more", async () => {
      const statement = "SELECT ponum FROM po ORDER BY ponum";
      const two = await query(statement, {}, { maxRows: 2 });
      expect(two).toMatchObject({ rows: [["PO-1"], ["PO-2"]], isTruncated: true });
      expect(await query(statement, {}, { maxRows: 3 })).toMatchObject({ isTruncated: false });
      expect(await query(statement, {}, { maxRows: 1 })).toMatchObject({ rows: [["PO-1"]] });
    });

    test("give no more than an answer may hold", async () => {
      const words = "x".repeat(3000);
      const rows = Array.from({ length: 120 }, (_, at) => `INSERT INTO note VALUES (${at}, '${words}');`);
      await source.sql(rows.join("\n"));
      const answer = await query("SELECT id, words FROM note ORDER BY id", {}, { maxRows: 1000 });
      expect(answer.isTruncated).toBe(true);
      expect(answer.rows.length).toBeGreaterThan(50);
      expect(JSON.stringify(answer.rows).length).toBeLessThan(MAX_QUERY_BYTES);
      expect(await query("SELECT ponum FROM po ORDER BY ponum")).toMatchObject({ rows: { length: 3 } });
    });

    test("that are called off end, and leave the connection to the next", async () => {
      const signal = AbortSignal.abort();
      const between = new AbortController();
      await source.sql(
        Array.from({ length: 30 }, (_, at) => `INSERT INTO note VALUES (${at}, 'x');`).join("\n"),
      );
      // Enough rows that whoever waits is let in.
      const long = query(
        "SELECT a.id FROM note a JOIN note b ON 1 = 1 JOIN note c ON 1 = 1",
        {},
        { maxRows: 10_000, signal: between.signal },
      );
      long.catch(() => {});
      setImmediate(() => between.abort());
      await expect(long).rejects.toMatchObject({ kind: "unavailable" });
      await expect(query("SELECT 1 FROM po", {}, { signal })).rejects.toMatchObject({ kind: "unavailable" });
      if (source.block === undefined) return;
      const blocked = await source.block("po");
      const leaving = new AbortController();
      const answer = query("SELECT ponum FROM po", {}, { signal: leaving.signal });
      answer.catch(() => {});
      await vi.waitFor(async () => expect(await blocked.isWaitedFor()).toBe(true));
      leaving.abort();
      await expect(answer).rejects.toMatchObject({ kind: "unavailable" });
      await blocked.release();
      await vi.waitFor(async () =>
        expect(await query("SELECT ponum FROM po ORDER BY ponum")).toMatchObject({ rows: { length: 3 } }),
      );
    });
  });
}
