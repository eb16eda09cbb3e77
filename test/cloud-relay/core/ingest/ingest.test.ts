// What a batch does to the store: once, in order, all or nothing.
import { describe, expect, test } from "vitest";
import { batchCodec } from "#common/contract/batch.ts";
import { MAX_TAKEN_OVER_EPOCHS } from "#common/contract/limits.ts";
import { FencedError, StreamOrderError } from "#relay/core/ingest/ingest.ts";
import { MASS_SWEEP_FROM } from "#relay/core/ingest/sweep.ts";
import {
  AGENT,
  batchFrame,
  begin,
  E1,
  E2,
  E3,
  end,
  epoch,
  gap,
  idOf,
  OTHER,
  PLANT,
  reject,
  RelayRig,
  remove,
  upsert,
  vendorText,
  WORKSPACE,
} from "./relay-rig.ts";

async function opened(massDeleteFraction?: number): Promise<RelayRig> {
  const rig = await RelayRig.create(massDeleteFraction);
  await rig.open(E1);
  return rig;
}

describe("order", () => {
  test("a batch becomes records and events, and moves the stream", async () => {
    const rig = await opened();
    const outcome = await rig.send(E1, 1, [epoch(), upsert("a"), upsert("b")]);
    expect(outcome).toMatchObject({ ackedSeq: 1, events: 2, rejected: [], resnapshot: false });
    expect((await rig.records()).map(({ text }) => text)).toEqual([vendorText("a"), vendorText("b")]);
    expect(await rig.events()).toMatchObject([
      { type: "vendor.created", id: `evt_${E1}_1_0`, origin: "change" },
      { type: "vendor.created", id: `evt_${E1}_1_1` },
    ]);
    const events = await rig.events();
    expect((await rig.records()).map(({ revision }) => revision)).toEqual(
      events.map(({ position }) => position),
    );
  });

  test("a batch that comes again is acknowledged and not applied", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a", "first")], [upsert("a", "second")]);
    const again = await rig.send(
      E1,
      1,
      [epoch(), upsert("a", "first")],
      [upsert("a", "second")],
      [upsert("b")],
    );
    expect(again).toMatchObject({ ackedSeq: 3, events: 1 });
    expect(await rig.eventTypes()).toEqual(["vendor.created", "vendor.updated", "vendor.created"]);
    expect((await rig.records()).map(({ text }) => text)).toContain(vendorText("a", "second"));
  });

  test("a jump writes nothing, not even what came in order before it", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch()]);
    const frames = [batchFrame(2, [upsert("a")]), batchFrame(4, [upsert("b")])];
    await expect(rig.sendFrames(E1, frames)).rejects.toThrow(new StreamOrderError("seq 4 came after 2"));
    expect([await rig.records(), await rig.events()]).toEqual([[], []]);
    expect(await rig.send(E1, 2, [upsert("a")])).toMatchObject({ ackedSeq: 2 });
  });

  test("frames of another epoch than the stream's are refused", async () => {
    const rig = await opened();
    await expect(rig.send(E2, 1, [epoch()])).rejects.toThrow(StreamOrderError);
  });

  test("several changes of one record in a batch: every one an event, the last one the record", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a", "1"), upsert("a", "2"), remove("a"), upsert("a", "3")]);
    expect(await rig.eventTypes()).toEqual([
      "vendor.created",
      "vendor.updated",
      "vendor.deleted",
      "vendor.created",
    ]);
    const [record] = await rig.records();
    expect(record).toMatchObject({ text: vendorText("a", "3"), incarnation: 2, presence: "present" });
    expect(record?.revision).toBe((await rig.events()).at(-1)?.position);
  });
});

describe("fencing", () => {
  test("an older session cannot commit any more", async () => {
    const rig = await opened();
    const old = rig.session;
    await rig.claim("other");
    rig.session = old;
    await expect(rig.send(E1, 1, [epoch(), upsert("a")])).rejects.toThrow(FencedError);
    expect(await rig.records()).toEqual([]);
  });

  test.each([
    ["revoked", (rig: RelayRig) => rig.store.directory.revokeAgent(WORKSPACE, AGENT, 1)],
    ["quarantined", (rig: RelayRig) => rig.store.directory.setAgentQuarantined(AGENT, 1)],
  ])("a %s agent cannot either", async (_, act) => {
    const rig = await opened();
    await act(rig);
    await expect(rig.send(E1, 1, [epoch(), upsert("a")])).rejects.toThrow(FencedError);
    await expect(rig.open(E1)).rejects.toThrow(FencedError);
  });
});

