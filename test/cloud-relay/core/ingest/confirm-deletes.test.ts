// A held sweep goes through on an operator's word, and takes nothing that a newer reading has seen.
import { expect, test } from "vitest";
import { confirmDeletes } from "#relay/core/ingest/confirm-deletes.ts";
import { begin, E1, E2, end, epoch, PLANT, RelayRig, upsert, WORKSPACE } from "./relay-rig.ts";

const E3 = "00000000000000e3";
const IDS = Array.from({ length: 120 }, (_, index) => `v${index}`);

/** 120 records, of which a new epoch found the first ten. */
async function held(): Promise<RelayRig> {
  const rig = await RelayRig.create();
  await rig.open(E1);
  await rig.send(E1, 1, [epoch(), ...IDS.map((id) => upsert(id))]);
  await rig.open(E2, { next: 2 });
  await rig.send(E2, 1, [
    epoch("reset"),
    begin("r2"),
    ...IDS.slice(0, 10).map((id) => upsert(id)),
    end("r2"),
  ]);
  expect((await rig.runs())[0]).toMatchObject({ outcome: "held" });
  return rig;
}

async function confirm(rig: RelayRig, entity?: string): ReturnType<typeof confirmDeletes> {
  const connection = await rig.store.directory.connection({ workspaceId: WORKSPACE }, PLANT);
  if (connection === undefined) throw new TypeError("no connection");
  return confirmDeletes(rig.store, connection, entity, rig.clock.nowMs());
}

test("deletes what was not confirmed, tells each, and ends the run well", async () => {
  const rig = await held();
  expect(await confirm(rig)).toEqual([{ entity: "vendor", deleted: 110 }]);
  expect((await rig.records()).map(({ key }) => key)).toEqual(
    IDS.slice(0, 10).map((id) => JSON.stringify([id])),
  );
  const told = (await rig.events()).slice(-111);
  expect(new Set(told.slice(0, -1).map(({ type, origin }) => `${type} ${origin}`))).toEqual(
    new Set(["vendor.deleted reconcile"]),
  );
  expect(told.at(-1)).toMatchObject({ type: "sync.completed", entity: "vendor" });
  const [run] = await rig.runs();
  expect(run).toMatchObject({ run: "r2", outcome: "ok", deleted: 110 });
  expect(run).not.toHaveProperty("error");
});

test("is asked once: then nothing is held any more", async () => {
  const rig = await held();
  await confirm(rig);
  expect(await confirm(rig)).toEqual([]);
});

test("an entity that is not held has nothing to confirm", async () => {
  const rig = await held();
  expect(await confirm(rig, "asset")).toEqual([]);
  expect(await rig.records()).toHaveLength(120);
});

test("what changed after the hold, or was read by an epoch since, stays", async () => {
  const rig = await held();
  await rig.send(E2, 2, [upsert("v50", "changed since")]);
  await rig.open(E3, { next: 2 });
  // Half way through the next reading.
  await rig.send(E3, 1, [epoch("reset"), begin("r3"), upsert("v60")]);
  expect(await confirm(rig)).toEqual([{ entity: "vendor", deleted: 108 }]);
  const keys = (await rig.records()).map(({ key }) => key);
  expect(keys).toHaveLength(12);
  expect(keys).toEqual(expect.arrayContaining(['["v50"]', '["v60"]']));
});
