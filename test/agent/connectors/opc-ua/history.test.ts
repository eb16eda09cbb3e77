// An outage filled from the server's history, and a gap where there is none.
import { DataType, HistoryReadResult, StatusCodes, Variant } from "node-opcua";
import { describe, expect, it, vi } from "vitest";
import { Subscriber, WAIT, nodeOf, startPlant } from "./harness.ts";

const KEPT = "Line1.Press.Temperature";
const double = (value: number): Variant => new Variant({ dataType: DataType.Double, value });

describe("history", () => {
  it("of a long outage comes in pages, complete, in order, once, and the cursor moves along", async () => {
    await using plant = await startPlant();
    const { server } = plant;
    const settings = { discover: { include: ["Line*/Temperature", "Line*/Count"] } };
    await using connector = plant.connector(settings);
    await connector.open(AbortSignal.timeout(10_000));
    const first = new Subscriber(connector);
    await vi.waitFor(() => expect(first.points).toBe(30), WAIT);
    const t0 = Date.now();
    server.set(KEPT, double(1), t0);
    await first.value(KEPT, 1);
    await first.stop();

    // More than two pages of 500 values while nobody listens.
    const missed = 1_300;
    for (let value = 2; value <= missed; value += 1) server.set(KEPT, double(value), t0 + value);
    const archived = server.archive.values(KEPT).filter((one) => (one.sourceTimestamp?.getTime() ?? 0) >= t0);
    expect(archived).toHaveLength(missed);

    // The agent is killed in the middle of the backfill: whatever its last durable cursor says, nothing is lost or doubled.
    const second = new Subscriber(connector, first.cursor, 100);
    await vi.waitUntil(() => second.of(KEPT).some(({ backfilled }) => backfilled), WAIT);
    await second.stop();
    const third = new Subscriber(connector, second.cursor, 100);
    await vi.waitUntil(
      () => third.of(KEPT).some(({ value }) => value === missed - 1) || second.of(KEPT).length > missed - 2,
      WAIT,
    );
    server.set(KEPT, double(missed + 1), t0 + missed + 10_000);
    await third.value(KEPT, missed + 1);
    await third.stop();
    expect(third.largest).toBeLessThanOrEqual(100);

    const times = new Set(
      [first, second, third].flatMap((reader) => reader.of(KEPT).map(({ sourceMs }) => sourceMs ?? 0)),
    );
    const wanted = [...archived.map((one) => one.sourceTimestamp?.getTime() ?? 0), t0 + missed + 10_000];
    expect(wanted.filter((atMs) => !times.has(atMs))).toEqual([]);
    expect([first, second, third].flatMap(({ gaps }) => gaps)).toEqual([]);
    const filled = second
      .of(KEPT)
      .filter(({ backfilled }) => backfilled)
      .map(({ sourceMs }) => sourceMs ?? 0);
    expect(filled).toEqual([...filled].sort((left, right) => left - right));
    expect(new Set(filled).size).toBe(filled.length);
  });

  it("beyond `history_hours` is a gap, and the rest is filled", async () => {
    await using plant = await startPlant();
    const { server } = plant;
    await using connector = plant.connector({ nodes: [{ node: nodeOf(KEPT) }], history_hours: 1 });
    await connector.open(AbortSignal.timeout(10_000));
    const first = new Subscriber(connector);
    await vi.waitFor(() => expect(first.points).toBe(1), WAIT);
    await first.stop();
    const nowMs = Date.now();
    server.set(KEPT, double(2), nowMs + 1);
    server.set(KEPT, double(3), nowMs + 2);
    const old = { ...first.cursor, t: nowMs - 10 * 3_600_000, p: "0" };
    await using second = new Subscriber(connector, old);
    await second.value(KEPT, 3);
    await second.value(KEPT, 2);
    expect(second.gaps).toMatchObject([{ reason: "no_history", fromMs: nowMs - 10 * 3_600_000 }]);
    expect(nowMs - (second.gaps[0]?.toMs ?? 0)).toBeLessThanOrEqual(3_600_000);
  });

  it("that the server cannot read is a gap", async () => {
    await using plant = await startPlant();
    const { server } = plant;
    await using connector = plant.connector({ nodes: [{ node: nodeOf(KEPT) }] });
    await connector.open(AbortSignal.timeout(10_000));
    const first = new Subscriber(connector);
    await vi.waitFor(() => expect(first.points).toBe(1), WAIT);
    await first.stop();
    const atMs = Date.now() + 1;
    server.set(KEPT, double(2), atMs);
    server.variable(KEPT).historyRead = () =>
      Promise.resolve(new HistoryReadResult({ statusCode: StatusCodes.BadHistoryOperationUnsupported }));
    await using second = new Subscriber(connector, first.cursor);
    await second.value(KEPT, 2);
    await vi.waitFor(() => expect(second.gaps).toHaveLength(1), WAIT);
    expect(second.gaps[0]).toMatchObject({ reason: "no_history", point: nodeOf(KEPT), toMs: atMs });
    expect(second.gaps[0]?.detail).toContain("BadHistoryOperationUnsupported");
  });
});
