// One seed: a plant, an agent, a relay and a run of bad luck; afterwards everything must be as if nothing had happened.
import type { SimBugs } from "./sim-bugs.ts";
import { difference, Invariants } from "./invariants.ts";
import { SimAgent } from "./sim-agent.ts";
import { connectThrough, MACHINES, PLANT, setUpDirectory, WORKSPACE } from "./sim-enrolment.ts";
import { SimClock } from "./sim-clock.ts";
import { SimNetwork } from "./sim-network.ts";

import { simRandom, type SimRandom } from "./sim-random.ts";
import { SimRelay } from "./sim-relay.ts";
import type { LoadLimits } from "#agent/core/load/source-load.ts";
import { SimRoom } from "./sim-room.ts";
import {
  machinePack,
  SimDatabase,
  SimMachine,
  SimMachineConnector,
  simPack,
  SimTable,
  SimTableConnector,
  type SimTableKind,
} from "./sim-source.ts";
import { StorageFullError } from "#agent/core/room/storage-errors.ts";
import type { RoomSnapshot } from "#agent/core/room/memory-room-store.ts";

export interface SeedResult {
  readonly seed: number;
  readonly problem: string | undefined;
  /** What happened, for people. */
  readonly story: readonly string[];
  readonly portCalls: number;
  readonly faults: number;
}

const STORY_MS = 60_000;
/** What every other plant lets its source be asked: passes run in one half of each twenty minutes. */
const LIMITED: LoadLimits = {
  rowsPerSecond: 20,
  statements: 1,
  fullPasses: Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0")).flatMap((hour) =>
    ["00-10", "20-30", "40-50"].map((part) => `${hour}:${part.replace("-", `-${hour}:`)}`),
  ),
};
/** How long the quiet after the storm may take until everything is equal. */
const HEAL_MS = 20 * 60_000;

export async function runSeed(seed: number, bugs: SimBugs): Promise<SeedResult> {
  const world = new World(seed, bugs);
  return world.run();
}

class World {
  readonly #seed: number;
  readonly #random: SimRandom;
  readonly #clock = new SimClock();
  readonly #invariants = new Invariants();
  readonly #network: SimNetwork;
  readonly #relay: SimRelay;
  readonly #agent: SimAgent;
  readonly #database: SimDatabase;
  readonly #machine = new SimMachine();
  readonly #plant: SimRoom;
  readonly #machines: SimRoom;
  readonly #story: string[] = [];
  #mapping = 1;
  #expectsGap = false;
  #isStormy = true;
  readonly #roomCopies: { readonly room: SimRoom; readonly copy: RoomSnapshot }[] = [];
  readonly #relayCopies: ReturnType<SimRelay["copy"]>[] = [];
  readonly #tableCopies: (readonly SimTable[])[] = [];

