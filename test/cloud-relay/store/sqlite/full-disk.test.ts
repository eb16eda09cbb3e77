// A disk that runs full: nothing half-written, nothing acknowledged, and it goes on with space.
import { expect, it } from "vitest";
import { StoreFullError } from "#relay/core/store.ts";
import * as h from "#test/conformance/relay-store/harness.ts";
import { openWithHandles, temporaryPath } from "./temporary-store.ts";

const BIG = { text: JSON.stringify({ text: "x".repeat(20_000) }) };

it("rolls back wholly when there is no space, says what to do, and goes on when there is", async () => {
  const { store, handles } = await openWithHandles(temporaryPath());
  await h.putRecords(store, ["before"]);
  const pages = Number(handles.writer.pragma("page_count", { simple: true }));
  handles.writer.pragma(`max_page_count = ${pages + 20}`);
  const keys = Array.from({ length: 100 }, (_, n) => `k${n}`);
  const tooMuch = h.putRecords(store, keys, { ...BIG, entity: "asset" });
  await expect(tooMuch).rejects.toThrow(StoreFullError);
  await expect(tooMuch).rejects.toThrow(/no space is left.*free some disk space/);
  expect(await store.reader.countRecords(h.ALL, "asset")).toBe(0);
  await store.check();
  await h.putRecords(store, ["small"]);
  handles.writer.pragma("max_page_count = 1000000");
  await h.putRecords(store, keys, { ...BIG, entity: "asset" });
  expect(await store.reader.countRecords(h.ALL, "asset")).toBe(100);
  expect(await store.reader.countRecords(h.ALL, "work_order")).toBe(2);
});

it("keeps nothing of a transaction whose work swallowed the failure and went on writing", async () => {
  const { store, handles } = await openWithHandles(temporaryPath());
  const pages = Number(handles.writer.pragma("page_count", { simple: true }));
  handles.writer.pragma(`max_page_count = ${pages + 4}`);
  const swallowing = store.ingest(async (tx) => {
    const first = await tx.revisions(30, h.NOW_MS);
    const rows = Array.from({ length: 30 }, (_, n) => h.record(`k${n}`, first + n, BIG));
    await tx.putRecords(rows).catch(() => {});
    await tx.appendEvents([h.event(first)]).catch(() => {});
  });
  await expect(swallowing).rejects.toThrow(StoreFullError);
  expect(await store.reader.listEvents(h.ALL, 0, 10)).toEqual([]);
  expect(await store.reader.countRecords(h.ALL, "work_order")).toBe(0);
});

it("acknowledges nothing of transactions that shared a commit with the one that ran out of space", async () => {
  const { store, handles } = await openWithHandles(temporaryPath());
  const pages = Number(handles.writer.pragma("page_count", { simple: true }));
  handles.writer.pragma(`max_page_count = ${pages + 8}`);
  const outcomes = await Promise.allSettled([
    h.putRecords(store, ["a"]),
    h.putRecords(
      store,
      Array.from({ length: 30 }, (_, n) => `big${n}`),
      BIG,
    ),
    h.putRecords(store, ["c"]),
  ]);
  const stored = await store.reader.listRecords(h.ALL, h.EVERY_RECORD);
  const acknowledged = ["a", "big", "c"].filter((_, index) => outcomes[index]?.status === "fulfilled");
  expect(outcomes[1]?.status).toBe("rejected");
  expect(stored.map(({ key }) => key)).toEqual(acknowledged);
  expect(acknowledged).toContain("c");
});

it("gets space back by pruning", async () => {
  const { store, handles } = await openWithHandles(temporaryPath());
  const data = JSON.stringify({ text: "x".repeat(20_000) });
  await h.appendEvents(
    store,
    Array.from({ length: 50 }, () => ({ data })),
  );
  const pages = Number(handles.writer.pragma("page_count", { simple: true }));
  handles.writer.pragma(`max_page_count = ${pages}`);
  const more = () =>
    h.appendEvents(
      store,
      Array.from({ length: 40 }, () => ({ data })),
      h.NOW_MS + 5_000,
    );
  await expect(more()).rejects.toThrow(StoreFullError);
  await store.prune({ eventsMs: h.NOW_MS + 1_000, samplesMs: 0 });
  await expect(more()).resolves.toHaveLength(40);
});
