// Starts and ends the thread that copies the store's write-ahead log into its file.
import { Worker } from "node:worker_threads";

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
    this.#worker = new Worker(new URL("checkpoint-thread.ts", import.meta.url), { workerData: order });
    this.#worker.unref();
    // Without it the writer copies its log itself, as it does at a larger size in any case: slower, and nothing is lost.
    this.#worker.on("error", (error) => process.emitWarning(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