  constructor(seed: number, bugs: SimBugs) {
    this.#seed = seed;
    this.#random = simRandom(seed);
    const random = this.#random;
    const clock = this.#clock;
    const kinds: SimTableKind[] = ["counter", "feed", "scan"];
    this.#database = new SimDatabase([
      new SimTable("vendor", random.pick(kinds)),
      new SimTable("work_order", random.pick(kinds)),
    ]);
    const failed = (error: unknown): void =>
      this.#invariants.fail(
        `a bug was thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    this.#network = new SimNetwork(clock, random);
    this.#relay = new SimRelay({ clock, random, bugs, invariants: this.#invariants, failed });
    const common = { clock, random, bugs, failed };
    this.#plant = new SimRoom({
      ...common,
      name: "plant",
      connectionId: PLANT,
      shape: "tabular",
      pack: () => simPack(this.#database.tables, `000000000000000${this.#mapping}`),
      connect: (processClock) => new SimTableConnector(this.#database, processClock, random),
      load: seed % 2 === 0 ? {} : LIMITED,
      send: (message) => this.#agent.fromRoom("plant", message),
    });
    this.#machines = new SimRoom({
      ...common,
      name: "machines",
      connectionId: MACHINES,
      shape: "telemetry",
      pack: () => machinePack("0000000000000001"),
      connect: (processClock) => new SimMachineConnector(this.#machine, processClock),
      send: (message) => this.#agent.fromRoom("machines", message),
    });
    const rooms = new Map([
      ["plant", this.#plant],
      ["machines", this.#machines],
    ]);
    this.#agent = new SimAgent({
      clock,
      random,
      rooms,
      failed,
      connect: connectThrough(this.#network, this.#relay, random),
    });
  }

  async run(): Promise<SeedResult> {
    await this.#setUp();
    this.#scheduleWrites();
    this.#scheduleFaults();
    await this.#clock.run(STORY_MS, () => this.#invariants.failure !== undefined);
    this.#calm();
    let problem = this.#invariants.failure?.message;
    const endMs = this.#clock.monotonicMs() + HEAL_MS;
    while (problem === undefined) {
      await this.#clock.run(5_000, () => this.#invariants.failure !== undefined);
      problem = this.#invariants.failure?.message;
      const open = problem ?? (await this.#difference());
      if (open === undefined) break;
      if (this.#clock.monotonicMs() >= endMs)
        problem = `not equal after ${HEAL_MS / 60_000} quiet minutes: ${open}`;
    }
    problem ??= await this.#gapProblem();
    this.#end();
    const portCalls = [this.#agent.process, this.#relay.process, this.#plant.process].reduce(
      (sum, { calls }) => sum + calls,
      0,
    );
    return { seed: this.#seed, problem, story: this.#story, portCalls, faults: this.#story.length };
  }

  /** Nothing starts again, and nothing of this world waits any more. */
  #end(): void {
    for (const part of [this.#plant, this.#machines, this.#agent, this.#relay]) part.process.kill();
  }

  async #setUp(): Promise<void> {
    await setUpDirectory(this.#relay.store.directory, this.#clock.nowMs());
    for (let count = this.#random.between(0, 120); count > 0; count -= 1) this.#database.mutate(this.#random);
    this.#relay.start();
    this.#plant.start();
    this.#machines.start();
    this.#agent.start();
  }

  #scheduleWrites(): void {
    const write = (): void => {
      if (!this.#isStormy) return;
      this.#database.mutate(this.#random);
      this.#clock.setTimer(this.#random.between(20, 1_500), write);
    };
    const count = (): void => {
      if (!this.#isStormy) return;
      this.#machine.count += this.#random.between(1, 8);
      this.#clock.setTimer(this.#random.between(100, 1_000), count);
    };
    write();
    count();
  }

  #scheduleFaults(): void {
    const fault = (): void => {
      if (!this.#isStormy) return;
      this.#copyNowAndThen();
      this.#fault();
      this.#clock.setTimer(this.#random.between(300, 8_000), fault);
    };
    this.#clock.setTimer(this.#random.between(100, 5_000), fault);
  }

  #copyNowAndThen(): void {
    if (!this.#random.chance(0.5)) return;
    for (const room of [this.#plant, this.#machines]) {
      const { store } = room.disk;
      if (store !== undefined) this.#roomCopies.push({ room, copy: store.snapshot() });
    }
    this.#relayCopies.push(this.#relay.copy());
    this.#tableCopies.push(this.#database.tables.map((table) => table.copy()));
  }

  #fault(): void {
    const random = this.#random;
    const fuse = random.between(1, 120);
    const faults: readonly (readonly [weight: number, name: string, cause: () => void])[] = [
      [5, `room dies at moment ${fuse}`, () => this.#plant.process.light(fuse)],
      [2, `machine room dies at moment ${fuse}`, () => this.#machines.process.light(fuse)],
      [5, `main dies at moment ${fuse}`, () => this.#agent.process.light(fuse)],
      [5, `relay dies at moment ${fuse}`, () => this.#relay.process.light(fuse)],
      [
        2,
        "power fails in the plant",
        () =>
          [this.#plant.process, this.#machines.process, this.#agent.process].forEach((process) =>
            process.kill(),
          ),
      ],
      [3, "lines are cut", () => this.#network.cutAll()],
      [2, "lines go silent", () => this.#network.silenceAll()],
      [2, "lines stall", () => this.#network.stallAll(random.between(1_000, 90_000))],
      [
        2,
        "network is down",
        () =>
          this.#for(
            random.between(1_000, 60_000),
            (isOn) => (this.#network.isDown = isOn),
            () => this.#network.cutAll(),
          ),
      ],
      [
        2,
        "source is away",
        () => this.#for(random.between(500, 20_000), (isOn) => (this.#database.isDown = isOn)),
      ],
      [
        1,
        "machine is away",
        () => this.#for(random.between(500, 20_000), (isOn) => (this.#machine.isDown = isOn)),
      ],
      [
        1,
        "plant's disk is full",
        () => this.#for(random.between(500, 30_000), (isOn) => (this.#plant.disk.isFull = isOn)),
      ],
      [
        1,
        "room's file is damaged",
        () => (this.#plant.disk.damage = random.pick(["nothing lost", "a batch lost"] as const)),
      ],
      [2, "the relay's answers vanish", () => this.#network.deafenAll()],
      [2, "epochs begin one after another out of the relay's sight", () => this.#unseenEpochs()],
      [1, "machine room's file is damaged", () => (this.#machines.disk.damage = "nothing lost")],
      [
        1,
        "relay's disk is full",
        () => this.#for(random.between(500, 30_000), (isOn) => (this.#relay.isFull = isOn)),
      ],
      [1, "wall clock steps", () => this.#stepWall(random.between(-7_200_000, 7_200_000))],
      [1, "mapping changes", () => this.#remap()],
      [1, "room's files are restored", () => this.#restoreRoom()],
      [
        5,
        "relay's node is paused and replaced",
        () => {
          this.#network.stallAll(random.between(5_000, 90_000));
          this.#relay.replace();
        },
      ],
      [1, "relay's store is restored", () => this.#restoreRelay()],
      [1, "source is restored", () => this.#restoreSource()],
      [1, "an operator asks for a resync", () => this.#plant.process.guard(() => this.#resync())],
    ];
    const total = faults.reduce((sum, [weight]) => sum + weight, 0);
    let at = random.next() * total;
    for (const [weight, name, cause] of faults) {
      at -= weight;
      if (at > 0) continue;
      this.#story.push(`${(this.#clock.monotonicMs() / 1_000).toFixed(3)} s: ${name}`);
      cause();
      return;
    }
  }

  #for(ms: number, set: (isOn: boolean) => void, alsoAtOnce: () => void = () => {}): void {
    set(true);
    alsoAtOnce();
    this.#clock.setTimer(ms, () => set(false));
  }

  /** The relay applies what the agent does not know of; then nobody hears of the epochs that begin. */
  #unseenEpochs(): void {
    const random = this.#random;
    const room = random.pick([this.#plant, this.#machines]);
    this.#network.deafenAll();
    const darkMs = random.between(200, 6_000);
    this.#clock.setTimer(darkMs, () => {
      this.#for(
        20_000,
        (isOn) => (this.#network.isDown = isOn),
        () => this.#network.cutAll(),
      );
    });
    const epochs = random.between(2, 4);
    for (let count = 0; count < epochs; count += 1) {
      // Samples that are lost would be missing at the end.
      const canLose = room === this.#plant && random.chance(0.5);
      const damage = canLose ? "a batch lost" : "nothing lost";
      this.#clock.setTimer(darkMs + count * 4_000, () => (room.disk.damage = damage));
    }
  }

  #stepWall(ms: number): void {
    this.#clock.stepWall(ms);
    this.#invariants.clockStepped();
  }

  /** The wish fails where it cannot be written down; the operator sees that. */
  #resync(): void {
    try {
      this.#plant.room?.operate("resync", undefined);
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
    }
  }

  #remap(): void {
    this.#mapping = (this.#mapping % 9) + 1;
    this.#plant.process.kill();
  }

  #restoreRoom(): void {
    if (this.#roomCopies.length === 0) return;
    const { room, copy } = this.#random.pick(this.#roomCopies);
    // Both processes are down while files are put back.
    this.#agent.process.kill();
    room.restore(copy);
    this.#invariants.roomRestored();
  }

  #restoreRelay(): void {
    if (this.#relayCopies.length > 0) this.#relay.restore(this.#random.pick(this.#relayCopies));
  }

  #restoreSource(): void {
    if (this.#tableCopies.length === 0) return;
    this.#database.restore(this.#random.pick(this.#tableCopies));
    this.#expectsGap = true;
    this.#invariants.historyChanged();
  }

  #calm(): void {
    this.#isStormy = false;
    this.#network.isDown = false;
    this.#database.isDown = false;
    this.#machine.isDown = false;
    this.#plant.disk.isFull = false;
    this.#relay.isFull = false;
  }

  async #difference(): Promise<string | undefined> {
    const { store } = this.#relay;
    const scope = { workspaceId: WORKSPACE, connectionIds: [PLANT] };
    return (await difference(store, this.#database, scope)) ?? (await this.#sampleProblem());
  }

  /** Every sample, once: the machine counts without holes. */
  async #sampleProblem(): Promise<string | undefined> {
    const samples = await this.#relay.store.reader.samples(
      MACHINES,
      JSON.stringify(["counter"]),
      0,
      Number.MAX_SAFE_INTEGER,
      1_000_000,
    );
    const values = samples.map(({ value }) => Number(value));
    const wrong = values.findIndex((value, index) => value !== index + 1);
    if (wrong >= 0) return `sample ${wrong + 1} is ${values[wrong]}`;
    return values.length === this.#machine.count
      ? undefined
      : `${values.length} samples of ${this.#machine.count}`;
  }

  /** A source that went back cannot have gone unnoticed: by itself, or by the new epoch that came first. */
  async #gapProblem(): Promise<string | undefined> {
    if (!this.#expectsGap) return undefined;
    const gaps = await this.#relay.store.reader.gaps(
      { workspaceId: WORKSPACE },
      { connectionId: PLANT, afterMs: 0, limit: 1_000 },
    );
    return gaps.length > 0 ? undefined : "the source was restored and no gap says so";
  }
}
