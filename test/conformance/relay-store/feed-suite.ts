// Conformance of the feed, revisions, streams, telemetry and notes.
import { describe, expect, it } from "vitest";
import type { NewSample, StoredGap, Store, SyncRun } from "#relay/core/store.ts";
import * as h from "./harness.ts";

const SECOND = { connectionId: h.SECOND_CONNECTION } as const;
const FOREIGN = { workspaceId: h.OTHER_WORKSPACE, connectionId: h.FOREIGN_CONNECTION } as const;
const OWN = { connectionId: undefined, entity: undefined, recordId: undefined, origin: undefined } as const;
const NARROW = { workspaceId: h.WORKSPACE, connectionIds: [h.CONNECTION] };

export function feedSuite(open: () => Promise<Store>): void {
  describe("feed", () => {
    it("gives events back exactly, whatever their ids look like", async () => {
      const store = await open();
      const ids = [
        `evt_${h.EPOCH}_1_0`,
        `evt_${h.EPOCH}_9007199254740991_499`,
        `evt_${h.EPOCH}_01_0`,
        `evt_${h.EPOCH}_1_00`,
        `evt_${h.EPOCH.toUpperCase()}_1_0`,
        `evt_${h.EPOCH}_9007199254740993_0`,
        "evt_r_17",
        "evt_r_",
        "evt_🏭",
        "",
      ];
      const first = await store.ingest((tx) => tx.revisions(ids.length + 2, h.NOW_MS));
      const events = ids.map((id, index) =>
        h.event(first + index, { id, data: `{"index":${index},"text":"ü🙂"}` }),
      );
      events.push(
        h.event(first + ids.length, { ...OWN, id: `evt_r_${first + ids.length}`, type: "system.error" }),
      );
      events.push(h.event(first + ids.length + 1, { recordId: "not-a-uuid" }));
      await store.ingest((tx) => tx.appendEvents(events));
      expect(await store.reader.listEvents(h.ALL, 0, 100)).toEqual(events);
    });

    it("lists strictly after a position, at most the limit, of the types asked for", async () => {
      const store = await open();
      const types = ["a.created", "b.created", "a.created", "c.created", "b.created"];
      const positions = await h.appendEvents(
        store,
        types.map((type, index) =>
          index % 2 === 1 ? { type, connectionId: h.SECOND_CONNECTION } : { type },
        ),
      );
      const at = async (after: number, limit: number, wanted?: string[]): Promise<number[]> =>
        (await store.reader.listEvents(h.ALL, after, limit, wanted)).map(({ position }) =>
          positions.indexOf(position),
        );
      expect(await at(0, 100)).toEqual([0, 1, 2, 3, 4]);
      expect(await at(positions[1] ?? 0, 2)).toEqual([2, 3]);
      expect(await at(positions[4] ?? 0, 2)).toEqual([]);
      expect(await at(0, 100, ["b.created"])).toEqual([1, 4]);
      expect(await at(0, 2, ["c.created", "a.created", "unknown"])).toEqual([0, 2]);
      expect(await at(0, 2, [])).toEqual([]);
      expect(await at(0, 2, ["unknown"])).toEqual([]);
    });

    it("never leaks an event out of its scope", async () => {
      const store = await open();
      const [mine, second, canary, own] = await h.appendEvents(store, [{}, SECOND, FOREIGN, OWN]);
      const at = async (scope: typeof h.ALL | typeof NARROW): Promise<number[]> =>
        (await store.reader.listEvents(scope, 0, 10)).map(({ position }) => position);
      expect(await at(h.ALL)).toEqual([mine, second, own]);
      expect(await at(NARROW)).toEqual([mine]);
      expect(await at({ ...NARROW, connectionIds: [h.FOREIGN_CONNECTION] })).toEqual([]);
      expect(await at({ ...NARROW, connectionIds: [] })).toEqual([]);
      expect(await at({ workspaceId: h.OTHER_WORKSPACE } as never)).toEqual([canary]);
    });

    it("prunes by position, keeps the bounds of each workspace true, and never touches records", async () => {
      const store = await open();
      expect(await store.reader.feedBounds(h.WORKSPACE)).toEqual({ oldest: 0, newest: 0 });
      expect(await store.reader.feedBounds("ws_none")).toEqual({ oldest: 0, newest: 0 });
      await h.putRecords(store, ["kept"]);
      const [, trimmed = 0] = await h.appendEvents(store, [{}, {}]);
      const [canary] = await h.appendEvents(store, [FOREIGN], h.NOW_MS + 10);
      const [left = 0] = await h.appendEvents(store, [{}], h.NOW_MS + 10);
      expect(await store.prune({ eventsMs: h.NOW_MS + 10, samplesMs: 0 })).toBe(false);
      const rows = await store.reader.listEvents(h.ALL, 0, 10);
      expect(rows.map(({ position }) => position)).toEqual([left]);
      expect(await store.reader.feedBounds(h.WORKSPACE)).toEqual({ oldest: trimmed + 1, newest: left });
      expect(await store.reader.feedBounds(h.OTHER_WORKSPACE)).toEqual({ oldest: 0, newest: canary });
      await store.prune({ eventsMs: h.NOW_MS + 1_000, samplesMs: 0 });
      expect(await store.reader.listEvents(h.ALL, 0, 10)).toEqual([]);
      expect(await store.reader.feedBounds(h.WORKSPACE)).toEqual({ oldest: left + 1, newest: left });
      expect(await store.reader.countRecords(h.ALL, "work_order")).toBe(1);
    });

    it("prunes in bounded steps until nothing is left", async () => {
      const store = await open();
      await h.appendEvents(
        store,
        Array.from({ length: 5_001 }, () => ({})),
      );
      expect(await store.prune({ eventsMs: h.NOW_MS + 1_000, samplesMs: 0 })).toBe(true);
      expect(await store.reader.listEvents(h.ALL, 0, 10)).toHaveLength(1);
      expect(await store.prune({ eventsMs: h.NOW_MS + 1_000, samplesMs: 0 })).toBe(false);
      expect(await store.reader.listEvents(h.ALL, 0, 10)).toEqual([]);
    });
  });

  describe("revisions", () => {
    it("follow the clock, and only grow when it steps back", async () => {
      const store = await open();
      const take = (count: number, nowMs: number): Promise<number> =>
        store.ingest((tx) => tx.revisions(count, nowMs));
      expect(await take(3, h.NOW_MS)).toBe(h.NOW_MS * 1000);
      expect(await take(1, h.NOW_MS)).toBe(h.NOW_MS * 1000 + 3);
      expect(await take(2, h.NOW_MS - 86_400_000)).toBe(h.NOW_MS * 1000 + 4);
      expect(await take(1, h.NOW_MS + 1)).toBe((h.NOW_MS + 1) * 1000);
      const twice = await store.ingest(async (tx) => [await tx.revisions(2, 0), await tx.revisions(2, 0)]);
      expect(twice).toEqual([(h.NOW_MS + 1) * 1000 + 1, (h.NOW_MS + 1) * 1000 + 3]);
    });
  });

  describe("streams", () => {
    it("advance with the batch and remember every epoch", async () => {
      const store = await open();
      const state = { connectionId: h.CONNECTION, epoch: h.EPOCH, epochNo: 1, ackedSeq: 0, ackedId: "" };
      const next = {
        ...state,
        epoch: "f".repeat(16),
        epochNo: 2,
        ackedSeq: 2 ** 40,
        ackedId: "00112233445566aa",
      };
      expect(await store.ingest((tx) => tx.stream(h.CONNECTION))).toBeUndefined();
      expect(await store.ingest((tx) => tx.hasSeenEpoch(h.CONNECTION, h.EPOCH))).toBe(false);
      await store.ingest((tx) => tx.putStream(state));
      await store.ingest((tx) => tx.putStream(next));
      expect(await store.ingest((tx) => tx.stream(h.CONNECTION))).toEqual(next);
      expect(await store.ingest((tx) => tx.stream(h.SECOND_CONNECTION))).toBeUndefined();
      expect(await store.ingest((tx) => tx.hasSeenEpoch(h.CONNECTION, h.EPOCH))).toBe(true);
      expect(await store.ingest((tx) => tx.hasSeenEpoch(h.SECOND_CONNECTION, h.EPOCH))).toBe(false);
    });

    it("are fenced by a newer session, a revoked and a quarantined agent", async () => {
      const store = await open();
      const { directory } = store;
      const isCurrent = (session: number): Promise<boolean> =>
        store.ingest((tx) => tx.isCurrentSession("agent", session));
      await directory.createAgent(h.agentRow("agent"));
      expect(await isCurrent(1)).toBe(false);
      expect(await directory.claimSession("agent", "i", "1", "linux", h.NOW_MS)).toBe(1);
      expect(await isCurrent(1)).toBe(true);
      expect(await directory.claimSession("agent", "i", "1", "linux", h.NOW_MS)).toBe(2);
      expect([await isCurrent(1), await isCurrent(2)]).toEqual([false, true]);
      await directory.setAgentQuarantined("agent", h.NOW_MS);
      expect(await isCurrent(2)).toBe(false);
      await directory.setAgentQuarantined("agent", undefined);
      expect(await isCurrent(2)).toBe(true);
      await directory.revokeAgent(h.WORKSPACE, "agent", h.NOW_MS);
      expect(await isCurrent(2)).toBe(false);
      expect(await store.ingest((tx) => tx.isCurrentSession("nobody", 0))).toBe(false);
    });
  });

  samplesSuite(open);
  notesSuite(open);
}

