// The room's durable state as a port: outbox, cursors and known records, changed together or not at all.
// Synchronous: it lives in the room's own process. SQLite implements it on disk, memory implements it in simulation;
// both pass test/conformance/room-store.
import type { BatchKind } from "#common/contract/batch.ts";
import { MAX_TAKEN_OVER_EPOCHS } from "#common/contract/limits.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Cursor } from "../source/connector.ts";

export interface StoredBatch {
  readonly seq: number;
  /** Random 64-bit id, hex. */
  readonly id: string;
  readonly kind: BatchKind;
  readonly entries: number;
  readonly blob: Uint8Array;
}

export type NewBatch = Omit<StoredBatch, "seq">;

export interface KnownRecord {
  readonly key: string;
  /** Content hash; empty for a key that was dead-lettered here. */
  readonly hash: string;
  readonly version: string | undefined;
  /** Generation of the last pass that saw the key. */
  readonly seen: number;
}

/** Everything that becomes durable together. */
export interface RoomCommit {
  /** Appended in order; the store gives consecutive seqs. */
  readonly batches?: readonly NewBatch[];
  readonly known?: readonly { readonly entity: string; readonly records: readonly KnownRecord[] }[];
  readonly forgotten?: readonly { readonly entity: string; readonly keys: readonly string[] }[];
  /** `undefined` removes the cursor. Slots are the runner's names, e.g. `purchase_order/incremental`. */
  readonly cursors?: readonly { readonly slot: string; readonly cursor: Cursor | undefined }[];
}

/** An earlier epoch of the stream: this one's batch 1 was batch `firstSeq` there, batch 2 the next, under the same ids. */
export interface TakenOver {
  readonly epoch: string;
  readonly firstSeq: number;
}

export interface RoomPosition {
  readonly epoch: string;
  /** Oldest batch still held; equals `nextSeq` when none is. Seqs start at 1. */
  readonly firstSeq: number;
  /** The seq that the next batch will get. */
  readonly nextSeq: number;
  /** Highest seq that the relay has acknowledged, as told to `trim`. */
  readonly ackedSeq: number;
  /** Id of the batch at `firstSeq - 1`, empty if there was none. */
  readonly tailId: string;
  /**
   * What this epoch continues, newest first, so that the relay, wherever it stands, can pass over what it has applied
   * already. Empty where nothing was taken over, or where seqs prove nothing.
   */
  readonly takenOver: readonly TakenOver[];
  /** Bytes of batches not yet acknowledged. */
  readonly backlogBytes: number;
}

/** Applied in the order batches, known, forgotten, cursors. Keys are well-formed text: canonicalKey's JSON. */
export interface RoomStore {
  position(): RoomPosition;
  /** Atomic and durable when it returns. @throws StorageFullError, StorageCorruptError (nothing was changed) */
  commit(commit: RoomCommit): void;
  cursor(slot: string): Cursor | undefined;
  /** In the order asked; `undefined` for unknown keys. */
  known(entity: string, keys: readonly string[]): readonly (KnownRecord | undefined)[];
  /** Keys whose `seen` is below the generation, in key order after `afterKey`; at most `limit`. */
  unseen(entity: string, generation: number, afterKey: string | undefined, limit: number): readonly string[];
  countKnown(entity: string): number;
  countUnseen(entity: string, generation: number): number;
  /**
   * Says that everything up to `ackedSeq` is acknowledged. Batches at or below `keepFromSeq - 1` are removed; acknowledged
   * ones above it stay for a relay that rewinds. Takes effect at once and becomes durable with a later commit: after a crash
   * the relay says again what it has.
   */
  trim(ackedSeq: number, keepFromSeq: number): void;
  /**
   * Replaces a batch's body in place (telemetry dropped by quota): seq and id stay.
   * @throws MillraceError when the batch is not held, StorageFullError, StorageCorruptError
   */
  replace(seq: number, batch: Omit<NewBatch, "id">): void;
  /** Unacknowledged batches of a kind, oldest first. */
  oldest(kind: BatchKind, limit: number): readonly StoredBatch[];
  /**
   * For the uplink (main reads through a handle of its own) and simulation: batches from `fromSeq`, or from the oldest held,
   * at most `maxBytes` (at least one).
   */
  read(fromSeq: number, maxBytes: number): readonly StoredBatch[];
  /** The id at a seq still held or at `firstSeq - 1`. */
  idAt(seq: number): string | undefined;
  /** Bytes on disk: outbox and known records apart, WAL counted with the outbox, free pages (used again first) with neither. */
  usage(): { readonly outboxBytes: number; readonly knownBytes: number };
}

const BATCH_ID = /^[0-9a-f]{16}$/;
/** Id of the empty batch that stands where a damaged file lost one: what the relay has at that seq cannot be compared. */
export const LOST_BATCH_ID = "0000000000000000";

/** @throws MillraceError when a batch id is not 64 bits of hex */
export function checkBatchId(id: string): void {
  if (!BATCH_ID.test(id)) throw new MillraceError(`batch id ${id} is not 16 lower-case hex digits`);
}

/** What a `trim` comes to: nothing goes backwards, nothing unacknowledged is removed. */
export function trimTarget(
  position: RoomPosition,
  ackedSeq: number,
  keepFromSeq: number,
): { readonly acked: number; readonly keepFrom: number } {
  const acked = Math.max(position.ackedSeq, Math.min(ackedSeq, position.nextSeq - 1));
  const keepFrom = Math.max(position.firstSeq, Math.min(keepFromSeq, acked + 1));
  return { acked, keepFrom };
}

/**
 * What a new epoch continues. While nothing of an epoch was acknowledged, the relay may never have seen it, and what it
 * continued itself is named too; an acknowledgement shows that the relay has come to it. Beyond the limit the oldest is
 * forgotten (docs/decisions/epochs.md says what may then happen). For a restored agent, seqs and ids prove nothing.
 */
export function takeOver(
  { epoch, ackedSeq, takenOver }: Pick<RoomPosition, "epoch" | "ackedSeq" | "takenOver">,
  reason: string,
): readonly TakenOver[] {
  if (reason === "agent_restored") return [];
  const newest = { epoch, firstSeq: ackedSeq + 1 };
  return ackedSeq > 0 ? [newest] : [newest, ...takenOver].slice(0, MAX_TAKEN_OVER_EPOCHS);
}
