// Conformance of records and of the transaction around them.
import { describe, expect, it } from "vitest";
import { recordId } from "#common/contract/record-id.ts";
import type { Store } from "#relay/core/store.ts";
import * as h from "./harness.ts";

export function recordsSuite(open: () => Promise<Store>): void {
  const keysOf = async (store: Store, query: object = {}, scope: object = h.ALL): Promise<string[]> => {
    const rows = await store.reader.listRecords(scope as typeof h.ALL, { ...h.EVERY_RECORD, ...query });
    return rows.map(({ key }) => key);
  };

  describe("ingest", () => {
    it("keeps all of a transaction or nothing", async () => {
      const store = await open();
      await h.putRecords(store, ["kept"]);
      const failing = store.ingest(async (tx) => {
        const first = await tx.revisions(2, h.NOW_MS);
        await tx.putRecords([h.record("lost", first), h.record("kept", first + 1, { text: "{}" })]);
        await tx.appendEvents([h.event(first)]);
        await tx.putStream({
          connectionId: h.CONNECTION,
          epoch: h.EPOCH,
          epochNo: 1,
          ackedSeq: 1,
          ackedId: "",
        });
        await tx.putSamples(h.CONNECTION, [
          { pointKey: '["p"]', value: 1, status: 0, sourceMs: 1, serverMs: 1, backfilled: false },
        ]);
        await tx.setConnectionStatus(
          h.CONNECTION,
          { state: "online", reason: undefined, advice: undefined },
          1,
        );
        throw new Error("in the middle");
      });
      await expect(failing).rejects.toThrow("in the middle");
      expect(await keysOf(store)).toEqual(["kept"]);
      expect((await store.reader.listRecords(h.ALL, h.EVERY_RECORD))[0]?.text).toBe('{"number":"kept"}');
      expect(await store.reader.listEvents(h.ALL, 0, 10)).toEqual([]);
      expect((await store.reader.feedBounds(h.WORKSPACE)).newest).toBe(0);
      expect(await store.reader.samples(h.CONNECTION, '["p"]', 0, 10, 10)).toEqual([]);
      expect((await store.reader.lastSamples(h.CONNECTION, ['["p"]'])).size).toBe(0);
      expect((await store.directory.connection(h.ALL, h.CONNECTION))?.state).toBe("pending");
      expect(await store.ingest((tx) => tx.stream(h.CONNECTION))).toBeUndefined();
    });

    it("goes on after a rollback with the names that the lost transaction was the first to use", async () => {
      const store = await open();
      const write = (entity: string, fail: boolean): Promise<void> =>
        store.ingest(async (tx) => {
          const at = await tx.revisions(1, h.NOW_MS);
          await tx.putRecords([h.record("k", at, { entity })]);
          await tx.appendEvents([h.event(at, { type: `${entity}.created`, entity })]);
          await tx.putSamples(h.CONNECTION, [
            { pointKey: entity, value: entity, status: 0, sourceMs: 1, serverMs: 1, backfilled: false },
          ]);
          if (fail) throw new Error("lost");
        });
      await expect(write("vendor", true)).rejects.toThrow("lost");
      await write("asset", false);
      await write("vendor", false);
      expect(await keysOf(store, { entity: "vendor" })).toEqual(["k"]);
      expect(await keysOf(store, { entity: "asset" })).toEqual(["k"]);
      const types = (await store.reader.listEvents(h.ALL, 0, 10)).map(({ type }) => type);
      expect(types).toEqual(["asset.created", "vendor.created"]);
      expect((await store.reader.lastSamples(h.CONNECTION, ["asset"])).get("asset")?.value).toBe("asset");
    });

    it("fails the transaction when a call failed, even if the work caught it", async () => {
      const store = await open();
      const swallowing = store.ingest(async (tx) => {
        const first = await tx.revisions(2, h.NOW_MS);
        const rows = [h.record("half", first), h.record("other", first + 1, { connectionId: "nowhere" })];
        await tx.putRecords(rows).catch(() => {});
      });
      await expect(swallowing).rejects.toThrow(/no connection nowhere/);
      expect(await keysOf(store)).toEqual([]);
    });

    it("refuses calls on a transaction that is over", async () => {
      const store = await open();
      const tx = await store.ingest(async (open) => open);
      await expect(tx.revisions(1, h.NOW_MS)).rejects.toThrow(/ended/);
    });

    it("runs transactions one at a time and in order, and a failed one harms no other", async () => {
      const store = await open();
      const seen: string[] = [];
      const step = (name: string, fail = false): Promise<void> =>
        store.ingest(async (tx) => {
          seen.push(`${name} begins`);
          const first = await tx.revisions(1, h.NOW_MS);
          await new Promise((resolve) => setImmediate(resolve));
          await tx.putRecords([h.record(name, first)]);
          seen.push(`${name} ends`);
          if (fail) throw new Error(name);
        });
      const outcomes = await Promise.allSettled([step("a"), step("b", true), step("c")]);
      expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
      expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
      expect(await keysOf(store)).toEqual(["a", "c"]);
    });

    it("shows readers nothing of an open transaction, and does not make them wait for it", async () => {
      const store = await open();
      await h.putRecords(store, ["before"]);
      await store.ingest(async (tx) => {
        const first = await tx.revisions(1, h.NOW_MS);
        await tx.putRecords([h.record("within", first)]);
        expect(await keysOf(store)).toEqual(["before"]);
        expect(await store.reader.countRecords(h.ALL, "work_order")).toBe(1);
      });
      expect(await keysOf(store)).toEqual(["before", "within"]);
    });
  });

  describe("records", () => {
    it("tells revisions as they are after every kind of change, however often they are asked for", async () => {
      const store = await open();
      const { reader } = store;
      const query = { ...h.EVERY_RECORD, includeDeleted: false };
      const agree = async (keys: readonly string[]): Promise<void> => {
        for (const wanted of [query, { ...query, includeDeleted: true }]) {
          const records = await reader.listRecords(h.ALL, wanted);
          const revisions = await reader.listRevisions?.(h.ALL, wanted);
          const expected = records.map(({ revision }) => revision);
          expect(revisions ?? expected).toEqual(expected);
          expect((await reader.listRevisions?.(h.ALL, wanted)) ?? expected).toEqual(expected);
        }
        expect(await keysOf(store, { includeDeleted: false })).toEqual(keys);
      };
      await agree([]);
      await h.putRecords(store, ["a", "b"]);
      await agree(["a", "b"]);
      const goneId = recordId(h.CONNECTION, "work_order", "a");
      const gone = { presence: "deleted", reason: "tombstone", origin: "change" } as const;
      await store.ingest(async (tx) => {
        const revision = await tx.revisions(1, h.NOW_MS);
        await tx.deleteRecords([{ id: goneId, revision, ...gone, atMs: h.NOW_MS, epochNo: 1 }]);
      });
      await agree(["b"]);
      await h.putRecords(store, ["a"]);
      await agree(["b", "a"]);
      await store.ingest(async (tx) => {
        const revision = await tx.revisions(1, h.NOW_MS);
        await tx.putRecords([h.record("b", revision, { presence: "deleted", deletedAtMs: h.NOW_MS })]);
      });
      await agree(["a"]);
      await store.ingest(async (tx) => {
        const revision = await tx.revisions(1, h.NOW_MS);
        await tx.putRecords([h.record("c", revision, { connectionId: h.SECOND_CONNECTION })]);
      });
      await agree(["a", "c"]);
    });

    it("gives back exactly what was put, and replaces by id", async () => {
      const store = await open();
      const full = h.record("full", 5, {
        text: '{"name":"Größe 🏭 \\u0000 9007199254740993"}',
        raw: '{"WONUM":"😀"}',
        version: "9223372036854775807",
        hash: "abcdefghijklmnopqrstuv",
        createdAtMs: h.NOW_MS - 5,
        updatedAtMs: h.NOW_MS - 3,
        incarnation: 3,
        origin: "snapshot",
        mappingVersion: "00112233445566ff",
      });
      const { epochNo: _epochNo, ...stored } = full;
      await store.ingest((tx) => tx.putRecords([full]));
      expect(await store.reader.getRecord(h.ALL, "work_order", full.id, true)).toEqual(stored);
      expect(await store.reader.getRecord(h.ALL, "work_order", full.id, false)).toEqual({
        ...stored,
        raw: undefined,
      });
      expect(await store.reader.listRecords(h.ALL, { ...h.EVERY_RECORD, includeRaw: true })).toEqual([
        stored,
      ]);
      const changed = { ...stored, revision: 6, version: undefined, raw: undefined, text: "{}" };
      await store.ingest((tx) => tx.putRecords([{ ...changed, epochNo: 2 }]));
      expect(await store.reader.listRecords(h.ALL, { ...h.EVERY_RECORD, includeRaw: true })).toEqual([
        changed,
      ]);
    });

    it("takes the same record twice in one transaction", async () => {
      const store = await open();
      await store.ingest(async (tx) => {
        await tx.putRecords([h.record("a", 1), h.record("a", 2, { text: '{"n":2}' })]);
        await tx.putRecords([h.record("a", 3, { text: '{"n":3}' })]);
      });
      const rows = await store.reader.listRecords(h.ALL, h.EVERY_RECORD);
      expect(rows.map(({ revision, text }) => [revision, text])).toEqual([[3, '{"n":3}']]);
    });

    it("keeps texts of 1 MB", async () => {
      const store = await open();
      const text = JSON.stringify({ text: "ü🙂x".repeat(150_000) });
      await store.ingest((tx) => tx.putRecords([h.record("big", 1, { text, raw: text })]));
      const row = await store.reader.getRecord(h.ALL, "work_order", h.record("big", 1).id, true);
      expect(row?.text === text && row.raw === text).toBe(true);
    });

    it("tells ingest the state of the records it asks for, of that connection only", async () => {
      const store = await open();
      await h.putRecords(store, ["a"], { epochNo: 7, incarnation: 2 });
      await h.putRecords(store, ["f"], { connectionId: h.SECOND_CONNECTION });
      const [a, other, none] = [
        h.record("a", 1).id,
        recordId(h.SECOND_CONNECTION, "work_order", "f"),
        h.record("none", 1).id,
      ];
      const states = await store.ingest((tx) => tx.recordStates(h.CONNECTION, [a, other, none]));
      const { hash } = h.record("a", 1);
      const state = { id: a, hash, presence: "present", incarnation: 2, createdAtMs: h.NOW_MS, epochNo: 7 };
      expect([...states]).toEqual([[a, state]]);
    });

    it("writes over a record that it was asked about in the same transaction", async () => {
      const store = await open();
      await h.putRecords(store, ["a"]);
      await store.ingest(async (tx) => {
        await tx.recordStates(h.CONNECTION, [h.record("a", 1).id, h.record("b", 1).id]);
        const first = await tx.revisions(2, h.NOW_MS);
        await tx.putRecords([h.record("a", first, { text: '{"n":2}' }), h.record("b", first + 1)]);
      });
      expect(
        (await store.reader.listRecords(h.ALL, h.EVERY_RECORD)).map(({ key, text }) => [key, text]),
      ).toEqual([
        ["a", '{"n":2}'],
        ["b", '{"number":"b"}'],
      ]);
    });

    it("lists in revision order between exclusive bounds, page by page", async () => {
      const store = await open();
      const revisions = await h.putRecords(store, ["a", "b", "c", "d"]);
      await h.putRecords(store, ["b"]);
      const [first = 0, , , last = 0] = revisions;
      expect(await keysOf(store)).toEqual(["a", "c", "d", "b"]);
      expect(await keysOf(store, { limit: 2 })).toEqual(["a", "c"]);
      expect(await keysOf(store, { afterRevision: first })).toEqual(["c", "d", "b"]);
      expect(await keysOf(store, { afterRevision: first, beforeRevision: last })).toEqual(["c"]);
      expect(await keysOf(store, { afterRevision: last - 1, beforeRevision: last })).toEqual([]);
      expect(await keysOf(store, { entity: "vendor" })).toEqual([]);
    });

    it("merges the connections of a workspace in revision order", async () => {
      const store = await open();
      const expected: string[] = [];
      for (let turn = 0; turn < 30; turn += 1) {
        const connectionId = turn % 3 === 0 ? h.CONNECTION : h.SECOND_CONNECTION;
        const keys = Array.from({ length: (turn % 4) + 1 }, (_, index) => `${turn}/${index}`);
        await h.putRecords(store, keys, { connectionId });
        expected.push(...keys);
      }
      expect(await keysOf(store)).toEqual(expected);
      const paged: string[] = [];
      for (let after = 0; ;) {
        const page = await store.reader.listRecords(h.ALL, {
          ...h.EVERY_RECORD,
          afterRevision: after,
          limit: 7,
        });
        paged.push(...page.map(({ key }) => key));
        if (page.length < 7) break;
        after = page.at(-1)?.revision ?? 0;
      }
      expect(paged).toEqual(expected);
    });

    it("marks present records as gone and keeps their tombstones", async () => {
      const store = await open();
      await h.putRecords(store, ["a", "b", "c"]);
      const [a, b, unknown] = ["a", "b", "x"].map((key) => h.record(key, 0).id) as [string, string, string];
      const gone = {
        presence: "deleted",
        reason: "tombstone",
        origin: "change",
        atMs: h.NOW_MS + 9,
        epochNo: 4,
      } as const;
      const revision = await store.ingest(async (tx) => {
        const first = await tx.revisions(2, h.NOW_MS);
        await tx.deleteRecords([
          { ...gone, id: b, revision: first },
          { ...gone, id: unknown, revision: first + 1 },
        ]);
        return first;
      });
      expect(await keysOf(store)).toEqual(["a", "c"]);
      expect(await keysOf(store, { includeDeleted: true })).toEqual(["a", "c", "b"]);
      expect(await store.reader.countRecords(h.ALL, "work_order")).toBe(2);
      expect(await store.reader.getRecord(h.ALL, "work_order", b, false)).toMatchObject({
        text: '{"number":"b"}',
        presence: "deleted",
        deleteReason: "tombstone",
        deletedAtMs: h.NOW_MS + 9,
        updatedAtMs: h.NOW_MS + 9,
        createdAtMs: h.NOW_MS,
        revision,
        incarnation: 1,
      });
      await store.ingest(async (tx) => {
        const first = await tx.revisions(1, h.NOW_MS);
        await tx.deleteRecords([{ ...gone, id: b, revision: first, reason: "again", atMs: h.NOW_MS + 20 }]);
        expect(await tx.countPresent(h.CONNECTION, "work_order")).toBe(2);
      });
      const again = await store.reader.getRecord(h.ALL, "work_order", b, false);
      expect([again?.revision, again?.deleteReason]).toEqual([revision, "tombstone"]);
      await h.putRecords(store, ["b"], { incarnation: 2 });
      expect(await keysOf(store)).toEqual(["a", "c", "b"]);
      expect(await keysOf(store, { includeDeleted: true })).toEqual(["a", "c", "b"]);
      expect((await store.ingest((tx) => tx.recordStates(h.CONNECTION, [a, b]))).get(b)?.incarnation).toBe(2);
    });

    it("finds what an epoch did not confirm, in id order and bounded, and sweeps it", async () => {
      const store = await open();
      await h.putRecords(store, ["a", "b", "c", "d", "e"], { epochNo: 1 });
      await h.putRecords(store, ["v"], { epochNo: 1, entity: "vendor" });
      await h.putRecords(store, ["o"], { epochNo: 1, connectionId: h.SECOND_CONNECTION });
      await h.putRecords(store, ["b"], { epochNo: 2 });
      const id = (key: string): string => h.record(key, 0).id;
      const before = (await store.reader.listRecords(h.ALL, h.EVERY_RECORD)).map(({ revision }) => revision);
      const swept = await store.ingest(async (tx) => {
        await tx.confirmRecords([id("d"), id("nothing")], 2);
        expect(await tx.countPresent(h.CONNECTION, "work_order")).toBe(5);
        expect(await tx.countUnconfirmed(h.CONNECTION, "work_order", 2)).toBe(3);
        expect(await tx.countUnconfirmed(h.CONNECTION, "work_order", 1)).toBe(0);
        const all = await tx.unconfirmed(h.CONNECTION, "work_order", 2, 10);
        expect(await tx.unconfirmed(h.CONNECTION, "work_order", 2, 2)).toEqual(all.slice(0, 2));
        const first = await tx.revisions(all.length, h.NOW_MS);
        const gone = {
          presence: "deleted",
          reason: "reconcile",
          origin: "reconcile",
          atMs: h.NOW_MS,
          epochNo: 2,
        } as const;
        await tx.deleteRecords(all.map((id, index) => ({ ...gone, id, revision: first + index })));
        expect(await tx.countUnconfirmed(h.CONNECTION, "work_order", 2)).toBe(0);
        expect(await tx.countPresent(h.CONNECTION, "work_order")).toBe(2);
        return all;
      });
      expect(swept).toEqual([id("a"), id("c"), id("e")].sort());
      const left = await store.reader.listRecords(h.ALL, h.EVERY_RECORD);
      expect(left.map(({ key }) => key)).toEqual(["d", "o", "b"]);
      expect(before).toContain(left[0]?.revision);
    });

    it("never leaks a record out of its scope", async () => {
      const store = await open();
      await h.putRecords(store, ["mine"]);
      await h.putRecords(store, ["second"], { connectionId: h.SECOND_CONNECTION });
      await h.putRecords(store, ["canary"], { connectionId: h.FOREIGN_CONNECTION });
      const canary = recordId(h.FOREIGN_CONNECTION, "work_order", "canary");
      const second = recordId(h.SECOND_CONNECTION, "work_order", "second");
      const narrow = { workspaceId: h.WORKSPACE, connectionIds: [h.CONNECTION] };
      const foreign = { workspaceId: h.WORKSPACE, connectionIds: [h.FOREIGN_CONNECTION] };
      const { reader } = store;
      expect(await keysOf(store)).toEqual(["mine", "second"]);
      expect(await keysOf(store, {}, narrow)).toEqual(["mine"]);
      for (const scope of [foreign, { ...narrow, connectionIds: [] }, { workspaceId: "ws_none" }]) {
        expect(await keysOf(store, {}, scope)).toEqual([]);
        expect(await reader.countRecords(scope, "work_order")).toBe(0);
        expect(await reader.getRecord(scope, "work_order", canary, true)).toBeUndefined();
      }
      expect(await reader.getRecord(h.ALL, "work_order", canary, true)).toBeUndefined();
      expect(await reader.getRecord(narrow, "work_order", second, true)).toBeUndefined();
      expect(await reader.getRecord(h.ALL, "vendor", second, true)).toBeUndefined();
      expect(await reader.getRecord(h.ALL, "work_order", "no-uuid", true)).toBeUndefined();
      expect((await reader.getRecord(h.ALL, "work_order", second, true))?.key).toBe("second");
      expect(await reader.countRecords(narrow, "work_order")).toBe(1);
    });
  });
}
