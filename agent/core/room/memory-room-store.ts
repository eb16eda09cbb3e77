// The room's state in memory, for simulation and tests: same promises as the file, and copies that can be brought back.
import type { BatchKind } from "#common/contract/batch.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Cursor } from "../source/connector.ts";
import type {
  KnownRecord,
  NewBatch,
  RoomCommit,
  RoomPosition,
  RoomStore,
  StoredBatch,
  TakenOver,
} from "./room-store.ts";
import { checkBatchId, trimTarget } from "./room-store.ts";

/** A copy of everything; as good as the file's bytes at that instant. */
export interface RoomSnapshot {
  readonly position: RoomPosition;
  readonly batches: readonly StoredBatch[];
  readonly known: ReadonlyMap<string, ReadonlyMap<string, KnownRecord>>;
  readonly cursors: ReadonlyMap<string, string>;
}

/** Rough cost of a stored batch and of a known record beside their texts, bytes. */
const BATCH_OVERHEAD_BYTES = 64;
const KNOWN_OVERHEAD_BYTES = 40;

export class MemoryRoomStore implements RoomStore {
  #epoch: string;
  #takenOver: readonly TakenOver[];
  #firstSeq = 1;
  #ackedSeq = 0;
  #tailId = "";
  /** Held batches, the one at `#firstSeq` first. */
  #batches: StoredBatch[] = [];
  #known = new Map<string, Map<string, KnownRecord>>();
  /** Cursors as JSON text, so that nobody shares an object with the store. */
  #cursors = new Map<string, string>();
  #heldBytes = 0;
  #backlogBytes = 0;

  constructor(epoch: string, takenOver: readonly TakenOver[] = []) {
    this.#epoch = epoch;
    this.#takenOver = takenOver;
  }

