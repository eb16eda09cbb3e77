// The relay is away for days of simulated time: the agent keeps within its quota, and afterwards everything is as it should be.
import { describe, expect, it } from "vitest";
import { difference, Invariants } from "./invariants.ts";
import { SimAgent } from "./sim-agent.ts";
import { NO_BUGS } from "./sim-bugs.ts";
import { SimClock } from "./sim-clock.ts";
import { connectThrough, MACHINES, PLANT, setUpDirectory, WORKSPACE } from "./sim-enrolment.ts";
import { SimNetwork } from "./sim-network.ts";
import { simRandom } from "./sim-random.ts";
import { SimRelay } from "./sim-relay.ts";
import { SimRoom } from "./sim-room.ts";
import {
  machinePack,
  SimDatabase,
  SimMachine,
  SimMachineConnector,
  simPack,
  SimTable,
  SimTableConnector,
} from "./sim-source.ts";

const HOUR_MS = 3_600_000;
const AWAY_MS = 3 * 24 * HOUR_MS;
const OUTBOX_BYTES = 64 * 1024;

describe("a relay that is away for days", () => {
  it("costs no more space than the quota, loses nothing of the database, and says what telemetry lost", async () => {
    const clock = new SimClock();
    const random = simRandom(7);
    const invariants = new Invariants();
    const failed = (error: unknown): void => invariants.fail(String(error));
    const network = new SimNetwork(clock, random);
    const relay = new SimRelay({ clock, random, bugs: NO_BUGS, invariants, failed });
    await setUpDirectory(relay.store.directory, clock.nowMs());
    const database = new SimDatabase([new SimTable("vendor", "counter"), new SimTable("work_order", "feed")]);
    const machine = new SimMachine();
    const common = { clock, random, bugs: NO_BUGS, failed, outboxBytes: OUTBOX_BYTES };
    const plant = new SimRoom({
      ...common,
      name: "plant",
      connectionId: PLANT,
      shape: "tabular",
      pack: () => simPack(database.tables, "0000000000000001", { pollMs: 60_000, reconcileMs: 6 * HOUR_MS }),
      connect: (own) => new SimTableConnector(database, own, random),
      send: (message) => agent.fromRoom("plant", message),
    });
    const machines = new SimRoom({
      ...common,
      name: "machines",
      connectionId: MACHINES,
      shape: "telemetry",
      pack: () => machinePack("0000000000000001"),
      connect: (own) => new SimMachineConnector(machine, own, 60_000),
      send: (message) => agent.fromRoom("machines", message),
    });
    const rooms = new Map([
      ["plant", plant],
      ["machines", machines],
    ]);
    const agent = new SimAgent({
      clock,
      random,
      rooms,
      failed,
      connect: connectThrough(network, relay, random),
    });
    let isWorking = true;
    const work = (): void => {
      if (!isWorking) return;
      database.mutate(random);
      machine.count += 5;
      clock.setTimer(30_000, work);
    };
    work();
    for (const part of [relay, plant, machines, agent]) part.start();
    await clock.run(HOUR_MS, () => invariants.failure !== undefined);

    network.isDown = true;
    network.cutAll();
    let fullest = 0;
    let didPause = false;
    for (let awayMs = 0; awayMs < AWAY_MS; awayMs += HOUR_MS) {
      await clock.run(HOUR_MS, () => invariants.failure !== undefined);
      for (const { disk } of [plant, machines]) {
        const { outboxBytes } = disk.store?.usage() ?? { outboxBytes: 0 };
        fullest = Math.max(fullest, outboxBytes);
      }
      didPause ||= plant.room?.report()?.reason?.startsWith("the outbox is full") ?? false;
    }
    expect(invariants.failure).toBeUndefined();
    expect(didPause).toBe(true);
    // One batch may stand above the line that stops the next.
    expect(fullest).toBeLessThanOrEqual(OUTBOX_BYTES * 1.05);

    network.isDown = false;
    await clock.run(HOUR_MS, () => invariants.failure !== undefined);
    isWorking = false;
    await clock.run(8 * HOUR_MS, () => invariants.failure !== undefined);
    expect(invariants.failure).toBeUndefined();
    const scope = { workspaceId: WORKSPACE, connectionIds: [PLANT] };
    expect(await difference(relay.store, database, scope)).toBeUndefined();

    const samples = await relay.store.reader.samples(MACHINES, JSON.stringify(["counter"]), 0, 1e15, 1e6);
    const gaps = await relay.store.reader.gaps(
      { workspaceId: WORKSPACE },
      { connectionId: MACHINES, afterMs: 0, limit: 1_000 },
    );
    const dropped = gaps.filter(({ reason }) => reason === "dropped_by_quota");
    expect(dropped.length).toBeGreaterThan(0);
    // The machine counts, and its source time is its count: whatever is missing lies in a gap.
    const there = new Set(samples.map(({ value }) => Number(value)));
    const missing = Array.from({ length: machine.count }, (_, index) => index + 1).filter(
      (count) => !there.has(count),
    );
    expect(missing.length).toBeGreaterThan(0);
    const unexplained = missing.filter(
      (at) => !dropped.some(({ from_ms, to_ms }) => (from_ms ?? 0) <= at && at <= to_ms),
    );
    expect(unexplained).toEqual([]);
  });
});
