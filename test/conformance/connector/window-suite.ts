// Conformance: passes over everything that leave old documents out, by dates of every kind that a column may have.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EntityPlan, TimestampFormat } from "#agent/core/source/plan.ts";
import { type ConnectorHarness, readPass, type SourceUnderTest } from "./harness.ts";

const never = new AbortController().signal;
const FROM_MS = Date.UTC(2026, 2, 10);

/** By column: the day before the window, its first, one within, one that stands for none. */
const DATES = {
  at: ["2026-03-09T23:59:59.000Z", "2026-03-10T00:00:00.000Z", "2026-05-04T08:00:00.000Z", null],
  wall: ["2026-03-09T23:59:59", "2026-03-10T00:00:00", "2026-05-04T08:00:00", "1753-01-01T00:00:00"],
  day: ["2026-03-09", "2026-03-10", "2026-05-04", "1900-01-01"],
  digits: ["20260309", "20260310", "20260504", "00000000"],
  julian: [126_068, 126_069, 126_124, 0],
  epoch: [FROM_MS / 1000 - 1, FROM_MS / 1000, FROM_MS / 1000 + 86_400, 0],
} as const;
const FORMATS: Readonly<Record<keyof typeof DATES, TimestampFormat>> = {
  at: "utc",
  wall: "local",
  day: "local",
  digits: "yyyymmdd",
  julian: "cyyddd",
  epoch: "epoch_s",
};

function datedPlan(column: keyof typeof DATES, isOpenRead: boolean): EntityPlan {
  return {
    entity: "invoice",
    table: { name: "doc" },
    key: ["id"],
    columns: ["id", "state"],
    filters: [{ column: "state", op: "<>", value: "VOID" }],
    change: { kind: "counter", column: "stamp" },
    children: [],
    documentDate: {
      column,
      format: FORMATS[column],
      openWhen: isOpenRead ? [{ column: "state", op: "in", value: ["OPEN", "HOLD"] }] : [],
    },
  };
}

export function describeWindows(harness: ConnectorHarness): void {
  describe("documents of a window", () => {
    let source: SourceUnderTest;

    beforeEach(async () => {
      source = await harness.create();
      const { integer, bigint, text, timestamp, localTimestamp, date } = harness.types;
      const columns = Object.entries({
        at: timestamp,
        wall: localTimestamp,
        day: date,
        digits: text,
        julian: integer,
        epoch: bigint,
      }).map(([name, type]) => `${name} ${type}`);
      await source.sql(
        `CREATE TABLE doc (id ${integer} PRIMARY KEY, state ${text}, ${columns.join(", ")}, stamp ${bigint});`,
      );
      const literal = (value: string | number | null): string =>
        value === null ? "NULL" : typeof value === "string" ? `'${value}'` : String(value);
      const row = (id: number, state: string | null, at: number): string => {
        const dates = Object.values(DATES).map((values) => literal(values[at] ?? null));
        return `INSERT INTO doc VALUES (${id}, ${literal(state)}, ${dates.join(", ")}, ${id});`;
      };
      const rows = [row(1, "DONE", 0), row(2, "OPEN", 0), row(3, null, 0), row(4, "DONE", 1)];
      rows.push(row(5, "DONE", 2), row(6, "DONE", 3), row(7, "DONE", 4), row(8, "VOID", 2));
      await source.sql(rows.join("\n"));
    });

    afterEach(async () => {
      await source[Symbol.asyncDispose]();
    });

    async function ids(
      plan: EntityPlan,
      pass: "snapshot" | "keys" | "point" | "incremental",
      documentsFromMs?: number,
    ): Promise<readonly number[]> {
      await using connector = source.connector([plan]);
      await connector.open(never);
      const found: number[] = [];
      const keys = [["1"], ["4"], ["8"]];
      let after;
      if (pass === "incremental")
        for await (const { cursor } of readPass(connector, "invoice", pass)) after = cursor;
      if (pass === "incremental") await source.sql("UPDATE doc SET stamp = stamp + 100 WHERE id IN (1, 5);");
      const options = { maxRows: 2, after, documentsFromMs, ...(pass === "point" ? { keys } : {}) };
      const wanted = pass === "point" ? { ...options, maxRows: 5 } : options;
      for await (const { rows } of readPass(connector, "invoice", pass, wanted))
        found.push(...rows.map(({ key }) => Number(key[0])));
      return found.toSorted((one, other) => one - other);
    }

    test.each(Object.keys(DATES) as (keyof typeof DATES)[])(
      "by the column %s: from the day on, without a date, or open; in pages that can be resumed",
      async (column) => {
        const plan = datedPlan(column, false);
        expect(await ids(plan, "snapshot", FROM_MS)).toEqual([4, 5, 6, 7]);
        expect(await ids(plan, "keys", FROM_MS)).toEqual([4, 5, 6, 7]);
        expect(await ids(datedPlan(column, true), "snapshot", FROM_MS)).toEqual([2, 4, 5, 6, 7]);
      },
    );

    test("without a window everything is read; changes and point reads always are", async () => {
      const plan = datedPlan("day", true);
      expect(await ids(plan, "snapshot")).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(await ids(plan, "point", FROM_MS)).toEqual([1, 4]);
      // A source that knows blocks only (Oracle) gives the rows beside them as well.
      expect(await ids(plan, "incremental", FROM_MS)).toEqual(expect.arrayContaining([1, 5]));
      const { documentDate: _, ...master } = plan;
      expect(await ids(master, "keys", FROM_MS)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    });
  });
}
