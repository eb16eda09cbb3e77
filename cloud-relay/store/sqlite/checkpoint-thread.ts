// A thread that copies the store's write-ahead log into its file, so that commits and readers do not wait for that.
import { workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import type { CheckpointOrder } from "./checkpointer.ts";

const { path, everyMs, fromPages, busyTimeoutMs } = workerData as CheckpointOrder;
const db = new Database(path, { fileMustExist: true, timeout: busyTimeoutMs });

setInterval(() => {
  try {
    // NOOP only counts (sqlite.org/pragma.html#pragma_wal_checkpoint).
    const [state] = db.pragma("wal_checkpoint(NOOP)") as readonly { log: number; checkpointed: number }[];
    if (state !== undefined && state.log - state.checkpointed >= fromPages) {
      db.pragma("wal_checkpoint(PASSIVE)");
    }
  } catch {
    // A full or failing disk: the writer meets it as well, and is the one to say so.
  }
}, everyMs);
