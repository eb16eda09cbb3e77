// SQLite's own check of a whole file, as a thread. Plain JavaScript: to strip types takes more memory than it is given.
import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
parentPort.postMessage(answer(workerData.file));

function answer(file) {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      const rows = db.pragma("integrity_check(5)");
      return { said: rows.map((row) => row.integrity_check).join("; ") };
    } finally {
      db.close();
    }
  } catch (error) {
    return { code: error.code ?? "", message: error.message };
  }
}
