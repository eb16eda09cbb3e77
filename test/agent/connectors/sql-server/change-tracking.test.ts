// How far Change Tracking has been read, page by page, and when it no longer reaches back.
import { expect, test } from "vitest";
import { changeTrackingFeed } from "#agent/connectors/sql-server/change-tracking.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import type { ColumnFacts, SqlRow, SqlStatement, TableFacts } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const site: ColumnFacts = { name: "site", type: "nvarchar", nullable: false, rule: EXACT_KEY };
const line: ColumnFacts = { ...site, name: "line", type: "int" };
const order: ColumnFacts = { ...site, name: "po]num" };
const facts: TableFacts = {
  table: { schema: "dbo", name: "poline" },
  columns: [site, line, order],
  indexLeads: [],
  hasHorizon: false,
};
const clock = new FakeClock(1_000_000);
const feed = changeTrackingFeed(
  { facts, primaryKey: [site, line], wanted: [site, order], columns: [site, order], keyAt: undefined },
  clock,
);

class FakeSession implements SqlSession {
  readonly asked: SqlStatement[] = [];
  readonly #versions: SqlRow;
  readonly #changes: readonly SqlRow[];

  constructor(versions: SqlRow, changes: readonly SqlRow[] = []) {
    this.#versions = versions;
    this.#changes = changes;
  }

  query(statement: SqlStatement): readonly SqlRow[] {
    this.asked.push(statement);
    return statement.text.includes("CHANGETABLE") ? this.#changes : [this.#versions];
  }
}

const at = (version: string, ms = clock.nowMs()): { at: string; ms: number } => ({ at: version, ms });

test("begins at the current version", async () => {
  expect(await feed.establish(new FakeSession(["17", "3"]))).toEqual(at("17"));
  expect(feed.slot).toBe("change_tracking site,line");
});

test("asks for what follows the state, the parent's columns looked up in the row itself", async () => {
  const session = new FakeSession(["20", "3"], [["18", "U", "A", 1, "A", "PO-1"]]);
  const page = await feed.read(session, at("17"), 10);
  expect(session.asked[1]).toEqual({
    text:
      "SELECT TOP (10) CONVERT(varchar(20), ct.SYS_CHANGE_VERSION), ct.SYS_CHANGE_OPERATION, [site], [line], [site], " +
      "(SELECT [po]]num] FROM [dbo].[poline] AS t WHERE t.[site] = ct.[site] AND t.[line] = ct.[line]) " +
      "FROM CHANGETABLE(CHANGES [dbo].[poline], @p1) AS ct ORDER BY ct.SYS_CHANGE_VERSION, [site], [line]",
    parameters: [17n],
  });
  expect(page).toEqual({
    changes: [{ values: ["A", "PO-1"], isDelete: false }],
    state: at("20"),
    isLast: true,
  });
});

test("a full page goes on within its last version, which many rows may share", async () => {
  const rows = [
    ["18", "I", "A", 1, "A", "PO-1"],
    ["19", "D", "A", 2, "A", null],
  ] as const;
  const page = await feed.read(new FakeSession(["30", "3"], rows), at("17"), 2);
  expect(page).toMatchObject({ isLast: false, state: { at: "18", page: ["A", 2] } });
  expect(page.changes[1]).toEqual({ values: ["A", null], isDelete: true });
  const session = new FakeSession(["30", "3"], []);
  const last = await feed.read(session, page.state, 2);
  expect(session.asked[1]?.text).toContain(
    "@p1) AS ct WHERE (ct.SYS_CHANGE_VERSION > @p2 OR ([site] >= @p3 AND ([site] > @p4 OR ([site] = @p5 AND ([line] > @p6))))) ORDER BY",
  );
  expect(session.asked[1]?.parameters).toEqual([18n, 19n, "A", "A", "A", 2]);
  expect(last).toMatchObject({ isLast: true, state: { at: "30" } });
});

test("an idle state moves on once a minute, so that it does not fall out of the retention period", async () => {
  const idle = at("17", clock.nowMs() - 59_000);
  expect((await feed.read(new FakeSession(["40", "3"]), idle, 10)).state).toEqual(idle);
  const old = at("17", clock.nowMs() - 61_000);
  expect((await feed.read(new FakeSession(["40", "3"]), old, 10)).state).toEqual(at("40"));
});

test.each([
  ["cleaned up or truncated", ["40", "18"], "cursor_lost", "CHANGE_RETENTION"],
  ["restored", ["16", "3"], "cursor_lost", "restored"],
  ["turned off", ["40", null], "unavailable", "turned off"],
  ["turned off for the whole database", [null, null], "unavailable", "turned off"],
])("%s is noticed before anything is read", async (_name, versions, kind, message) => {
  const session = new FakeSession(versions);
  await expect(feed.read(session, at("17"), 10)).rejects.toMatchObject({
    kind,
    message: expect.stringContaining(message),
  });
  expect(session.asked).toHaveLength(1);
});

test("the oldest version still remembered is enough", async () => {
  await expect(feed.read(new FakeSession(["40", "17"]), at("17"), 10)).resolves.toBeDefined();
});
