// One room from its store's opening to its stop: runs the connection, starts new epochs, trims what was acknowledged.
import { entryText } from "#common/contract/entry.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import { sleep } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { BatchAssembler } from "./batch-assembler.ts";
import { WINDOW_SLOT } from "./initial-window.ts";
import {
  PAUSED_SLOT,
  RoomRunner,
  type Allowance,
  type OperatorAction,
  type RoomRunnerDeps,
} from "./room-runner.ts";
import type { NewBatch, RoomCommit, RoomStore } from "./room-store.ts";
import { StorageCorruptError, StorageFullError } from "./storage-errors.ts";

/** What outlives an epoch. */
const STANDING_SLOTS = [PAUSED_SLOT, WINDOW_SLOT];

/** Where the room's stores come from; each call returns one that is ready to use. */
export interface RoomStorage {
  /** The current epoch's store, or a first one. A damaged file has already been salvaged; `gap` then says what was lost. */
  open(): Promise<OpenedStore>;
  /**
   * A new epoch that takes over what was not acknowledged, under the same ids, followed by `begin`. The store given is
   * closed. For `agent_restored`, seqs and ids of the old epoch prove nothing: it is not named as taken over.
   */
  startEpoch(current: RoomStore, begin: NewBatch, reason: string): Promise<OpenedStore>;
  /** The store turned out to be damaged: like `open`, but never with that file as it is. */
  salvage(current: RoomStore, cause: StorageCorruptError): Promise<OpenedStore>;
}

export interface OpenedStore {
  readonly store: RoomStore;
  /** Why this epoch began, or `resumed`. */
  readonly reason: string;
}

export interface RoomDeps extends Omit<RoomRunnerDeps, "store" | "committed" | "allowance"> {
  readonly storage: RoomStorage;
  readonly allowance: (store: RoomStore) => Allowance;
  /** Bytes of outbox below which acknowledged batches are kept for a relay that rewinds. */
  readonly keepBelowBytes: () => number;
  readonly opened: (store: RoomStore, reason: string) => void;
  readonly committed: (store: RoomStore) => void;
}

/** Acknowledgements are written together, this often at the most. */
const TRIM_EVERY_MS = 200;
/** Acknowledged batches kept at the most. */
const KEEP_BATCHES = 2_000;
const FULL_RETRY_MS = 5_000;
/** Operator's wishes that wait for a store. */
const MAX_WISHES = 100;

export class Room {
  readonly #deps: RoomDeps;
  #store: RoomStore | undefined;
  #runner: RoomRunner | undefined;
  #epochAsked: string | undefined;
  /** Asked for while no store was open. */
  readonly #wishes: { readonly action: OperatorAction; readonly entity: string | undefined }[] = [];
  #endRun: AbortController = new AbortController();
  #acked: { readonly epoch: string; readonly seq: number } | undefined;
  #cancelTrim: (() => void) | undefined;
  /** Thrown outside the run, and to be judged by it. */
  #fault: unknown;

  constructor(deps: RoomDeps) {
    this.#deps = deps;
  }

  get store(): RoomStore | undefined {
    return this.#store;
  }

  /** The connection's runner, while a store is open. */
  get runner(): RoomRunner | undefined {
    return this.#runner;
  }

  /** Resolves when the signal aborts; rejects on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    let opened = await this.#patiently(() => this.#deps.storage.open(), signal);
    while (opened !== undefined) {
      const { store } = opened;
      this.#store = store;
      await this.#patiently(async () => this.#beginFirst(store), signal);
      this.#deps.opened(store, opened.reason);
      const damage = await this.#runEpoch(store, signal);
      if (damage === undefined) await this.#patiently(async () => this.#trim(), signal);
      if (signal.aborted) {
        this.#cancelTrim?.();
        return;
      }
      const standing = this.#standingOf(store);
      opened = await this.#patiently(() => {
        // A try that failed has closed the store: the file is opened again, and the wish still stands.
        if (this.#store !== store) return this.#deps.storage.open();
        this.#store = undefined;
        return damage === undefined ? this.#nextEpoch(store) : this.#deps.storage.salvage(store, damage);
      }, signal);
      // The rest of what a new epoch forgets is read again; nobody would say this again.
      const next = opened?.store;
      if (standing.length > 0 && next !== undefined)
        await this.#patiently(async () => next.commit({ cursors: standing }), signal);
    }
  }

  /** Ends the run with an error that was met outside of it; a full disk is no reason to. */
  failed(error: unknown): void {
    if (error instanceof StorageFullError) return;
    this.#fault = error;
    this.#endRun.abort();
  }

  /** The relay holds everything up to `seq` of the epoch. */
  acked(epoch: string, seq: number): void {
    this.#acked = { epoch, seq };
    this.#trimLater(TRIM_EVERY_MS);
  }

  /** Ends the current epoch as soon as its step is done. */
  newEpoch(reason: string): void {
    this.#epochAsked ??= reason;
    this.#endRun.abort();
  }

