// What an agent has sent and its session has not taken yet: control messages first, then streams by turns, so that no
// stream waits behind another one's backlog. Within a stream, and among control messages, the order is kept.
import type { BatchFrame } from "#common/contract/frame.ts";
import type { CommandResult, ConnectionReport, StreamOpen } from "#common/contract/messages.ts";

export type ControlWork = StreamOpen | ConnectionReport | CommandResult;

interface Queued<Work> {
  readonly work: Work;
  readonly bytes: number;
}

export class WorkQueue {
  readonly #control: Queued<ControlWork>[] = [];
  /** By stream number, in the order of their turns; none of them empty. */
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
    if (next !== undefined) this.#taken([next]);
    return next?.work;
  }

  /** The oldest frames of the stream whose turn it is, at most `limit`; empty when no stream has any. */
  nextFrames(limit: number): readonly BatchFrame[] {
    for (const [stream, waiting] of this.#streams) {
      const next = waiting.splice(0, limit);
      this.#streams.delete(stream);
      if (waiting.length > 0) this.#streams.set(stream, waiting);
      this.#taken(next);
      return next.map(({ work }) => work);
    }
    return [];
  }

  clear(): void {
    this.#control.length = 0;
    this.#streams.clear();
    this.#bytes = 0;
    this.#messages = 0;
  }

  #taken(queued: readonly Queued<unknown>[]): void {
    for (const { bytes } of queued) this.#bytes -= bytes;
    this.#messages -= queued.length;
  }
}
