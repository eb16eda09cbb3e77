// Stands before the router: takes the requests of one socket in turn, and refuses who goes on beyond a quota at next to no cost.
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { problemDocument, type Problem } from "#relay/core/problem.ts";
import type { HttpDeps } from "./http-types.ts";
import { PROBLEM_TYPE } from "./problem-reply.ts";

/** Refusals of a token in one window that go the whole way, the request log included. */
const PLAIN_REFUSALS = 20;
/** The refusals after that are believed for so long without asking anew: a token may be revoked, a quota raised. */
const BELIEVED_MS = 1_000;
/** So late they are answered: whoever waits for answers asks less often. */
const SLOWED_MS = 100;
/** Tokens remembered at once; beyond it all are forgotten. */
const MAX_FLOODS = 10_000;
/** Requests of one socket that wait for the ones before them; beyond it nothing more is read from it, until there are fewer. */
const MAX_WAITING = 64;
const FEW_WAITING = 16;

export interface Refusal {
  readonly problem: Problem;
  /** Beside those of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** Which quota, for the metric. */
  readonly by: string;
  /** Until the quota is whole again. */
  readonly resetMs: number;
}

interface Flood {
  refusals: number;
  refusal: Refusal;
  /** By the monotonic clock. */
  readonly endsMs: number;
  believedUntilMs: number;
}

/** What one socket has asked and not got yet. */
interface Line {
  last: ServerResponse;
  waiting: number;
  isHeld: boolean;
}

export interface FloodGateDeps extends Pick<HttpDeps, "clock" | "metrics" | "requestLog"> {
  /** Those of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  readonly requestId: (header: string | string[] | undefined) => string;
}

export class FloodGate {
  readonly #deps: FloodGateDeps;
  /** By the header Authorization; only of tokens that are known. */
  readonly #floods = new Map<string, Flood>();
  readonly #lines = new WeakMap<Socket, Line>();
  readonly #open: RegExp[] = [];

  constructor(deps: FloodGateDeps) {
    this.#deps = deps;
  }

  /** Requests for this route are nobody's to refuse. */
  leaveOpen(route: string): void {
    const pattern = route.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/:[A-Za-z_]+/g, "[^/]+");
    this.#open.push(new RegExp(`^${pattern}/?(?:\\?|$)`));
  }

  /** A quota refused a request with this header, the whole way. */
  refused(authorization: string, refusal: Refusal): void {
    const nowMs = this.#deps.clock.monotonicMs();
    let flood = this.#floods.get(authorization);
    if (flood === undefined || flood.endsMs <= nowMs) {
      if (this.#floods.size >= MAX_FLOODS) this.#floods.clear();
      flood = { refusals: 0, refusal, endsMs: nowMs + refusal.resetMs, believedUntilMs: 0 };
      this.#floods.set(authorization, flood);
    }
    flood.refusals += 1;
    flood.refusal = refusal;
    if (flood.refusals >= PLAIN_REFUSALS) {
      flood.believedUntilMs = Math.min(nowMs + BELIEVED_MS, nowMs + refusal.resetMs);
    }
  }

  /**
   * `next` with this in front. Requests that come before their predecessors on the same socket are answered wait for them, a
   * turn of the event loop each: a socket full of requests does not stand before everybody else's.
   */
  before(next: RequestListener): RequestListener {
    return (request, response) => {
      const { socket } = request;
      const line = this.#lines.get(socket);
      const previous = line?.last;
      if (line === undefined) this.#lines.set(socket, { last: response, waiting: 0, isHeld: false });
      else line.last = response;
      // Node gives a response its socket when the ones before it are done.
      if (line === undefined || previous === undefined || response.socket !== null) {
        return this.#take(next, request, response);
      }
      line.waiting += 1;
      if (line.waiting === MAX_WAITING) hold(line, socket, true);
      previous.once("close", () =>
        setImmediate(() => {
          line.waiting -= 1;
          if (line.isHeld && line.waiting <= FEW_WAITING) hold(line, socket, false);
          if (!socket.destroyed) this.#take(next, request, response);
        }),
      );
    };
  }

  #take(next: RequestListener, request: IncomingMessage, response: ServerResponse): void {
    const flood = this.#floods.size === 0 ? undefined : this.#floodOf(request);
    if (flood === undefined) next(request, response);
    else this.#refuse(flood.refusal, request, response);
  }

  #floodOf({ headers: { authorization }, url = "" }: IncomingMessage): Flood | undefined {
    const flood = authorization === undefined ? undefined : this.#floods.get(authorization);
    if (flood === undefined || flood.believedUntilMs <= this.#deps.clock.monotonicMs()) return undefined;
    return this.#open.some((route) => route.test(url)) ? undefined : flood;
  }

  #refuse(refusal: Refusal, request: IncomingMessage, response: ServerResponse): void {
    const { clock, metrics, requestLog, requestId, headers } = this.#deps;
    metrics.refused.inc({ by: refusal.by });
    requestLog.passedOver();
    const answer = (): void => {
      const id = requestId(request.headers["x-request-id"]);
      const body = JSON.stringify(problemDocument(refusal.problem, id));
      const { retryAfterSeconds = 1 } = refusal.problem.extras;
      response.writeHead(refusal.problem.status, {
        ...headers,
        "x-request-id": id,
        ...refusal.headers,
        "retry-after": String(retryAfterSeconds),
        "cache-control": "no-store",
        "content-type": PROBLEM_TYPE,
        "content-length": Buffer.byteLength(body),
      });
      response.end(body);
    };
    response.once("close", clock.setTimer(SLOWED_MS, answer));
  }
}

function hold(line: Line, socket: Socket, isHeld: boolean): void {
  line.isHeld = isHeld;
  if (isHeld) socket.pause();
  else socket.resume();
}