describe("content", () => {
  test("a record that is the same makes no event and keeps its revision", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a")]);
    const [before] = await rig.records();
    rig.clock.advance(1_000);
    expect(await rig.send(E1, 2, [upsert("a")])).toMatchObject({ events: 0 });
    expect(await rig.records()).toEqual([before]);
  });

  test("a change's event names the write that the agent says it comes from", async () => {
    const rig = await opened();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const cause = { command_id: "op_1", idempotency_key: "k", traceparent };
    await rig.send(E1, 1, [
      epoch(),
      upsert("a", "a", { cause }),
      remove("a", { command_id: "op_2" }),
      upsert("b"),
    ]);
    const events = await rig.events();
    expect(events.map(({ data }) => (JSON.parse(data) as { readonly cause?: object }).cause)).toEqual([
      cause,
      { command_id: "op_2" },
      undefined,
    ]);
  });

  test("a number that comes back after a delete is another incarnation", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a")], [remove("a")]);
    expect(await rig.records()).toEqual([]);
    const [gone] = await rig.records(true);
    expect(gone).toMatchObject({ presence: "deleted", deleteReason: "tombstone", incarnation: 1 });
    await rig.send(E1, 3, [upsert("a")]);
    expect(await rig.records()).toMatchObject([{ incarnation: 2, deletedAtMs: undefined }]);
    expect(await rig.eventTypes()).toEqual(["vendor.created", "vendor.deleted", "vendor.created"]);
  });

  test("a delete of what was never there is nothing", async () => {
    const rig = await opened();
    expect(await rig.send(E1, 1, [epoch(), remove("a")])).toMatchObject({ ackedSeq: 1, events: 0 });
  });

  test("a gap is stored and told, and means the entity that it names", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), gap("cursor_lost", { entity: "vendor", from_ms: 5 })]);
    expect(await rig.gaps()).toMatchObject([{ reason: "cursor_lost", entity: "vendor", from_ms: 5 }]);
    expect(await rig.events()).toMatchObject([
      { type: "gap.recorded", entity: "vendor", connectionId: PLANT },
    ]);
  });
});

