// A room's folder: which file is current, how a new epoch takes its place, and where a damaged one goes.
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { NewBatch, StoredBatch } from "#agent/core/room/room-store.ts";
import { StorageCorruptError, StorageFullError } from "#agent/core/room/storage-errors.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { BatchReader } from "./batch-reader.ts";
import { clearQuarantine, quarantineFile, removeFile, syncFolder } from "./file-retirement.ts";
import { headPath, readHead } from "./head-file.ts";
import { salvage, tryMeta } from "./salvage.ts";
import { SqliteRoomStore } from "./sqlite-room-store.ts";

/** Why the gap is there and how much it is about. */
export interface EpochStart {
  readonly reason: string;
  readonly detail: string;
  /** Batches taken over, and batches known to be lost. */
  readonly carried: number;
  readonly lost: number;
}

export interface RoomFilesDeps {
  /** The room's own folder; made when missing. */
  readonly dir: string;
  /** 16 random hex digits, for epochs and batch ids. */
  readonly newId: () => string;
  /** The batch that holds the gap entry of a new epoch. */
  readonly gapBatch: (start: EpochStart) => NewBatch;
  /** Resolves when main has closed its own handle on the file. Must also resolve for files that main never opened. */
  readonly releaseFile: (file: string) => Promise<void>;
  readonly logger: Logger;
}

export interface OpenRoom {
  readonly store: SqliteRoomStore;
  readonly file: string;
  readonly epoch: string;
  /** `created`, `resumed`, or the reason of the epoch that has just begun. */
  readonly reason: string;
}

const CURRENT_NAME = /^[0-9a-f]{16}\.db$/;
const LEFTOVER_NAME = /^[0-9a-f]{16}\.new\./;
const SIDE_NAME = /^([0-9a-f]{16})(\.db-wal|\.db-shm|\.db-journal|\.head)$/;
/** Reason of an epoch that began because a file was damaged; that file is kept for a look. */
const CORRUPTION = "corruption";
/** Copied in one transaction, bytes; between two, the room's event loop gets its turn. */
const COPY_STEP_BYTES = 8 * 1024 * 1024;

export class RoomFiles {
  readonly #deps: RoomFilesDeps;
  #open: OpenRoom | undefined;

  constructor(deps: RoomFilesDeps) {
    this.#deps = deps;
  }

  /**
   * Opens the current file, makes the first one, or repairs a damaged one by a new epoch.
   * @throws StorageFullError when there is no space for the new file
   * @throws MillraceError when a newer Millrace wrote the file, or the folder cannot be used
   */
  async open(): Promise<OpenRoom> {
    const { dir } = this.#deps;
    mkdirSync(dir, { recursive: true });
    for (const name of readdirSync(dir)) {
      if (LEFTOVER_NAME.test(name)) rmSync(join(dir, name), { force: true });
    }
    const file = await this.#currentFile();
    if (file === undefined) return this.#beginFirst();
    try {
      return this.#opened(SqliteRoomStore.open(file), "resumed");
    } catch (error) {
      if (!(error instanceof StorageCorruptError)) throw error;
      return await this.#repair(file, error);
    }
  }

  /**
   * Begins a new epoch: unacknowledged batches in their order under new seqs and ids, then the gap; no cursors, no known
   * records. Nothing may use the old store from the call on. When it throws, the old file is still the current one: `open` again.
   * @throws StorageFullError
   */
  async startEpoch(reason: string, detail: string): Promise<OpenRoom> {
    const old = this.#open?.file ?? (await this.#currentFile());
    if (old === undefined) return this.#beginFirst();
    this.close();
    const copied = { reason, detail, carried: 0, lost: 0 };
    try {
      const reader = BatchReader.open(old);
      let file: string;
      try {
        file = await this.#writeEpoch(unacknowledged(reader), copied, old);
      } finally {
        reader.close();
      }
      await this.#retire(old, false);
      return this.#opened(SqliteRoomStore.open(file), reason);
    } catch (error) {
      if (!(error instanceof StorageCorruptError)) throw error;
      return await this.#repair(old, error);
    }
  }

