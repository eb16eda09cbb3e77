// Space thresholds with their hysteresis, the split between rooms, and what each telemetry policy leaves behind.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SpaceGauge, defaultTotalBytes, splitBudget } from "#agent/core/room/budget.ts";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import { planRelief, relieve } from "#agent/core/room/telemetry-policy.ts";
import type { TelemetryPolicy } from "#agent/core/room/telemetry-policy.ts";
import { batchCodec } from "#common/contract/batch.ts";
import { parseEntries } from "#common/contract/entry.ts";
import type { GapEntry } from "#common/contract/entry.ts";
import type { SampleTuple, SamplesBody } from "#common/contract/samples.ts";

const BUDGET = { outboxBytes: 1000, knownBytes: 1000, volumeFull: false };
const MIB = 1024 * 1024;

describe("SpaceGauge", () => {
  const at = (gauge: SpaceGauge, outboxBytes: number, knownBytes = 0): number =>
    gauge.measure({ outboxBytes, knownBytes }, BUDGET).stage;

  it.each([
    [799, 0, "normal", "allowed", "running", "normal", "allowed"],
    [800, 1, "slow", "allowed", "running", "normal", "allowed"],
    [900, 2, "slow", "stopped", "running", "normal", "allowed"],
    [950, 3, "slow", "stopped", "paused", "policy", "allowed"],
    [1000, 4, "slow", "stopped", "paused", "policy", "refused"],
  ] as const)("at %i of 1000 is stage %i", (bytes, stage, poll, snapshots, database, telemetry, writes) => {
    const state = new SpaceGauge().measure({ outboxBytes: bytes, knownBytes: 0 }, BUDGET);
    expect(state).toEqual({
      stage,
      poll,
      snapshots,
      database,
      telemetry,
      writes,
      fraction: bytes / 1000,
    });
  });

  it("leaves a stage only well below its threshold", () => {
    const gauge = new SpaceGauge();
    expect(at(gauge, 960)).toBe(3);
    expect(at(gauge, 901)).toBe(3);
    expect(at(gauge, 899)).toBe(2);
    expect(at(gauge, 851)).toBe(2);
    expect(at(gauge, 849)).toBe(1);
    expect(at(gauge, 960)).toBe(3);
    expect(at(gauge, 100)).toBe(0);
  });

  it("keeps writing nothing while the volume is full, and remembers its own stage", () => {
    const gauge = new SpaceGauge();
    expect(gauge.measure({ outboxBytes: 10, knownBytes: 0 }, { ...BUDGET, volumeFull: true }).writes).toBe(
      "refused",
    );
    expect(at(gauge, 10)).toBe(0);
  });

  it("stops snapshots when known records are near their budget, and pauses nothing", () => {
    expect(new SpaceGauge().measure({ outboxBytes: 0, knownBytes: 2000 }, BUDGET)).toMatchObject({
      stage: 2,
      snapshots: "stopped",
      database: "running",
    });
  });
});

describe("budgets", () => {
  it("takes the smaller of 4 GiB and half of the free disk, our own files counted as free", () => {
    expect(defaultTotalBytes(100 * 1024 * MIB, 0)).toBe(4096 * MIB);
    expect(defaultTotalBytes(900 * MIB, 100 * MIB)).toBe(500 * MIB);
  });

  it("never gives out more than the total, and equal shares to equals", () => {
    const use = fc.record({ outboxBytes: fc.nat(2e9), knownBytes: fc.nat(2e9) });
    fc.assert(
      fc.property(fc.nat(5e9), fc.array(use, { minLength: 1, maxLength: 20 }), (total, uses) => {
        const budgets = splitBudget(total, uses, false);
        const sum = budgets.reduce((all, { outboxBytes, knownBytes }) => all + outboxBytes + knownBytes, 0);
        expect(sum).toBeLessThanOrEqual(total);
        for (const budget of budgets) expect(budget.outboxBytes).toBeGreaterThanOrEqual(0);
      }),
    );
    const idle = { outboxBytes: 0, knownBytes: 0 };
    expect(splitBudget(800, [idle, idle], true)).toEqual([
      { outboxBytes: 300, knownBytes: 100, volumeFull: true },
      { outboxBytes: 300, knownBytes: 100, volumeFull: true },
    ]);
  });

  it("lends what modest rooms leave over to the one in an outage", () => {
    const idle = { outboxBytes: 0, knownBytes: 0 };
    const [busy, quiet] = splitBudget(1200, [{ outboxBytes: 400, knownBytes: 0 }, idle, idle], false);
    expect(busy?.outboxBytes).toBe(600);
    expect(quiet?.outboxBytes).toBe(150);
  });
});

const deps = { codec: batchCodec, nowMs: () => 5_000_000 };

/** `count` samples of two points, one a second from `fromMs`. */
function sampleBatch(id: number, fromMs: number, count: number, statusOf = (_index: number): number => 0) {
  const samples = Array.from({ length: count }, (_, index): SampleTuple => {
    return [index % 2, fromMs + index * 1.25, statusOf(index), fromMs + index * 1000, null];
  });
  const body: SamplesBody = { points: ['["a"]', '["b"]'], samples };
  const blob = batchCodec.encode(
    { kind: "samples", entries: count, closedAtMs: 1, mappingVersion: "00000000000000aa" },
    JSON.stringify(body),
  );
  return { id: id.toString(16).padStart(16, "0"), kind: "samples" as const, entries: count, blob };
}

