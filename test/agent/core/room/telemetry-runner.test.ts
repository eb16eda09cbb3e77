// Samples, gaps and cursor go into the outbox together, within the wire's limits.
import { describe, expect, test } from "vitest";
import { batchCodec } from "#common/contract/batch.ts";
import { MAX_BATCH_ENTRIES, MAX_INFLATED_BYTES } from "#common/contract/limits.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import { MAX_VALUE_BYTES, sampleBatches, TelemetryRunner } from "#agent/core/room/telemetry-runner.ts";
import type {
  Connector,
  Cursor,
  ReadRequest,
  SourceBatch,
  SourceSample,
} from "#agent/core/source/connector.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { Allowance } from "#agent/core/room/room-runner.ts";
import { ALLOWED, batchDeps, entriesOf, samplesOf } from "./harness.ts";

const BAD_ENCODING_LIMITS_EXCEEDED = 0x80_08_00_00;

class Machine implements Connector {
  readonly asked: (Cursor | undefined)[] = [];
  readonly released: Cursor[] = [];
  readonly batches: readonly SourceBatch[];

  constructor(batches: readonly SourceBatch[]) {
    this.batches = batches;
  }

  async open(): Promise<void> {}
  identity(): string {
    return "machine";
  }
  strategies(): readonly [] {
    return [];
  }
  keyRules(): readonly [] {
    return [];
  }
  async *read({ after }: ReadRequest): AsyncGenerator<SourceBatch> {
    this.asked.push(after);
    yield* this.batches;
    throw new ConnectorError("unavailable", "the line broke");
  }
  async release(cursor: Cursor): Promise<void> {
    this.released.push(cursor);
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

function sample(point: string, value: unknown, sourceMs = 1): SourceSample {
  return { point, value, status: 0, sourceMs, serverMs: null };
}

async function run(
  store: MemoryRoomStore,
  batches: readonly SourceBatch[],
  allowance: Allowance | (() => Allowance) = ALLOWED,
): Promise<Machine> {
  const clock = new FakeClock();
  const machine = new Machine(batches);
  const runner = new TelemetryRunner({
    store,
    batch: batchDeps(clock),
    nowMs: () => clock.nowMs(),
    allowance: () => (typeof allowance === "function" ? allowance() : allowance),
    committed: () => {},
  });
  await expect(runner.run(machine, new AbortController().signal)).rejects.toThrow("the line broke");
  return machine;
}

describe("telemetry", () => {
  test("samples come with their points, and only then is the source released", async () => {
    const store = new MemoryRoomStore("00000000000000e1");
    const machine = await run(store, [
      { rows: [], samples: [sample("a", 1), sample("b", true), sample("a", 2)], cursor: { n: 1 } },
    ]);
    expect(samplesOf(store)).toEqual([
      {
        points: ['["a"]', '["b"]'],
        samples: [
          [0, 1, 0, 1, null],
          [1, true, 0, 1, null],
          [0, 2, 0, 1, null],
        ],
      },
    ]);
    expect(machine.released).toEqual([{ n: 1 }]);
    const again = await run(store, []);
    expect(again.asked).toEqual([{ n: 1 }]);
  });

  test("gaps stand before the samples that follow them, by point", async () => {
    const store = new MemoryRoomStore("00000000000000e1");
    const gap = { reason: "queue_overflow", point: "a", fromMs: 1, toMs: 2, detail: "some were lost" };
    await run(store, [
      { rows: [], gaps: [gap], samples: [sample("a", 3)], backfilled: true, cursor: { n: 1 } },
    ]);
    expect(store.read(1, Number.POSITIVE_INFINITY).map(({ kind }) => kind)).toEqual(["records", "samples"]);
    expect(entriesOf(store)).toMatchObject([
      { op: "gap", reason: "queue_overflow", entity: "telemetry_point", key: '["a"]', from_ms: 1, to_ms: 2 },
    ]);
    expect(samplesOf(store)[0]?.backfilled).toBe(true);
  });

  test("a value over the limit is replaced by nothing, with the status that says so; its neighbours stay", async () => {
    const store = new MemoryRoomStore("00000000000000e1");
    const large = "x".repeat(MAX_VALUE_BYTES);
    await run(store, [
      { rows: [], samples: [sample("a", 1), sample("a", large, 2), sample("a", 3)], cursor: {} },
    ]);
    expect(samplesOf(store)[0]?.samples).toEqual([
      [0, 1, 0, 1, null],
      [0, null, BAD_ENCODING_LIMITS_EXCEEDED, 2, null],
      [0, 3, 0, 1, null],
    ]);
  });

  test("batches stay within their limits, whatever comes", () => {
    const deps = batchDeps(new FakeClock());
    const many = Array.from({ length: MAX_BATCH_ENTRIES + 1 }, (_, n) => sample(`p${n}`, n));
    expect(sampleBatches(deps, many, false).map(({ entries }) => entries)).toEqual([MAX_BATCH_ENTRIES, 1]);
    const wide = Array.from({ length: 40 }, () => sample("€".repeat(1_000), "€".repeat(MAX_VALUE_BYTES / 2)));
    for (const { blob } of sampleBatches(deps, wide, false)) {
      expect(Buffer.byteLength(batchCodec.decode(blob).body)).toBeLessThan(MAX_INFLATED_BYTES);
    }
  });

  test("while space is short, small batches are put together, and released together", async () => {
    const store = new MemoryRoomStore("00000000000000e1");
    const small = [1, 2, 3].map((count) => ({
      rows: [],
      samples: [sample("p", count, count)],
      cursor: { count },
    }));
    const held = await run(store, small, { ...ALLOWED, telemetry: "policy" });
    expect(store.position().nextSeq).toBe(1);
    expect(held.released).toEqual([]);
    const full = Array.from({ length: 500 }, (_, index) => sample("p", index, index));
    const last = { rows: [], samples: full, cursor: { count: 500 } };
    await run(store, [...small, last], { ...ALLOWED, telemetry: "policy" });
    expect(store.read(1, 1e9).map(({ entries }) => entries)).toEqual([500, 3]);
    expect(store.cursor("telemetry_sample/subscribe")).toEqual({ count: 500 });
  });

  test("where nothing can be written, what was not kept becomes a gap as soon as it can", async () => {
    const store = new MemoryRoomStore("00000000000000e1");
    const batches = [5, 7, 9].map((count) => ({
      rows: [],
      samples: [sample("p", count, count)],
      cursor: { count },
    }));
    let looks = 0;
    await run(store, batches, () => ({ ...ALLOWED, writes: (looks += 1) <= 2 ? "refused" : "allowed" }));
    expect(store.cursor("telemetry_sample/subscribe")).toEqual({ count: 9 });
    const [gap] = entriesOf(store);
    expect(gap).toMatchObject({ op: "gap", reason: "dropped_by_quota", from_ms: 5, to_ms: 7 });
    expect(samplesOf(store).flatMap(({ samples }) => samples)).toHaveLength(1);
  });
});
