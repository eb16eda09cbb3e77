// Ends a line on which an answer's head is too long, before the parser sees it: undici makes an error, with its stack, of every
// header line beyond its limit, and one hostile answer of 64 KiB would cost what ten good deliveries cost.
import type { Socket } from "node:net";
import { errors } from "undici";

const HEAD_END = "\r\n\r\n";

export class HeadGuard {
  readonly #socket: Socket;
  readonly #maxBytes: number;
  #bytes = 0;
  #isInHead = false;

  constructor(socket: Socket, maxBytes: number) {
    this.#socket = socket;
    this.#maxBytes = maxBytes;
    const read = socket.read.bind(socket) as (size?: number) => unknown;
    socket.read = (size?: number) => this.#checked(read(size));
  }

  /** An answer's head comes next. */
  begin(): void {
    this.#bytes = 0;
    this.#isInHead = true;
  }

  /** The head has been read. */
  end(): void {
    this.#isInHead = false;
  }

  #checked(chunk: unknown): unknown {
    if (!this.#isInHead || !Buffer.isBuffer(chunk)) return chunk;
    const end = chunk.indexOf(HEAD_END);
    this.#bytes += end < 0 ? chunk.length : end;
    if (this.#bytes <= this.#maxBytes) return chunk;
    this.#socket.destroy(new errors.HeadersOverflowError());
    return null;
  }
}
