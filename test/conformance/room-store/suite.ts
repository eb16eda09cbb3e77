// What every RoomStore must do, tried on each implementation.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NewBatch, RoomStore } from "#agent/core/room/room-store.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { roomCommands } from "./model.ts";

/** One place where a store lives; `reopen` is an end of the process and a new start. */
export interface RoomStoreFixture {
  store(): RoomStore;
  reopen(): void;
  dispose(): void;
}

export const EPOCH = "00112233445566ff";

export function batchOf(id: number, size = 40, kind: NewBatch["kind"] = "records"): NewBatch {
  return {
    id: id.toString(16).padStart(16, "0"),
    kind,
    entries: id % 500,
    blob: Buffer.alloc(size, id % 251),
  };
}

export function describeRoomStore(name: string, make: () => RoomStoreFixture): void {
  describe(`room store: ${name}`, () => {
    let fixture: RoomStoreFixture;
    beforeEach(() => {
      fixture = make();
    });
    afterEach(() => fixture.dispose());
    const seqs = (from: number, maxBytes = 1e9): number[] =>
      fixture
        .store()
        .read(from, maxBytes)
        .map(({ seq }) => seq);

    it("starts empty", () => {
      const store = fixture.store();
      expect(store.position()).toEqual({
        epoch: EPOCH,
        firstSeq: 1,
        nextSeq: 1,
        ackedSeq: 0,
        tailId: "",
        takenOver: [],
        backlogBytes: 0,
      });
      expect(store.read(1, 1e6)).toEqual([]);
      expect(store.idAt(0)).toBeUndefined();
      expect(store.idAt(1)).toBeUndefined();
      expect(store.cursor("a")).toBeUndefined();
      expect(store.known("purchase_order", ["x"])).toEqual([undefined]);
      expect(store.countKnown("purchase_order")).toBe(0);
      expect(store.unseen("purchase_order", 9, undefined, 10)).toEqual([]);
    });

    it("gives consecutive seqs in order and the same bytes back", () => {
      fixture.store().commit({ batches: [batchOf(1), batchOf(2, 9000, "samples")] });
      fixture.store().commit({ batches: [batchOf(3, 0)] });
      fixture.reopen();
      const read = fixture.store().read(1, 1e9);
      expect(read.map(({ seq, id, kind, entries }) => [seq, Number(`0x${id}`), kind, entries])).toEqual([
        [1, 1, "records", 1],
        [2, 2, "samples", 2],
        [3, 3, "records", 3],
      ]);
      expect(read.map(({ blob }) => Buffer.from(blob))).toEqual(
        [batchOf(1), batchOf(2, 9000), batchOf(3, 0)].map(({ blob }) => blob),
      );
      expect(fixture.store().position()).toMatchObject({ nextSeq: 4, backlogBytes: 9040 });
    });

    it("reads at most the bytes asked for, and at least one batch", () => {
      fixture.store().commit({ batches: [batchOf(1, 100), batchOf(2, 100), batchOf(3, 100)] });
      expect(seqs(1, 250)).toEqual([1, 2]);
      expect(seqs(2, 1)).toEqual([2]);
      expect(seqs(4)).toEqual([]);
    });

    it("changes nothing at all when a commit fails", () => {
      fixture.store().commit({ batches: [batchOf(1)], cursors: [{ slot: "s", cursor: { at: 1 } }] });
      const bad = { ...batchOf(3), id: "not hex" };
      const commit = {
        batches: [batchOf(2), bad],
        known: [{ entity: "vendor", records: [{ key: "k", hash: "", version: undefined, seen: 1 }] }],
        cursors: [{ slot: "s", cursor: { at: 2 } }],
      };
      expect(() => fixture.store().commit(commit)).toThrow(MillraceError);
      fixture.reopen();
      expect(seqs(1)).toEqual([1]);
      expect(fixture.store().cursor("s")).toEqual({ at: 1 });
      expect(fixture.store().countKnown("vendor")).toBe(0);
      fixture.store().commit({ batches: [batchOf(2)] });
      expect(seqs(1)).toEqual([1, 2]);
    });

    it("keeps cursors by slot and removes them", () => {
      const cursor = { ts: "2026-01-01T00:00:00Z", deep: { n: 1, list: ["a", null, 2] }, none: null };
      fixture.store().commit({ cursors: [{ slot: "a/incremental", cursor }] });
      fixture.store().commit({ cursors: [{ slot: "b", cursor: { n: 1 } }] });
      fixture.reopen();
      expect(fixture.store().cursor("a/incremental")).toEqual(cursor);
      fixture.store().commit({ cursors: [{ slot: "a/incremental", cursor: undefined }] });
      fixture.reopen();
      expect(fixture.store().cursor("a/incremental")).toBeUndefined();
      expect(fixture.store().cursor("b")).toEqual({ n: 1 });
    });

    it("keeps known records apart by entity, in the order asked", () => {
      const hash = "AAECAwQFBgcICQoLDA0ODw";
      const record = { key: '["1"]', hash, version: "v1", seen: 1 };
      const rejected = { key: '["ä","😀"]', hash: "", version: undefined, seen: 2 };
      const odd = { key: '["2"]', hash: "AAECAwQFBgcICQoLDA0ODx", version: "", seen: 3 };
      fixture.store().commit({ known: [{ entity: "vendor", records: [record, rejected, odd] }] });
      fixture.store().commit({ known: [{ entity: "asset", records: [{ ...record, seen: 7 }] }] });
      fixture.reopen();
      const keys = ['["2"]', '["absent"]', '["ä","😀"]', '["1"]', '["2"]'];
      expect(fixture.store().known("vendor", keys)).toEqual([odd, undefined, rejected, record, odd]);
      expect(fixture.store().known("asset", ['["1"]', '["2"]'])).toEqual([{ ...record, seen: 7 }, undefined]);
      fixture.store().commit({ known: [{ entity: "vendor", records: [{ ...record, version: "v2" }] }] });
      fixture.store().commit({ forgotten: [{ entity: "vendor", keys: ['["2"]', '["absent"]'] }] });
      expect(fixture.store().known("vendor", keys)[3]).toEqual({ ...record, version: "v2" });
      expect(fixture.store().countKnown("vendor")).toBe(2);
      expect(fixture.store().countKnown("asset")).toBe(1);
    });

    it("looks up more keys than one statement takes", () => {
      const keys = Array.from({ length: 1201 }, (_, index) => `["${index}"]`);
      const records = keys.map((key, seen) => ({ key, hash: "", version: undefined, seen }));
      fixture.store().commit({ known: [{ entity: "vendor", records }] });
      const asked = keys.toReversed();
      expect(
        fixture
          .store()
          .known("vendor", asked)
          .map((record) => record?.key),
      ).toEqual(asked);
    });

    it("lists and counts unseen keys in code point order, page by page", () => {
      const keys = ["a", "aa", "b", "z", "ﬁ", "😀", "é"];
      const records = keys.map((key, index) => ({ key, hash: "", version: undefined, seen: index % 3 }));
      fixture.store().commit({ known: [{ entity: "vendor", records }] });
      const ordered = records
        .filter(({ seen }) => seen < 2)
        .map(({ key }) => key)
        .sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
      const store = fixture.store();
      expect(store.countUnseen("vendor", 2)).toBe(ordered.length);
      expect(store.unseen("vendor", 2, undefined, 100)).toEqual(ordered);
      const paged: string[] = [];
      for (;;) {
        const page = store.unseen("vendor", 2, paged.at(-1), 2);
        if (page.length === 0) break;
        paged.push(...page);
      }
      expect(paged).toEqual(ordered);
    });

    it("trims to what may go and keeps the id of the last one gone", () => {
      fixture.store().commit({ batches: [1, 2, 3, 4].map((id) => batchOf(id, 10 * id)) });
      fixture.store().trim(3, 2);
      expect(fixture.store().position()).toMatchObject({
        firstSeq: 2,
        ackedSeq: 3,
        tailId: batchOf(1).id,
        backlogBytes: 40,
      });
      expect(seqs(1)).toEqual([2, 3, 4]);
      expect(fixture.store().idAt(1)).toBe(batchOf(1).id);
      expect(fixture.store().idAt(0)).toBeUndefined();
      expect(fixture.store().idAt(3)).toBe(batchOf(3).id);
      // Neither backwards, nor beyond what was acknowledged, nor beyond what exists.
      fixture.store().trim(1, 1);
      expect(fixture.store().position()).toMatchObject({ firstSeq: 2, ackedSeq: 3 });
      fixture.store().trim(99, 99);
      expect(fixture.store().position()).toMatchObject({
        firstSeq: 5,
        nextSeq: 5,
        ackedSeq: 4,
        tailId: batchOf(4).id,
        backlogBytes: 0,
      });
      fixture.store().commit({ batches: [batchOf(5)] });
      fixture.reopen();
      expect(seqs(1)).toEqual([5]);
      expect(fixture.store().idAt(4)).toBe(batchOf(4).id);
      expect(fixture.store().position()).toMatchObject({ firstSeq: 5, nextSeq: 6, ackedSeq: 4 });
    });

    it("replaces a body in place", () => {
      fixture.store().commit({
        batches: [batchOf(1, 5000, "samples"), batchOf(2, 100, "samples"), batchOf(3, 100)],
      });
      const gap = { kind: "records" as const, entries: 1, blob: Buffer.from("gap") };
      fixture.store().replace(1, gap);
      fixture.reopen();
      expect(fixture.store().read(1, 1e6)[0]).toMatchObject({ seq: 1, id: batchOf(1).id, ...gap });
      expect(fixture.store().position().backlogBytes).toBe(203);
      expect(fixture.store().oldest("samples", 9)).toHaveLength(1);
      expect(
        fixture
          .store()
          .oldest("records", 9)
          .map(({ seq }) => seq),
      ).toEqual([1, 3]);
      expect(() => fixture.store().replace(4, gap)).toThrow(MillraceError);
      fixture.store().trim(1, 2);
      expect(() => fixture.store().replace(1, gap)).toThrow(MillraceError);
    });

    it("finds the oldest unacknowledged batches of a kind", () => {
      const kinds = ["samples", "records", "samples", "samples"] as const;
      fixture.store().commit({ batches: kinds.map((kind, index) => batchOf(index + 1, 10, kind)) });
      const oldest = (kind: NewBatch["kind"], limit: number): number[] =>
        fixture
          .store()
          .oldest(kind, limit)
          .map(({ seq }) => seq);
      expect(oldest("samples", 2)).toEqual([1, 3]);
      fixture.store().trim(1, 1);
      expect(oldest("samples", 9)).toEqual([3, 4]);
      fixture.store().replace(3, { kind: "records", entries: 1, blob: Buffer.from("gap") });
      expect(oldest("samples", 9)).toEqual([4]);
      expect(oldest("records", 9)).toEqual([2, 3]);
      fixture.store().replace(2, { kind: "samples", entries: 1, blob: Buffer.from("x") });
      expect(oldest("samples", 9)).toEqual([2, 4]);
    });

    it("says how much it holds", () => {
      const empty = fixture.store().usage();
      fixture.store().commit({ batches: [batchOf(1, 200_000)] });
      expect(fixture.store().usage().outboxBytes).toBeGreaterThanOrEqual(empty.outboxBytes + 200_000);
      const records = Array.from({ length: 2000 }, (_, index) => ({
        key: `["${index}"]`,
        hash: "AAECAwQFBgcICQoLDA0ODw",
        version: undefined,
        seen: 1,
      }));
      fixture.store().commit({ known: [{ entity: "vendor", records }] });
      expect(fixture.store().usage().knownBytes).toBeGreaterThanOrEqual(empty.knownBytes + 2000 * 22);
    });

    it("behaves like the model, whatever is done to it in whatever order", () => {
      fc.assert(
        fc.property(roomCommands(), (commands) => {
          const own = make();
          try {
            fc.modelRun(
              () => ({
                model: {
                  firstSeq: 1,
                  ackedSeq: 0,
                  tailId: "",
                  batches: [],
                  known: new Map(),
                  cursors: new Map(),
                },
                real: own,
              }),
              commands,
            );
          } finally {
            own.dispose();
          }
        }),
        { numRuns: 60 },
      );
      expect.hasAssertions();
    });
  });
}
