// Keeps a session with the relay up: connects, runs it, and after every end waits and connects again, for ever.
import type { Channel, ChannelHandlers } from "#common/contract/channel.ts";
import { retryAfterMsOf } from "#common/contract/channel.ts";
import { HEALTHY_AFTER_MS, RECONNECT_CAP_MS } from "#common/contract/limits.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import { CLOSE, type ConnectionReport } from "#common/contract/messages.ts";
import { Backoff } from "#common/runtime/backoff.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { UplinkSession, type Answer, type UplinkSessionDeps } from "./uplink-session.ts";

/**
 * Opens an authenticated channel; `open` gives it its handlers before the first frame is delivered. Rejects with a message
 * for people, and `closeCode` and `retryAfterMs` where the relay gave them.
 */
export type ConnectToRelay = (
  open: (channel: Channel) => ChannelHandlers,
  signal: AbortSignal,
) => Promise<Channel>;

export interface UplinkDeps extends Pick<
  UplinkSessionDeps,
  "clock" | "logger" | "sources" | "bound" | "directive" | "welcomed"
> {
  readonly connect: ConnectToRelay;
  readonly random: () => number;
}

export interface UplinkState {
  readonly state: "connecting" | "online" | "waiting";
  readonly sinceMs: number;
  readonly lastError: string | undefined;
}

/** The relay said no, or something stands between: the next attempt waits at least this long, ms. */
const FLOOR_MS: Readonly<Record<number, number>> = {
  [CLOSE.UNAUTHENTICATED]: 30_000,
  [CLOSE.VERSION]: 60_000,
  [CLOSE.QUARANTINED]: 60_000,
  [CLOSE.OVERLOADED]: 1_000,
};

/** Whoever stands between could name any time. */
const MAX_HINT_MS = 120_000;

export class Uplink {
  readonly #deps: UplinkDeps;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #backoff: Backoff;
  #session: UplinkSession | undefined;
  readonly #standing = new Map<string, ConnectionReport | ConnectionDescription>();
  #state: UplinkState;

  constructor(deps: UplinkDeps) {
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    const settings = { firstMs: 1_000, capMs: RECONNECT_CAP_MS, healthyAfterMs: HEALTHY_AFTER_MS };
    this.#backoff = new Backoff(settings, deps.clock, deps.random);
    this.#state = { state: "connecting", sinceMs: deps.clock.nowMs(), lastError: undefined };
  }

  get state(): UplinkState {
    return this.#state;
  }

  /** See UplinkSession. */
  wake(name: string): void {
    this.#session?.wake(name);
  }

  opened(name: string): void {
    this.#session?.opened(name);
  }

  report(report: ConnectionReport | ConnectionDescription): void {
    this.#standing.set(`${report.type} ${report.connection_id}`, report);
    this.#session?.report(report);
  }

  answer(answer: Answer): boolean {
    return this.#session?.answer(answer) ?? false;
  }

  /** Resolves when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const ended = await this.#once(signal);
      if (signal.aborted) return;
      const atLeastMs = Math.max(FLOOR_MS[ended.code] ?? 0, Math.min(ended.atLeastMs, MAX_HINT_MS));
      // Told when to come, by a relay that has counted: backing off beyond that would leave its place empty.
      const isTold = ended.isDrain || (ended.code === CLOSE.OVERLOADED && ended.atLeastMs > 0);
      const delayMs = isTold ? atLeastMs : this.#backoff.failed(atLeastMs);
      this.#set("waiting", ended.reason);
      this.#logger.warn({ code: ended.code, retry_ms: delayMs }, `relay: ${ended.reason}`);
      await sleep(this.#clock, delayMs, signal);
    }
  }

  async #once(signal: AbortSignal): Promise<Ended> {
    let drainMs: number | undefined;
    const { promise: ended, resolve: finish } = Promise.withResolvers<Ended>();
    const { clock, logger, sources, bound, directive, welcomed } = this.#deps;
    const drain = (reconnectInMs: number): void => {
      drainMs = Math.round(this.#deps.random() * reconnectInMs);
    };
    this.#set("connecting", this.#state.lastError);
    let channel: Channel;
    try {
      channel = await this.#deps.connect((opened) => {
        const progressed = (): void => this.#backoff.progressed();
        const shared = { clock, logger, sources, bound, directive, welcomed };
        const session = new UplinkSession({ ...shared, channel: opened, drain, progressed });
        this.#session = session;
        for (const report of this.#standing.values()) session.report(report);
        return {
          onFrame: (frame) => this.#frame(session, frame),
          onDrain: () => session.onDrain(),
          onClose: (code, reason) => {
            const atLeastMs = drainMs ?? retryAfterMsOf(reason) ?? 0;
            finish({ code, reason, isDrain: drainMs !== undefined, atLeastMs });
          },
        };
      }, signal);
    } catch (error) {
      this.#endSession();
      const reason = messageOf(error);
      return { code: closeCodeOf(error), reason, isDrain: false, atLeastMs: retryAfterMsOf(reason) ?? 0 };
    }
    const stop = (): void => channel.close(CLOSE.STOPPING, "the agent is stopping");
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const result = await ended;
    signal.removeEventListener("abort", stop);
    this.#endSession();
    return result;
  }

  #endSession(): void {
    this.#session?.stop();
    this.#session = undefined;
  }

  #frame(session: UplinkSession, frame: Uint8Array): void {
    const wasWelcome = session.isWelcome;
    session.onFrame(frame);
    if (wasWelcome || !session.isWelcome) return;
    this.#backoff.succeeded();
    this.#set("online", undefined);
    this.#logger.info({}, "relay: connected");
  }

  #set(state: UplinkState["state"], lastError: string | undefined): void {
    this.#state = { state, sinceMs: this.#clock.nowMs(), lastError };
  }
}

interface Ended {
  readonly code: number;
  readonly reason: string;
  readonly isDrain: boolean;
  readonly atLeastMs: number;
}

function closeCodeOf(error: unknown): number {
  return error instanceof Error && "closeCode" in error && typeof error.closeCode === "number"
    ? error.closeCode
    : 1006;
}