function samplesSuite(open: () => Promise<Store>): void {
  const sample = (sourceMs: number | null, changes: Partial<NewSample> = {}): NewSample => ({
    pointKey: '["Temp"]',
    value: sourceMs,
    status: 0,
    sourceMs,
    serverMs: sourceMs,
    backfilled: false,
    ...changes,
  });
  const put = (store: Store, ...samples: NewSample[]): Promise<void> =>
    store.ingest((tx) => tx.putSamples(h.CONNECTION, samples));
  const values = async (store: Store, after = 0, before = 1e15, limit = 100): Promise<unknown[]> =>
    (await store.reader.samples(h.CONNECTION, '["Temp"]', after, before, limit)).map(({ value }) => value);

  describe("samples", () => {
    it("come back exactly, with every kind of value and time", async () => {
      const store = await open();
      const kinds = [
        1,
        -0.1,
        1e308,
        5e-324,
        2 ** 53 - 1,
        "9007199254740993",
        "",
        "ü🙂",
        '"1"',
        true,
        false,
        null,
        [1, "a"],
      ];
      const all = [...kinds, { a: { b: null } }].map((value, index) =>
        sample(h.NOW_MS + index + 0.123, {
          value,
          status: index === 0 ? 4_294_967_295 : 0,
          serverMs: index % 2 === 0 ? null : h.NOW_MS + 0.001,
          backfilled: index % 3 === 0,
        }),
      );
      await put(store, ...all);
      expect(await store.reader.samples(h.CONNECTION, '["Temp"]', 0, 1e15, 100)).toEqual(
        all.map(({ pointKey: _pointKey, ...rest }) => rest),
      );
    });

    it("are in source time order, however late they come, between exclusive bounds", async () => {
      const store = await open();
      await put(store, sample(30), sample(10), sample(20.5));
      await put(store, sample(15, { backfilled: true }), sample(5, { pointKey: '["Other"]' }));
      expect(await values(store)).toEqual([10, 15, 20.5, 30]);
      expect(await values(store, 10, 30)).toEqual([15, 20.5]);
      expect(await values(store, 0, 1e15, 2)).toEqual([10, 15]);
      expect(await values(store, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)).toHaveLength(4);
      expect(await store.reader.samples(h.SECOND_CONNECTION, '["Temp"]', 0, 1e15, 10)).toEqual([]);
    });

    it("collapse when point, source time and server time are equal, and only then", async () => {
      const store = await open();
      await put(store, sample(10, { value: "old" }), sample(10, { value: "new" }));
      await put(store, sample(10, { value: "newer" }), sample(10, { serverMs: 11, value: "later" }));
      await put(store, sample(10, { serverMs: null, value: "no server" }));
      await put(store, sample(null, { serverMs: 10, value: "no source" }));
      expect(new Set(await values(store))).toEqual(new Set(["later", "newer", "no server", "no source"]));
      expect(await values(store)).toHaveLength(4);
    });

    it("have a last value per point: the newest by source time, not the last to arrive", async () => {
      const store = await open();
      const last = async (...keys: string[]) => {
        const found = await store.reader.lastSamples(h.CONNECTION, keys);
        return [...found.values()].map(({ pointKey, value }) => [pointKey, value]);
      };
      await put(store, sample(10), sample(30), sample(20), sample(7, { pointKey: "p" }));
      expect(await last('["Temp"]', "unknown", "p")).toEqual([
        ['["Temp"]', 30],
        ["p", 7],
      ]);
      await put(store, sample(25));
      expect(await last('["Temp"]')).toEqual([['["Temp"]', 30]]);
      await put(store, sample(30, { value: "again" }));
      expect(await last('["Temp"]')).toEqual([['["Temp"]', "again"]]);
      await put(store, sample(40, { serverMs: null }));
      expect(await last('["Temp"]')).toEqual([['["Temp"]', 40]]);
      expect((await store.reader.lastSamples(h.SECOND_CONNECTION, ['["Temp"]'])).size).toBe(0);
    });

    it("are pruned, but the last value stays", async () => {
      const store = await open();
      await put(store, sample(10), sample(20), sample(5, { pointKey: "old" }));
      while (await store.prune({ eventsMs: 0, samplesMs: 20 }));
      expect(await values(store)).toEqual([20]);
      expect((await store.reader.lastSamples(h.CONNECTION, ["old"])).get("old")?.value).toBe(5);
    });
  });
}

