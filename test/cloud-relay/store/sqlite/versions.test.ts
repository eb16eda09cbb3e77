// What becomes of earlier versions in the file: with a deleted connection, and where they are not kept.
import { expect, test } from "vitest";
import { recordId } from "#common/contract/record-id.ts";
import type { Store } from "#relay/core/store.ts";
import * as h from "#test/conformance/relay-store/harness.ts";
import { openTemporary, openWithHandles, temporaryPath } from "./temporary-store.ts";

async function writeThrice(store: Store, connectionId: string, keys: readonly string[]): Promise<void> {
  for (let n = 0; n < 3; n += 1) {
    await h.putRecords(store, keys, { connectionId, text: `{"n":${n}}`, updatedAtMs: h.NOW_MS + n });
  }
}

test("they go with their connection, to the last one, and nobody else's", async () => {
  const { store, handles } = await openWithHandles(temporaryPath());
  const keys = Array.from({ length: 30 }, (_, n) => `k${n}`);
  await writeThrice(store, h.CONNECTION, keys);
  await writeThrice(store, h.SECOND_CONNECTION, ["other"]);
  const held = (): unknown => handles.writer.prepare("SELECT count(*) FROM versions").pluck().get();
  expect(held()).toBe(62);
  await store.directory.disconnectConnection(h.WORKSPACE, h.CONNECTION, h.NOW_MS);
  expect(await store.directory.deleteConnection(h.WORKSPACE, h.CONNECTION)).toBe(true);
  while (await store.prune({ eventsMs: 0, samplesMs: 0 }));
  expect(held()).toBe(2);
  const id = recordId(h.SECOND_CONNECTION, "work_order", "other");
  const query = { before: undefined, limit: 10 };
  const left = await store.reader.versions(h.ALL, "work_order", id, query);
  expect(left?.versions.map(({ text }) => text)).toEqual(['{"n":2}', '{"n":1}', '{"n":0}']);
});

test("none are kept where none are wanted; the one that holds is there all the same", async () => {
  const store = await openTemporary({ path: temporaryPath(), keepsVersions: false });
  await h.seed(store);
  await writeThrice(store, h.CONNECTION, ["a"]);
  const id = recordId(h.CONNECTION, "work_order", "a");
  const found = await store.reader.versions(h.ALL, "work_order", id, { before: undefined, limit: 10 });
  expect(found).toMatchObject({ hasMore: false, versions: [{ text: '{"n":2}', until: undefined }] });
  expect(await store.reader.versionAt(h.ALL, "work_order", id, 1)).toBe("too_old");
});
