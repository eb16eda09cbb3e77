// What is noted about batches that cannot be decoded, up to its limit.
import { expect, it } from "vitest";
import { MAX_UNDECODABLE_BATCHES } from "#relay/store/sqlite/note-writer.ts";
import * as h from "#test/conformance/relay-store/harness.ts";
import { openWithHandles, temporaryPath } from "./temporary-store.ts";

it("keeps the newest undecodable batches of a connection, up to the limit", async () => {
  const { store, handles } = await openWithHandles(temporaryPath());
  await store.ingest(async (tx) => {
    await tx.putUndecodable(h.SECOND_CONNECTION, h.EPOCH, 1, new Uint8Array([7]), "damaged");
    for (let seq = 1; seq <= MAX_UNDECODABLE_BATCHES + 5; seq += 1) {
      await tx.putUndecodable(h.CONNECTION, h.EPOCH, seq, new Uint8Array([1, 2, 3]), "damaged");
    }
  });
  const seqs = handles.reader.prepare("SELECT seq FROM undecodable_batches ORDER BY batch_no").pluck().all();
  expect(seqs).toEqual([1, ...Array.from({ length: MAX_UNDECODABLE_BATCHES }, (_, n) => n + 6)]);
});
