// A live feed to one client: reads the store in pages, writes no faster than the client takes them, and is woken by the
// bus. The bus is only a hint; the store is asked again at least once a second.
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { subjects, type Bus } from "#relay/core/bus.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Reader, Scope } from "#relay/core/store.ts";
import { eventCursor, serverSentEvent, type FeedContext } from "./event-text.ts";
import type { VisibleEvents } from "./visible-events.ts";

/** Events read and written at a time: what one slow client can hold in memory is a page and the socket's own buffer. */
const PAGE_EVENTS = 200;
const LOOK_EVERY_MS = 1_000;
const HEARTBEAT_EVERY_MS = 15_000;
/** What a client should wait before it comes back. */
const RETRY_MS = 2_000;

export interface EventStreamDeps {
  readonly reader: Reader;
  readonly bus: Bus;
  readonly clock: Clock;
  /** Writes and waits until the client has room again; false when it is gone or stalled. */
  write(text: string): Promise<boolean>;
  /** Throws a Problem when the client may not go on: revoked, expired, or its cursor is no longer held. */
  check(position: number): Promise<void>;
  /** The client has gone, or the relay stops. */
  readonly signal: AbortSignal;
}

export interface EventStreamQuery {
  readonly scope: Scope;
  readonly after: number;
  readonly visible: VisibleEvents;
  readonly context: FeedContext;
}

/** Resolves when the stream is over; never rejects for what the client or its token did. */
export async function streamEvents(deps: EventStreamDeps, query: EventStreamQuery): Promise<void> {
  const bell = new Bell(deps.bus, subjects.feed(query.scope.workspaceId));
  try {
    if (await deps.write(`retry: ${RETRY_MS}\n\n`)) await pump(deps, query, bell);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    await deps.write(
      `event: error\ndata: ${JSON.stringify({ code: error.code, detail: error.message })}\n\n`,
    );
  } finally {
    bell[Symbol.dispose]();
  }
}

async function pump(deps: EventStreamDeps, query: EventStreamQuery, bell: Bell): Promise<void> {
  const { reader, clock, signal } = deps;
  let after = query.after;
  let wroteAtMs = clock.monotonicMs();
  while (!signal.aborted) {
    bell.reset();
    await deps.check(after);
    // Asked for before the events: when they are all read, everything in scope up to there was sent.
    const { newest } = await reader.feedBounds(query.scope.workspaceId);
    const events = await reader.listEvents(query.scope, after, PAGE_EVENTS, query.visible.types);
    const last = events.at(-1);
    if (last !== undefined) {
      const seen = events.filter((event) => query.visible.sees(event));
      const text = seen.map((event) => serverSentEvent(event, query.context)).join("");
      if (text !== "") {
        if (!(await deps.write(text))) return;
        wroteAtMs = clock.monotonicMs();
      }
      after = last.position;
      if (events.length === PAGE_EVENTS) continue;
    }
    after = Math.max(after, newest);
    if (clock.monotonicMs() - wroteAtMs >= HEARTBEAT_EVERY_MS) {
      // An id without data moves Last-Event-ID on, so that a quiet stream's position does not grow old.
      if (!(await deps.write(`: still here\nid: ${eventCursor(after, query.context)}\n\n`))) return;
      wroteAtMs = clock.monotonicMs();
    }
    await bell.rung(clock, LOOK_EVERY_MS, signal);
  }
}

/** Remembers that the subject was published since the last reset, so that no wake-up is lost between read and wait. */
class Bell implements Disposable {
  readonly #unsubscribe: () => void;
  #ringing = new AbortController();

  constructor(bus: Bus, subject: string) {
    this.#unsubscribe = bus.subscribe(subject, () => this.#ringing.abort());
  }

  reset(): void {
    if (this.#ringing.signal.aborted) this.#ringing = new AbortController();
  }

  rung(clock: Clock, atMostMs: number, signal: AbortSignal): Promise<void> {
    return sleep(clock, atMostMs, AbortSignal.any([this.#ringing.signal, signal]));
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }
}
