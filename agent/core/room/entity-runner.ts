// Runs one entity of a polled source: says what is due when, polls for changes, and has the passes over everything made.
import { entryText, type GapReason } from "#common/contract/entry.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { Connector, StrategyReport } from "../source/connector.ts";
import type { PipelineEntity, PipelinePass } from "./change-pipeline.ts";
import type { EntityWish, PassKind } from "./entity-state.ts";
import { addTo, EntityWork, type EntityDeps, type Totals } from "./entity-work.ts";
import { FullPass } from "./full-pass.ts";

export interface EntitySchedule {
  readonly pollMs: number;
  readonly reconcileMs: number;
  /** Up to this many known records a reconcile reads whole rows; above it keys, and whole rows once a day. */
  readonly fullReconcileRows: number;
  readonly massDeleteFraction: number;
  /** Passes over everything leave documents before this day out (`ReadRequest.documentsFromMs`). */
  readonly documentsFromMs?: number | undefined;
}

export interface EntityProgress {
  readonly state: "waiting" | "snapshot" | "polling" | "reconcile" | "held" | "failed";
  readonly read: number;
  readonly known: number;
  readonly nextRunInMs: number;
  /** When the source was last read to where it was, ms since the epoch; undefined: not yet in this run. */
  readonly readAtMs: number | undefined;
  readonly error: string | undefined;
  /** What holds the reading back that is due or under way, for people. */
  readonly waits: string | undefined;
}

const FULL_RECONCILE_EVERY_MS = 24 * 3_600_000;

export class EntityRunner {
  readonly #work: EntityWork;
  readonly #fullPass: FullPass;
  readonly #strategy: StrategyReport;
  readonly #schedule: EntitySchedule;
  readonly #mapping: string;
  /** Monotonic. */
  #nextPollMs = Number.NEGATIVE_INFINITY;
  /** Monotonic; after a failure of this entity alone. */
  #retryAtMs = Number.NEGATIVE_INFINITY;
  /** The poll under way, which may take several calls. */
  #poll: (Totals & { readonly startedMs: number }) | undefined;
  #hasPolled = false;
  #readAtMs: number | undefined;
  #error: string | undefined;

