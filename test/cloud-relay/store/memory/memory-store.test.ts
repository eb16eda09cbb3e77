// The store in memory where it imitates a disk: crashes and restored snapshots.
import { expect, it } from "vitest";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import * as h from "#test/conformance/relay-store/harness.ts";

const deps = { newGeneration: () => "generation" };

it("loses in a crash what was not committed, and nothing else", async () => {
  const store = new MemoryStore(deps);
  await h.seed(store);
  await h.putRecords(store, ["kept"]);
  let crashed = store.snapshot();
  const inFlight = store.ingest(async (tx) => {
    const first = await tx.revisions(1, h.NOW_MS);
    await tx.putRecords([h.record("lost", first)]);
    crashed = store.crash();
  });
  const waiting = h.putRecords(store, ["never begun"]);
  await expect(inFlight).rejects.toThrow(/closed/);
  await expect(waiting).rejects.toThrow(/closed/);
  await expect(store.reader.countRecords(h.ALL, "work_order")).rejects.toThrow(/closed/);
  await expect(store.directory.workspaces()).rejects.toThrow(/closed/);
  await expect(store.check()).rejects.toThrow(/closed/);
  const next = new MemoryStore({ ...deps, snapshot: crashed });
  const rows = await next.reader.listRecords(h.ALL, h.EVERY_RECORD);
  expect(rows.map(({ key }) => key)).toEqual(["kept"]);
});

it("is restored from an older snapshot, which later writes did not touch", async () => {
  const store = new MemoryStore(deps);
  await h.seed(store);
  await h.putRecords(store, ["a"]);
  const older = store.snapshot();
  await h.putRecords(store, ["a", "b"], { text: '{"changed":true}' });
  for (const _copy of [1, 2]) {
    const restored = new MemoryStore({ ...deps, snapshot: older });
    const rows = await restored.reader.listRecords(h.ALL, h.EVERY_RECORD);
    expect(rows.map(({ text }) => text)).toEqual(['{"number":"a"}']);
    await h.putRecords(restored, ["c"]);
  }
});
