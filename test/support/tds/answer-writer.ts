// Sends one answer: tokens cut into packets as they are written, with what a fault does to their bytes.
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import { ByteWriter } from "./byte-writer.ts";
import type { Fault } from "./faults.ts";
import { HEADER_BYTES, PACKET, packetOf } from "./packets.ts";

/** Tokens are sent on as soon as there are this many bytes of them. */
const FLUSH_BYTES = 64 * 1024;
/** What the truncating fault leaves out of the last token, which is a DONE of 13 bytes. */
const TRUNCATED_BYTES = 6;

export interface AnswerSink {
  readonly isClosed: boolean;
  write(bytes: Uint8Array): Promise<void>;
  /** Sends what was written, then closes. */
  end(): void;
}

export interface AnswerDeps {
  readonly sink: AnswerSink;
  readonly packetBytes: number;
  readonly spid: number;
  readonly fault?: Fault | undefined;
}

export class AnswerWriter {
  readonly tokens = new ByteWriter();
  readonly #deps: AnswerDeps;
  #packets = 0;
  #sentBytes = 0;
  #payloadBytes = 0;

  constructor(deps: AnswerDeps) {
    this.#deps = deps;
  }

  get fault(): Fault | undefined {
    return this.#deps.fault;
  }

  /** Call between tokens: sends what has come together. */
  async flush(): Promise<void> {
    if (this.tokens.length < FLUSH_BYTES) return;
    this.#truncate();
    const room = this.#room();
    // The last packet carries the end mark, so at least a byte waits for it.
    while (this.tokens.length > room) await this.#packet(this.tokens.take(room), false);
  }

  /** Sends the rest; the message is complete. */
  async end(): Promise<void> {
    const { fault } = this.#deps;
    if (fault?.kind === "truncated_token" && fault.keepBytes === undefined)
      this.tokens.cut(Math.max(0, this.tokens.length - TRUNCATED_BYTES));
    this.#truncate();
    const room = this.#room();
    const all = this.tokens.take();
    let start = 0;
    for (; all.length - start > room; start += room)
      await this.#packet(all.subarray(start, start + room), false);
    await this.#packet(all.subarray(start), true);
  }

  #room(): number {
    return this.#deps.packetBytes - HEADER_BYTES;
  }

  #truncate(): void {
    const { fault } = this.#deps;
    if (fault?.kind === "truncated_token" && fault.keepBytes !== undefined)
      this.tokens.cut(Math.max(0, fault.keepBytes - this.#payloadBytes));
  }

  async #packet(payload: Buffer, isLast: boolean): Promise<void> {
    this.#packets += 1;
    this.#payloadBytes += payload.length;
    const { spid } = this.#deps;
    await this.#send(packetOf(PACKET.answer, payload, { isLast, spid, number: this.#packets }));
  }

  async #send(bytes: Buffer): Promise<void> {
    const { sink, fault } = this.#deps;
    if (fault?.kind === "disconnect") {
      const left = fault.afterBytes - this.#sentBytes;
      await sink.write(bytes.subarray(0, Math.max(0, left)));
      this.#sentBytes += bytes.length;
      if (left <= bytes.length) sink.end();
    } else if (fault?.kind === "slow") {
      for (let start = 0; start < bytes.length && !sink.isClosed; start += fault.bytesEach) {
        await sink.write(bytes.subarray(start, start + fault.bytesEach));
        await (fault.pauseMs === 0 ? turn() : pause(fault.pauseMs));
      }
    } else await sink.write(bytes);
  }
}
