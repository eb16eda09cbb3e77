// Sends one answer: tokens cut into packets as they are written, with what a fault does to their bytes.
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import { ByteWriter } from "./byte-writer.ts";
import type { Fault } from "./faults.ts";
import { HEADER_BYTES, PACKET, packetsOf } from "./packets.ts";

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
    const room = this.#deps.packetBytes - HEADER_BYTES;
    // The last packet carries the end mark, so at least a byte waits for it.
    const full = Math.floor((this.tokens.length - 1) / room);
    if (full > 0) await this.#part(this.tokens.take(full * room), full, false);
    // Other connections have their turn, and a cancel of this answer can be heard.
    await turn();
  }

  /** Sends the rest; the message is complete. */
  async end(): Promise<void> {
    const { fault } = this.#deps;
    if (fault?.kind === "truncated_token" && fault.keepBytes === undefined)
      this.tokens.cut(Math.max(0, this.tokens.length - TRUNCATED_BYTES));
    this.#truncate();
    await this.#part(this.tokens.take(), 0, true);
  }

  #truncate(): void {
    const { fault } = this.#deps;
    if (fault?.kind === "truncated_token" && fault.keepBytes !== undefined)
      this.tokens.cut(Math.max(0, fault.keepBytes - this.#payloadBytes));
  }

  async #part(payload: Buffer, packets: number, isEnd: boolean): Promise<void> {
    const { packetBytes, spid } = this.#deps;
    const framing = { packetBytes, spid, packetsBefore: this.#packets, isEnd };
    this.#packets += packets;
    this.#payloadBytes += payload.length;
    await this.#send(packetsOf(PACKET.answer, payload, framing));
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