function notesSuite(open: () => Promise<Store>): void {
  const gap = (id: string, recordedAtMs: number, changes: Partial<StoredGap> = {}): StoredGap => ({
    id,
    connectionId: h.CONNECTION,
    recordedAtMs,
    reason: "reconnect",
    to_ms: recordedAtMs,
    detail: "the line was down",
    ...changes,
  });

  it("keeps gaps, each once, and finds those that concern an entity or key", async () => {
    const store = await open();
    const whole = gap("whole", 20, { from_ms: 1.5 });
    const entity = gap("entity", 10, { entity: "vendor" });
    const key = gap("key", 30, { entity: "vendor", key: '["1"]' });
    await store.ingest((tx) =>
      tx.putGaps([whole, entity, key, gap("x", 5, { connectionId: h.FOREIGN_CONNECTION })]),
    );
    await store.ingest((tx) => tx.putGaps([whole]));
    const ids = async (query: object, scope: object = h.ALL): Promise<string[]> =>
      (await store.reader.gaps(scope as typeof h.ALL, { afterMs: 0, limit: 10, ...query })).map(
        ({ id }) => id,
      );
    expect(await store.reader.gaps(h.ALL, { afterMs: 0, limit: 10 })).toEqual([entity, whole, key]);
    expect(await ids({ afterMs: 10, limit: 1 })).toEqual(["whole"]);
    expect(await ids({ entity: "asset" })).toEqual(["whole"]);
    expect(await ids({ entity: "vendor", key: '["2"]' })).toEqual(["entity", "whole"]);
    expect(await ids({ connectionId: h.SECOND_CONNECTION })).toEqual([]);
    expect(await ids({ connectionId: h.FOREIGN_CONNECTION })).toEqual([]);
    expect(await ids({}, { workspaceId: h.WORKSPACE, connectionIds: [h.SECOND_CONNECTION] })).toEqual([]);
  });

  it("keeps one reject per key until it is cleared", async () => {
    const store = await open();
    const reject = (key: string, code: string) =>
      ({ op: "reject", entity: "vendor", key, code, detail: "ü", read_ms: 1 }) as const;
    await store.ingest((tx) =>
      tx.putRejects(h.CONNECTION, [reject("b", "ONE"), reject("a", "ONE"), reject("b", "TWO")]),
    );
    const codes = async (scope: object = h.ALL, limit = 10): Promise<string[]> =>
      (await store.reader.rejects(scope as typeof h.ALL, h.CONNECTION, limit)).map(
        ({ key, code }) => key + code,
      );
    expect(await store.reader.rejects(h.ALL, h.CONNECTION, 1)).toEqual([
      { ...reject("a", "ONE"), connectionId: h.CONNECTION },
    ]);
    expect(await codes()).toEqual(["aONE", "bTWO"]);
    await store.ingest((tx) => tx.putRejects(h.CONNECTION, [{ ...reject("c", "ONE"), entity: "asset" }]));
    expect(await store.reader.rejects(h.ALL, h.CONNECTION, 1, ["vendor"])).toMatchObject([{ key: "a" }]);
    expect(await store.reader.rejects(h.ALL, h.CONNECTION, 9, [])).toEqual([]);
    await store.ingest((tx) => tx.clearRejects(h.CONNECTION, "asset", ["c"]));
    expect(await codes({ workspaceId: h.OTHER_WORKSPACE })).toEqual([]);
    expect(await codes({ workspaceId: h.WORKSPACE, connectionIds: [h.SECOND_CONNECTION] })).toEqual([]);
    await store.ingest((tx) => tx.clearRejects(h.CONNECTION, "asset", ["a"]));
    await store.ingest((tx) => tx.clearRejects(h.CONNECTION, "vendor", ["a", "never"]));
    expect(await codes()).toEqual(["bTWO"]);
  });

  it("keeps sync runs newest first; an end replaces its begin and moves the connection's last sync", async () => {
    const store = await open();
    const run = (name: string, started_ms: number, changes: Partial<SyncRun> = {}): SyncRun => ({
      connectionId: h.CONNECTION,
      run: name,
      entity: "vendor",
      pass: "snapshot",
      started_ms,
      ...changes,
    });
    const ended = run("one", 10, { ended_ms: 15, outcome: "ok", read: 3 });
    const failed = run("two", 20, { ended_ms: 25, outcome: "failed", error: "down" });
    const other = run("three", 20, { entity: "asset" });
    await store.ingest((tx) => tx.putSyncRuns([run("one", 10)]));
    await store.ingest((tx) => tx.putSyncRuns([ended, failed, other]));
    expect(await store.reader.syncRuns(h.ALL, h.CONNECTION, undefined, 10)).toEqual([other, failed, ended]);
    expect(await store.reader.syncRuns(h.ALL, h.CONNECTION, "vendor", 1)).toEqual([failed]);
    expect(
      await store.reader.syncRuns({ workspaceId: h.OTHER_WORKSPACE }, h.CONNECTION, undefined, 10),
    ).toEqual([]);
    expect((await store.directory.connection(h.ALL, h.CONNECTION))?.lastSyncAtMs).toBe(15);
    await store.prune({ eventsMs: 1_000, samplesMs: 0 });
    expect(await store.reader.syncRuns(h.ALL, h.CONNECTION, undefined, 10)).toEqual([other, failed]);
  });

  it("keeps batches that cannot be decoded", async () => {
    const store = await open();
    await store.ingest((tx) =>
      tx.putUndecodable(h.CONNECTION, h.EPOCH, 1, new Uint8Array([1, 2]), "damaged"),
    );
    await expect(
      store.ingest((tx) => tx.putUndecodable("nowhere", h.EPOCH, 1, new Uint8Array(), "damaged")),
    ).rejects.toThrow(/no connection nowhere/);
  });
}