  /** After a read failed its check, or the disk did: saves what is whole into a new epoch with a gap `corruption`. */
  async repair(cause: StorageCorruptError): Promise<OpenRoom> {
    const file = this.#open?.file ?? (await this.#currentFile());
    if (file === undefined) return this.#beginFirst();
    this.close();
    return await this.#repair(file, cause);
  }

  close(): void {
    const store = this.#open?.store;
    this.#open = undefined;
    try {
      store?.close();
    } catch (error) {
      // A damaged file may not even close well; its bytes are read without SQLite next.
      this.#deps.logger.warn({ error: messageOf(error) }, "a room file did not close cleanly");
    }
  }

  #opened(store: SqliteRoomStore, reason: string): OpenRoom {
    this.#open = { store, file: store.file, epoch: store.meta.epoch, reason };
    return this.#open;
  }

  async #beginFirst(): Promise<OpenRoom> {
    const file = await this.#writeEpoch([], undefined, undefined);
    return this.#opened(SqliteRoomStore.open(file), "created");
  }

  async #repair(damaged: string, cause: StorageCorruptError): Promise<OpenRoom> {
    const { dir, releaseFile, logger } = this.#deps;
    await releaseFile(damaged);
    const found = salvage(damaged);
    let file: string;
    try {
      const counts = { carried: found.found, lost: found.lost };
      const detail = `${messageOf(cause)}; ${found.found} undelivered batches were saved, ${found.lost} lost`;
      logger.error({ file: damaged, ...counts }, `room file is damaged: ${messageOf(cause)}`);
      const start = { reason: CORRUPTION, detail, ...counts };
      try {
        file = await this.#writeEpoch(found.batches(), start, damaged);
      } catch (error) {
        if (!(error instanceof StorageFullError)) throw error;
        // Earlier damaged files are worth less than going on.
        clearQuarantine(dir);
        file = await this.#writeEpoch(found.batches(), start, damaged);
      }
    } finally {
      found[Symbol.dispose]();
    }
    await this.#retire(damaged, true);
    return this.#opened(SqliteRoomStore.open(file), CORRUPTION);
  }

  /**
   * Writes a whole epoch under a temporary name, synced, and gives it its own name last: from that instant on it is the
   * current file, because its life is one higher.
   */
  async #writeEpoch(
    batches: Iterable<StoredBatch>,
    start: EpochStart | undefined,
    old: string | undefined,
  ): Promise<string> {
    const { dir, newId, gapBatch } = this.#deps;
    const epoch = newId();
    const temporary = join(dir, `${epoch}.new.db`);
    const file = join(dir, `${epoch}.db`);
    const replaces = old === undefined ? "" : epochOf(old);
    const life = old === undefined ? 1 : lifeOf(old) + 1;
    const store = SqliteRoomStore.create(temporary, {
      epoch,
      replaces,
      reason: start?.reason ?? "created",
      life,
    });
    try {
      const carried = await copyBatches(batches, store, newId);
      if (start !== undefined) store.commit({ batches: [gapBatch({ ...start, carried })] });
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

/** 0 when neither the file nor its sidecar can say. */
function lifeOf(file: string): number {
  return tryMeta(file)?.life ?? readHead(file)?.life ?? 0;
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

async function copyBatches(
  batches: Iterable<StoredBatch>,
  into: SqliteRoomStore,
  newId: () => string,
): Promise<number> {
  let step: NewBatch[] = [];
  let bytes = 0;
  let copied = 0;
  for (const { kind, entries, blob } of batches) {
    step.push({ id: newId(), kind, entries, blob });
    bytes += blob.length;
    copied += 1;
    if (bytes < COPY_STEP_BYTES) continue;
    into.commit({ batches: step });
    step = [];
    bytes = 0;
    await setImmediate();
  }
  into.commit({ batches: step });
  return copied;
}
