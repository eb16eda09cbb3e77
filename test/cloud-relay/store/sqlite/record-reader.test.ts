// A record that is asked for again and again is remembered, but never older than the newest commit.
import { expect, it } from "vitest";
import type { Store } from "#relay/core/store.ts";
import * as h from "#test/conformance/relay-store/harness.ts";
import { openTemporary, openWithHandles, temporaryPath } from "./temporary-store.ts";

const put = (store: Store, text: string) =>
  store.ingest(async (tx) => {
    await tx.putRecords([h.record("a", await tx.revisions(1, h.NOW_MS), { text })]);
  });
const { id } = h.record("a", 1);

it("every ask sees what was committed before it, by this process or another", async () => {
  const path = temporaryPath();
  const { store } = await openWithHandles(path);
  const other = await openTemporary({ path });
  let n = 0;
  for (const writer of [store, other, store, store, other, other]) {
    n += 1;
    await put(writer, `{"n":${n}}`);
    for (let ask = 1; ask <= 3; ask += 1) {
      const found = await store.reader.getRecord(h.ALL, "work_order", id, false);
      expect(found?.text).toBe(`{"n":${n}}`);
    }
  }
});

it("whoever asks, the scope is asked too: what one may see is not remembered for the other", async () => {
  const { store } = await openWithHandles(temporaryPath());
  await put(store, `{"n":1}`);
  const foreign = { workspaceId: h.WORKSPACE, connectionIds: [h.SECOND_CONNECTION] };
  for (let ask = 1; ask <= 3; ask += 1) {
    expect((await store.reader.getRecord(h.ALL, "work_order", id, false))?.id).toBe(id);
    expect(await store.reader.getRecord(foreign, "work_order", id, false)).toBeUndefined();
    expect(await store.reader.getRecord(h.ALL, "asset", id, false)).toBeUndefined();
  }
});

it("is not read again as long as nothing is committed", async () => {
  const { store } = await openWithHandles(temporaryPath());
  await put(store, `{"n":1}`);
  const ask = () => store.reader.getRecord(h.ALL, "work_order", id, false);
  await ask();
  const second = await ask();
  expect(await ask()).toBe(second);
  await put(store, `{"n":2}`);
  expect(await ask()).not.toBe(second);
});
