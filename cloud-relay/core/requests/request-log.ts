// Writes the request log beside the requests: in batches, bounded, and never in their way.
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { LoggedRequest, RequestStore } from "./request-store.ts";

/** Entries wait this long, or until there are so many. */
const FLUSH_EVERY_MS = 500;
const FLUSH_AT = 250;
/** Beyond this, requests are served and not logged; a metric counts them. */
const MAX_WAITING = 10_000;

export interface RequestLogDeps {
  readonly store: RequestStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class RequestLog implements AsyncDisposable {
  readonly #deps: RequestLogDeps;
  #waiting: LoggedRequest[] = [];
  #cancelTimer: (() => void) | undefined;
  #writing: Promise<void> | undefined;
  #dropped = 0;
  #passedOver = 0;
  #isFailing = false;

  constructor(deps: RequestLogDeps) {
    this.#deps = deps;
  }

  /** Requests that were served and could not be logged, since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Reads that went well and were beyond the log's share of a second. */
  get notLogged(): number {
    return this.#passedOver;
  }

  passedOver(): void {
    this.#passedOver += 1;
  }

  add(request: LoggedRequest): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(request);
    if (this.#writing !== undefined) return;
    if (this.#waiting.length >= FLUSH_AT) this.#write();
    else this.#cancelTimer ??= this.#deps.clock.setTimer(FLUSH_EVERY_MS, () => this.#write());
  }

  /** Resolves when everything that was added before is written, or has failed to be. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || this.#waiting.length > 0) {
      if (this.#writing === undefined) this.#write();
      await this.#writing;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
  }

  #write(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const batch = this.#waiting.splice(0, FLUSH_AT);
    if (batch.length > 0) this.#writing = this.#append(batch);
  }

  async #append(batch: readonly LoggedRequest[]): Promise<void> {
    try {
      await this.#deps.store.append(batch);
      this.#isFailing = false;
    } catch (error) {
      this.#dropped += batch.length;
      // Said once, not for each batch of a store that is full.
      if (!this.#isFailing) this.#deps.logger.warn({}, `requests are not logged: ${messageOf(error)}`);
      this.#isFailing = true;
    }
    this.#writing = undefined;
    if (this.#waiting.length > 0) {
      this.#cancelTimer ??= this.#deps.clock.setTimer(
        this.#waiting.length >= FLUSH_AT ? 0 : FLUSH_EVERY_MS,
        () => this.#write(),
      );
    }
  }
}
