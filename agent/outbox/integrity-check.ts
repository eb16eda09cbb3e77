// SQLite's own check of a whole file, in a thread of its own: a large file takes longer than a room may be silent.
import { Worker } from "node:worker_threads";

/** Beside this file in a checkout as in an installed package. */
const THREAD = new URL("integrity-thread.mjs", import.meta.url);
const LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };
const DAMAGE = /^SQLITE_(CORRUPT|NOTADB)/;
const MAX_DETAIL_CHARS = 500;

type Answer =
  | { readonly said: string; readonly code?: undefined }
  | { readonly code: string; readonly message: string };

/**
 * Resolves with `ok` or with what is wrong with the database. Others may read and write it meanwhile; the WAL cannot be
 * shortened until it ends. @throws Error when the file could not be opened or read for another reason than damage
 */
export async function checkIntegrity(file: string): Promise<string> {
  const worker = new Worker(THREAD, { workerData: { file }, resourceLimits: LIMITS });
  worker.unref();
  const answer = await new Promise<Answer>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("the thread ended without an answer")));
  });
  if (answer.code === undefined) return answer.said.slice(0, MAX_DETAIL_CHARS);
  if (DAMAGE.test(answer.code)) return answer.message.slice(0, MAX_DETAIL_CHARS);
  throw new Error(`${file}: ${answer.message}`);
}
