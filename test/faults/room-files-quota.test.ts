// Telemetry at its quota on a real room file: what gives way, what the file takes on disk, and what a reader finds.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { SpaceKeeper } from "#agent/core/room/space-keeper.ts";
import type { TelemetryPolicy } from "#agent/core/room/telemetry-policy.ts";
import { BatchReader } from "#agent/outbox/batch-reader.ts";
import { SqliteRoomStore } from "#agent/outbox/sqlite-room-store.ts";
import { batchCodec } from "#common/contract/batch.ts";
import { parseEntries, type GapEntry } from "#common/contract/entry.ts";
import type { SamplesBody } from "#common/contract/samples.ts";

const EPOCH = "00000000000000e1";
const OUTBOX_BYTES = 2 * 1024 * 1024;
const BATCHES = 500;
const SAMPLES = 100;
/** As often as a room's timer does, at a batch every tenth of a second. */
const MAINTAIN_EVERY = 50;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-quota-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Sample `n` says that it is `n`, at the time `n`; its text hardly compresses. */
function samplesBatch(number: number): Parameters<SqliteRoomStore["commit"]>[0] {
  const samples = Array.from({ length: SAMPLES }, (_, index) => {
    const n = number * SAMPLES + index;
    return [n % 4, `${n} ${createHash("sha256").update(String(n)).digest("base64")}`, 0, n, n];
  });
  const body = JSON.stringify({ points: ["a", "b", "c", "d"], samples });
  const header = { kind: "samples", entries: SAMPLES, closedAtMs: 1, mappingVersion: EPOCH } as const;
  const id = number.toString(16).padStart(16, "0");
  return { batches: [{ id, kind: "samples", entries: SAMPLES, blob: batchCodec.encode(header, body) }] };
}

it.each(["drop_oldest", "decimate", "last_value"] satisfies TelemetryPolicy[])(
  "%s keeps the file within its budget and the newest samples in it; every other is in a gap",
  (policy) => {
    const file = join(dir, `${EPOCH}.db`);
    const store = SqliteRoomStore.create(file, { epoch: EPOCH, takenOver: [], reason: "created", life: 1 });

    store.wal.budget(OUTBOX_BYTES);
    const budget = { outboxBytes: OUTBOX_BYTES, knownBytes: OUTBOX_BYTES, volumeFull: false };
    const keeper = new SpaceKeeper({ policy, codec: batchCodec, nowMs: () => 0 }, budget);
    let mostBytes = 0;
    for (let number = 1; number <= BATCHES; number += 1) {
      expect(keeper.allowance(store).writes).toBe("allowed");
      store.commit(samplesBatch(number));
      keeper.afterCommit(store);
      mostBytes = Math.max(mostBytes, statSync(file).size + store.wal.bytes());
      if (number % MAINTAIN_EVERY === 0) while (store.maintain(false));
    }
    // The log may be twice as long as it should be until it is cut.
    expect(mostBytes).toBeLessThan(OUTBOX_BYTES * 1.25);
    store.close();

    // A fresh look, as the uplink has it, past every checksum.
    SqliteRoomStore.open(file).close();
    using reader = BatchReader.open(file);
    const gaps: GapEntry[] = [];
    const kept = new Set<number>();
    let seq = 0;
    for (const batch of reader.read(1, 1e9)) {
      seq += 1;
      expect([batch.seq, Number.parseInt(batch.id, 16)]).toEqual([seq, seq]);
      const { body } = batchCodec.decode(batch.blob);
      if (batch.kind === "samples") {
        for (const [, value] of (JSON.parse(body) as SamplesBody).samples) {
          kept.add(Number.parseInt(String(value), 10));
        }
      } else for (const { header } of parseEntries(body)) gaps.push(header as GapEntry);
    }
    expect(seq).toBe(BATCHES);
    expect(gaps.length).toBeGreaterThan(0);
    const missing = Array.from({ length: BATCHES * SAMPLES }, (_, index) => SAMPLES + index).filter(
      (n) => !kept.has(n),
    );
    const inGap = (n: number): boolean =>
      gaps.some(({ from_ms, to_ms }) => (from_ms ?? 0) <= n && n <= to_ms);
    expect(missing.filter((n) => !inGap(n))).toEqual([]);
    // Four fifths of the budget hold samples, the newest whole.
    const newest = Array.from({ length: 20 * SAMPLES }, (_, index) => (BATCHES + 1) * SAMPLES - 1 - index);
    expect(newest.filter((n) => !kept.has(n))).toEqual([]);
    expect(statSync(file).size).toBeGreaterThan(OUTBOX_BYTES * 0.8);
  },
);
