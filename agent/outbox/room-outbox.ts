// A room's outbox as the uplink reads it: main's own read-only handle on the file that the room has announced.
import type { ToRoom } from "#agent/core/room/messages.ts";
import type { StoredBatch } from "#agent/core/room/room-store.ts";
import { StorageCorruptError } from "#agent/core/room/storage-errors.ts";
import type { StreamPosition, StreamSource } from "#agent/core/uplink/stream-source.ts";
import { batchClosedAtMs } from "#common/contract/batch.ts";
import type { RecordRejected } from "#common/contract/messages.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { BatchReader } from "./batch-reader.ts";

export class RoomOutbox implements StreamSource {
  readonly name: string;
  readonly #logger: Logger;
  readonly #toRoom: (message: ToRoom) => void;
  #reader: BatchReader | undefined;
  #file: string | undefined;

  constructor(name: string, logger: Logger, toRoom: (message: ToRoom) => void) {
    this.name = name;
    this.#logger = logger;
    this.#toRoom = toRoom;
  }

  /** The room has opened this file. */
  open(file: string): void {
    this.close();
    this.#file = file;
    this.#guarded(() => {
      this.#reader = BatchReader.open(file);
    }, undefined);
  }

  /** The room is about to move or remove the file. */
  release(file: string): void {
    if (file === this.#file) this.close();
  }

  close(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#file = undefined;
    reader?.close();
  }

  position(): StreamPosition | undefined {
    return this.#guarded(() => this.#reader?.position(), undefined);
  }

  /** When the oldest batch that is not acknowledged was closed; undefined: there is none. */
  oldestUnsentAtMs(): number | undefined {
    return this.#guarded(() => {
      const reader = this.#reader;
      const position = reader?.position();
      if (reader === undefined || position === undefined) return undefined;
      if (position.ackedSeq + 1 >= position.nextSeq) return undefined;
      const [oldest] = reader.read(position.ackedSeq + 1, 1);
      return oldest && batchClosedAtMs(oldest.blob);
    }, undefined);
  }

  read(fromSeq: number, maxBytes: number): readonly StoredBatch[] {
    return this.#guarded(() => this.#reader?.read(fromSeq, maxBytes) ?? [], []);
  }

  idAt(seq: number): string | undefined {
    return this.#guarded(() => this.#reader?.idAt(seq), undefined);
  }

  acked(epoch: string, seq: number): void {
    this.#toRoom({ type: "acked", epoch, seq });
  }

  newEpoch(reason: string): void {
    this.#toRoom({ type: "new_epoch", reason });
  }

  rejected({ entity, key, code, detail }: RecordRejected): void {
    this.#toRoom({ type: "rejected", entity, key, code, detail });
  }

  /** A damaged file is the room's to repair: nothing more is read from it until the room announces another. */
  #guarded<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      this.#logger.error({ connection: this.name }, `outbox: ${messageOf(error)}`);
      this.close();
      if (error instanceof StorageCorruptError) this.newEpoch("corruption");
      return otherwise;
    }
  }
}
