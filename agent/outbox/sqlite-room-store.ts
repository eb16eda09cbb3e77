// The room's durable state in one SQLite file: every commit is one synced transaction, every row carries a checksum.
import Database from "better-sqlite3";
import type { BatchKind } from "#common/contract/batch.ts";
import type {
  KnownRecord,
  NewBatch,
  RoomCommit,
  RoomPosition,
  RoomStore,
  StoredBatch,
} from "#agent/core/room/room-store.ts";
import { checkBatchId, trimTarget } from "#agent/core/room/room-store.ts";
import { StorageCorruptError } from "#agent/core/room/storage-errors.ts";
import type { Cursor } from "#agent/core/source/connector.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { writeCommit } from "./commit-writer.ts";
import { HeadWriter } from "./head-file.ts";
import { KnownRounds } from "./known-rounds.ts";
import { MIN_READER, PAGE_BYTES, configureWriter, createSchema } from "./room-schema.ts";
import { batchCrc, metaRow, textCrc, toKnownRecord, toStoredBatch } from "./room-rows.ts";
import type { KnownRow, Meta } from "./room-rows.ts";
import { prepareStatements } from "./room-statements.ts";
import type { RoomStatements } from "./room-statements.ts";
import { guarded } from "./sqlite-failures.ts";
import type { VerifiedFile } from "./verify-file.ts";
import { verifyFile } from "./verify-file.ts";
import { WalKeeper } from "./wal-keeper.ts";

/** Acknowledged batches are deleted along with the next commit, or at once when this many… */
const MAX_PENDING_TRIM_BATCHES = 256;
/** Keys in one look-up statement. */
const MAX_LOOKUP_KEYS = 500;
/** `maintain` gives back this many free pages in one step (2 MiB)… */
const VACUUM_STEP_PAGES = 512;
/** …and keeps this many for reuse (8 MiB). */
const KEPT_FREE_PAGES = 2048;

/** What a new file says of itself. */
export type NewRoomFile = Pick<Meta, "epoch" | "takenOver" | "reason" | "life">;

export class SqliteRoomStore implements RoomStore {
  readonly file: string;
  readonly wal: WalKeeper;
  readonly #db: Database.Database;
  readonly #sql: RoomStatements;
  readonly #head: HeadWriter;
  readonly #transaction: (work: () => void) => void;
  readonly #entities: Map<string, number>;
  /** As committed in the file. */
  #meta: Meta;
  /** Told by `trim`, deleted later. */
  #acked: number;
  #keepFrom: number;
  /** Id of the batch at `#keepFrom - 1`. */
  #tailId: string;
  #heldBytes: number;
  #backlogBytes: number;
  readonly #rounds: KnownRounds;
  /** No batch of the kind is unacknowledged below this seq. */
  readonly #oldestHint: Record<BatchKind, number>;

  private constructor(db: Database.Database, verified: VerifiedFile) {
    this.file = db.name;
    this.#db = db;
    this.#head = HeadWriter.open(db.name, verified.meta.takenOver);
    this.#sql = prepareStatements(db);
    this.#rounds = new KnownRounds(this.#sql, db.name);
    this.wal = new WalKeeper(db);
    const transaction = db.transaction((work: () => void) => work());
    this.#transaction = (work) => transaction.immediate(work);
    this.#meta = verified.meta;
    this.#entities = new Map(verified.entities);
    this.#acked = verified.meta.ackedSeq;
    this.#keepFrom = verified.meta.firstSeq;
    this.#tailId = verified.meta.tailId;
    this.#heldBytes = verified.heldBytes;
    this.#backlogBytes = verified.backlogBytes;
    this.#oldestHint = { records: 1, samples: 1 };
    this.#writeHead();
  }

