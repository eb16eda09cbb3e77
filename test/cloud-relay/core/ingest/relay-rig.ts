// The relay's core on a store in memory: a workspace, an agent, its connections, and streams to send batches through.
import { randomBytes } from "node:crypto";
import { createHash } from "node:crypto";
import { batchCodec } from "#common/contract/batch.ts";
import { entryText, type EntryHeader } from "#common/contract/entry.ts";
import type { BatchFrame } from "#common/contract/frame.ts";
import { recordId } from "#common/contract/record-id.ts";
import { newConnectionRow } from "#relay/core/connections/new-connection.ts";
import { openStream, type StreamOpening } from "#relay/core/agents/open-stream.ts";
import {
  ingestFrames,
  type IngestDeps,
  type IngestOutcome,
  type IngestSession,
} from "#relay/core/ingest/ingest.ts";
import type { Cause, GapEntry, MarkEntry } from "#common/contract/entry.ts";
import type { StoredEvent, StoredRecord, SyncRun } from "#relay/core/store.ts";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

export const WORKSPACE = "ws_test";
export const AGENT = "agt_test";
export const PLANT = "11111111-1111-4111-8111-111111111111";
export const OTHER = "22222222-2222-4222-8222-222222222222";
export const E1 = "00000000000000e1";
export const E2 = "00000000000000e2";
export const E3 = "00000000000000e3";
export const MAPPING = "00000000000000aa";

const READ_MS = Date.UTC(2026, 0, 1);

export class RelayRig {
  readonly clock = new FakeClock();
  readonly store: MemoryStore;
  readonly ingest: IngestDeps;
  session: IngestSession = { agentId: AGENT, session: 0, workspaceId: WORKSPACE };

  private constructor(massDeleteFraction: number) {
    this.store = new MemoryStore({ newGeneration: () => randomBytes(8).toString("hex") });
    this.ingest = {
      store: this.store,
      codec: batchCodec,
      nowMs: () => this.clock.nowMs(),
      recordId,
      massDeleteFraction,
    };
  }

  static async create(massDeleteFraction = 0.5): Promise<RelayRig> {
    const rig = new RelayRig(massDeleteFraction);
    const { directory } = rig.store;
    const createdAtMs = rig.clock.nowMs();
    await directory.createWorkspace({ id: WORKSPACE, name: "test", createdAtMs });
    await directory.createAgent({
      id: AGENT,
      workspaceId: WORKSPACE,
      name: "test",
      publicKey: "",
      createdAtMs,
      revokedAtMs: undefined,
      quarantinedAtMs: undefined,
      session: 0,
      instanceId: undefined,
      version: undefined,
      platform: undefined,
      connectedAtMs: undefined,
      lastSeenAtMs: undefined,
      isOnline: false,
    });
    for (const [id, name] of [
      [PLANT, "plant"],
      [OTHER, "other"],
    ] as const) {
      await directory.createConnection(
        newConnectionRow({ id, workspaceId: WORKSPACE, name, environment: "test", createdAtMs }),
      );
    }
    await directory.bindConnections(WORKSPACE, [PLANT], AGENT);
    await rig.claim();
    return rig;
  }

  /** Another session of the agent; the ones before are fenced. */
  async claim(instanceId = "instance"): Promise<IngestSession> {
    const { directory } = this.store;
    const session = await directory.claimSession(AGENT, instanceId, "0", "test", this.clock.nowMs());
    this.session = { agentId: AGENT, session, workspaceId: WORKSPACE };
    return this.session;
  }

  /** Opens a stream as an agent whose file holds batches 1 to `next - 1`. */
  open(
    epoch: string,
    position: {
      readonly first?: number;
      readonly next?: number;
      readonly acked?: number;
      readonly takenOver?: { epoch: string; first_seq: number }[];
      readonly connectionId?: string;
    } = {},
  ): Promise<StreamOpening> {
    const { first = 1, next = 1, acked = 0, takenOver, connectionId = PLANT } = position;
    return openStream(this.store, this.session, {
      type: "stream_open",
      connection_id: connectionId,
      epoch,
      first_seq: first,
      next_seq: next,
      acked_seq: acked,
      tail_id: "",
      ...(takenOver === undefined ? {} : { taken_over: takenOver }),
    });
  }

  /** Each text list is one batch; seqs follow `fromSeq`. */
  send(epoch: string, fromSeq: number, ...batches: readonly (readonly string[])[]): Promise<IngestOutcome> {
    return this.sendFrames(
      epoch,
      batches.map((texts, index) => batchFrame(fromSeq + index, texts)),
    );
  }

