// The relay's durable state as a port. SQLite implements it; memory implements it in simulation; both pass
// test/conformance/relay-store. Hot paths work on whole batches. Every read is bound to a Scope: there is no raw id access.
import type { AuditStore } from "./audit/audit-store.ts";
import type { RequestStore } from "./requests/request-store.ts";
import type { Presence } from "#common/contract/model/entities.ts";
import type { GapEntry, MarkEntry, Origin, RejectEntry } from "#common/contract/entry.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Directory } from "./directory.ts";
import type { LinkStore } from "./links/link-store.ts";
import type { OperationStore } from "./operations/operation-store.ts";
import type { SettingsStore } from "./settings/settings-store.ts";
import type { RecordReads } from "./records/record-reads.ts";
import type { UserStore } from "./users/user-store.ts";
import type { WebhookStore } from "./webhooks/webhook-store.ts";

/** Whose data a call may touch. `connectionIds` narrows the workspace further; absent means all of it. */
export interface Scope {
  readonly workspaceId: string;
  readonly connectionIds?: readonly string[];
}

/**
 * Position in the workspace's feed and revision of a record are one number: a hybrid clock in microseconds,
 * `max(last + 1, now × 1000)`. It only grows, whatever restarts or is restored, stays below 2^53 until the year 2255,
 * and orders as commits do; `floor(revision / 1000)` is the commit time in ms.
 */
export type Revision = number;

export interface StoredRecord {
  readonly id: string;
  readonly connectionId: string;
  readonly entity: string;
  readonly key: string;
  /** JSON text of the record as the agent sent it (common/contract/entry.ts); the last known one for deleted records. */
  readonly text: string;
  readonly raw: string | undefined;
  readonly hash: string;
  readonly version: string | undefined;
  readonly revision: Revision;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly deletedAtMs: number | undefined;
  readonly presence: Presence;
  readonly deleteReason: string | undefined;
  /** Grows when the source re-uses a number after a delete. */
  readonly incarnation: number;
  readonly origin: Origin;
  readonly mappingVersion: string;
  /** When the agent read it from the source, by the agent's clock; written by ingest, given back by `versions` only. */
  readonly readAtMs?: number | undefined;
}

/** What ingest needs to know of a record before it writes it. */
export interface RecordState {
  readonly id: string;
  readonly hash: string;
  readonly presence: Presence;
  readonly incarnation: number;
  readonly createdAtMs: number;
  /** Number of the epoch that last confirmed the record. */
  readonly epochNo: number;
}

export interface StreamState {
  readonly connectionId: string;
  readonly epoch: string;
  /** Grows by one with every epoch entry (common/contract/entry.ts): what records are confirmed for. */
  readonly epochNo: number;
  readonly ackedSeq: number;
  readonly ackedId: string;
}

export type EventType = string;

/** One event of the feed. Samples never enter it. */
export interface StoredEvent {
  readonly position: Revision;
  /** `evt_<epoch>_<seq>_<index>` for what came by a stream; otherwise `evt_r_<position>`. */
  readonly id: string;
  readonly type: EventType;
  readonly workspaceId: string;
  readonly connectionId: string | undefined;
  readonly entity: string | undefined;
  readonly recordId: string | undefined;
  readonly origin: Origin | undefined;
  readonly atMs: number;
  /** Type-specific members, JSON text of an object; small. */
  readonly data: string;
}

export type NewRecord = StoredRecord & { readonly epochNo: number };
export type NewEvent = StoredEvent;

export interface StoredSample {
  readonly value: unknown;
  readonly status: number;
  readonly sourceMs: number | null;
  readonly serverMs: number | null;
  readonly backfilled: boolean;
}

export interface NewSample extends StoredSample {
  readonly pointKey: string;
}

export interface StoredGap extends Omit<GapEntry, "op"> {
  readonly id: string;
  readonly connectionId: string;
  readonly recordedAtMs: number;
}

export type StoredReject = RejectEntry & { readonly connectionId: string };

export interface SyncRun extends Omit<MarkEntry, "op" | "mark"> {
  readonly connectionId: string;
  /** Of a run whose sweep the relay held: what an epoch before this one confirmed last would have been deleted. */
  readonly heldEpochNo?: number;
}

