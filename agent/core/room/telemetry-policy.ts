// How telemetry makes room at 95 %: which stored sample batches are replaced by what. Plans only; nothing is written here.
import type { BatchCodec } from "#common/contract/batch.ts";
import { entryText } from "#common/contract/entry.ts";
import type { GapEntry } from "#common/contract/entry.ts";
import type { SampleTuple, SamplesBody } from "#common/contract/samples.ts";
import type { RoomConfig } from "./messages.ts";
import type { NewBatch, RoomStore, StoredBatch } from "./room-store.ts";

export type TelemetryPolicy = RoomConfig["telemetryPolicy"];

/** A body that takes the place of a stored one; seq and id stay, so the stream has no hole. */
export interface Replacement {
  readonly seq: number;
  readonly batch: Omit<NewBatch, "id">;
}

export interface PolicyDeps {
  readonly codec: BatchCodec;
  readonly nowMs: () => number;
}

/** Looked at in one step. Batches already thinned stay in view until this many stand at the front: then the oldest go. */
const POLICY_STEP_BATCHES = 128;
/** `decimate` keeps one sample of this many for each point, and each change of quality. */
const KEEP_ONE_OF = 10;

/** A stored batch that holds one gap entry, at most, and one that holds nothing (its header). */
const GAP_BYTES = 400;
const EMPTY_BYTES = 32;

/**
 * What to do to the given sample batches, oldest first, until about `wantedBytes` are freed.
 *
 * drop_oldest  the oldest batches become one gap entry over their interval, and empty bodies behind it
 * decimate     each point keeps its first, its last and every tenth sample; a batch that cannot shrink is dropped
 * last_value   each point keeps its last sample; likewise
 *
 * A policy that keeps samples works on neighbours: the odd seq becomes the gap that tells of both, the even one holds what is
 * kept. So what was thinned before is never paired again: batches alone are dropped when nothing else is left.
 */
export function planRelief(
  policy: TelemetryPolicy,
  batches: readonly StoredBatch[],
  wantedBytes: number,
  deps: PolicyDeps,
): readonly Replacement[] {
  if (policy === "drop_oldest") return dropOldest(batches, wantedBytes, deps);
  const plan: Replacement[] = [];
  const alone: StoredBatch[] = [];
  let freed = 0;
  for (let index = 0; index < batches.length && freed < wantedBytes; index += 1) {
    const first = batches[index];
    const second = batches[index + 1];
    if (first === undefined) break;
    if (first.seq % 2 === 1 && second?.seq === first.seq + 1) {
      const step = thinned(policy, first, second, deps);
      plan.push(...step);
      freed += sizeOf([first, second]) - sizeOf(step.map(({ batch }) => batch));
      index += 1;
    } else alone.push(first);
  }
  return freed >= wantedBytes ? plan : [...plan, ...dropOldest(alone, wantedBytes - freed, deps)];
}

function dropOldest(
  batches: readonly StoredBatch[],
  wantedBytes: number,
  deps: PolicyDeps,
): readonly Replacement[] {
  let freed = -GAP_BYTES;
  let count = 0;
  for (; count < batches.length && freed < wantedBytes; count += 1) {
    freed += (batches[count]?.blob.length ?? 0) - EMPTY_BYTES;
  }
  return count === 0 ? [] : dropped(batches.slice(0, count), deps);
}

/** Frees about `wantedBytes` in the store by the policy; the room calls it after commits. False when nothing is left to thin. */
export function relieve(
  store: RoomStore,
  policy: TelemetryPolicy,
  wantedBytes: number,
  deps: PolicyDeps,
): boolean {
  const batches = store.oldest("samples", POLICY_STEP_BATCHES);
  for (const { seq, batch } of planRelief(policy, batches, wantedBytes, deps)) store.replace(seq, batch);
  return batches.length > 0;
}

function thinned(
  policy: TelemetryPolicy,
  first: StoredBatch,
  second: StoredBatch,
  deps: PolicyDeps,
): readonly Replacement[] {
  const bodies = [first, second].map((batch) => samplesOf(batch, deps.codec));
  const merged = merge(bodies);
  const kept = merged === undefined ? [] : keep(policy, merged.samples);
  // Nothing to thin any more: only dropping helps.
  if (merged === undefined || kept.length * 2 > merged.samples.length) {
    return dropped([first, second], deps);
  }
  const body = compact({ ...merged, samples: kept });
  const { mappingVersion } = deps.codec.decode(second.blob);
  const header = {
    kind: "samples",
    entries: kept.length,
    closedAtMs: deps.nowMs(),
    mappingVersion,
  } as const;
  const blob = deps.codec.encode(header, JSON.stringify(body));
  const [gap] = dropped([first, second], deps, kept.length);
  return [
    ...(gap === undefined ? [] : [gap]),
    { seq: second.seq, batch: { kind: "samples", entries: kept.length, blob } },
  ];
}

