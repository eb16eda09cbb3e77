// Writes what a RoomCommit holds, within the transaction that its caller has begun.
import type { RoomCommit } from "#agent/core/room/room-store.ts";
import { batchCrc, knownCrc, packHash, textCrc } from "./room-rows.ts";
import type { RoomStatements } from "./room-statements.ts";

export interface CommitState {
  /** Seq of the first batch. */
  readonly nextSeq: number;
  /** Numbers of the entities that the file knows. */
  readonly entities: ReadonlyMap<string, number>;
  /** Filled with the numbers of those it did not know; good only if the transaction succeeds. */
  readonly added: Map<string, number>;
}

export function writeCommit(sql: RoomStatements, commit: RoomCommit, state: CommitState): void {
  writeBatches(sql, commit, state.nextSeq);
  for (const { entity, records } of commit.known ?? []) {
    const number = entityNumber(sql, entity, state);
    for (const { key, hash, version, seen } of records) {
      const crc = knownCrc(number, key, hash, version, seen);
      sql.putKnown.run(number, key, packHash(hash), version ?? null, seen, crc);
    }
  }
  for (const { entity, keys } of commit.forgotten ?? []) {
    const number = entityNumber(sql, entity, state);
    for (const key of keys) sql.forget.run(number, key);
  }
  for (const { slot, cursor } of commit.cursors ?? []) {
    if (cursor === undefined) sql.removeCursor.run(slot);
    else {
      const text = JSON.stringify(cursor);
      sql.putCursor.run(slot, text, textCrc(slot, text));
    }
  }
}

function writeBatches(sql: RoomStatements, commit: RoomCommit, nextSeq: number): void {
  let seq = nextSeq;
  for (const batch of commit.batches ?? []) {
    const id = Buffer.from(batch.id, "hex");
    const kind = batch.kind === "records" ? 1 : 2;
    const crc = batchCrc(seq, id, kind, batch.entries, 0, batch.blob);
    sql.insertBatch.run(seq, id, kind, batch.entries, 0, batch.blob, crc);
    seq += 1;
  }
}

/** Entities go by number in `known_records`: one byte or two instead of a name in each row. */
function entityNumber(sql: RoomStatements, entity: string, { entities, added }: CommitState): number {
  const known = entities.get(entity) ?? added.get(entity);
  if (known !== undefined) return known;
  const number = entities.size + added.size + 1;
  sql.insertEntity.run(number, entity, textCrc(number, entity));
  added.set(entity, number);
  return number;
}
