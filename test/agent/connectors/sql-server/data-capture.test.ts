// How far CDC has been read: positions within one LSN, and when the capture no longer reaches back or does not run.
import { RequestError } from "tedious";
import { expect, test } from "vitest";
import { dataCaptureFeed } from "#agent/connectors/sql-server/data-capture.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import type { ColumnFacts, SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const column: ColumnFacts = { name: "id", type: "int", nullable: false, rule: EXACT_KEY };
const clock = new FakeClock(1_000_000);
const feed = dataCaptureFeed({ instance: "dbo_po", wanted: [column], columns: [column], keyAt: [0] }, clock);

function lsn(number: number): string {
  return `0x${number.toString(16).toUpperCase().padStart(20, "0")}`;
}

interface Capture {
  readonly oldest: string | null;
  readonly newest: string | null;
  readonly behindS?: number;
  readonly rows?: readonly SqlRow[];
  readonly error?: Error;
}

class FakeSession implements SqlSession {
  readonly asked: SqlStatement[] = [];
  readonly #capture: Capture;

  constructor(capture: Capture) {
    this.#capture = capture;
  }

  query(statement: SqlStatement): readonly SqlRow[] {
    this.asked.push(statement);
    const { oldest, newest, behindS = 0, rows = [], error } = this.#capture;
    const [first, second] = statement.parameters;
    if (statement.text.includes("fn_cdc_decrement_lsn")) return [[lsn(Number(first) - 1)]];
    if (statement.text.includes("fn_cdc_get_min_lsn"))
      return [[oldest, newest, lsn(Number(second) + 1), behindS]];
    if (error !== undefined) throw error;
    return rows;
  }
}

const at = (number: number): { at: string; ms: number } => ({ at: lsn(number), ms: clock.nowMs() });

test("begins at the newest captured LSN, or right before an instance that has captured nothing yet", async () => {
  expect(await feed.establish(new FakeSession({ oldest: lsn(3), newest: lsn(9) }))).toEqual(at(9));
  expect(await feed.establish(new FakeSession({ oldest: lsn(12), newest: lsn(9) }))).toEqual(at(11));
  expect(await feed.establish(new FakeSession({ oldest: lsn(12), newest: null }))).toEqual(at(11));
});

test("nothing is asked of an empty range, which the function would refuse", async () => {
  const session = new FakeSession({ oldest: lsn(3), newest: lsn(9) });
  expect(await feed.read(session, at(9), 5)).toEqual({ changes: [], state: at(9), isLast: true });
  expect(session.asked).toHaveLength(1);
  const fresh = new FakeSession({ oldest: lsn(12), newest: lsn(9) });
  expect(await feed.read(fresh, at(11), 5)).toEqual({ changes: [], state: at(11), isLast: true });
});

test("a page may end within one LSN, and goes on there", async () => {
  const rows = [
    [lsn(10), lsn(1), 1, 7],
    [lsn(10), lsn(2), 3, 8],
  ];
  const first = new FakeSession({ oldest: lsn(3), newest: lsn(12), rows });
  const page = await feed.read(first, at(9), 2);
  expect(first.asked[1]).toEqual({
    text:
      "SELECT TOP (2) CONVERT(varchar(22), [__$start_lsn], 1), CONVERT(varchar(22), [__$seqval], 1), [__$operation], [id] " +
      "FROM cdc.[fn_cdc_get_all_changes_dbo_po](CONVERT(binary(10), @p1, 1), CONVERT(binary(10), @p2, 1), N'all update old') " +
      "ORDER BY [__$start_lsn], [__$seqval], [__$operation]",
    parameters: [lsn(10), lsn(12)],
  });
  expect(page).toEqual({
    changes: [
      { values: [7], isDelete: true },
      { values: [8], isDelete: false },
    ],
    state: { at: lsn(9), page: [lsn(10), lsn(2), 3], ms: clock.nowMs() },
    isLast: false,
  });
  const second = new FakeSession({ oldest: lsn(3), newest: lsn(13), rows: [[lsn(10), lsn(2), 4, 9]] });
  expect(await feed.read(second, page.state, 2)).toMatchObject({ state: at(13), isLast: true });
  expect(second.asked[1]?.parameters).toEqual([lsn(10), lsn(13), lsn(10), lsn(10), lsn(2), lsn(2), 3]);
});

test.each<[string, Capture, string, string]>([
  ["its retention overrun", { oldest: lsn(20), newest: lsn(30) }, "cursor_lost", "retention"],
  ["an older copy", { oldest: lsn(3), newest: lsn(8) }, "cursor_lost", "restored"],
  ["no instance", { oldest: lsn(0), newest: lsn(30) }, "unavailable", "gone"],
  ["no right", { oldest: null, newest: lsn(30) }, "unavailable", "gone"],
  [
    "a capture job that does not run",
    { oldest: lsn(3), newest: lsn(30), behindS: 3600 },
    "bad_data",
    "sp_cdc_start_job",
  ],
  [
    "a clean-up between the check and the read",
    {
      oldest: lsn(3),
      newest: lsn(30),
      error: Object.assign(new RequestError("An insufficient number of arguments", "EREQUEST"), {
        number: 313,
      }),
    },
    "cursor_lost",
    "retention",
  ],
])("%s is noticed", async (_name, capture, kind, message) => {
  await expect(feed.read(new FakeSession(capture), at(9), 5)).rejects.toMatchObject({
    kind,
    message: expect.stringContaining(message),
  });
});
