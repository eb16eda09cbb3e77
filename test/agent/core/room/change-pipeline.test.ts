// Rows become entries: only what changed, each bad row once, nothing over the limit.
import { beforeEach, describe, expect, test } from "vitest";
import { MAX_RECORD_BYTES } from "#common/contract/limits.ts";
import { BatchAssembler } from "#agent/core/room/batch-assembler.ts";
import { ChangePipeline, REJECTED_HASH, type PipelinePass } from "#agent/core/room/change-pipeline.ts";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import type { SourceRow } from "#agent/core/source/connector.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { batchDeps, entriesOf, hashOf, mapRow, shortOf } from "./harness.ts";

const POLL: PipelinePass = { origin: "change", generation: 1, marksSeen: false };
const FULL: PipelinePass = { origin: "reconcile", generation: 2, marksSeen: true };
const clock = new FakeClock();
const batch = batchDeps(clock);
const target = { entity: "vendor", keyRules: [EXACT_KEY], map: mapRow };
let store: MemoryRoomStore;
let pipeline: ChangePipeline;

beforeEach(() => {
  store = new MemoryRoomStore("00000000000000e1");
  pipeline = new ChangePipeline({ store, hash: hashOf, nowMs: () => clock.nowMs() });
});

function row(key: string, text = key): SourceRow {
  return { op: "upsert", key: [key], columns: { K: key, T: text } };
}

/** Processes and commits, as a runner does; returns the counts and the new entries. */
function take(rows: readonly SourceRow[], pass = POLL): { counts: number[]; shorts: readonly string[] } {
  const before = entriesOf(store).length;
  const assembler = new BatchAssembler(batch);
  const { known, forgotten, changed, deleted, rejected } = pipeline.process(target, rows, pass, assembler);
  store.commit({
    batches: assembler.take(),
    known: [{ entity: "vendor", records: known }],
    forgotten: [{ entity: "vendor", keys: forgotten }],
  });
  return { counts: [changed, deleted, rejected], shorts: entriesOf(store).slice(before).map(shortOf) };
}

describe("changes", () => {
  test("a row that is the same is not told again", () => {
    expect(take([row("a"), row("b")])).toEqual({ counts: [2, 0, 0], shorts: ["upsert a", "upsert b"] });
    expect(take([row("a"), row("b", "new")])).toEqual({ counts: [1, 0, 0], shorts: ["upsert b"] });
  });

  test("the hash covers the raw row too", () => {
    const raws = ["1", "2"];
    const withRaw = {
      ...target,
      map: (each: SourceRow) =>
        ({ ...mapRow(each), raw: `{"R":${raws.shift() ?? ""}}` }) as ReturnType<typeof mapRow>,
    };
    const assembler = new BatchAssembler(batchDeps(clock));
    pipeline.process(withRaw, [row("a"), row("a")], POLL, assembler);
    expect(assembler.take()[0]?.entries).toBe(2);
  });

  test("one key several times in one step is judged by what the step has done so far", () => {
    const rows = [row("a", "1"), row("a", "1"), { ...row("a"), op: "delete" as const }, row("a", "2")];
    expect(take(rows).shorts).toEqual(["upsert a", "delete a", "upsert a"]);
  });

  test("passes that sweep mark unchanged rows as seen, polls do not", () => {
    take([row("a")]);
    take([row("a")], POLL);
    expect(store.countUnseen("vendor", 2)).toBe(1);
    take([row("a")], FULL);
    expect(store.countUnseen("vendor", 2)).toBe(0);
  });
});

test("a row that the source cannot give out is dead-lettered with its reason, once, and heals", () => {
  const unreadable: SourceRow = { op: "upsert", key: ["a"], columns: {}, unreadable: "12,50 is no number" };
  expect(take([unreadable, row("b")])).toEqual({ counts: [1, 0, 1], shorts: ["reject a", "upsert b"] });
  expect(entriesOf(store)[0]).toMatchObject({ code: "UNREADABLE_ROW", detail: "12,50 is no number" });
  expect(take([unreadable]).shorts).toEqual([]);
  expect(take([row("a")]).shorts).toEqual(["upsert a"]);
});

describe("deletes", () => {
  test("a row that is flagged, or told to be gone, is deleted once", () => {
    take([row("a"), row("b")]);
    const gone = [row("a", "gone"), { ...row("b"), op: "delete" as const }];
    expect(take(gone)).toEqual({ counts: [0, 2, 0], shorts: ["delete a", "delete b"] });
    expect(take(gone)).toEqual({ counts: [0, 0, 0], shorts: [] });
    expect(entriesOf(store).slice(-2)).toMatchObject([{ reason: "flag" }, { reason: "tombstone" }]);
  });
});

describe("bad rows", () => {
  test("a row that cannot be mapped is told once, harms no other, and heals when it is corrected", () => {
    expect(take([row("a"), row("x", "bad"), row("b")]).shorts).toEqual(["upsert a", "reject x", "upsert b"]);
    expect(take([row("x", "bad")])).toEqual({ counts: [0, 0, 1], shorts: [] });
    expect(store.known("vendor", ['["x"]'])[0]?.hash).toBe(REJECTED_HASH);
    expect(take([row("x", "good")]).shorts).toEqual(["upsert x"]);
  });

  test("a row that becomes bad says so, and its return to the old content is told", () => {
    take([row("a", "1")]);
    expect(take([row("a", "bad")]).shorts).toEqual(["reject a"]);
    expect(take([row("a", "1")]).shorts).toEqual(["upsert a"]);
  });

  test("a record over the limit is rejected by its size in bytes, not in characters", () => {
    const umlauts = "ü".repeat(MAX_RECORD_BYTES / 2);
    expect(take([row("big", umlauts), row("small")]).shorts).toEqual(["reject big", "upsert small"]);
    expect(entriesOf(store)[0]).toMatchObject({ op: "reject", code: "RECORD_TOO_LARGE" });
    expect(take([row("fits", "u".repeat(MAX_RECORD_BYTES / 2))]).shorts).toEqual(["upsert fits"]);
  });
});

test("a vanished row is what the pack says; a flag is always a delete", () => {
  take([row("a"), row("b")]);
  const closing = { ...target, vanished: "closed_by_source" as const };
  const assembler = new BatchAssembler(batch);
  pipeline.processDeletes(closing, ["gone"], "reconcile", assembler);
  const gone: SourceRow[] = [
    { op: "delete", key: ["a"], columns: {}, reason: "tombstone" },
    { op: "delete", key: ["b"], columns: {}, reason: "flag" },
  ];
  pipeline.process(closing, gone, POLL, assembler);
  const before = entriesOf(store).length;
  store.commit({ batches: assembler.take() });
  const presences = entriesOf(store)
    .slice(before)
    .map((entry) => (entry.op === "delete" ? entry.presence : undefined));
  expect(presences).toEqual(["closed_by_source", "closed_by_source", "deleted"]);
});