  /** While no store is open, the wish waits for one. @throws StorageFullError when it could not be written down */
  operate(action: OperatorAction, entity: string | undefined): void {
    if (this.#runner === undefined || this.#endRun.signal.aborted) {
      this.#wishes.push({ action, entity });
      if (this.#wishes.length > MAX_WISHES) this.#wishes.shift();
      return;
    }
    try {
      this.#runner.operate(action, entity);
    } catch (error) {
      if (error instanceof StorageFullError) throw error;
      this.failed(error);
    }
  }

  /** The budget has changed. */
  wake(): void {
    this.#runner?.wake();
  }

  report(): ConnectionReport | undefined {
    return this.#runner?.report();
  }

  /** Resolves with what is wrong with the store, if anything. */
  async #runEpoch(store: RoomStore, signal: AbortSignal): Promise<StorageCorruptError | undefined> {
    if (this.#epochAsked !== undefined) return undefined;
    this.#endRun = new AbortController();
    const runner = new RoomRunner({
      ...this.#deps,
      store,
      allowance: () => this.#deps.allowance(store),
      committed: () => this.#deps.committed(store),
    });
    this.#runner = runner;
    try {
      await this.#patiently(async () => this.#grantWishes(runner), signal);
      await runner.run(AbortSignal.any([signal, this.#endRun.signal]));
      if (this.#fault !== undefined) throw this.#fault;
      return undefined;
    } catch (error) {
      if (!(error instanceof StorageCorruptError)) throw error;
      this.#deps.logger.error({}, messageOf(error));
      return error;
    } finally {
      this.#runner = undefined;
      this.#fault = undefined;
    }
  }

  #grantWishes(runner: RoomRunner): void {
    for (let wish = this.#wishes[0]; wish !== undefined; wish = this.#wishes[0]) {
      runner.operate(wish.action, wish.entity);
      this.#wishes.shift();
    }
  }

  #standingOf(store: RoomStore): NonNullable<RoomCommit["cursors"]> {
    try {
      return STANDING_SLOTS.flatMap((slot) => {
        const cursor = store.cursor(slot);
        return cursor === undefined ? [] : [{ slot, cursor }];
      });
    } catch (error) {
      if (error instanceof StorageCorruptError) return [];
      throw error;
    }
  }

  #beginFirst(store: RoomStore): void {
    if (store.position().nextSeq === 1) store.commit({ batches: [this.#beginBatch("first")] });
  }

  async #nextEpoch(store: RoomStore): Promise<OpenedStore> {
    const reason = this.#epochAsked ?? "reset";
    this.#deps.logger.warn({ reason }, "a new epoch begins: everything is read again");
    const opened = await this.#deps.storage.startEpoch(store, this.#beginBatch(reason), reason);
    this.#epochAsked = undefined;
    return opened;
  }

  /** What stands between the batches taken over and those of the new epoch itself. */
  #beginBatch(reason: string): NewBatch {
    return epochBatch(this.#deps.batch, reason, this.#deps.clock.nowMs());
  }

  /** A full disk is waited for; undefined when the signal aborted meanwhile. */
  async #patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof StorageFullError)) throw error;
        this.#deps.logger.error({}, messageOf(error));
        await sleep(this.#deps.clock, FULL_RETRY_MS, signal);
        if (signal.aborted) return undefined;
      }
    }
  }

  #trimLater(delayMs: number): void {
    this.#cancelTrim ??= this.#deps.clock.setTimer(delayMs, () => {
      this.#cancelTrim = undefined;
      try {
        this.#trim();
      } catch (error) {
        this.failed(error);
        if (error instanceof StorageFullError) this.#trimLater(FULL_RETRY_MS);
      }
    });
  }

  #trim(): void {
    const acked = this.#acked;
    const store = this.#store;
    if (acked === undefined || store === undefined) return;
    const { epoch, ackedSeq, firstSeq } = store.position();
    if (acked.epoch !== epoch || acked.seq < ackedSeq || (acked.seq === ackedSeq && firstSeq > ackedSeq))
      return;
    const isRoomy = store.usage().outboxBytes < this.#deps.keepBelowBytes();
    const keepFromSeq = isRoomy ? Math.max(firstSeq, acked.seq + 1 - KEEP_BATCHES) : acked.seq + 1;
    if (acked.seq > ackedSeq || keepFromSeq > firstSeq) store.trim(acked.seq, keepFromSeq);
  }
}

/** The epoch entry, after a gap that says why everything is read again (not for a connection's very first epoch). */
export function epochBatch(deps: RoomDeps["batch"], reason: string, nowMs: number, cause = ""): NewBatch {
  const assembler = new BatchAssembler(deps);
  if (reason !== "first") {
    const detail = `a new epoch began (${cause === "" ? reason : cause}): what was not acknowledged is sent again, and every record is compared`;
    assembler.add(entryText({ header: { op: "gap", reason, to_ms: nowMs, detail: detail.slice(0, 2_000) } }));
  }
  assembler.add(entryText({ header: { op: "epoch", reason, at_ms: nowMs } }));
  const [batch] = assembler.take();
  if (batch === undefined) throw new Error("invariant: an assembler with entries gives a batch");
  return batch;
}
