// Runs one entity of a polled source: snapshot, incremental polls, reconciliation. One step at a time, each step durable.
import { entryText, type GapReason, type MarkEntry, type Origin } from "#common/contract/entry.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type {
  Connector,
  Cursor,
  Pass,
  SourceBatch,
  SourceKey,
  SourceRow,
  StrategyReport,
} from "../source/connector.ts";
import { canonicalKey } from "../source/key-rules.ts";
import { BatchAssembler, type BatchDeps } from "./batch-assembler.ts";
import {
  type ChangePipeline,
  type PipelineEntity,
  type PipelinePass,
  type PipelineResult,
  pointKey,
} from "./change-pipeline.ts";
import { EntitySlots, type EntityMeta, type PassKind, type PassState } from "./entity-state.ts";
import type { RoomCommit, RoomStore } from "./room-store.ts";

export interface EntitySchedule {
  readonly pollMs: number;
  readonly reconcileMs: number;
  /** Up to this many known records a reconcile reads whole rows; above it keys, and whole rows once a day. */
  readonly fullReconcileRows: number;
  readonly massDeleteFraction: number;
}

export const FULL_RECONCILE_EVERY_MS = 24 * 3_600_000;
/** A mass delete is one of at least this many records… and of more than `massDeleteFraction` of the entity. */
export const MASS_DELETE_FROM = 20;
/** Rows asked for in one chunk, and keys in one point read or sweep. */
export const CHUNK_ROWS = 500;

export interface EntityRunnerDeps {
  readonly store: RoomStore;
  readonly pipeline: ChangePipeline;
  readonly batch: BatchDeps;
  readonly nowMs: () => number;
  /** Polls go by this one: the wall clock may step. */
  readonly monotonicMs: () => number;
  /** Short random id of a run. */
  readonly runId: () => string;
  /** Called after each commit, with the number of source rows that it covers. */
  readonly committed: (rows: number) => Promise<void>;
  /** Whether to break off between chunks, because something else is due. */
  readonly shouldYield: () => boolean;
}

export interface EntityProgress {
  readonly state: "waiting" | "snapshot" | "polling" | "reconcile" | "held" | "failed";
  readonly read: number;
  readonly known: number;
  readonly nextRunInMs: number;
  readonly lastPollMs: number | undefined;
  readonly error: string | undefined;
}

export class EntityRunner {
  readonly #deps: EntityRunnerDeps;
  readonly #target: PipelineEntity;
  readonly #strategy: StrategyReport;
  readonly #schedule: EntitySchedule;
  /** Fingerprint of what determines the record text: mapping, hidden columns, raw. */
  readonly #mapping: string;
  readonly #slots: EntitySlots;
  #meta: EntityMeta;
  #pass: PassState | undefined;
  /** Monotonic. */
  #nextPollMs = Number.NEGATIVE_INFINITY;
  /** Monotonic; after a failure of this entity alone. */
  #retryAtMs = Number.NEGATIVE_INFINITY;
  /** The poll under way, which may take several calls. */
  #poll: (Totals & { readonly startedMs: number }) | undefined;
  #lastPollMs: number | undefined;
  #held: string | undefined;
  #error: string | undefined;
  #reconcileAsked = false;

  constructor(
    deps: EntityRunnerDeps,
    target: PipelineEntity,
    strategy: StrategyReport,
    schedule: EntitySchedule,
    mapping: string,
  ) {
    this.#deps = deps;
    this.#target = target;
    this.#strategy = strategy;
    this.#schedule = schedule;
    this.#mapping = mapping;
    this.#slots = new EntitySlots(deps.store, target.entity);
    this.#meta = this.#slots.meta();
    this.#pass = this.#slots.pass();
  }

  get entity(): string {
    return this.#target.entity;
  }

  get strategy(): StrategyReport {
    return this.#strategy;
  }

  /** Whether a pass over everything is under way or needed first. */
  get isSynchronizing(): boolean {
    return this.#needsSnapshot() || this.#pass?.kind === "snapshot";
  }

  progress(): EntityProgress {
    const state =
      this.#error !== undefined
        ? "failed"
        : this.isSynchronizing
          ? "snapshot"
          : this.#pass !== undefined
            ? "reconcile"
            : this.#held !== undefined
              ? "held"
              : this.#lastPollMs === undefined
                ? "waiting"
                : "polling";
    return {
      state,
      read: this.#pass?.read ?? 0,
      known: this.#deps.store.countKnown(this.entity),
      nextRunInMs: Math.max(0, Math.min(this.pollInMs(), this.passInMs())),
      lastPollMs: this.#lastPollMs,
      error: this.#error ?? this.#held,
    };
  }