function gapOf(blob: Uint8Array): GapEntry {
  return [...parseEntries(batchCodec.decode(blob).body)][0]?.header as GapEntry;
}

function samplesIn(blob: Uint8Array): readonly (readonly [string | undefined, number | null])[] {
  const { points, samples } = JSON.parse(batchCodec.decode(blob).body) as SamplesBody;
  return (samples as SampleTuple[]).map(([point, , , sourceMs]) => [points[point], sourceMs]);
}

function storeWith(batches: number): MemoryRoomStore {
  const store = new MemoryRoomStore("00112233445566ff");
  const made = Array.from({ length: batches }, (_, index) => sampleBatch(index + 1, index * 1e6, 200));
  store.commit({ batches: made });
  return store;
}

describe("telemetry policies", () => {
  it("drop_oldest turns the oldest batch into a gap over its interval; seq and id stay", () => {
    const store = storeWith(4);
    const before = store.position();
    relieve(store, "drop_oldest", 1, deps);
    const [first, second] = store.read(1, 1e9);
    expect(first).toMatchObject({ seq: 1, id: sampleBatch(1, 0, 1).id, kind: "records", entries: 1 });
    expect(gapOf(first?.blob ?? new Uint8Array())).toMatchObject({
      reason: "dropped_by_quota",
      entity: "telemetry_point",
      from_ms: 0,
      to_ms: 199_000,
      detail: "the outbox is full: 200 of 200 samples were dropped",
    });
    expect(second?.kind).toBe("samples");
    expect(store.position()).toMatchObject({ nextSeq: before.nextSeq, firstSeq: before.firstSeq });
    expect(store.position().backlogBytes).toBeLessThan(before.backlogBytes);
  });

  it("last_value keeps each point's last sample of a pair, behind a gap that counts the rest", () => {
    const store = storeWith(2);
    relieve(store, "last_value", 1, deps);
    const [gap, kept] = store.read(1, 1e9);
    expect(gapOf(gap?.blob ?? new Uint8Array())).toMatchObject({
      from_ms: 0,
      to_ms: 1_199_000,
      detail: "the outbox is full: 398 of 400 samples were dropped",
    });
    expect(samplesIn(kept?.blob ?? new Uint8Array())).toEqual([
      ['["a"]', 1_198_000],
      ['["b"]', 1_199_000],
    ]);
    expect(kept).toMatchObject({ seq: 2, kind: "samples", entries: 2 });
  });

  it("decimate keeps first, last, every tenth and each change of quality of a point", () => {
    const bad = 0x8000_0000;
    const first = { ...sampleBatch(1, 0, 100, (index) => (index === 31 ? bad : 0)), seq: 1 };
    const second = { ...sampleBatch(2, 1e6, 100), seq: 2 };
    const [gap, kept] = planRelief("decimate", [first, second], 1, deps);
    const samples = samplesIn(kept?.batch.blob ?? new Uint8Array());
    const ofB = samples.filter(([point]) => point === '["b"]').map(([, ms]) => ms);
    expect(ofB).toEqual(expect.arrayContaining([1000, 21_000, 31_000, 33_000, 41_000, 1_001_000, 1_099_000]));
    expect(samples).toHaveLength(24);
    expect(gapOf(gap?.batch.blob ?? new Uint8Array()).detail).toBe(
      "the outbox is full: 176 of 200 samples were dropped",
    );
  });

  it.each(["drop_oldest", "decimate", "last_value"] satisfies TelemetryPolicy[])(
    "%s goes on until nothing is left, and every batch is a gap or covered by one",
    (policy) => {
      const store = storeWith(9);
      let rounds = 0;
      while (relieve(store, policy, 1e9, deps)) {
        rounds += 1;
        expect(rounds).toBeLessThan(20);
      }
      const left = store.read(1, 1e9);
      expect(left.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
      const gaps = left.filter(({ entries }) => entries === 1).map(({ blob }) => gapOf(blob));
      expect(gaps.map(({ reason }) => reason)).toEqual(gaps.map(() => "dropped_by_quota"));
      expect(Math.min(...gaps.map(({ from_ms }) => from_ms ?? Infinity))).toBe(0);
      expect(Math.max(...gaps.map(({ to_ms }) => to_ms))).toBe(8_199_000);
      for (const { kind } of left) expect(kind).toBe("records");
    },
  );

  it("thins what is untouched before it drops what was thinned", () => {
    const store = storeWith(4);
    relieve(store, "last_value", 1, deps);
    relieve(store, "last_value", 1, deps);
    expect(store.read(1, 1e9).map(({ kind }) => kind)).toEqual(["records", "samples", "records", "samples"]);
    relieve(store, "last_value", 1, deps);
    expect(store.read(1, 1e9).map(({ kind }) => kind)).toEqual(["records", "records", "records", "records"]);
  });

  it("drops a batch that cannot be read, with a gap", () => {
    const broken = { ...sampleBatch(1, 0, 10), seq: 1, blob: Buffer.alloc(50) };
    const [only] = planRelief("decimate", [broken], 1, deps);
    expect(gapOf(only?.batch.blob ?? new Uint8Array())).toMatchObject({
      reason: "dropped_by_quota",
      to_ms: 5_000_000,
    });
  });
});
