// Conformance of filtered lists, places, records by id, and the versions of a record.
import { describe, expect, it } from "vitest";
import { recordId } from "#common/contract/record-id.ts";
import { instantBound, type FieldCondition, type RecordFilter } from "#relay/core/records/record-filter.ts";
import type { Scope, Store } from "#relay/core/store.ts";
import * as h from "./harness.ts";

const ANY: RecordFilter = {
  ids: undefined,
  createdAfterMs: undefined,
  createdBeforeMs: undefined,
  conditions: [],
};

export function readsSuite(open: () => Promise<Store>): void {
  const put = async (store: Store, fields: Readonly<Record<string, object>>): Promise<void> => {
    await store.ingest(async (tx) => {
      const first = await tx.revisions(Object.keys(fields).length, h.NOW_MS);
      await tx.putRecords(
        Object.entries(fields).map(([key, members], index) =>
          h.record(key, first + index, { text: JSON.stringify(members) }),
        ),
      );
    });
  };
  const found = async (
    store: Store,
    filter: Partial<RecordFilter>,
    scope: Scope = h.ALL,
  ): Promise<string[]> => {
    const keys: string[] = [];
    let after: number | undefined = 0;
    while (after !== undefined) {
      const query = { ...h.EVERY_RECORD, afterRevision: after, limit: 3 };
      const step = await store.reader.findRecords(scope, query, { ...ANY, ...filter }, 4);
      keys.push(...step.records.map(({ key }) => key));
      after = step.reached;
    }
    return keys;
  };
  const where = (...conditions: FieldCondition[]): Partial<RecordFilter> => ({ conditions });

  describe("filtered lists", () => {
    it("compare text exactly, truth values as such, and members of objects", async () => {
      const store = await open();
      await put(store, {
        a: { status: "open", active: true, vendor: { id: "v1", remote_id: "100" } },
        b: { status: "Open", active: "true", vendor: { id: "v2", remote_id: "v1" } },
        c: { status: "größe", active: false, vendor: null },
        d: { status: 1, active: 1 },
        e: { status: ["open"] },
      });
      const status = (...values: (string | boolean)[]) => where({ test: "in", paths: ["status"], values });
      expect(await found(store, status("open"))).toEqual(["a"]);
      expect(await found(store, status("open", "größe"))).toEqual(["a", "c"]);
      expect(await found(store, status("1"))).toEqual([]);
      expect(await found(store, status("x' OR 1=1 --"))).toEqual([]);
      const active = (value: boolean) => where({ test: "in", paths: ["active"], values: [value] });
      expect(await found(store, active(false))).toEqual(["c"]);
      expect((await found(store, active(true)))[0]).toBe("a");
      expect(await found(store, active(true))).not.toContain("b");
      const vendor = where({ test: "in", paths: ["vendor.id", "vendor.remote_id"], values: ["v1"] });
      expect(await found(store, vendor)).toEqual(["a", "b"]);
    });

    it("compare dates and instants to the last digit, both bounds exclusive", async () => {
      const store = await open();
      await put(store, {
        day: { at: "2026-03-02" },
        whole: { at: "2026-03-02T08:00:00Z" },
        zeros: { at: "2026-03-02T08:00:00.000Z" },
        half: { at: "2026-03-02T08:00:00.5Z" },
        late: { at: "2026-03-02T08:00:01Z" },
        none: { at: null },
        missing: {},
      });
      const at = (test: "after" | "before", instant: string) =>
        where({ test, path: "at", bound: instantBound(test, instant) });
      expect(await found(store, at("after", "2026-03-02T08:00:00Z"))).toEqual(["half", "late"]);
      expect(await found(store, at("after", "2026-03-02T08:00:00.500Z"))).toEqual(["late"]);
      expect(await found(store, at("before", "2026-03-02T08:00:00.50Z"))).toEqual(["day", "whole", "zeros"]);
      expect(await found(store, at("before", "2026-03-02T08:00:00Z"))).toEqual(["day"]);
      const day = where({ test: "after", path: "at", bound: "2026-03-01" });
      expect(await found(store, day)).toHaveLength(5);
    });

    it("go through long lists step by step, over connections, in revision order, without skipping", async () => {
      const store = await open();
      const expected: string[] = [];
      for (let turn = 0; turn < 40; turn += 1) {
        const connectionId = turn % 3 === 0 ? h.CONNECTION : h.SECOND_CONNECTION;
        const isWanted = turn % 7 === 2 || turn > 36;
        await h.putRecords(store, [`k${turn}`], {
          connectionId,
          text: JSON.stringify({ status: isWanted ? "open" : "closed" }),
        });
        if (isWanted) expected.push(`k${turn}`);
      }
      const open_ = where({ test: "in", paths: ["status"], values: ["open"] });
      expect(await found(store, open_)).toEqual(expected);
      const query = { ...h.EVERY_RECORD, limit: 100 };
      const step = await store.reader.findRecords(h.ALL, query, { ...ANY, ...open_ }, 10);
      expect(step.records.map(({ key }) => key)).toEqual(["k2", "k9"]);
      expect(step.reached).toBe((await store.reader.listRecords(h.ALL, query))[9]?.revision);
    });

    it("combine ids, creation times and conditions; other scopes and entities give nothing", async () => {
      const store = await open();
      await put(store, { a: { status: "open" }, b: { status: "open" }, c: { status: "closed" } });
      await h.putRecords(store, ["f"], { connectionId: h.FOREIGN_CONNECTION, text: '{"status":"open"}' });
      const ids = [
        ...["c", "b", "zzz"].map((key) => h.record(key, 0).id),
        recordId(h.FOREIGN_CONNECTION, "work_order", "f"),
        "no-uuid",
      ];
      const isOpen = where({ test: "in", paths: ["status"], values: ["open"] });
      expect(await found(store, { ids })).toEqual(["b", "c"]);
      expect(await found(store, { ids, ...isOpen })).toEqual(["b"]);
      expect(await found(store, { ...isOpen, createdAfterMs: h.NOW_MS })).toEqual([]);
      expect(await found(store, { ...isOpen, createdAfterMs: h.NOW_MS - 1 })).toEqual(["a", "b"]);
      expect(await found(store, { createdBeforeMs: h.NOW_MS })).toEqual([]);
      const other = { workspaceId: h.WORKSPACE, connectionIds: [h.SECOND_CONNECTION] };
      expect(await found(store, { ids }, other)).toEqual([]);
      expect(await found(store, isOpen, other)).toEqual([]);
      const known = (await store.reader.recordsByIds(h.ALL, ids)).map(({ key }) => key);
      expect(known.sort()).toEqual(["b", "c"]);
      expect(await store.reader.recordsByIds(other, ids)).toEqual([]);
    });

    it("count lists and name the revision at a place", async () => {
      const store = await open();
      const revisions = await h.putRecords(store, ["a", "b", "c"]);
      await h.putRecords(store, ["d"], { connectionId: h.SECOND_CONNECTION });
      const query = h.EVERY_RECORD;
      expect(await store.reader.countListed(h.ALL, query)).toBe(4);
      const after = { ...query, afterRevision: revisions[0] ?? 0, beforeRevision: revisions[2] ?? 0 };
      expect(await store.reader.countListed(h.ALL, after)).toBe(1);
      expect(await store.reader.revisionAtPlace(h.ALL, query, 2)).toBe(revisions[1]);
      expect(await store.reader.revisionAtPlace(h.ALL, query, 5)).toBeUndefined();
    });
  });

  versionsSuite(open);
}

