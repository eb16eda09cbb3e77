// A simulated room process on simulated disk: the real Room on ports that can fail at every call.
import { batchCodec } from "#common/contract/batch.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { createHash } from "node:crypto";
import { MemoryRoomStore, type RoomSnapshot } from "#agent/core/room/memory-room-store.ts";
import { encodeBatch } from "#agent/core/room/batch-assembler.ts";
import { epochBatch, Room, type OpenedStore } from "#agent/core/room/room.ts";
import { SpaceKeeper } from "#agent/core/room/space-keeper.ts";
import type { LoadLimits } from "#agent/core/load/source-load.ts";
import type { Allowance } from "#agent/core/room/room-runner.ts";
import { LOST_BATCH_ID, takeOver, type NewBatch, type RoomStore } from "#agent/core/room/room-store.ts";
import type { FromRoom } from "#agent/core/room/messages.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { StorageCorruptError, StorageFullError } from "#agent/core/room/storage-errors.ts";
import type { SimBugs } from "./sim-bugs.ts";
import type { SimClock } from "./sim-clock.ts";
import { Crash, SimProcess } from "./sim-process.ts";
import type { SimRandom } from "./sim-random.ts";

/** What survives the process: the room's current file. */
export class SimDisk {
  store: MemoryRoomStore | undefined;
  isFull = false;
  /** The next access finds the file damaged; what is then lost of it. */
  damage: "nothing lost" | "a batch lost" | undefined;
  /** Older copies, for restoring. */
  readonly copies: RoomSnapshot[] = [];
}

export interface SimRoomDeps {
  readonly name: string;
  readonly connectionId: string;
  readonly shape: "tabular" | "telemetry";
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly bugs: SimBugs;
  readonly pack: () => CompiledPack;
  readonly connect: (clock: Clock) => Connector;
  /** What the plant lets its source be asked. */
  readonly load?: LoadLimits;
  readonly send: (message: FromRoom) => void;
  readonly failed: (error: unknown) => void;
  /** Bytes of outbox; without it, space is no matter. */
  readonly outboxBytes?: number;
}

const ALLOWANCE: Allowance = {
  poll: "normal",
  snapshots: "allowed",
  database: "running",
  telemetry: "normal",
  writes: "allowed",
};

export class SimRoom {
  readonly #deps: SimRoomDeps;
  readonly disk = new SimDisk();
  process: SimProcess;
  room: Room | undefined;

  constructor(deps: SimRoomDeps) {
    this.#deps = deps;
    this.process = new SimProcess(deps.name, deps.clock);
    this.process.kill();
  }

