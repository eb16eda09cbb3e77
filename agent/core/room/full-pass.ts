// A pass over everything: first reading, reconciliation row by row, or by keys; then the sweep of what is gone.
import type { Connector, Cursor, Pass, SourceBatch } from "../source/connector.ts";
import { canonicalKey } from "../source/key-rules.ts";
import type { BatchAssembler } from "./batch-assembler.ts";
import { pointKey, REJECTED_HASH, type PipelinePass, type PipelineResult } from "./change-pipeline.ts";
import { addTo, CHUNK_ROWS, type EntityWork } from "./entity-work.ts";
import type { EntityMeta, PassKind, PassState } from "./entity-state.ts";

export interface FullPassSettings {
  /** The entity has no change marker: this pass is also its poll. */
  readonly isFullScan: boolean;
  /** Fingerprint of what determines the record text: mapping, hidden columns, raw. */
  readonly mapping: string;
  readonly massDeleteFraction: number;
  /** Documents before this day are left out; undefined: none. */
  readonly documentsFromMs: number | undefined;
}

/** A mass delete is one of at least this many records… and of more than `massDeleteFraction` of the entity. */
export const MASS_DELETE_FROM = 20;

export class FullPass {
  readonly #work: EntityWork;
  readonly #settings: FullPassSettings;

  constructor(work: EntityWork, settings: FullPassSettings) {
    this.#work = work;
    this.#settings = settings;
  }

  /** Begins a pass of the kind if none is under way, and goes on with it; returns when it ends or should yield. */
  async advance(connector: Connector, kind: PassKind, signal: AbortSignal): Promise<void> {
    const work = this.#work;
    const isStale = this.#isStale(work.pass);
    if (work.pass === undefined || isStale) await this.#begin(connector, isStale ? "snapshot" : kind, signal);
    while (work.pass !== undefined && !signal.aborted) {
      if (work.pass.phase === "read") await this.#readChunks(connector, work.pass, signal);
      else await this.#lookAtChunk(connector, work.pass, signal);
      if (work.shouldYield("pass")) return;
    }
  }

