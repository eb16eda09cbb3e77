// Starts and ends the thread that copies the store's write-ahead log into its file.
import { Worker } from "node:worker_threads";

/** An installed package has it beside this file too, as JavaScript. */
const THREAD = `checkpoint-thread.${import.meta.filename.endsWith(".ts") ? "ts" : "mjs"}`;

export interface CheckpointOrder {
  readonly path: string;
  readonly everyMs: number;
  /** Pages that have not been copied yet. */
  readonly fromPages: number;
  readonly busyTimeoutMs: number;
}

export class Checkpointer implements AsyncDisposable {
  readonly #worker: Worker;

  constructor(order: CheckpointOrder) {
    this.#worker = new Worker(new URL(THREAD, import.meta.url), { workerData: order });
    this.#worker.unref();
    // Without it the writer copies its log itself, as it does at a larger size in any case: slower, and nothing is lost.
    this.#worker.on("error", (error) => process.emitWarning(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
