// Ids of requests: UUIDs of version 7 whose random part is drawn once a millisecond and counted on within it, so that an
// id costs next to nothing.
import { uuidV7 } from "#relay/core/identifiers.ts";
import type { Entropy } from "#relay/core/tokens.ts";

const HARMLESS = /^[A-Za-z0-9._-]{1,128}$/;
/** The counter: the 12 bits after the version (RFC 9562, 6.2, method 1). */
const COUNTER_END = 0x1000;

export class RequestIds {
  readonly #randomBytes: Entropy["randomBytes"];
  readonly #nowMs: () => number;
  #atMs = -1;
  #head = "";
  #tail = "";
  #counter = 0;

  constructor(nowMs: () => number, randomBytes: Entropy["randomBytes"]) {
    this.#nowMs = nowMs;
    this.#randomBytes = randomBytes;
  }

  /** The caller's own id if it is harmless, else a new one. */
  of(header: string | string[] | undefined): string {
    if (typeof header === "string" && HARMLESS.test(header)) return header;
    const nowMs = this.#nowMs();
    if (nowMs !== this.#atMs || this.#counter >= COUNTER_END) this.#draw(nowMs);
    const counter = (COUNTER_END + this.#counter).toString(16).slice(1);
    this.#counter += 1;
    return `req_${this.#head}${counter}${this.#tail}`;
  }

  #draw(nowMs: number): void {
    const drawn = uuidV7(nowMs, this.#randomBytes).replaceAll("-", "");
    this.#atMs = nowMs;
    this.#head = drawn.slice(0, 13);
    this.#tail = drawn.slice(16);
    this.#counter = 0;
  }
}
