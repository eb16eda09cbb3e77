// What polls and passes of one entity share: its remembered state, reading it, and committing what came of it.
import { entryText, type MarkEntry } from "#common/contract/entry.ts";
import type { LoadKind } from "../load/row-allowance.ts";
import type { SourceLoad } from "../load/source-load.ts";
import { canonicalKey } from "../source/key-rules.ts";
import type { Connector, Cursor, Pass, SourceBatch, SourceKey, SourceRow } from "../source/connector.ts";
import { BatchAssembler, type BatchDeps } from "./batch-assembler.ts";
import type { ChangePipeline, PipelineEntity, PipelinePass, PipelineResult } from "./change-pipeline.ts";
import { EntitySlots, type EntityMeta, type PassState } from "./entity-state.ts";
import type { RoomCommit, RoomStore } from "./room-store.ts";
import type { WriteMarks } from "./write-marks.ts";

/**
 * Rows asked for in one chunk, and keys in one point read or sweep, where the source's load is not limited to less. A chunk is a commit: scattered keys touch each page of
 * known records less often in larger ones (measured at 500, 1,000 and 2,000: 40, 33 and 24 µs a row), but nothing of a
 * chunk is sent before all of it is mapped.
 */
export const CHUNK_ROWS = 1_000;

export interface EntityDeps {
  readonly store: RoomStore;
  readonly pipeline: ChangePipeline;
  readonly batch: BatchDeps;
  readonly nowMs: () => number;
  /** Polls go by this one: the wall clock may step. */
  readonly monotonicMs: () => number;
  /** Short random id of a run. */
  readonly runId: () => string;
  /** Called after each commit. */
  readonly committed: () => void;
  /** Whether to break off between chunks, because something else is due. */
  readonly shouldYield: () => boolean;
  /** What the source is asked goes through here. */
  readonly load: SourceLoad;
  readonly marks?: WriteMarks | undefined;
}

export interface Totals {
  read: number;
  changed: number;
  deleted: number;
  rejected: number;
}

type CursorWrite = NonNullable<RoomCommit["cursors"]>[number];

export class EntityWork {
  readonly deps: EntityDeps;
  readonly target: PipelineEntity;
  readonly slots: EntitySlots;
  /** As committed. */
  meta: EntityMeta;
  pass: PassState | undefined;
  /** Why the last pass did not delete what it should have, for people. */
  held: string | undefined;
  #knownCount: number | undefined;

  constructor(deps: EntityDeps, target: PipelineEntity) {
    this.deps = deps;
    this.target = target;
    this.slots = new EntitySlots(deps.store, target.entity);
    this.meta = this.slots.meta();
    this.pass = this.slots.pass();
  }

  get entity(): string {
    return this.target.entity;
  }

  /** Counting walks over all known records, and reports ask every second: counted once, then kept up. */
  get knownCount(): number {
    this.#knownCount ??= this.deps.store.countKnown(this.entity);
    return this.#knownCount;
  }

  assembler(): BatchAssembler {
    return new BatchAssembler(this.deps.batch);
  }

  process(rows: readonly SourceRow[], pass: PipelinePass, assembler: BatchAssembler): PipelineResult {
    return this.deps.pipeline.process(this.target, rows, pass, assembler);
  }

  /** Batches, records and cursors of one step, together. */
  commit(
    assembler: BatchAssembler,
    cursors: readonly CursorWrite[],
    result?: PipelineResult,
    alsoForgotten: readonly string[] = [],
  ): void {
    const { entity } = this;
    const known = result?.known ?? [];
    const forgotten = [...(result?.forgotten ?? []), ...alsoForgotten];
    this.deps.store.commit({
      batches: assembler.take(),
      cursors,
      ...(known.length === 0 ? {} : { known: [{ entity, records: known }] }),
      ...(forgotten.length === 0 ? {} : { forgotten: [{ entity, keys: forgotten }] }),
    });
    if (this.#knownCount !== undefined) {
      this.#knownCount += (result?.knownGrowth ?? 0) - alsoForgotten.length;
    }
  }

  async afterCommit(connector: Connector, batch: SourceBatch, signal: AbortSignal): Promise<void> {
    if (connector.release !== undefined) await connector.release(batch.cursor, signal);
    this.deps.committed();
  }

  /** Whether to break off here: something else is due, or the source has given what it may for now. */
  shouldYield(kind: LoadKind): boolean {
    return this.deps.shouldYield() || this.deps.load.isOverdrawn(kind);
  }

  mark(mark: MarkEntry["mark"], fields: Omit<MarkEntry, "op" | "mark" | "entity">): string {
    return entryText({ header: { op: "mark", mark, entity: this.entity, ...fields } });
  }

  async *read(
    connector: Connector,
    pass: Pass,
    after: Cursor | undefined,
    signal: AbortSignal,
    documentsFromMs?: number,
  ): AsyncGenerator<SourceBatch> {
    const { entity } = this;
    const request = { entity, pass, after, documentsFromMs, maxRows: CHUNK_ROWS, signal };
    for await (const batch of this.deps.load.read(connector, request)) {
      await this.#written(() => batch.rows.map(({ key }) => key), signal);
      yield batch;
    }
  }

  /** Rows that a write has in hand wait for its end: then it is known whether they are what it left. */
  #written(keys: () => readonly SourceKey[], signal: AbortSignal): Promise<void> | undefined {
    const canonical = (): readonly string[] => keys().map((key) => canonicalKey(key, this.target.keyRules));
    return this.deps.marks?.settled(this.entity, canonical, signal);
  }

  /** The rows of these keys that exist now. */
  async point(
    connector: Connector,
    keys: readonly SourceKey[],
    signal: AbortSignal,
  ): Promise<readonly SourceRow[]> {
    if (keys.length === 0) return [];
    const { entity } = this;
    const rows: SourceRow[] = [];
    const request = { entity, pass: "point", after: undefined, keys, maxRows: CHUNK_ROWS, signal } as const;
    for await (const batch of this.deps.load.read(connector, request)) rows.push(...batch.rows);
    await this.#written(() => keys, signal);
    return rows;
  }
}

export function addTo(totals: Totals, result: PipelineResult, rows: number): void {
  totals.read += rows;
  totals.changed += result.changed;
  totals.deleted += result.deleted;
  totals.rejected += result.rejected;
}
