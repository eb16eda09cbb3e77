// Applies batches of one stream to the store, in one transaction: records, feed, samples, gaps, runs, the stream's position.
import { BatchDecodeError, type BatchCodec, type DecodedBatch } from "#common/contract/batch.ts";
import { checkHeader, checkSamplesBody } from "#common/contract/checks.ts";
import {
  parseEntries,
  type DeleteEntry,
  type EntryHeader,
  type GapEntry,
  type MarkEntry,
  type RejectEntry,
  type UpsertEntry,
} from "#common/contract/entry.ts";
import type { BatchFrame } from "#common/contract/frame.ts";
import type { RecordRejected } from "#common/contract/messages.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { IngestTx, NewSample, Store, StoredGap, StreamState, SyncRun } from "../store.ts";
import { checkRecord } from "./record-check.ts";
import { writeHappenings, type Happening, type PlainEvent, type WriterContext } from "./record-writer.ts";
import { judgeSweep, sweep, type SweepContext } from "./sweep.ts";

export interface IngestDeps {
  readonly store: Store;
  readonly codec: BatchCodec;
  readonly nowMs: () => number;
  readonly recordId: (connectionId: string, entity: string, key: string) => string;
  /** Share of an entity's records that a new epoch may sweep without being asked. */
  readonly massDeleteFraction: number;
}

/** Whose frames these are. */
export interface IngestSession {
  readonly agentId: string;
  readonly session: number;
  readonly workspaceId: string;
}

export interface IngestStream {
  readonly connectionId: string;
  readonly epoch: string;
}

/** What became of the frames: to be told to the agent and to whoever waits for the feed. */
export interface IngestOutcome {
  readonly batches: number;
  readonly ackedSeq: number;
  readonly events: number;
  readonly rejected: readonly RecordRejected[];
  /** Undecodable batches were passed over: the connection must be read anew. */
  readonly resnapshot: boolean;
}

/** A newer session has taken over: nothing was written. */
export class FencedError extends MillraceError {
  override name = "FencedError";
}

/** The agent skipped a seq or speaks of another epoch: nothing was written, the session must close. */
export class StreamOrderError extends MillraceError {
  override name = "StreamOrderError";
}

/**
 * Frames of one stream, in the order received, as many as `next` gives and the store has time for. Already applied ones are
 * passed over (their ack was lost).
 * @throws FencedError, StreamOrderError, StoreFullError; nothing was written then
 */
export function ingestFrames(
  deps: IngestDeps,
  session: IngestSession,
  stream: IngestStream,
  next: () => BatchFrame | undefined,
): Promise<IngestOutcome> {
  return deps.store.ingest(async (tx) => {
    if (!(await tx.isCurrentSession(session.agentId, session.session))) {
      throw new FencedError("a newer session of this agent has taken over");
    }
    const state = await tx.stream(stream.connectionId);
    if (state === undefined || state.epoch !== stream.epoch) {
      throw new StreamOrderError(`epoch ${stream.epoch} is not the stream's`);
    }
    return applyFrames(deps, tx, session.workspaceId, state, next);
  });
}

/**
 * For streams that no agent sends, which nobody can fence: frames of one stream within the caller's own transaction.
 * @throws StreamOrderError
 */
export async function applyFrames(
  deps: IngestDeps,
  tx: IngestTx,
  workspaceId: string,
  stream: StreamState,
  next: () => BatchFrame | undefined,
): Promise<IngestOutcome> {
  const work = new IngestWork(deps, tx, workspaceId, stream);
  for (let frame = next(); frame !== undefined; frame = (await tx.pause()) ? undefined : next()) {
    await work.take(frame);
  }
  return work.finish();
}

interface CheckedEntry {
  readonly header: EntryHeader;
  readonly record: string | undefined;
  readonly raw: string | undefined;
}

/** One transaction's worth of frames. */
class IngestWork {
  readonly #deps: IngestDeps;
  readonly #tx: IngestTx;
  #context: WriterContext;
  readonly #gaps: StoredGap[] = [];
  readonly #runs: SyncRun[] = [];
  /** Keys whose last word is that they are dead-lettered. */
  readonly #rejects = new Map<string, RejectEntry>();
  /** Keys of an entity that a good record or a delete has healed, if anything was wrong with them. */
  readonly #healed = new Map<string, string[]>();
  readonly #rejected: RecordRejected[] = [];
  #happenings: Happening[] = [];
  #stream: StreamState;
  #batches = 0;
  #seq = 0;
  /** Of the next happening within its batch; event ids are made of it. */
  #index = 0;
  #events = 0;
  #resnapshot = false;

