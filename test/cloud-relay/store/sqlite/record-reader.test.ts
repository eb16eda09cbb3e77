// A record that is asked for again and again is remembered, but never older than the newest commit.
import { expect, it, vi } from "vitest";
import type { Store } from "#relay/core/store.ts";
import * as h from "#test/conformance/relay-store/harness.ts";
import { openTemporary, openWithHandles, temporaryPath } from "./temporary-store.ts";

const put = (store: Store, text: string) =>
  store.ingest(async (tx) => {
    await tx.putRecords([h.record("a", await tx.revisions(1, h.NOW_MS), { text })]);
  });
const { id } = h.record("a", 1);

const threeTimes = async (store: Store): Promise<readonly (string | undefined)[]> => {
  const texts: (string | undefined)[] = [];
  for (let ask = 1; ask <= 3; ask += 1)
    texts.push((await store.reader.getRecord(h.ALL, "work_order", id, false))?.text);
  return texts;
};

it("every ask sees what this process committed before it", async () => {
  const { store } = await openWithHandles(temporaryPath());
  for (let n = 1; n <= 6; n += 1) {
    await put(store, `{"n":${n}}`);
    const text = `{"n":${n}}`;
    expect(await threeTimes(store)).toEqual([text, text, text]);
  }
});

it("what another process commits is seen a moment later, and from then on", async () => {
  const path = temporaryPath();
  const { store } = await openWithHandles(path);
  const other = await openTemporary({ path });
  let n = 0;
  for (const writer of [store, other, other, store, other]) {
    n += 1;
    const text = `{"n":${n}}`;
    await put(writer, text);
    const seen = async (): Promise<void> => expect(await threeTimes(store)).toEqual([text, text, text]);
    await vi.waitFor(seen, { timeout: writer === other ? 30_000 : 0, interval: 1 });
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