  /** Makes an empty file where none is. @throws StorageFullError */
  static create(file: string, start: NewRoomFile): SqliteRoomStore {
    return guarded(file, "creating it", () => {
      const db = new Database(file);
      try {
        createSchema(db);
        const counters = { commits: 0, firstSeq: 1, nextSeq: 1, ackedSeq: 0, tailId: "" };
        const meta: Meta = { ...start, ...counters, minReader: MIN_READER };
        db.prepare("INSERT INTO meta VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").run(...metaRow(meta));
        const verified = { meta, entities: new Map(), heldBytes: 0, backlogBytes: 0 };
        return new SqliteRoomStore(db, verified);
      } catch (error) {
        db.close();
        throw error;
      }
    });
  }

  /**
   * Opens what `create` made, after checking all of it through a handle that cannot write. `maxPages` is SQLite's own limit on
   * the file: commits beyond it fail as on a full disk.
   * @throws StorageCorruptError: the file is as it was, for salvage
   * @throws MillraceError when a newer Millrace wrote it
   */
  static open(file: string, maxPages?: number): SqliteRoomStore {
    const check = verifyFile(file);
    try {
      return guarded(file, "opening it", () => {
        const db = new Database(file, { fileMustExist: true });
        try {
          configureWriter(db);
          if (maxPages !== undefined) db.pragma(`max_page_count = ${maxPages}`);
          return new SqliteRoomStore(db, check.verified);
        } catch (error) {
          db.close();
          throw error;
        }
      });
    } finally {
      check.close();
    }
  }

  position(): RoomPosition {
    return {
      epoch: this.#meta.epoch,
      firstSeq: this.#keepFrom,
      nextSeq: this.#meta.nextSeq,
      ackedSeq: this.#acked,
      tailId: this.#tailId,
      takenOver: this.#meta.takenOver,
      backlogBytes: this.#backlogBytes,
    };
  }

  /** Epoch, reason and what it replaced. */
  get meta(): Meta {
    return this.#meta;
  }

  commit(commit: RoomCommit): void {
    const batches = commit.batches ?? [];
    for (const batch of batches) checkBatchId(batch.id);
    const added = new Map<string, number>();
    try {
      this.#write("a commit", batches.length, () =>
        writeCommit(this.#sql, commit, { nextSeq: this.#meta.nextSeq, entities: this.#entities, added }),
      );
    } catch (error) {
      // Deleting alone needs less space than deleting and adding: acknowledged batches must not hold a full disk.
      this.#tryTrim();
      throw error;
    }
    for (const [name, number] of added) this.#entities.set(name, number);
    for (const { blob } of batches) {
      this.#heldBytes += blob.length;
      this.#backlogBytes += blob.length;
    }
  }

  cursor(slot: string): Cursor | undefined {
    return guarded(this.file, "reading a cursor", () => {
      const row = this.#sql.getCursor.get(slot);
      if (row === undefined) return undefined;
      const [text, crc] = row;
      if (textCrc(slot, text) !== crc) {
        throw new StorageCorruptError(
          `room file ${this.file}, table cursors, slot ${slot}: does not match its checksum`,
        );
      }
      return JSON.parse(text) as Cursor;
    });
  }

