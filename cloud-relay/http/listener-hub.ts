// Delivers to developers' machines that listen over their own connection: hands a delivery down it and waits for the answer.
import type { Clock } from "#common/runtime/clock.ts";
import type { AttemptError } from "#relay/core/webhooks/delivery.ts";
import type { OutgoingRequest, Sender, SendResult } from "#relay/core/webhooks/sender.ts";

/** From the hand-over to the answer, as every receiver has. */
const ANSWER_TIMEOUT_MS = 10_000;
/** An endpoint whose line was lost for so long is disabled at its next delivery. */
const LOST_AFTER_MS = 5 * 60_000;
/** Endpoints of which it is remembered since when nobody listens; the oldest goes first. */
const MAX_MISSED = 10_000;

export interface ListenerAnswer {
  /** Undefined: nothing answered on the developer's machine. */
  readonly status: number | undefined;
  readonly detail: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** From the hand-over to the answer there, ms. */
  readonly tookMs: number | undefined;
}

/** Hands a delivery to the listener. False: it is gone. */
export type HandOver = (ticket: string, request: OutgoingRequest) => Promise<boolean>;

interface Line {
  readonly handOver: HandOver;
  /** Ends a wait, by its ticket. */
  readonly waiting: Map<string, (result: SendResult) => void>;
  /** Another listener has taken its place. */
  readonly replaced: () => void;
}

export interface ListenerHubDeps {
  readonly clock: Clock;
  readonly newTicket: () => string;
}

export class ListenerHub implements Sender {
  readonly #deps: ListenerHubDeps;
  readonly #lines = new Map<string, Line>();
  readonly #missedSinceMs = new Map<string, number>();
  #onLost: (workspaceId: string, endpointId: string) => void = () => {};

  constructor(deps: ListenerHubDeps) {
    this.#deps = deps;
  }

  /** `listener` is called for an endpoint to which nobody has listened for long. */
  onLost(listener: (workspaceId: string, endpointId: string) => void): void {
    this.#onLost = listener;
  }

  /** From now on deliveries go to it; whoever listened before is told by its `replaced`. Returns what ends it. */
  open(endpointId: string, handOver: HandOver, replaced: () => void): () => void {
    const before = this.#lines.get(endpointId);
    const line: Line = { handOver, waiting: new Map(), replaced };
    this.#lines.set(endpointId, line);
    this.#missedSinceMs.delete(endpointId);
    if (before !== undefined) {
      before.replaced();
      giveUp(before);
    }
    return () => {
      giveUp(line);
      if (this.#lines.get(endpointId) === line) this.#lines.delete(endpointId);
    };
  }

  /** False: nobody waits for it any more. */
  answer(endpointId: string, ticket: string, answer: ListenerAnswer): boolean {
    const end = this.#lines.get(endpointId)?.waiting.get(ticket);
    if (end === undefined) return false;
    const { status, detail, headers, body, tookMs } = answer;
    const error: AttemptError | undefined = status === undefined ? "connect_failed" : undefined;
    end({ ...result(error, detail), status, headers, body, timings: timings(tookMs) });
    return true;
  }

  async send(request: OutgoingRequest, signal: AbortSignal): Promise<SendResult> {
    const { clock, newTicket } = this.#deps;
    const { endpointId } = request;
    const line = this.#lines.get(endpointId);
    if (line === undefined) return this.#nobody(request);
    const ticket = newTicket();
    const startMs = clock.monotonicMs();
    const answered = Promise.withResolvers<SendResult>();
    line.waiting.set(ticket, answered.resolve);
    const cancel = clock.setTimer(ANSWER_TIMEOUT_MS, () =>
      answered.resolve(
        result("timed_out", `the listener did not answer within ${ANSWER_TIMEOUT_MS / 1_000} s`),
      ),
    );
    const stop = (): void => answered.resolve(result("local_fault", "the relay stopped"));
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (!(await line.handOver(ticket, request))) return result("local_fault", GONE);
      const ended = await answered.promise;
      return { ...ended, timings: { ...ended.timings, totalMs: clock.monotonicMs() - startMs } };
    } finally {
      cancel();
      signal.removeEventListener("abort", stop);
      line.waiting.delete(ticket);
    }
  }

  refusal(): undefined {
    return undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.#lines.values()) giveUp(line);
    this.#lines.clear();
    return Promise.resolve();
  }

  #nobody({ endpointId, url }: OutgoingRequest): SendResult {
    const nowMs = this.#deps.clock.monotonicMs();
    const sinceMs = this.#missedSinceMs.get(endpointId);
    if (sinceMs === undefined) {
      const [oldest] = this.#missedSinceMs.size >= MAX_MISSED ? this.#missedSinceMs.keys() : [];
      if (oldest !== undefined) this.#missedSinceMs.delete(oldest);
      this.#missedSinceMs.set(endpointId, nowMs);
    } else if (nowMs - sinceMs >= LOST_AFTER_MS) {
      this.#missedSinceMs.delete(endpointId);
      this.#onLost(url.slice(LISTENER_SCHEME.length), endpointId);
    }
    return result("local_fault", GONE);
  }
}

/** What stands for the address of an endpoint that listens; its workspace follows. */
export const LISTENER_SCHEME = "listener:";
const GONE = "nobody listens at the moment";

function giveUp({ waiting }: Line): void {
  for (const end of waiting.values()) end(result("local_fault", GONE));
}

function result(error: AttemptError | undefined, detail: string | undefined): SendResult {
  const nothing = { status: undefined, headers: {}, body: undefined, remoteAddress: undefined };
  return { ...nothing, error, detail, timings: timings(undefined) };
}

function timings(tookMs: number | undefined): SendResult["timings"] {
  return {
    dnsMs: undefined,
    connectMs: undefined,
    tlsMs: undefined,
    firstByteMs: tookMs,
    totalMs: tookMs ?? 0,
  };
}
