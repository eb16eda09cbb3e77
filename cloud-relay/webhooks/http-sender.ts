// Posts deliveries to receivers over HTTPS: bounded in time and size, never redirected, never to an address of ours.
import { isIP } from "node:net";
import type { Clock } from "#common/runtime/clock.ts";
import type { OutgoingRequest, Sender, SendResult } from "#relay/core/webhooks/sender.ts";
import { whenAborted } from "./abort-group.ts";
import {
  guardedConnect,
  hostOf,
  portOf,
  type ConnectOptions,
  type ConnectPhases,
} from "./guarded-connect.ts";
import { IdleLines } from "./idle-lines.ts";
import { ReceiverLine, type Answer } from "./receiver-line.ts";
import { BLOCKED, SendFailure } from "./send-failure.ts";

/** Of one try, from the name to the answer's end. */
const TOTAL_TIMEOUT_MS = 10_000;
const MAX_URL_CHARS = 2_000;
/** Of each header of the answer that is kept. */
const MAX_HEADER_CHARS = 500;
/** What says something about why a receiver answered so. */
const KEPT_HEADERS: readonly string[] = [
  "cf-ray",
  "content-encoding",
  "content-length",
  "content-type",
  "date",
  "location",
  "retry-after",
  "server",
  "via",
  "webhook-delivery",
  "x-amz-cf-id",
  "x-request-id",
];

export interface HttpSenderOptions extends ConnectOptions {
  /** Origins of this relay, which must not send to itself: `https://relay.example.com`. */
  readonly ownOrigins: () => readonly string[];
}

interface Tried {
  answer?: Answer;
  remoteAddress?: string | undefined;
  readonly phases: ConnectPhases;
}

export class HttpSender implements Sender {
  readonly #options: HttpSenderOptions;
  readonly #clock: Clock;
  readonly #idle: IdleLines;
  readonly #closing = new AbortController();

  constructor(options: HttpSenderOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#idle = new IdleLines(options.clock);
  }

  refusal(text: string): string | undefined {
    const url = text.length > MAX_URL_CHARS ? undefined : URL.parse(text);
    if (url === undefined) return `the address is longer than ${MAX_URL_CHARS} characters`;
    if (url === null || (url.protocol !== "https:" && url.protocol !== "http:"))
      return "it is not an address such as https://example.com/hook";
    if (url.username !== "" || url.password !== "")
      return "it holds a user name or password; send them in a header of the endpoint instead";
    const host = hostOf(url);
    const { addresses } = this.#options;
    const permits = (address: string): boolean => addresses.permits(address, url.protocol, portOf(url));
    if (isIP(host) !== 0 && !permits(host)) return BLOCKED;
    if (isLocal(host) && !permits("127.0.0.1") && !permits("::1")) return BLOCKED;
    if (this.#isOwn(url)) return "it is this relay's own address";
    return isIP(host) === 0 ? addresses.refusalByForm(url.protocol, portOf(url)) : undefined;
  }

  async send(request: OutgoingRequest, signal: AbortSignal): Promise<SendResult> {
    const startMs = this.#clock.monotonicMs();
    const abort = new AbortController();
    const cancel = this.#clock.setTimer(TOTAL_TIMEOUT_MS, () =>
      abort.abort(new SendFailure("timed_out", `no answer within ${TOTAL_TIMEOUT_MS / 1_000} s`)),
    );
    const stop = (): void => abort.abort(new SendFailure("local_fault", "the relay stopped"));
    const leave = [signal, this.#closing.signal].map((source) => whenAborted(source, stop));
    const tried: Tried = { phases: {} };
    let failure: SendFailure | undefined;
    try {
      const refusal = this.refusal(request.url);
      if (refusal !== undefined) throw new SendFailure("blocked_address", refusal);
      await this.#try(request, tried, abort.signal);
    } catch (error) {
      if (!(error instanceof SendFailure)) throw error;
      failure = error;
    } finally {
      cancel();
      for (const one of leave) one();
    }
    return this.#resultOf(tried, failure, this.#clock.monotonicMs() - startMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#idle.closeAll();
    return Promise.resolve();
  }

  async #try(request: OutgoingRequest, tried: Tried, signal: AbortSignal): Promise<void> {
    const url = new URL(request.url);
    const key = `${request.endpointId} ${url.origin}`;
    const kept = this.#idle.take(key);
    if (kept !== undefined) {
      try {
        return await this.#post(kept, key, request, tried, signal);
      } catch (error) {
        // It was closed at the very moment: the receiver has seen nothing, or knows the delivery again by its id.
        if (!(error instanceof SendFailure) || error.error !== "reset") throw error;
      }
    }
    const socket = await guardedConnect(url, this.#options, tried.phases, signal);
    await this.#post(new ReceiverLine(url.origin, socket, this.#clock), key, request, tried, signal);
  }

  async #post(
    line: ReceiverLine,
    key: string,
    request: OutgoingRequest,
    tried: Tried,
    signal: AbortSignal,
  ): Promise<void> {
    // Behind a proxy it is the proxy's.
    tried.remoteAddress = this.#options.proxy === undefined ? line.remoteAddress : undefined;
    const { pathname, search } = new URL(request.url);
    tried.answer = await line.post(`${pathname}${search}`, request.headers, request.body, signal);
    this.#idle.keep(key, line);
  }

  #resultOf(
    { answer, remoteAddress, phases }: Tried,
    failure: SendFailure | undefined,
    totalMs: number,
  ): SendResult {
    const isRedirect = answer !== undefined && answer.status >= 300 && answer.status < 400;
    const isShown = remoteAddress !== undefined && this.#options.addresses.isPublic(remoteAddress);
    return {
      status: answer?.status,
      error: failure?.error ?? (isRedirect ? "redirected" : undefined),
      detail:
        failure?.message ??
        (isRedirect ? "redirects are never followed; set the address it leads to" : undefined),
      headers: answer === undefined ? {} : keptHeaders(answer.headers),
      body: answer === undefined ? undefined : textOf(answer),
      remoteAddress: isShown ? remoteAddress : undefined,
      timings: {
        dnsMs: phases.dnsMs,
        connectMs: phases.connectMs,
        tlsMs: phases.tlsMs,
        firstByteMs: answer?.firstByteMs,
        totalMs,
      },
    };
  }

  #isOwn(url: URL): boolean {
    const host = hostOf(url);
    return this.#options.ownOrigins().some((origin) => {
      const own = new URL(origin);
      const isNamed = isIP(host) === 0 && !isLocal(host);
      return hostOf(own) === host && (isNamed || portOf(own) === portOf(url));
    });
  }
}

function isLocal(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

function keptHeaders(headers: Answer["headers"]): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = headers[name];
    if (value !== undefined) kept[name] = [value].flat().join(", ").slice(0, MAX_HEADER_CHARS);
  }
  return kept;
}

/** What is compressed stays so: unpacking is where small answers become large. */
function textOf({ headers, body }: Answer): string {
  const [encoding] = [headers["content-encoding"]].flat();
  if (encoding !== undefined && encoding !== "" && encoding !== "identity")
    return `(${body.length} bytes, ${encoding.slice(0, 40)}, not unpacked)`;
  return new TextDecoder().decode(body);
}
