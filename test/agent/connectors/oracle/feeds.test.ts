// The feeds' cursors: pages of one poll, what was purged, what undo has lost, a database that went back.
import { describe, expect, test } from "vitest";
import type { OracleSession } from "#agent/connectors/oracle/connection.ts";
import { OracleError } from "#agent/connectors/oracle/failures.ts";
import { type FeedKind, oracleFeed } from "#agent/connectors/oracle/feeds.ts";
import type { ChangeFeed, FeedPage } from "#agent/core/sql/change-feed.ts";
import type { Cursor } from "#agent/core/source/connector.ts";
import type { ColumnFacts, SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import { shapeEntities } from "#agent/core/sql/table-shape.ts";
import { orderPlan } from "#test/conformance/connector/harness.ts";

const [shape] = shapeEntities([orderPlan("full_scan")], {
  tableNames: [],
  table: ({ name }) => {
    const names = ["SITE", "PONUM", "STATUS", "TOTAL", "CHANGED", "STAMP", "LINE", "ITEM", "QTY"];
    const column = (each: string): ColumnFacts => ({
      name: each,
      type: "VARCHAR2",
      nullable: false,
      rule: EXACT_KEY,
    });
    const table = { schema: "ERP", name: name.toUpperCase() };
    return { table, columns: names.map(column), indexLeads: [], hasHorizon: true };
  },
});

const LOG = { schema: "ERP", name: "MLOG$_PO" };

function feedOf(kind: FeedKind): ChangeFeed {
  return oracleFeed(kind, shape!, undefined, LOG);
}

/** Answers by the statement's beginning; the rest gives nothing. */
class FakeSession implements OracleSession {
  readonly serverVersion = 1900000000;
  readonly warning = undefined;
  readonly asked: SqlStatement[] = [];
  scn: string | undefined;
  answers: readonly (readonly [RegExp, readonly SqlRow[] | Error])[];

  constructor(scn: string | undefined, answers: FakeSession["answers"] = []) {
    this.scn = scn;
    this.answers = answers;
  }

  query(statement: SqlStatement): readonly SqlRow[] {
    this.asked.push(statement);
    const answer = this.answers.find(([pattern]) => pattern.test(statement.text))?.[1] ?? [];
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

function stored(page: FeedPage): Cursor {
  return JSON.parse(JSON.stringify(page.state)) as Cursor;
}

describe.each<FeedKind>(["rowscn", "flashback", "mview_log"])("%s", (kind) => {
  const feed = feedOf(kind);
  const touched = /GROUP BY/;
  const witness: FakeSession["answers"][number] = [/MAX\(XID\$\$\)/, [["9"]]];
  const present: FakeSession["answers"][number] = [/COUNT\(\*\)/, [[1]]];

  test("begins now, and pages up to where the database was when the poll began", async () => {
    const begun = await feed.establish(new FakeSession("100", [witness]));
    expect(begun).toMatchObject({ scn: "100" });
    const first = new FakeSession("120", [
      witness,
      present,
      [
        touched,
        [
          ["A", "1", 0],
          ["A", "2", 1],
        ],
      ],
    ]);
    const page = await feed.read(first, begun, 2);
    expect(page).toMatchObject({ isLast: false, state: { scn: "100", to: "120", after: ["A", "2"] } });
    expect(page.changes.map(({ values, isDelete }) => [...values, isDelete])).toEqual([
      ["A", "1", false],
      ["A", "2", true],
    ]);
    // What commits meanwhile has a higher number, and is left to the next poll.
    const second = new FakeSession("140", [witness, present, [touched, [["B", "1", 0]]]]);
    const last = await feed.read(second, stored(page), 2);
    expect(last).toMatchObject({ isLast: true, state: { scn: "120" } });
    expect(last.state).not.toHaveProperty("to");
    const asked = second.asked.find(({ text }) => touched.test(text));
    expect(asked?.parameters).toContain("100");
    expect(asked?.text).toContain('"SITE" >');
  });

  test("a database that went back is another one", async () => {
    const reading = feed.read(new FakeSession("90", [witness, present]), { scn: "100" }, 2);
    await expect(reading).rejects.toMatchObject({ kind: "cursor_lost" });
  });

  test("without a change number there is nothing to say", async () => {
    await expect(feed.establish(new FakeSession(undefined))).rejects.toMatchObject({ kind: "unavailable" });
  });
});

test("versions that undo has lost mean reading anew; another outage does not", async () => {
  const feed = feedOf("flashback");
  const lost = new OracleError("unavailable", "snapshot too old", { serverNumber: 1555 });
  const reading = feed.read(new FakeSession("120", [[/VERSIONS/, lost]]), { scn: "100" }, 2);
  await expect(reading).rejects.toMatchObject({
    kind: "cursor_lost",
    message: expect.stringContaining("UNDO_RETENTION"),
  });
  const broken = new OracleError("unavailable", "end-of-file", { serverNumber: 3113 });
  await expect(feed.read(new FakeSession("120", [[/VERSIONS/, broken]]), { scn: "100" }, 2)).rejects.toBe(
    broken,
  );
});

describe("a log that others empty", () => {
  const feed = feedOf("mview_log");

  test("its newest entry that was read is gone: reading anew", async () => {
    const session = new FakeSession("120", [[/COUNT\(\*\)/, [[0]]]]);
    const reading = feed.read(session, { scn: "100", witness: "7" }, 2);
    await expect(reading).rejects.toMatchObject({
      kind: "cursor_lost",
      message: expect.stringContaining("purged"),
    });
  });

  test("nothing new keeps the witness; something new replaces it", async () => {
    const quiet = new FakeSession("120", [
      [/COUNT\(\*\)/, [[3]]],
      [/MAX\(XID\$\$\)/, [[null]]],
    ]);
    expect((await feed.read(quiet, { scn: "100", witness: "7" }, 2)).state).toEqual({
      scn: "120",
      witness: "7",
    });
    const busy = new FakeSession("120", [
      [/COUNT\(\*\)/, [[3]]],
      [/MAX\(XID\$\$\)/, [["8"]]],
    ]);
    expect((await feed.read(busy, { scn: "100", witness: "7" }, 2)).state).toEqual({
      scn: "120",
      witness: "8",
    });
  });

  test("is only ever read", async () => {
    const session = new FakeSession("120", [
      [/MAX\(XID\$\$\)/, [["9"]]],
      [/COUNT\(\*\)/, [[1]]],
    ]);
    await feed.read(session, await feed.establish(session), 2);
    expect(session.asked.length).toBeGreaterThan(2);
    expect(session.asked.every(({ text }) => text.startsWith("SELECT "))).toBe(true);
  });
});