/** One write transaction of ingest: all of it becomes durable, or none. Called with whole batches. */
export interface IngestTx {
  /** Between two batches: readers and sockets get their turn. True: it is not alone in wanting to write, and has had its share. */
  pause(): Promise<boolean>;
  /** Whether the session is still the agent's newest, and the agent neither revoked nor quarantined; false rolls the caller back (fencing). */
  isCurrentSession(agentId: string, session: number): Promise<boolean>;
  /** None while the connection is disconnected. */
  stream(connectionId: string): Promise<StreamState | undefined>;
  /** Also remembers the epoch, for `hasSeenEpoch`. */
  putStream(stream: StreamState): Promise<void>;
  /** Whether the connection ever had this epoch: an agent that comes back with an old one was restored from a copy. */
  hasSeenEpoch(connectionId: string, epoch: string): Promise<boolean>;
  /** Allocates `count` consecutive revisions and returns the first. */
  revisions(count: number, nowMs: number): Promise<Revision>;
  recordStates(connectionId: string, ids: readonly string[]): Promise<ReadonlyMap<string, RecordState>>;
  /** Inserts or replaces, by id. */
  putRecords(records: readonly NewRecord[]): Promise<void>;
  /** Marks records as confirmed by the epoch without changing them. */
  confirmRecords(ids: readonly string[], epochNo: number): Promise<void>;
  /** Marks present records as gone: presence, deletedAtMs and updatedAtMs, reason, origin, epoch and a revision each. Ids that are not present are left alone. */
  deleteRecords(deletes: readonly RecordDelete[]): Promise<void>;
  /** Present records of the entity that an older epoch confirmed last, in id order; at most `limit`. */
  unconfirmed(connectionId: string, entity: string, epochNo: number, limit: number): Promise<string[]>;
  countPresent(connectionId: string, entity: string): Promise<number>;
  countUnconfirmed(connectionId: string, entity: string, epochNo: number): Promise<number>;
  appendEvents(events: readonly NewEvent[]): Promise<void>;
  putSamples(connectionId: string, samples: readonly NewSample[]): Promise<void>;
  /** By id: a gap that is already stored is replaced. */
  putGaps(gaps: readonly StoredGap[]): Promise<void>;
  /** By entity and key: the newest reject of a key replaces the one before. */
  putRejects(connectionId: string, rejects: readonly RejectEntry[]): Promise<void>;
  clearRejects(connectionId: string, entity: string, keys: readonly string[]): Promise<void>;
  /** By connection, entity and run. A run with outcome `ok` and an end moves the connection's `lastSyncAtMs`. */
  putSyncRuns(runs: readonly SyncRun[]): Promise<void>;
  /** A batch that cannot be decoded, kept for the operator. */
  putUndecodable(
    connectionId: string,
    epoch: string,
    seq: number,
    blob: Uint8Array,
    reason: string,
  ): Promise<void>;
  connection(connectionId: string): Promise<ConnectionRow | undefined>;
  /** The first state other than `pending` also sets `connectedAtMs`. */
  setConnectionStatus(connectionId: string, status: ConnectionStatus, atMs: number): Promise<void>;
}

export interface RecordDelete {
  readonly id: string;
  readonly revision: Revision;
  readonly presence: Presence;
  readonly reason: string;
  readonly origin: Origin;
  readonly atMs: number;
  readonly epochNo: number;
  /** When the agent noticed, by its clock. */
  readonly readAtMs?: number | undefined;
}

export type ConnectionState =
  | "pending"
  | "synchronizing"
  | "online"
  | "offline"
  | "degraded"
  | "reauthorization_required"
  | "paused";

export interface ConnectionStatus {
  readonly state: ConnectionState;
  readonly reason: string | undefined;
  readonly advice: string | undefined;
}

export interface ConnectionRow extends ConnectionStatus {
  readonly id: string;
  readonly workspaceId: string;
  /** Unique in the workspace; the agent's YAML binds by it. */
  readonly name: string;
  readonly customer: string | undefined;
  readonly environment: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly agentId: string | undefined;
  readonly system: string | undefined;
  readonly createdAtMs: number;
  readonly connectedAtMs: number | undefined;
  readonly statusAtMs: number;
  /** When the last sync of any entity ended well. */
  readonly lastSyncAtMs: number | undefined;
  /** The agent's newest report, as it came. */
  readonly report: ConnectionReport | undefined;
  readonly kind: ConnectionKind;
  readonly whenOffline: WhenOffline;
  /** The workspace's own notes; the relay makes nothing of them. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Since when its tokens are dead and its agent is refused; its history stays until it is deleted. */
  readonly disconnectedAtMs: number | undefined;
  /** What the connection offers, as its agent last said. */
  readonly description: ConnectionDescription | undefined;
}

/** `sandbox`: it lives in the relay, no agent serves it. */
export type ConnectionKind = "agent" | "sandbox";
/** Stored reads while the plant is away: served with their age, or refused. */
export type WhenOffline = "serve" | "refuse";