describe("poison", () => {
  test.each([
    ["is not JSON", "{nope", "not a JSON object"],
    ["is no object", "[1]", "not a JSON object"],
    ["speaks for the relay", vendorText("b", "b", { connection_id: OTHER }), '"connection_id" is the relay'],
    ["does not fit the model", vendorText("b", "b", { name: 5 }), "name"],
  ])("a record that %s is dead-lettered alone", async (_, text, detail) => {
    const rig = await opened();
    const outcome = await rig.send(E1, 1, [epoch(), upsert("a"), upsert("b", "b", { text }), upsert("c")]);
    expect(outcome.ackedSeq).toBe(1);
    expect(outcome.rejected).toMatchObject([
      { type: "record_rejected", connection_id: PLANT, key: '["b"]', code: "RECORD_INVALID" },
    ]);
    expect((await rig.records()).map(({ key }) => key)).toEqual(['["a"]', '["c"]']);
    const rejects = await rig.rejects();
    expect(rejects).toMatchObject([{ key: '["b"]', code: "RECORD_INVALID" }]);
    expect(rejects[0]?.detail).toContain(detail);
  });

  test("a dead letter keeps the record as it was, and is cleared by a good one or a delete", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a", "good"), upsert("b", "good")], [reject("a"), reject("b")]);
    expect(await rig.rejects()).toHaveLength(2);
    expect(await rig.records()).toHaveLength(2);
    await rig.send(E1, 3, [upsert("a", "better"), remove("b")]);
    expect(await rig.rejects()).toEqual([]);
    expect((await rig.records()).map(({ text }) => text)).toEqual([vendorText("a", "better")]);
  });

  test("the last word on a key counts within one batch", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a"), reject("a"), reject("b"), upsert("b")]);
    expect((await rig.rejects()).map(({ key }) => key)).toEqual(['["a"]']);
  });

  test.each([
    ["bytes that are no batch", (): Uint8Array => new Uint8Array(50).fill(7)],
    ["a header that is not JSON", (): Uint8Array => batchFrame(2, ["{nope\n"]).blob],
    ["an unknown kind of entry", (): Uint8Array => batchFrame(2, ['{"op":"explode"}\n']).blob],
    ["a record that is missing", (): Uint8Array => batchFrame(2, [upsert("z").split("\n")[0] + "\n"]).blob],
  ])("%s: kept, told as a gap, passed, and read anew; nothing of it is applied", async (_, blob) => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a")]);
    const broken = { ...batchFrame(2, []), blob: blob() };
    const outcome = await rig.sendFrames(E1, [broken, batchFrame(3, [upsert("c")])]);
    expect(outcome).toMatchObject({ ackedSeq: 3, resnapshot: true });
    expect((await rig.records()).map(({ key }) => key)).toEqual(['["a"]', '["c"]']);
    expect(await rig.gaps()).toMatchObject([{ reason: "undecodable_batch" }]);
    expect(rig.store.snapshot().undecodable.map(([, kept]) => kept)).toMatchObject([
      { connectionId: PLANT, epoch: E1, seq: 2 },
    ]);
  });

  test("samples that speak of no point are undecodable, good ones are stored", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch()]);
    const samples = (body: unknown, seq: number) => ({
      ...batchFrame(seq, []),
      blob: batchCodec.encode(
        { kind: "samples", entries: 1, closedAtMs: 1, mappingVersion: "" },
        JSON.stringify(body),
      ),
    });
    const good = { points: ['["p"]'], samples: [[0, 5, 0, 1_000, null]] };
    const bad = { points: ['["p"]'], samples: [[3, 6, 0, 2_000, null]] };
    const outcome = await rig.sendFrames(E1, [samples(good, 2), samples(bad, 3)]);
    expect(outcome).toMatchObject({ ackedSeq: 3, resnapshot: true });
    const stored = await rig.store.reader.samples(PLANT, '["p"]', 0, 10_000, 10);
    expect(stored.map(({ value }) => value)).toEqual([5]);
  });
});