/** One gap over the interval of all the batches, in the place of the first; nothing in the places of the others. */
function dropped(batches: readonly StoredBatch[], deps: PolicyDeps, kept = 0): readonly Replacement[] {
  const times = batches.flatMap((batch) => sampleTimes(samplesOf(batch, deps.codec)));
  const entries = batches.reduce((sum, batch) => sum + batch.entries, 0);
  const gap: GapEntry = {
    op: "gap",
    reason: "dropped_by_quota",
    entity: "telemetry_point",
    ...(times.length === 0 ? {} : { from_ms: times.reduce((a, b) => Math.min(a, b)) }),
    to_ms: times.length === 0 ? deps.nowMs() : times.reduce((a, b) => Math.max(a, b)),
    detail: `the outbox is full: ${entries - kept} of ${entries} samples were dropped`,
  };
  return batches.map((batch, index) => ({
    seq: batch.seq,
    batch: recordsBody(index === 0 ? entryText({ header: gap }) : "", batch, deps),
  }));
}

function recordsBody(body: string, replaced: StoredBatch, deps: PolicyDeps): Omit<NewBatch, "id"> {
  const entries = body === "" ? 0 : 1;
  const mappingVersion = mappingVersionOf(replaced, deps.codec);
  const header = { kind: "records", entries, closedAtMs: deps.nowMs(), mappingVersion } as const;
  return { kind: "records", entries, blob: deps.codec.encode(header, body) };
}

/** By point, in order: the tuples that the policy keeps. */
function keep(policy: TelemetryPolicy, samples: readonly SampleTuple[]): SampleTuple[] {
  const last = new Map<number, SampleTuple>();
  for (const sample of samples) last.set(sample[0], sample);
  if (policy === "last_value") return samples.filter((sample) => last.get(sample[0]) === sample);
  const seen = new Map<number, { count: number; status: number }>();
  return samples.filter((sample) => {
    const [point, , status] = sample;
    const before = seen.get(point);
    seen.set(point, { count: (before?.count ?? 0) + 1, status });
    if (before === undefined || before.status !== status || last.get(point) === sample) return true;
    return before.count % KEEP_ONE_OF === 0;
  });
}

/** Two bodies as one; `undefined` when one cannot be read, or only one of them was backfilled. */
function merge(bodies: readonly (SamplesBody | undefined)[]): SamplesBody | undefined {
  const [first, second] = bodies;
  if (first === undefined || second === undefined || first.backfilled !== second.backfilled) return undefined;
  const points = [...new Set([...first.points, ...second.points])];
  const at = new Map(points.map((point, index) => [point, index]));
  const samples = [first, second].flatMap((body) =>
    (body.samples as SampleTuple[]).map((sample) =>
      pointedAt(sample, at.get(body.points[sample[0]] ?? "") ?? 0),
    ),
  );
  return first.backfilled === undefined
    ? { points, samples }
    : { points, samples, backfilled: first.backfilled };
}

function pointedAt([, value, status, sourceMs, serverMs]: SampleTuple, point: number): SampleTuple {
  return [point, value, status, sourceMs, serverMs];
}

/** Without points that no sample names. */
function compact(body: SamplesBody): SamplesBody {
  const samples = body.samples as SampleTuple[];
  const used = [...new Set(samples.map(([point]) => point))];
  const at = new Map(used.map((point, index) => [point, index]));
  const renumbered = samples.map((sample) => pointedAt(sample, at.get(sample[0]) ?? 0));
  return { ...body, points: used.map((point) => body.points[point] ?? ""), samples: renumbered };
}

/** `undefined` for a body that is not readable: it is dropped as a whole. */
function samplesOf(batch: StoredBatch, codec: BatchCodec): SamplesBody | undefined {
  try {
    return JSON.parse(codec.decode(batch.blob).body) as SamplesBody;
  } catch {
    return undefined;
  }
}

function sampleTimes(body: SamplesBody | undefined): number[] {
  const times: number[] = [];
  for (const [, , , sourceMs, serverMs] of (body?.samples ?? []) as SampleTuple[]) {
    const time = sourceMs ?? serverMs;
    if (time !== null) times.push(time);
  }
  return times;
}

function mappingVersionOf(batch: StoredBatch, codec: BatchCodec): string {
  try {
    return codec.decode(batch.blob).mappingVersion;
  } catch {
    return "";
  }
}

function sizeOf(batches: readonly { readonly blob: Uint8Array }[]): number {
  return batches.reduce((sum, { blob }) => sum + blob.length, 0);
}
