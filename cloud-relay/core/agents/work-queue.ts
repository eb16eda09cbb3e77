// What an agent has sent and its session has not taken yet: control messages and each stream in a line of their own.
import type { BatchFrame } from "#common/contract/frame.ts";
import type { ConnectionReport, StreamOpen } from "#common/contract/messages.ts";

export type ControlWork = StreamOpen | ConnectionReport;

interface Queued<Work> {
  readonly work: Work;
  readonly bytes: number;
}

export class WorkQueue {
  readonly #control: Queued<ControlWork>[] = [];
  /** By stream number; none of them empty. */
  readonly #streams = new Map<number, Queued<BatchFrame>[]>();
  #bytes = 0;
  #messages = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get messages(): number {
    return this.#messages;
  }

  /** `bytes`: what the message took on the wire. */
  push(work: ControlWork | BatchFrame, bytes: number): void {
    this.#bytes += bytes;
    this.#messages += 1;
    if (work.type !== "batch") {
      this.#control.push({ work, bytes });
      return;
    }
    const waiting = this.#streams.get(work.stream);
    if (waiting === undefined) this.#streams.set(work.stream, [{ work, bytes }]);
    else waiting.push({ work, bytes });
  }

  nextControl(): ControlWork | undefined {
    const next = this.#control.shift();
    if (next !== undefined) this.#taken(next);
    return next?.work;
  }

  nextFrame(stream: number): BatchFrame | undefined {
    const waiting = this.#streams.get(stream);
    const next = waiting?.shift();
    if (next === undefined) return undefined;
    if (waiting?.length === 0) this.#streams.delete(stream);
    this.#taken(next);
    return next.work;
  }

  get hasControl(): boolean {
    return this.#control.length > 0;
  }

  /** Those that have frames waiting. */
  get streams(): Iterable<number> {
    return this.#streams.keys();
  }

  hasFrames(stream: number): boolean {
    return this.#streams.has(stream);
  }

  clear(): void {
    this.#control.length = 0;
    this.#streams.clear();
    this.#bytes = 0;
    this.#messages = 0;
  }

  #taken({ bytes }: Queued<unknown>): void {
    this.#bytes -= bytes;
    this.#messages -= 1;
  }
}
