// Main's own read-only handle on a room's file: the uplink reads committed batches through it while the room writes.
import Database from "better-sqlite3";
import type { RoomPosition, StoredBatch } from "#agent/core/room/room-store.ts";
import { StorageCorruptError } from "#agent/core/room/storage-errors.ts";
import { BATCH_COLUMNS, META_COLUMNS, toMeta, toStoredBatch } from "./room-rows.ts";
import type { BatchRow } from "./room-rows.ts";
import { guarded } from "./sqlite-failures.ts";

/** What the file itself says; `backlogBytes` is the room's to count. */
export type FilePosition = Omit<RoomPosition, "backlogBytes">;

/** Batches are read once, in order: a larger cache would only hold what nobody asks for again. */
const READER_CACHE_KIB = 1024;

/** Each call is a short read of its own: it never holds the writer's checkpoint back and works on after the room was killed. */
export class BatchReader implements Disposable {
  readonly file: string;
  readonly #db: Database.Database;
  readonly #getMeta: Database.Statement<[]>;
  readonly #getBatch: Database.Statement<[number], BatchRow>;
  readonly #getId: Database.Statement<[number], Buffer>;

  private constructor(db: Database.Database) {
    this.file = db.name;
    this.#db = db;
    this.#getMeta = db.prepare(`SELECT ${META_COLUMNS} FROM meta WHERE id = 1`).raw();
    this.#getBatch = db
      .prepare<[number], BatchRow>(`SELECT ${BATCH_COLUMNS} FROM batches WHERE seq = ?`)
      .raw();
    this.#getId = db.prepare<[number], Buffer>("SELECT id FROM batches WHERE seq = ?").pluck();
  }

  /** @throws StorageCorruptError, MillraceError when the file cannot be opened */
  static open(file: string): BatchReader {
    return guarded(file, "opening it for reading", () => {
      const db = new Database(file, { readonly: true, fileMustExist: true });
      try {
        db.pragma(`cache_size = -${READER_CACHE_KIB}`);
        return new BatchReader(db);
      } catch (error) {
        db.close();
        throw error;
      }
    });
  }

  /** As last committed. A trim shows with the room's next commit. @throws StorageCorruptError */
  position(): FilePosition {
    return guarded(this.file, "reading its position", () => {
      const meta = toMeta(this.#getMeta.get(), this.file);
      const { epoch, firstSeq, nextSeq, ackedSeq, tailId, takenOver } = meta;
      return { epoch, firstSeq, nextSeq, ackedSeq, tailId, takenOver };
    });
  }

  /**
   * Committed batches from `fromSeq` on, or from the oldest still held, without holes; at most `maxBytes` of blobs, but at
   * least one batch when there is one.
   * @throws StorageCorruptError
   */
  read(fromSeq: number, maxBytes: number): readonly StoredBatch[] {
    return guarded(this.file, "reading batches", () => {
      const { firstSeq, nextSeq } = this.position();
      const batches: StoredBatch[] = [];
      let bytes = 0;
      for (let seq = Math.max(fromSeq, firstSeq); seq < nextSeq; seq += 1) {
        const row = this.#getBatch.get(seq);
        if (row === undefined) return this.#afterTrim(seq, batches, maxBytes);
        bytes += row[5].length;
        if (batches.length > 0 && bytes > maxBytes) break;
        batches.push(toStoredBatch(row, this.file));
      }
      return batches;
    });
  }

  /** The id at a seq still held or at `firstSeq - 1`. @throws StorageCorruptError */
  idAt(seq: number): string | undefined {
    return guarded(this.file, "reading a batch id", () => {
      const id = this.#getId.get(seq);
      if (id !== undefined) return id.toString("hex");
      const { firstSeq, tailId } = this.position();
      return seq === firstSeq - 1 && tailId !== "" ? tailId : undefined;
    });
  }

  close(): void {
    this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The room may have trimmed between two reads; anything else missing is damage. */
  #afterTrim(seq: number, batches: readonly StoredBatch[], maxBytes: number): readonly StoredBatch[] {
    const { firstSeq } = this.position();
    if (firstSeq <= seq) {
      throw new StorageCorruptError(`room file ${this.file}, table batches, row ${seq}: missing`);
    }
    return batches.length > 0 ? batches : this.read(firstSeq, maxBytes);
  }
}
