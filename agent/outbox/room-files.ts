// A room's folder: which file is current, how a new epoch takes its place, and where a damaged one goes.
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import {
  LOST_BATCH_ID,
  takeOver,
  type NewBatch,
  type RoomStore,
  type StoredBatch,
  type TakenOver,
} from "#agent/core/room/room-store.ts";
import type { OpenedStore, RoomStorage } from "#agent/core/room/room.ts";
import { StorageCorruptError, StorageFullError } from "#agent/core/room/storage-errors.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { BatchReader } from "./batch-reader.ts";
import { clearQuarantine, quarantineFile, removeFile, syncFolder } from "./file-retirement.ts";
import { headPath, readHead } from "./head-file.ts";
import { salvage, tryMeta, type Salvage } from "./salvage.ts";
import { SqliteRoomStore } from "./sqlite-room-store.ts";

/** What became of a damaged file: the content of the gap entry in its successor. */
export interface RepairReport {
  /** For people: what was damaged, and the counts. */
  readonly detail: string;
  /** Undelivered batches taken over, and those known to be lost. */
  readonly saved: number;
  readonly lost: number;
}

export interface RoomFilesDeps {
  /** The room's own folder; made when missing. */
  readonly dir: string;
  /** 16 random hex digits, for epochs. */
  readonly newId: () => string;
  /** The batch that begins the epoch after a repair, with the gap entry `corruption`. */
  readonly beginBatch: (report: RepairReport) => NewBatch;
  /** Stands in the place of a lost batch, under an id that says so: the seqs behind it keep their distance. */
  readonly emptyBatch: () => NewBatch;
  /** Resolves when main has closed its own handle on the file; at once for files that main never opened. */
  readonly releaseFile: (file: string) => Promise<void>;
  readonly logger: Logger;
}

export interface OpenedFile extends OpenedStore {
  readonly store: SqliteRoomStore;
  /** `created`, `resumed`, or why the epoch has just begun. */
  readonly reason: string;
}

const CURRENT_NAME = /^[0-9a-f]{16}\.db$/;
const LEFTOVER_NAME = /^[0-9a-f]{16}\.new\./;
const SIDE_NAME = /^([0-9a-f]{16})(\.db-wal|\.db-shm|\.db-journal|\.head)$/;
/** Reason of an epoch that began because a file was damaged; that file is kept for a look. */
const CORRUPTION = "corruption";
const CREATED = "created";
/** Copied in one transaction, bytes; between two, the room's event loop gets its turn. */
const COPY_STEP_BYTES = 8 * 1024 * 1024;

/** Empty batches behind the last that was saved: more than a window's worth cannot have reached the relay unknown to us. */
const MAX_LOST_AT_END = 10_000;

const FIRST_EPOCH = { batches: [], begin: undefined, takenOver: [], reason: CREATED, old: undefined };

export class RoomFiles implements RoomStorage {
  readonly #deps: RoomFilesDeps;
  #open: SqliteRoomStore | undefined;

  constructor(deps: RoomFilesDeps) {
    this.#deps = deps;
  }

  /**
   * Opens the current file, makes the first one, or repairs a damaged one by a new epoch.
   * @throws StorageFullError when there is no space for the new file
   * @throws MillraceError when a newer Millrace wrote the file, or the folder cannot be used
   */
  async open(): Promise<OpenedFile> {
    const { dir } = this.#deps;
    mkdirSync(dir, { recursive: true });
    for (const name of readdirSync(dir)) {
      if (LEFTOVER_NAME.test(name)) rmSync(join(dir, name), { force: true });
    }
    const file = await this.#currentFile();
    if (file === undefined) return this.#opened(await this.#writeEpoch(FIRST_EPOCH), CREATED);
    try {
      return this.#opened(file, "resumed");
    } catch (error) {
      if (!(error instanceof StorageCorruptError)) throw error;
      return await this.#repair(file, error);
    }
  }

  /**
   * A new epoch in a new file: what was not acknowledged in its order, under new seqs and the same ids, then `begin`; no
   * cursors, no known records. Nothing may use the given store from the call on. When this throws, the old file is the
   * current one still: `open` again.
   * @throws StorageFullError
   */
  async startEpoch(current: RoomStore, begin: NewBatch, reason: string): Promise<OpenedFile> {
    const old = this.#fileOf(current);
    this.close();
    try {
      const reader = BatchReader.open(old);
      let file: string;
      try {
        const takenOver = takeOver(reader.position(), reason);
        file = await this.#writeEpoch({ batches: unacknowledged(reader), begin, takenOver, reason, old });
      } finally {
        reader.close();
      }
      await this.#retire(old, false);
      return this.#opened(file, reason);
    } catch (error) {
      if (!(error instanceof StorageCorruptError)) throw error;
      return await this.#repair(old, error);
    }
  }

  /** After a read failed its check, or the disk did: saves what is whole into a new epoch that begins with a gap `corruption`. */
  async salvage(current: RoomStore, cause?: StorageCorruptError): Promise<OpenedFile> {
    const file = this.#fileOf(current);
    this.close();
    return await this.#repair(file, cause ?? new StorageCorruptError(`room file ${file} failed its checks`));
  }

  close(): void {
    const store = this.#open;
    this.#open = undefined;
    try {
      store?.close();
    } catch (error) {
      // A damaged file may not even close well; its bytes are read without SQLite next.
      this.#deps.logger.warn({ error: messageOf(error) }, "a room file did not close cleanly");
    }
  }

  #opened(file: string, reason: string): OpenedFile {
    this.#open = SqliteRoomStore.open(file);
    return { store: this.#open, reason };
  }

