// The timestamp strategy as arithmetic: whatever commits late within the overlap is read, and idle polls come to rest.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CursorValue } from "#agent/core/sql/cursor-values.ts";
import {
  afterPoll,
  beginPoll,
  compareMarkers,
  establishedState,
  lowerBound,
  type MarkerContext,
  type MarkerState,
} from "#agent/core/sql/marker-state.ts";
import { parseMarker } from "#agent/core/sql/timestamps.ts";
import { facts } from "./dialects.ts";

const START_MS = Date.UTC(2026, 3, 1, 12);
const OVERLAP_MS = 60_000;

function contextAt(nowMs: number, overlapMs = OVERLAP_MS): MarkerContext {
  const strategy = { kind: "timestamp", column: "changed", format: "utc", overlapMs } as const;
  const marker = { column: facts("changed"), strategy, isIndexed: true };
  return { marker, timeZone: "UTC", nowMs, sourceNowMs: nowMs, hasHorizon: false };
}

interface Write {
  readonly marker: string;
  readonly committedMs: number;
}

/** One poll over the rows committed by now, as the reader makes it. */
function poll(state: MarkerState, writes: readonly Write[], nowMs: number, overlapMs = OVERLAP_MS) {
  const context = contextAt(nowMs, overlapMs);
  const bound = lowerBound(state, context);
  const found = writes
    .filter(({ marker, committedMs }) => {
      if (committedMs > nowMs) return false;
      if (bound === undefined) return true;
      return bound.isOpen ? marker > bound.value : marker >= bound.value;
    })
    .sort((left, right) => (left.marker < right.marker ? -1 : 1));
  const markers: CursorValue[] = found.map(({ marker }) => marker);
  return { found, state: afterPoll(beginPoll(state, undefined, context), markers, [], context) };
}

const scenario = fc.record({
  writes: fc.array(fc.record({ atMs: fc.nat(600_000), lateMs: fc.nat(OVERLAP_MS - 1) }), {
    minLength: 1,
    maxLength: 40,
  }),
  polls: fc.array(fc.nat(700_000), { minLength: 1, maxLength: 40 }),
  /** The writers' clock against the agent's. */
  skewMs: fc.integer({ min: -7_200_000, max: 7_200_000 }),
  writing: fc.constantFrom(19, 24, 16, 10),
});

function missed(overlapMs: number) {
  return fc.property(scenario, ({ writes, polls, skewMs, writing }) => {
    const rows = writes.map(({ atMs, lateMs }) => ({
      marker: new Date(START_MS + atMs + skewMs).toISOString().slice(0, writing),
      committedMs: START_MS + atMs + lateMs,
    }));
    let state = establishedState(null, undefined, [], contextAt(START_MS, overlapMs));
    const read = new Set<Write>();
    const times = [...polls.toSorted((a, b) => a - b), 800_000];
    for (const atMs of times) {
      const result = poll(state, rows, START_MS + atMs, overlapMs);
      state = JSON.parse(JSON.stringify(result.state)) as MarkerState;
      for (const row of result.found) read.add(row);
    }
    expect(read.size).toBe(rows.length);
  });
}

describe("timestamp", () => {
  test("reads everything that commits within the overlap, whatever the clocks say", () => {
    expect(() => fc.assert(missed(OVERLAP_MS), { numRuns: 1000 })).not.toThrow();
  });

  test("with no overlap it loses late commits: the property can fail", () => {
    expect(fc.check(missed(0), { numRuns: 1000 }).failed).toBe(true);
  });

  test("an idle source comes to rest, and a later row is still found", () => {
    const rows = [{ marker: "2026-04-01T11:59:00", committedMs: START_MS }];
    let state = establishedState(null, undefined, [], contextAt(START_MS));
    const seen: number[] = [];
    for (let atMs = 0; atMs < 6 * OVERLAP_MS; atMs += OVERLAP_MS / 2) {
      const result = poll(state, rows, START_MS + atMs);
      seen.push(result.found.length);
      ({ state } = result);
    }
    expect(seen[0]).toBe(1);
    expect(seen.slice(-4)).toEqual([0, 0, 0, 0]);
    const next = { marker: "2026-04-01T12:06:00", committedMs: START_MS };
    expect(poll(state, [...rows, next], START_MS + 6 * OVERLAP_MS).found).toEqual([next]);
  });

  test("the agent's clock set back does not settle early or forget", () => {
    let state = establishedState("2026-04-01T12:00:00", undefined, [], contextAt(START_MS));
    const rows = [{ marker: "2026-04-01T12:00:00", committedMs: 0 }];
    ({ state } = poll(state, rows, START_MS - 3_600_000));
    expect(state.settled).toBeUndefined();
    expect(state.at).toBe("2026-04-01T12:00:00");
  });

  test("garbage and the future do not move the cursor", () => {
    const rows = ["2026-04-01T11:00:00", "2099-01-01T00:00:00", "n/a"].map((marker) => ({
      marker,
      committedMs: 0,
    }));
    const { state } = poll(establishedState(null, undefined, [], contextAt(START_MS)), rows, START_MS);
    expect(state.at).toBe("2026-04-01T11:00:00");
    expect(parseMarker(lowerBound(state, contextAt(START_MS))!.value, "utc")?.ms).toBe(
      Date.UTC(2026, 3, 1, 10, 59),
    );
  });
});

test("counters compare as integers of any size, row versions as text", () => {
  const context = {
    ...contextAt(0),
    marker: { ...contextAt(0).marker, strategy: { kind: "counter", column: "c" } as const },
  };
  expect(compareMarkers("9223372036854775807", "9223372036854775806", context)).toBeGreaterThan(0);
  expect(compareMarkers(9, 10, context)).toBeLessThan(0);
  expect(compareMarkers("0x000000000000000A", "0x0000000000000009", context)).toBeGreaterThan(0);
});
