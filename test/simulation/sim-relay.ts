// The simulated relay: the real hub and ingest on a store in memory that survives the process.
import { batchCodec, type BatchCodec } from "#common/contract/batch.ts";
import { recordId } from "#common/contract/record-id.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import { AgentHub, type ProvenAgent } from "#relay/core/agents/agent-hub.ts";
import type { IngestTx, Store } from "#relay/core/store.ts";
import { StoreFullError } from "#relay/core/store.ts";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import type { Channel, ChannelHandlers } from "#common/contract/channel.ts";
import type { Invariants } from "./invariants.ts";
import type { SimBugs } from "./sim-bugs.ts";
import type { SimClock } from "./sim-clock.ts";
import { never, SimProcess } from "./sim-process.ts";
import type { SimRandom } from "./sim-random.ts";

export interface SimRelayDeps {
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly bugs: SimBugs;
  readonly invariants: Invariants;
  readonly failed: (error: unknown) => void;
}

/** How long a replaced node lives on. */
const ZOMBIE_MS = 120_000;

type MemorySnapshot = ReturnType<MemoryStore["snapshot"]>;

export class SimRelay {
  readonly #deps: SimRelayDeps;
  #store: MemoryStore;
  #hub: AgentHub | undefined;
  process: SimProcess;
  isFull = false;

  constructor(deps: SimRelayDeps) {
    this.#deps = deps;
    this.#store = this.#open(undefined);
    this.process = new SimProcess("relay", deps.clock);
    this.process.kill();
  }

  /** The store as it is durable: for set-up and for looking at the end. */
  get store(): MemoryStore {
    return this.#store;
  }

  start(): void {
    const { clock, random } = this.#deps;
    const process = new SimProcess("relay", clock);
    this.process = process;
    process.onDeath(() => {
      if (this.process !== process) return;
      this.#store = this.#open(this.#store.crash());
      clock.setTimer(random.between(200, 8_000), () => this.start());
    });
    const store = this.#port(process, this.#store);
    const bus = new InProcessBus({ clock: process.clock, onHandlerError: this.#deps.failed });
    const { invariants } = this.#deps;
    const codec: BatchCodec = {
      encode: (header, body) => batchCodec.encode(header, body),
      decode: (blob) => {
        const batch = batchCodec.decode(blob);
        // Empty ones stand for what was lost; they are all alike.
        if (batch.entries > 0) invariants.applies(blob);
        return batch;
      },
    };
    const ingest = {
      store,
      codec,
      nowMs: () => process.clock.nowMs(),
      recordId,
      massDeleteFraction: 1,
    };
    const hub = new AgentHub({
      ingest,
      bus,
      clock: process.clock,
      logger: silentLogger,
      watchers: [],
      ingested: () => {},
    });
    this.#hub = hub;
    hub.start().catch((error: unknown) => {
      if (!process.isDead) this.#deps.failed(error);
    });
  }

  /** A node that seems dead is replaced by another on the same store; what it was sent reaches it later. */
  replace(): void {
    const zombie = this.process;
    this.start();
    this.#deps.clock.setTimer(ZOMBIE_MS, () => zombie.kill());
  }

  accept(proven: ProvenAgent, channel: Channel, attach: (handlers: ChannelHandlers) => void): void {
    const session = this.#hub?.accept(proven, channel);
    if (session !== undefined)
      attach({ onFrame: (frame) => session.onFrame(frame), onClose: () => session.onClose() });
  }

  copy(): MemorySnapshot {
    return this.#store.snapshot();
  }

  /** An older copy is put in place; the process starts again on it. */
  restore(copy: MemorySnapshot): void {
    this.process.kill();
    this.#store = this.#open(copy);
    this.#deps.invariants.relayRestored();
  }

  #open(snapshot: MemorySnapshot | undefined): MemoryStore {
    const newGeneration = (): string => this.#deps.random.hex(16);
    return new MemoryStore(snapshot === undefined ? { newGeneration } : { newGeneration, snapshot });
  }

  #port(process: SimProcess, store: MemoryStore): Store {
    const { bugs, invariants } = this.#deps;
    const ingest = <T>(work: (tx: IngestTx) => Promise<T>): Promise<T> =>
      process.async(async () => {
        if (this.isFull) throw new StoreFullError("the simulated disk is full");
        if (bugs.ackBeforeCommit) return this.#brokenIngest(process, store, work);
        return store.ingest(async (tx) => {
          const checked = invariants.watch(this.#bugged(tx));
          const value = await work(checked.tx);
          // Dying in the middle of a transaction rolls it back.
          if (process.isDead) throw new Error("the process died");
          checked.commit();
          return value;
        });
      });
    return {
      ingest,
      directory: process.port(
        Object.assign(Object.create(store.directory) as typeof store.directory, {
          claimSession: async (...args: Parameters<typeof store.directory.claimSession>) => {
            const session = await store.directory.claimSession(...args);
            invariants.claimed(session);
            return session;
          },
        }),
        "async",
      ),
      reader: process.port(store.reader, "async"),
      operations: process.port(store.operations, "async"),
      settings: process.port(store.settings, "async"),
      links: process.port(store.links, "async"),
      requests: process.port(store.requests, "async"),
      audit: process.port(store.audit, "async"),
      users: process.port(store.users, "async"),
      webhooks: process.port(store.webhooks, "async"),
      generation: () => process.async(() => store.generation()),
      renewGeneration: () => process.async(() => store.renewGeneration()),
      prune: (before) => process.async(() => store.prune(before)),
      check: () => process.async(() => store.check()),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  /** The planted mistake: what was "committed" becomes durable a little later, if the process lives. */
  async #brokenIngest<T>(
    process: SimProcess,
    store: MemoryStore,
    work: (tx: IngestTx) => Promise<T>,
  ): Promise<T> {
    let value: { readonly of: T } | undefined;
    const rollback = new Error("rolled back, to be done again");
    try {
      await store.ingest(async (tx) => {
        value = { of: await work(tx) };
        throw rollback;
      });
    } catch (error) {
      if (error !== rollback) throw error;
    }
    process.clock.setTimer(30, () => void store.ingest(work).catch(() => {}));
    return value === undefined ? never() : value.of;
  }

  #bugged(tx: IngestTx): IngestTx {
    const { noFencing, noSeqCheck } = this.#deps.bugs;
    if (!noFencing && !noSeqCheck) return tx;
    return new Proxy(tx, {
      get: (object, name) => {
        if (noFencing && name === "isCurrentSession") return () => Promise.resolve(true);
        if (noSeqCheck && name === "stream") {
          return async (connectionId: string) => {
            const stream = await object.stream(connectionId);
            // Forgets the last batch that was applied.
            return stream === undefined
              ? undefined
              : { ...stream, ackedSeq: Math.max(0, stream.ackedSeq - 1) };
          };
        }
        const value: unknown = Reflect.get(object, name, object);
        return value;
      },
    });
  }
}
