// The simulated agent: the real uplink in a main process, one room per connection, all able to die on their own.
import { silentLogger } from "#common/runtime/logger.ts";
import type { FromRoom } from "#agent/core/room/messages.ts";
import type { StreamPosition, StreamSource } from "#agent/core/uplink/stream-source.ts";
import { Uplink, type ConnectToRelay } from "#agent/core/uplink/uplink.ts";
import type { SimClock } from "./sim-clock.ts";
import { SimProcess } from "./sim-process.ts";
import type { SimRandom } from "./sim-random.ts";
import type { SimRoom } from "./sim-room.ts";

export interface SimAgentDeps {
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly rooms: ReadonlyMap<string, SimRoom>;
  readonly connect: (process: SimProcess, instanceId: string) => ConnectToRelay;
  readonly failed: (error: unknown) => void;
}

/** How long a message takes between main and a room. */
const IPC_MS = 1;

export class SimAgent {
  readonly #deps: SimAgentDeps;
  process: SimProcess;
  #uplink: Uplink | undefined;

  constructor(deps: SimAgentDeps) {
    this.#deps = deps;
    this.process = new SimProcess("main", deps.clock);
    this.process.kill();
  }

  start(): void {
    const { clock, random, rooms } = this.#deps;
    const process = new SimProcess("main", clock);
    this.process = process;
    process.onDeath(() => clock.setTimer(random.between(200, 5_000), () => this.start()));
    const uplink = new Uplink({
      clock: process.clock,
      logger: silentLogger,
      random: () => random.next(),
      sources: [...rooms].map(([name, room]) => this.#source(process, name, room)),
      connect: this.#deps.connect(process, random.hex(8)),
      bound: () => {},
      directive: () => {},
      welcomed: () => {},
    });
    this.#uplink = uplink;
    uplink.run(process.signal).catch((error: unknown) => {
      if (!process.isDead) this.#deps.failed(error);
    });
  }

  /** What a room says; lost when main is down. */
  fromRoom(name: string, message: FromRoom): void {
    const { process } = this;
    this.#deps.clock.setTimer(IPC_MS, () =>
      process.guard(() => {
        if (message.type === "committed") this.#uplink?.wake(name);
        else if (message.type === "opened") this.#uplink?.opened(name);
        else if (message.type === "report") this.#uplink?.report(message.report);
      }),
    );
  }

  #source(process: SimProcess, name: string, room: SimRoom): StreamSource {
    const toRoom = (work: () => void): void => {
      const target = room.process;
      this.#deps.clock.setTimer(IPC_MS, () => target.guard(work));
    };
    return {
      name,
      position: (): StreamPosition | undefined => process.sync(() => room.disk.store?.position()),
      read: (fromSeq, maxBytes) => process.sync(() => room.disk.store?.read(fromSeq, maxBytes) ?? []),
      idAt: (seq) => process.sync(() => room.disk.store?.idAt(seq)),
      acked: (epoch, seq) => toRoom(() => room.room?.acked(epoch, seq)),
      newEpoch: (reason) => toRoom(() => room.room?.newEpoch(reason)),
      rejected: () => {},
    };
  }
}
