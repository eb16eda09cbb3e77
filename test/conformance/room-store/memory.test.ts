// The room store in memory against the suite, and what only it can do.
import { describe, expect, it } from "vitest";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import { EPOCH, batchOf, describeRoomStore } from "./suite.ts";

describeRoomStore("memory", () => {
  let store = new MemoryRoomStore(EPOCH);
  return {
    store: () => store,
    reopen: () => {
      const next = new MemoryRoomStore("ffffffffffffffff");
      next.restore(store.snapshot());
      store = next;
    },
    dispose: () => {},
  };
});

describe("memory room store", () => {
  it("brings an older copy back, untouched by what came later", () => {
    const store = new MemoryRoomStore(EPOCH);
    const record = { key: "k", hash: "", version: "1", seen: 1 };
    store.commit({ batches: [batchOf(1)], known: [{ entity: "vendor", records: [record] }] });
    const copy = store.snapshot();
    store.commit({
      batches: [batchOf(2)],
      known: [{ entity: "vendor", records: [{ ...record, version: "2" }] }],
      cursors: [{ slot: "s", cursor: { n: 1 } }],
    });
    store.trim(2, 3);
    store.restore(copy);
    expect(store.position()).toMatchObject({ epoch: EPOCH, firstSeq: 1, nextSeq: 2, ackedSeq: 0 });
    expect(store.known("vendor", ["k"])).toEqual([record]);
    expect(store.cursor("s")).toBeUndefined();
    store.commit({ batches: [batchOf(3)] });
    expect(copy.batches).toHaveLength(1);
  });
});
