// Batches stay within the wire's limits and keep the order of their entries.
import fc from "fast-check";
import { expect, test } from "vitest";
import { batchCodec } from "#common/contract/batch.ts";
import { BATCH_FRAME_HEADER_BYTES } from "#common/contract/frame.ts";
import {
  MAX_BATCH_BYTES,
  MAX_BATCH_ENTRIES,
  MAX_INFLATED_BYTES,
  MAX_PLAIN_FRAME_BYTES,
  MAX_RECORD_BYTES,
} from "#common/contract/limits.ts";
import { BatchAssembler } from "#agent/core/room/batch-assembler.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { batchDeps, MAPPING } from "./harness.ts";

function assembled(
  texts: readonly string[],
): readonly { readonly entries: number; readonly body: string; readonly bytes: number }[] {
  const assembler = new BatchAssembler(batchDeps(new FakeClock()));
  for (const text of texts) assembler.add(text);
  return assembler
    .take()
    .map(({ entries, blob }) => ({ entries, body: batchCodec.decode(blob).body, bytes: blob.length }));
}

test("closes at its entries, at its bytes, and at the end", () => {
  expect(
    assembled(Array.from({ length: MAX_BATCH_ENTRIES + 1 }, () => "{}\n")).map(({ entries }) => entries),
  ).toEqual([MAX_BATCH_ENTRIES, 1]);
  const third = `${"x".repeat(MAX_BATCH_BYTES / 3)}\n`;
  expect(assembled([third, third, third, third]).map(({ entries }) => entries)).toEqual([2, 2]);
});

test("an entry that is larger than a batch goes alone", () => {
  const large = `${"x".repeat(MAX_RECORD_BYTES)}\n`;
  expect(assembled(["a\n", large, "b\n"]).map(({ entries }) => entries)).toEqual([1, 1, 1]);
});

test("takes each entry once, in order, however many there are and how large", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 40_000, size: "max" }), { maxLength: 60 }), (parts) => {
      const texts = parts.map((part) => `${JSON.stringify(part)}\n`);
      const batches = assembled(texts);
      expect(batches.map(({ body }) => body).join("")).toBe(texts.join(""));
      for (const { entries, body } of batches) {
        expect(entries).toBeLessThanOrEqual(MAX_BATCH_ENTRIES);
        expect(entries === 1 || body.length <= MAX_BATCH_BYTES).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});

test("the worst that a batch may hold fits a frame and what the relay inflates", () => {
  // 128 KiB of characters are up to 384 KiB of bytes, and the record that is over it by itself is bounded in bytes.
  const worst = [`${"€".repeat(MAX_BATCH_BYTES - 10)}\n`, `${"x".repeat(MAX_RECORD_BYTES + 8_000)}\n`];
  for (const { body, bytes } of assembled(worst)) {
    expect(Buffer.byteLength(body)).toBeLessThan(MAX_INFLATED_BYTES);
    expect(bytes + BATCH_FRAME_HEADER_BYTES).toBeLessThan(MAX_PLAIN_FRAME_BYTES);
  }
});

test("the header says what it is, when it was closed and by which mapping", () => {
  const clock = new FakeClock();
  const assembler = new BatchAssembler(batchDeps(clock));
  assembler.add("{}\n");
  clock.advance(5);
  const [batch] = assembler.take();
  expect(batchCodec.decode(batch?.blob ?? new Uint8Array())).toMatchObject({
    kind: "records",
    entries: 1,
    closedAtMs: clock.nowMs(),
    mappingVersion: MAPPING,
  });
  expect(assembler.take()).toEqual([]);
});
