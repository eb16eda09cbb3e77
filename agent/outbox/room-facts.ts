// What a room's file says of itself to somebody who only looks: its epoch, what waits, when it was checked. No content.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { batchCodec } from "#common/contract/batch.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import { BatchReader } from "./batch-reader.ts";
import { META_COLUMNS, toMeta } from "./room-rows.ts";

export interface RoomFacts {
  readonly file: string;
  /** With its WAL. */
  readonly bytes: number;
  readonly epoch: string;
  /** Why the epoch began. */
  readonly reason: string;
  readonly life: number;
  readonly firstSeq: number;
  readonly nextSeq: number;
  readonly ackedSeq: number;
  /** Batches that the relay has not acknowledged. */
  readonly backlogBatches: number;
  readonly backlogBytes: number;
  /** When the oldest of them was closed, ms; undefined without backlog. */
  readonly oldestUnsentMs: number | undefined;
  /** The last weekly check of the whole file; undefined before the first. */
  readonly checked: { readonly atMs: number; readonly detail: string } | undefined;
}

const CURRENT = /^[0-9a-f]{16}\.db$/;
/** Where the room keeps it, beside its cursors. */
const CHECK_SLOT = "maintenance/integrity";

/** Of the newest file in a room's folder, read beside the room that may be writing; undefined: none yet. @throws MillraceError */
export function roomFacts(dir: string): RoomFacts | undefined {
  const found = filesIn(dir).map((file) => lookInto(file));
  return found.toSorted((one, other) => other.life - one.life)[0];
}

function filesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
      .filter((name) => CURRENT.test(name))
      .map((name) => join(dir, name));
  } catch {
    return [];
  }
}

function lookInto(file: string): RoomFacts {
  let db: Database.Database;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true, timeout: 2_000 });
  } catch (error) {
    throw new MillraceError(`room file ${file} cannot be opened: ${messageOf(error)}`, { cause: error });
  }
  try {
    const meta = toMeta(db.prepare<[]>(`SELECT ${META_COLUMNS} FROM meta WHERE id = 1`).raw().get(), file);
    const { epoch, reason, life, firstSeq, nextSeq, ackedSeq } = meta;
    const [backlogBatches = 0, backlogBytes = 0] =
      db
        .prepare<[number], [number, number]>(
          "SELECT count(*), coalesce(sum(length(blob)), 0) FROM batches WHERE seq > ?",
        )
        .raw()
        .get(ackedSeq) ?? [];
    const checked = db
      .prepare<[string], string>("SELECT cursor FROM cursors WHERE slot = ?")
      .pluck()
      .get(CHECK_SLOT);
    return {
      file,
      bytes: sizeOf(file) + sizeOf(`${file}-wal`),
      epoch,
      reason,
      life,
      firstSeq,
      nextSeq,
      ackedSeq,
      backlogBatches,
      backlogBytes,
      oldestUnsentMs: backlogBatches === 0 ? undefined : oldestRead(file, ackedSeq + 1),
      checked: checkOf(checked),
    };
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError(`room file ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  } finally {
    db.close();
  }
}

function oldestRead(file: string, seq: number): number | undefined {
  using reader = BatchReader.open(file);
  const [batch] = reader.read(seq, 1);
  return batch === undefined ? undefined : batchCodec.decode(batch.blob).closedAtMs;
}

/** Written by the room itself; anything else is no reason to say nothing at all. */
function checkOf(cursor: string | undefined): RoomFacts["checked"] {
  try {
    const { atMs, detail } = JSON.parse(cursor ?? "{}") as { atMs?: unknown; detail?: unknown };
    const isCheck = typeof atMs === "number" && typeof detail === "string" && detail !== "";
    return isCheck ? { atMs, detail } : undefined;
  } catch {
    return undefined;
  }
}

/** Names and sizes only: no handle on a live database's file. */
function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
