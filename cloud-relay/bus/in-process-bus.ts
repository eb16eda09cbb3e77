// The bus of a single relay process: subjects in a map, delivery in the same turn.
import { NoResponderError, type Bus } from "#relay/core/bus.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Clock } from "#common/runtime/clock.ts";

type Handler = (message: unknown) => void;
type Responder = (message: unknown) => Promise<unknown>;

/** The responder did not answer in time. It may still act on the request. */
export class RequestTimeoutError extends MillraceError {
  override name = "RequestTimeoutError";
}

export interface InProcessBusDeps {
  readonly clock: Clock;
  /** Called with what a subscriber threw; the others still get the message. */
  onHandlerError(error: unknown, subject: string): void;
}

export class InProcessBus implements Bus {
  readonly #deps: InProcessBusDeps;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #responders = new Map<string, Responder>();
  #isClosed = false;

  constructor(deps: InProcessBusDeps) {
    this.#deps = deps;
  }

  publish(subject: string, message: unknown): void {
    for (const handler of Array.from(this.#handlers.get(subject) ?? [])) {
      try {
        handler(message);
      } catch (error) {
        this.#deps.onHandlerError(error, subject);
      }
    }
  }

  subscribe(subject: string, handler: Handler): () => void {
    if (this.#isClosed) return () => {};
    // A wrapper of its own, so that the same function can subscribe twice and leave once.
    const entry: Handler = (message) => handler(message);
    const handlers = this.#handlers.get(subject) ?? new Set();
    this.#handlers.set(subject, handlers.add(entry));
    return () => {
      handlers.delete(entry);
      if (handlers.size === 0 && this.#handlers.get(subject) === handlers) this.#handlers.delete(subject);
    };
  }

  request(subject: string, message: unknown, timeoutMs: number): Promise<unknown> {
    const responder = this.#responders.get(subject);
    if (responder === undefined) {
      return Promise.reject(new NoResponderError(`nobody answers on ${subject}`));
    }
    return new Promise((resolve, reject) => {
      const cancel = this.#deps.clock.setTimer(timeoutMs, () => {
        reject(new RequestTimeoutError(`no answer on ${subject} within ${timeoutMs} ms`));
      });
      Promise.resolve()
        .then(() => responder(message))
        .then(resolve, reject)
        .finally(cancel);
    });
  }

  respond(subject: string, handler: Responder): () => void {
    if (this.#isClosed) return () => {};
    const entry: Responder = (message) => handler(message);
    this.#responders.set(subject, entry);
    return () => {
      if (this.#responders.get(subject) === entry) this.#responders.delete(subject);
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#handlers.clear();
    this.#responders.clear();
    return Promise.resolve();
  }
}