  /** Starts the process; a crash later is followed by another start, as the supervisor does. */
  start(): void {
    const { clock, random } = this.#deps;
    const process = new SimProcess(this.#deps.name, clock);
    this.process = process;
    process.onDeath(() => clock.setTimer(random.between(200, 3_000), () => this.start()));
    const room = this.#room(process);
    this.room = room;
    room.run(process.signal).catch((error: unknown) => {
      if (process.isDead || error instanceof Crash) return;
      this.#deps.failed(error);
      process.kill();
    });
  }

  /** The files of another day are put in place while the process is down. */
  restore(copy: RoomSnapshot): void {
    this.process.kill();
    const store = new MemoryRoomStore(copy.position.epoch);
    store.restore(copy);
    this.disk.store = store;
  }

  #room(process: SimProcess): Room {
    const { connectionId, shape, random, send, load = {} } = this.#deps;
    const { clock } = process;
    const pack = this.#deps.pack();
    const batch = {
      codec: batchCodec,
      nowMs: () => clock.nowMs(),
      randomId: () => random.hex(16),
      mappingVersion: pack.mappingVersion,
    };
    const keeper = this.#keeper(process);
    return new Room({
      settings: {
        connectionId,
        shape,
        timeZone: "UTC",
        raw: false,
        hidden: [],
        pollMs: {},
        reconcileMs: {},
        load,
        massDeleteFraction: 1,
        fullReconcileRows: random.chance(0.5) ? 0 : 10_000,
      },
      pack,
      connect: () => crashable(process, this.#deps.connect(clock)),
      storage: {
        open: () => process.async(async () => this.#opened(process, "resumed")),
        startEpoch: (current, begin, reason) =>
          process.async(async () => this.#newEpoch(process, current, begin, reason)),
        salvage: (current) => process.async(async () => this.#salvage(process, current)),
      },
      clock,
      random: () => random.next(),
      randomId: () => random.hex(16),
      hash: (text) => createHash("sha256").update(text).digest("base64url").slice(0, 22),
      batch,
      allowance: (store) => (keeper === undefined ? ALLOWANCE : keeper.allowance(store)),
      keepBelowBytes: () => (random.chance(0.5) ? 0 : 10_000),
      opened: (store, reason) => send({ type: "opened", file: "", epoch: store.position().epoch, reason }),
      committed: (store) => {
        keeper?.afterCommit(store);
        const { epoch, nextSeq } = store.position();
        send({ type: "committed", epoch, nextSeq });
      },
      reported: (report) => send({ type: "report", report }),
      logger: silentLogger,
    });
  }

  #keeper({ clock }: SimProcess): SpaceKeeper | undefined {
    const { outboxBytes } = this.#deps;
    if (outboxBytes === undefined) return undefined;
    const budget = { outboxBytes, knownBytes: outboxBytes, volumeFull: false };
    return new SpaceKeeper({ policy: "drop_oldest", codec: batchCodec, nowMs: () => clock.nowMs() }, budget);
  }

  #opened(process: SimProcess, reason: string): OpenedStore {
    this.disk.store ??= new MemoryRoomStore(this.#deps.random.hex(16));
    return { store: this.#port(process, this.disk.store), reason };
  }

  #newEpoch(
    process: SimProcess,
    current: RoomStore,
    begin: NewBatch,
    reason: string,
    damaged: (kept: readonly NewBatch[]) => readonly NewBatch[] = (kept) => kept,
  ): OpenedStore {
    if (this.disk.isFull) throw new StorageFullError("the simulated disk is full");
    const { ackedSeq } = current.position();
    const takenOver = takeOver(current.position(), reason);
    const named = this.#deps.bugs.onlyLastEpoch ? takenOver.slice(0, 1) : takenOver;
    const next = new MemoryRoomStore(this.#deps.random.hex(16), named);
    const kept = current.read(ackedSeq + 1, Number.POSITIVE_INFINITY);
    const batches = damaged(kept.map(({ id, kind, entries, blob }) => ({ id, kind, entries, blob })));
    next.commit({ batches: [...batches, begin] });
    this.disk.store = next;
    return { store: this.#port(process, next), reason };
  }

  /** As the room's files do it: what is whole goes on in its place, what is not leaves an empty batch. */
  #salvage(process: SimProcess, current: RoomStore): OpenedStore {
    const { damage } = this.disk;
    this.disk.damage = undefined;
    const nowMs = this.#deps.clock.nowMs();
    const batch = {
      codec: batchCodec,
      nowMs: () => nowMs,
      randomId: () => this.#deps.random.hex(16),
      mappingVersion: "",
    };
    const begin = epochBatch(batch, "corruption", nowMs);
    return this.#newEpoch(process, current, begin, "corruption", (kept) => {
      if (damage !== "a batch lost" || kept.length === 0) return kept;
      const empty = { ...encodeBatch(batch, "records", 0, ""), id: LOST_BATCH_ID };
      return kept.with(this.#deps.random.between(0, kept.length - 1), empty);
    });
  }

  #port(process: SimProcess, store: MemoryRoomStore): RoomStore {
    const disk = this.disk;
    const full = new Proxy(store, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (
            disk.damage !== undefined &&
            this.disk.store === store &&
            (name === "commit" || name === "known")
          ) {
            throw new StorageCorruptError("the simulated file is damaged");
          }
          if (disk.isFull && (name === "commit" || name === "trim"))
            throw new StorageFullError("the simulated disk is full");
          if (name === "commit" && this.#deps.bugs.cursorBeforeBatch)
            return this.#brokenCommit(process, object, args);
          return Reflect.apply(value, object, args);
        };
      },
    });
    return process.port(full, "sync");
  }

  /** The planted mistake: the cursor is durable before its batch. */
  #brokenCommit(process: SimProcess, store: MemoryRoomStore, args: unknown[]): void {
    const [commit] = args as Parameters<RoomStore["commit"]>;
    store.commit({ cursors: commit.cursors ?? [] });
    process.moment();
    store.commit({ ...commit, cursors: [] });
  }
}

/** A connector whose every answer may be the last thing that its process sees. */
function crashable(process: SimProcess, connector: Connector): Connector {
  return {
    open: (signal) => process.async(() => connector.open(signal)),
    identity: () => connector.identity(),
    strategies: () => connector.strategies(),
    keyRules: (entity) => connector.keyRules(entity),
    async *read(request) {
      const batches = connector.read(request)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await process.async(() => batches.next());
          if (next.done === true) return;
          yield next.value;
        }
      } finally {
        await batches.return?.();
      }
    },
    [Symbol.asyncDispose]: () => connector[Symbol.asyncDispose](),
  };
}