  /** `mapping` is the fingerprint of what determines the record text: another one asks for a new snapshot. */
  constructor(
    deps: EntityDeps,
    target: PipelineEntity,
    strategy: StrategyReport,
    schedule: EntitySchedule,
    mapping: string,
  ) {
    this.#work = new EntityWork(deps, target);
    this.#strategy = strategy;
    this.#schedule = schedule;
    this.#mapping = mapping;
    const { massDeleteFraction, documentsFromMs } = schedule;
    this.#fullPass = new FullPass(this.#work, {
      isFullScan: this.#isFullScan(),
      mapping,
      massDeleteFraction,
      documentsFromMs,
    });
  }

  get entity(): string {
    return this.#work.entity;
  }

  get strategy(): StrategyReport {
    return this.#strategy;
  }

  get pollMs(): number {
    return this.#schedule.pollMs;
  }

  /** Whether a first reading is under way or needed. */
  get isSynchronizing(): boolean {
    return (this.#needsSnapshot() && this.#windowInMs() === 0) || this.#work.pass?.kind === "snapshot";
  }

  progress(): EntityProgress {
    return {
      state: this.#state(),
      read: this.#work.pass?.read ?? 0,
      known: this.#work.knownCount,
      nextRunInMs: Math.max(0, Math.min(this.pollInMs(), this.passInMs())),
      readAtMs: this.#readAtMs,
      error: this.#error ?? this.#work.held,
      waits: this.#waits(),
    };
  }

  /**
   * ms until the next incremental poll is due, at most 0 when it is; the snapshot establishes the cursor first. While a new
   * snapshot waits for its hours, changes are followed all the same.
   */
  pollInMs(): number {
    const isAwaited = this.#needsSnapshot() && this.#windowInMs() === 0;
    if (isAwaited || this.#isFullScan()) return Number.POSITIVE_INFINITY;
    return later(this.#untilPollMs(), this.#work.deps.load.waitMs("poll"));
  }

  /** ms until a pass over everything is due or can go on, at most 0 when it is. */
  passInMs(): number {
    return later(later(this.#passDueInMs(), this.#windowInMs()), this.#work.deps.load.waitMs("pass"));
  }

  #passDueInMs(): number {
    if (this.#work.pass !== undefined || this.#needsSnapshot() || this.#work.meta.passAsked) {
      return Math.max(0, this.#retryAtMs - this.#work.deps.monotonicMs());
    }
    if (this.#isFullScan()) return this.#untilPollMs();
    const { lastFullMs, lastPassMs } = this.#work.meta;
    return this.#strategy.deletes === "keys"
      ? this.#dueInMs(lastPassMs, this.#schedule.reconcileMs)
      : this.#dueInMs(lastFullMs, FULL_RECONCILE_EVERY_MS);
  }

  /**
   * ms until the hours in which a pass may run; 0 if it waits for none: the first reading, the scans that are this entity's
   * polls, what an operator asked for, and a snapshot under way, which its entity's changes wait for.
   */
  #windowInMs(): number {
    const { meta, pass, deps } = this.#work;
    if (this.#isFullScan() || meta.lastFullMs === null || meta.passAsked) return 0;
    if (pass?.kind === "snapshot" || pass?.asked === true) return 0;
    return deps.load.windowInMs();
  }

  #waits(): string | undefined {
    const { load } = this.#work.deps;
    if (this.#windowInMs() > 0 && this.#passDueInMs() <= 0) {
      const what = this.#needsSnapshot() ? "the new reading of everything" : "the comparison";
      return `${what} waits for its window until ${load.windowText()}`;
    }
    const isHeld =
      (this.#work.pass !== undefined && load.waitMs("pass") > 0) ||
      (this.#poll !== undefined && load.waitMs("poll") > 0);
    return isHeld ? `held to ${load.limitText()}` : undefined;
  }

  /** Durable when it returns: what cannot be done now is done by whoever runs this entity next. @throws StorageFullError */
  operate(wish: EntityWish, traceparent?: string): void {
    const work = this.#work;
    const { meta, writes } = work.slots.writeWish(work.meta, wish, traceparent);
    work.commit(work.assembler(), writes);
    work.meta = meta;
    if (wish === "resync") work.pass = undefined;
    if (wish === "confirm_deletes") work.held = undefined;
    if (wish === "sync") this.#nextPollMs = Number.NEGATIVE_INFINITY;
  }

  /** Polls at once; false where that would mean to read a large table whole. */
  nudge(): boolean {
    if (this.#isFullScan() && this.#work.knownCount > this.#schedule.fullReconcileRows) return false;
    this.#nextPollMs = Number.NEGATIVE_INFINITY;
    return true;
  }

  /**
   * Ends the pass under way, or the asked one that has not begun; the next comes by its schedule. False where there is none, or
   * it is a first reading, which the entity's changes wait for. @throws StorageFullError
   */
  cancelPass(): boolean {
    const work = this.#work;
    const { pass, slots } = work;
    if (pass?.kind === "snapshot" || (pass === undefined && !work.meta.passAsked) || this.#needsSnapshot())
      return false;
    const nowMs = work.deps.nowMs();
    const isWhole = pass?.kind === "reconcile";
    const times = pass === undefined ? {} : { lastPassMs: nowMs, ...(isWhole ? { lastFullMs: nowMs } : {}) };
    const meta = { ...work.meta, passAsked: false, ...times };
    const assembler = work.assembler();
    if (pass !== undefined) assembler.add(this.#fullPass.cancelMark(pass, nowMs));
    work.commit(assembler, [slots.writePass(undefined), slots.writeMeta(meta)]);
    work.meta = meta;
    work.pass = undefined;
    if (this.#isFullScan()) this.#schedulePoll();
    return true;
  }

  /** Notes a failure of this entity alone. */
  failed(error: unknown, retryInMs: number): void {
    this.#error = messageOf(error);
    this.#retryAtMs = this.#work.deps.monotonicMs() + retryInMs;
    this.#nextPollMs = this.#retryAtMs;
  }

  /** The connector's cursor is of no use any more: what it may have missed is a gap, and everything is read again. */
  cursorLost(reason: GapReason, detail: string): void {
    const work = this.#work;
    const assembler = work.assembler();
    const { lastPassMs } = work.meta;
    assembler.add(
      entryText({
        header: {
          op: "gap",
          reason,
          entity: this.entity,
          ...(lastPassMs === null ? {} : { from_ms: lastPassMs }),
          to_ms: work.deps.nowMs(),
          detail: detail.slice(0, 2_000),
        },
      }),
    );
    const meta = { ...work.meta, snapshotOf: null };
    const { slots } = work;
    work.commit(assembler, [
      slots.writeMeta(meta),
      slots.writePass(undefined),
      slots.writeIncremental(undefined),
    ]);
    work.meta = meta;
    work.pass = undefined;
  }

  /** What changed since the cursor; returns when caught up or when it should yield. */
  async poll(connector: Connector, signal: AbortSignal): Promise<void> {
    const work = this.#work;
    this.#poll ??= { startedMs: work.deps.nowMs(), read: 0, changed: 0, deleted: 0, rejected: 0 };
    const pass: PipelinePass = { origin: "change", generation: work.meta.generation, marksSeen: false };
    for await (const batch of work.read(connector, "incremental", work.slots.incremental(), signal)) {
      const assembler = work.assembler();
      const result = work.process(batch.rows, pass, assembler);
      addTo(this.#poll, result, batch.rows.length);
      work.commit(assembler, [work.slots.writeIncremental(batch.cursor)], result);
      await work.afterCommit(connector, batch, signal);
      if (signal.aborted) return;
      if (work.shouldYield("poll")) {
        // The next call goes on from the cursor, after those that have waited meanwhile.
        this.#nextPollMs = work.deps.monotonicMs();
        return;
      }
    }
    if (!signal.aborted) this.#endPoll(this.#poll);
  }

  /** Goes on with the pass over everything, or begins the one that is due; returns when it ends or should yield. */
  async advancePass(connector: Connector, signal: AbortSignal): Promise<void> {
    await this.#fullPass.advance(connector, this.#nextKind(), signal);
    if (signal.aborted) return;
    this.#error = undefined;
    if (this.#work.pass === undefined) this.#readAtMs = this.#work.deps.nowMs();
    if (this.#isFullScan() && this.#work.pass === undefined) this.#schedulePoll();
  }

  #endPoll({ startedMs, ...counts }: Totals & { readonly startedMs: number }): void {
    const work = this.#work;
    if (counts.changed + counts.deleted + counts.rejected > 0) {
      const assembler = work.assembler();
      const times = { started_ms: startedMs, ended_ms: work.deps.nowMs() };
      const run = work.deps.runId();
      assembler.add(work.mark("sync", { run, pass: "incremental", ...times, outcome: "ok", ...counts }));
      work.commit(assembler, []);
    }
    this.#poll = undefined;
    this.#error = undefined;
    this.#readAtMs = work.deps.nowMs();
    this.#schedulePoll();
  }

  #schedulePoll(): void {
    this.#hasPolled = true;
    this.#nextPollMs = this.#work.deps.monotonicMs() + this.#schedule.pollMs;
  }

  #state(): EntityProgress["state"] {
    if (this.#error !== undefined) return "failed";
    if (this.isSynchronizing) return "snapshot";
    if (this.#work.pass !== undefined) return "reconcile";
    if (this.#work.held !== undefined) return "held";
    return this.#hasPolled ? "polling" : "waiting";
  }

  #nextKind(): PassKind {
    if (this.#needsSnapshot()) return "snapshot";
    if (this.#isFullScan() || this.#strategy.deletes !== "keys") return "reconcile";
    const isSmall = this.#work.knownCount <= this.#schedule.fullReconcileRows;
    const isFullDue = this.#dueInMs(this.#work.meta.lastFullMs, FULL_RECONCILE_EVERY_MS) <= 0;
    return isSmall || isFullDue ? "reconcile" : "keys";
  }

  #needsSnapshot(): boolean {
    return this.#work.meta.snapshotOf !== this.#mapping;
  }

  #isFullScan(): boolean {
    return this.#strategy.strategy === "full_scan";
  }

  #untilPollMs(): number {
    return this.#nextPollMs - this.#work.deps.monotonicMs();
  }

  #dueInMs(lastMs: number | null, everyMs: number): number {
    const nowMs = this.#work.deps.nowMs();
    // A wall clock that stepped back must not put reconciliation off.
    return lastMs === null || lastMs > nowMs ? 0 : lastMs + everyMs - nowMs;
  }
}

/** What is due, but must wait for something else, is due after that. */
function later(dueInMs: number, waitMs: number): number {
  return waitMs > 0 ? Math.max(dueInMs, waitMs) : dueInMs;
}

/** What a connector's failure means for the entity that was read when it happened. */
export function isCursorLost(error: unknown): error is ConnectorError {
  return error instanceof ConnectorError && error.kind === "cursor_lost";
}
