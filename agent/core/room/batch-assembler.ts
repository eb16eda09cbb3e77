// Collects entry texts into batches that fit the wire's limits, encoded once.
import type { BatchCodec } from "#common/contract/batch.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_ENTRIES } from "#common/contract/limits.ts";
import type { NewBatch } from "./room-store.ts";

export interface BatchDeps {
  readonly codec: BatchCodec;
  readonly nowMs: () => number;
  /** 64 random bits, hex. */
  readonly randomId: () => string;
  readonly mappingVersion: string;
}

export class BatchAssembler {
  readonly #deps: BatchDeps;
  readonly #closed: NewBatch[] = [];
  #text = "";
  #entries = 0;

  constructor(deps: BatchDeps) {
    this.#deps = deps;
  }

  /** Adds one entry's lines (entry.ts). */
  add(entryText: string): void {
    // UTF-16 length bounds the size well enough: an entry over the limit by its umlauts still fits the frame.
    if (this.#entries > 0 && this.#text.length + entryText.length > MAX_BATCH_BYTES) this.#close();
    this.#text += entryText;
    this.#entries += 1;
    if (this.#entries >= MAX_BATCH_ENTRIES) this.#close();
  }

  /** Closes what is open and returns all batches since the last call. */
  take(): readonly NewBatch[] {
    if (this.#entries > 0) this.#close();
    return this.#closed.splice(0);
  }

  #close(): void {
    this.#closed.push(encodeBatch(this.#deps, "records", this.#entries, this.#text));
    this.#text = "";
    this.#entries = 0;
  }
}

export function encodeBatch(
  deps: BatchDeps,
  kind: "records" | "samples",
  entries: number,
  body: string,
): NewBatch {
  const header = { kind, entries, closedAtMs: deps.nowMs(), mappingVersion: deps.mappingVersion };
  return { id: deps.randomId(), kind, entries, blob: deps.codec.encode(header, body) };
}
