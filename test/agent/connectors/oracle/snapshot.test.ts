// A snapshot of one instant: one change number over all chunks, and how it goes on where undo ends.
import { expect, test } from "vitest";
import type { OracleSession } from "#agent/connectors/oracle/connection.ts";
import { OracleError } from "#agent/connectors/oracle/failures.ts";
import { readOneInstant } from "#agent/connectors/oracle/snapshot-reader.ts";
import type { Cursor, SourceBatch } from "#agent/core/source/connector.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import type { SqlStatement } from "#agent/core/sql/dialect.ts";
import { shapeEntities } from "#agent/core/sql/table-shape.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

const [shape] = shapeEntities(
  [
    {
      entity: "work_order",
      table: { name: "wo" },
      key: ["ID"],
      columns: ["ID", "QTY"],
      filters: [],
      change: { kind: "full_scan" },
      children: [],
    },
  ],
  {
    tableNames: [],
    table: () => ({
      table: { schema: "ERP", name: "WO" },
      columns: ["ID", "QTY"].map((name) => ({ name, type: "NUMBER", nullable: false, rule: EXACT_KEY })),
      indexLeads: [],
      hasHorizon: false,
    }),
  },
);

const NO_NUMBER = new OracleError("bad_data", "invalid number", { serverNumber: 1722 });
const TOO_OLD = new OracleError("unavailable", "snapshot too old", { serverNumber: 1555 });

/** Ids 1 to `count`; change numbers of new transactions count up from 100. */
class FakeLane {
  readonly asked: SqlStatement[] = [];
  /** The row whose QTY fails to convert. */
  badId = 0;
  readonly #count: number;
  readonly #failAt: ReadonlyMap<number, Error>;
  #scn = 100;

  constructor(count: number, failAt: ReadonlyMap<number, Error> = new Map()) {
    this.#count = count;
    this.#failAt = failAt;
  }

  async transaction<T>(_signal: AbortSignal, work: (session: OracleSession) => Promise<T>): Promise<T> {
    this.#scn += 1;
    return await work({
      scn: String(this.#scn),
      serverVersion: 1900000000,
      warning: undefined,
      query: (statement) => {
        this.asked.push(statement);
        const failure = this.#failAt.get(this.asked.length);
        if (failure !== undefined) throw failure;
        const ids = this.#idsOf(statement);
        if (!statement.text.includes('"QTY"')) return ids.map((id) => [id]);
        if (ids.includes(this.badId)) throw NO_NUMBER;
        return ids.map((id) => [id, 10 * id]);
      },
    });
  }

  #idsOf({ text, parameters }: SqlStatement): readonly number[] {
    const given = parameters.map(Number);
    if (text.includes(" IN (")) return [...new Set(given)].toSorted((left, right) => left - right);
    const after = given[0] ?? 0;
    const limit = Number(/FETCH FIRST (\d+)/.exec(text)?.[1]);
    return Array.from({ length: Math.min(limit, this.#count - after) }, (_, index) => after + index + 1);
  }

  get instants(): readonly string[] {
    return this.asked.map(({ text }) => /AS OF SCN (\d+)/.exec(text)?.[1] ?? "none");
  }
}

async function readAll(lane: FakeLane, after?: Cursor, logger = silentLogger): Promise<SourceBatch[]> {
  const request = { entity: "work_order", pass: "snapshot", after, maxRows: 2 } as const;
  const batches: SourceBatch[] = [];
  const { signal } = new AbortController();
  for await (const batch of readOneInstant(shape!, { ...request, signal }, lane, logger)) batches.push(batch);
  return batches;
}

function idsOf(batches: readonly SourceBatch[]): readonly (string | null | undefined)[] {
  return batches.flatMap(({ rows }) => rows.map(({ key }) => key[0]));
}

test("all chunks are of one instant, and a new process goes on in it", async () => {
  const lane = new FakeLane(5);
  const batches = await readAll(lane);
  expect(idsOf(batches)).toEqual(["1", "2", "3", "4", "5"]);
  expect(lane.instants).toEqual(["101", "101", "101"]);
  const again = new FakeLane(5);
  const cursor = JSON.parse(JSON.stringify(batches[0]!.cursor)) as Cursor;
  expect(idsOf(await readAll(again, cursor))).toEqual(["3", "4", "5"]);
  expect(again.instants).toEqual(["101", "101"]);
});

test("where undo ends it goes on behind the last key at the present state, and says so", async () => {
  const lane = new FakeLane(6, new Map([[3, TOO_OLD]]));
  const logger = recordingLogger();
  expect(idsOf(await readAll(lane, undefined, logger))).toEqual(["1", "2", "3", "4", "5", "6"]);
  expect(lane.instants).toEqual(["101", "101", "101", "105", "105"]);
  expect(JSON.stringify(logger.lines)).toContain("undo no longer reaches back");
});

test("a change number that was only just taken cannot be too old: that is a failure", async () => {
  const first = new FakeLane(3, new Map([[1, TOO_OLD]]));
  await expect(readAll(first)).rejects.toBe(TOO_OLD);
  const second = new FakeLane(
    6,
    new Map([
      [2, TOO_OLD],
      [3, TOO_OLD],
    ]),
  );
  await expect(readAll(second)).rejects.toBe(TOO_OLD);
});

test("a row that cannot be given out is told alone, and all others are of the one instant", async () => {
  const lane = new FakeLane(9);
  lane.badId = 4;
  const batches = await readAll(lane);
  expect(idsOf(batches)).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  const told = batches.flatMap(({ rows }) => rows).filter(({ unreadable }) => unreadable !== undefined);
  expect(told).toEqual([{ op: "upsert", key: ["4"], columns: {}, unreadable: "invalid number" }]);
  expect(new Set(lane.instants)).toEqual(new Set(["101"]));
  expect(batches.map(({ cursor }) => cursor["scn"])).toEqual(Array.from({ length: 5 }, () => "101"));
});