  /** A copy that later commits do not touch. */
  snapshot(): RoomSnapshot {
    const known = new Map<string, ReadonlyMap<string, KnownRecord>>();
    for (const [entity, records] of this.#known) known.set(entity, new Map(records));
    return {
      position: this.position(),
      batches: [...this.#batches],
      known,
      cursors: new Map(this.#cursors),
    };
  }

  /** Becomes what the snapshot was: an older copy brought back. */
  restore(snapshot: RoomSnapshot): void {
    const { position } = snapshot;
    this.#epoch = position.epoch;
    this.#takenOver = position.takenOver;
    this.#firstSeq = position.firstSeq;
    this.#ackedSeq = position.ackedSeq;
    this.#tailId = position.tailId;
    this.#batches = [...snapshot.batches];
    this.#known = new Map();
    for (const [entity, records] of snapshot.known) this.#known.set(entity, new Map(records));
    this.#cursors = new Map(snapshot.cursors);
    this.#heldBytes = sumBytes(this.#batches);
    this.#backlogBytes = position.backlogBytes;
  }

  position(): RoomPosition {
    return {
      epoch: this.#epoch,
      firstSeq: this.#firstSeq,
      nextSeq: this.#nextSeq(),
      ackedSeq: this.#ackedSeq,
      tailId: this.#tailId,
      takenOver: this.#takenOver,
      backlogBytes: this.#backlogBytes,
    };
  }

  commit(commit: RoomCommit): void {
    // All that can fail comes first: what follows is one step that no simulated crash can divide.
    for (const batch of commit.batches ?? []) checkBatchId(batch.id);
    const cursors = (commit.cursors ?? []).map(
      ({ slot, cursor }) => [slot, cursor === undefined ? undefined : JSON.stringify(cursor)] as const,
    );
    for (const batch of commit.batches ?? []) {
      this.#batches.push({ ...pick(batch), id: batch.id, seq: this.#nextSeq() });
      this.#heldBytes += batch.blob.length;
      this.#backlogBytes += batch.blob.length;
    }
    for (const { entity, records } of commit.known ?? []) {
      const held = this.#recordsOf(entity);
      for (const { key, hash, version, seen } of records) held.set(key, { key, hash, version, seen });
    }
    for (const { entity, keys } of commit.forgotten ?? []) {
      for (const key of keys) this.#known.get(entity)?.delete(key);
    }
    for (const [slot, text] of cursors) {
      if (text === undefined) this.#cursors.delete(slot);
      else this.#cursors.set(slot, text);
    }
  }

  cursor(slot: string): Cursor | undefined {
    const text = this.#cursors.get(slot);
    return text === undefined ? undefined : (JSON.parse(text) as Cursor);
  }

  known(entity: string, keys: readonly string[]): readonly (KnownRecord | undefined)[] {
    const held = this.#known.get(entity);
    return keys.map((key) => held?.get(key));
  }

  unseen(entity: string, generation: number, afterKey: string | undefined, limit: number): readonly string[] {
    const keys: string[] = [];
    for (const { key, seen } of this.#known.get(entity)?.values() ?? []) {
      if (seen < generation && (afterKey === undefined || byCodePoint(key, afterKey) > 0)) keys.push(key);
    }
    return keys.sort(byCodePoint).slice(0, limit);
  }

  countKnown(entity: string): number {
    return this.#known.get(entity)?.size ?? 0;
  }

  countUnseen(entity: string, generation: number): number {
    let count = 0;
    for (const { seen } of this.#known.get(entity)?.values() ?? []) if (seen < generation) count += 1;
    return count;
  }

  trim(ackedSeq: number, keepFromSeq: number): void {
    const { acked, keepFrom } = trimTarget(this.position(), ackedSeq, keepFromSeq);
    for (let seq = this.#ackedSeq + 1; seq <= acked; seq += 1) {
      this.#backlogBytes -= this.#at(seq)?.blob.length ?? 0;
    }
    this.#ackedSeq = acked;
    if (keepFrom === this.#firstSeq) return;
    const removed = this.#batches.splice(0, keepFrom - this.#firstSeq);
    this.#tailId = removed.at(-1)?.id ?? this.#tailId;
    this.#firstSeq = keepFrom;
    this.#heldBytes -= sumBytes(removed);
  }

  replace(seq: number, batch: Omit<NewBatch, "id">): void {
    const old = this.#at(seq);
    if (old === undefined)
      throw new MillraceError(`batch ${seq} cannot be replaced, it is not held any more`);
    this.#batches[seq - this.#firstSeq] = { ...pick(batch), id: old.id, seq };
    const grown = batch.blob.length - old.blob.length;
    this.#heldBytes += grown;
    if (seq > this.#ackedSeq) this.#backlogBytes += grown;
  }

  oldest(kind: BatchKind, limit: number): readonly StoredBatch[] {
    const found: StoredBatch[] = [];
    for (let seq = this.#ackedSeq + 1; seq < this.#nextSeq() && found.length < limit; seq += 1) {
      const batch = this.#at(seq);
      if (batch?.kind === kind) found.push(batch);
    }
    return found;
  }

  read(fromSeq: number, maxBytes: number): readonly StoredBatch[] {
    const batches: StoredBatch[] = [];
    let bytes = 0;
    for (let seq = Math.max(fromSeq, this.#firstSeq); seq < this.#nextSeq(); seq += 1) {
      const batch = this.#at(seq);
      if (batch === undefined) break;
      bytes += batch.blob.length;
      if (batches.length > 0 && bytes > maxBytes) break;
      batches.push(batch);
    }
    return batches;
  }

  idAt(seq: number): string | undefined {
    if (seq === this.#firstSeq - 1) return this.#tailId === "" ? undefined : this.#tailId;
    return this.#at(seq)?.id;
  }

  usage(): { readonly outboxBytes: number; readonly knownBytes: number } {
    let knownBytes = 0;
    for (const records of this.#known.values()) {
      for (const { key, version } of records.values()) {
        knownBytes += key.length + (version?.length ?? 0) + KNOWN_OVERHEAD_BYTES;
      }
    }
    return { outboxBytes: this.#heldBytes + this.#batches.length * BATCH_OVERHEAD_BYTES, knownBytes };
  }

  #nextSeq(): number {
    return this.#firstSeq + this.#batches.length;
  }

  #at(seq: number): StoredBatch | undefined {
    return this.#batches[seq - this.#firstSeq];
  }

  #recordsOf(entity: string): Map<string, KnownRecord> {
    const held = this.#known.get(entity) ?? new Map<string, KnownRecord>();
    this.#known.set(entity, held);
    return held;
  }
}

function pick(batch: Omit<NewBatch, "id">): Omit<NewBatch, "id"> {
  const { kind, entries, blob } = batch;
  return { kind, entries, blob };
}

function sumBytes(batches: readonly StoredBatch[]): number {
  return batches.reduce((sum, { blob }) => sum + blob.length, 0);
}

/** The order of UTF-8 bytes, which is SQLite's; JavaScript's own order differs above U+FFFF. */
function byCodePoint(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at += 1) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1;
  }
  return left.length - right.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