function versionsSuite(open: () => Promise<Store>): void {
  const id = h.record("a", 0).id;
  const write = async (store: Store, n: number): Promise<number> => {
    const atMs = h.NOW_MS + n * 1_000;
    const changes = { text: `{"n":${n}}`, updatedAtMs: atMs, readAtMs: atMs - 5 };
    return (await h.putRecords(store, ["a"], changes, atMs))[0] ?? 0;
  };
  const textsOf = async (store: Store, before?: number, limit = 10): Promise<string[]> => {
    const found = await store.reader.versions(h.ALL, "work_order", id, { before, limit });
    return (found?.versions ?? []).map(({ text }) => text);
  };

  describe("versions", () => {
    it("are kept whole when another takes their place, newest first, page by page", async () => {
      const store = await open();
      const revisions: number[] = [];
      for (let n = 0; n < 5; n += 1) {
        revisions.push(await write(store, n));
        await h.putRecords(store, ["other"], { text: `{"other":${n}}` }, h.NOW_MS + n * 1_000);
      }
      expect(await textsOf(store)).toEqual(["4", "3", "2", "1", "0"].map((n) => `{"n":${n}}`));
      const page = await store.reader.versions(h.ALL, "work_order", id, { before: undefined, limit: 2 });
      expect(page?.hasMore).toBe(true);
      expect(page?.versions.map(({ revision, until, readAtMs }) => [revision, until, readAtMs])).toEqual([
        [revisions[4], undefined, h.NOW_MS + 3_995],
        [revisions[3], revisions[4], h.NOW_MS + 2_995],
      ]);
      const next = await store.reader.versions(h.ALL, "work_order", id, {
        before: revisions[3],
        limit: 3,
      });
      expect(next?.hasMore).toBe(false);
      expect(next?.versions.map(({ text }) => text)).toEqual(['{"n":2}', '{"n":1}', '{"n":0}']);
      expect(await textsOf(store, revisions[0])).toEqual([]);
    });

    it("tell what held at a revision, and that nothing did before the first", async () => {
      const store = await open();
      const first = await write(store, 0);
      const second = await write(store, 1);
      const at = (revision: number) => store.reader.versionAt(h.ALL, "work_order", id, revision);
      expect(await at(first)).toMatchObject({ text: '{"n":0}', until: second });
      expect(await at(second - 1)).toMatchObject({ text: '{"n":0}' });
      expect(await at(second + 1)).toMatchObject({ text: '{"n":1}', until: undefined });
      expect(await at(first - 1)).toBeUndefined();
    });

    it("know deletes, and are not rolled into being by a transaction that failed", async () => {
      const store = await open();
      await write(store, 0);
      await expect(
        store.ingest(async (tx) => {
          const revision = await tx.revisions(1, h.NOW_MS);
          await tx.putRecords([h.record("a", revision, { text: "{}" })]);
          throw new Error("lost");
        }),
      ).rejects.toThrow("lost");
      await store.ingest(async (tx) => {
        const revision = await tx.revisions(1, h.NOW_MS + 9_000);
        const gone = { presence: "deleted", reason: "tombstone", origin: "change" } as const;
        await tx.deleteRecords([{ id, revision, ...gone, atMs: h.NOW_MS + 9_000, epochNo: 1, readAtMs: 7 }]);
      });
      const found = await store.reader.versions(h.ALL, "work_order", id, { before: undefined, limit: 10 });
      expect(found?.versions.map(({ presence, text, readAtMs }) => [presence, text, readAtMs])).toEqual([
        ["deleted", '{"n":0}', 7],
        ["present", '{"n":0}', h.NOW_MS - 5],
      ]);
    });

    it("go when they are older than what is kept; what holds stays", async () => {
      const store = await open();
      for (let n = 0; n < 3; n += 1) await write(store, n);
      await store.prune({ eventsMs: 0, samplesMs: 0 });
      expect(await textsOf(store)).toHaveLength(3);
      await store.prune({ eventsMs: 0, samplesMs: 0, versionsMs: h.NOW_MS + 1_500 });
      expect(await textsOf(store)).toEqual(['{"n":2}', '{"n":1}']);
      const at = await store.reader.versionAt(h.ALL, "work_order", id, h.NOW_MS * 1_000);
      // The oldest that is held is not the first there was.
      expect(at).toBe("too_old");
      await store.prune({ eventsMs: 0, samplesMs: 0, versionsMs: h.NOW_MS + 99_000 });
      expect(await textsOf(store)).toEqual(['{"n":2}']);
    });

    it("never leave their scope", async () => {
      const store = await open();
      await write(store, 0);
      const last = await write(store, 1);
      const query = { before: undefined, limit: 10 };
      for (const scope of [
        { workspaceId: h.OTHER_WORKSPACE },
        { workspaceId: h.WORKSPACE, connectionIds: [h.SECOND_CONNECTION] },
      ]) {
        expect(await store.reader.versions(scope, "work_order", id, query)).toBeUndefined();
        expect(await store.reader.versionAt(scope, "work_order", id, last)).toBeUndefined();
      }
      expect(await store.reader.versions(h.ALL, "vendor", id, query)).toBeUndefined();
      // A revision of another record leads nowhere.
      await h.putRecords(store, ["b"], { text: '{"b":1}' });
      const [other = 0] = await h.putRecords(store, ["b"], { text: '{"b":2}' });
      expect(await textsOf(store, other)).toEqual([]);
    });

    it("belong to the pass that was under way when they were read", async () => {
      const store = await open();
      const run = (run: string, started_ms: number, ended_ms?: number) => ({
        connectionId: h.CONNECTION,
        entity: "work_order",
        run,
        pass: "incremental" as const,
        started_ms,
        ...(ended_ms === undefined ? {} : { ended_ms, outcome: "ok" as const }),
      });
      await store.ingest((tx) => tx.putSyncRuns([run("r1", 100, 200), run("r2", 300)]));
      const at = async (ms: number) =>
        (await store.reader.syncRunAt(h.ALL, h.CONNECTION, "work_order", ms))?.run;
      expect([await at(99), await at(100), await at(200), await at(250), await at(999)]).toEqual([
        undefined,
        "r1",
        "r1",
        undefined,
        "r2",
      ]);
      const foreign = { workspaceId: h.OTHER_WORKSPACE };
      expect(await store.reader.syncRunAt(foreign, h.CONNECTION, "work_order", 150)).toBeUndefined();
    });
  });
}
