// One connection's outbox as the uplink sees it: batches to send, and whom to tell what became of them.
import type { RecordRejected } from "#common/contract/messages.ts";
import type { StoredBatch, TakenOver } from "../room/room-store.ts";

export interface StreamPosition {
  readonly epoch: string;
  readonly firstSeq: number;
  readonly nextSeq: number;
  readonly ackedSeq: number;
  readonly tailId: string;
  /** See RoomPosition. */
  readonly takenOver: readonly TakenOver[];
}

/** Reads go through a handle of main's own and may find the file gone: then `position` is undefined until it is back. */
export interface StreamSource {
  /** Name in the agent's configuration; the relay's bindings say which connection it is. */
  readonly name: string;
  position(): StreamPosition | undefined;
  /** Batches from `fromSeq`, at least one if there is one, up to about `maxBytes`. */
  read(fromSeq: number, maxBytes: number): readonly StoredBatch[];
  /** Id at a seq that is held, or at `firstSeq - 1`. */
  idAt(seq: number): string | undefined;
  /** The relay holds everything up to `seq` durably. */
  acked(epoch: string, seq: number): void;
  /** The relay's history is not this epoch's: start another one. */
  newEpoch(reason: string): void;
  rejected(rejection: RecordRejected): void;
}
