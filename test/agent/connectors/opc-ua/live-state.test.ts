// What a live session remembers: queued samples, its cursor, each point's promise, gaps.
import { describe, expect, it } from "vitest";
import { GapList, MAX_POINT_GAPS } from "#agent/connectors/opc-ua/gap-list.ts";
import { ItemGroup } from "#agent/connectors/opc-ua/item-group.ts";
import { PointState } from "#agent/connectors/opc-ua/point-state.ts";
import type { Point } from "#agent/connectors/opc-ua/points.ts";
import { SampleQueue } from "#agent/connectors/opc-ua/sample-queue.ts";
import { MAX_EXACT_POINTS, TelemetryCursor } from "#agent/connectors/opc-ua/telemetry-cursor.ts";
import { Watchdog } from "#agent/connectors/opc-ua/watchdog.ts";
import { systemClock } from "#common/runtime/clock.ts";

function stateOf(key: string, historizing = true): PointState {
  return new PointState({ key, historizing } as Point, 1);
}

function queued(state: PointState, atMs: number) {
  return {
    state,
    atMs,
    sample: { point: state.point.key, value: atMs, status: 0, sourceMs: atMs, serverMs: null },
  };
}

describe("the sample queue", () => {
  it("drops the oldest when it is full and says of which points, from when on", () => {
    const [a, b] = [stateOf("a"), stateOf("b")];
    const queue = new SampleQueue(systemClock, 3);
    for (const [state, atMs] of [
      [a, 1],
      [a, 2],
      [b, 3],
      [b, 4],
      [b, 5],
    ] as const)
      queue.push(queued(state, atMs));
    expect(queue.take(10).map(({ atMs }) => atMs)).toEqual([3, 4, 5]);
    expect([...queue.takeDropped()]).toEqual([[a, 1]]);
    expect(queue.hasDropped).toBe(false);
  });

  it("stays bounded whatever is pushed", () => {
    const state = stateOf("a");
    const queue = new SampleQueue(systemClock, 100);
    for (let atMs = 0; atMs < 10_000; atMs += 1) queue.push(queued(state, atMs));
    expect(queue.size).toBe(100);
    expect(queue.take(1)[0]?.atMs).toBe(9_900);
  });

  it("waits for enough samples, and no longer than told", async () => {
    const queue = new SampleQueue(systemClock);
    const { signal } = new AbortController();
    const waiting = queue.wait(2, 10_000, 10_000, () => false, signal);
    queue.push(queued(stateOf("a"), 1));
    queue.push(queued(stateOf("a"), 2));
    await waiting;
    expect(queue.size).toBe(2);
    queue.take(2);
    await queue.wait(2, 10_000, 1, () => false, signal);
    const abort = new AbortController();
    const aborted = queue.wait(2, 10_000, 10_000, () => false, abort.signal);
    abort.abort();
    await aborted;
    expect(queue.size).toBe(0);
  });
});

describe("the cursor", () => {
  it("brings back each point's time exactly, to the microsecond", () => {
    const states = [stateOf("a"), stateOf("b"), stateOf("c"), stateOf("no history", false)];
    const cursor = new TelemetryCursor(states);
    const nowMs = 1_800_000_000_000;
    const taken = [
      queued(states[0] as PointState, nowMs - 5),
      queued(states[1] as PointState, nowMs - 1_234_567.125),
    ];
    for (const { state, atMs } of taken) state.delivered(atMs);
    cursor.took(taken, nowMs);
    const text = JSON.stringify(cursor.toCursor(true));
    const restored = new TelemetryCursor(
      states.map(({ point }) => stateOf(point.key, point.historizing)),
    ).restore(JSON.parse(text) as ReturnType<TelemetryCursor["toCursor"]>);
    expect(restored?.watermarkMs).toBe(nowMs - 5);
    expect(restored?.points.get("a")).toBe(nowMs - 5);
    expect(restored?.points.get("b")).toBeCloseTo(nowMs - 1_234_567.125, 3);
    expect(restored?.points.has("c")).toBe(false);
  });

  it("stands still while something is missing, and never believes a clock that runs ahead", () => {
    const state = stateOf("a");
    const cursor = new TelemetryCursor([state]);
    cursor.took([queued(state, 100)], 1_000);
    expect(cursor.toCursor(true)).toMatchObject({ t: 100 });
    cursor.took([queued(state, 5_000)], 1_000);
    expect(cursor.toCursor(false)).toMatchObject({ t: 100 });
    expect(cursor.toCursor(true)).toMatchObject({ t: 1_000 });
  });

  it("forgets point times when the list of points is another, and stays below 64 KiB", () => {
    const states = Array.from({ length: MAX_EXACT_POINTS + 500 }, (_, index) => stateOf(`point ${index}`));
    const cursor = new TelemetryCursor(states);
    const taken = states.map((state, index) => queued(state, 1_800_000_000_000 - index * 86_400_000));
    for (const { state, atMs } of taken) state.delivered(atMs);
    cursor.took(taken, 1_900_000_000_000);
    const saved = cursor.toCursor(true);
    expect(JSON.stringify(saved).length).toBeLessThan(64 * 1024);
    const other = new TelemetryCursor([stateOf("another"), ...states]).restore(saved);
    expect(other?.points.size).toBe(0);
    expect(other?.watermarkMs).toBe(1_800_000_000_000);
  });
});

describe("a point's promise", () => {
  it("waits for what is pending, and catches up afterwards", () => {
    const state = stateOf("a");
    state.delivered(10);
    state.pending = { fromMs: 10, reason: "reconnect", untilMs: 0 };
    state.delivered(50);
    expect(state.deliveredMs).toBe(10);
    state.pending = undefined;
    state.backfills = 1;
    state.deliveredHistory(20);
    state.promise();
    expect(state.deliveredMs).toBe(20);
    state.backfills = 0;
    state.promise();
    expect(state.deliveredMs).toBe(50);
  });
});

describe("many gaps", () => {
  it("of one kind become one for the connection", () => {
    const gaps = new GapList();
    for (let index = 0; index <= MAX_POINT_GAPS; index += 1)
      gaps.add(stateOf(`p${index}`), "reconnect", index, 500 + index, "x");
    gaps.add(stateOf("q"), "queue_overflow", 1, 2, "y");
    const told = gaps.take();
    expect(told).toHaveLength(2);
    expect(told[0]).toEqual({
      reason: "reconnect",
      fromMs: 0,
      toMs: 500 + MAX_POINT_GAPS,
      detail: "201 points of this connection: x",
    });
    expect(told[1]).toMatchObject({ reason: "queue_overflow", point: "q" });
    expect(gaps.isEmpty).toBe(true);
  });
});

describe("the watchdog", () => {
  it("barks at the second look, and not if something was heard in between", () => {
    const group = new ItemGroup({
      id: 1,
      states: [],
      publishingMs: 100,
      keepAliveCount: 10,
      itemCount: 0,
      lastHeardMs: 0,
    });
    const watchdog = new Watchdog();
    expect(watchdog.silent([group], 1_500)).toEqual([]);
    expect(watchdog.nextLookMs([group], 1_400, 5_000)).toBe(101);
    expect(watchdog.silent([group], 1_501)).toEqual([]);
    expect(watchdog.silent([group], 1_600)).toEqual([]);
    expect(watchdog.silent([group], 1_800)).toEqual([group]);
    group.lastHeardMs = 1_800;
    expect(watchdog.silent([group], 3_400)).toEqual([]);
  });
});
