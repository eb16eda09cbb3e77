// Answers that are written bit by bit, for as long as their reader takes them: waiting for the reader, and who may have how many.
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { Problem } from "#relay/core/problem.ts";

/** A reader that takes nothing for this long is gone. */
const STALLED_AFTER_MS = 60_000;
const RETRY_AFTER_S = 30;

/** False: the reader is gone, or has taken nothing for too long and is cut off. */
export async function writeAndDrain(
  response: ServerResponse,
  text: string,
  gone: AbortSignal,
): Promise<boolean> {
  if (gone.aborted || response.destroyed) return false;
  if (response.write(text)) return true;
  try {
    await once(response, "drain", { signal: AbortSignal.any([gone, AbortSignal.timeout(STALLED_AFTER_MS)]) });
    return true;
  } catch {
    response.destroy();
    return false;
  }
}

export interface OpenLimits {
  readonly perToken: number;
  readonly inAll: number;
}

/** How many of one kind are open, by token. */
export class OpenAnswers {
  readonly #limits: OpenLimits;
  readonly #open = new Map<string, number>();

  constructor(limits: OpenLimits) {
    this.#limits = limits;
  }

  /** Returns what ends it. @throws Problem TOO_MANY_STREAMS, with `refusal` in words */
  admit(tokenId: string, refusal: (own: number, all: number) => string): () => void {
    const own = this.#open.get(tokenId) ?? 0;
    const all = [...this.#open.values()].reduce((sum, count) => sum + count, 0);
    if (own >= this.#limits.perToken || all >= this.#limits.inAll)
      throw new Problem("TOO_MANY_STREAMS", refusal(own, all), { retryAfterSeconds: RETRY_AFTER_S });
    this.#open.set(tokenId, own + 1);
    return () => {
      const left = (this.#open.get(tokenId) ?? 1) - 1;
      if (left > 0) this.#open.set(tokenId, left);
      else this.#open.delete(tokenId);
    };
  }
}