export interface RecordQuery {
  readonly entity: string;
  /** Exclusive; walking in revision order never skips a record under concurrent writes. */
  readonly afterRevision: Revision;
  /** Exclusive upper bound, from `modified_before`. */
  readonly beforeRevision: Revision | undefined;
  readonly includeDeleted: boolean;
  readonly includeRaw: boolean;
  readonly limit: number;
}

export type TelemetryLast = NewSample;

export interface Reader extends RecordReads {
  /** In revision order. */
  listRecords(scope: Scope, query: RecordQuery): Promise<readonly StoredRecord[]>;
  /** The revisions of what `listRecords` would give, from an index alone; absent where that saves nothing. */
  listRevisions?(scope: Scope, query: RecordQuery): Promise<readonly Revision[]>;
  getRecord(scope: Scope, entity: string, id: string, includeRaw: boolean): Promise<StoredRecord | undefined>;
  countRecords(scope: Scope, entity: string): Promise<number>;
  /** In position order, strictly after; at most `limit`. */
  listEvents(
    scope: Scope,
    after: Revision,
    limit: number,
    types?: readonly string[],
  ): Promise<readonly StoredEvent[]>;
  /**
   * Every event of the workspace at or after `oldest` is still held (0: nothing was trimmed yet), so a cursor below
   * `oldest - 1` has lost some. `newest` is the last position ever given (0: none).
   */
  feedBounds(workspaceId: string): Promise<{ readonly oldest: Revision; readonly newest: Revision }>;
  lastSamples(
    connectionId: string,
    pointKeys: readonly string[],
  ): Promise<ReadonlyMap<string, TelemetryLast>>;
  /** In source time order; `afterMs` exclusive, `beforeMs` exclusive. */
  samples(
    connectionId: string,
    pointKey: string,
    afterMs: number,
    beforeMs: number,
    limit: number,
  ): Promise<readonly StoredSample[]>;
  /** Recorded after `afterMs`, in order of recording. With `entity` or `key`, also gaps of the whole connection or entity, which concern it too. */
  gaps(
    scope: Scope,
    query: {
      readonly connectionId?: string;
      readonly entity?: string;
      readonly key?: string;
      readonly afterMs: number;
      readonly limit: number;
    },
  ): Promise<readonly StoredGap[]>;
  /** In order of entity, then key; of these entities only, where some are given. */
  rejects(
    scope: Scope,
    connectionId: string,
    limit: number,
    entities?: readonly string[],
  ): Promise<readonly StoredReject[]>;
  /** Newest first; those before the given one, none when it is not there any more. */
  syncRuns(
    scope: Scope,
    connectionId: string,
    entity: string | undefined,
    limit: number,
    before?: Pick<SyncRun, "entity" | "run">,
  ): Promise<readonly SyncRun[]>;
  /** Of each entity that has a run by this id. */
  syncRunsById(scope: Scope, connectionId: string, run: string): Promise<readonly SyncRun[]>;
}

export interface Store extends AsyncDisposable {
  /** Runs `work` in the one write transaction; a rejection rolls everything back. Calls queue up in order. */
  ingest<T>(work: (tx: IngestTx) => Promise<T>): Promise<T>;
  readonly directory: Directory;
  readonly reader: Reader;
  readonly operations: OperationStore;
  readonly settings: SettingsStore;
  readonly links: LinkStore;
  readonly requests: RequestStore;
  readonly audit: AuditStore;
  readonly users: UserStore;
  readonly webhooks: WebhookStore;
  /** Random id of this store's history; feed cursors carry it, and a changed one answers 410. */
  generation(): Promise<string>;
  /** After a restore was noticed: a new generation, so that cursors from the lost future are refused. */
  renewGeneration(): Promise<string>;
  /**
   * Removes events, samples and runs older than the given instants, in bounded steps; returns whether more is left.
   * Records and tombstones stay, and so do every point's last value and the newest run of every entity; of deleted connections
   * all of it goes. Versions go that another took the place of before `versionsMs`; without it they stay.
   */
  prune(before: {
    readonly eventsMs: number;
    readonly samplesMs: number;
    readonly versionsMs?: number;
  }): Promise<boolean>;
  /** @throws when the store cannot serve (for /readyz) */
  check(): Promise<void>;
}

export class DuplicateError extends MillraceError {
  override name = "DuplicateError";
}

/** No space; the transaction was rolled back. Nothing was acknowledged; the agent keeps its data. */
export class StoreFullError extends MillraceError {
  override name = "StoreFullError";
}

/** The store's file is damaged; the operator must put back a backup. */
export class StoreCorruptError extends MillraceError {
  override name = "StoreCorruptError";
}
