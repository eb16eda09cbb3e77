// Conformance: markers in local wall-clock time through both clock changes, and markers that are only a date.
import { describe, expect, test } from "vitest";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { zoneOffsetMs } from "#agent/core/sql/timestamps.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { type ConnectorHarness, Replica, type SourceUnderTest } from "./harness.ts";

const never = new AbortController().signal;
/** East and west of Greenwich: wall clocks ahead of UTC and behind it. */
const BERLIN = "Europe/Berlin";
const NEW_YORK = "America/New_York";
const MINUTE_MS = 60_000;

function reportPlan(format: "local" | "utc", overlapMs: number): EntityPlan {
  return {
    entity: "work_order",
    table: { name: "wo" },
    key: ["id"],
    columns: ["id", "title", "changed"],
    filters: [],
    change: { kind: "timestamp", column: "changed", format, overlapMs },
    children: [],
  };
}

function wallText(nowMs: number, zone: string): string {
  return new Date(nowMs + zoneOffsetMs(zone, nowMs)).toISOString().slice(0, 19);
}

export function describeWallClocks(harness: ConnectorHarness): void {
  describe("wall clocks", () => {
    /** Every ten minutes one row is written in wall-clock time and a poll is made; returns what was read and what is there. */
    async function through(
      zone: string,
      startMs: number,
      hours: number,
      plan: EntityPlan,
    ): Promise<{ read: number; there: number }> {
      await using source = await harness.create();
      const { integer, text, localTimestamp } = harness.types;
      await source.sql(
        `CREATE TABLE wo (id ${integer} PRIMARY KEY, title ${text}, changed ${localTimestamp});`,
      );
      const clock = new FakeClock(startMs);
      await using connector = source.connector([plan], { clock, timeZone: zone });
      await connector.open(never);
      const replica = new Replica(connector, "work_order");
      await replica.pass("incremental");
      for (let id = 0; id < hours * 6; id += 1) {
        clock.advance(10 * MINUTE_MS);
        await source.sql(
          `INSERT INTO wo VALUES (${id}, 'at ${clock.nowMs()}', '${wallText(clock.nowMs(), zone)}');`,
        );
        await replica.pass("incremental");
      }
      return {
        read: replica.records.size,
        there: Number((await source.rows("SELECT count(*) FROM wo"))[0]?.[0]),
      };
    }

    test.each([
      ["back", BERLIN, Date.UTC(2025, 9, 25, 22)],
      ["forward", BERLIN, Date.UTC(2025, 2, 29, 22)],
      ["back", NEW_YORK, Date.UTC(2025, 10, 2, 2)],
      ["forward", NEW_YORK, Date.UTC(2025, 2, 9, 3)],
    ])("a local-time column while the clocks go %s in %s", async (_direction, zone, startMs) => {
      const { read, there } = await through(zone, startMs, 8, reportPlan("local", MINUTE_MS));
      expect(there).toBe(48);
      expect(read).toBe(there);
    });

    test.skipIf(harness.hasFeed === true)(
      "the same column read as UTC loses the hour that comes twice: the zone is what saves it",
      async () => {
        const startMs = Date.UTC(2025, 10, 2, 2);
        const { read, there } = await through(NEW_YORK, startMs, 8, reportPlan("utc", MINUTE_MS));
        expect(read).toBeLessThan(there);
      },
    );

    test("a date-only column re-reads the whole day", async () => {
      await using source: SourceUnderTest = await harness.create();
      const { integer, text, date } = harness.types;
      await source.sql(`CREATE TABLE wo (id ${integer} PRIMARY KEY, title ${text}, changed ${date});`);
      const clock = new FakeClock(Date.UTC(2026, 4, 4, 6));
      await using connector = source.connector([reportPlan("local", 0)], { clock, timeZone: BERLIN });
      await connector.open(never);
      const replica = new Replica(connector, "work_order");
      await replica.pass("incremental");
      for (let id = 0; id < 30; id += 1) {
        clock.advance(100 * MINUTE_MS);
        const day = wallText(clock.nowMs(), BERLIN).slice(0, 10);
        await source.sql(`INSERT INTO wo VALUES (${id}, 'one', '${day}');`);
        await replica.pass("incremental");
        expect(replica.records.size).toBe(id + 1);
      }
      for (let poll = 0; poll < 4; poll += 1) {
        clock.advance(24 * 60 * MINUTE_MS);
        await connector[Symbol.asyncDispose]();
        await connector.open(never);
        await replica.pass("incremental");
      }
      await connector[Symbol.asyncDispose]();
      await connector.open(never);
      expect(await replica.pass("incremental")).toEqual([]);
    });
  });
}
