// Takes live telemetry from a subscribed source into the outbox: samples, gaps and the cursor, together.
import { entryText } from "#common/contract/entry.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_ENTRIES } from "#common/contract/limits.ts";
import type { SampleTuple } from "#common/contract/samples.ts";
import type { Connector, SourceBatch, SourceGap, SourceSample } from "../source/connector.ts";
import { BatchAssembler, encodeBatch, type BatchDeps } from "./batch-assembler.ts";
import type { Allowance } from "./room-runner.ts";
import type { NewBatch, RoomStore } from "./room-store.ts";

export const SAMPLE_ENTITY = "telemetry_sample";
const SLOT = `${SAMPLE_ENTITY}/subscribe`;
/** A single value above this is replaced by null with status BadEncodingLimitsExceeded (OPC 10000-6, annex A). */
export const MAX_VALUE_BYTES = 64 * 1024;
const BAD_ENCODING_LIMITS_EXCEEDED = 0x80_08_00_00;

export interface TelemetryDeps {
  readonly store: RoomStore;
  readonly batch: BatchDeps;
  readonly nowMs: () => number;
  readonly allowance: () => Allowance;
  /** Called after each commit; makes room by the telemetry policy where the budget asks for it. */
  readonly committed: (samples: number) => void;
}

export interface TelemetryProgress {
  readonly samples: number;
  readonly lastSampleMs: number | undefined;
}

/**
 * While space is short, what comes in is put together for this long, ms: every batch keeps its seq for ever, even when
 * its samples have given way, so there must be few of them. Nobody receives them meanwhile anyway.
 */
const HOLD_MS = 10_000;

/** Samples that could not be kept at all. */
interface Refused {
  fromMs: number;
  toMs: number;
  count: number;
}

export class TelemetryRunner {
  readonly #deps: TelemetryDeps;
  #samples = 0;
  #lastSampleMs: number | undefined;
  #held: SourceBatch[] = [];
  #heldSinceMs = 0;
  #refused: Refused | undefined;

  constructor(deps: TelemetryDeps) {
    this.#deps = deps;
  }

  progress(): TelemetryProgress {
    return { samples: this.#samples, lastSampleMs: this.#lastSampleMs };
  }

  /** Runs until the signal aborts; throws what the connector throws. */
  async run(connector: Connector, signal: AbortSignal): Promise<void> {
    const after = this.#deps.store.cursor(SLOT);
    const request = {
      entity: SAMPLE_ENTITY,
      pass: "subscribe",
      after,
      maxRows: MAX_BATCH_ENTRIES,
      signal,
    } as const;
    // What was held when the last run failed stands behind the cursor: the source gives it again, or a gap.
    this.#held = [];
    for await (const batch of connector.read(request)) {
      const isDurable = this.#take(batch);
      if (isDurable) await connector.release?.(batch.cursor, signal);
    }
    this.#flush();
  }

  /** Whether this batch, and all before it, are durable. */
  #take(batch: SourceBatch): boolean {
    const { telemetry, writes } = this.#deps.allowance();
    if (writes === "refused") {
      this.#refuse(batch);
      return false;
    }
    if (this.#held.length === 0) this.#heldSinceMs = this.#deps.nowMs();
    this.#held.push(batch);
    if (telemetry === "policy" && !this.#isHeldLongEnough()) return false;
    this.#flush();
    return true;
  }

  #isHeldLongEnough(): boolean {
    const samples = this.#held.reduce((sum, batch) => sum + (batch.samples?.length ?? 0), 0);
    return samples >= MAX_BATCH_ENTRIES || Math.abs(this.#deps.nowMs() - this.#heldSinceMs) >= HOLD_MS;
  }

  /** Commits everything held, with the cursor of the last of it. */
  #flush(): void {
    const held = this.#held;
    const last = held.at(-1);
    if (last === undefined) return;
    const live = held.filter(({ backfilled }) => backfilled !== true).flatMap(({ samples }) => samples ?? []);
    const backfilled = held
      .filter((batch) => batch.backfilled === true)
      .flatMap(({ samples }) => samples ?? []);
    const gaps = held.flatMap((batch) => batch.gaps ?? []);
    this.#deps.store.commit({
      batches: [
        ...this.#gaps(this.#refused === undefined ? gaps : [refusedGap(this.#refused), ...gaps]),
        ...sampleBatches(this.#deps.batch, backfilled, true),
        ...sampleBatches(this.#deps.batch, live, false),
      ],
      cursors: [{ slot: SLOT, cursor: last.cursor }],
    });
    this.#held = [];
    this.#refused = undefined;
    const count = live.length + backfilled.length;
    this.#samples += count;
    if (count > 0) this.#lastSampleMs = this.#deps.nowMs();
    this.#deps.committed(count);
  }

  /** Not even a gap can be written: it is remembered, and the cursor stays. After a restart the source's history is asked. */
  #refuse({ samples = [] }: SourceBatch): void {
    for (const { sourceMs, serverMs } of samples) {
      const atMs = sourceMs ?? serverMs ?? this.#deps.nowMs();
      this.#refused ??= { fromMs: atMs, toMs: atMs, count: 0 };
      this.#refused.fromMs = Math.min(this.#refused.fromMs, atMs);
      this.#refused.toMs = Math.max(this.#refused.toMs, atMs);
      this.#refused.count += 1;
    }
  }