  #fileOf(current: RoomStore): string {
    if (current !== this.#open || this.#open === undefined) {
      throw new MillraceError(`${this.#deps.dir}: the store given is not the room's open one`);
    }
    return this.#open.file;
  }

  async #repair(damaged: string, cause: StorageCorruptError): Promise<OpenedFile> {
    const { dir, releaseFile, beginBatch, emptyBatch, logger } = this.#deps;
    await releaseFile(damaged);
    using found = salvage(damaged);
    const { found: saved, lost } = found;
    const detail = `${messageOf(cause)}; ${saved} undelivered batches were saved, ${lost} lost`;
    logger.error({ file: damaged, saved, lost }, `room file is damaged: ${messageOf(cause)}`);
    const write = (): Promise<string> =>
      this.#writeEpoch({
        batches: withoutHoles(found, emptyBatch),
        begin: beginBatch({ detail, saved, lost }),
        takenOver: takeOver(salvagedPosition(damaged, found.firstSeq), CORRUPTION),
        reason: CORRUPTION,
        old: damaged,
      });
    let file: string;
    try {
      file = await write();
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
      // Earlier damaged files are worth less than going on.
      clearQuarantine(dir);
      file = await write();
    }
    found[Symbol.dispose]();
    await this.#retire(damaged, true);
    return this.#opened(file, CORRUPTION);
  }

  /**
   * Writes a whole epoch under a temporary name, synced, and gives it its own name last: from that instant on it is the
   * current file, because its life is one higher.
   */
  async #writeEpoch({ batches, begin, takenOver, reason, old }: EpochContent): Promise<string> {
    const { dir, newId } = this.#deps;
    const epoch = newId();
    const temporary = join(dir, `${epoch}.new.db`);
    const file = join(dir, `${epoch}.db`);
    const life = old === undefined ? 1 : lifeOf(old) + 1;
    const store = SqliteRoomStore.create(temporary, { epoch, takenOver, reason, life });
    try {
      await copyBatches(batches, store);
      if (begin !== undefined) store.commit({ batches: [begin] });
      store.close();
      renameSync(headPath(temporary), headPath(file));
      renameSync(temporary, file);
      syncFolder(dir);
      return file;
    } catch (error) {
      store.close();
      removeFile(temporary);
      throw error;
    }
  }

  /** The file with the highest life; what it replaced, and what belongs to nothing, is cleared away. */
  async #currentFile(): Promise<string | undefined> {
    const { dir } = this.#deps;
    const names = readdirSync(dir);
    for (const name of names) {
      const owner = SIDE_NAME.exec(name)?.[1];
      if (owner !== undefined && !names.includes(`${owner}.db`)) rmSync(join(dir, name), { force: true });
    }
    const files = names.filter((name) => CURRENT_NAME.test(name)).map((name) => join(dir, name));
    if (files.length <= 1) return files[0];
    const [current, ...replaced] = files.sort((left, right) => lifeOf(right) - lifeOf(left));
    if (current === undefined) return undefined;
    const wasDamaged = tryMeta(current)?.reason === CORRUPTION;
    for (const file of replaced) await this.#retire(file, wasDamaged || lifeOf(file) === 0);
    return current;
  }

  async #retire(file: string, isDamaged: boolean): Promise<void> {
    await this.#deps.releaseFile(file);
    if (isDamaged) quarantineFile(file);
    else removeFile(file);
  }
}

/** What a new file is written from. */
interface EpochContent {
  readonly batches: Iterable<NewBatch>;
  readonly begin: NewBatch | undefined;
  readonly takenOver: readonly TakenOver[];
  readonly reason: string;
  readonly old: string | undefined;
}

/** What is lost at the end is filled too: the relay may have applied it, and the new epoch's own batches come behind. */
function* withoutHoles(found: Salvage, emptyBatch: () => NewBatch): Generator<NewBatch> {
  let next = found.firstSeq;
  for (const batch of found.batches()) {
    for (; next < batch.seq; next += 1) yield { ...emptyBatch(), id: LOST_BATCH_ID };
    yield batch;
    next += 1;
  }
  const end = Math.min(found.endSeq, next + MAX_LOST_AT_END);
  for (; next < end; next += 1) yield { ...emptyBatch(), id: LOST_BATCH_ID };
}

/** 0 when neither the file nor its sidecar can say. */
function lifeOf(file: string): number {
  return tryMeta(file)?.life ?? readHead(file)?.life ?? 0;
}

/** What is known of a damaged file's place in its stream. */
function salvagedPosition(file: string, firstSeq: number): Parameters<typeof takeOver>[0] {
  const takenOver = tryMeta(file)?.takenOver ?? readHead(file)?.takenOver ?? [];
  return { epoch: epochOf(file), ackedSeq: firstSeq - 1, takenOver };
}

function epochOf(file: string): string {
  return /([0-9a-f]{16})\.db$/.exec(file)?.[1] ?? "";
}

function* unacknowledged(reader: BatchReader): Generator<StoredBatch> {
  const { ackedSeq, nextSeq } = reader.position();
  for (let seq = ackedSeq + 1; seq < nextSeq;) {
    const batches = reader.read(seq, COPY_STEP_BYTES);
    yield* batches;
    seq += batches.length;
  }
}

async function copyBatches(batches: Iterable<NewBatch>, into: SqliteRoomStore): Promise<void> {
  let step: NewBatch[] = [];
  let bytes = 0;
  for (const { id, kind, entries, blob } of batches) {
    step.push({ id, kind, entries, blob });
    bytes += blob.length;
    if (bytes < COPY_STEP_BYTES) continue;
    into.commit({ batches: step });
    step = [];
    bytes = 0;
    await setImmediate();
  }
  into.commit({ batches: step });
}
