// A sandbox's stream: entries become batches, and batches go by the same ingest as those of an agent.
import { entryText, type Entry, type MarkEntry, type Origin } from "#common/contract/entry.ts";
import type { BatchFrame } from "#common/contract/frame.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_ENTRIES } from "#common/contract/limits.ts";
import type { SamplesBody, SampleTuple } from "#common/contract/samples.ts";
import { applyFrames, type IngestDeps } from "../ingest/ingest.ts";
import type { ConnectionRow } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import { MAPPING_VERSION, type SourceRecord } from "./sandbox-product.ts";

export interface StreamDeps {
  readonly ingest: IngestDeps;
  readonly entropy: Entropy;
}

interface Batch {
  readonly kind: "records" | "samples";
  readonly entries: number;
  readonly body: string;
}

const EPOCH_BYTES = 8;
const HASH_CHARS = 22;
const MAX_SAMPLES = 2_000;
/** Batches in one transaction: others have their turn between two. */
const GROUP = 4;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Begins a new epoch: what it does not confirm is swept when a snapshot ends. */
export async function beginEpoch(deps: StreamDeps, { id: connectionId }: ConnectionRow): Promise<void> {
  const epoch = hexOf(deps.entropy.randomBytes(EPOCH_BYTES));
  await deps.ingest.store.ingest(async (tx) => {
    const before = await tx.stream(connectionId);
    await tx.putStream({ connectionId, epoch, epochNo: before?.epochNo ?? 0, ackedSeq: 0, ackedId: "" });
  });
}

/** Resolves with the number of events, when all of it is durable. Nothing happens to a connection that is disconnected. */
export async function sendEntries(
  deps: StreamDeps,
  connection: ConnectionRow,
  entries: readonly Entry[],
): Promise<number> {
  return sendBatches(deps, connection, [...recordBatches(entries)]);
}

export async function sendSamples(
  deps: StreamDeps,
  connection: ConnectionRow,
  points: readonly string[],
  samples: readonly SampleTuple[],
): Promise<number> {
  const batches: Batch[] = [];
  for (let at = 0; at < samples.length; at += MAX_SAMPLES) {
    const some = samples.slice(at, at + MAX_SAMPLES);
    const body: SamplesBody = { points: [...points], samples: some };
    batches.push({ kind: "samples", entries: some.length, body: JSON.stringify(body) });
  }
  return sendBatches(deps, connection, batches);
}

export function upsertEntry(
  { entropy }: Pick<StreamDeps, "entropy">,
  { entity, key, record, raw, version }: SourceRecord,
  origin: Origin,
  readMs: number,
): Entry {
  const texts = { record: JSON.stringify(record), raw: JSON.stringify(raw) };
  const hash = hashOf(entropy.sha256Hex(`${texts.record}\n${texts.raw}\n`));
  const header = { op: "upsert", entity, key, hash, version, origin, read_ms: readMs, raw: true } as const;
  return { header, ...texts };
}

export function markEntry(mark: Omit<MarkEntry, "op">): Entry {
  return { header: { op: "mark", ...mark } };
}

async function sendBatches(
  deps: StreamDeps,
  { id: connectionId, workspaceId }: ConnectionRow,
  batches: readonly Batch[],
): Promise<number> {
  const { ingest } = deps;
  const waiting = [...batches];
  let events = 0;
  while (waiting.length > 0) {
    const group = waiting.splice(0, GROUP);
    events += await ingest.store.ingest(async (tx) => {
      const stream = await tx.stream(connectionId);
      if (stream === undefined) return 0;
      const frames = group.map((batch, index) => frameOf(deps, stream.ackedSeq + 1 + index, batch));
      const outcome = await applyFrames(ingest, tx, workspaceId, stream, () => frames.shift());
      waiting.unshift(...group.slice(outcome.batches));
      return outcome.events;
    });
  }
  return events;
}

function frameOf({ ingest, entropy }: StreamDeps, seq: number, batch: Batch): BatchFrame {
  const { kind, entries, body } = batch;
  const header = { kind, entries, closedAtMs: ingest.nowMs(), mappingVersion: MAPPING_VERSION };
  const id = hexOf(entropy.randomBytes(EPOCH_BYTES));
  return { type: "batch", stream: 0, seq, id, blob: ingest.codec.encode(header, body) };
}

function* recordBatches(entries: readonly Entry[]): Generator<Batch> {
  let texts: string[] = [];
  let chars = 0;
  for (const entry of entries) {
    const text = entryText(entry);
    if (texts.length > 0 && (texts.length === MAX_BATCH_ENTRIES || chars + text.length > MAX_BATCH_BYTES)) {
      yield { kind: "records", entries: texts.length, body: texts.join("") };
      texts = [];
      chars = 0;
    }
    texts.push(text);
    chars += text.length;
  }
  if (texts.length > 0) yield { kind: "records", entries: texts.length, body: texts.join("") };
}

/** The first 128 bits, base64url. */
function hashOf(hex: string): string {
  let text = "";
  for (let bit = 0; text.length < HASH_CHARS; bit += 6) {
    const at = bit >> 2;
    const window = Number.parseInt(
      hex
        .slice(0, 32)
        .slice(at, at + 3)
        .padEnd(3, "0"),
      16,
    );
    text += ALPHABET.charAt((window >> (bit % 4 === 0 ? 6 : 4)) & 0x3f);
  }
  return text;
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
