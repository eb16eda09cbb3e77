// Live values with their quality and both timestamps.
import { DataType, StatusCodes, Variant } from "node-opcua";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ITEMS_NAMESPACE } from "#test/support/opcua-server.ts";
import { Subscriber, WAIT, nodeOf, startPlant, type Plant } from "./harness.ts";

const double = (value: number): Variant => new Variant({ dataType: DataType.Double, value });
const ITEMS = 3_000;

describe("live telemetry", () => {
  let plant: Plant;
  beforeAll(async () => {
    plant = await startPlant({ items: ITEMS, maxItemsPerCall: 700 });
  });
  afterAll(() => plant[Symbol.asyncDispose]());

  it("brings values with status and both timestamps, to the microsecond", async () => {
    await using connector = plant.connector({ nodes: [{ node: nodeOf("Line1.Press.Pressure") }] });
    await connector.open(AbortSignal.timeout(10_000));
    await using reader = new Subscriber(connector);
    await vi.waitFor(() => expect(reader.samples).toHaveLength(1), WAIT);
    const atMs = Date.now();
    plant.server.set("Line1.Press.Pressure", double(7.25), atMs);
    await reader.value("Line1.Press.Pressure", 7.25);
    plant.server.set("Line1.Press.Pressure", double(0), atMs + 1, StatusCodes.BadSensorFailure);
    await vi.waitFor(() => expect(reader.samples).toHaveLength(3), WAIT);
    const [, good, bad] = reader.samples;
    expect(good).toMatchObject({
      status: 0,
      sourceMs: atMs,
      backfilled: false,
      point: nodeOf("Line1.Press.Pressure"),
    });
    expect(good?.serverMs).toBeGreaterThanOrEqual(atMs);
    expect(bad).toMatchObject({ status: StatusCodes.BadSensorFailure.value, sourceMs: atMs + 1 });
    expect(reader.gaps).toEqual([]);
  });

  it("reads every kind of value without losing digits", async () => {
    const ids = [
      "Doubles",
      "Int64s",
      "UInt64Max",
      "Int64Min",
      "NaN",
      "Infinite",
      "Bytes",
      "Moment",
      "Matrix",
      "Structure",
    ];
    await using connector = plant.connector({ nodes: ids.map((id) => ({ node: nodeOf(`Special.${id}`) })) });
    await connector.open(AbortSignal.timeout(10_000));
    await using reader = new Subscriber(connector);
    await vi.waitFor(() => expect(reader.points).toBe(ids.length), WAIT);
    expect(ids.map((id) => reader.of(`Special.${id}`)[0]?.value)).toEqual([
      [1.5, -2, 0],
      ["1", "9223372036854775807"],
      "18446744073709551615",
      "-9223372036854775808",
      "NaN",
      "-Infinity",
      "AP8Q",
      "2026-03-02T08:15:00.250Z",
      [
        [1, 2],
        [3, 4],
      ],
      { low: 1, high: 2 },
    ]);
  });

  it("leaves out changes within the dead-band", async () => {
    await using connector = plant.connector({
      nodes: [
        { node: nodeOf("Line1.Oven.Pressure"), deadband: 0.5 },
        { node: nodeOf("Line1.Oven.Speed"), deadband: "10%" },
        { node: nodeOf("Line1.Oven.State"), deadband: 1 },
      ],
    });
    await connector.open(AbortSignal.timeout(10_000));
    await using reader = new Subscriber(connector);
    await vi.waitFor(() => expect(reader.points).toBe(3), WAIT);
    const settle = async (pressure: number, speed: number, state: string): Promise<void> => {
      plant.server.set("Line1.Oven.Pressure", double(pressure));
      plant.server.set("Line1.Oven.Speed", double(speed));
      plant.server.set("Line1.Oven.State", new Variant({ dataType: DataType.String, value: state }));
      await reader.value("Line1.Oven.State", state);
    };
    await settle(6.2, 1300, "a"); // within 0.5 and within 10 % of 3000
    await settle(6.9, 1600, "b");
    await reader.value("Line1.Oven.Pressure", 6.9);
    await reader.value("Line1.Oven.Speed", 1600);
    expect(reader.of("Line1.Oven.Pressure").map(({ value }) => value)).toEqual([6, 6.9]);
    expect(reader.of("Line1.Oven.Speed").map(({ value }) => value)).toEqual([1200, 1600]);
  });

  it("subscribes to many items in few subscriptions and loses none of their values", async () => {
    await using connector = plant.connector({
      discover: { namespaces: [ITEMS_NAMESPACE] },
      items_per_subscription: 1_200,
    });
    await connector.open(AbortSignal.timeout(20_000));
    await using reader = new Subscriber(connector);
    await vi.waitFor(() => expect(reader.points).toBe(ITEMS), WAIT);
    const [session] = plant.server.raw.engine.getSessions();
    expect(session?.currentSubscriptionCount).toBe(3);
    for (const round of [1, 2, 3]) {
      plant.server.setItems(round);
      await vi.waitFor(() => expect(reader.samples).toHaveLength(ITEMS * (round + 1)), WAIT);
    }
    expect(reader.gaps).toEqual([]);
    expect(reader.largest).toBeLessThanOrEqual(500);
    const last = reader.of(nodeOf(`Item${ITEMS - 1}`, ITEMS_NAMESPACE));
    expect(last.map(({ value }) => value)).toEqual([0, 1, 2, 3]);
  });

  it("tells a gap for exactly the point whose queue ran over at the server", async () => {
    await using connector = plant.connector({
      nodes: [{ node: nodeOf("Line2.Press.Pressure") }, { node: nodeOf("Line2.Press.Speed") }],
      queue_size: 3,
      publishing_ms: 600,
    });
    await connector.open(AbortSignal.timeout(10_000));
    await using reader = new Subscriber(connector);
    await vi.waitFor(() => expect(reader.points).toBe(2), WAIT);
    // Each look changes the value: more samples in one publishing interval than the queue holds.
    let value = 100;
    await vi.waitFor(() => {
      value += 1;
      plant.server.set("Line2.Press.Pressure", double(value));
      expect(reader.gaps.length).toBeGreaterThan(0);
    }, WAIT);
    plant.server.set("Line2.Press.Speed", double(1));
    await reader.value("Line2.Press.Speed", 1);
    expect(new Set(reader.gaps.map(({ point }) => point))).toEqual(new Set([nodeOf("Line2.Press.Pressure")]));
    const seen = reader.of("Line2.Press.Pressure").map(({ sourceMs }) => sourceMs);
    const [gap] = reader.gaps;
    expect(gap).toMatchObject({ reason: "queue_overflow" });
    expect(seen.indexOf(gap?.toMs ?? 0)).toBe(seen.indexOf(gap?.fromMs ?? 0) + 1);
    expect(gap?.toMs).toBeGreaterThan(gap?.fromMs ?? 0);
  });

  it("ends within a second of an abort, and can be read again", async () => {
    await using connector = plant.connector({ nodes: [{ node: nodeOf("Line1.Robot.Speed") }] });
    await connector.open(AbortSignal.timeout(10_000));
    for (let round = 0; round < 2; round += 1) {
      const reader = new Subscriber(connector);
      await vi.waitFor(() => expect(reader.points).toBe(1), WAIT);
      const limit = AbortSignal.timeout(1_000);
      await reader.stop();
      expect(limit.aborted).toBe(false);
      expect(reader.of("Line1.Robot.Speed")).toHaveLength(1);
      expect(reader.error).toBeUndefined();
    }
    await vi.waitFor(() => expect(plant.server.monitoredItemCount()).toBe(0), WAIT);
  });
});