describe("epochs", () => {
  test("what a new epoch does not confirm is deleted at the end of its snapshot", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), begin("r1"), upsert("a"), upsert("b"), upsert("c"), end("r1")]);
    await rig.open(E2, { next: 2 });
    await rig.send(E2, 1, [
      gap("agent_restored"),
      epoch("agent_restored"),
      begin("r2"),
      upsert("a"),
      upsert("b", "new"),
    ]);
    expect(await rig.records()).toHaveLength(3);
    await rig.send(E2, 2, [end("r2")]);
    expect((await rig.records()).map(({ text }) => text).sort()).toEqual(
      [vendorText("a"), vendorText("b", "new")].sort(),
    );
    const [, , , ...later] = await rig.events();
    expect(later.map(({ type }) => type)).toEqual([
      "sync.completed",
      "gap.recorded",
      "vendor.updated",
      "vendor.deleted",
      "sync.completed",
    ]);
    expect((await rig.runs())[0]).toMatchObject({ run: "r2", outcome: "ok", deleted: 1 });
  });

  test("a dead-lettered key counts as confirmed", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a"), upsert("b")]);
    await rig.open(E2, { next: 2 });
    await rig.send(E2, 1, [epoch("reset"), begin("r2"), upsert("a"), reject("b"), end("r2")]);
    expect((await rig.records()).map(({ key }) => key)).toEqual(['["a"]', '["b"]']);
  });

  test("a snapshot that did not end well sweeps nothing", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a")]);
    await rig.open(E2, { next: 2 });
    await rig.send(E2, 1, [epoch("reset"), begin("r2"), end("r2", "held")]);
    expect(await rig.records()).toHaveLength(1);
    expect(await rig.eventTypes()).toContain("sync.failed");
  });

  test("batches that were taken over speak of the past: they confirm nothing", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch(), upsert("a"), upsert("b")]);
    await rig.open(E2, { next: 3, takenOver: [{ epoch: E1, first_seq: 2 }] });
    // "b" stands in a batch of before; the snapshot does not find it any more.
    await rig.send(E2, 1, [upsert("b", "late")], [epoch("corruption"), begin("r2"), upsert("a"), end("r2")]);
    expect((await rig.records()).map(({ key }) => key)).toEqual(['["a"]']);
  });

  test("a sweep of too much is held, and said", async () => {
    const rig = await opened();
    const ids = Array.from({ length: MASS_SWEEP_FROM + 1 }, (_, index) => `v${index}`);
    await rig.send(E1, 1, [epoch(), ...ids.map((id) => upsert(id))]);
    await rig.open(E2, { next: 2 });
    await rig.send(E2, 1, [epoch("reset"), begin("r2"), upsert("v0"), end("r2")]);
    expect(await rig.records()).toHaveLength(ids.length);
    const [run] = await rig.runs();
    expect(run).toMatchObject({ run: "r2", outcome: "held" });
    expect(run?.error).toContain("100 of 101 records are not in the source any more");
    expect((await rig.eventTypes()).at(-1)).toBe("sync.failed");
  });

  test("what a snapshot with a window did not confirm is out of scope and not deleted, however much it is", async () => {
    const rig = await opened();
    const ids = Array.from({ length: MASS_SWEEP_FROM + 1 }, (_, index) => `v${index}`);
    await rig.send(E1, 1, [epoch(), ...ids.map((id) => upsert(id))]);
    await rig.open(E2, { next: 2 });
    const windowed = end("r2", "ok", { documents_from_ms: 1 });
    await rig.send(E2, 1, [epoch("reset"), begin("r2"), upsert("v0"), windowed]);
    expect(await rig.records()).toHaveLength(1);
    const types = await rig.eventTypes();
    expect(types).not.toContain("vendor.deleted");
    expect(types.filter((type) => type === "vendor.updated")).toHaveLength(100);
    expect((await rig.runs())[0]).toMatchObject({ outcome: "ok", documents_from_ms: 1 });
    await rig.send(E2, 2, [upsert("v7")]);
    expect(await rig.records()).toMatchObject([{ key: '["v0"]' }, { key: '["v7"]', incarnation: 1 }]);
    expect((await rig.eventTypes()).at(-1)).toBe("vendor.updated");
  });

  test("fewer than that, or a share that is allowed, go", async () => {
    const rig = await opened(0.995);
    const ids = Array.from({ length: MASS_SWEEP_FROM + 1 }, (_, index) => `v${index}`);
    await rig.send(E1, 1, [epoch(), ...ids.map((id) => upsert(id))]);
    await rig.open(E2, { next: 2 });
    await rig.send(E2, 1, [epoch("reset"), begin("r2"), upsert("v0"), end("r2")]);
    expect(await rig.records()).toHaveLength(1);
  });
});