  constructor(deps: IngestDeps, tx: IngestTx, workspaceId: string, stream: StreamState) {
    this.#deps = deps;
    this.#tx = tx;
    this.#stream = stream;
    const { connectionId, epochNo } = stream;
    const { recordId } = deps;
    this.#context = { tx, workspaceId, connectionId, epochNo, nowMs: deps.nowMs(), recordId };
  }

  async take(frame: BatchFrame): Promise<void> {
    this.#batches += 1;
    if (frame.seq <= this.#stream.ackedSeq) return;
    if (frame.seq !== this.#stream.ackedSeq + 1) {
      throw new StreamOrderError(`seq ${frame.seq} came after ${this.#stream.ackedSeq}`);
    }
    this.#seq = frame.seq;
    this.#index = 0;
    try {
      const batch = this.#deps.codec.decode(frame.blob);
      if (batch.kind === "samples") await this.#samples(batch);
      else await this.#records(batch);
    } catch (error) {
      if (!(error instanceof BatchDecodeError || error instanceof SyntaxError)) throw error;
      await this.#undecodable(frame, error);
    }
    await this.#flush();
    this.#stream = { ...this.#stream, ackedSeq: frame.seq, ackedId: frame.id };
  }

  async finish(): Promise<IngestOutcome> {
    const tx = this.#tx;
    if (this.#gaps.length > 0) await tx.putGaps(this.#gaps);
    if (this.#runs.length > 0) await tx.putSyncRuns(this.#runs);
    await this.#putLetters();
    await tx.putStream(this.#stream);
    return {
      batches: this.#batches,
      ackedSeq: this.#stream.ackedSeq,
      events: this.#events,
      rejected: this.#rejected,
      resnapshot: this.#resnapshot,
    };
  }

  async #flush(): Promise<void> {
    const happenings = this.#happenings;
    this.#happenings = [];
    if (happenings.length > 0) this.#events += await writeHappenings(this.#context, happenings);
  }

  async #records(batch: DecodedBatch): Promise<void> {
    // Every header is checked first: a batch that cannot be taken apart must not be half applied.
    const entries: CheckedEntry[] = [];
    for (const { header: unchecked, record, raw } of parseEntries(batch.body)) {
      const header = checkHeader(unchecked);
      if (header === undefined) throw new BatchDecodeError("an entry's header does not fit its schema");
      entries.push({ header, record, raw });
    }
    for (const { header, record, raw } of entries) {
      if (header.op === "gap") this.#gap(header);
      else if (header.op === "epoch") await this.#beginEpoch();
      else if (header.op === "mark") await this.#mark(header);
      else this.#change(header, record ?? "", raw, batch.mappingVersion);
    }
  }

  #change(
    header: UpsertEntry | DeleteEntry | RejectEntry,
    record: string,
    raw: string | undefined,
    mappingVersion: string,
  ): void {
    if (header.op === "reject") {
      this.#reject(header);
      return;
    }
    if (header.op === "delete") {
      this.#heal(header.entity, header.key);
      this.#happen({ kind: "delete", header, eventId: this.#nextEventId() });
      return;
    }
    const { entity, key, read_ms } = header;
    const verdict = checkRecord(entity, record, raw);
    if (verdict.ok) {
      this.#heal(entity, key);
      const { remoteId } = verdict;
      const eventId = this.#nextEventId();
      this.#happen({ kind: "upsert", header, record, raw, remoteId, mappingVersion, eventId });
      return;
    }
    const { code, detail } = verdict;
    this.#reject({ op: "reject", entity, key, code, detail, read_ms });
    this.#rejected.push({
      type: "record_rejected",
      connection_id: this.#context.connectionId,
      entity,
      key,
      code,
      detail,
    });
  }

  #reject(header: RejectEntry): void {
    this.#rejects.set(`${header.entity}:${header.key}`, header);
    this.#happen({ kind: "reject", header, eventId: this.#nextEventId() });
  }

  #heal(entity: string, key: string): void {
    if (this.#rejects.size > 0) this.#rejects.delete(`${entity}:${key}`);
    const healed = this.#healed.get(entity);
    if (healed === undefined) this.#healed.set(entity, [key]);
    else healed.push(key);
  }

  /** What was rejected after it was healed is put last. */
  async #putLetters(): Promise<void> {
    const { connectionId } = this.#context;
    for (const [entity, keys] of this.#healed) await this.#tx.clearRejects(connectionId, entity, keys);
    if (this.#rejects.size > 0) await this.#tx.putRejects(connectionId, [...this.#rejects.values()]);
  }

  #gap(header: GapEntry): void {
    const { op: _, ...gap } = header;
    const { connectionId, nowMs } = this.#context;
    const id = `gap_${this.#stream.epoch}_${this.#seq}_${this.#index}`;
    this.#gaps.push({ ...gap, id, connectionId, recordedAtMs: nowMs });
    const data = JSON.stringify({ gap_id: id, ...gap });
    this.#happenEvent({ type: "gap.recorded", entity: header.entity, data });
  }

  async #beginEpoch(): Promise<void> {
    await this.#flush();
    const epochNo = this.#stream.epochNo + 1;
    this.#stream = { ...this.#stream, epochNo };
    this.#context = { ...this.#context, epochNo };
  }

  async #mark(header: MarkEntry): Promise<void> {
    const { op: _, mark, ...run } = header;
    const ended =
      mark === "snapshot_end" && header.outcome === "ok" ? { ...run, ...(await this.#sweep(header)) } : run;
    const { connectionId, epochNo } = this.#context;
    const isHeldHere = ended.outcome === "held" && header.outcome === "ok";
    this.#runs.push({ ...ended, connectionId, ...(isHeldHere ? { heldEpochNo: epochNo } : {}) });
    if (mark === "snapshot_begin") return;
    const type = ended.outcome === "ok" ? "sync.completed" : "sync.failed";
    this.#happenEvent({ type, entity: header.entity, data: JSON.stringify(ended) });
  }

  async #sweep(header: MarkEntry): Promise<Partial<MarkEntry>> {
    // The sweep looks at the store: what was gathered so far must be there.
    await this.#flush();
    const { entity, documents_from_ms: from } = header;
    const presence = from === undefined ? "deleted" : "out_of_scope";
    const context: SweepContext = { ...this.#context, entity, presence, eventId: () => this.#nextEventId() };
    if (presence === "out_of_scope") {
      this.#events += await sweep(context);
      return {};
    }
    const verdict = await judgeSweep(context, this.#deps.massDeleteFraction);
    if (verdict.kind === "nothing") return {};
    if (verdict.kind === "held") {
      const error = `${verdict.count} of ${verdict.present} records are not in the source any more; they were kept. If that is right, confirm it with: millrace-relay connection confirm-deletes`;
      return { outcome: "held", error };
    }
    const swept = await sweep(context);
    this.#events += swept;
    return { deleted: (header.deleted ?? 0) + swept };
  }

  async #samples(batch: DecodedBatch): Promise<void> {
    const body = checkSamplesBody(JSON.parse(batch.body));
    if (body === undefined) throw new BatchDecodeError("a samples body does not fit its schema");
    const backfilled = body.backfilled ?? false;
    const samples: NewSample[] = body.samples.map(([point, value, status, sourceMs, serverMs]) => {
      const pointKey = body.points[point];
      if (pointKey === undefined)
        throw new BatchDecodeError(`a sample speaks of point ${point} of ${body.points.length}`);
      return { pointKey, value, status, sourceMs, serverMs, backfilled };
    });
    await this.#tx.putSamples(this.#context.connectionId, samples);
  }

  /** Kept for the operator, told as a gap, and passed: one bad batch must not stop the stream. */
  async #undecodable(frame: BatchFrame, error: Error): Promise<void> {
    const { connectionId, nowMs } = this.#context;
    await this.#tx.putUndecodable(connectionId, this.#stream.epoch, frame.seq, frame.blob, error.message);
    const detail = `batch ${frame.seq} could not be decoded: ${error.message}`.slice(0, 2_000);
    this.#gap({ op: "gap", reason: "undecodable_batch", to_ms: nowMs, detail });
    this.#resnapshot = true;
  }

  #happenEvent(event: PlainEvent["event"]): void {
    this.#happen({ kind: "event", event, eventId: this.#nextEventId() });
  }

  #happen(happening: Happening): void {
    this.#happenings.push(happening);
  }

  #nextEventId(): string {
    this.#index += 1;
    return `evt_${this.#stream.epoch}_${this.#seq}_${this.#index - 1}`;
  }
}