  get pollMs(): number {
    return this.#schedule.pollMs;
  }

  /** ms until the next incremental poll is due, at most 0 when it is; the snapshot establishes the cursor first. */
  pollInMs(): number {
    return this.#needsSnapshot() || this.#isFullScan() ? Number.POSITIVE_INFINITY : this.#untilPollMs();
  }

  /** ms until a pass over everything is due or can go on, at most 0 when it is. */
  passInMs(): number {
    if (this.#pass !== undefined || this.#needsSnapshot() || this.#reconcileAsked) {
      return Math.max(0, this.#retryAtMs - this.#deps.monotonicMs());
    }
    if (this.#isFullScan()) return this.#untilPollMs();
    if (this.#strategy.deletes !== "keys")
      return this.#dueInMs(this.#meta.lastFullMs, FULL_RECONCILE_EVERY_MS);
    return this.#dueInMs(this.#meta.lastPassMs, this.#schedule.reconcileMs);
  }

  /** An operator's wishes. */
  askReconcile(): void {
    this.#reconcileAsked = true;
  }

  askPoll(): void {
    this.#nextPollMs = Number.NEGATIVE_INFINITY;
  }

  askSnapshot(): void {
    this.#meta = { ...this.#meta, snapshotOf: null };
    this.#pass = undefined;
    this.#deps.store.commit({
      cursors: [this.#slots.writeMeta(this.#meta), this.#slots.writePass(undefined)],
    });
  }

  confirmDeletes(): void {
    this.#meta = { ...this.#meta, deletesConfirmed: true };
    this.#held = undefined;
    this.#reconcileAsked = true;
    this.#deps.store.commit({ cursors: [this.#slots.writeMeta(this.#meta)] });
  }

  /** Notes a failure that was met while this entity was read; the caller decides what it means. */
  failed(error: unknown, retryInMs: number): void {
    this.#error = messageOf(error);
    this.#retryAtMs = this.#deps.monotonicMs() + retryInMs;
    this.#nextPollMs = this.#retryAtMs;
  }

  /** The connector's cursor is of no use any more: what it may have missed is a gap, and everything is read again. */
  cursorLost(reason: GapReason, detail: string): void {
    const nowMs = this.#deps.nowMs();
    const assembler = new BatchAssembler(this.#deps.batch);
    const fromMs = this.#meta.lastPassMs ?? undefined;
    assembler.add(
      entryText({
        header: {
          op: "gap",
          reason,
          entity: this.entity,
          ...(fromMs === undefined ? {} : { from_ms: fromMs }),
          to_ms: nowMs,
          detail: detail.slice(0, 2_000),
        },
      }),
    );
    this.#meta = { ...this.#meta, snapshotOf: null };
    this.#pass = undefined;
    this.#commit(assembler, {
      cursors: [
        this.#slots.writeMeta(this.#meta),
        this.#slots.writePass(undefined),
        this.#slots.writeIncremental(undefined),
      ],
    });
  }

  /** What changed since the cursor. */
  async poll(connector: Connector, signal: AbortSignal): Promise<void> {
    this.#poll ??= { startedMs: this.#deps.nowMs(), read: 0, changed: 0, deleted: 0, rejected: 0 };
    const totals = this.#poll;
    const pass: PipelinePass = { origin: "change", generation: this.#meta.generation, marksSeen: false };
    for await (const batch of this.#read(connector, "incremental", this.#slots.incremental(), signal)) {
      const assembler = new BatchAssembler(this.#deps.batch);
      const result = this.#deps.pipeline.process(this.#target, batch.rows, pass, assembler);
      add(totals, result, batch.rows.length);
      this.#commit(assembler, {
        ...this.#records(result),
        cursors: [this.#slots.writeIncremental(batch.cursor)],
      });
      await this.#afterCommit(connector, batch, signal);
      // The next call goes on from the cursor.
      if (signal.aborted || this.#deps.shouldYield()) return;
    }
    if (signal.aborted) return;
    const endedMs = this.#deps.nowMs();
    const { startedMs, ...counts } = totals;
    if (counts.changed + counts.deleted + counts.rejected > 0) {
      const assembler = new BatchAssembler(this.#deps.batch);
      const mark = {
        run: this.#deps.runId(),
        pass: "incremental",
        started_ms: startedMs,
        ended_ms: endedMs,
        outcome: "ok",
      } as const;
      assembler.add(this.#mark("sync", { ...mark, ...counts }));
      this.#commit(assembler, {});
    }
    this.#poll = undefined;
    this.#lastPollMs = endedMs;
    this.#error = undefined;
    this.#nextPollMs = this.#deps.monotonicMs() + this.#schedule.pollMs;
  }

  /** Goes on with the pass over everything, or begins the one that is due; returns when it ends or should yield. */
  async advancePass(connector: Connector, signal: AbortSignal): Promise<void> {
    if (this.#pass === undefined) await this.#beginPass(connector, signal);
    while (this.#pass !== undefined && !signal.aborted) {
      const before: PassState = this.#pass;
      if (before.phase === "read") await this.#readChunks(connector, before, signal);
      else await this.#sweepChunk(connector, before, signal);
      this.#error = undefined;
      if (this.#deps.shouldYield()) return;
    }
  }

  async #beginPass(connector: Connector, signal: AbortSignal): Promise<void> {
    const nowMs = this.#deps.nowMs();
    const kind = this.#nextKind();
    const remap = kind === "snapshot" && this.#deps.store.countKnown(this.entity) > 0;
    const generation = this.#meta.generation + 1;
    const pass: PassState = {
      kind,
      run: this.#deps.runId(),
      origin:
        kind === "snapshot" ? (remap ? "remap" : "snapshot") : this.#isFullScan() ? "change" : "reconcile",
      generation,
      startedMs: nowMs,
      phase: "read",
      after: null,
      sweptTo: null,
      read: 0,
      changed: 0,
      deleted: 0,
      rejected: 0,
    };
    const cursors: NonNullable<RoomCommit["cursors"]>[number][] = [];
    // Where changes go on is settled before the first row is read, so that nothing falls between snapshot and polls.
    if (kind === "snapshot" && !this.#isFullScan()) {
      const cursor = await this.#establish(connector, signal);
      if (signal.aborted) return;
      cursors.push(this.#slots.writeIncremental(cursor));
    }
    const assembler = new BatchAssembler(this.#deps.batch);
    if (kind === "snapshot") {
      assembler.add(this.#mark("snapshot_begin", { run: pass.run, pass: "snapshot", started_ms: nowMs }));
    }
    const meta = { ...this.#meta, generation };
    this.#commit(assembler, {
      cursors: [...cursors, this.#slots.writePass(pass), this.#slots.writeMeta(meta)],
    });
    this.#meta = meta;
    this.#pass = pass;
    this.#reconcileAsked = false;
  }

  /** The incremental cursor that stands for "now". */
  async #establish(connector: Connector, signal: AbortSignal): Promise<Cursor | undefined> {
    let cursor: Cursor | undefined;
    for await (const batch of this.#read(connector, "incremental", undefined, signal)) cursor = batch.cursor;
    return cursor;
  }

  async #readChunks(connector: Connector, from: PassState, signal: AbortSignal): Promise<void> {
    const read: Pass = from.kind === "keys" ? "keys" : "snapshot";
    for await (const batch of this.#read(connector, read, from.after ?? undefined, signal)) {
      const pass: PassState = this.#pass ?? from;
      const assembler = new BatchAssembler(this.#deps.batch);
      const result =
        pass.kind === "keys"
          ? await this.#takeKeys(connector, batch, pass, assembler, signal)
          : this.#deps.pipeline.process(this.#target, batch.rows, passOf(pass), assembler);
      if (signal.aborted) return;
      const next = { ...counted(pass, result, batch.rows.length), after: batch.cursor };
      this.#commit(assembler, { ...this.#records(result), cursors: [this.#slots.writePass(next)] });
      this.#pass = next;
      await this.#afterCommit(connector, batch, signal);
      if (signal.aborted || this.#deps.shouldYield()) return;
    }
    if (signal.aborted) return;
    await this.#endReading(this.#pass ?? from);
  }

  /** Known keys are marked as seen; unknown ones were missed and are read. */
  async #takeKeys(
    connector: Connector,
    batch: SourceBatch,
    pass: PassState,
    assembler: BatchAssembler,
    signal: AbortSignal,
  ): Promise<PipelineResult> {
    const keys = batch.rows.map((row) => canonicalKey(row.key, this.#target.keyRules));
    const known = this.#deps.store.known(this.entity, keys);
    const missed = batch.rows.filter((_, index) => known[index] === undefined).map((row) => row.key);
    const rows = await this.#point(connector, missed, signal);
    const result = this.#deps.pipeline.process(this.#target, rows, passOf(pass), assembler);
    const seen = known.flatMap((record) =>
      record === undefined ? [] : [{ ...record, seen: pass.generation }],
    );
    return { ...result, known: [...seen, ...result.known] };
  }

  /** Everything was read: is the number of absent keys believable? */
  async #endReading(pass: PassState): Promise<void> {
    const unseen = this.#deps.store.countUnseen(this.entity, pass.generation);
    if (unseen === 0) {
      this.#endPass(pass);
      return;
    }
    const total = this.#deps.store.countKnown(this.entity);
    const isMass = unseen >= MASS_DELETE_FROM && unseen > total * this.#schedule.massDeleteFraction;
    if (isMass && !this.#meta.deletesConfirmed) {
      this.#held = `${unseen} of ${total} records are absent from the source; nothing was deleted. If that is right, confirm it with: millrace-agent confirm-deletes`;
      this.#endPass(pass, "held");
      return;
    }
    const next: PassState = { ...pass, phase: "sweep" };
    this.#commit(new BatchAssembler(this.#deps.batch), { cursors: [this.#slots.writePass(next)] });
    this.#pass = next;
  }

  /** Deletes what this pass did not see and a point read does not find either. */
  async #sweepChunk(connector: Connector, pass: PassState, signal: AbortSignal): Promise<void> {
    const keys = this.#deps.store.unseen(this.entity, pass.generation, pass.sweptTo ?? undefined, CHUNK_ROWS);
    if (keys.length === 0) {
      this.#endPass(pass);
      return;
    }
    const rows = await this.#point(connector, keys.map(pointKey), signal);
    if (signal.aborted) return;
    const found = new Set(rows.map((row) => canonicalKey(row.key, this.#target.keyRules)));
    const absent = keys.filter((key) => !found.has(key));
    const assembler = new BatchAssembler(this.#deps.batch);
    const result = this.#deps.pipeline.process(this.#target, rows, passOf(pass), assembler);
    const rejected = new Set(this.#rejectedAmong(absent));
    this.#deps.pipeline.processDeletes(this.entity, absent, pass.origin, assembler);
    const next = {
      ...counted(pass, result, 0),
      deleted: pass.deleted + result.deleted + absent.length - rejected.size,
      sweptTo: keys.at(-1) ?? null,
    };
    const records = this.#records(result);
    this.#commit(assembler, {
      ...records,
      forgotten: [{ entity: this.entity, keys: [...result.forgotten, ...absent] }],
      cursors: [this.#slots.writePass(next)],
    });
    this.#pass = next;
    await this.#deps.committed(keys.length);
  }

  #rejectedAmong(keys: readonly string[]): readonly string[] {
    const known = this.#deps.store.known(this.entity, keys);
    return keys.filter((_, index) => known[index]?.hash === "");
  }

  #endPass(pass: PassState, outcome: "ok" | "held" = "ok"): void {
    const nowMs = this.#deps.nowMs();
    const assembler = new BatchAssembler(this.#deps.batch);
    const { run, read, changed, deleted, rejected } = pass;
    const isNews =
      pass.kind === "snapshot" ||
      outcome === "held" ||
      changed + deleted + rejected > 0 ||
      !this.#isFullScan();
    if (isNews) {
      assembler.add(
        this.#mark(pass.kind === "snapshot" ? "snapshot_end" : "sync", {
          run,
          pass: pass.kind === "snapshot" ? "snapshot" : "reconcile",
          started_ms: pass.startedMs,
          ended_ms: nowMs,
          outcome,
          read,
          changed,
          deleted,
          rejected,
          ...(outcome === "held" && this.#held !== undefined ? { error: this.#held } : {}),
        }),
      );
    }
    if (outcome === "ok") this.#held = undefined;
    const meta: EntityMeta = {
      ...this.#meta,
      snapshotOf: pass.kind === "snapshot" ? this.#mapping : this.#meta.snapshotOf,
      lastPassMs: nowMs,
      lastFullMs: pass.kind === "keys" ? this.#meta.lastFullMs : nowMs,
      deletesConfirmed: outcome === "held" && this.#meta.deletesConfirmed,
    };
    this.#commit(assembler, { cursors: [this.#slots.writePass(undefined), this.#slots.writeMeta(meta)] });
    this.#meta = meta;
    this.#pass = undefined;
    if (this.#isFullScan()) {
      this.#lastPollMs = nowMs;
      this.#nextPollMs = this.#deps.monotonicMs() + this.#schedule.pollMs;
    }
  }

  #nextKind(): PassKind {
    if (this.#needsSnapshot()) return "snapshot";
    if (this.#isFullScan() || this.#strategy.deletes !== "keys") return "reconcile";
    const isSmall = this.#deps.store.countKnown(this.entity) <= this.#schedule.fullReconcileRows;
    const isFullDue = this.#dueInMs(this.#meta.lastFullMs, FULL_RECONCILE_EVERY_MS) <= 0;
    return isSmall || isFullDue ? "reconcile" : "keys";
  }

  #needsSnapshot(): boolean {
    return this.#meta.snapshotOf !== this.#mapping;
  }

  #isFullScan(): boolean {
    return this.#strategy.strategy === "full_scan";
  }

  #untilPollMs(): number {
    return this.#nextPollMs - this.#deps.monotonicMs();
  }

  #dueInMs(lastMs: number | null, everyMs: number): number {
    const nowMs = this.#deps.nowMs();
    // A wall clock that stepped back must not put reconciliation off.
    return lastMs === null || lastMs > nowMs ? 0 : lastMs + everyMs - nowMs;
  }

  #read(
    connector: Connector,
    pass: Pass,
    after: Cursor | undefined,
    signal: AbortSignal,
  ): AsyncIterable<SourceBatch> {
    return connector.read({ entity: this.entity, pass, after, maxRows: CHUNK_ROWS, signal });
  }

  async #point(
    connector: Connector,
    keys: readonly SourceKey[],
    signal: AbortSignal,
  ): Promise<readonly SourceRow[]> {
    if (keys.length === 0) return [];
    const rows: SourceRow[] = [];
    const request = {
      entity: this.entity,
      pass: "point",
      after: undefined,
      keys,
      maxRows: CHUNK_ROWS,
      signal,
    } as const;
    for await (const batch of connector.read(request)) rows.push(...batch.rows);
    return rows;
  }

  #records(result: PipelineResult): Pick<RoomCommit, "known" | "forgotten"> {
    return {
      ...(result.known.length === 0 ? {} : { known: [{ entity: this.entity, records: result.known }] }),
      ...(result.forgotten.length === 0
        ? {}
        : { forgotten: [{ entity: this.entity, keys: result.forgotten }] }),
    };
  }

  #commit(assembler: BatchAssembler, commit: Omit<RoomCommit, "batches">): void {
    this.#deps.store.commit({ ...commit, batches: assembler.take() });
  }

  async #afterCommit(connector: Connector, batch: SourceBatch, signal: AbortSignal): Promise<void> {
    if (connector.release !== undefined) await connector.release(batch.cursor, signal);
    await this.#deps.committed(batch.rows.length);
  }

  #mark(mark: MarkEntry["mark"], fields: Omit<MarkEntry, "op" | "mark" | "entity">): string {
    return entryText({ header: { op: "mark", mark, entity: this.entity, ...fields } });
  }
}

function passOf(pass: PassState): PipelinePass {
  return { origin: pass.origin satisfies Origin, generation: pass.generation, marksSeen: true };
}

function counted(pass: PassState, result: PipelineResult, rows: number): PassState {
  const totals = { read: pass.read, changed: pass.changed, deleted: pass.deleted, rejected: pass.rejected };
  add(totals, result, rows);
  return { ...pass, ...totals };
}

interface Totals {
  read: number;
  changed: number;
  deleted: number;
  rejected: number;
}

function add(totals: Totals, result: PipelineResult, rows: number): void {
  totals.read += rows;
  totals.changed += result.changed;
  totals.deleted += result.deleted;
  totals.rejected += result.rejected;
}

/** What a connector's failure means for the entity that was read when it happened. */
export function isCursorLost(error: unknown): error is ConnectorError {
  return error instanceof ConnectorError && error.kind === "cursor_lost";
}
