// The simplest store that can be right, and the random commands that are tried on it and on a real one.
import fc from "fast-check";
import { expect } from "vitest";
import type { NewBatch, StoredBatch } from "#agent/core/room/room-store.ts";
import type { RoomStoreFixture } from "./suite.ts";

export interface RoomModel {
  firstSeq: number;
  ackedSeq: number;
  tailId: string;
  batches: NewBatch[];
  known: Map<string, { hash: string; version: string | undefined; seen: number }>;
  cursors: Map<string, number>;
}

type Command = fc.Command<RoomModel, RoomStoreFixture>;
const KEYS = ["a", "b", "c", "d", "e", "f"] as const;
const SLOTS = ["x", "y"] as const;

const batch: fc.Arbitrary<NewBatch> = fc.record({
  id: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((id) => id.toString(16).padStart(16, "0")),
  kind: fc.constantFrom("records" as const, "samples" as const),
  entries: fc.integer({ min: 0, max: 500 }),
  blob: fc
    .tuple(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 0, max: 255 }))
    .map(([size, fill]) => Buffer.alloc(size, fill)),
});
const record = fc.record({
  key: fc.constantFrom(...KEYS),
  hash: fc.constantFrom("", "AAECAwQFBgcICQoLDA0ODw", "odd"),
  version: fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
  seen: fc.integer({ min: 0, max: 5 }),
});

export function roomCommands(): fc.Arbitrary<Iterable<Command>> {
  return fc.commands(
    [
      fc
        .record({
          batches: fc.array(batch, { maxLength: 4 }),
          records: fc.array(record, { maxLength: 4 }),
          forgotten: fc.array(fc.constantFrom(...KEYS), { maxLength: 2 }),
          slot: fc.constantFrom(...SLOTS),
          cursor: fc.option(fc.nat(), { nil: undefined }),
        })
        .map((parts) => commitCommand(parts)),
      fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 30 })).map(([acked, keep]) => trimCommand(acked, keep)),
      fc.tuple(fc.nat({ max: 30 }), batch).map(([seq, body]) => replaceCommand(seq, body)),
      fc.constant(plain("reopen", (model, fixture) => reopen(model, fixture))),
    ],
    { maxCommands: 25 },
  );
}

function commitCommand(parts: {
  batches: NewBatch[];
  records: { key: string; hash: string; version: string | undefined; seen: number }[];
  forgotten: string[];
  slot: string;
  cursor: number | undefined;
}): Command {
  const { batches, records, forgotten, slot, cursor } = parts;
  return plain(`commit(${batches.length} batches, ${records.length} known)`, (model, fixture) => {
    fixture.store().commit({
      batches,
      known: [{ entity: "vendor", records }],
      forgotten: [{ entity: "vendor", keys: forgotten }],
      cursors: [{ slot, cursor: cursor === undefined ? undefined : { at: cursor } }],
    });
    model.batches.push(...batches);
    for (const { key, ...rest } of records) model.known.set(key, rest);
    for (const key of forgotten) model.known.delete(key);
    if (cursor === undefined) model.cursors.delete(slot);
    else model.cursors.set(slot, cursor);
  });
}

function trimCommand(acked: number, keep: number): Command {
  return plain(`trim(${acked}, ${keep})`, (model, fixture) => {
    fixture.store().trim(acked, keep);
    const next = model.firstSeq + model.batches.length;
    model.ackedSeq = Math.max(model.ackedSeq, Math.min(acked, next - 1));
    while (model.firstSeq < keep && model.firstSeq <= model.ackedSeq) {
      model.tailId = model.batches.shift()?.id ?? "";
      model.firstSeq += 1;
    }
  });
}

function replaceCommand(seq: number, body: NewBatch): Command {
  return plain(`replace(${seq})`, (model, fixture) => {
    const held = model.batches[seq - model.firstSeq];
    if (held === undefined) {
      expect(() => fixture.store().replace(seq, body)).toThrow("not held");
      return;
    }
    fixture.store().replace(seq, body);
    model.batches[seq - model.firstSeq] = { ...body, id: held.id };
  });
}

function reopen(_model: RoomModel, fixture: RoomStoreFixture): void {
  fixture.reopen();
}

function plain(name: string, run: (model: RoomModel, fixture: RoomStoreFixture) => void): Command {
  return {
    check: () => true,
    toString: () => name,
    run(model, fixture) {
      run(model, fixture);
      expectEqual(model, fixture);
    },
  };
}

function expectEqual(model: RoomModel, fixture: RoomStoreFixture): void {
  const store = fixture.store();
  const nextSeq = model.firstSeq + model.batches.length;
  const stored = model.batches.map((held, index) => Object.assign({ seq: model.firstSeq + index }, held));
  const unacked = stored.filter(({ seq }) => seq > model.ackedSeq);
  expect(store.position()).toMatchObject({
    firstSeq: model.firstSeq,
    nextSeq,
    ackedSeq: model.ackedSeq,
    tailId: model.tailId,
    backlogBytes: unacked.reduce((sum, { blob }) => sum + blob.length, 0),
  });
  expect(store.read(0, 1e9).map(textOf)).toEqual(stored.map(textOf));
  expect(store.oldest("samples", 3).map(({ seq }) => seq)).toEqual(
    unacked
      .filter(({ kind }) => kind === "samples")
      .slice(0, 3)
      .map(({ seq }) => seq),
  );
  expect(store.known("vendor", KEYS)).toEqual(
    KEYS.map((key) => {
      const held = model.known.get(key);
      return held === undefined ? undefined : Object.assign({ key }, held);
    }),
  );
  expect(store.countUnseen("vendor", 3)).toBe(
    [...model.known.values()].filter(({ seen }) => seen < 3).length,
  );
  for (const slot of SLOTS) expect(store.cursor(slot)?.["at"]).toBe(model.cursors.get(slot));
}

function textOf({ seq, id, kind, entries, blob }: StoredBatch): string {
  return `${seq} ${id} ${kind} ${entries} ${Buffer.from(blob).toString("hex")}`;
}
