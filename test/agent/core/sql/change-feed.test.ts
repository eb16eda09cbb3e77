// Following a source's own feed: what it names is read as it is now, what is gone is deleted, and another way of following is noticed.
import { describe, expect, test } from "vitest";
import type { Cursor, SourceBatch, SourceRow } from "#agent/core/source/connector.ts";
import type { EntityPlan, SourceValue } from "#agent/core/source/plan.ts";
import type { ChangeFeed, FeedChange } from "#agent/core/sql/change-feed.ts";
import type { SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { SqlSource } from "#agent/core/sql/sql-source.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import type { EntityShape } from "#agent/core/sql/table-shape.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { facts, shapeOf, SQL_SERVER } from "./dialects.ts";

const never = new AbortController().signal;

const plan: EntityPlan = {
  entity: "purchase_order",
  table: { name: "po" },
  key: ["id"],
  columns: ["id", "status"],
  filters: [],
  change: { kind: "full_scan" },
  children: [
    {
      name: "lines",
      table: { name: "poline" },
      on: [{ child: "po", parent: "id" }],
      columns: ["item"],
      orderBy: [],
      filters: [],
    },
  ],
};

const ignoreCase = {
  ignoreCase: true,
  ignoreAccents: false,
  ignoreTrailingBlanks: false,
  emptyIsNull: false,
};
const columns = [facts("id", { rule: ignoreCase }), facts("status")];
const shape = shapeOf(
  plan,
  { table: { name: "po" }, columns, indexLeads: [], hasHorizon: false },
  { table: { name: "poline" }, columns: [facts("po"), facts("item")], indexLeads: [], hasHorizon: false },
);

/** Orders by id; a feed for each of own and child, as lists of pages. */
class FakeSource implements SqlSource {
  readonly dialect = SQL_SERVER;
  readonly orders = new Map<string, string>();
  readonly own: FeedChange[] = [];
  readonly lines: FeedChange[] = [];
  hasOwn = true;
  hasLines = true;
  slot = "log";
  knowsKey = true;

  transaction<T>(
    _lane: "live" | "bulk",
    _signal: AbortSignal,
    work: Parameters<SqlSource["transaction"]>[2],
  ): Promise<T> {
    return work({ query: (statement) => this.#query(statement) }) as Promise<T>;
  }

  feed(of: EntityShape, child: EntityShape["children"][number] | undefined): ChangeFeed | undefined {
    if (!(child === undefined ? this.hasOwn : this.hasLines)) return undefined;
    const log = child === undefined ? this.own : this.lines;
    return {
      slot: this.slot,
      columns: [of.select[0]!],
      keyAt: this.knowsKey ? [0] : undefined,
      establish: () => Promise.resolve({ at: log.length }),
      read: (_session, state, maxRows) => {
        const from = Number(state["at"]);
        const changes = log.slice(from, from + maxRows);
        const isLast = changes.length < maxRows;
        return Promise.resolve({ changes, state: { at: from + changes.length }, isLast });
      },
    };
  }

  #query({ text, parameters }: SqlStatement): readonly SqlRow[] {
    if (text.includes("[poline]"))
      return parameters.map((po) => [`item of ${String(po)}`, po as SourceValue]);
    return [...this.orders].filter(([id]) => parameters.includes(id));
  }
}

function reader(source: FakeSource): TableReader {
  return new TableReader({ source, shapes: [shape], clock: new FakeClock(0), timeZone: "UTC" });
}

async function poll(
  source: FakeSource,
  after: Cursor | undefined,
  maxRows = 10,
): Promise<{ rows: SourceRow[]; cursor: Cursor | undefined; batches: SourceBatch[] }> {
  const batches: SourceBatch[] = [];
  const request = { entity: plan.entity, pass: "incremental", after, maxRows, signal: never } as const;
  for await (const batch of reader(source).read(request)) batches.push(batch);
  return { rows: batches.flatMap(({ rows }) => rows), cursor: batches.at(-1)?.cursor ?? after, batches };
}

const written = (id: string | null): FeedChange => ({ values: [id], isDelete: false });
const removed = (id: string): FeedChange => ({ values: [id], isDelete: true });

describe("a feed", () => {
  test("begins with now, and then gives what it names as it is, with children; a full-scan plan is not scanned", async () => {
    const source = new FakeSource();
    source.own.push(written("before"));
    const first = await poll(source, undefined);
    expect(first.rows).toEqual([]);
    source.orders.set("A", "NEW");
    source.own.push(written("A"), written("A"));
    const { rows, cursor } = await poll(source, first.cursor);
    expect(rows).toEqual([
      {
        op: "upsert",
        key: ["A"],
        columns: { id: "A", status: "NEW" },
        children: { lines: [{ item: "item of A" }] },
      },
    ]);
    expect((await poll(source, cursor)).batches).toEqual([]);
  });

  test("tells what was deleted, what left the plan's filters, and what came back", async () => {
    const source = new FakeSource();
    const { cursor } = await poll(source, undefined);
    source.orders.set("B", "NEW");
    source.own.push(removed("A"), removed("B"), written("B"), written("C"));
    const { rows } = await poll(source, cursor);
    expect(rows.map(({ op, key, reason }) => [op, key[0], reason])).toEqual([
      ["upsert", "B", undefined],
      ["delete", "A", "tombstone"],
      ["delete", "C", "flag"],
    ]);
  });

  test("a key that the feed spells in another case is the row that is there", async () => {
    const source = new FakeSource();
    const { cursor } = await poll(source, undefined);
    source.orders.set("a", "NEW");
    source.own.push(written("a"), removed("A"));
    expect((await poll(source, cursor)).rows.map(({ op }) => op)).toEqual(["upsert"]);
  });

  test("that does not know the key tells no deletes", async () => {
    const source = new FakeSource();
    source.knowsKey = false;
    const { cursor } = await poll(source, undefined);
    source.own.push(removed("A"));
    expect((await poll(source, cursor)).rows).toEqual([]);
  });

  test("of a child reads the parent again, and never deletes it; a lost parent is nobody", async () => {
    const source = new FakeSource();
    const { cursor } = await poll(source, undefined);
    source.orders.set("A", "NEW");
    source.lines.push(removed("A"), written("gone"), written(null));
    const { rows } = await poll(source, cursor);
    expect(rows.map(({ op, key }) => [op, key[0]])).toEqual([["upsert", "A"]]);
  });

  test("goes on from every batch, which is never larger than asked for", async () => {
    const source = new FakeSource();
    const start = await poll(source, undefined);
    for (const id of ["A", "B", "C", "D", "E"]) {
      source.orders.set(id, "NEW");
      source.own.push(written(id));
      source.lines.push(written(id));
    }
    const whole = await poll(source, start.cursor, 2);
    expect(Math.max(...whole.batches.map(({ rows }) => rows.length))).toBe(2);
    expect(whole.rows).toHaveLength(10);
    for (const [index, batch] of whole.batches.entries()) {
      const rest = await poll(source, JSON.parse(JSON.stringify(batch.cursor)) as Cursor, 2);
      expect(rest.rows).toEqual(whole.batches.slice(index + 1).flatMap(({ rows }) => rows));
    }
  });
});

describe("another way of following", () => {
  test("of the entity's own table loses the cursor", async () => {
    const source = new FakeSource();
    const { cursor } = await poll(source, undefined);
    source.slot = "other log";
    await expect(poll(source, cursor)).rejects.toMatchObject({ kind: "cursor_lost" });
  });

  test("of a child loses the cursor too: what changed in between is unknown", async () => {
    const source = new FakeSource();
    const { cursor } = await poll(source, undefined);
    const renamed: Cursor = { ...cursor };
    const { "child lines log": state, ...rest } = renamed;
    await expect(poll(source, { ...rest, "child lines counter stamp": state! })).rejects.toMatchObject({
      kind: "cursor_lost",
    });
  });

  test("a child that is newly followed begins now", async () => {
    const source = new FakeSource();
    source.hasLines = false;
    const { cursor } = await poll(source, undefined);
    source.hasLines = true;
    source.lines.push(written("A"));
    const next = await poll(source, cursor);
    expect(next.rows).toEqual([]);
    expect(next.cursor).toMatchObject({ "child lines log": { at: 1 } });
  });

  test("without a feed of the entity's own every row is read", async () => {
    const source = new FakeSource();
    source.hasOwn = false;
    const { cursor } = await poll(source, undefined);
    expect(cursor).toEqual({ v: 1, scan: null });
  });
});