  #gaps(gaps: readonly SourceGap[]): readonly NewBatch[] {
    const assembler = new BatchAssembler(this.#deps.batch);
    for (const gap of gaps) {
      assembler.add(
        entryText({
          header: {
            op: "gap",
            reason: gap.reason,
            entity: "telemetry_point",
            ...(gap.point === undefined ? {} : { key: JSON.stringify([gap.point]) }),
            ...(gap.fromMs === undefined ? {} : { from_ms: gap.fromMs }),
            to_ms: gap.toMs,
            detail: gap.detail.slice(0, 2_000),
          },
        }),
      );
    }
    return assembler.take();
  }
}

function refusedGap({ fromMs, toMs, count }: Refused): SourceGap {
  return {
    reason: "dropped_by_quota",
    fromMs,
    toMs,
    detail: `no space at all: ${count} samples were not kept`,
  };
}

/** Samples as batches within the wire's limits, in order. Points are named by their canonical key. */
export function sampleBatches(
  deps: BatchDeps,
  samples: readonly SourceSample[],
  backfilled: boolean,
): readonly NewBatch[] {
  const batches: NewBatch[] = [];
  let points = new Map<string, number>();
  let tuples: string[] = [];
  let bytes = 0;
  const close = (): void => {
    const flag = backfilled ? `,"backfilled":true` : "";
    const body = `{"points":${JSON.stringify([...points.keys()])},"samples":[${tuples.join(",")}]${flag}}`;
    batches.push(encodeBatch(deps, "samples", tuples.length, body));
    points = new Map();
    tuples = [];
    bytes = 0;
  };
  for (const sample of samples) {
    const key = JSON.stringify([sample.point]);
    let index = points.get(key);
    if (index === undefined) {
      index = points.size;
      points.set(key, index);
      bytes += key.length;
    }
    const text = tupleText(index, sample);
    tuples.push(text);
    bytes += text.length;
    if (tuples.length >= MAX_BATCH_ENTRIES || bytes >= MAX_BATCH_BYTES) close();
  }
  if (tuples.length > 0) close();
  return batches;
}

function tupleText(index: number, sample: SourceSample): string {
  const tuple: SampleTuple = [index, sample.value ?? null, sample.status, sample.sourceMs, sample.serverMs];
  const text = JSON.stringify(tuple);
  if (text.length <= MAX_VALUE_BYTES) return text;
  const replaced: SampleTuple = [index, null, BAD_ENCODING_LIMITS_EXCEEDED, sample.sourceMs, sample.serverMs];
  return JSON.stringify(replaced);
}