describe("opening", () => {
  test("a new stream begins at the beginning, a known one where it stood", async () => {
    const rig = await RelayRig.create();
    expect(await rig.open(E1)).toMatchObject({ verdict: "resume", stream: { ackedSeq: 0, ackedId: "" } });
    await rig.send(E1, 1, [epoch()], [upsert("a")]);
    expect(await rig.open(E1, { next: 3 })).toMatchObject({
      verdict: "resume",
      stream: { ackedSeq: 2, ackedId: idOf(2) },
      isRewound: false,
    });
  });

  test("a file that ends before what it had delivered was restored", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch()], [upsert("a")], [upsert("b")]);
    expect(await rig.open(E1, { next: 3 })).toMatchObject({ verdict: "new_epoch", reason: "agent_restored" });
  });

  test("an epoch that was given up earlier comes from a copy", async () => {
    const rig = await opened();
    await rig.open(E2);
    expect(await rig.open(E1)).toMatchObject({ verdict: "new_epoch", reason: "agent_restored" });
  });

  test("a relay that lost what the agent has trimmed was rewound", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch()]);
    expect(await rig.open(E1, { first: 5, next: 9, acked: 4 })).toEqual({
      verdict: "new_epoch",
      reason: "relay_rewound",
      isRewound: true,
    });
    // With the batches still held, it is only replayed; cursors of the lost future must be refused all the same.
    expect(await rig.open(E1, { first: 1, next: 9, acked: 4 })).toMatchObject({
      verdict: "resume",
      isRewound: true,
    });
  });

  test("a relay that does not know the epoch of a running agent was rewound", async () => {
    const rig = await RelayRig.create();
    expect(await rig.open(E1, { first: 3, next: 9, acked: 2 })).toEqual({
      verdict: "new_epoch",
      reason: "relay_rewound",
      isRewound: true,
    });
    expect(await rig.open(E1, { next: 9, acked: 2 })).toMatchObject({ verdict: "resume", isRewound: true });
  });

  test("of the batches that an epoch took over, those that were applied are passed over", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch()], [upsert("a")], [upsert("b")]);
    // The new epoch's batch 1 was batch 2, so two are applied.
    const opening = await rig.open(E2, { next: 4, takenOver: [{ epoch: E1, first_seq: 2 }] });
    expect(opening).toMatchObject({ verdict: "resume", stream: { ackedSeq: 2, ackedId: idOf(3) } });
    const outcome = await rig.send(E2, 1, [upsert("a")], [upsert("b")], [epoch("reset")]);
    expect(outcome).toMatchObject({ ackedSeq: 3, events: 0 });
  });

  test("they are found through epochs that the relay has never seen", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch()], [upsert("a")], [upsert("b")]);
    const takenOver = [
      { epoch: E3, first_seq: 1 },
      { epoch: E1, first_seq: 2 },
    ];
    expect(await rig.open(E2, { next: 5, takenOver })).toMatchObject({
      verdict: "resume",
      stream: { ackedSeq: 2, ackedId: idOf(3) },
    });
  });

  test("of several that it has seen, the one that the relay stands in counts", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch()], [upsert("a")], [upsert("b")]);
    await rig.open(E3, { next: 5, takenOver: [{ epoch: E1, first_seq: 2 }] });
    await rig.send(E3, 3, [epoch("corruption")]);
    const takenOver = [
      { epoch: E3, first_seq: 1 },
      { epoch: E1, first_seq: 2 },
    ];
    expect(await rig.open(E2, { next: 5, takenOver })).toMatchObject({
      verdict: "resume",
      stream: { ackedSeq: 3, ackedId: idOf(3) },
    });
  });

  test("where the chain was too short to name where the relay stands, they are applied once more", async () => {
    const rig = await opened();
    await rig.send(E1, 1, [epoch()], [upsert("a", "1")], [upsert("a", "2")]);
    const takenOver = Array.from({ length: MAX_TAKEN_OVER_EPOCHS }, (_, index) => ({
      epoch: `00000000000000f${index}`,
      first_seq: 1,
    }));
    expect(await rig.open(E2, { next: 4, takenOver })).toMatchObject({
      stream: { ackedSeq: 0, ackedId: "" },
    });
    await rig.send(E2, 1, [upsert("a", "1")], [upsert("a", "2")], [gap("corruption"), epoch("corruption")]);
    const updates = (await rig.eventTypes()).filter((type) => type === "vendor.updated");
    // One was told before; the way back and forth is told besides, and the gap says that it may be.
    expect(updates).toHaveLength(3);
    expect(await rig.gaps()).toMatchObject([{ reason: "corruption" }]);
    expect((await rig.records()).map(({ text }) => text)).toEqual([expect.stringContaining('"2"')]);
  });

  test.each([
    ["CONNECTION_UNKNOWN", "33333333-3333-4333-8333-333333333333"],
    ["CONNECTION_NOT_BOUND", OTHER],
  ])("%s is refused", async (code, connectionId) => {
    const rig = await RelayRig.create();
    expect(await rig.open(E1, { connectionId })).toMatchObject({ verdict: "refused", code });
  });

  test("a fenced session opens nothing", async () => {
    const rig = await RelayRig.create();
    const old = rig.session;
    await rig.claim();
    rig.session = old;
    await expect(rig.open(E1)).rejects.toThrow(FencedError);
  });
});