  sendFrames(epoch: string, frames: readonly BatchFrame[]): Promise<IngestOutcome> {
    const waiting = frames.values();
    return ingestFrames(
      this.ingest,
      this.session,
      { connectionId: PLANT, epoch },
      () => waiting.next().value,
    );
  }

  records(includeDeleted = false, entity = "vendor"): Promise<readonly StoredRecord[]> {
    return this.store.reader.listRecords(
      { workspaceId: WORKSPACE },
      { entity, afterRevision: 0, beforeRevision: undefined, includeDeleted, includeRaw: true, limit: 1_000 },
    );
  }

  events(): Promise<readonly StoredEvent[]> {
    return this.store.reader.listEvents({ workspaceId: WORKSPACE }, 0, 10_000);
  }

  async eventTypes(): Promise<readonly string[]> {
    return (await this.events()).map(({ type }) => type);
  }

  gaps(): ReturnType<MemoryStore["reader"]["gaps"]> {
    return this.store.reader.gaps(
      { workspaceId: WORKSPACE },
      { connectionId: PLANT, afterMs: 0, limit: 100 },
    );
  }

  rejects(): ReturnType<MemoryStore["reader"]["rejects"]> {
    return this.store.reader.rejects({ workspaceId: WORKSPACE }, PLANT, 100);
  }

  runs(): Promise<readonly SyncRun[]> {
    return this.store.reader.syncRuns({ workspaceId: WORKSPACE }, PLANT, undefined, 100);
  }
}

export function batchFrame(seq: number, texts: readonly string[], id = idOf(seq)): BatchFrame {
  const header = {
    kind: "records",
    entries: texts.length,
    closedAtMs: READ_MS,
    mappingVersion: MAPPING,
  } as const;
  return { type: "batch", stream: 0, seq, id, blob: batchCodec.encode(header, texts.join("")) };
}

/** A batch's id, the same for each seq. */
export function idOf(seq: number): string {
  return seq.toString(16).padStart(16, "a");
}

export function keyOf(id: string): string {
  return JSON.stringify([id]);
}

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

export function vendorText(id: string, name = id, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    remote_id: id,
    remote_key: { COMPANY: id },
    source: { system: "test", table: "COMPANIES" },
    name,
    ...more,
  });
}

export function upsert(
  id: string,
  name = id,
  options: {
    readonly more?: Readonly<Record<string, unknown>>;
    readonly text?: string;
    readonly cause?: Cause;
  } = {},
): string {
  const record = options.text ?? vendorText(id, name, options.more);
  const header = {
    op: "upsert",
    entity: "vendor",
    key: keyOf(id),
    hash: hashOf(record),
    origin: "change",
    ...(options.cause === undefined ? {} : { cause: options.cause }),
    read_ms: READ_MS,
  } as const;
  return entryText({ header, record });
}

export function remove(id: string, cause?: Cause): string {
  return header({
    op: "delete",
    entity: "vendor",
    key: keyOf(id),
    presence: "deleted",
    reason: "tombstone",
    origin: "change",
    ...(cause === undefined ? {} : { cause }),
    read_ms: READ_MS,
  });
}

export function reject(id: string): string {
  const detail = "column NAME: not text";
  return header({
    op: "reject",
    entity: "vendor",
    key: keyOf(id),
    code: "BAD_VALUE",
    detail,
    read_ms: READ_MS,
  });
}

export function epoch(reason = "first"): string {
  return header({ op: "epoch", reason, at_ms: READ_MS });
}

export function gap(reason: string, more: Partial<GapEntry> = {}): string {
  return header({ op: "gap", reason, to_ms: READ_MS, detail: `because of ${reason}`, ...more });
}

export function begin(run: string): string {
  return mark(run, { mark: "snapshot_begin" });
}

export function end(
  run: string,
  outcome: "ok" | "failed" | "held" = "ok",
  more: Partial<Omit<MarkEntry, "mark">> = {},
): string {
  return mark(run, { mark: "snapshot_end", ended_ms: READ_MS + 1, outcome, read: 1, ...more });
}

function mark(
  run: string,
  more: { readonly mark: "snapshot_begin" | "snapshot_end" } & Partial<Extract<EntryHeader, { op: "mark" }>>,
): string {
  return header({ op: "mark", run, entity: "vendor", pass: "snapshot", started_ms: READ_MS, ...more });
}

function header(value: EntryHeader): string {
  return entryText({ header: value });
}