  /** What a snapshot has read by another mapping, or with another window, would stay as it is. */
  #isStale(pass: PassState | undefined): boolean {
    return pass?.mapping !== undefined && pass.mapping !== this.#settings.mapping;
  }

  async #begin(connector: Connector, kind: PassKind, signal: AbortSignal): Promise<void> {
    const work = this.#work;
    const nowMs = work.deps.nowMs();
    const generation = work.meta.generation + 1;
    const { documentsFromMs } = this.#settings;
    const { traceparent, ...before } = work.meta;
    const pass: PassState = {
      kind,
      run: work.deps.runId(),
      origin: this.#originOf(kind),
      generation,
      ...(before.passAsked ? { asked: true } : {}),
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(kind === "snapshot" ? { mapping: this.#settings.mapping } : {}),
      ...(documentsFromMs === undefined ? {} : { documentsFromMs, narrows: this.#narrows(kind) }),
      startedMs: nowMs,
      phase: "read",
      after: null,
      sweptTo: null,
      read: 0,
      changed: 0,
      deleted: 0,
      rejected: 0,
    };
    const meta = { ...this.#metaFor(kind, before), generation, passAsked: false };
    const cursors = [work.slots.writePass(pass), work.slots.writeMeta(meta)];
    const assembler = work.assembler();
    if (kind === "snapshot") {
      // Where changes go on is settled before the first row is read, so that nothing falls between snapshot and polls. With a
      // window they go on where they were: nothing else would bring what has happened to older documents meanwhile.
      const goesOn = documentsFromMs !== undefined && work.slots.incremental() !== undefined;
      if (!this.#settings.isFullScan && !goesOn) {
        const cursor = await this.#establish(connector, signal);
        if (signal.aborted) return;
        cursors.push(work.slots.writeIncremental(cursor));
      }
      assembler.add(work.mark("snapshot_begin", { run: pass.run, pass: "snapshot", started_ms: nowMs }));
    }
    work.commit(assembler, cursors);
    work.meta = meta;
    work.pass = pass;
  }

  /** Whether documents that were read before are outside of the window now. */
  #narrows(kind: PassKind): boolean {
    const { documentsFromMs = Number.NEGATIVE_INFINITY } = this.#settings;
    const before = this.#work.meta.documentsFromMs ?? Number.NEGATIVE_INFINITY;
    return kind === "snapshot" && documentsFromMs > before;
  }

  /** Until a snapshot has ended, known records are those of the larger window. */
  #metaFor(kind: PassKind, held: EntityMeta): EntityMeta {
    const { documentsFromMs: before, ...meta } = held;
    const { documentsFromMs } = this.#settings;
    if (kind !== "snapshot") return held;
    if (before === undefined || documentsFromMs === undefined) return meta;
    return { ...meta, documentsFromMs: Math.min(before, documentsFromMs) };
  }

  #originOf(kind: PassKind): PassState["origin"] {
    if (kind === "snapshot") {
      return this.#work.knownCount > 0 ? "remap" : "snapshot";
    }
    return this.#settings.isFullScan ? "change" : "reconcile";
  }

  /** The incremental cursor that stands for "now". */
  async #establish(connector: Connector, signal: AbortSignal): Promise<Cursor | undefined> {
    let cursor: Cursor | undefined;
    for await (const batch of this.#work.read(connector, "incremental", undefined, signal)) {
      cursor = batch.cursor;
    }
    return cursor;
  }

  async #readChunks(connector: Connector, from: PassState, signal: AbortSignal): Promise<void> {
    const work = this.#work;
    const read: Pass = from.kind === "keys" ? "keys" : "snapshot";
    for await (const batch of work.read(
      connector,
      read,
      from.after ?? undefined,
      signal,
      from.documentsFromMs,
    )) {
      const assembler = work.assembler();
      const result =
        from.kind === "keys"
          ? await this.#takeKeys(connector, batch, from, assembler, signal)
          : work.process(batch.rows, passOf(from), assembler);
      // An operator may have asked for another pass meanwhile.
      if (signal.aborted || work.pass?.run !== from.run) return;
      const next = { ...counted(work.pass, result, batch.rows.length), after: batch.cursor };
      work.commit(assembler, [work.slots.writePass(next)], result);
      work.pass = next;
      await work.afterCommit(connector, batch, signal);
      if (signal.aborted || work.shouldYield("pass")) return;
    }
    if (!signal.aborted && work.pass?.run === from.run) this.#endReading(work.pass);
  }

  /** Known keys are marked as seen; unknown ones were missed and are read. */
  async #takeKeys(
    connector: Connector,
    batch: SourceBatch,
    pass: PassState,
    assembler: BatchAssembler,
    signal: AbortSignal,
  ): Promise<PipelineResult> {
    const work = this.#work;
    const keys = batch.rows.map((row) => canonicalKey(row.key, work.target.keyRules));
    const known = work.deps.store.known(work.entity, keys);
    const missed = batch.rows.filter((_, index) => known[index] === undefined).map((row) => row.key);
    const rows = await work.point(connector, missed, signal);
    const result = work.process(rows, passOf(pass), assembler);
    const seen = known.flatMap((record) =>
      record === undefined ? [] : [Object.assign({}, record, { seen: pass.generation })],
    );
    return { ...result, known: [...seen, ...result.known] };
  }

  /** Everything was read: is the number of absent keys believable? */
  #endReading(pass: PassState): void {
    const work = this.#work;
    const { store } = work.deps;
    const unseen = store.countUnseen(work.entity, pass.generation);
    if (unseen === 0) {
      this.#end(pass, "ok");
      return;
    }
    const total = work.knownCount;
    const isMass = unseen >= MASS_DELETE_FROM && unseen > total * this.#settings.massDeleteFraction;
    const isJudged = isMass && !work.meta.deletesConfirmed;
    // With a window, what was not seen may only be old.
    const mayBeThere = pass.documentsFromMs !== undefined && pass.phase === "read";
    if (isJudged && !mayBeThere) {
      work.held = `${unseen} of ${total} records are absent from the source; nothing was deleted. If that is right, confirm it with: millrace-agent confirm-deletes`;
      this.#end(pass, "held");
      return;
    }
    const next: PassState = { ...pass, phase: isJudged ? "look" : "sweep", sweptTo: null };
    work.commit(work.assembler(), [work.slots.writePass(next)]);
    work.pass = next;
  }

  /** Of what this pass did not see: rows that a point read finds stay, or leave with the window; the sweep deletes the others. */
  async #lookAtChunk(connector: Connector, pass: PassState, signal: AbortSignal): Promise<void> {
    const work = this.#work;
    const { store, pipeline } = work.deps;
    const chunk = work.deps.load.chunkRows(CHUNK_ROWS, work.entity);
    const keys = store.unseen(work.entity, pass.generation, pass.sweptTo ?? undefined, chunk);
    if (keys.length === 0) {
      if (pass.phase === "look") this.#endReading(pass);
      else this.#end(pass, "ok");
      return;
    }
    const rows = await work.point(connector, keys.map(pointKey), signal);
    if (signal.aborted || work.pass?.run !== pass.run) return;
    const found = new Set(rows.map((row) => canonicalKey(row.key, work.target.keyRules)));
    const absent = pass.phase === "look" ? [] : keys.filter((key) => !found.has(key));
    const assembler = work.assembler();
    const result =
      pass.narrows === true
        ? this.#leave(
            keys.filter((key) => found.has(key)),
            pass,
            assembler,
          )
        : work.process(rows, passOf(pass), assembler);
    // A key that was only ever dead-lettered is forgotten, not counted as a delete.
    const real = store.known(work.entity, absent).filter((record) => record?.hash !== REJECTED_HASH).length;
    pipeline.processDeletes(work.target, absent, pass.origin, assembler);
    const next = {
      ...counted(pass, result, 0),
      deleted: pass.deleted + result.deleted + real,
      sweptTo: keys.at(-1) ?? null,
    };
    work.commit(assembler, [work.slots.writePass(next)], result, absent);
    work.pass = next;
    work.deps.committed();
  }

  /** Documents that are there, and outside of a window that has become smaller. */
  #leave(keys: readonly string[], pass: PassState, assembler: BatchAssembler): PipelineResult {
    const { deps, entity } = this.#work;
    deps.pipeline.processDeletes({ entity, vanished: "out_of_scope" }, keys, pass.origin, assembler);
    const { length } = keys;
    return { known: [], forgotten: keys, changed: length, deleted: 0, rejected: 0, knownGrowth: -length };
  }

  #end(pass: PassState, outcome: "ok" | "held"): void {
    const work = this.#work;
    const nowMs = work.deps.nowMs();
    const assembler = work.assembler();
    if (outcome === "ok") work.held = undefined;
    if (this.#isNews(pass, outcome)) assembler.add(this.#endMark(pass, outcome, nowMs));
    const { documentsFromMs: before, ...rest } = work.meta;
    const from = pass.kind === "snapshot" ? pass.documentsFromMs : before;
    const meta: EntityMeta = {
      ...rest,
      ...(from === undefined ? {} : { documentsFromMs: from }),
      snapshotOf: pass.kind === "snapshot" ? this.#settings.mapping : work.meta.snapshotOf,
      lastPassMs: nowMs,
      lastFullMs: pass.kind === "keys" ? work.meta.lastFullMs : nowMs,
      deletesConfirmed: outcome === "held" && work.meta.deletesConfirmed,
    };
    work.commit(assembler, [work.slots.writePass(undefined), work.slots.writeMeta(meta)]);
    work.meta = meta;
    work.pass = undefined;
  }

  /** Full scans come as often as polls: one that found nothing is not told. */
  #isNews({ kind, changed, deleted, rejected }: PassState, outcome: "ok" | "held"): boolean {
    if (kind === "snapshot" || outcome === "held" || !this.#settings.isFullScan) return true;
    return changed + deleted + rejected > 0;
  }

  /** Somebody called it off: nothing was swept that it had not seen. */
  cancelMark(pass: PassState, nowMs: number): string {
    const { run, startedMs, read, changed, deleted, rejected } = pass;
    return this.#work.mark("sync", {
      run,
      pass: "reconcile",
      started_ms: startedMs,
      ended_ms: nowMs,
      outcome: "failed",
      read,
      changed,
      deleted,
      rejected,
      error: "called off",
      ...traceOf(pass),
    });
  }

  #endMark(pass: PassState, outcome: "ok" | "held", nowMs: number): string {
    const { kind, run, startedMs, read, changed, deleted, rejected, documentsFromMs } = pass;
    const { held } = this.#work;
    return this.#work.mark(kind === "snapshot" ? "snapshot_end" : "sync", {
      run,
      pass: kind === "snapshot" ? "snapshot" : "reconcile",
      started_ms: startedMs,
      ended_ms: nowMs,
      outcome,
      read,
      changed,
      deleted,
      rejected,
      ...(documentsFromMs === undefined ? {} : { documents_from_ms: documentsFromMs }),
      ...(held === undefined ? {} : { error: held }),
      ...traceOf(pass),
    });
  }
}

function traceOf({ traceparent }: PassState): Pick<PassState, "traceparent"> {
  return traceparent === undefined ? {} : { traceparent };
}

function passOf({ origin, generation }: PassState): PipelinePass {
  return { origin, generation, marksSeen: true };
}

function counted(pass: PassState, result: PipelineResult, rows: number): PassState {
  const totals = { read: pass.read, changed: pass.changed, deleted: pass.deleted, rejected: pass.rejected };
  addTo(totals, result, rows);
  return { ...pass, ...totals };
}