  known(entity: string, keys: readonly string[]): readonly (KnownRecord | undefined)[] {
    const number = this.#entities.get(entity);
    if (number === undefined) return keys.map(() => undefined);
    return guarded(this.file, "looking up known records", () => {
      const found: (KnownRecord | undefined)[] = [];
      for (let at = 0; at < keys.length; at += MAX_LOOKUP_KEYS) {
        const asked = keys.slice(at, at + MAX_LOOKUP_KEYS);
        // One statement with all keys takes half the time of one statement for each.
        const rows = this.#sql.getKnown.all(JSON.stringify(asked), number);
        for (const [index, row] of rows.entries()) found.push(this.#knownOf(row, asked[index], number));
      }
      return found;
    });
  }

  unseen(entity: string, generation: number, afterKey: string | undefined, limit: number): readonly string[] {
    const number = this.#entities.get(entity);
    if (number === undefined) return [];
    return guarded(this.file, "listing unseen records", () => {
      const rows =
        afterKey === undefined
          ? this.#sql.unseenFirst.all(number, generation, limit)
          : this.#sql.unseenAfter.all(number, afterKey, generation, limit);
      return rows.map((row) => toKnownRecord(row, number, this.file).key);
    });
  }

  countKnown(entity: string): number {
    return this.#count("countKnown", entity, Number.MAX_SAFE_INTEGER);
  }

  countUnseen(entity: string, generation: number): number {
    return this.#count("countUnseen", entity, generation);
  }

  trim(ackedSeq: number, keepFromSeq: number): void {
    const { acked, keepFrom } = trimTarget(this.position(), ackedSeq, keepFromSeq);
    if (acked === this.#acked && keepFrom === this.#keepFrom) return;
    guarded(this.file, "reading what is acknowledged", () => {
      const tailId = keepFrom === this.#keepFrom ? this.#tailId : (this.idAt(keepFrom - 1) ?? "");
      this.#backlogBytes -= this.#sql.sumBytes.get(this.#acked + 1, acked) ?? 0;
      this.#tailId = tailId;
      this.#acked = acked;
      this.#keepFrom = keepFrom;
    });
    if (this.#keepFrom - this.#meta.firstSeq >= MAX_PENDING_TRIM_BATCHES) this.#flushTrim();
  }

  replace(seq: number, batch: Omit<NewBatch, "id">): void {
    if (seq < this.#keepFrom || seq >= this.#meta.nextSeq) {
      throw new MillraceError(
        `room file ${this.file}: batch ${seq} cannot be replaced, it is not held any more`,
      );
    }
    let grown = 0;
    this.#write("replacing a batch", 0, () => {
      const old = this.#sql.getBatch.get(seq);
      if (old === undefined)
        throw new StorageCorruptError(`room file ${this.file}, table batches, row ${seq}: missing`);
      const [, id, , , rev, blob] = old;
      const kind = batch.kind === "records" ? 1 : 2;
      const crc = batchCrc(seq, id, kind, batch.entries, rev + 1, batch.blob);
      // Not UPDATE: it leaves a page to a row that has become small, and only a delete joins such pages.
      this.#sql.removeBatch.run(seq);
      this.#sql.insertBatch.run(seq, id, kind, batch.entries, rev + 1, batch.blob, crc);
      grown = batch.blob.length - blob.length;
    });
    this.#heldBytes += grown;
    if (seq > this.#acked) this.#backlogBytes += grown;
    this.#oldestHint[batch.kind] = Math.min(this.#oldestHint[batch.kind], seq);
  }

  oldest(kind: BatchKind, limit: number): readonly StoredBatch[] {
    return guarded(this.file, "reading the oldest batches", () => {
      const from = Math.max(this.#acked + 1, this.#oldestHint[kind]);
      const rows = this.#sql.oldest.all(from, kind === "records" ? 1 : 2, limit);
      this.#oldestHint[kind] = rows[0]?.[0] ?? this.#meta.nextSeq;
      return rows.map((row) => toStoredBatch(row, this.file));
    });
  }

  read(fromSeq: number, maxBytes: number): readonly StoredBatch[] {
    return guarded(this.file, "reading batches", () => {
      const batches: StoredBatch[] = [];
      let bytes = 0;
      for (let seq = Math.max(fromSeq, this.#keepFrom); seq < this.#meta.nextSeq; seq += 1) {
        const row = this.#sql.getBatch.get(seq);
        if (row === undefined)
          throw new StorageCorruptError(`room file ${this.file}, table batches, row ${seq}: missing`);
        bytes += row[5].length;
        if (batches.length > 0 && bytes > maxBytes) break;
        batches.push(toStoredBatch(row, this.file));
      }
      return batches;
    });
  }

  idAt(seq: number): string | undefined {
    if (seq === this.#keepFrom - 1) return this.#tailId === "" ? undefined : this.#tailId;
    if (seq < this.#keepFrom || seq >= this.#meta.nextSeq) return undefined;
    return guarded(this.file, "reading a batch id", () => {
      const id = this.#sql.getId.get(seq);
      if (id === undefined)
        throw new StorageCorruptError(`room file ${this.file}, table batches, row ${seq}: missing`);
      return id.toString("hex");
    });
  }

  /** Free pages inside the file count nowhere: the next batches go there before the file grows. */
  usage(): { readonly outboxBytes: number; readonly knownBytes: number } {
    const pages = Number(this.#db.pragma("page_count", { simple: true }));
    const used = (pages - this.#freePages()) * PAGE_BYTES;
    return {
      outboxBytes: this.#heldBytes + this.wal.bytes(),
      knownBytes: Math.max(0, used - this.#heldBytes),
    };
  }

  /**
   * Housekeeping in small steps, every few seconds: removes what is acknowledged, gives pages back, shortens the WAL, and
   * checks some known records. True when there is more to do.
   * @throws StorageFullError, StorageCorruptError
   */
  maintain(isIdle: boolean): boolean {
    return guarded(this.file, "housekeeping", () => {
      this.#rounds.checkSome();
      this.#flushTrim();
      const excess = this.#freePages() - KEPT_FREE_PAGES;
      if (excess > 0) this.#db.pragma(`incremental_vacuum(${Math.min(excess, VACUUM_STEP_PAGES)})`);
      const more = excess > VACUUM_STEP_PAGES;
      this.wal.shorten(isIdle && !more);
      return more;
    });
  }

  /** Ends the handle; nothing that was committed is lost without it. */
  close(): void {
    if (!this.#db.open) return;
    this.#tryTrim();
    this.#db.close();
    this.#head.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** One durable transaction; the pending trim rides along. In-memory counters change only after it succeeded. */
  #write(tried: string, newBatches: number, work: () => void): void {
    const meta: Meta = {
      ...this.#meta,
      commits: this.#meta.commits + 1,
      firstSeq: this.#keepFrom,
      ackedSeq: this.#acked,
      tailId: this.#tailId,
      nextSeq: this.#meta.nextSeq + newBatches,
    };
    let freed = 0;
    guarded(this.file, tried, () =>
      this.#transaction(() => {
        // First, so that what is added takes the pages that become free.
        if (this.#hasPendingTrim()) {
          freed = this.#sql.sumBytes.get(this.#meta.firstSeq, this.#keepFrom - 1) ?? 0;
          this.#sql.deleteBelow.run(this.#keepFrom);
        }
        work();
        this.#sql.putMeta.run(...metaRow(meta));
      }),
    );
    this.#meta = meta;
    this.#heldBytes -= freed;
    this.#writeHead();
  }

  #hasPendingTrim(): boolean {
    return this.#keepFrom !== this.#meta.firstSeq || this.#acked !== this.#meta.ackedSeq;
  }

  #flushTrim(): void {
    if (this.#hasPendingTrim()) this.#write("removing acknowledged batches", 0, () => {});
  }

  /** Where a failure changes nothing: what is not removed now is removed with a later commit. */
  #tryTrim(): void {
    try {
      this.#flushTrim();
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
    }
  }

  #writeHead(): void {
    const { commits, nextSeq, ackedSeq, life } = this.#meta;
    this.#head.write({ commits, nextSeq, ackedSeq, life });
  }

  #knownOf(row: KnownRow, asked: string | undefined, number: number): KnownRecord | undefined {
    const [key, , , seen] = row;
    if (key !== asked) {
      throw new StorageCorruptError(
        `room file ${this.file}, table known_records: key ${key} answered for ${asked}`,
      );
    }
    return seen === null ? undefined : toKnownRecord(row, number, this.file);
  }

  #count(statement: "countKnown" | "countUnseen", entity: string, generation: number): number {
    const number = this.#entities.get(entity);
    if (number === undefined) return 0;
    return guarded(this.file, "counting known records", () =>
      statement === "countKnown"
        ? (this.#sql.countKnown.get(number) ?? 0)
        : (this.#sql.countUnseen.get(number, generation) ?? 0),
    );
  }

  #freePages(): number {
    return Number(this.#db.pragma("freelist_count", { simple: true }));
  }
}
